// The race: every optimizer from the ball's place, with the same number of gradient evaluations.

import { Chart } from "/shell/chart.js";
import { format, h, reducedMotion, say } from "/shell/dom.js";
import { METHODS } from "/widgets/terrain/methods.js";
import { OUTCOMES, arrival, names } from "/widgets/terrain/races.js";

const SECONDS = 4;

const gone = (run) => run.outcome === "away" || run.outcome === "falling";

export class RacePanel {
  constructor(world) {
    this.world = world;
    this.chart = new Chart({ label: "Height against evaluations, for every method" });
    this.play = h("button", { type: "button", on: { click: () => this.#play() } }, "Play");
    this.cursor = h("input", { type: "range", id: "at", min: 0, step: 1, on: { input: () => this.#seek(Number(this.cursor.value)) } });
    this.reading = h("output", { for: "at", class: "numbers" });
    this.budget = h("select", { id: "budget", on: { change: () => this.#setBudget(Number(this.budget.value)) } });
    for (const count of [30, 60, 120, 250, 500]) this.budget.append(h("option", { value: count }, `${count} evaluations`));
    this.rows = new Map(names.map((name) => [name, this.#row(name)]));
    this.story = h("p");
    const heads = ["Method", "η", "Ends at", "99 % after", ""].map((text, k) => h("th", { scope: "col", class: k && k < 4 ? "number" : "" }, text));
    this.element = h(
      "section",
      { class: "sheet wide", "aria-labelledby": "race-title" },
      h("h2", { id: "race-title" }, "The race"),
      h("div", { class: "row settings" }, this.#rates(), h("div", { class: "field" }, h("label", { for: "budget" }, "Each may look at the slope"), this.budget)),
      h("div", { class: "twin" },
        h("div", { class: "scroll" }, h("table", { class: "methods" }, h("thead", {}, h("tr", {}, ...heads)), h("tbody", {}, ...[...this.rows.values()].map((row) => row.element)))),
        h("figure", { class: "figure" }, this.chart.element,
          h("div", { class: "row player" }, this.play, h("label", { for: "at", class: "unseen" }, "Evaluations shown"), this.cursor, this.reading))),
      this.story,
    );
  }

  #rates() {
    const radio = (value, text, tuned) => h("label", { class: "row" }, h("input", { type: "radio", name: "rates", value, checked: this.world.race.tuned === tuned, on: { change: () => this.#setTuned(tuned) } }), text);
    this.shared = h("span", { class: "numbers" });
    return h("fieldset", {}, h("legend", {}, "Step sizes"), h("div", { class: "row radios" }, radio("own", "each its own best of 19", true), radio("same", h("span", {}, "the same η for all: ", this.shared), false)));
  }

  #row(name) {
    const box = h("input", { type: "checkbox", id: `run-${name}`, checked: true, on: { change: () => this.#toggle(name, box.checked) } });
    const cells = [0, 1, 2, 3].map((k) => h("td", { class: k < 3 ? "number" : "" }));
    const label = h("label", { for: `run-${name}`, title: METHODS[name].about }, METHODS[name].label);
    const swatch = h("span", { class: "swatch", data: { method: name }, style: { "background-color": `var(--method-${name})` } });
    return { box, cells, element: h("tr", {}, h("th", { scope: "row" }, h("span", { class: "row method" }, box, swatch, label)), ...cells) };
  }

  #toggle(name, on) {
    this.world.race.chosen[on ? "add" : "delete"](name);
    this.world.race.chosen = new Set(names.filter((one) => this.world.race.chosen.has(one)));
    this.world.changed();
  }

  #setTuned(tuned) {
    this.world.race.tuned = tuned;
    this.world.changed();
  }

  #setBudget(count) {
    Object.assign(this.world.race, { evaluations: count, at: count });
    this.world.changed();
  }

  #seek(at) {
    this.#stop();
    this.world.race.at = at;
    this.world.changed();
  }

  #stop() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    say(this.play, "Play");
  }

  #play() {
    if (this.frame) return this.#stop();
    const { race } = this.world;
    if (reducedMotion()) return this.#seek(race.evaluations);
    const began = performance.now();
    say(this.play, "Pause");
    const from = race.at >= race.evaluations ? 0 : race.at;
    const move = (now) => {
      race.at = Math.min(race.evaluations, Math.round(from + ((now - began) / 1000 / SECONDS) * race.evaluations));
      if (race.at >= race.evaluations || !this.element.isConnected) this.#stop();
      else this.frame = requestAnimationFrame(move);
      this.world.dispatchEvent(new CustomEvent("change", { detail: "ball" }));
    };
    this.frame = requestAnimationFrame(move);
  }

  update() {
    const { world } = this;
    const { race, field } = world;
    const runs = world.runs();
    say(this.shared, format(world.rate));
    this.budget.value = race.evaluations;
    this.cursor.max = race.evaluations;
    this.cursor.value = race.at;
    say(this.reading, `${race.at}`);
    for (const [name, { box }] of this.rows) box.checked = race.chosen.has(name);
    const lowest = Math.min(...runs.map((run) => (gone(run) ? Infinity : Math.min(...run.values))));
    const byName = new Map(runs.map((run) => [run.name, run]));
    for (const [name, row] of this.rows) {
      const run = byName.get(name);
      const there = run && !gone(run) ? arrival(run, lowest) : null;
      const texts = run ? [format(run.rate, 2), format(field.sign * run.values.at(-1)), there === null ? "never" : `${there}`, OUTCOMES[run.outcome]] : ["", "", "", ""];
      row.cells.forEach((cell, k) => say(cell, texts[k]));
    }
    this.#draw(runs);
    say(this.story, this.#story(runs, lowest));
  }

  #draw(runs) {
    const { world } = this;
    const { field, race } = world;
    const begin = field.f(world.point);
    const tame = runs.filter((run) => !gone(run)).flatMap((run) => run.values.map((value) => field.sign * value));
    const [low, high] = tame.reduce(([a, b], value) => [Math.min(a, value), Math.max(b, value)], [begin, begin]);
    const [cap, cut] = [Math.max(begin, Math.min(high, begin + 2 * (begin - low || 1))), Math.min(begin, Math.max(low, begin - 2 * (high - begin || 1)))];
    const room = 0.05 * (cap - low || 1);
    const floor = Math.max(low, 1e-6 * begin);
    const log = !field.climb && low >= 0 && cap > 60 * floor && floor > 0;
    const range = log ? [floor, 1.3 * cap] : field.climb ? [cut - room, high + room] : [low - room, cap + room];
    this.chart.show({
      description: `Height against evaluations for ${runs.map((run) => METHODS[run.name].label).join(", ")}.`,
      x: { label: "gradient evaluations", short: "after", range: [0, race.evaluations] },
      y: { label: `height ${field.description.name}`, log, range },
      series: runs.map((run) => ({ name: METHODS[run.name].label, colour: `method-${run.name}`, xs: run.values.map((_, k) => k), ys: run.values.map((value) => field.sign * value) })),
      cursor: race.at < race.evaluations ? race.at : undefined,
    });
  }

  #story(runs, lowest) {
    if (!runs.length) return "Choose at least one method.";
    const settled = runs.filter((run) => !gone(run) && arrival(run, lowest) !== null).sort((a, b) => arrival(a, lowest) - arrival(b, lowest));
    if (!settled.length) return "From here no method gets anywhere with these step sizes.";
    const first = settled[0];
    const how = this.world.race.tuned ? "with its own best step size" : "with this step size";
    return `${METHODS[first.name].label} is first here, ${how}. Another place, another ground, another winner: drag the ball and see.`;
  }
}
