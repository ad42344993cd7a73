// The state of an instrument lives in the part of the address after "#": a link shows another person the same thing.

let timer = 0;

export function readAddress() {
  return new URLSearchParams(location.hash.slice(1));
}

/** Write entries after a short pause, replacing the history entry; undefined entries are left out. */
export function writeAddress(entries) {
  clearTimeout(timer);
  timer = setTimeout(() => {
    const parameters = new URLSearchParams();
    for (const [name, value] of Object.entries(entries)) if (value !== undefined && value !== "") parameters.set(name, value);
    const text = parameters.toString();
    if (text !== location.hash.slice(1)) history.replaceState(null, "", text ? `#${text}` : location.pathname);
  }, 200);
}
