// One view of a function of one variable: the curve, the ball, and a line through it that the learner tilts.

import { colour, methodColour, onThemeChange } from "/shell/colours.js";
import { format, h } from "/shell/dom.js";
import { arrowHandle, ballHandle, drags } from "/widgets/terrain/handles.js";
import { ticks } from "/shell/scales.js";
import { drawBall } from "/widgets/terrain/overlay.js";

const MARGIN = { left: 62, right: 20, top: 20, bottom: 50 };
const SAMPLES = 600;

/** Same events as SurfaceView, but the learner's guess is a slope: aim(slope), turn(degrees on the page). */
export class CurveView {
  constructor(events) {
    this.events = events;
    this.usable = true;
    this.sketch = h("canvas", { class: "sketch", "aria-hidden": "true" });
    this.ball = ballHandle(events, true);
    this.tip = arrowHandle(events, true);
    this.tip.setAttribute("aria-label", "Your line. Up and down keys tilt it, Enter makes a step.");
    this.tip.setAttribute("aria-valuemin", -90);
    this.tip.setAttribute("aria-valuemax", 90);
    this.element = h("div", { class: "view curve" }, this.sketch, this.ball, this.tip);
    onThemeChange(() => events.redraw());
    new ResizeObserver(() => events.redraw()).observe(this.element);
    this.#listen();
  }

  setField(field, centre, half) {
    this.field = field;
    this.low = centre - half;
    this.high = centre + half;
    this.xs = Array.from({ length: SAMPLES }, (_, k) => this.low + ((this.high - this.low) * k) / (SAMPLES - 1));
    this.ys = this.xs.map((x) => field.f([x]));
    const sorted = this.ys.filter(Number.isFinite).sort((a, b) => a - b);
    const pick = (q) => sorted[Math.floor(q * (sorted.length - 1))] ?? 0;
    let [bottom, top] = [pick(0), pick(1)];
    const body = pick(0.95) - pick(0.05);
    if (top - bottom > 40 * body && body > 0) [bottom, top] = [pick(0.05) - body, pick(0.95) + body];
    const room = (top - bottom || 2) * 0.08;
    [this.bottom, this.top] = [bottom - room, top + room];
  }

  /** How many times wider one unit of x is drawn than one unit of height: turns slopes into angles on the page. */
  get ratio() {
    const tall = (this.height - MARGIN.top - MARGIN.bottom) / (this.top - this.bottom);
    const wide = (this.width - MARGIN.left - MARGIN.right) / (this.high - this.low);
    return tall / wide || 1;
  }

  at(x, y) {
    return [
      MARGIN.left + ((x - this.low) / (this.high - this.low)) * (this.width - MARGIN.left - MARGIN.right),
      this.height - MARGIN.bottom - ((y - this.bottom) / (this.top - this.bottom)) * (this.height - MARGIN.top - MARGIN.bottom),
    ];
  }

  draw(scene) {
    const { width, height } = this.element.getBoundingClientRect();
    if (!width || !height || !this.field) return;
    Object.assign(this, { width, height, scene });
    const ratio = Math.min(devicePixelRatio || 1, 2);
    const [w, h2] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (this.sketch.width !== w || this.sketch.height !== h2) [this.sketch.width, this.sketch.height] = [w, h2];
    const pen = this.sketch.getContext("2d");
    this.pen = pen;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    this.#axes(scene.labels);
    pen.save();
    pen.beginPath();
    pen.rect(MARGIN.left, MARGIN.top - 12, width - MARGIN.left - MARGIN.right, height - MARGIN.top - MARGIN.bottom + 12);
    pen.clip();
    this.#curve();
    this.#scene(scene);
    pen.restore();
    const place = this.at(scene.point[0], this.field.f(scene.point));
    const end = scene.guess === null ? place : this.#lineEnd(scene.point[0], scene.guess);
    this.#put(this.ball, [place[0], place[1] - 8]);
    this.tip.hidden = scene.guess === null;
    this.#put(this.tip, end);
    if (scene.guess !== null) {
      this.tip.setAttribute("aria-valuenow", Math.round((Math.atan(scene.guess * this.ratio) * 180) / Math.PI));
      this.tip.setAttribute("aria-valuetext", `slope ${format(scene.guess)}`);
    }
  }

