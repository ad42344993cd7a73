// A small line chart on canvas: linear or logarithmic axes, dots, marks, and a reading under the pointer.

import { colour, faded, onThemeChange } from "/shell/colours.js";
import { format, h, onNextFrame } from "/shell/dom.js";
import { axis } from "/shell/scales.js";

/**
 * show({series, x, y, marks, band, cursor}) draws:
 * series: [{name, colour, xs, ys, kind: "line" | "dots" | "both", width, dash, quiet}], colour being a CSS variable's name;
 * x, y: {label} and the options of an axis; marks: [{x, label}] or [{y, label}]; band: {xs, low, high, colour}; cursor: an x.
 */
export class Chart {
  constructor({ label, pick } = {}) {
    this.canvas = h("canvas", { role: "img", "aria-label": label ?? "Chart" });
    this.reading = h("div", { class: "reading", hidden: true, "aria-hidden": "true" });
    this.element = h("div", { class: "chart" }, this.canvas, this.reading);
    this.redraw = onNextFrame(() => this.#draw());
    this.pick = pick;
    onThemeChange(this.redraw);
    new ResizeObserver(this.redraw).observe(this.element);
    this.canvas.addEventListener("pointermove", (event) => this.#point(event));
    this.canvas.addEventListener("pointerleave", () => this.#leave());
    if (pick) this.#listenForPick();
  }

  show(content) {
    this.content = content;
    if (content.description) this.canvas.setAttribute("aria-label", content.description);
    this.redraw();
  }

  #listenForPick() {
    this.canvas.classList.add("pickable");
    const choose = (event) => this.axes && this.pick(this.axes.x.back(event.offsetX));
    this.canvas.addEventListener("pointerdown", (event) => {
      this.canvas.setPointerCapture(event.pointerId);
      choose(event);
    });
    this.canvas.addEventListener("pointermove", (event) => this.canvas.hasPointerCapture(event.pointerId) && choose(event));
  }

  #draw() {
    const { width, height } = this.element.getBoundingClientRect();
    if (!width || !height || !this.content) return;
    const ratio = Math.min(devicePixelRatio || 1, 2);
    const [w, h2] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (this.canvas.width !== w || this.canvas.height !== h2) [this.canvas.width, this.canvas.height] = [w, h2];
    const pen = this.canvas.getContext("2d");
    this.pen = pen;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    const { series, band } = this.content;
    const xs = [...series.map((one) => one.xs), band?.xs ?? []];
    const ys = [...series.map((one) => one.ys), band?.low ?? [], band?.high ?? []];
    const [left, right, top, bottom] = [54, width - 18, this.content.y.label ? 28 : 12, height - 40];
    this.axes = { x: axis(this.content.x, xs, left, right, width / 62), y: axis(this.content.y, ys, bottom, top, height / 45) };
    this.frame = { left, right, top, bottom, width, height };
    this.#grid();
    pen.save();
    pen.beginPath();
    pen.rect(left - 4, top - 6, right - left + 8, bottom - top + 12);
    pen.clip();
    if (band) this.#band(band);
    for (const one of series) this.#series(one);
    pen.restore();
    this.#marks();
  }

  #grid() {
    const { pen, axes, frame, content } = this;
    pen.font = `12px ${colour("sans")}`;
    pen.lineWidth = 1;
    pen.strokeStyle = colour("rule");
    pen.fillStyle = colour("muted");
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    for (const tick of axes.y.ticks) {
      const y = Math.round(axes.y.at(tick)) + 0.5;
      this.#line(frame.left, y, frame.right, y);
      pen.fillText(format(tick), frame.left - 8, y);
    }
    pen.textBaseline = "top";
    if (content.y.label) pen.fillText(content.y.label, frame.left - 8 + pen.measureText(content.y.label).width, 2);
    pen.textAlign = "center";
    for (const tick of axes.x.ticks) pen.fillText(format(tick), axes.x.at(tick), frame.bottom + 7);
    pen.fillText(content.x.label ?? "", (frame.left + frame.right) / 2, frame.bottom + 24);
  }

