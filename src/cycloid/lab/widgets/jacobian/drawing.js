// The two planes: a square on the left, on the right its image, the parallelogram of the Jacobian and what is asked for.

import { format, h, say } from "/shell/dom.js";
import { apply, corners, edge, grid, minus, plus, stretches } from "/widgets/jacobian/linear.js";
import { OUTPUTS } from "/widgets/jacobian/maps.js";
import { Plane } from "/widgets/jacobian/plane.js";

export class Drawing {
  constructor(world, redraw) {
    this.world = world;
    this.left = new Plane("source", "The plane with the square", redraw);
    this.right = new Plane("target", "The plane with the image of the square", redraw);
    const look = () => (world.looked ? world.again() : world.look());
    const small = () => 0.04 * world.half;
    this.square = this.left.handle(
      "square", "The square. Arrow keys move it, Enter looks.", (place) => world.move(place),
      (dx, dy) => world.move(plus(world.point, [dx * small(), dy * small()])), look,
    );
    this.corner = this.left.handle(
      "corner", "The corner of the square. Arrow keys change its size.",
      (place) => world.resize(2 * Math.max(...minus(place, world.point).map(Math.abs))), (dx, dy) => world.resize(world.side + (dx + dy) * small()), look,
    );
    this.tip = this.left.handle(
      "tip", "The change to follow. Arrow keys turn and stretch it.", (place) => world.push(minus(place, world.point)),
      (dx, dy) => world.push(plus(world.step, [dx * small(), dy * small()])), look,
    );
    this.element = h("div", { class: "stage" }, this.left.element, this.right.element);
  }

  draw() {
    const { world } = this;
    say(this.left.title, "A square. Drag it, or its corner.");
    say(this.right.title, world.looked ? "Where it goes." : "Where it goes: look, when you have guessed.");
    const symbols = world.reveals.size > 0;
    if (this.left.begin(world.centre, world.half, symbols ? world.map.variables : null)) this.#source();
    if (this.right.begin(world.imageCentre, world.imageHalf, symbols ? OUTPUTS : null)) this.#target();
  }

  #source() {
    const { left, world } = this;
    const { point, side, reveals } = world;
    for (const line of grid(point, side, 4)) left.line(line, { stroke: "accent", width: 1, alpha: 0.55 });
    left.line(edge(point, side), { stroke: "accent", width: 2.4, fill: 0.12, closed: true });
    if (reveals.has("stretch")) {
      stretches(world.jacobian).inputs.forEach((v, k) => left.arrow(point, plus(point, v.map((part) => (part * side) / 2)), { stroke: ["green", "purple"][k] }));
    }
    if (reveals.has("ripple")) left.arrow(point, plus(point, world.step), { stroke: "ink" });
    left.dot(point, { stroke: "ink" });
    left.end();
    left.put(this.square, point);
    left.put(this.corner, corners(point, side)[2]);
    this.tip.hidden = !reveals.has("ripple");
    left.put(this.tip, plus(point, world.step));
  }

  #target() {
    const { right, world } = this;
    const { map, point, side, reveals, image } = world;
    const J = world.jacobian;
    const toLine = (spots) => spots.map((spot) => map.at(spot));
    const toFlat = (spots) => spots.map((spot) => plus(image, apply(J, minus(spot, point))));
    if (world.looked) {
      for (const line of grid(world.centre, 2 * world.half, 9)) right.line(toLine(line), { stroke: "muted", width: 1, alpha: 0.28 });
    }
    right.line(edge(image, side), { stroke: "muted", width: 1.4, dash: [2, 4], closed: true });
    if (!world.looked) {
      right.line(edge(image, side * Math.sqrt(world.guess)), { stroke: "warm", width: 2.2, dash: [7, 5], fill: 0.08, closed: true });
    } else {
      for (const line of grid(point, side, 4)) right.line(toLine(line), { stroke: "accent", width: 1, alpha: 0.55 });
      right.line(toLine(edge(point, side)), { stroke: "accent", width: 2.4, fill: 0.12, closed: true });
      if (reveals.has("linear")) {
        for (const line of grid(point, side, 4)) right.line(toFlat(line), { stroke: "warm", width: 1, alpha: 0.35 });
        right.line(toFlat(edge(point, side)), { stroke: "warm", width: 2.2, dash: [7, 5], closed: true });
      }
    }
    if (reveals.has("stretch")) {
      const { sigma, outputs } = stretches(J);
      outputs.forEach((u, k) => right.arrow(image, plus(image, u.map((part) => (part * sigma[k] * side) / 2)), { stroke: ["green", "purple"][k] }));
    }
    if (reveals.has("ripple")) {
      right.arrow(image, map.at(plus(point, world.step)), { stroke: "ink" });
      right.arrow(image, plus(image, apply(J, world.step)), { stroke: "warm", width: 2.4, dash: [6, 4] });
    }
    right.dot(image, { stroke: "ink" });
    right.end();
    right.sketch.setAttribute("aria-label", `The image of the square, at (${image.map((part) => format(part)).join(", ")})`);
  }
}
