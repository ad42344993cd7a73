// The terrain: predict the steepest way, step, see; then gradient, step size, formula and races, as they are asked for.

import { readAddress, writeAddress } from "/shell/address.js";
import { h, onNextFrame } from "/shell/dom.js";
import { CurveView } from "/widgets/terrain/curve.js";
import { findLandscape, LANDSCAPES, OWN } from "/widgets/terrain/landscapes.js";
import { Narrative } from "/widgets/terrain/narrative.js";
import { FormulaPanel } from "/widgets/terrain/panels/formula.js";
import { GradientPanel } from "/widgets/terrain/panels/gradient.js";
import { RacePanel } from "/widgets/terrain/panels/race.js";
import { RatePanel } from "/widgets/terrain/panels/rate.js";
import { SurfaceView } from "/widgets/terrain/surface.js";
import { REVEALS, World } from "/widgets/terrain/world.js";

export async function mount(root) {
  const world = new World();
  const page = new Terrain(world);
  root.append(page.element);
  await page.open(readAddress());
  addEventListener("hashchange", () => page.open(readAddress()));
  return page;
}

class Terrain {
  constructor(world) {
    this.world = world;
    const events = {
      moveBall: (point) => world.moveBall(point),
      nudgeBall: (dx, dy) => world.moveBall(world.point.map((value, k) => value + [dx, dy][k] * world.half * 0.04)),
      aim: (guess) => world.aim(guess),
      turn: (degrees) => world.turn(degrees),
      step: () => world.step(),
      redraw: () => this.redraw(),
    };
    this.redraw = onNextFrame(() => this.#draw());
    this.relief = new SurfaceView("relief", events);
    this.map = new SurfaceView("map", events);
    this.curve = new CurveView(events);
    const choose = (landscape) => world.show(landscape);
    this.narrative = new Narrative(world, {
      step: events.step,
      rollOn: () => world.rollOn(),
      reset: () => this.#startAgain(),
      choose: (id) => (id === OWN.id ? this.#own() : choose(findLandscape(id))),
    });
    this.panels = {
      gradient: new GradientPanel(world),
      rate: new RatePanel(world),
      formula: new FormulaPanel(world, choose),
      race: new RacePanel(world),
    };
    this.stage = h("div", { class: "stage" }, this.relief.element, this.map.element, this.curve.element);
    this.shelf = h("div", { class: "shelf" }, ...Object.values(this.panels).map((panel) => panel.element));
    this.opening = h("div", { class: "opening" }, this.stage, this.narrative.top, this.narrative.bottom);
    this.element = h("div", { class: "terrain-page", hidden: true }, this.opening, this.shelf);
    world.addEventListener("change", (event) => this.#changed(event.detail));
  }

  /** Show what the address asks for. */
  async open(address) {
    const known = findLandscape(address.get("ground"));
    const text = address.get("f");
    const numbers = (name) => (address.has(name) ? address.get(name).split(",").map(Number) : undefined);
    const wanted = text ? { ...OWN, text, climb: address.get("climb") === "1" } : { ...(known ?? LANDSCAPES[0]) };
    for (const [key, name] of [["start", "at"], ["centre", "centre"]]) {
      const values = numbers(name);
      if (values?.every(Number.isFinite)) wanted[key] = values;
    }
    for (const [key, name] of [["half", "half"], ["rate", "rate"]]) {
      const [value] = numbers(name) ?? [];
      if (value > 0 && Number.isFinite(value)) wanted[key] = value;
    }
    this.world.reveals = new Set((address.get("show") ?? "").split(",").filter((one) => REVEALS.includes(one)));
    try {
      await this.world.show(wanted);
    } catch (error) {
      await this.world.show(LANDSCAPES[0]);
      this.world.feedback = `The formula in the address could not be read: ${error.message}`;
      this.world.changed();
    }
    this.#draw();
  }

  #own() {
    this.world.landscape = { ...this.world.landscape, id: OWN.id, note: OWN.note };
    this.world.reveal("formula", true);
    this.#draw(); // now, as a hidden box cannot take the focus
    this.panels.formula.box.focus();
    this.panels.formula.box.select();
  }

  async #startAgain() {
    this.world.reveals = new Set();
    this.relief.resetCamera();
    await this.world.reset();
  }

  #changed(what) {
    if (what === "ground") {
      const { field, heights, centre, half } = this.world;
      if (heights) for (const view of [this.relief, this.map]) view.setHeights(heights);
      else this.curve.setField(field, centre[0], half);
    }
    this.pending = what === "ball" ? (this.pending ?? "ball") : "ground";
    this.redraw();
  }

  #draw() {
    const { world } = this;
    if (!world.field) return;
    this.element.hidden = false;
    const what = this.pending ?? "ball";
    this.pending = undefined;
    const surface = world.field.dimension === 2;
    this.relief.element.hidden = !surface || !this.relief.usable;
    this.map.element.hidden = !surface || !(world.reveals.has("map") || !this.relief.usable);
    this.curve.element.hidden = surface;
    this.opening.classList.toggle("double", !this.map.element.hidden && !this.relief.element.hidden);
    for (const [name, panel] of Object.entries(this.panels)) {
      const on = world.reveals.has(name);
      const opened = on && panel.element.hidden;
      panel.element.hidden = !on;
      if (on) panel.update(opened ? "ground" : what);
    }
    this.narrative.update();
    const scene = this.#scene();
    for (const view of surface ? [this.relief, this.map] : [this.curve]) if (!view.element.hidden) view.draw(scene);
    if (!surface) world.shownRatio = this.curve.ratio;
    this.#remember();
  }

  #scene() {
    const { world } = this;
    const { reveals, race } = world;
    const racing = reveals.has("race");
    const trails = racing
      ? world.runs().map(({ name, points }) => ({ name, points: points.slice(0, race.at + 1) }))
      : reveals.has("rate") ? [{ name: "GradientDescent", points: world.descent().points, dots: true, width: 1.6 }] : [];
    return {
      point: world.point,
      guess: world.rolling || world.flight ? null : world.guess,
      departure: world.departure,
      path: racing ? [] : world.path,
      labels: world.labels,
      symbols: reveals.has("gradient") || reveals.has("formula"),
      field: reveals.has("gradient") ? world.field : null,
      trails,
      racers: racing ? trails.map(({ name, points }) => ({ name, point: points.at(-1) })) : [],
    };
  }

  #remember() {
    const { world } = this;
    const { landscape } = world;
    const round = (values) => values.map((value) => Number(value.toPrecision(5))).join(",");
    const own = landscape.id === OWN.id;
    writeAddress({
      ground: own ? undefined : landscape.id,
      f: own ? landscape.text : undefined,
      climb: own && world.field.climb ? "1" : undefined,
      at: round(world.point),
      centre: own ? round(world.centre) : undefined,
      half: own ? round([world.half]) : undefined,
      rate: world.rate === landscape.rate && !own ? undefined : round([world.rate]),
      show: [...world.reveals].join(",") || undefined,
    });
  }
}
