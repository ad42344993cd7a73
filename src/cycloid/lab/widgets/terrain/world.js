// What the terrain knows: the landscape, the ball, the learner's guess, the races. No drawing here.

import { reducedMotion } from "/shell/dom.js";
import { Heights, loadField, norm, steepest } from "/widgets/terrain/field.js";
import { findLandscape, LANDSCAPES, OWN } from "/widgets/terrain/landscapes.js";
import { follow } from "/widgets/terrain/methods.js";
import { apart, describeFlat, judgeDirection, judgeSlope } from "/widgets/terrain/prediction.js";
import { names, race } from "/widgets/terrain/races.js";
import { format } from "/shell/dom.js";

export const REVEALS = ["map", "gradient", "rate", "formula", "race"];
const GRID = 161;
const ROLL = 520; // milliseconds of one step's animation

export class World extends EventTarget {
  constructor() {
    super();
    this.reveals = new Set();
    this.guesses = [];
    this.path = [];
    this.departure = null;
    this.feedback = "";
    this.rolling = false;
    this.shownRatio = 1; // how steep one unit of slope is drawn; the curve's view knows
    this.race = { chosen: new Set(names), tuned: true, evaluations: 120, at: 120 };
    this.asked = 0;
  }

  /** Tell the page: "ground" when the landscape changed, "ball" when only places did. */
  changed(what = "ball") {
    this.memo = {};
    this.dispatchEvent(new CustomEvent("change", { detail: what }));
  }

  /** Load a landscape; rejects with the server's sentence when the formula cannot be read. */
  async show(landscape, overrides = {}) {
    const ticket = ++this.asked;
    const wanted = { ...OWN, ...landscape, ...overrides };
    const field = await loadField(wanted.text, Boolean(wanted.climb));
    if (ticket !== this.asked) return;
    this.halt();
    const size = field.dimension;
    const fill = (point, spare) => Array.from({ length: size }, (_, k) => point[k] ?? spare[k] ?? 0);
    Object.assign(this, {
      landscape: wanted,
      field,
      centre: [wanted.centre[0], wanted.centre[1] ?? 0],
      half: wanted.half,
      start: fill(wanted.start, wanted.centre),
      rate: wanted.rate,
      labels: wanted.labels ?? [field.variables[0], field.variables[1] ?? ""],
    });
    this.point = [...this.start];
    this.guess = size === 2 ? this.#firstGuess() : 0;
    this.survey();
    this.clear();
    this.changed("ground");
  }

