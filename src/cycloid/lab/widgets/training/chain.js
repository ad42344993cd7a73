// The chain of a run as four connected panels: loss, gradient, update, metric. Each draws, and says what it now shows.

import { Chart } from "/shell/chart.js";
import { format, h, say } from "/shell/dom.js";
import { Heatmap } from "/widgets/training/heatmap.js";
import { readGradient, readLoss, readMetric, readUpdate } from "/widgets/training/reading.js";

const LINKS = [
  ["loss", "Loss", "Where does it come from?", "The loss says how wrong the model is, on the rows it learns from and on rows kept apart."],
  ["gradient", "Gradient", "With respect to what?", "The gradient says how the loss would change with every weight, layer by layer."],
  ["update", "Update", "What did it do?", "The method turns the gradient into a step. Did the loss change as the gradient promised?"],
  ["metric", "Metric", "Did it improve?", "The metric is what you care about, measured on rows the model has never learned from."],
];

const key = (entries) =>
  h("figcaption", { class: "key" }, ...entries.map(([name, text]) => h("span", {}, h("span", { class: "swatch", style: { "background-color": `var(--${name})` } }), text)));

export class ChainPanels {
  constructor() {
    this.charts = { loss: new Chart({ label: "Loss by step" }), gradient: new Heatmap(), update: new Chart({ label: "Predicted against actual change" }), metric: new Chart({ label: "Metric by step" }) };
    this.words = {};
    this.groupBars = h("dl", { class: "group-bars" });
    const panels = LINKS.map(([id, title, question, empty], k) => {
      this.words[id] = h("p", { class: "words", text: empty });
      return h("li", { class: "sheet link", data: { link: id } },
        h("div", { class: "head" }, h("span", { class: "ordinal", "aria-hidden": "true" }, String(k + 1)), h("h2", {}, title), h("p", { class: "note" }, question)),
        h("figure", { class: "figure" }, this.charts[id].element, id === "loss" && key([["accent", "learned from"], ["warm", "kept apart"]]), id === "loss" && this.groupBars),
        this.words[id]);
    });
    this.slider = h("input", { type: "range", id: "scrub", min: 0, max: 0, step: 1, value: 0, on: { input: () => this.#scrub() } });
    this.where = h("output", { for: "scrub", class: "numbers" });
    this.scrubber = h("div", { class: "row scrubber", hidden: true }, h("label", { for: "scrub" }, "Look at step"), this.slider, this.where);
    this.element = h("section", { class: "chain", "aria-label": "The chain" }, h("ol", { class: "links" }, ...panels), this.scrubber);
    this.clear();
  }

  clear() {
    this.records = [];
    this.layers = [];
    this.groups = [];
    this.metric = "the metric";
    this.result = null;
    this.follow = true;
    this.scrubber.hidden = true;
    for (const [id, , , empty] of LINKS) say(this.words[id], empty);
    this.element.classList.add("empty");
  }

  #scrub() {
    this.cursor = Number(this.slider.value);
    this.follow = this.cursor >= this.records.length - 1;
    this.draw();
  }

  draw() {
    const { records } = this;
    if (!records.length) return;
    this.element.classList.remove("empty");
    this.scrubber.hidden = records.length < 2;
    this.slider.max = records.length - 1;
    if (this.follow) this.cursor = records.length - 1;
    this.slider.value = this.cursor;
    say(this.where, String(records[this.cursor].step));
    this.slider.setAttribute("aria-valuetext", `step ${records[this.cursor].step}`);
    const k = this.cursor;
    say(this.words.loss, readLoss(records, k));
    say(this.words.gradient, readGradient(records, k, this.layers));
    say(this.words.update, readUpdate(records, k));
    say(this.words.metric, readMetric(records, k, this.metric, this.result?.metrics?.[0]));
    this.#drawLoss();
    this.#drawGroups(records[k].group_losses ?? []);
    this.charts.gradient.show({ records, layers: this.layers, cursor: k });
    this.#drawUpdate();
    this.#drawMetric();
  }

  get #steps() {
    return this.records.map((record) => record.step);
  }

  get #mark() {
    return this.follow ? undefined : this.records[this.cursor].step;
  }