  #put(element, [x, y]) {
    const inside = [Math.min(Math.max(x, 8), this.width - 8), Math.min(Math.max(y, 8), this.height - 8)];
    element.style.transform = `translate(${inside[0].toFixed(1)}px, ${inside[1].toFixed(1)}px)`;
  }

  #axes(labels) {
    const { pen, width, height } = this;
    pen.font = `12px ${colour("sans")}`;
    pen.lineWidth = 1;
    for (const x of ticks(this.low, this.high, width / 90)) {
      const [px] = this.at(x, 0);
      this.#rule(px, MARGIN.top, px, height - MARGIN.bottom, x === 0);
      pen.fillStyle = colour("muted");
      pen.textAlign = "center";
      pen.textBaseline = "top";
      pen.fillText(format(x), px, height - MARGIN.bottom + 8);
    }
    for (const y of ticks(this.bottom, this.top, height / 60)) {
      const [, py] = this.at(0, y);
      this.#rule(MARGIN.left, py, width - MARGIN.right, py, y === 0);
      pen.fillStyle = colour("muted");
      pen.textAlign = "right";
      pen.textBaseline = "middle";
      pen.fillText(format(y), MARGIN.left - 8, py);
    }
    pen.fillStyle = colour("ink");
    pen.textAlign = "center";
    pen.textBaseline = "top";
    pen.fillText(labels[0], MARGIN.left + (width - MARGIN.left - MARGIN.right) / 2, height - 22);
  }

  #rule(x1, y1, x2, y2, strong) {
    this.pen.strokeStyle = colour(strong ? "muted" : "rule");
    this.pen.beginPath();
    this.pen.moveTo(x1, y1);
    this.pen.lineTo(x2, y2);
    this.pen.stroke();
  }

  #curve() {
    const { pen } = this;
    pen.strokeStyle = colour("ink");
    pen.lineWidth = 2.5;
    pen.lineJoin = "round";
    pen.beginPath();
    let drawing = false;
    this.ys.forEach((y, k) => {
      const near = Number.isFinite(y) && Math.abs(y - this.bottom) < 20 * (this.top - this.bottom);
      if (near) pen[drawing ? "lineTo" : "moveTo"](...this.at(this.xs[k], y));
      drawing = near;
    });
    pen.stroke();
  }

  #scene(scene) {
    const { pen } = this;
    for (const { name, points, dots } of scene.trails) {
      pen.strokeStyle = pen.fillStyle = methodColour(name);
      pen.lineWidth = 2;
      pen.beginPath();
      points.forEach((p, k) => pen[k ? "lineTo" : "moveTo"](...this.at(p[0], this.field.f(p))));
      pen.stroke();
      if (dots) for (const p of points) this.#disc(p, 3);
    }
    if (scene.departure) {
      this.#line(scene.departure.point[0], scene.departure.guess, colour("ink"), [2, 7], 2.5);
      this.#line(scene.departure.point[0], scene.departure.truth, colour("accent"), [], 3);
    } else if (scene.field) this.#line(scene.point[0], this.field.gradient(scene.point)[0], colour("accent"), [], 3);
    if (scene.guess !== null) this.#line(scene.point[0], scene.guess, colour("ink"), [], 3);
    for (const racer of scene.racers) {
      pen.fillStyle = methodColour(racer.name);
      this.#disc(racer.point, 6);
    }
    const y = this.field.f(scene.point);
    if (Number.isFinite(y)) drawBall(pen, this.at(scene.point[0], y), 10);
  }

  #disc(point, radius) {
    this.pen.beginPath();
    this.pen.arc(...this.at(point[0], this.field.f(point)), radius, 0, 2 * Math.PI);
    this.pen.fill();
  }

  /** Page position of the end of the learner's line: a fixed length on the page. */
  #lineEnd(x, slope, length = Math.min(150, this.width / 4)) {
    const [px, py] = this.at(x, this.field.f([x]));
    const angle = Math.atan(slope * this.ratio);
    return [px + length * Math.cos(angle), py - length * Math.sin(angle)];
  }

  #line(x, slope, stroke, dash, width) {
    const { pen } = this;
    const [px, py] = this.at(x, this.field.f([x]));
    const [ex, ey] = this.#lineEnd(x, slope);
    pen.strokeStyle = stroke;
    pen.lineWidth = width;
    pen.lineCap = "round";
    pen.setLineDash(dash);
    pen.beginPath();
    pen.moveTo(2 * px - ex, 2 * py - ey);
    pen.lineTo(ex, ey);
    pen.stroke();
    pen.setLineDash([]);
  }

  #listen() {
    const where = (event) => {
      const box = this.element.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    const across = (px) => this.low + ((px - MARGIN.left) / (this.width - MARGIN.left - MARGIN.right)) * (this.high - this.low);
    const inside = (x) => Math.min(Math.max(x, this.low), this.high);
    drags(this.ball, (event) => this.events.moveBall([inside(across(where(event)[0]))]));
    drags(this.tip, (event) => {
      const [x, y] = where(event);
      const [px, py] = this.at(this.scene.point[0], this.field.f(this.scene.point));
      const run = Math.max(Math.abs(x - px), 6) * (x < px ? -1 : 1);
      this.events.aim((py - y) / run / this.ratio);
    });
    this.sketch.addEventListener("click", (event) => this.events.moveBall([inside(across(where(event)[0]))]));
  }
}
