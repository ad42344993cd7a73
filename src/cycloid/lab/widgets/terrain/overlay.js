// What is drawn over the ground: trails, arrows, the ball, axes.

import { colour, faded, methodColour } from "/shell/colours.js";
import { format } from "/shell/dom.js";
import { ticks } from "/shell/scales.js";

export const ARROW = 0.4; // length of the learner's arrow, in half widths of the window

/** Draws on one view. `at(u, v, lift)` gives the page position on the ground, `hidden(u, v)` whether a ridge is in front. */
export class Overlay {
  constructor(pen, camera, heights) {
    Object.assign(this, { pen, camera, heights });
  }

  at(u, v, lift = 0.012) {
    const height = this.heights.at(Math.min(Math.max(u, -1), 1), Math.min(Math.max(v, -1), 1));
    return this.camera.project(u, v, (Number.isNaN(height) ? 0 : height) + lift);
  }

  hidden(u, v) {
    return this.camera.hidden(u, v, this.heights.at(u, v), this.heights);
  }

  /** A line over the ground through the given places; parts behind a ridge are only hinted at. */
  drape(corners, { stroke, width = 2, alpha = 1, halo = false, dash = [] }) {
    const { pen } = this;
    const spots = followGround(corners);
    pen.lineJoin = pen.lineCap = "round";
    pen.setLineDash(dash);
    const shown = spots.map(([u, v]) => Math.abs(u) <= 1.001 && Math.abs(v) <= 1.001);
    const veiled = spots.map(([u, v], k) => shown[k] && this.hidden(u, v));
    const places = spots.map(([u, v], k) => (shown[k] ? this.at(u, v) : null));
    for (const [behind, strength] of [[true, 0.18], [false, 1]]) {
      const path = new Path2D();
      for (let k = 1; k < spots.length; k++) {
        if (!shown[k] || !shown[k - 1] || (veiled[k] || veiled[k - 1]) !== behind) continue;
        path.moveTo(...places[k - 1]);
        path.lineTo(...places[k]);
      }
      if (halo && !behind) {
        pen.globalAlpha = 0.75 * alpha;
        pen.strokeStyle = colour("ground-halo");
        pen.lineWidth = width + 2.5;
        pen.stroke(path);
      }
      pen.globalAlpha = alpha * strength;
      pen.strokeStyle = stroke;
      pen.lineWidth = width;
      pen.stroke(path);
    }
    pen.globalAlpha = 1;
    pen.setLineDash([]);
  }

  /** An arrow lying on the ground from a spot along a direction (not normalised: its length is drawn). */
  arrow(spot, vector, { stroke, width = 4, halo = true, dash = [], head = 13 }) {
    const spots = Array.from({ length: 13 }, (_, k) => [spot[0] + (vector[0] * k) / 12, spot[1] + (vector[1] * k) / 12]);
    const tip = this.at(...spots[12]);
    const neck = this.at(...spots[10]);
    const angle = Math.atan2(tip[1] - neck[1], tip[0] - neck[0]);
    const { pen } = this;
    const shaft = spots.slice(0, 12).map((one) => this.at(...one));
    const headPath = new Path2D();
    headPath.moveTo(tip[0] + 3 * Math.cos(angle), tip[1] + 3 * Math.sin(angle));
    for (const side of [-1, 1]) headPath.lineTo(tip[0] - head * Math.cos(angle + side * 0.5), tip[1] - head * Math.sin(angle + side * 0.5));
    headPath.closePath();
    const line = new Path2D();
    shaft.forEach(([x, y], k) => (k ? line.lineTo(x, y) : line.moveTo(x, y)));
    pen.lineJoin = pen.lineCap = "round";
    if (halo) {
      pen.strokeStyle = colour("ground-halo");
      pen.lineWidth = width + 3;
      pen.stroke(line);
      pen.lineWidth = 4;
      pen.stroke(headPath);
    }
    pen.strokeStyle = pen.fillStyle = stroke;
    pen.lineWidth = width;
    pen.setLineDash(dash);
    pen.stroke(line);
    pen.setLineDash([]);
    pen.fill(headPath);
  }

  /** The angle between two directions, as a filled fan on the ground. */
  fan(spot, from, to, radius) {
    const start = Math.atan2(from[1], from[0]);
    let sweep = Math.atan2(to[1], to[0]) - start;
    sweep = Math.atan2(Math.sin(sweep), Math.cos(sweep));
    const path = new Path2D();
    path.moveTo(...this.at(...spot));
    for (let k = 0; k <= 24; k++) {
      const angle = start + (sweep * k) / 24;
      path.lineTo(...this.at(spot[0] + radius * Math.cos(angle), spot[1] + radius * Math.sin(angle)));
    }
    path.closePath();
    this.pen.fillStyle = faded("accent", 0.2);
    this.pen.fill(path);
  }

  /** Arrows of the gradient on a grid: they point uphill; their length grows with the slope. */
  slopes(field) {
    const n = 13;
    const arrows = [];
    for (let j = 0; j < n; j++) {
      for (let i = 0; i < n; i++) {
        const spot = [((i + 0.5) / n) * 2 - 1, ((j + 0.5) / n) * 2 - 1];
        const g = field.gradient(this.heights.place(...spot));
        if (g.every(Number.isFinite)) arrows.push({ spot, g, size: Math.hypot(...g) });
      }
    }
    const typical = arrows.map((one) => one.size).sort((a, b) => a - b)[Math.floor(arrows.length * 0.9)] || 1;
    this.pen.globalAlpha = 0.72;
    for (const { spot, g, size } of arrows) {
      const length = 0.12 * Math.min(1, Math.sqrt(size / typical));
      if (length < 0.012 || this.hidden(...spot)) continue;
      const vector = g.map((part) => (part / size) * length);
      const tail = [spot[0] - vector[0] / 2, spot[1] - vector[1] / 2];
      this.arrow(tail, vector, { stroke: colour("ink"), width: 1.4, halo: false, head: 5.5 });
    }
    this.pen.globalAlpha = 1;
  }

