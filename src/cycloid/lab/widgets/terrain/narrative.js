// The words beside the terrain: the question, the step, what came of it, and what may be shown next.

import { announce, h, say } from "/shell/dom.js";
import { LANDSCAPES, OWN } from "/widgets/terrain/landscapes.js";

const CHIPS = {
  map: ["Map", "Map", "Seen from above"],
  gradient: ["Gradient", "Gradient ∇", "Which way is up, everywhere"],
  rate: ["Step size", "Step size η", "How far one step goes"],
  formula: ["Formula", "Formula", "The function behind the ground"],
  race: ["Race", "Race", "Every optimizer from the ball's place"],
};

export class Narrative {
  constructor(world, { step, rollOn, reset, choose }) {
    this.world = world;
    this.question = h("h1", { class: "question" });
    this.task = h("p", { class: "task note" });
    this.step = h("button", { class: "primary", type: "button", on: { click: step } }, "Step");
    this.roll = h("button", { type: "button", on: { click: rollOn } }, "Keep rolling");
    this.feedback = h("p", { class: "feedback" });
    this.hint = h("p", { class: "note" });
    this.score = h("p", { class: "score note numbers" });
    this.note = h("p", { class: "note" });
    this.choice = h("select", { id: "landscape", on: { change: () => choose(this.choice.value) } });
    for (const { id, name } of [...LANDSCAPES, OWN]) this.choice.append(h("option", { value: id }, name));
    this.chips = new Map(Object.keys(CHIPS).map((id) => [id, this.#chip(id)]));
    const chips = h("div", { class: "chips", role: "group", "aria-labelledby": "show-more" }, ...this.chips.values());
    this.top = h("div", { class: "asking" }, this.question, this.task);
    this.bottom = h(
      "div",
      { class: "answering" },
      h("div", { class: "row deeds" }, this.step, this.roll, h("button", { class: "quiet", type: "button", on: { click: reset } }, "Start again")),
      h("div", { class: "reply" }, this.feedback, this.hint, this.score),
      h("div", { class: "more" }, h("p", { class: "label", id: "show-more" }, "Show"), chips),
      h("div", { class: "field ground-choice" }, h("label", { for: "landscape" }, "Ground"), this.choice, this.note),
    );
  }

  #chip(id) {
    const [, , title] = CHIPS[id];
    return h("button", { type: "button", class: "chip", title, "aria-pressed": "false", data: { reveal: id }, on: { click: () => this.world.reveal(id) } });
  }

  update() {
    const { world } = this;
    const flat = world.field.dimension === 1;
    const question = flat ? "How steep is it here?" : `Which way is steepest ${world.field.climb ? "up" : "down"}?`;
    say(this.question, question);
    const thing = flat ? "Tilt the line until it touches the curve like a tangent, then step." : "Turn the arrow to where you think, then step.";
    const climb = world.field.climb ? ` We look for the highest place: climbing ${world.field.description.name} is descending −${world.field.description.name}.` : "";
    say(this.task, thing + climb);
    say(this.roll, world.rolling ? "Stop" : "Keep rolling");
    if (this.feedback.textContent !== world.feedback) {
      say(this.feedback, world.feedback);
      announce(world.feedback);
    }
    this.hint.hidden = Boolean(world.feedback);
    say(this.hint, flat ? "Drag the end of the line to tilt it, or the ball along the curve." : "Drag the arrow’s tip to turn it, the ball to move it, the ground to look from another side.");
    say(this.score, this.#score());
    say(this.note, world.landscape.note + (world.heights?.scale.logarithmic ? " Heights are drawn on a logarithmic scale." : ""));
    this.choice.value = world.landscape.id;
    for (const [id, chip] of this.chips) {
      const on = world.reveals.has(id);
      chip.setAttribute("aria-pressed", String(on));
      chip.hidden = id === "map" && flat;
      say(chip, CHIPS[id][on ? 1 : 0]);
    }
  }

  #score() {
    const { guesses } = this.world;
    if (guesses.length < 2) return "";
    const mean = guesses.reduce((sum, one) => sum + one, 0) / guesses.length;
    return `Your last ${guesses.length} guesses: ${guesses.map((one) => `${Math.round(one)}°`).join(", ")}, on average ${Math.round(mean)}° off.`;
  }
}
