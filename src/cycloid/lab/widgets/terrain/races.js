// Several methods from the same place, with the same number of gradient evaluations each.

import { METHODS, follow } from "/widgets/terrain/methods.js";
import { norm } from "/widgets/terrain/field.js";

/** Learning rates tried when every method may have its own best: four per decade, from 10⁻⁴ to 3. */
export const RATES = Array.from({ length: 19 }, (_, k) => 10 ** (-4 + k / 4));

/** Noise of SGD: a quarter of the slope's size at the start, and never nothing. */
export const noiseAt = (field, start) => 0.25 * Math.max(norm(field.objectiveGradient(start)), 1e-3);

/** Run the chosen methods; with rate null each method gets the rate of RATES that ends lowest. */
export function race(field, start, names, { rate, evaluations, far }) {
  const noise = noiseAt(field, start);
  return names.map((name) => {
    const run = (eta) => ({ name, rate: eta, ...follow(name, field, start, eta, evaluations, { noise }) });
    const chosen = rate === null ? best(RATES.map(run), start, far) : run(rate);
    return { ...chosen, outcome: outcome(chosen, field, start, far) };
  });
}

/**
 * Lowest end among the runs that stay within reach (a landscape without a bottom would otherwise reward flight);
 * of those that end equally low, the one that was low soonest.
 */
function best(runs, start, far) {
  const tame = runs.filter((run) => !run.broken && run.points.every((p) => within(p, start, far)));
  if (!tame.length) return runs[0];
  const lowest = Math.min(...tame.map((run) => run.values.at(-1)));
  const near = tame.filter((run) => run.values.at(-1) - lowest <= 1e-4 * (run.values[0] - lowest));
  const area = (run) => run.values.reduce((sum, value) => sum + value, 0);
  return near.length ? near.reduce((winner, run) => (area(run) < area(winner) ? run : winner)) : runs[0];
}

const within = (point, start, far) => point.every((value, i) => Math.abs(value - start[i]) <= far);

/** One word about how a run ended. */
export function outcome(run, field, start, far) {
  const last = run.points.at(-1);
  if (run.broken || !within(last, start, 4 * far)) return falls(run) ? "falling" : "away";
  const slope = norm(field.objectiveGradient(last));
  const first = norm(field.objectiveGradient(start));
  if (slope < 1e-3 * Math.max(first, 1e-6)) return "arrived";
  if (run.values.at(-1) > run.values[0]) return "higher";
  if (turns(run) > 0.6) return "swinging";
  const walked = norm(last.map((value, i) => value - start[i]));
  return walked < 0.05 * far && slope > 0.5 * first ? "crawling" : "on its way";
}

/** Whether a run only ever went down: then it left because there is no bottom, not because it overshot. */
const falls = ({ values }) => values.every((value, k) => k === 0 || value <= values[k - 1]);

/** The share of steps, in the second half, that turn back against the step before. */
function turns({ points }) {
  let back = 0;
  let all = 0;
  for (let k = Math.floor(points.length / 2) + 1; k + 1 < points.length; k++) {
    const turn = points[k].reduce((sum, value, i) => sum + (points[k + 1][i] - value) * (value - points[k - 1][i]), 0);
    back += turn < 0 ? 1 : 0;
    all += 1;
  }
  return all ? back / all : 0;
}

export const OUTCOMES = {
  arrived: "arrived",
  away: "left the map",
  falling: "fell without end",
  higher: "ended higher",
  swinging: "swinging",
  crawling: "crawling",
  "on its way": "on its way",
};

/** First evaluation at which a run has done 99 % of what the best run of all achieved; null when it never does. */
export function arrival(run, lowest) {
  const goal = run.values[0] - 0.99 * (run.values[0] - lowest);
  const at = run.values.findIndex((value) => value <= goal);
  return at < 0 || !(lowest < run.values[0]) ? null : at;
}

/** Objective after a number of plain steps, for each rate: the U of too small and too large; NaN off the map. */
export function sweep(field, start, rates, steps, far) {
  return rates.map((rate) => {
    const run = follow("GradientDescent", field, start, rate, steps);
    return run.broken || !within(run.points.at(-1), start, far) ? NaN : run.values.at(-1);
  });
}

export const names = Object.keys(METHODS);
