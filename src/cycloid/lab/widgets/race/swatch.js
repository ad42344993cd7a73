// The mark of a runner in lists and tables: a short stroke in its colour.

import { h } from "/shell/dom.js";

export const swatch = (name) => h("span", { class: "swatch", style: { "background-color": `var(--method-${name})` } });
