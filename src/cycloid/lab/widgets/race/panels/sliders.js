// The sliders: step size, memory, noise, the length of the valley; and the switch of step sizes.

import { format, h, say } from "/shell/dom.js";
import { REMEMBER, RUNNERS } from "/widgets/race/runs.js";
import { RATES } from "/widgets/race/tournament.js";
import { list } from "/widgets/race/verdicts.js";

const RATE = [1e-4, 10];
const KAPPA = [1, 1000];

export class SlidersPanel {
  constructor(world) {
    this.world = world;
    const log = ([low, high]) => ({ min: Math.log10(low), max: Math.log10(high), step: 0.01, back: (place) => Number((10 ** place).toPrecision(3)), place: Math.log10 });
    const same = { back: (value) => value, place: (value) => value };
    this.sliders = {
      rate: this.#slider("rate", ["How far a step goes", "Step size, or learning rate, η"], log(RATE)),
      memory: this.#slider("memory", ["How much of the past is kept", "Memory β"], { min: 0, max: 0.99, step: 0.01, ...same }),
      noise: this.#slider("noise", ["How much every look at the slope errs", "Batch noise σ"], { min: 0, max: 4, step: 0.05, ...same }),
      kappa: this.#slider("kappa", ["How many times flatter along than across", "Condition number κ"], log(KAPPA)),
    };
    const radio = (value, text, tuned) => {
      const box = h("input", { type: "radio", name: "rates", value, on: { change: () => world.set({ tuned }) } });
      return { box, element: h("label", { class: "row tight" }, box, text) };
    };
    this.radios = [radio("one", "every runner at one step size", false), radio("own", `each at its own tuned step size, the best of ${RATES.length}`, true)];
    this.hint = h("p", { class: "note" });
    this.element = h(
      "section", { class: "sheet wide", "aria-labelledby": "sliders-title" },
      h("h2", { id: "sliders-title" }, "Change the race"),
      h("fieldset", {}, h("legend", {}, "Step sizes"), h("div", { class: "row radios" }, ...this.radios.map((one) => one.element))),
      h("div", { class: "sliders" }, ...Object.values(this.sliders).map((one) => one.element)),
      this.hint,
    );
  }

  #slider(name, texts, { min, max, step, back, place }) {
    const box = h("input", { type: "range", id: `race-${name}`, min, max, step, on: { input: () => this.world.set({ [name]: back(Number(box.value)) }) } });
    const text = h("span");
    const value = h("output", { for: `race-${name}`, class: "numbers" });
    return { box, text, texts, value, place, element: h("div", { class: "field" }, h("label", { for: `race-${name}` }, text, " ", value), box) };
  }

  update() {
    const { world } = this;
    for (const [name, { box, text, texts, value, place }] of Object.entries(this.sliders)) {
      say(text, texts[world.reveals.has("symbols") ? 1 : 0]);
      const off = (name === "kappa" && world.shape !== "bowl") || (name === "rate" && world.tuned);
      box.disabled = off;
      const told = off ? (name === "rate" ? "tuned" : "as it is") : format(world[name]);
      say(value, told);
      box.setAttribute("aria-valuetext", told);
      if (world[name] !== null) box.value = place(world[name]);
    }
    this.radios.forEach(({ box }, k) => (box.checked = world.tuned === Boolean(k)));
    const bowl = world.shape === "bowl" ? "" : " The length of the valley can be changed in bowls only.";
    this.sliders.kappa.element.hidden = world.shape !== "bowl";
    say(this.hint, `${list(RUNNERS.filter((name) => !REMEMBER.has(name)))} have no memory to set. Drag the ball on the map to start elsewhere.${bowl}`);
  }
}
