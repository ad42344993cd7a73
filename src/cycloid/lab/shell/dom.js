// Small tools for building pages without a framework.

const SPECIAL = new Set(["class", "text", "on", "data", "style"]);

/** Make an element: h("button", {class: "primary", on: {click}}, "Step"). */
export function h(tag, properties = {}, ...children) {
  return dress(document.createElement(tag), properties, children);
}

function dress(element, properties, children) {
  if (properties.class) element.setAttribute("class", properties.class);
  if (properties.text !== undefined) element.textContent = properties.text;
  for (const [name, listener] of Object.entries(properties.on ?? {})) element.addEventListener(name, listener);
  Object.assign(element.dataset, properties.data ?? {});
  for (const [name, value] of Object.entries(properties.style ?? {})) element.style.setProperty(name, value);
  for (const [name, value] of Object.entries(properties)) {
    if (SPECIAL.has(name) || value === undefined || value === null || value === false) continue;
    element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Replace what an element holds, only when it changes: screen readers and selections stay calm. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Tell a screen reader. */
export function announce(text) {
  const region = document.getElementById("announcer");
  if (region) region.textContent = text;
}

/** A number a person can read: 3 significant digits, a true minus sign, powers of ten only when needed. */
export function format(value, digits = 3) {
  if (Number.isNaN(value)) return "undefined";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-4) {
    const [mantissa, exponent] = size.toExponential(digits - 1).split("e");
    return `${value < 0 ? "−" : ""}${trim(mantissa)}×10${superscript(Number(exponent))}`;
  }
  const places = Math.max(0, digits - 1 - Math.floor(Math.log10(size)));
  const text = trim(size.toFixed(Math.min(places, 8)));
  return value < 0 && Number(text) !== 0 ? `−${text}` : text;
}

const trim = (text) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);

function superscript(exponent) {
  return String(exponent).replace(/./g, (digit) => (digit === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(digit)]));
}

/** MathML text from the server, as nodes. */
export function mathNodes(markup) {
  const parsed = new DOMParser().parseFromString(markup, "application/xml");
  if (parsed.querySelector("parsererror")) return h("code", { text: markup.replace(/<[^>]*>/g, "") });
  return document.importNode(parsed.documentElement, true);
}

/** Ask the server; a refusal becomes an Error whose message is the server's sentence. */
export async function ask(address, options) {
  let response;
  try {
    response = await fetch(address, options);
  } catch {
    throw new Error("The lab does not answer. Is it still running in the terminal?");
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw Object.assign(new Error(answer.message ?? `The server answered ${response.status}.`), { answer });
  return answer;
}

/** Collapse many calls into one per animation frame. */
export function onNextFrame(work) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      work();
    });
  };
}

const still = matchMedia("(prefers-reduced-motion: reduce)");

/** Whether the reader asked for less movement. */
export const reducedMotion = () => still.matches;
