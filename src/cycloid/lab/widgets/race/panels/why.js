// Why: where each rule is calm, how fast it can be, how low noise lets it get. Worked out for the bottom of the valley.

import { format, h, say } from "/shell/dom.js";
import { bestPlain, bestWithMemory, edge, factor, floor, linear } from "/widgets/race/reasons.js";
import { label } from "/widgets/race/runs.js";
import { swatch } from "/widgets/race/swatch.js";

export class WhyPanel {
  constructor(world) {
    this.world = world;
    this.rows = new Map(linear.map((name) => [name, this.#row(name)]));
    this.heads = [0, 1, 2].map(() => h("th", { scope: "col", class: "number" }));
    this.words = { calm: h("p"), speed: h("p"), noise: h("p"), sized: h("p") };
    this.element = h(
      "section", { class: "sheet", "aria-labelledby": "why-title" },
      h("h2", { id: "why-title" }, "Why"),
      this.words.calm, this.words.speed, this.words.noise,
      h("div", { class: "scroll" }, h("table", { class: "reasons" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "At the bottom"), ...this.heads)), h("tbody", {}, ...[...this.rows.values()].map((row) => row.element)))),
      this.words.sized,
    );
  }

  #row(name) {
    const cells = [0, 1, 2].map(() => h("td", { class: "number" }));
    return { cells, element: h("tr", {}, h("th", { scope: "row" }, h("span", { class: "row method" }, swatch(name), label(name))), ...cells) };
  }

  update() {
    const { world } = this;
    const { curvatures, goal, lowest } = world.ground;
    const symbols = world.reveals.has("symbols");
    const texts = symbols ? ["η at most", "left by a step", "noise floor"] : ["calm up to", "left by a step", "jitters at height"];
    this.heads.forEach((head, k) => say(head, texts[k]));
    for (const [name, { cells }] of this.rows) {
      const rate = world.rates?.[name] ?? world.rate;
      const shrink = factor(name, rate, world.memory, curvatures);
      const left = world.noise > 0 ? floor(name, rate, world.memory, world.noise, curvatures) : 0;
      say(cells[0], format(edge(name, world.memory, curvatures[0])));
      say(cells[1], shrink >= 1 ? "grows" : format(shrink));
      say(cells[2], format(left, 2));
      cells[1].classList.toggle("trouble", shrink >= 1);
      cells[2].classList.toggle("trouble", left > goal - lowest);
    }
    say(this.words.calm, this.#calm(curvatures[0], symbols));
    say(this.words.speed, this.#speed(curvatures, symbols));
    say(this.words.noise, this.#noise(goal - lowest, symbols));
    say(this.words.sized, "RMSprop, Adam and Adagrad divide the slope by its usual size, so a step is about as long as the step size, steep or not: quick on flat floors, restless at the bottom. Adagrad never forgets a steep wall, and its steps shrink for good.");
  }

  #calm(steepest, symbols) {
    const rate = this.world.rates?.GradientDescent ?? this.world.rate;
    const product = rate * steepest;
    const how = product >= 2 ? "it is beyond: every step overshoots further than the last" : product > 1 ? "it swings from wall to wall, and calms down" : "it does not overshoot";
    if (symbols) return `Steps: plain descent is calm while λmax·η < 2. Here λmax = ${format(steepest)} and λmax·η = ${format(product)}: ${how}.`;
    return `Steps: plain descent is calm up to a step size of ${format(2 / steepest)}, which the steepest wall decides. At ${format(rate)} ${how}.`;
  }

  #speed([steepest, flattest], symbols) {
    const kappa = steepest / flattest;
    const [plain, heavy] = [bestPlain(kappa), bestWithMemory(kappa)].map((one) => format(one));
    if (symbols) return `Speed: κ = λmax/λmin = ${format(kappa)}. At its best a step leaves (κ − 1)/(κ + 1) = ${plain} of the distance, with the best memory (√κ − 1)/(√κ + 1) = ${heavy}.`;
    return `Speed: along its floor the valley is ${format(kappa)} times flatter. At its best plain descent leaves ${plain} of the distance at each step; with the best memory, ${heavy}.`;
  }

  #noise(finish, symbols) {
    if (!(this.world.noise > 0)) return "Noise: none. Everybody who is calm comes to rest.";
    const grows = symbols ? "The noise floor grows with η, and with 1/(1 − β)" : "The larger the step and the longer the memory, the higher it jitters";
    return `Noise: nobody comes to rest. ${grows}; the finish is at ${format(finish, 2)}.`;
  }
}
