// The formula boxes: what the map is made of, a map of one's own, and what is wrong with it when something is.

import { h, mathNodes } from "/shell/dom.js";
import { OUTPUTS, OWN } from "/widgets/jacobian/maps.js";


export class FormulaPanel {
  constructor(world, choose) {
    this.world = world;
    this.choose = choose;
    this.shown = h("div", { class: "shown" });
    this.boxes = OUTPUTS.map((name) => h("input", {
      type: "text", id: `formula-${name}`, class: "code formula", autocomplete: "off", autocapitalize: "off", spellcheck: "false", maxlength: 300,
      "aria-describedby": "formula-trouble", on: { input: () => this.#typed() },
    }));
    this.trouble = h("div", { class: "trouble", id: "formula-trouble", role: "alert" });
    const fields = OUTPUTS.map((name, k) => h("div", { class: "field" }, h("label", { for: `formula-${name}` }, `${name} =`), this.boxes[k]));
    this.element = h("section", { class: "sheet", "aria-labelledby": "formula-title" },
      h("h2", { id: "formula-title" }, "The formulas"), this.shown,
      h("form", { class: "pair", on: { submit: (event) => { event.preventDefault(); this.#submit(); } } }, ...fields, h("button", { hidden: true }, "Show")),
      this.trouble,
      h("p", { class: "note" }, "Two functions of x and y, or of two other letters: 2x, x², sin x, |x|, √x, exp, log … as you would write them."));
  }

  update(fresh) {
    if (!fresh) return;
    const { choice, map } = this.world;
    this.boxes.forEach((box, k) => document.activeElement !== box && (box.value = choice.texts[k]));
    this.shown.replaceChildren(...map.parts.map(({ description }) => h("p", {}, ...description.mathml.flatMap((part) => [mathNodes(part), " "]))));
    this.#complain(null);
  }

  #typed() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#submit(), 250);
  }

  async #submit() {
    clearTimeout(this.timer);
    const texts = this.boxes.map((box) => box.value.trim());
    const empty = texts.findIndex((text) => !text);
    if (empty >= 0) return this.#complain({ message: `Write a function for ${OUTPUTS[empty]}, for example x*y.` }, "", empty);
    const { world } = this;
    const keep = { centre: world.centre, half: world.half, side: world.side, places: [world.point], note: OWN.note };
    const looked = world.looked;
    try {
      await this.choose({ ...OWN, ...keep, texts });
      world.looked = looked;
      world.changed();
    } catch (error) {
      this.#complain(error.answer ?? { message: error.message }, texts[error.which ?? 0], error.which ?? 0);
    }
  }

  #complain(problem, text = "", which = 0) {
    this.boxes.forEach((box, k) => box.setAttribute("aria-invalid", String(Boolean(problem) && k === which)));
    if (!problem) return this.trouble.replaceChildren();
    const caret = problem.column === undefined || problem.column === null ? null : `${" ".repeat(problem.column)}^`;
    this.trouble.replaceChildren(
      ...[
        caret === null ? null : h("pre", { class: "caret scroll", text: `${text}\n${caret}` }),
        h("p", { text: [problem.message, problem.hint].filter(Boolean).join(" ") }),
      ].filter(Boolean),
    );
  }
}
