// Listens to one run. The browser reconnects by itself and says where it was; the server goes on from there.

const KINDS = ["phase", "data", "model", "record", "result", "finished", "cancelled", "failure"];
const LAST = new Set(["finished", "cancelled", "failure"]);

/** Calls hear(kind, data) for every event; returns a function that stops listening. */
export function listen(id, hear) {
  const source = new EventSource(`/api/runs/${encodeURIComponent(id)}/events`);
  for (const kind of KINDS) {
    source.addEventListener(kind, (event) => {
      if (LAST.has(kind)) source.close();
      hear(kind, JSON.parse(event.data));
    });
  }
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) hear("failure", { message: "The lab no longer knows this run. Train again." });
  });
  return () => source.close();
}
