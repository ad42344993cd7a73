// The words beside the planes: the question, the guess, what came of it, and what may be shown next.

import { announce, format, h, say } from "/shell/dom.js";
import { MAPS, OWN } from "/widgets/jacobian/maps.js";
import { times } from "/widgets/jacobian/world.js";

const CHIPS = {
  linear: ["Straight copy", "Jacobian J", "The parallelogram that the image almost is"],
  area: ["Area", "Area |det J|", "By how much areas grow here"],
  stretch: ["Stretches", "Stretches σ", "The directions that grow most and least"],
  ripple: ["A change", "A change dx", "Follow a step from the left plane to the right one"],
  formula: ["Formulas", "Formulas", "The two functions behind the map"],
};
const [SMALLEST, LARGEST] = [-4, 5]; // of the guess, as powers of two

export class Narrative {
  constructor(world, choose) {
    this.world = world;
    this.question = h("h1", { class: "question" }, "How much bigger does the square get?");
    this.task = h("p", { class: "task note" });
    this.slider = h("input", {
      type: "range", id: "guess", min: SMALLEST, max: LARGEST, step: 0.05, value: 0,
      on: { input: () => world.setGuess(2 ** Number(this.slider.value)) },
    });
    this.said = h("output", { class: "numbers", for: "guess" });
    this.guessing = h("div", { class: "field guessing" }, h("label", { for: "guess" }, "My guess: its area becomes ", this.said), this.slider);
    this.look = h("button", { class: "primary", type: "button", on: { click: () => (world.looked ? world.again() : world.look()) } }, "Look");
    this.feedback = h("p", { class: "feedback" });
    this.live = h("p", { class: "live numbers" });
    this.score = h("p", { class: "score note numbers" });
    this.note = h("p", { class: "note" });
    this.choice = h("select", { id: "map", on: { change: () => choose(this.choice.value) } });
    for (const { id, name } of [...MAPS, OWN]) this.choice.append(h("option", { value: id }, name));
    this.chips = new Map(Object.keys(CHIPS).map((id) => [id, this.#chip(id)]));
    this.top = h("div", { class: "asking" }, this.question, this.task);
    this.bottom = h(
      "div", { class: "answering" },
      h("div", { class: "deeds" }, this.guessing,
        h("div", { class: "row" }, this.look, h("button", { class: "quiet", type: "button", on: { click: () => world.reset() } }, "Start again"))),
      h("div", { class: "reply" }, this.feedback, this.live, this.score),
      h("div", { class: "more" }, h("p", { class: "label", id: "show-more" }, "Show"),
        h("div", { class: "chips", role: "group", "aria-labelledby": "show-more" }, ...this.chips.values())),
      h("div", { class: "field ground-choice" }, h("label", { for: "map" }, "Map"), this.choice, this.note),
    );
  }

  #chip(id) {
    return h("button", { type: "button", class: "chip", title: CHIPS[id][2], "aria-pressed": "false", data: { reveal: id }, on: { click: () => this.world.reveal(id) } });
  }

  update() {
    const { world } = this;
    say(this.task, world.looked ? "Drag the square and watch its image." : "The map moves every point of the left plane to the right one. Guess, then look.");
    this.guessing.hidden = world.looked;
    this.slider.value = Math.log2(world.guess);
    this.slider.setAttribute("aria-valuetext", times(world.guess));
    say(this.said, times(world.guess));
    say(this.look, world.looked ? "Guess again" : "Look");
    if (this.feedback.textContent !== world.feedback) {
      say(this.feedback, world.feedback);
      announce(world.feedback);
    }
    say(this.live, world.looked ? this.#live() : "");
    say(this.score, this.#score());
    say(this.note, world.choice.note);
    this.choice.value = world.choice.id;
    for (const [id, chip] of this.chips) {
      const on = world.reveals.has(id);
      chip.setAttribute("aria-pressed", String(on));
      say(chip, CHIPS[id][on ? 1 : 0]);
    }
  }

  #live() {
    const truth = this.world.growth;
    return Number.isFinite(truth) ? `Here the square becomes ${format(truth, 3)} times as large.` : "The map has no finite value on all of this square.";
  }

  #score() {
    const { offs } = this.world;
    if (offs.length < 2) return "";
    return `Your last ${offs.length} guesses were off by factors of ${offs.map((one) => format(one, 2)).join(", ")}.`;
  }
}