  #line(x1, y1, x2, y2) {
    this.pen.beginPath();
    this.pen.moveTo(x1, y1);
    this.pen.lineTo(x2, y2);
    this.pen.stroke();
  }

  #band({ xs, low, high, colour: name }) {
    const { pen, axes } = this;
    const path = new Path2D();
    xs.forEach((x, k) => path[k ? "lineTo" : "moveTo"](axes.x.at(x), axes.y.at(high[k])));
    for (let k = xs.length - 1; k >= 0; k--) path.lineTo(axes.x.at(xs[k]), axes.y.at(low[k]));
    path.closePath();
    pen.fillStyle = faded(name, 0.16);
    pen.fill(path);
  }

  #series({ xs, ys, colour: name, width = 2, dash = [], kind = "line", quiet = false }) {
    const { pen, axes } = this;
    pen.globalAlpha = quiet ? 0.35 : 1;
    pen.strokeStyle = pen.fillStyle = colour(name);
    pen.lineWidth = width;
    pen.lineJoin = pen.lineCap = "round";
    pen.setLineDash(dash);
    const line = new Path2D();
    const dots = new Path2D();
    let drawing = false;
    xs.forEach((x, k) => {
      const ok = Number.isFinite(ys[k]) && (!this.content.y.log || ys[k] > 0);
      if (ok) {
        const [px, py] = [axes.x.at(x), axes.y.at(ys[k])];
        line[drawing ? "lineTo" : "moveTo"](px, py);
        dots.moveTo(px + width, py);
        dots.arc(px, py, width, 0, 2 * Math.PI);
      }
      drawing = ok;
    });
    if (kind !== "dots") pen.stroke(line);
    pen.setLineDash([]);
    if (kind !== "line") pen.fill(dots);
    pen.globalAlpha = 1;
  }

  #marks() {
    const { pen, axes, frame } = this;
    const marks = [...(this.content.marks ?? [])];
    if (this.content.cursor !== undefined) marks.push({ x: this.content.cursor, strong: true });
    for (const mark of marks) {
      pen.strokeStyle = pen.fillStyle = colour(mark.colour ?? (mark.strong ? "ink" : "muted"));
      pen.lineWidth = 1.2;
      pen.setLineDash(mark.strong ? [] : [3, 4]);
      if (mark.x !== undefined) {
        const x = axes.x.at(mark.x);
        if (x < frame.left - 1 || x > frame.right + 1) continue;
        this.#line(x, frame.top, x, frame.bottom);
        const flip = x > frame.right - 120;
        pen.textAlign = flip ? "right" : "left";
        pen.textBaseline = "top";
        if (mark.label) pen.fillText(mark.label, x + (flip ? -6 : 6), frame.top + (mark.below ? 16 : 0));
      } else {
        const y = axes.y.at(mark.y);
        this.#line(frame.left, y, frame.right, y);
        pen.textAlign = "left";
        pen.textBaseline = "bottom";
        if (mark.label) pen.fillText(mark.label, frame.left + 6, y - 3);
      }
    }
    pen.setLineDash([]);
  }

  #point(event) {
    if (!this.axes || this.content.series.length === 0) return;
    const x = this.axes.x.back(event.offsetX);
    const lines = this.content.series
      .filter((one) => one.name && one.kind !== "dots" && one.xs.length)
      .map((one) => `${one.name}  ${format(one.ys[nearest(one.xs, x)])}`);
    if (!lines.length) return;
    const first = this.content.series.find((one) => one.name && one.xs.length);
    const at = first.xs[nearest(first.xs, x)];
    this.reading.replaceChildren(h("strong", { text: `${this.content.x.short ?? this.content.x.label} ${format(at)}` }), ...lines.map((text) => h("div", { text })));
    this.reading.hidden = false;
    const flip = event.offsetX > this.frame.width / 2;
    this.reading.style.left = flip ? "" : `${event.offsetX + 14}px`;
    this.reading.style.right = flip ? `${this.frame.width - event.offsetX + 14}px` : "";
  }

  #leave() {
    this.reading.hidden = true;
  }
}

/** Index of the entry of a rising list that is nearest to x. */
function nearest(xs, x) {
  let [low, high] = [0, xs.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (xs[middle] < x) low = middle;
    else high = middle;
  }
  return Math.abs(xs[low] - x) <= Math.abs(xs[high] - x) ? low : high;
}
