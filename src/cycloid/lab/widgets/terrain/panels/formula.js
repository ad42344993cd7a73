// The formula box: what the ground is made of, one's own function, and what is wrong with it when something is.

import { format, h, mathNodes, say } from "/shell/dom.js";
import { OWN } from "/widgets/terrain/landscapes.js";

export class FormulaPanel {
  constructor(world, choose) {
    this.world = world;
    this.choose = choose;
    this.shown = h("div", { class: "shown" });
    this.box = h("input", {
      type: "text", id: "formula", class: "code", autocomplete: "off", autocapitalize: "off", spellcheck: "false", maxlength: 300,
      "aria-describedby": "formula-trouble", on: { input: () => this.#typed() },
    });
    this.trouble = h("div", { class: "trouble", id: "formula-trouble", role: "alert" });
    this.climb = h("input", { type: "checkbox", id: "climb", on: { change: () => this.#submit() } });
    this.middle = [0, 1].map((k) => this.#number(`centre-${k}`, () => this.#frame()));
    this.width = this.#number("width", () => this.#frame());
    this.axis = h("label", { for: "centre-1" }, "centre y");
    this.element = h(
      "section",
      { class: "sheet", "aria-labelledby": "formula-title" },
      h("h2", { id: "formula-title" }, "The formula"),
      this.shown,
      h("form", { class: "field", on: { submit: (event) => { event.preventDefault(); this.#submit(); } } },
        h("label", { for: "formula" }, "A function of x, or of x and y: 2x, x², sin x, |x|, √x, exp, log … as you would write them"), this.box),
      this.trouble,
      h("div", { class: "row frame" },
        h("div", { class: "field" }, h("label", { for: "centre-0" }, "centre x"), this.middle[0]),
        h("div", { class: "field" }, this.axis, this.middle[1]),
        h("div", { class: "field" }, h("label", { for: "width" }, "width shown"), this.width)),
      h("div", { class: "row tight" }, this.climb, h("label", { for: "climb" }, "Look for the highest place (the methods run on −f)")),
    );
  }

  #number(id, change) {
    return h("input", { type: "number", id, step: "any", on: { change } });
  }

  update(what) {
    const { world } = this;
    if (what === "ball") return;
    const { field } = world;
    if (document.activeElement !== this.box) this.box.value = world.landscape.text;
    this.shown.replaceChildren(...field.description.mathml.flatMap((part) => [mathNodes(part), " "]));
    this.climb.checked = field.climb;
    world.centre.forEach((value, k) => (this.middle[k].value = Number(value.toPrecision(6))));
    this.width.value = Number((2 * world.half).toPrecision(6));
    this.middle[1].parentElement.hidden = field.dimension === 1;
    this.#complain(null);
  }

  #typed() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#submit(), 250);
  }

  async #submit() {
    clearTimeout(this.timer);
    const text = this.box.value.trim();
    if (!text) return this.#complain({ message: "Write a function, for example x^2 + y^2." });
    const { world } = this;
    const keep = { text, centre: world.centre, half: world.half, climb: this.climb.checked, rate: world.rate, start: world.point };
    try {
      await this.choose({ ...OWN, ...keep, labels: text === world.landscape.text ? world.labels : undefined });
    } catch (error) {
      this.#complain(error.answer ?? { message: error.message }, text);
    }
  }

  #complain(problem, text = "") {
    this.box.setAttribute("aria-invalid", String(Boolean(problem)));
    if (!problem) return this.trouble.replaceChildren();
    const caret = problem.column === undefined || problem.column === null ? null : " ".repeat(problem.column) + "^";
    this.trouble.replaceChildren(
      ...[
        caret === null ? null : h("pre", { class: "caret scroll", text: `${text}\n${caret}` }),
        h("p", { text: [problem.message, problem.hint].filter(Boolean).join(" ") }),
      ].filter(Boolean),
    );
  }

  #frame() {
    const [x, y, width] = [...this.middle, this.width].map((box) => Number(box.value));
    if (![x, y, width].every(Number.isFinite) || !(width > 0)) {
      return this.#complain({ message: `The window needs numbers, and a width above 0, such as ${format(2 * this.world.half)}.` });
    }
    this.world.setWindow([x, y], width / 2);
  }
}