  trail(name, spots, { width = 2.4, dots = false, alpha = 1 } = {}) {
    if (spots.length < 2) return;
    this.drape(spots, { stroke: methodColour(name), width, halo: true, alpha });
    if (dots) {
      this.pen.fillStyle = methodColour(name);
      for (const [u, v] of spots) if (Math.abs(u) <= 1 && Math.abs(v) <= 1 && !this.hidden(u, v)) this.dot(...this.at(u, v), 2.4);
    }
  }

  dot(x, y, radius) {
    this.pen.beginPath();
    this.pen.arc(x, y, radius, 0, 2 * Math.PI);
    this.pen.fill();
  }

  /** A racer: a small disc in its method's colour. */
  racer(name, spot) {
    if (spot.some((part) => Math.abs(part) > 1)) return;
    const [x, y] = this.at(...spot);
    this.pen.globalAlpha = this.hidden(...spot) ? 0.25 : 1;
    this.pen.fillStyle = colour("ground-halo");
    this.dot(x, y, 6.5);
    this.pen.fillStyle = methodColour(name);
    this.dot(x, y, 5);
    this.pen.globalAlpha = 1;
  }

  ball(spot, radius) {
    drawBall(this.pen, this.at(...spot, 0), radius);
  }

  /** Numbers along two sides of the map. */
  axes(labels) {
    const { pen, camera, heights } = this;
    pen.fillStyle = colour("muted");
    pen.strokeStyle = colour("muted");
    pen.font = `12px ${colour("sans")}`;
    pen.lineWidth = 1;
    const [left, top] = camera.origin;
    const bottom = top + camera.side;
    for (const axis of [0, 1]) {
      for (const tick of ticks(heights.centre[axis] - heights.half, heights.centre[axis] + heights.half)) {
        const at = (tick - heights.centre[axis]) / heights.half;
        const [x, y] = camera.project(axis ? -1 : at, axis ? at : -1);
        pen.textAlign = axis ? "right" : "center";
        pen.textBaseline = axis ? "middle" : "top";
        pen.fillText(format(tick), x - (axis ? 8 : 0), y + (axis ? 0 : 8));
        pen.beginPath();
        pen.moveTo(x, y);
        pen.lineTo(x - (axis ? 4 : 0), y + (axis ? 0 : 4));
        pen.stroke();
      }
    }
    pen.fillStyle = colour("ink");
    pen.textAlign = "center";
    pen.textBaseline = "top";
    pen.fillText(labels[0], left + camera.side / 2, bottom + 24);
    pen.save();
    pen.translate(left - 40, top + camera.side / 2);
    pen.rotate(-Math.PI / 2);
    pen.textBaseline = "bottom";
    pen.fillText(labels[1], 0, 4);
    pen.restore();
  }

  /** The axes' names along the two front sides of the block. */
  names(labels) {
    const { pen, camera } = this;
    const sides = [
      { spots: [[0, -1.13], [0, 1.13]], label: labels[0] },
      { spots: [[-1.13, 0], [1.13, 0]], label: labels[1] },
    ];
    pen.font = `13px ${colour("sans")}`;
    pen.fillStyle = colour("muted");
    pen.textBaseline = "middle";
    for (const { spots, label } of sides) {
      const [x, y] = spots.map(([u, v]) => camera.project(u, v, -0.2)).sort((a, b) => b[1] - a[1])[0];
      pen.textAlign = x < camera.width / 2 ? "right" : "left";
      pen.fillText(label, Math.min(Math.max(x, 40), camera.width - 40), Math.min(y + 8, camera.height - 10));
    }
  }
}

/** Long hops get places in between, so that the line lies on the ground instead of cutting through the air. */
function followGround(corners) {
  return corners.flatMap(([u, v], k) => {
    if (k === 0) return [[u, v]];
    const [a, b] = corners[k - 1];
    const pieces = Math.min(Math.max(1, Math.ceil(Math.hypot(u - a, v - b) / 0.06)), 60);
    return Array.from({ length: pieces }, (_, i) => [a + ((u - a) * (i + 1)) / pieces, b + ((v - b) * (i + 1)) / pieces]);
  });
}

export function drawBall(pen, [x, y], radius) {
  pen.save();
  pen.globalAlpha = 0.28;
  pen.fillStyle = "#0b0d12";
  pen.beginPath();
  pen.ellipse(x + radius * 0.35, y + radius * 0.1, radius * 1.05, radius * 0.45, 0, 0, 2 * Math.PI);
  pen.fill();
  pen.globalAlpha = 1;
  const centre = y - radius * 0.8;
  const light = pen.createRadialGradient(x - radius * 0.4, centre - radius * 0.45, radius * 0.1, x, centre, radius * 1.05);
  light.addColorStop(0, "#ffd9c8");
  light.addColorStop(0.35, "#f07a50");
  light.addColorStop(1, "#a8320f");
  pen.fillStyle = light;
  pen.beginPath();
  pen.arc(x, centre, radius, 0, 2 * Math.PI);
  pen.fill();
  pen.strokeStyle = "rgba(255, 255, 255, 0.75)";
  pen.lineWidth = 1.2;
  pen.stroke();
  pen.restore();
}

