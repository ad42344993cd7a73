// The step size: what η does from the ball's place, and where plain descent stops being stable.

import { Chart } from "/shell/chart.js";
import { format, h, say } from "/shell/dom.js";
import { norm } from "/widgets/terrain/field.js";
import { outcome, sweep } from "/widgets/terrain/races.js";

const [SMALLEST, LARGEST] = [1e-4, 10];
const STEPS = 50;
const RATES = Array.from({ length: 61 }, (_, k) => SMALLEST * (LARGEST / SMALLEST) ** (k / 60));

export class RatePanel {
  constructor(world) {
    this.world = world;
    this.slider = h("input", {
      type: "range", id: "rate", min: Math.log10(SMALLEST), max: Math.log10(LARGEST), step: "any",
      on: { input: () => world.setRate(10 ** Number(this.slider.value)) },
    });
    this.slider.step = "0.01";
    this.value = h("output", { for: "rate", class: "numbers" });
    this.sentence = h("p", { class: "effect" });
    this.critical = h("p", { class: "note" });
    this.chart = new Chart({ label: "Height after some steps, for every step size", pick: (rate) => world.setRate(Math.min(Math.max(rate, SMALLEST), LARGEST)) });
    this.element = h(
      "section",
      { class: "sheet", "aria-labelledby": "rate-title" },
      h("h2", { id: "rate-title" }, "The step size η"),
      h("p", {}, "Each step goes η times the gradient. The dotted trail is what plain descent does from the ball with this η."),
      h("div", { class: "field" }, h("label", { for: "rate" }, "η = ", this.value), this.slider),
      this.sentence,
      h("figure", { class: "figure" }, this.chart.element, h("figcaption", { class: "note" }, `Height after ${STEPS} steps, for every step size. Drag in it.`)),
      this.critical,
    );
  }

  update() {
    const { world } = this;
    this.slider.value = Math.log10(world.rate);
    this.slider.setAttribute("aria-valuetext", format(world.rate));
    say(this.value, format(world.rate));
    const steepest = world.field.curvatures(world.point)[0];
    const critical = steepest > 1e-12 ? 2 / steepest : null;
    const ends = this.#sweep(RATES);
    say(this.sentence, this.#effect(ends));
    say(this.critical, this.#explain(steepest, critical));
    this.#draw(ends, critical);
  }

  /** The objective after some steps for each rate. */
  #sweep(rates) {
    const { world } = this;
    return sweep(world.field, world.point, rates, STEPS, 2 * world.half);
  }

  #effect(ends) {
    const { world } = this;
    const run = world.descent();
    const slope = norm(world.field.objectiveGradient(world.point));
    if (!(slope > 1e-9)) return "The ground is flat here: no step size moves the ball.";
    const steps = run.points.length - 1;
    switch (outcome(run, world.field, world.point, 2 * world.half)) {
      case "falling": return "Down and down: on this ground there is no bottom that way, and the ball rolls off the map.";
      case "away": return "Too large: every step overshoots further than the last, and the ball leaves the map.";
      case "higher": return "Too large: after 100 steps the ball is worse off than at the start.";
      case "swinging": return "Rather large: the ball jumps from side to side and gets on slowly.";
      case "arrived": return `Good: the slope has all but vanished after ${this.#arrival(run)} of ${steps} steps.`;
    }
    const begin = run.values[0];
    const best = ends.reduce((low, value, k) => (value < ends[low] || Number.isNaN(ends[low]) ? k : low), 0);
    const share = (begin - run.values[Math.min(STEPS, steps)]) / (begin - ends[best]);
    if (share < 0.7 && world.rate < RATES[best]) return `Too small: after ${STEPS} steps the ball has done ${Math.round(100 * share)} % of what a better step size does.`;
    return `On its way: after ${STEPS} steps the ball has done ${Math.round(100 * Math.min(share, 1))} % of what the best step size does.`;
  }

  #arrival({ points }) {
    const { field } = this.world;
    const goal = 1e-3 * Math.max(norm(field.objectiveGradient(points[0])), 1e-6);
    return points.findIndex((point) => norm(field.objectiveGradient(point)) < goal);
  }

  #explain(curvature, critical) {
    if (!Number.isFinite(curvature)) return "The curvature is not defined here.";
    if (critical === null) return `Here the ground curves away (largest curvature ${format(curvature)}), so no step size is critical until the ball reaches a hollow.`;
    return `Largest curvature here: λ = ${format(curvature)}. In a bowl of that curvature, plain descent is stable up to η = 2/λ = ${format(critical)} and settles fastest near half of it.`;
  }

  #draw(objectives, critical) {
    const { world } = this;
    const { field } = world;
    const ends = objectives.map((value) => field.sign * value);
    const here = field.sign * this.#sweep([world.rate])[0];
    const begin = field.f(world.point);
    const finite = ends.filter((value) => Number.isFinite(value) && field.sign * (value - begin) <= 0);
    const [low, high] = [Math.min(begin, ...finite), Math.max(begin, ...finite)];
    const room = 0.15 * (high - low || 1);
    const range = field.climb ? [low - room, high + 0.3 * room] : [low - 0.3 * room, high + room];
    this.chart.show({
      description: `Height after ${STEPS} steps of plain descent against the step size; present step size ${format(world.rate)}.`,
      x: { label: "step size η", short: "η", log: true, range: [SMALLEST, LARGEST] },
      y: { range },
      series: [
        { name: "height", colour: "method-GradientDescent", xs: RATES, ys: ends.map((value) => Math.min(Math.max(value, range[0] - 9 * room), range[1] + 9 * room)) },
        { colour: "ink", kind: "dots", width: 5, xs: [world.rate], ys: [here] },
      ],
      marks: [{ y: begin, label: "now" }, ...(critical ? [{ x: critical, label: "2/λ" }] : [])],
      cursor: world.rate,
    });
  }
}
