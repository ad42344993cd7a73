// The update rules, one line a runner.

import { h } from "/shell/dom.js";
import { label, REMEMBER, RUNNERS } from "/widgets/race/runs.js";
import { swatch } from "/widgets/race/swatch.js";
import { list } from "/widgets/race/verdicts.js";

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
    const card = (name) => h("div", {},
      h("dt", {}, swatch(name), label(name)),
      ...RULES[name].map((text) => h("dd", {}, text)));
    const forgetful = RUNNERS.filter((name) => !REMEMBER.has(name));
    this.element = h(
      "section", { class: "sheet wide", "aria-labelledby": "rules-title" },
      h("h2", { id: "rules-title" }, "The rules"),
      h("p", { class: "note" }, "θ is the place, ∇ the slope there as the runner sees it, η the step size, β the memory; the hats undo that m and s begin at nothing. Squares and roots work coordinate by coordinate. " + `${list(forgetful)} have no memory to set.`),
      h("dl", { class: "rules" }, ...RUNNERS.map(card)),
    );
  }

  update() {}
}
