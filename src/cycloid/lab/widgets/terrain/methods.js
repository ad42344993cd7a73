// The optimizers, in the same arithmetic as cycloid.optimize: a test compares the trails to nine digits.
// Each has init(point) -> state and update(gradient, state, point, rate, memory) -> step; state is changed in place.
// memory, from 0 to below 1, is how much of the past a method keeps: γ, ρ or β₁ by the names of the library.

const MEMORY = 0.9;

const zeros = (point) => point.map(() => 0);

export const METHODS = {
  GradientDescent: {
    label: "Gradient descent",
    about: "one step down the slope",
    init: () => ({}),
    update: (g, state, point, rate) => g.map((gi) => -rate * gi),
  },
  SGD: {
    label: "SGD",
    about: "the slope seen through noise, as a mini-batch sees it",
    noisy: true,
    init: () => ({}),
    update: (g, state, point, rate) => g.map((gi) => -rate * gi),
  },
  Momentum: {
    label: "Momentum",
    about: "v = γv + η∇, θ = θ − v with γ = 0.9: speed builds up",
    init: (point) => ({ v: zeros(point) }),
    update(g, state, point, rate, memory = MEMORY) {
      state.v = state.v.map((vi, i) => memory * vi + rate * g[i]);
      return state.v.map((vi) => -vi);
    },
  },
  Nesterov: {
    label: "Nesterov",
    about: "momentum that looks ahead",
    init: (point) => ({ trace: zeros(point) }),
    update(g, state, point, rate, memory = MEMORY) {
      state.trace = state.trace.map((ti, i) => g[i] + memory * ti);
      return state.trace.map((ti, i) => -rate * (g[i] + memory * ti));
    },
  },
  Adagrad: {
    label: "Adagrad",
    about: "steps shrink where slopes have been steep",
    init: (point) => ({ sum: point.map(() => 0.1) }),
    update(g, state, point, rate) {
      state.sum = state.sum.map((si, i) => g[i] * g[i] + si);
      return g.map((gi, i) => (-rate * gi) / Math.sqrt(state.sum[i] + 1e-7));
    },
  },
  RMSprop: {
    label: "RMSprop",
    about: "divides by the recent size of the slope",
    init: (point) => ({ nu: zeros(point) }),
    update(g, state, point, rate, memory = MEMORY) {
      state.nu = state.nu.map((ni, i) => (1 - memory) * g[i] * g[i] + memory * ni);
      return g.map((gi, i) => (-rate * gi) / Math.sqrt(state.nu[i] + 1e-8));
    },
  },
  Adam: {
    label: "Adam",
    about: "momentum and RMSprop together, corrected at the start",
    init: (point) => ({ mu: zeros(point), nu: zeros(point), count: 0 }),
    update: (g, state, point, rate, memory) => adam(g, state, memory).map((part) => -rate * part),
  },
  AdamW: {
    label: "AdamW",
    about: "Adam, and every weight pulled a little towards zero",
    init: (point) => ({ mu: zeros(point), nu: zeros(point), count: 0 }),
    update: (g, state, point, rate, memory) => adam(g, state, memory).map((part, i) => -rate * (part + 1e-4 * point[i])),
  },
};

function adam(g, state, memory = MEMORY) {
  state.count += 1;
  state.mu = state.mu.map((mi, i) => (1 - memory) * g[i] + memory * mi);
  state.nu = state.nu.map((ni, i) => 0.001 * g[i] * g[i] + 0.999 * ni);
  const [first, second] = [1 - memory ** state.count, 1 - 0.999 ** state.count];
  return state.mu.map((mi, i) => mi / first / (Math.sqrt(state.nu[i] / second) + 1e-8));
}

/** A seeded source of standard normal numbers (mulberry32, Box-Muller): the same noise at every redraw. */
export function normals(seed) {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

/**
 * Follow a method for a number of gradient evaluations, one per step.
 * Returns {points, values}: the start and every place after it; ends early when a number is no longer finite.
 */
export function follow(name, field, start, rate, steps, { noise = 0, seed = 1 } = {}) {
  const method = METHODS[name];
  const chance = method.noisy && noise > 0 ? normals(seed) : null;
  const state = method.init(start);
  let point = [...start];
  const points = [point];
  const values = [field.objective(point)];
  for (let step = 0; step < steps; step++) {
    let g = field.objectiveGradient(point);
    if (chance) g = g.map((gi) => gi + noise * chance());
    const move = method.update(g, state, point, rate);
    point = point.map((value, i) => value + move[i]);
    const value = field.objective(point);
    if (!Number.isFinite(value) || !point.every(Number.isFinite)) return { points, values, broken: true };
    points.push(point);
    values.push(value);
  }
  return { points, values, broken: false };
}
