// Where a place on the ground appears on the page, and back. Ground coordinates: u east, v north, both −1 to 1; height 0 to 1.

export const RISE = 0.7; // drawn height of the landscape, in half widths of the window
export const BASE = -0.1; // underside of the block

const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
const minus = (a, b) => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];

/** Looks at the block from the side, in perspective. */
export class SideCamera {
  constructor(yaw = -0.55, pitch = 0.66) {
    this.yaw = yaw;
    this.pitch = pitch;
  }

  turn(dx, dy) {
    this.yaw -= dx * 0.008;
    this.pitch = Math.min(Math.max(this.pitch + dy * 0.006, 0.2), 1.45);
  }

  /** Set up for a canvas of this many pixels, so that the block fits whichever way it is turned. */
  fit(width, height) {
    const [cy, sy, cp, sp] = [Math.cos(this.yaw), Math.sin(this.yaw), Math.cos(this.pitch), Math.sin(this.pitch)];
    this.eye = [6 * sy * cp, -6 * cy * cp, 6 * sp + 0.2];
    this.right = [cy, sy, 0];
    this.forward = [-sy * cp, cy * cp, -sp];
    this.up = cross(this.right, this.forward);
    const box = { left: 0, right: 0, low: Infinity, high: -Infinity };
    for (let k = 0; k < 24; k++) {
      const corner = [1.41 * Math.cos((k * Math.PI) / 12), 1.41 * Math.sin((k * Math.PI) / 12)];
      for (const w of [BASE, 0.92 * RISE]) {
        const [x, y] = this.#flat([...corner, w]);
        box.left = Math.min(box.left, x);
        box.right = Math.max(box.right, x);
        box.low = Math.min(box.low, y);
        box.high = Math.max(box.high, y);
      }
    }
    this.scale = Math.min(width / (box.right - box.left), height / (box.high - box.low));
    this.middle = [width / 2 - (this.scale * (box.left + box.right)) / 2, height / 2 + (this.scale * (box.low + box.high)) / 2];
    [this.width, this.height] = [width, height];
  }

  #flat(place) {
    const from = minus(place, this.eye);
    const depth = dot(from, this.forward);
    return [dot(from, this.right) / depth, dot(from, this.up) / depth, depth];
  }

  /** Page position of a place at drawn height w (0 to 1). */
  project(u, v, w) {
    const [x, y] = this.#flat([u, v, w * RISE]);
    return [this.middle[0] + this.scale * x, this.middle[1] - this.scale * y];
  }

  /** The matrix for WebGL, column by column. */
  matrix() {
    const [near, far] = [2, 12];
    const sx = (2 * this.scale) / this.width;
    const sy = (2 * this.scale) / this.height;
    const ox = (2 * this.middle[0]) / this.width - 1;
    const oy = 1 - (2 * this.middle[1]) / this.height;
    const rows = [
      [0, 1, 2].map((k) => sx * this.right[k] + ox * this.forward[k]),
      [0, 1, 2].map((k) => sy * this.up[k] + oy * this.forward[k]),
      [0, 1, 2].map((k) => ((far + near) / (far - near)) * this.forward[k]),
      this.forward,
    ];
    const shift = rows.map((row) => -dot(row, this.eye));
    shift[2] -= (2 * far * near) / (far - near);
    return Float32Array.from([0, 1, 2, 3].flatMap((column) => rows.map((row, r) => (column < 3 ? row[column] : shift[r]))));
  }

  #ray(x, y) {
    const a = (x - this.middle[0]) / this.scale;
    const b = (this.middle[1] - y) / this.scale;
    return [0, 1, 2].map((k) => this.forward[k] + a * this.right[k] + b * this.up[k]);
  }

  /** The ground place under a page position: [u, v], or null when the ray misses the block. */
  pick(x, y, heights) {
    const ray = this.#ray(x, y);
    const at = (t) => [0, 1, 2].map((k) => this.eye[k] + t * ray[k]);
    const above = ([u, v, w]) => w - heights.at(u, v) * RISE;
    const inside = ([u, v]) => Math.abs(u) <= 1 && Math.abs(v) <= 1;
    let before = null;
    for (let t = 3.5; t < 9; t += 0.01) {
      const place = at(t);
      if (!inside(place)) continue;
      if (above(place) <= 0) {
        let [low, high] = [before ?? t, t];
        for (let k = 0; k < 20; k++) [low, high] = above(at((low + high) / 2)) > 0 ? [(low + high) / 2, high] : [low, (low + high) / 2];
        return at(high).slice(0, 2);
      }
      before = t;
    }
    return null;
  }

  /** Where a page position meets the horizontal plane at drawn height w. */
  plane(x, y, w) {
    const ray = this.#ray(x, y);
    if (Math.abs(ray[2]) < 1e-6) return null;
    const t = (w * RISE - this.eye[2]) / ray[2];
    return t > 0 ? [this.eye[0] + t * ray[0], this.eye[1] + t * ray[1]] : null;
  }

  /** Whether the ground stands between a place and the eye. */
  hidden(u, v, w, heights) {
    const start = [u, v, w * RISE + 0.02];
    const way = minus(this.eye, start);
    const run = Math.hypot(way[0], way[1]);
    if (run < 1e-9) return false;
    const step = way.map((part) => (part / run) * 0.03);
    let place = start;
    for (let k = 0; k < 90; k++) {
      place = [place[0] + step[0], place[1] + step[1], place[2] + step[2]];
      if (Math.abs(place[0]) > 1 || Math.abs(place[1]) > 1 || place[2] > RISE) return false;
      if (heights.at(place[0], place[1]) * RISE > place[2]) return true;
    }
    return false;
  }
}

/** Looks straight down: the map. Leaves a margin for the axes. */
export class MapCamera {
  constructor(margin) {
    this.margin = margin;
  }

  fit(width, height) {
    const { left, right, top, bottom } = this.margin;
    this.side = Math.max(40, Math.min(width - left - right, height - top - bottom));
    this.origin = [left + (width - left - right - this.side) / 2, top];
    [this.width, this.height] = [width, height];
  }

  project(u, v) {
    return [this.origin[0] + ((u + 1) / 2) * this.side, this.origin[1] + ((1 - v) / 2) * this.side];
  }

  matrix() {
    const sx = this.side / this.width;
    const sy = this.side / this.height;
    const ox = (2 * this.origin[0] + this.side) / this.width - 1;
    const oy = 1 - (2 * this.origin[1] + this.side) / this.height;
    return Float32Array.from([sx, 0, 0, 0, 0, sy, 0, 0, 0, 0, -0.5, 0, ox, oy, 0, 1]);
  }

  pick(x, y) {
    const [u, v] = this.plane(x, y);
    return Math.abs(u) <= 1 && Math.abs(v) <= 1 ? [u, v] : null;
  }

  plane(x, y) {
    return [((x - this.origin[0]) / this.side) * 2 - 1, 1 - ((y - this.origin[1]) / this.side) * 2];
  }

  hidden() {
    return false;
  }
}
