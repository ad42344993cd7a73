// Maps of the plane: the ones to choose from, and how two formulas become one map with its exact Jacobian.

import { ask } from "/shell/dom.js";

/**
 * texts: the two formulas as a person would type them. centre, half: the window of the left plane.
 * places: where the square starts, and where it goes for the next guess. side: its side.
 */
export const MAPS = [
  {
    id: "square",
    name: "The complex square",
    texts: ["x^2 - y^2", "2*x*y"],
    centre: [0, 0],
    half: 1.5,
    side: 0.5,
    places: [[1, 0.5], [0.3, -0.3], [-1, 0.8], [0.1, 1.1]],
    note: "Every point is squared as a complex number. The map turns and grows, but keeps right angles right: it stretches all directions alike. In the middle it flattens.",
  },
  {
    id: "polar",
    name: "Polar coordinates",
    texts: ["r*cos(t)", "r*sin(t)"],
    centre: [1.3, 1.5],
    half: 1.3,
    side: 0.5,
    places: [[1.9, 0.8], [0.5, 1.2], [1.2, 2.2], [2.2, 1.9]],
    note: "A square of radius and angle becomes a piece of a ring. Its area grows by the radius: the extra factor of every integral in polar coordinates.",
  },
  {
    id: "turn",
    name: "A turn",
    texts: ["0.8*x - 0.6*y", "0.6*x + 0.8*y"],
    centre: [0, 0],
    half: 2,
    side: 0.8,
    places: [[0.7, 0.4], [-0.8, 0.6]],
    note: "A rotation. It moves everything and changes no length and no area.",
  },
  {
    id: "shear",
    name: "A shear",
    texts: ["x + 0.9*y", "y"],
    centre: [0, 0],
    half: 2,
    side: 0.8,
    places: [[0.3, 0.6], [-0.6, -0.9]],
    note: "Rows slide along each other. One direction is stretched, another pressed together by as much: the area stays.",
  },
  {
    id: "fold",
    name: "A fold",
    texts: ["x^2", "y"],
    centre: [0, 0],
    half: 2,
    side: 0.6,
    places: [[0.9, 0.3], [-1.3, -0.5], [0.3, 0.8]],
    note: "The plane is folded along a line, where the map flattens. On the left of the fold every square is turned over.",
  },
  {
    id: "lens",
    name: "A wavy lens",
    texts: ["x + 0.35*sin(2*y)", "y + 0.35*sin(2*x)"],
    centre: [0, 0],
    half: 2,
    side: 0.7,
    places: [[0.8, 0.9], [0, 0.1], [1.6, -0.2]],
    note: "Every square is bent a little. Make the square small and its image becomes a parallelogram.",
  },
];

export const OWN = { id: "own", name: "Your own map", centre: [0, 0], half: 2, side: 0.6, places: [[0.8, 0.5]], note: "" };

export const OUTPUTS = ["u", "v"]; // what the two formulas are called

export const findMap = (id) => MAPS.find((one) => one.id === id);

/** Ask the server to read both formulas. Throws an Error with .answer, and .which (0 or 1) when one cannot be read. */
export async function loadMap(texts) {
  const parts = [];
  for (const [which, text] of texts.entries()) {
    try {
      const query = new URLSearchParams({ text });
      const description = await ask(`/api/formula?${query}`);
      parts.push({ description, module: await import(`/formula.js?${query}`) });
    } catch (error) {
      throw Object.assign(error, { which });
    }
  }
  const found = [...new Set(parts.flatMap(({ module }) => module.variables))].sort();
  if (found.length > 2) {
    const message = `This page has room for two variables; the two formulas have ${found.length}: ${found.join(", ")}.`;
    throw Object.assign(new Error(message), { answer: { message }, which: 1 });
  }
  const spare = ["x", "y"].filter((name) => !found.includes(name));
  const variables = found.length === 2 ? found : [...found, ...spare].slice(0, 2).sort();
  await Promise.all(parts.map((part, k) => titled(part, texts[k], OUTPUTS[k], variables)));
  return new PlaneMap(parts, variables);
}

/** The formula typeset as u(x, y) = …, unless it has a name of its own. */
async function titled(part, text, name, variables) {
  if (text.includes("=")) return;
  part.description = await ask(`/api/formula?${new URLSearchParams({ text: `${name}(${variables.join(", ")}) = ${text}` })}`);
}

export class PlaneMap {
  constructor(parts, variables) {
    this.parts = parts;
    this.variables = variables;
    this.places = parts.map(({ module }) => module.variables.map((name) => variables.indexOf(name)));
  }

  /** F(p), a point of the right plane. */
  at(p) {
    return this.parts.map(({ module }, k) => module.f(...this.places[k].map((i) => p[i])));
  }

  /** The matrix of the partial derivatives at p. */
  jacobian(p) {
    return this.parts.map(({ module }, k) => {
      const row = [0, 0];
      if (this.places[k].length) module.gradient(...this.places[k].map((i) => p[i])).forEach((slope, j) => (row[this.places[k][j]] = slope));
      return row;
    });
  }
}
