// What the page knows: the map, the square, the learner's guess, a change to follow. No drawing here.

import { format } from "/shell/dom.js";
import { growth } from "/widgets/jacobian/linear.js";
import { findMap, loadMap, MAPS, OWN } from "/widgets/jacobian/maps.js";

export const REVEALS = ["linear", "area", "stretch", "ripple", "formula"];
const SAMPLES = 41;

export class World extends EventTarget {
  constructor() {
    super();
    this.reveals = new Set();
    this.offs = [];
    this.asked = 0;
  }

  /** Tell the page: "map" when the map changed, "square" when only places did. */
  changed(what = "square") {
    this.dispatchEvent(new CustomEvent("change", { detail: what }));
  }

  /** Load a map; rejects with the server's sentence when a formula cannot be read. */
  async show(choice) {
    const ticket = ++this.asked;
    const wanted = { ...OWN, ...choice };
    const map = await loadMap(wanted.texts);
    if (ticket !== this.asked) return;
    Object.assign(this, { choice: wanted, map, centre: wanted.centre, half: wanted.half, side: wanted.side, turn: 0 });
    this.point = [...(wanted.point ?? wanted.places[0])];
    this.step = [0.35 * this.half, 0.15 * this.half];
    this.#ask();
    this.#frame();
    this.changed("map");
  }

  /** A new question: nothing of the image is seen yet. */
  #ask() {
    this.looked = false;
    this.guess = Math.abs(Math.log(this.growth)) < 0.5 ? 2.5 : 1; // not right by accident
    this.feedback = "";
  }

  /** The window of the right plane: where the left one goes, without what runs away to infinity. */
  #frame() {
    const lists = [[], []];
    for (let i = 0; i < SAMPLES; i++) {
      for (let j = 0; j < SAMPLES; j++) {
        const p = [i, j].map((k, axis) => this.centre[axis] + this.half * ((2 * k) / (SAMPLES - 1) - 1));
        this.map.at(p).forEach((value, axis) => Number.isFinite(value) && lists[axis].push(value));
      }
    }
    const ends = lists.map((list) => {
      list.sort((a, b) => a - b);
      const pick = (q) => list[Math.round(q * (list.length - 1))] ?? 0;
      return [pick(0.03), pick(0.97)];
    });
    this.imageCentre = ends.map(([low, high]) => (low + high) / 2);
    this.imageHalf = 0.6 * Math.max(...ends.map(([low, high]) => high - low), 1e-6);
  }

  get image() {
    return this.map.at(this.point);
  }

  get jacobian() {
    return this.map.jacobian(this.point);
  }

  /** By how much the area of this very square grows. */
  get growth() {
    return growth(this.map, this.point, this.side);
  }

  #inside(point, room = 0) {
    return point.map((value, k) => Math.min(Math.max(value, this.centre[k] - this.half + room), this.centre[k] + this.half - room));
  }

  move(point) {
    this.point = this.#inside(point, this.side / 2);
    this.changed();
  }

  resize(side) {
    this.side = Math.min(Math.max(side, 0.04 * this.half), 1.2 * this.half);
    this.point = this.#inside(this.point, this.side / 2);
    this.changed();
  }

  push(step) {
    this.step = this.#inside(this.point.map((value, k) => value + step[k])).map((value, k) => value - this.point[k]);
    this.changed();
  }

  setGuess(guess) {
    this.guess = guess;
    this.changed();
  }

  reveal(what, on = !this.reveals.has(what)) {
    this.reveals[on ? "add" : "delete"](what);
    if (on && what !== "formula") this.looked = true;
    this.changed("reveal");
  }

  /** Show the image, and say how far the guess was off. */
  look() {
    const truth = this.growth;
    this.looked = true;
    this.feedback = judge(this.guess, truth);
    if (truth > 0 && Number.isFinite(truth)) this.offs = [...this.offs.slice(-7), Math.max(this.guess / truth, truth / this.guess)];
    this.changed("reveal");
  }

  /** The square goes to its next place, for another guess. */
  again() {
    const { places } = this.choice;
    this.turn = (this.turn + 1) % places.length;
    this.point = this.#inside(places[this.turn], this.side / 2);
    this.#ask();
    this.changed("reveal");
  }

  reset() {
    this.offs = [];
    return this.show(findMap(this.choice.id) ?? (this.choice.texts ? this.choice : MAPS[0]));
  }
}

/** One sentence about a guess of how much an area grows. */
export function judge(guess, truth) {
  const said = `You said ${times(guess)}; it is ${times(truth)}.`;
  if (!Number.isFinite(truth)) return "The map has no finite value on this square. Drag it somewhere else.";
  if (truth < 1e-3) return `You said ${times(guess)}; it is flattened to nothing, or nearly.`;
  const off = Math.max(guess / truth, truth / guess);
  if (off < 1.1) return `${said} You can see the map.`;
  if (off < 1.5) return `${said} Close.`;
  return `${said} An area grows by the stretch along one direction times the stretch across it.`;
}

export function times(value) {
  const told = format(value, value < 10 ? 2 : 3);
  return `${told} ${told === "1" ? "time" : "times"}`;
}
