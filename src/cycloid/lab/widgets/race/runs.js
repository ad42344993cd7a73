// One run, one race, and the noise that all runners of a race share.

import { METHODS, normals } from "/widgets/terrain/methods.js";

export const RUNNERS = ["GradientDescent", "Momentum", "Nesterov", "Adagrad", "RMSprop", "Adam"];
export const label = (name) => METHODS[name].label;

/** Runners whose rule has the memory β. */
export const REMEMBER = new Set(["Momentum", "Nesterov", "RMSprop", "Adam"]);

export const STAY = 10;
const FAR = 1e6; // times the height at the start: flown off

/** Errors of the slope, one pair a step, standard normal: equal seeds give equal errors, to every runner. */
export function errors(seed, steps) {
  const next = normals(seed);
  return Array.from({ length: steps }, () => [next(), next()]);
}

/**
 * Follow a runner for at most `steps` steps, or until it is down: below the goal, and still below it STAY steps on,
 * as a runner that merely shoots through the bottom has not arrived.
 * Returns {points, values, arrived, lost}: every place from the start on; the first step of its stay, or null;
 * whether it flew off.
 */
export function run(name, ground, { start, rate, memory, noise = 0, steps, chance = null, goal = ground.goal }) {
  const method = METHODS[name];
  const state = method.init(start);
  const points = [start];
  const values = [ground.value(start)];
  const ceiling = FAR * (1 + Math.abs(values[0]));
  let since = null;
  for (let step = 0; step < steps; step++) {
    const point = points[step];
    let slope = ground.gradient(point);
    if (chance && noise > 0) slope = slope.map((part, i) => part + noise * chance[step][i]);
    const move = method.update(slope, state, point, rate, memory);
    const next = point.map((part, i) => part + move[i]);
    const value = ground.value(next);
    if (!(Math.abs(value) < ceiling)) return { name, rate, points, values, arrived: null, lost: true };
    points.push(next);
    values.push(value);
    since = value <= goal ? (since ?? step + 1) : null;
    if (since !== null && step + 1 - since === STAY) return { name, rate, points, values, arrived: since, lost: false };
  }
  return { name, rate, points, values, arrived: null, lost: false };
}

/** All runners from one start with the same errors; `rates` maps names to learning rates. */
export function race(ground, names, rates, setting) {
  return names.map((name) => run(name, ground, { ...setting, rate: rates[name] }));
}

/** The height that settles a race between equals: at arrival, or at the end of a run that did not arrive. */
const heightAt = (one) => (one.lost ? Infinity : one.values[one.arrived ?? one.values.length - 1]);

/** Runs by their order of arrival; at the same step the lower one is first; those who never arrive come last. */
export function order(runs) {
  const when = (one) => one.arrived ?? Infinity;
  return [...runs].sort((a, b) => (when(a) === when(b) ? heightAt(a) - heightAt(b) : when(a) - when(b)));
}

/** Names of those who are down first: one, or several that took the very same steps; none when nobody arrives. */
export function winners(runs) {
  const [first] = order(runs);
  if (!first || first.arrived === null) return [];
  return runs.filter((one) => one.arrived === first.arrived && heightAt(one) === heightAt(first)).map((one) => one.name);
}
