// The Jacobian: guess how much a square grows, look, drag it; then matrix, area, stretches and ripples, as they are asked for.

import { readAddress, writeAddress } from "/shell/address.js";
import { h, onNextFrame } from "/shell/dom.js";
import { Drawing } from "/widgets/jacobian/drawing.js";
import { findMap, MAPS, OWN } from "/widgets/jacobian/maps.js";
import { Narrative } from "/widgets/jacobian/narrative.js";
import { FormulaPanel } from "/widgets/jacobian/panels/formula.js";
import { AreaPanel, LinearPanel, RipplePanel, StretchPanel } from "/widgets/jacobian/panels/numbers.js";
import { REVEALS, World } from "/widgets/jacobian/world.js";

export async function mount(root) {
  const page = new Page(new World());
  root.append(page.element);
  await page.open(readAddress());
  addEventListener("hashchange", () => page.open(readAddress()));
  return page;
}

class Page {
  constructor(world) {
    this.world = world;
    this.redraw = onNextFrame(() => this.#draw());
    this.drawing = new Drawing(world, this.redraw);
    this.narrative = new Narrative(world, (id) => (id === OWN.id ? this.#own() : world.show(findMap(id))));
    const formula = new FormulaPanel(world, (choice) => world.show(choice));
    this.panels = {
      linear: new LinearPanel(world), area: new AreaPanel(world), stretch: new StretchPanel(world), ripple: new RipplePanel(world), formula,
    };
    const shelf = h("div", { class: "shelf" }, ...Object.values(this.panels).map((panel) => panel.element));
    this.opening = h("div", { class: "opening double" }, this.drawing.element, this.narrative.top, this.narrative.bottom);
    this.element = h("div", { class: "jacobian-page", hidden: true }, this.opening, shelf);
    world.addEventListener("change", ({ detail }) => {
      this.fresh ||= detail === "map";
      this.redraw();
    });
  }

  /** Show what the address asks for. */
  async open(address) {
    const texts = address.has("u") && address.has("v") ? [address.get("u"), address.get("v")] : null;
    const wanted = { ...(texts ? { ...OWN, texts } : (findMap(address.get("map")) ?? MAPS[0])) };
    const numbers = (name) => (address.has(name) ? address.get(name).split(",").map(Number) : []);
    for (const [key, name] of [["point", "at"], ["centre", "centre"]]) {
      const values = numbers(name);
      if (values.length === 2 && values.every(Number.isFinite)) wanted[key] = values;
    }
    for (const [key, name] of [["side", "side"], ["half", "half"]]) {
      const [value] = numbers(name);
      if (value > 0 && Number.isFinite(value)) wanted[key] = value;
    }
    const { world } = this;
    world.reveals = new Set((address.get("show") ?? "").split(",").filter((one) => REVEALS.includes(one)));
    try {
      await world.show(wanted);
    } catch (error) {
      await world.show(MAPS[0]);
      world.feedback = `The formulas in the address could not be read: ${error.message}`;
    }
    world.looked = address.get("looked") === "1" || [...world.reveals].some((one) => one !== "formula");
    this.#draw();
  }

  #own() {
    this.world.choice = { ...this.world.choice, id: OWN.id, note: OWN.note };
    this.world.reveal("formula", true);
    this.#draw(); // now, as a hidden box cannot take the focus
    this.panels.formula.boxes[0].focus();
    this.panels.formula.boxes[0].select();
  }

  #draw() {
    const { world } = this;
    if (!world.map) return;
    this.element.hidden = false;
    const fresh = this.fresh;
    this.fresh = false;
    for (const [name, panel] of Object.entries(this.panels)) {
      const on = world.reveals.has(name);
      const opened = on && panel.element.hidden;
      panel.element.hidden = !on;
      if (on) panel.update(fresh || opened);
    }
    this.narrative.update();
    this.drawing.draw();
    this.#remember();
  }

  #remember() {
    const { world } = this;
    const own = world.choice.id === OWN.id;
    const round = (values) => values.map((value) => Number(value.toPrecision(4))).join(",");
    writeAddress({
      map: own ? undefined : world.choice.id,
      u: own ? world.choice.texts[0] : undefined,
      v: own ? world.choice.texts[1] : undefined,
      at: round(world.point),
      side: round([world.side]),
      centre: own ? round(world.centre) : undefined,
      half: own ? round([world.half]) : undefined,
      looked: world.looked ? "1" : undefined,
      show: [...world.reveals].join(",") || undefined,
    });
  }
}
