// Colours live in base.css; drawings read them from there, and repaint when the theme changes.

const cache = new Map();
const listeners = new Set();

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  cache.clear();
  for (const listener of listeners) listener();
});

/** The colour behind a CSS variable: colour("accent"). */
export function colour(name) {
  if (!cache.has(name)) cache.set(name, getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim());
  return cache.get(name);
}

/** The colour of an optimizer, the same on every page. */
export const methodColour = (method) => colour(`method-${method}`) || colour("muted");

/** "#2457d6" as three numbers from 0 to 1. */
export function rgb(name) {
  const digits = colour(name).slice(1);
  return [0, 2, 4].map((at) => parseInt(digits.slice(at, at + 2), 16) / 255);
}

/** A colour with some transparency. */
export function faded(name, alpha) {
  const [r, g, b] = rgb(name).map((part) => Math.round(255 * part));
  return `rgba(${r}, ${g}, ${b}, ${alpha})`;
}

export const dark = () => matchMedia("(prefers-color-scheme: dark)").matches;

export function onThemeChange(listener) {
  listeners.add(listener);
}