  #drawLoss() {
    const { records } = this;
    const steps = this.#steps;
    const pick = (name) => records.map((record) => record[name] ?? NaN);
    const lines = [
      { name: "on the batch", colour: "accent", xs: steps, ys: pick("loss"), width: 1, quiet: true },
      { name: "learned from", colour: "accent", xs: steps, ys: pick("train_loss") },
      { name: "kept apart", colour: "warm", xs: steps, ys: pick("validation_loss") },
    ].filter((line) => line.ys.some(Number.isFinite));
    const values = lines.flatMap((line) => line.ys).filter(Number.isFinite);
    const log = Math.min(...values) > 0 && Math.max(...values) / Math.min(...values) > 12;
    this.charts.loss.show({ x: { label: "step" }, y: { label: "loss", log, zero: !log }, series: lines, cursor: this.#mark });
  }

  /** Mean loss of the groups it is highest for: a class, or a quarter of the targets. */
  #drawGroups(losses) {
    const groups = losses.map((loss, k) => ({ loss, name: this.groups[k] ?? `group ${k + 1}` })).filter((one) => Number.isFinite(one.loss));
    const most = groups.sort((a, b) => b.loss - a.loss).slice(0, 4);
    this.groupBars.replaceChildren(
      ...most.flatMap(({ name, loss }) => [
        h("dt", {}, name),
        h("dd", {}, h("span", { class: "bar-fill", style: { width: `${(78 * loss) / most[0].loss || 0}%` } }), format(loss, 2)),
      ]),
    );
  }

  /** Promise and outcome on the same bent scale: the diagonal is a promise kept. */
  #drawUpdate() {
    const { records, cursor } = this;
    const far = ceiling(Math.max(1e-12, ...records.map(({ predicted_change: p, actual_change: a }) => Math.max(Math.abs(p ?? 0), Math.min(Math.abs(a ?? 0), 3 * Math.abs(p ?? 0))))));
    const lift = (value) => 0.5 + Math.sign(value) * 0.5 * Math.cbrt(Math.min(Math.abs(value) / far, 1.1));
    const unlift = (t) => Math.sign(t - 0.5) * far * Math.abs(2 * t - 1) ** 3;
    const scale = { range: [-far, far], lift, unlift, labels: [-far, -far / 10, 0, far / 10, far] };
    const dots = (from, to, look) => ({ colour: "purple", kind: "dots", xs: records.slice(from, to).map((one) => one.predicted_change), ys: records.slice(from, to).map((one) => one.actual_change ?? NaN), ...look });
    this.charts.update.show({
      description: "Promised against actual change of the loss, one dot a recorded step; on the diagonal the promise was kept.",
      x: { ...scale, label: "promised change" },
      y: { ...scale, label: "actual change" },
      series: [
        { colour: "muted", dash: [3, 4], width: 1.2, xs: [-far, far], ys: [-far, far] },
        dots(0, records.length, { width: 2.6, quiet: true }),
        dots(cursor, cursor + 1, { width: 5, colour: "ink" }),
      ],
    });
  }

  #drawMetric() {
    const { records, result } = this;
    const steps = this.#steps;
    const final = result?.metrics?.[0];
    const before = records[0].metric_before;
    this.charts.metric.show({
      x: { label: "step" },
      y: { label: this.metric },
      series: [{ name: this.metric, colour: "green", xs: Number.isFinite(before) ? [0, ...steps] : steps, ys: [...(Number.isFinite(before) ? [before] : []), ...records.map((record) => record.metric ?? NaN)] }],
      band: final && Number.isFinite(final.low) ? { xs: [0, steps.at(-1)], low: [final.low, final.low], high: [final.high, final.high], colour: "green" } : undefined,
      cursor: this.#mark,
    });
  }
}

/** The next of 1, 2, 5 times a power of ten. */
function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [1, 2, 5, 10].find((factor) => factor * power >= value * 0.999);
}
