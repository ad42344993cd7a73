// Twenty races at once: starts near the chosen one, noise of each race's own, both the same for every runner of a race.

import { normals } from "/widgets/terrain/methods.js";
import { errors, race, run, winners } from "/widgets/race/runs.js";

export const RACES = 20;
const TUNING = 3; // races that choose a learning rate; they are not among the twenty
export const RATES = Array.from({ length: 11 }, (_, k) => Number((10 ** (-4 + k / 2)).toPrecision(3)));
const SPREAD = 0.04; // of the starts, in half widths of the window

/** The setting of race number k: its start and its errors. */
export function heat(setting, k) {
  const next = normals(7919 * (k + 1));
  const start = setting.start.map((part) => part + SPREAD * setting.half * next());
  return { ...setting, start, chance: errors(104729 * (k + 1), setting.noise > 0 ? setting.steps : 0) };
}

/** Each runner's own learning rate: of RATES the one with the fewest steps, in the middle of three other races. */
export function tune(ground, names, setting) {
  const heats = Array.from({ length: TUNING }, (_, k) => heat(setting, RACES + k));
  return Object.fromEntries(names.map((name) => [name, best(name, ground, heats)]));
}

function best(name, ground, heats) {
  const trials = RATES.map((rate) => {
    const runs = heats.map((one) => run(name, ground, { ...one, rate }));
    return { rate, steps: median(runs.map(taken)), end: median(runs.map((one) => (one.lost ? Infinity : one.values.at(-1)))) };
  });
  return trials.reduce((a, b) => (b.steps < a.steps || (b.steps === a.steps && b.end < a.end) ? b : a)).rate;
}

/** Run the twenty; per runner: wins (shared where several took the same steps), steps of each race, their median and its interval. */
export function tournament(ground, names, rates, setting) {
  const table = Object.fromEntries(names.map((name) => [name, { rate: rates[name], wins: 0, steps: [], lost: 0 }]));
  for (let k = 0; k < RACES; k++) {
    const runs = race(ground, names, rates, heat(setting, k));
    const first = winners(runs);
    for (const name of first) table[name].wins += 1 / first.length;
    for (const one of runs) {
      table[one.name].steps.push(taken(one));
      table[one.name].lost += one.lost ? 1 : 0;
    }
  }
  for (const row of Object.values(table)) {
    row.median = median(row.steps);
    row.interval = interval(row.steps);
    row.never = row.steps.filter((steps) => steps === Infinity).length;
  }
  return table;
}

/** Names with the most wins; none when nobody ever arrives. */
export function champions(table) {
  const most = Math.max(...Object.values(table).map((row) => row.wins));
  return most > 0 ? Object.keys(table).filter((name) => table[name].wins > most - 1e-9) : [];
}

const taken = (one) => one.arrived ?? Infinity;
const sorted = (values) => [...values].sort((a, b) => a - b);

/** The middle; infinite where half of the values or more are. */
export function median(values) {
  const all = sorted(values);
  const [low, high] = [all[(all.length - 1) >> 1], all[all.length >> 1]];
  return high === Infinity ? Infinity : (low + high) / 2;
}

/** The narrowest pair of ordered values that holds the true median with a probability of 95 % or more, for any distribution. */
export function interval(values) {
  const all = sorted(values);
  const n = all.length;
  let cut = 0;
  for (let below = 0, term = 0.5 ** n; cut < n / 2; cut++) {
    below += term; // the chance that at most `cut` of the values lie below the true median
    if (1 - 2 * below < 0.95) break;
    term *= (n - cut) / (cut + 1);
  }
  return [all[Math.max(cut - 1, 0)], all[n - Math.max(cut, 1)]];
}
