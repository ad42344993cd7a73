// One plane: a square window with axes, in which lines, areas and arrows are drawn, and handles that a person can hold.

import { colour, faded, onThemeChange } from "/shell/colours.js";
import { format, h } from "/shell/dom.js";
import { ticks } from "/shell/scales.js";
import { drags } from "/widgets/terrain/handles.js";

const MARGIN = { left: 46, right: 12, top: 12, bottom: 40 };
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

export class Plane {
  constructor(name, label, redraw) {
    this.sketch = h("canvas", { class: "sketch", role: "img", "aria-label": label });
    this.title = h("p", { class: "plane-title note" });
    this.box = h("div", { class: `view plane ${name}` }, this.sketch);
    this.element = h("div", { class: "plane-box" }, this.title, this.box);
    onThemeChange(redraw);
    new ResizeObserver(redraw).observe(this.box);
  }

  /** A thing to hold: `move(place)` while it is dragged, `nudge(dx, dy)` by the arrow keys. */
  handle(name, label, move, nudge, enter) {
    const element = h("div", {
      class: `handle ${name}`, tabindex: 0, role: "button", "aria-label": label,
      on: {
        keydown: (event) => {
          const way = ARROWS[event.key];
          if (event.key === "Enter") enter();
          else if (way) nudge(...way.map((part) => part * (event.shiftKey ? 0.2 : 1)));
          else return;
          event.preventDefault();
        },
      },
    });
    drags(element, (event) => {
      const frame = this.box.getBoundingClientRect();
      move(this.back([event.clientX - frame.left, event.clientY - frame.top]));
    });
    this.box.append(element);
    return element;
  }

  put(element, place) {
    const [x, y] = this.at(place);
    element.style.transform = `translate(${Math.min(Math.max(x, 8), this.width - 8).toFixed(1)}px, ${Math.min(Math.max(y, 8), this.height - 8).toFixed(1)}px)`;
  }

  /** Begin a picture of the window; false while there is no room for one. */
  begin(centre, half, labels) {
    const { width, height } = this.box.getBoundingClientRect();
    if (!width || !height) return false;
    Object.assign(this, { width, height, centre, half });
    const ratio = Math.min(devicePixelRatio || 1, 2);
    const size = [Math.round(width * ratio), Math.round(height * ratio)];
    if (this.sketch.width !== size[0] || this.sketch.height !== size[1]) [this.sketch.width, this.sketch.height] = size;
    this.room = Math.min(width - MARGIN.left - MARGIN.right, height - MARGIN.top - MARGIN.bottom);
    this.pen = this.sketch.getContext("2d");
    this.pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.pen.clearRect(0, 0, width, height);
    this.#axes(labels);
    this.pen.save();
    this.pen.beginPath();
    this.pen.rect(MARGIN.left, MARGIN.top, this.room, this.room);
    this.pen.clip();
    return true;
  }

  end() {
    this.pen.restore();
  }

  at([x, y]) {
    const scale = this.room / (2 * this.half);
    return [MARGIN.left + (x - this.centre[0] + this.half) * scale, MARGIN.top + (this.centre[1] + this.half - y) * scale];
  }

  back([px, py]) {
    const scale = this.room / (2 * this.half);
    return [(px - MARGIN.left) / scale + this.centre[0] - this.half, this.centre[1] + this.half - (py - MARGIN.top) / scale];
  }

  #path(spots, closed) {
    const path = new Path2D();
    let lifted = true;
    for (const spot of spots) {
      const [x, y] = this.at(spot);
      if (!Number.isFinite(x) || !Number.isFinite(y) || Math.abs(x) > 1e5 || Math.abs(y) > 1e5) lifted = true;
      else {
        path[lifted ? "moveTo" : "lineTo"](x, y);
        lifted = false;
      }
    }
    if (closed) path.closePath();
    return path;
  }

  line(spots, { stroke, width = 1.5, alpha = 1, dash = [], closed = false, fill = 0 }) {
    const { pen } = this;
    const path = this.#path(spots, closed);
    if (fill) {
      pen.fillStyle = faded(stroke, fill);
      pen.fill(path, "nonzero");
    }
    pen.lineJoin = pen.lineCap = "round";
    pen.globalAlpha = alpha;
    pen.setLineDash(dash);
    pen.strokeStyle = colour(stroke);
    pen.lineWidth = width;
    pen.stroke(path);
    pen.setLineDash([]);
    pen.globalAlpha = 1;
  }

  arrow(from, to, { stroke, width = 3, dash = [] }) {
    const { pen } = this;
    const [a, b] = [this.at(from), this.at(to)];
    const long = Math.hypot(b[0] - a[0], b[1] - a[1]);
    if (!(long > 1)) return;
    const angle = Math.atan2(b[1] - a[1], b[0] - a[0]);
    const head = Math.min(12, 0.6 * long);
    pen.strokeStyle = pen.fillStyle = colour(stroke);
    pen.lineWidth = width;
    pen.lineCap = "round";
    pen.setLineDash(dash);
    pen.beginPath();
    pen.moveTo(...a);
    pen.lineTo(b[0] - 0.8 * head * Math.cos(angle), b[1] - 0.8 * head * Math.sin(angle));
    pen.stroke();
    pen.setLineDash([]);
    pen.beginPath();
    pen.moveTo(...b);
    for (const side of [-1, 1]) pen.lineTo(b[0] - head * Math.cos(angle + side * 0.45), b[1] - head * Math.sin(angle + side * 0.45));
    pen.fill();
  }

  dot(place, { stroke, radius = 5 }) {
    const { pen } = this;
    pen.beginPath();
    pen.arc(...this.at(place), radius, 0, 2 * Math.PI);
    pen.fillStyle = colour(stroke);
    pen.fill();
    pen.lineWidth = 2;
    pen.strokeStyle = colour("sheet");
    pen.stroke();
  }

  #axes(labels) {
    const { pen, room } = this;
    const bottom = MARGIN.top + room;
    pen.font = `12px ${colour("sans")}`;
    pen.lineWidth = 1;
    for (const axis of [0, 1]) {
      for (const tick of ticks(this.centre[axis] - this.half, this.centre[axis] + this.half, room / 70)) {
        const [x, y] = this.at(axis ? [this.centre[0], tick] : [tick, this.centre[1]]);
        pen.strokeStyle = colour(tick === 0 ? "muted" : "rule");
        pen.beginPath();
        pen.moveTo(axis ? MARGIN.left : x, axis ? y : MARGIN.top);
        pen.lineTo(axis ? MARGIN.left + room : x, axis ? y : bottom);
        pen.stroke();
        pen.fillStyle = colour("muted");
        pen.textAlign = axis ? "right" : "center";
        pen.textBaseline = axis ? "middle" : "top";
        pen.fillText(format(tick), axis ? MARGIN.left - 6 : x, axis ? y : bottom + 6);
      }
    }
    if (!labels) return;
    pen.fillStyle = colour("ink");
    pen.font = `italic 14px ${colour("serif")}`;
    pen.textAlign = "right";
    pen.textBaseline = "top";
    pen.fillText(labels[0], MARGIN.left + room, bottom + 20);
    pen.textAlign = "left";
    pen.fillText(labels[1], 4, MARGIN.top);
  }
}
