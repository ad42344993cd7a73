// The training chain: choose data and a model, press Train, and watch loss, gradient, update and metric as they come.

import { readAddress, writeAddress } from "/shell/address.js";
import { announce, ask, format, h, onNextFrame, say } from "/shell/dom.js";
import { ChainPanels } from "/widgets/training/chain.js";
import { listen } from "/widgets/training/feed.js";
import { METHODS, OrderForm } from "/widgets/training/form.js";
import { cardSheet, reportSheet, verdictSheet } from "/widgets/training/verdict.js";

/** What is said of a run that came to its end. */
function ending({ result, order }) {
  if (result.explanation || result.steps >= order.max_steps) return `Done after ${result.steps} steps.`;
  return `Stopped after ${result.steps} steps; the best model was that of step ${result.best_step}.`;
}

export async function mount(root) {
  const page = new Training();
  root.append(page.element);
  await page.form.open(readAddress());
  return page;
}

class Training {
  constructor() {
    this.form = new OrderForm({
      train: (order) => this.#train(order),
      cancel: () => this.#cancel(),
      changed: () => writeAddress(this.form.entries),
    });
    this.chain = new ChainPanels();
    this.redraw = onNextFrame(() => this.#draw());
    this.phase = h("p", { class: "phase", role: "status" });
    this.bar = h("progress", { class: "bar", max: 1, value: 0, "aria-label": "Training progress", hidden: true });
    this.ending = h("div", { class: "ending" });
    this.runs = [];
    this.table = h("tbody");
    this.list = this.#runList();
    this.element = h("div", { class: "training-page" },
      h("div", { class: "asking" }, h("h1", {}, "Watch a model learn"), h("p", { class: "note" }, "Loss, gradient, update, metric: four links of one chain, for data that you choose.")),
      this.form.element,
      h("div", { class: "progress" }, this.phase, this.bar),
      this.chain.element,
      this.ending,
      this.list);
  }

  #runList() {
    const heads = ["Data", "Model", "Method", "η", "Steps", "Metric", "Improved?", ""].map((text, k) => h("th", { scope: "col", class: k === 3 || k === 4 ? "number" : "" }, text));
    return h("section", { class: "sheet", hidden: true, "aria-labelledby": "runs-title" },
      h("h2", { id: "runs-title" }, "Your runs"),
      h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, ...heads)), this.table)));
  }

  async #train(order) {
    const run = { order, records: [], layers: [], groups: [], metric: "the metric", phase: "Sending the order.", state: "running" };
    try {
      const { id } = await ask("/api/runs", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(order) });
      run.id = id;
    } catch (error) {
      return this.form.complain(error.message);
    }
    run.title = order.bundled ? this.form.sets.find((one) => one.name === order.bundled).title : this.form.upload.name;
    this.runs.push(run);
    run.row = h("tr", {});
    this.table.prepend(run.row);
    this.#show(run);
    listen(run.id, (kind, data) => this.#hear(run, kind, data));
  }

  async #cancel() {
    const run = this.shown;
    if (run?.state !== "running") return;
    run.phase = "Cancelling after the steps under way.";
    this.redraw();
    await ask(`/api/runs/${run.id}/cancel`, { method: "POST" }).catch((error) => this.form.complain(error.message));
  }

  #hear(run, kind, data) {
    if (kind === "record") run.records.push(data);
    else if (kind === "model") Object.assign(run, data);
    else if (kind === "phase") run.phase = data.sentence;
    else if (kind === "data") Object.assign(run, { data, phase: `${run.title}: ${data.sentence}` });
    else if (kind === "result") run.result = data;
    else this.#end(run, kind, data.message);
    if (run === this.shown) this.redraw();
  }

  #end(run, kind, message) {
    run.state = kind;
    run.phase = kind === "finished" ? ending(run) : message;
    this.#listRun(run);
    if (run !== this.shown) return;
    announce(run.result?.verdict?.sentence ?? run.phase);
    this.#showEnding(run);
  }

  #show(run) {
    this.shown = run;
    this.chain.clear();
    this.ending.replaceChildren();
    if (run.state !== "running") this.#showEnding(run);
    this.#listRun(run);
    this.redraw();
  }

  #draw() {
    const run = this.shown;
    const running = run.state === "running";
    Object.assign(this.chain, { records: run.records, layers: run.layers, groups: run.groups, metric: run.metric, result: run.result });
    this.chain.draw();
    const step = run.records.at(-1)?.step ?? 0;
    this.bar.hidden = !running;
    this.bar.value = step / run.order.max_steps;
    say(this.phase, running && step ? `Step ${step} of ${run.order.max_steps}.` : run.phase);
    this.phase.classList.toggle("trouble", run.state === "failure");
    this.form.setRunning(running);
  }

  #showEnding(run) {
    const { result } = run;
    const parts = result ? [verdictSheet(result), result.card && cardSheet(result.card), result.report.length && reportSheet(result.report)] : [];
    this.ending.replaceChildren(...parts.filter(Boolean));
  }

  #listRun(run) {
    this.list.hidden = !this.runs.some((one) => one.state !== "running") && this.runs.length < 2;
    const metric = run.result?.metrics?.[0];
    const improved = run.result?.verdict?.improved ?? { running: "training", cancelled: "cancelled", failure: "failed" }[run.state] ?? "";
    const method = METHODS.find(([id]) => id === run.order.method);
    const look = h("button", { type: "button", class: "quiet", on: { click: () => this.#show(run) } }, "Look");
    look.setAttribute("aria-label", `Look at the run on ${run.title} with ${method[1]}`);
    run.row.replaceChildren(
      h("td", {}, run.title),
      h("td", {}, run.order.model === "mlp" ? `network ${run.order.hidden.join(", ")}` : run.order.model),
      h("td", {}, h("span", { class: "row method" }, h("span", { class: "swatch", style: { "background-color": `var(--method-${method[2]})` } }), method[1])),
      h("td", { class: "number" }, format(run.order.learning_rate)),
      h("td", { class: "number" }, String(run.result?.steps ?? run.records.at(-1)?.step ?? 0)),
      h("td", { class: "numbers" }, metric ? `${metric.title ?? metric.name} ${format(metric.value)}` : ""),
      h("td", {}, improved),
      h("td", {}, look),
    );
  }
}
