// The race: bet on who is down first, run; then change step size, memory, noise and valley, and bet on twenty races.

import { readAddress, writeAddress } from "/shell/address.js";
import { h, onNextFrame } from "/shell/dom.js";
import { Narrative } from "/widgets/race/narrative.js";
import { HeightsPanel } from "/widgets/race/panels/heights.js";
import { RulesPanel } from "/widgets/race/panels/rules.js";
import { SlidersPanel } from "/widgets/race/panels/sliders.js";
import { TwentyPanel } from "/widgets/race/panels/twenty.js";
import { WhyPanel } from "/widgets/race/panels/why.js";
import { Track } from "/widgets/race/track.js";
import { findPreset, PRESETS } from "/widgets/race/valleys.js";
import { REVEALS, World } from "/widgets/race/world.js";

const LIMITS = { rate: [1e-4, 10], memory: [0, 0.99], noise: [0, 4], kappa: [1, 1000] };

export async function mount(root) {
  const page = new Page(new World());
  root.append(page.element);
  page.open(readAddress());
  addEventListener("hashchange", () => page.open(readAddress()));
  return page;
}

class Page {
  constructor(world) {
    this.world = world;
    this.redraw = onNextFrame(() => this.#draw());
    this.track = new Track(world, this.redraw);
    this.narrative = new Narrative(world);
    this.panels = {
      sliders: new SlidersPanel(world), twenty: new TwentyPanel(world), heights: new HeightsPanel(world), why: new WhyPanel(world), symbols: new RulesPanel(),
    };
    const shelf = h("div", { class: "shelf" }, ...Object.values(this.panels).map((panel) => panel.element));
    const opening = h("div", { class: "opening" }, this.track.element, this.narrative.top, this.narrative.bottom);
    this.element = h("div", { class: "race-page" }, opening, shelf);
    world.addEventListener("change", ({ detail }) => {
      if (detail === "ground") this.track.survey();
      this.redraw();
    });
  }

  /** Show what the address asks for. */
  open(address) {
    const preset = findPreset(address.get("valley")) ?? PRESETS[0];
    const overrides = { tuned: address.get("tuned") === "1" };
    for (const [name, [low, high]] of Object.entries(LIMITS)) {
      const value = address.has(name) ? Number(address.get(name)) : NaN;
      if (value >= low && value <= high && (name !== "kappa" || preset.shape === "bowl")) overrides[name] = value;
    }
    const start = (address.get("start") ?? "").split(",").map(Number);
    const within = (part, k) => Math.abs(part - preset.centre[k]) <= preset.half;
    if (start.length === 2 && start.every(within)) overrides.start = start;
    this.world.reveals = new Set((address.get("show") ?? "").split(",").filter((one) => REVEALS.includes(one)));
    this.world.show(preset, overrides);
    this.#draw();
  }

  #draw() {
    const { world } = this;
    if (!world.ground) return;
    for (const [name, panel] of Object.entries(this.panels)) {
      panel.element.hidden = !world.reveals.has(name);
      if (!panel.element.hidden) panel.update();
    }
    this.narrative.update();
    this.track.draw();
    this.#remember();
  }

  /** Only what differs from the preset goes into the address. */
  #remember() {
    const { world } = this;
    const { preset } = world;
    const moved = (name) => (world[name] === preset[name] ? undefined : String(world[name]));
    const still = world.start.every((part, k) => part === preset.start[k]);
    writeAddress({
      valley: preset.id,
      ...Object.fromEntries(Object.keys(LIMITS).map((name) => [name, moved(name)])),
      start: still ? undefined : world.start.map((part) => Number(part.toPrecision(5))).join(","),
      tuned: world.tuned ? "1" : undefined,
      show: [...world.reveals].join(",") || undefined,
    });
  }
}
