// The words beside the valley: the question, the bets, the buttons, what came of it, and what may be shown next.

import { announce, format, h, say } from "/shell/dom.js";
import { METHODS } from "/widgets/terrain/methods.js";
import { label, order, RUNNERS, STAY } from "/widgets/race/runs.js";
import { swatch } from "/widgets/race/swatch.js";
import { RACES } from "/widgets/race/tournament.js";
import { findPreset, PRESETS } from "/widgets/race/valleys.js";
import { outcome } from "/widgets/race/verdicts.js";

const CHIPS = {
  sliders: ["Sliders", "Sliders", "Step size, memory, noise, and the length of the valley"],
  heights: ["Heights", "Heights", "How high each runner is after every step"],
  twenty: [`${RACES} races`, `${RACES} races`, "Wins, medians, and who never arrives"],
  why: ["Why", "Why", "What the curvatures of the valley allow"],
  symbols: ["Symbols", "Symbols η, β, κ, ∇", "The update rules, and the names of the sliders"],
};

export class Narrative {
  constructor(world) {
    this.world = world;
    this.top = h("div", { class: "asking" },
      h("h1", { class: "question" }, "Who is down first?"),
      h("p", { class: "task note" }, `Six runners start at the ball and feel only the slope under them. First inside the ring at the flag, and still there ${STAY} steps later, wins.`));
    this.rows = new Map(RUNNERS.map((name) => [name, this.#row(name)]));
    this.legend = h("legend", {}, "Place your bet");
    const bets = h("fieldset", { class: "bets" }, this.legend, ...[...this.rows.values()].map((row) => row.element));
    this.go = h("button", { class: "primary", type: "button", on: { click: () => world.run() } }, "Run");
    this.many = h("button", { type: "button", on: { click: () => world.runTwenty() } }, `Run ${RACES} races`);
    this.feedback = h("p", { class: "feedback" });
    this.hint = h("p", { class: "note" });
    this.score = h("p", { class: "score note numbers" });
    this.note = h("p", { class: "note" });
    this.choice = h("select", { id: "valley", on: { change: () => world.show(findPreset(this.choice.value)) } });
    for (const { id, name } of PRESETS) this.choice.append(h("option", { value: id }, name));
    this.chips = new Map(Object.keys(CHIPS).map((id) => [id, this.#chip(id)]));
    this.bottom = h("div", { class: "answering" }, bets,
      h("div", { class: "row deeds" }, this.go, this.many, h("button", { class: "quiet", type: "button", on: { click: () => world.reset() } }, "Start again")),
      h("div", { class: "reply" }, this.feedback, this.hint, this.score),
      h("div", { class: "field ground-choice" }, h("label", { for: "valley" }, "Valley"), this.choice, this.note),
      h("div", { class: "more" }, h("p", { class: "label", id: "show-more" }, "Show"),
        h("div", { class: "chips", role: "group", "aria-labelledby": "show-more" }, ...this.chips.values())));
  }

  #chip(id) {
    return h("button", { type: "button", class: "chip", title: CHIPS[id][2], "aria-pressed": "false", data: { reveal: id }, on: { click: () => this.world.reveal(id) } });
  }

  #row(name) {
    const box = h("input", { type: "radio", name: "bet", value: name, id: `bet-${name}`, on: { change: () => this.world.placeBet(name) } });
    const result = h("span", { class: "result numbers" });
    const element = h("label", { class: "runner", title: METHODS[name].about.replace(/^v = .*: /, "") }, box, swatch(name), h("span", { class: "name" }, label(name)), result);
    return { box, result, element };
  }

  update() {
    const { world } = this;
    say(this.go, world.running ? "Skip to the end" : world.runs && world.noise > 0 ? "Run again" : "Run");
    if (this.feedback.textContent !== world.feedback) {
      say(this.feedback, world.feedback);
      announce(world.feedback);
    }
    say(this.hint, world.running ? "" : world.feedback ? world.hint : "Pick a runner, then run. One race, or a bet on who wins most of twenty.");
    const { right, all } = world.score;
    say(this.score, all ? `Bets won: ${right} of ${all}.` : "");
    say(this.note, world.preset.note);
    this.choice.value = world.preset.id;
    this.#results();
    for (const [id, chip] of this.chips) {
      const on = world.reveals.has(id);
      chip.setAttribute("aria-pressed", String(on));
      say(chip, CHIPS[id][on ? 1 : 0]);
    }
  }

  /** Who is down by the step that is shown, and when. */
  #results() {
    const { world } = this;
    const first = world.runs ? order(world.runs)[0] : null;
    for (const [name, { box, result, element }] of this.rows) {
      box.checked = world.bet === name;
      const run = world.runs?.find((one) => one.name === name);
      const told = run && (run.lost || run.arrived === null ? world.at >= Math.min(run.values.length - 1, world.last) : world.at >= run.arrived);
      const rate = run && world.tuned && world.reveals.has("sliders") ? ` at ${format(run.rate, 2)}` : "";
      say(result, told ? outcome(run) + rate : "");
      element.classList.toggle("won", Boolean(told && first.arrived !== null && run === first));
    }
  }
}
