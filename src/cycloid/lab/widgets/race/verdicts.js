// Sentences about how a race went, twenty races, and what the switch of learning rates changed.

import { format } from "/shell/dom.js";
import { edge, factor, floor, linear } from "/widgets/race/reasons.js";
import { label } from "/widgets/race/runs.js";
import { champions, RACES } from "/widgets/race/tournament.js";

const PLACES = ["first", "second", "third", "fourth", "fifth", "last"];

/** "Adam", "Adam and Momentum", "Adam, Momentum and Nesterov". */
export function list(names) {
  const labels = names.map(label);
  return labels.length < 2 ? labels.join("") : `${labels.slice(0, -1).join(", ")} and ${labels.at(-1)}`;
}

const steps = (count) => `${count} ${count === 1 ? "step" : "steps"}`;

/** What became of one runner, in a word or two. */
export function outcome(run) {
  if (run.lost) return "flew off";
  return run.arrived === null ? "never" : steps(run.arrived);
}

/** One sentence about a race and the bet on it; `ranked` is in the order of arrival. */
export function judgeRace(ranked, first, bet, { steps: limit, known }) {
  const won = first.length
    ? `${list(first)} ${first.length > 1 ? "are" : "is"} down first, after ${steps(ranked[0].arrived)}.`
    : `Nobody is down within ${steps(limit)}.`;
  return [won, ...aboutBet(bet, known, first.includes(bet), () => fate(ranked, bet))].join(" ");
}

function fate(ranked, bet) {
  const place = ranked.findIndex((one) => one.name === bet);
  const run = ranked[place];
  if (run.lost) return "it flew out of the valley";
  return run.arrived === null ? "it is still not down" : `${PLACES[place]}, after ${steps(run.arrived)}`;
}

/** One sentence about twenty races and the bet on them. */
export function judgeTwenty(table, bet, { known }) {
  const first = champions(table);
  if (!first.length) return [`In none of ${RACES} races is anybody down.`, ...aboutBet(bet, known, false, () => "no win")].join(" ");
  const wins = format(table[first[0]].wins);
  const won = `${list(first)} ${first.length > 1 ? `win ${wins} each` : `wins ${wins}`} of ${RACES}.`;
  return [won, ...aboutBet(bet, known, first.includes(bet), () => `${format(table[bet].wins)} of ${RACES}`)].join(" ");
}

function aboutBet(bet, known, right, fell) {
  if (!bet) return ["Place a bet before the next one."];
  const said = right ? `You bet on ${label(bet)}: right.` : `You bet on ${label(bet)}: ${fell()}.`;
  return known ? [said, "You had seen this one before, so it does not count."] : [said];
}

/** The reason that weighs most in a race: too long a step, noise, a flat middle, a long valley, or none of these. */
export function reason({ curvatures, goal, lowest }, shape, rates, { memory, noise }) {
  const wild = linear.filter((name) => factor(name, rates[name], memory, curvatures) >= 1);
  if (wild.length) {
    const most = wild.map((name) => `${label(name)} stays calm up to ${format(edge(name, memory, curvatures[0]))}`).join(", ");
    return `A step can be too long for walls as steep as those at the bottom: ${most}.`;
  }
  const restless = linear.filter((name) => noise > 0 && floor(name, rates[name], memory, noise, curvatures) > goal - lowest);
  if (restless.length) {
    const high = restless.map((name) => `${label(name)} at ${format(floor(name, rates[name], memory, noise, curvatures), 2)}`).join(", ");
    return `Noise never lets them rest. Their mean height: ${high}; the finish is at ${format(goal - lowest, 2)}. Shorter steps or less memory get lower.`;
  }
  if (shape === "saddle") return "In the middle the slope all but vanishes, and steps in proportion to it are tiny. Momentum and Nesterov gather speed, Adagrad, RMSprop and Adam divide the smallness out.";
  const [steepest, flattest] = curvatures;
  if (steepest < 10 * flattest) return "The slope points almost at the bottom: what counts is how far a step goes, and a memory gains little.";
  const left = linear.map((name) => `${label(name)} ${format(100 * factor(name, rates[name], memory, curvatures))} %`).join(", ");
  return `The floor is ${format(steepest / flattest)} times flatter than the walls. Of the way to the bottom each step leaves, in the long run: ${left}.`;
}

/** What the switch between one learning rate and tuned ones does to the winner. */
export function compareRules({ one, own }) {
  const [shared, tuned] = [one, own].map(champions);
  const tell = (names, table) => (names.length ? `${list(names)} (${format(table[names[0]].wins)} of ${RACES})` : "nobody");
  const facts = `Every runner at one step size: ${tell(shared, one)}. Each at its own tuned step size: ${tell(tuned, own)}.`;
  const same = shared.length === tuned.length && shared.every((name) => tuned.includes(name));
  if (same) return `${facts} Here the switch does not change the winner; it changes how far the others are behind.`;
  return `${facts} The switch changes the winner: at one step size the race tests that step size as much as the runners.`;
}
