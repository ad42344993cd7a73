// How high each runner is after every step, down to the finish.

import { Chart } from "/shell/chart.js";
import { h } from "/shell/dom.js";
import { label } from "/widgets/race/runs.js";

export class HeightsPanel {
  constructor(world) {
    this.world = world;
    this.chart = new Chart({ label: "Height of every runner against steps" });
    this.element = h(
      "section", { class: "sheet", "aria-labelledby": "heights-title" },
      h("h2", { id: "heights-title" }, "Height after every step"),
      h("figure", { class: "figure" }, this.chart.element, h("figcaption", { class: "note" }, "Above the lowest place, on a logarithmic scale. A line ends where its runner has arrived or flown off.")),
    );
  }

  update() {
    const { world } = this;
    const { lowest, goal, value } = world.ground;
    const runs = world.runs ?? [];
    const begin = value(world.start) - lowest;
    const end = runs.length ? Math.max(10, ...runs.map((run) => run.values.length - 1)) : world.steps;
    this.chart.show({
      description: runs.length ? `Height against steps for ${runs.map((run) => label(run.name)).join(", ")}.` : "Height against steps: no race has been run.",
      x: { label: "steps", short: "after", range: [0, end] },
      y: { log: true, range: [(goal - lowest) / 12, 4 * Math.max(begin, goal - lowest)] },
      series: runs.map(({ name, values }) => ({
        name: label(name), colour: `method-${name}`, width: name === world.bet ? 3 : 2,
        xs: values.map((_, k) => k), ys: values.map((one) => one - lowest),
      })),
      marks: [{ y: goal - lowest, label: "finish" }],
      cursor: world.running ? world.at : undefined,
    });
  }
}
