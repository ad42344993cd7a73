// What the page knows: the valley, the sliders, the bet, the race under way, the twenty. No drawing here.

import { reducedMotion } from "/shell/dom.js";
import { Heights } from "/widgets/terrain/field.js";
import { order, race, RUNNERS, winners } from "/widgets/race/runs.js";
import { champions, heat, RACES, tournament, tune } from "/widgets/race/tournament.js";
import { PRESETS, valley } from "/widgets/race/valleys.js";
import { judgeRace, judgeTwenty, reason } from "/widgets/race/verdicts.js";

export const REVEALS = ["sliders", "heights", "twenty", "why", "symbols"];
const GRID = 161;

export class World extends EventTarget {
  constructor() {
    super();
    this.reveals = new Set();
    this.score = { right: 0, all: 0 };
    this.seen = new Set();
    this.heat = 0; // counts the races under noise: each has errors of its own
  }

  /** Tell the page: "ground" when the valley changed, "places" otherwise. */
  changed(what = "places") {
    this.dispatchEvent(new CustomEvent("change", { detail: what }));
  }

  /** Set the page to a preset; `overrides` may move its sliders and its start. */
  show(preset, overrides = {}) {
    this.halt();
    const wanted = { ...preset, tuned: false, ...overrides };
    const { kappa, rate, memory, noise, tuned, start, centre, half, shape, steps } = wanted;
    Object.assign(this, { preset, kappa, rate, memory, noise, tuned, start: [...start], centre, half, shape, steps, bet: null });
    this.survey();
  }

  /** Measure the ground again. */
  survey() {
    this.ground = valley(this.shape, this.kappa);
    this.heights = new Heights({ f: (point) => this.ground.value(point) }, this.centre, this.half, GRID);
    this.clear();
    this.changed("ground");
  }

  /** Results belong to the settings they came from. */
  clear() {
    this.halt();
    Object.assign(this, { runs: null, rates: null, twenty: null, at: 0, feedback: "", hint: "" });
  }

  /** Move a slider, the switch or the start. */
  set(changes) {
    Object.assign(this, changes);
    if ("kappa" in changes) return this.survey();
    const { twenty } = this;
    this.clear();
    if ("tuned" in changes) this.twenty = twenty; // has both rules' tables
    this.changed();
  }

  moveStart(point) {
    this.set({ start: point.map((part, k) => Math.min(Math.max(part, this.centre[k] - this.half), this.centre[k] + this.half)) });
  }

  placeBet(name) {
    this.bet = name;
    this.changed();
  }

  reveal(what, on = !this.reveals.has(what)) {
    this.reveals[on ? "add" : "delete"](what);
    this.changed("reveal");
  }

  get setting() {
    const { start, half, memory, noise, steps } = this;
    return { start, half, memory, noise, steps };
  }

  get sharedRates() {
    return Object.fromEntries(RUNNERS.map((name) => [name, this.rate]));
  }

  /** What makes a race the same race again, so that a bet on a known outcome does not count. */
  #signature(kind) {
    const { shape, kappa, rate, tuned } = this;
    if (kind === "twenty") return JSON.stringify([kind, shape, kappa, rate, this.setting]); // tells of both rules
    return JSON.stringify([kind, shape, kappa, tuned ? null : rate, this.setting, this.noise > 0 ? this.heat : 0]);
  }

  #count(kind, right) {
    const signature = this.#signature(kind);
    const known = this.seen.has(signature);
    this.seen.add(signature);
    if (!this.bet || known) return known;
    this.score.all += 1;
    this.score.right += right ? 1 : 0;
    return false;
  }

  /** Run the race, or skip to its end when it is under way. */
  run() {
    if (this.frame) return this.finish();
    if (this.noise > 0) this.heat += 1;
    this.rates = this.tuned ? tune(this.ground, RUNNERS, this.setting) : this.sharedRates;
    const { chance } = heat(this.setting, 1000 + this.heat);
    this.runs = race(this.ground, RUNNERS, this.rates, { ...this.setting, chance });
    this.feedback = "";
    this.at = 0;
    this.last = Math.max(...this.runs.map((one) => one.arrived ?? (one.lost ? one.values.length - 1 : this.steps)));
    if (reducedMotion()) return this.finish();
    const began = performance.now();
    const move = (now) => {
      const seconds = Math.max(now - began, 0) / 1000;
      this.at = Math.floor(12 * seconds + 9 * seconds * seconds); // slow at first, where the race is decided
      if (this.at >= this.last) return this.finish();
      this.frame = requestAnimationFrame(move);
      this.changed();
    };
    this.frame = requestAnimationFrame(move);
    this.changed();
  }

  finish() {
    this.halt();
    this.at = this.last;
    const first = winners(this.runs);
    const known = this.#count("one", first.includes(this.bet));
    this.feedback = judgeRace(order(this.runs), first, this.bet, { steps: this.steps, known });
    this.hint = reason(this.ground, this.shape, this.rates, this.setting);
    this.reveals.add("sliders");
    this.changed("reveal");
  }

  halt() {
    cancelAnimationFrame(this.frame ?? 0);
    this.frame = 0;
  }

  get running() {
    return Boolean(this.frame);
  }

  /** Twenty races under either rule of learning rates; the present rule's table decides the bet. */
  async runTwenty() {
    if (this.running) this.finish();
    this.reveals.add("twenty");
    this.feedback = `Running ${RACES} races …`;
    this.hint = "";
    this.changed("reveal");
    const asked = (this.asked = {});
    await new Promise((go) => setTimeout(go, 20)); // so that the sentence is seen
    if (asked !== this.asked) return;
    const own = tune(this.ground, RUNNERS, this.setting);
    const tables = {
      one: tournament(this.ground, RUNNERS, this.sharedRates, this.setting),
      own: tournament(this.ground, RUNNERS, own, this.setting),
    };
    this.twenty = tables;
    const table = tables[this.tuned ? "own" : "one"];
    const known = this.#count("twenty", champions(table).includes(this.bet));
    this.feedback = judgeTwenty(table, this.bet, { known });
    this.hint = reason(this.ground, this.shape, this.tuned ? own : this.sharedRates, this.setting);
    this.reveals.add("sliders");
    this.changed("reveal");
  }

  reset() {
    this.score = { right: 0, all: 0 };
    this.seen = new Set();
    this.reveals = new Set();
    this.heat = 0;
    this.show(this.preset ?? PRESETS[0]);
  }
}
