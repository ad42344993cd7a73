// The numbers of the map at the square: the matrix, the area, the stretches, a change followed through.

import { format, h, mathNodes, say } from "/shell/dom.js";
import { apply, determinant, length, minus, plus, stretches } from "/widgets/jacobian/linear.js";
import { OUTPUTS } from "/widgets/jacobian/maps.js";

class Panel {
  constructor(world, id, title, ...children) {
    this.world = world;
    this.element = h("section", { class: "sheet", "aria-labelledby": `${id}-title` }, h("h2", { id: `${id}-title` }, title), ...children);
  }
}

const output = () => h("output", { class: "numbers" });

/** A table of numbers with its cells to fill: rows and columns by name. */
function matrix(caption, columns, rows) {
  const cells = rows.map(() => columns.map(() => h("td", { class: "number" })));
  const element = h("table", { "aria-label": caption },
    h("thead", {}, h("tr", {}, h("td"), ...columns.map((name) => h("th", { scope: "col", class: "number" }, name)))),
    h("tbody", {}, ...rows.map((name, i) => h("tr", {}, h("th", { scope: "row" }, name), ...cells[i]))));
  return { element, cells };
}

export class LinearPanel extends Panel {
  constructor(world) {
    const table = h("div", { class: "scroll" });
    const slopes = h("div", { class: "shown" });
    super(world, "linear", "The Jacobian J",
      h("p", {}, "Close enough to one point every smooth map is a straight one: it makes a parallelogram of a square. The four numbers that say which are the slopes of both outputs along both inputs."),
      table, slopes,
      h("p", { class: "note" }, "A column is where a step along one input goes. Make the square smaller: its image and the dashed parallelogram become one."));
    Object.assign(this, { table, slopes });
  }

  update(fresh) {
    const { map, jacobian } = this.world;
    if (fresh || !this.cells) {
      const { element, cells } = matrix("The Jacobian", map.variables.map((name) => `along ${name}`), OUTPUTS.map((name) => `slope of ${name}`));
      this.cells = cells;
      this.table.replaceChildren(element);
      this.slopes.replaceChildren(...map.parts.flatMap(({ description }) => (description.partials ?? []).flatMap((parts) => [h("p", {}, ...parts.flatMap((part) => [mathNodes(part), " "]))])));
    }
    jacobian.forEach((row, i) => row.forEach((value, j) => say(this.cells[i][j], format(value))));
  }
}

export class AreaPanel extends Panel {
  constructor(world) {
    const [rule, square, turned] = [h("p", { class: "numbers" }), h("p", { class: "numbers" }), h("p", { class: "note" })];
    super(world, "area", "The area scale |det J|", h("p", {}, "The parallelogram's area over the square's is the determinant of J, without its sign."), rule, square, turned);
    Object.assign(this, { rule, square, turned });
  }

  update() {
    const { jacobian: J, growth } = this.world;
    const det = determinant(J);
    const brackets = (value) => (value < 0 ? `(${format(value)})` : format(value));
    say(this.rule, `det J = ${format(J[0][0])} · ${brackets(J[1][1])} − ${brackets(J[0][1])} · ${brackets(J[1][0])} = ${format(det, 4)}`);
    say(this.square, `This square becomes ${format(growth, 4)} times as large; a tiny one at its middle ${format(Math.abs(det), 4)} times.`);
    const flat = Math.abs(det) < 1e-9;
    say(this.turned, flat ? "Here the map flattens: whole lines fall on one point, and there is no way back." : det < 0 ? "The sign is negative: the image is turned over, like a hand in a mirror." : "The sign is positive: left stays left.");
  }
}

export class StretchPanel extends Panel {
  constructor(world) {
    const [most, least, product, uneven] = [1, 2, 3, 4].map(() => h("p", { class: "numbers" }));
    most.classList.add("most");
    least.classList.add("least");
    uneven.classList.add("note");
    super(world, "stretch", "The stretches σ",
      h("p", {}, "Of all directions one is stretched most, and the one across it least; their images are again at right angles. The green and the violet arrow show them in both planes."),
      most, least, product, uneven);
    Object.assign(this, { most, least, product, uneven });
  }

  update() {
    const { sigma } = stretches(this.world.jacobian);
    say(this.most, `σ₁ = ${format(sigma[0], 4)}, the largest stretch`);
    say(this.least, `σ₂ = ${format(sigma[1], 4)}, the smallest`);
    say(this.product, `σ₁ · σ₂ = ${format(sigma[0] * sigma[1], 4)}, which is the area scale`);
    const ratio = sigma[0] / sigma[1];
    say(this.uneven, sigma[1] < 1e-9 ? "One direction vanishes: the map cannot be undone here." : ratio < 1.001 ? "Both are equal: a small circle stays a circle, and angles stay as they are." : `A small circle becomes an ellipse, ${format(ratio, 3)} times as long as it is wide. This is the condition number.`);
  }
}

export class RipplePanel extends Panel {
  constructor(world) {
    const table = h("div", { class: "scroll" });
    const [told, apart] = [h("p", { class: "numbers" }), output()];
    super(world, "ripple", "How a change dx ripples",
      h("p", {}, "Move the tip of the dark arrow on the left. On the right the dark arrow is what happens, the dashed one what the Jacobian promises: J dx."),
      table, told, h("p", { class: "note" }, "They are ", apart, " apart. Halve the change, and that falls to about a quarter."));
    Object.assign(this, { table, told, apart });
  }

  update(fresh) {
    const { map, jacobian, point, step, image } = this.world;
    if (fresh || !this.cells) {
      const { element, cells } = matrix("The change of both outputs", ["happens", "promised"], OUTPUTS.map((name) => `change of ${name}`));
      this.cells = cells;
      this.table.replaceChildren(element);
    }
    const happens = minus(map.at(plus(point, step)), image);
    const promised = apply(jacobian, step);
    for (const k of [0, 1]) [happens, promised].forEach((values, column) => say(this.cells[k][column], format(values[k])));
    const names = map.variables.map((name, k) => `${name} ${step[k] < 0 ? "−" : "+"} ${format(Math.abs(step[k]))}`).join(", ");
    const hit = Math.abs(happens[0]) >= Math.abs(happens[1]) ? "u" : "v";
    say(this.told, `${names}: ${hit} changes most.`);
    say(this.apart, format(length(minus(happens, promised)), 3));
  }
}
