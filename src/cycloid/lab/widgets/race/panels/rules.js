// The update rules, one line a runner.

import { h } from "/shell/dom.js";
import { label, REMEMBER, RUNNERS } from "/widgets/race/runs.js";

const RULES = {
  GradientDescent: ["θ ← θ − η ∇"],
  Momentum: ["v ← β v + η ∇", "θ ← θ − v"],
  Nesterov: ["v ← β v + ∇", "θ ← θ − η (∇ + β v)"],
  Adagrad: ["s ← s + ∇²", "θ ← θ − η ∇ / √(s + ε)"],
  RMSprop: ["s ← β s + (1 − β) ∇²", "θ ← θ − η ∇ / √(s + ε)"],
  Adam: ["m ← β m + (1 − β) ∇", "s ← 0.999 s + 0.001 ∇²", "θ ← θ − η m̂ / (√ŝ + ε)"],
};

export class RulesPanel {
  constructor() {
    const row = (name) => [
      h("dt", {}, h("span", { class: "swatch", style: { "background-color": `var(--method-${name})` } }), label(name), REMEMBER.has(name) ? "" : h("span", { class: "note" }, "no memory")),
      h("dd", {}, ...RULES[name].map((text) => h("span", { class: "rule" }, text))),
    ];
    this.element = h(
      "section", { class: "sheet", "aria-labelledby": "rules-title" },
      h("h2", { id: "rules-title" }, "The rules"),
      h("p", { class: "note" }, "θ is the place, ∇ the slope there as the runner sees it, η the step size, β the memory; the hats undo that m and s begin at nothing. Squares and roots work coordinate by coordinate."),
      h("dl", { class: "rules" }, ...RUNNERS.flatMap(row)),
    );
  }

  update() {}
}