  /** An arrow to begin with, which must not be right by accident. */
  #firstGuess() {
    const [guess, truth] = [[0.94, -0.34], this.truth()];
    return truth && apart(guess, truth) < 35 ? [0.34, 0.94] : guess;
  }

  /** Measure the heights again: after the window or the formula changed. */
  survey() {
    this.heights = this.field.dimension === 2 ? new Heights(this.field, this.centre, this.half, GRID) : null;
  }

  setWindow(centre, half) {
    Object.assign(this, { centre, half });
    this.point = this.clamp(this.point);
    this.survey();
    this.clear();
    this.changed("ground");
  }

  clear() {
    this.guesses = [];
    this.path = [[...this.point]];
    this.departure = null;
    this.feedback = "";
  }

  reset() {
    return this.show(findLandscape(this.landscape.id) ?? (this.landscape.text ? this.landscape : LANDSCAPES[0]));
  }

  clamp(point) {
    return point.map((value, k) => Math.min(Math.max(value, this.centre[k] - this.half), this.centre[k] + this.half));
  }

  moveBall(point) {
    this.halt();
    this.point = this.clamp(point);
    this.path = [[...this.point]];
    this.departure = null;
    this.feedback = "";
    this.changed();
  }

  aim(guess) {
    this.guess = this.field.dimension === 2 ? guess.map((part) => part / norm(guess)) : guess;
    this.departure = null;
    this.changed();
  }

  /** Turn the arrow clockwise, or tilt the line upwards, by some degrees on the page. */
  turn(degrees) {
    const angle = (degrees * Math.PI) / 180;
    if (this.field.dimension === 1) {
      const now = Math.atan(this.guess * this.shownRatio) + angle;
      this.aim(Math.tan(Math.min(Math.max(now, -1.55), 1.55)) / this.shownRatio);
    } else {
      const [c, s] = [Math.cos(angle), Math.sin(angle)];
      this.aim([c * this.guess[0] + s * this.guess[1], c * this.guess[1] - s * this.guess[0]]);
    }
  }

  setRate(rate) {
    this.rate = rate;
    this.changed();
  }

  reveal(what, on = !this.reveals.has(what)) {
    this.reveals[on ? "add" : "delete"](what);
    this.changed("reveal");
  }

  /** Judge the guess, then roll the ball one step of −η∇. */
  step() {
    this.land();
    const verdict = this.judge();
    if (!verdict) return;
    this.guesses = [...this.guesses.slice(-7), verdict.degrees];
    this.departure = { point: [...this.point], guess: this.guess, truth: this.truth() };
    this.feedback = verdict.text;
    this.#rollTo(this.#next());
  }

  /** What is true here: a direction in the plane, or a slope. */
  truth() {
    return this.field.dimension === 2 ? steepest(this.field, this.point) : this.field.gradient(this.point)[0];
  }

  judge() {
    const g = this.field.objectiveGradient(this.point);
    if (!g.every(Number.isFinite)) {
      this.feedback = "The slope is not defined here. Drag the ball somewhere else.";
    } else if (this.field.dimension === 1) {
      return judgeSlope(this.guess, this.field.gradient(this.point)[0], this.shownRatio, format);
    } else if (!this.truth()) {
      this.feedback = describeFlat(this.field.curvatures(this.point), this.field.climb);
    } else {
      return judgeDirection(this.guess, this.truth(), this.field.climb);
    }
    this.changed();
    return null;
  }

  #next() {
    const g = this.field.objectiveGradient(this.point);
    return this.point.map((value, k) => value - this.rate * g[k]);
  }

  /** Keep rolling until the ground is flat, the ball leaves, or someone stops it. */
  rollOn() {
    if (this.rolling) return this.halt();
    this.rolling = true;
    this.departure = null;
    this.feedback = "";
    this.#rollTo(this.#next());
  }

  #rollTo(target) {
    if (!target.every(Number.isFinite)) return this.halt();
    const goal = this.clamp(target);
    const left = goal.some((value, k) => value !== target[k]);
    const from = [...this.point];
    const began = performance.now();
    const length = reducedMotion() ? 0 : this.rolling ? ROLL / 2 : ROLL;
    this.flight = { goal, left };
    if (!length && !this.rolling) return this.land();
    const move = (now) => {
      const t = length ? Math.min((now - began) / length, 1) : 1;
      const eased = t * t * (3 - 2 * t);
      this.point = from.map((value, k) => value + eased * (goal[k] - value));
      if (t < 1) {
        this.changed();
        this.frame = requestAnimationFrame(move);
      } else this.land();
    };
    this.frame = requestAnimationFrame(move);
    this.changed();
  }

  /** Finish the step in flight at once. */
  land() {
    if (!this.flight) return;
    cancelAnimationFrame(this.frame);
    const { goal, left } = this.flight;
    this.flight = null;
    const before = this.path[this.path.length - 1];
    this.point = goal;
    this.path = [...this.path.slice(-400), goal];
    if (left) {
      this.feedback = `${this.feedback} The step was so long that the ball left the map; it waits at the edge.`.trim();
      this.rolling = false;
    } else if (this.rolling) this.#keepRolling(before);
    this.changed();
  }

  #keepRolling(before) {
    const walked = norm(this.point.map((value, k) => value - before[k]));
    const slope = norm(this.field.objectiveGradient(this.point));
    if (slope < 1e-3 || walked < 2e-4 * this.half || this.path.length > 300) {
      this.rolling = false;
      const flat = slope < 1e-2 * Math.max(1, this.half);
      this.feedback = flat
        ? describeFlat(this.field.curvatures(this.point), this.field.climb)
        : "The steps have become too small to see. A larger step size would carry on.";
    } else this.#rollTo(this.#next());
  }

  halt() {
    cancelAnimationFrame(this.frame);
    const moving = Boolean(this.flight) || this.rolling;
    this.flight = null;
    this.rolling = false;
    if (moving) this.changed();
  }

  /** The chosen methods' runs from the ball's place; computed once per change. */
  runs() {
    this.memo.runs ??= race(this.field, this.point, [...this.race.chosen], {
      rate: this.race.tuned ? null : this.rate,
      evaluations: this.race.evaluations,
      far: 2 * this.half,
    });
    return this.memo.runs;
  }

  /** Plain descent from the ball with the present learning rate. */
  descent() {
    this.memo.descent ??= follow("GradientDescent", this.field, this.point, this.rate, 100);
    return this.memo.descent;
  }
}
