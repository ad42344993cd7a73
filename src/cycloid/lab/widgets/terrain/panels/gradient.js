// The gradient: what it is, its formula, its numbers at the ball.

import { format, h, mathNodes, say } from "/shell/dom.js";
import { norm } from "/widgets/terrain/field.js";

export class GradientPanel {
  constructor(world) {
    this.world = world;
    this.text = h("p");
    this.slopes = h("dl", { class: "slopes" });
    this.total = h("p", { class: "numbers" });
    this.changes = h("p", { class: "note" });
    this.title = h("h2", { id: "gradient-title" });
    this.element = h("section", { class: "sheet", "aria-labelledby": "gradient-title" }, this.title, this.text, this.slopes, this.total, this.changes);
  }

  update(what) {
    const { field, labels, point } = this.world;
    if (what !== "ball" || !this.values) this.#build();
    const g = field.gradient(point);
    g.forEach((value, k) => say(this.values[k], format(value)));
    const place = point.map((value) => format(value)).join(", ");
    const { name } = field.description;
    say(this.total, field.dimension === 1 ? `At ${field.variables[0]} = ${place} the slope is ${format(g[0], 4)}.` : `∇${name}(${place}) = (${g.map((v) => format(v)).join(", ")}), length ${format(norm(g))}.`);
    const moves = g.map((value) => `${value < 0 ? "lowers" : "raises"} ${name} by about ${format(Math.abs(value) * 0.01, 2)}`);
    say(this.changes, `From here, 0.01 more ${labels.slice(0, g.length).map((label, k) => `${label} ${moves[k]}`).join("; 0.01 more ")}.`);
  }

  #build() {
    const { field, labels } = this.world;
    const one = field.dimension === 1;
    const way = field.climb ? "with" : "against";
    say(
      this.text,
      one
        ? "With one variable the gradient is the derivative: the slope of the tangent. Where it is positive, down is to the left."
        : `Two slopes, one along each axis. Together they are an arrow that points where the ground rises fastest; the ball rolls ${way} it, straight across the contour lines.`,
    );
    say(this.title, one ? "The derivative" : `The gradient ∇${field.description.name}`);
    this.values = field.variables.map(() => h("output", { class: "numbers" }));
    const partials = field.description.partials ?? [];
    this.slopes.replaceChildren(
      ...field.variables.flatMap((_, k) => [
        h("dt", {}, h("span", {}, `Slope along ${labels[k]}, at the ball`), this.values[k]),
        h("dd", { class: "shown" }, ...(partials[k] ?? []).flatMap((part) => [mathNodes(part), " "])),
      ]),
    );
  }
}
