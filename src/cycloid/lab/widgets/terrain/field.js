// A function of one or two variables, with its exact gradient, as the server's ES module gives it.

import { ask } from "/shell/dom.js";

/** Ask the server to read a formula. Throws an Error with .answer = {message, column, hint} when it cannot. */
export async function loadField(text, climb = false) {
  const query = new URLSearchParams({ text });
  const description = await ask(`/api/formula?${query}`);
  if (description.variables.length > 2) {
    const message = `The terrain has room for two variables; this formula has ${description.variables.length}.`;
    throw Object.assign(new Error(message), { answer: { message } });
  }
  const module = await import(`/formula.js?${query}`);
  return new Field(module, description, climb);
}

export class Field {
  /** module: {variables, f, gradient}. climb: the goal is the highest place, so `objective` is −f. */
  constructor(module, description, climb) {
    this.module = module;
    this.description = description;
    this.climb = climb;
    this.sign = climb ? -1 : 1;
    this.variables = module.variables.length ? module.variables : ["x"];
    this.dimension = this.variables.length;
    this.constant = module.variables.length === 0;
  }

  f(point) {
    return this.constant ? this.module.f() : this.module.f(...point);
  }

  gradient(point) {
    return this.constant ? [0] : this.module.gradient(...point);
  }

  objective(point) {
    return this.sign * this.f(point);
  }

  objectiveGradient(point) {
    const g = this.gradient(point);
    return this.climb ? g.map((part) => -part) : g;
  }

  /** Second derivatives of the objective: central differences of the exact gradient, made symmetric. */
  hessian(point) {
    const columns = point.map((value, j) => {
      const step = 1e-5 * (1 + Math.abs(value));
      const shifted = (by) => this.objectiveGradient(point.map((v, k) => (k === j ? v + by : v)));
      const [ahead, behind] = [shifted(step), shifted(-step)];
      return ahead.map((part, i) => (part - behind[i]) / (2 * step));
    });
    return point.map((_, i) => point.map((_, j) => (columns[j][i] + columns[i][j]) / 2));
  }

  /** Eigenvalues of the Hessian of the objective, largest first. */
  curvatures(point) {
    const H = this.hessian(point);
    if (H.length === 1) return [H[0][0]];
    const middle = (H[0][0] + H[1][1]) / 2;
    const reach = Math.hypot((H[0][0] - H[1][1]) / 2, H[0][1]);
    return [middle + reach, middle - reach];
  }
}

export const norm = (vector) => Math.hypot(...vector);

/** Direction of steepest descent of the objective, as a unit vector; null where the ground is flat or not defined. */
export function steepest(field, point) {
  const g = field.objectiveGradient(point);
  const size = norm(g);
  return size > 1e-9 && Number.isFinite(size) ? g.map((part) => -part / size) : null;
}

/**
 * Heights on an n × n grid over a square window, and the monotone scale that draws them between 0 and 1.
 * A landscape whose walls dwarf its floor gets a logarithmic scale: contours and steepest directions stay true.
 */
export class Heights {
  constructor(field, centre, half, n) {
    Object.assign(this, { field, centre, half, n });
    const raw = new Float64Array(n * n);
    for (let j = 0; j < n; j++) {
      for (let i = 0; i < n; i++) raw[j * n + i] = field.f(this.place((2 * i) / (n - 1) - 1, (2 * j) / (n - 1) - 1));
    }
    this.scale = new HeightScale(raw);
    this.lifted = Float32Array.from(raw, (value) => (Number.isFinite(value) ? this.scale.lift(value) : NaN));
  }

  /** From drawing coordinates (−1 to 1) to variables. */
  place(u, v) {
    return [this.centre[0] + u * this.half, this.centre[1] + v * this.half];
  }

  /** From variables to drawing coordinates. */
  spot(point) {
    return [(point[0] - this.centre[0]) / this.half, (point[1] - this.centre[1]) / this.half];
  }

  /** Drawn height at drawing coordinates, bilinear; NaN where the function is not defined. */
  at(u, v) {
    const n = this.n;
    const a = Math.min(Math.max(((u + 1) / 2) * (n - 1), 0), n - 1.000001);
    const b = Math.min(Math.max(((v + 1) / 2) * (n - 1), 0), n - 1.000001);
    const [i, j] = [Math.floor(a), Math.floor(b)];
    const [s, t] = [a - i, b - j];
    const k = j * n + i;
    const L = this.lifted;
    return (L[k] * (1 - s) + L[k + 1] * s) * (1 - t) + (L[k + n] * (1 - s) + L[k + n + 1] * s) * t;
  }
}

export class HeightScale {
  constructor(values) {
    const sorted = Float64Array.from(values.filter(Number.isFinite)).sort();
    const quantile = (q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
    this.empty = sorted.length === 0;
    [this.low, this.high] = this.empty ? [0, 1] : [sorted[0], sorted[sorted.length - 1]];
    if (!this.empty) this.#trimPoles(quantile);
    if (this.high - this.low < 1e-300) [this.low, this.high] = [this.low - 0.5, this.high + 0.5];
    const middle = this.empty ? 0.5 : (quantile(0.5) - this.low) / (this.high - this.low);
    this.down = middle > 0.5; // seen from the top when the depths are what dwarfs the rest
    this.bend = this.#findBend(this.down ? 1 - middle : middle);
  }

  /** Near a pole the function is as large as the grid is fine: cut there. */
  #trimPoles(quantile) {
    const body = quantile(0.98) - quantile(0.02);
    if (body <= 0) return;
    if (this.high - quantile(0.98) > 60 * body) this.high = quantile(0.98) + 2 * body;
    if (quantile(0.02) - this.low > 60 * body) this.low = quantile(0.02) - 2 * body;
  }

  /** How strongly to bend the scale so that the middle of the landscape is not pressed to the floor. */
  #findBend(median) {
    if (median > 0.12) return 0;
    for (let bend = 3; bend < 1e7; bend *= 1.6) if (Math.log1p(bend * median) / Math.log1p(bend) > 0.42) return bend;
    return 1e7;
  }

  get logarithmic() {
    return this.bend > 0;
  }

  lift(value) {
    const t = Math.min(Math.max((value - this.low) / (this.high - this.low), 0), 1);
    if (!this.bend) return t;
    const bent = (share) => Math.log1p(this.bend * share) / Math.log1p(this.bend);
    return this.down ? 1 - bent(1 - t) : bent(t);
  }
}
