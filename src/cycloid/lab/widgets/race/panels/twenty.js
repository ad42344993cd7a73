// Twenty races: wins, the steps of every race as dots, their median with its interval, and who never arrives.

import { format, h, say } from "/shell/dom.js";
import { label, RUNNERS } from "/widgets/race/runs.js";
import { swatch } from "/widgets/race/swatch.js";
import { champions, RACES, RATES } from "/widgets/race/tournament.js";
import { compareRules } from "/widgets/race/verdicts.js";

const NEVER = 94; // where on the strip, in percent, those are who never arrive

export class TwentyPanel {
  constructor(world) {
    this.world = world;
    this.rows = new Map(RUNNERS.map((name) => [name, this.#row(name)]));
    this.legend = h("th", { scope: "col", class: "strip-head" });
    const head = (text) => h("th", { scope: "col", class: "number" }, text);
    const heads = [h("th", { scope: "col" }, "Runner"), head("Wins"), this.legend, head("Median"), head("95 %"), head("Never"), head("Step size")];
    this.table = h("div", { class: "scroll" }, h("table", { class: "twenty" }, h("thead", {}, h("tr", {}, ...heads)), h("tbody", {}, ...[...this.rows.values()].map((row) => row.element))));
    this.switch = h("p", { class: "effect" });
    this.again = h("button", { type: "button", on: { click: () => world.runTwenty() } }, `Run ${RACES} races`);
    this.element = h(
      "section", { class: "sheet wide", "aria-labelledby": "twenty-title" },
      h("h2", { id: "twenty-title" }, `${RACES} races at once`),
      h("p", { class: "note" }, `Each race starts at a place of its own near the ball, with noise of its own; both are the same for all runners of the race. Of two that arrive at the same step the lower one wins. The interval of the median holds it with 95 % whatever the spread. A tuned step size is the best of ${RATES.length} on three other races; (edge): at an end of what was tried.`),
      this.table, this.switch, h("div", { class: "row" }, this.again),
    );
  }

  #row(name) {
    const cells = Object.fromEntries(["wins", "strip", "median", "interval", "never", "rate"].map((id) => [id, h("td", { class: id === "strip" ? "strip-cell" : "number" })]));
    const strip = h("div", { class: "strip", role: "img", style: { color: `var(--method-${name})` } });
    cells.strip.append(strip);
    const element = h("tr", {}, h("th", { scope: "row" }, h("span", { class: "row method" }, swatch(name), label(name))), ...Object.values(cells));
    return { cells, strip, element };
  }

  update() {
    const { world } = this;
    const { twenty } = world;
    this.table.hidden = this.switch.hidden = !twenty;
    this.again.hidden = Boolean(twenty);
    if (!twenty || this.drawn === twenty[world.tuned ? "own" : "one"]) return;
    const table = (this.drawn = twenty[world.tuned ? "own" : "one"]);
    const finite = Object.values(table).flatMap((row) => row.steps.filter(Number.isFinite));
    const [low, high] = [Math.min(...finite, 1e9), Math.max(...finite, 1)];
    const place = (steps) => (Number.isFinite(steps) ? 2 + (NEVER - 12) * (high > low ? Math.log(steps / low) / Math.log(high / low) : 0.5) : NEVER);
    say(this.legend, finite.length ? `Steps in each race, ${low} to ${high}, logarithmic; right of the line: never` : "Steps in each race");
    const first = champions(table);
    for (const [name, row] of this.rows) this.#fill(row, table[name], name, place, first.includes(name));
    say(this.switch, compareRules(twenty));
  }

  #fill({ cells, strip, element }, result, name, place, won) {
    const [low, high] = result.interval;
    const steps = (value) => (Number.isFinite(value) ? format(value) : "never");
    const edge = this.world.tuned && [RATES[0], RATES.at(-1)].includes(result.rate);
    say(cells.rate, `${format(result.rate)}${edge ? " (edge)" : ""}`);
    say(cells.wins, format(result.wins));
    say(cells.median, steps(result.median));
    say(cells.interval, low === high ? steps(low) : `${steps(low)} to ${steps(high)}`);
    say(cells.never, result.never ? `${result.never}${result.lost ? ` (${result.lost} flew off)` : ""}` : "0");
    element.classList.toggle("won", won);
    const band = h("span", { class: "band", style: { left: `${place(low)}%`, width: `${place(high) - place(low)}%` } });
    const dots = result.steps.map((one, k) => h("span", { class: "dot", style: { left: `${place(one)}%`, top: `${18 + ((k * 7) % RACES) * 3.2}%` } }));
    strip.replaceChildren(band, ...dots, h("span", { class: "middle", style: { left: `${place(result.median)}%` } }));
    strip.setAttribute("aria-label", `${label(name)}: median ${steps(result.median)}`);
  }
}
