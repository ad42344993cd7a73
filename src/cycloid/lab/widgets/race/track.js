// The valley from above: the ground, the finish, the trails, and the start, which a person can hold.

import { colour, onThemeChange, rgb } from "/shell/colours.js";
import { h } from "/shell/dom.js";
import { MapCamera } from "/widgets/terrain/camera.js";
import { FlatMap } from "/widgets/terrain/flat.js";
import { drags } from "/widgets/terrain/handles.js";
import { drawBall, Overlay } from "/widgets/terrain/overlay.js";
import { Relief } from "/widgets/terrain/relief.js";
import { label, order, RUNNERS } from "/widgets/race/runs.js";
import { outcome } from "/widgets/race/verdicts.js";

const BARE = { left: 2, right: 2, top: 2, bottom: 2 };
const AXES = { left: 56, right: 10, top: 10, bottom: 46 };
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
const LONG = 150; // steps; a trail of more hides what lies under it
const NEAR = 0.36; // the finish lies within so many half widths of its lowest place

export class Track {
  constructor(world, redraw) {
    this.world = world;
    this.redraw = redraw;
    this.ground = h("canvas", { class: "ground", "aria-hidden": "true" });
    this.sketch = h("canvas", { class: "sketch", role: "img" });
    this.start = h("div", {
      class: "handle start", tabindex: 0, role: "button", "aria-roledescription": "movable start",
      "aria-label": "The start. Arrow keys move it, Enter runs the race.", on: { keydown: (event) => this.#key(event) },
    });
    this.view = h("div", { class: "view map track" }, this.ground, this.sketch, this.start);
    this.element = h("div", { class: "stage" }, this.view);
    try {
      this.painter = new Relief(this.ground);
      this.painter.onRestore = () => this.#invalidate();
    } catch {
      this.painter = new FlatMap(this.ground);
    }
    onThemeChange(() => this.#invalidate());
    new ResizeObserver(() => this.#invalidate()).observe(this.view);
    this.#listen();
  }

  #invalidate() {
    this.stale = true;
    this.redraw();
  }

  survey() {
    this.painter.setHeights(this.world.heights);
    this.stale = true;
  }

  #key(event) {
    const way = ARROWS[event.key];
    const { world } = this;
    if (event.key === "Enter") world.run();
    else if (way) world.moveStart(world.start.map((part, k) => part + way[k] * world.half * (event.shiftKey ? 0.01 : 0.05)));
    else return;
    event.preventDefault();
  }

  #listen() {
    const move = (event) => {
      const box = this.view.getBoundingClientRect();
      const spot = this.camera?.pick(event.clientX - box.left, event.clientY - box.top);
      if (spot) this.world.moveStart(this.world.heights.place(...spot));
    };
    drags(this.start, move);
    this.sketch.addEventListener("click", move);
  }

  draw() {
    const { world } = this;
    const { width, height } = this.view.getBoundingClientRect();
    if (!width || !height || !world.heights) return;
    const symbols = world.reveals.has("symbols");
    if (this.stale || this.width !== width || this.height !== height || this.symbols !== symbols) this.#paint(width, height, symbols);
    const pen = this.sketch.getContext("2d");
    pen.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    const overlay = new Overlay(pen, this.camera, world.heights);
    const spot = (point) => world.heights.spot(point);
    if (symbols) overlay.axes(world.shape === "bowl" ? ["weight w₁", "weight w₂"] : ["x", "y"]);
    pen.drawImage(this.finish, this.camera.origin[0], this.camera.origin[1], this.camera.side, this.camera.side);
    const shown = this.#trails();
    for (const { name, points, alpha } of shown) overlay.trail(name, points.map(spot), { width: name === world.bet ? 3.6 : 2.2, alpha });
    for (const place of world.ground.finishes) this.#flag(pen, spot(place));
    drawBall(pen, overlay.at(...spot(world.start), 0), 8);
    if (world.at > 0) for (const { name, points } of shown) overlay.racer(name, spot(points.at(-1)));
    const [x, y] = this.camera.project(...spot(world.start));
    this.start.style.transform = `translate(${x.toFixed(1)}px, ${(y - 6).toFixed(1)}px)`;
    this.sketch.setAttribute("aria-label", this.#told());
  }

  /** What has been walked by now: the first to arrive above the others, the bet above all; long ones, and at the end who never arrives, are fainter. */
  #trails() {
    const { world } = this;
    const [first] = order(world.runs ?? []);
    const strength = (run) => {
      if (!world.running && run.arrived === null) return 0.35;
      return run === first || run.name === world.bet || run.points.length < LONG ? 1 : 0.6;
    };
    const layers = order(world.runs ?? []).reverse().sort((a, b) => (a.name === world.bet) - (b.name === world.bet));
    return layers.map((run) => ({ name: run.name, points: run.points.slice(0, world.at + 1), alpha: strength(run) }));
  }

  #told() {
    const { world } = this;
    const ends = world.runs && !world.running ? world.runs.map((run) => `${label(run.name)} ${outcome(run)}`).join(", ") : "";
    return `${world.preset.name} from above, a start and a finish, ${RUNNERS.length} runners. ${ends}`.trim();
  }

  #paint(width, height, symbols) {
    Object.assign(this, { width, height, symbols, stale: false, ratio: Math.min(devicePixelRatio || 1, 2) });
    this.camera = new MapCamera(symbols ? AXES : BARE);
    this.camera.fit(width, height);
    for (const canvas of [this.ground, this.sketch]) {
      const [w, h2] = [Math.round(width * this.ratio), Math.round(height * this.ratio)];
      if (canvas.width !== w || canvas.height !== h2) [canvas.width, canvas.height] = [w, h2];
    }
    this.painter.paint(this.camera, { levels: 25, contrast: 0.8, density: Math.max(1, this.ratio * 0.8) });
    this.finish = this.#finish(Math.round(this.camera.side * this.ratio));
  }

  /** The places below the goal, tinted and rimmed: dot by dot, with the slope to smooth the rim. */
  #finish(size) {
    const { ground, heights, half } = this.world;
    const canvas = new OffscreenCanvas(size, size);
    const pen = canvas.getContext("2d");
    const dot = (2 * half) / size;
    const [wash, rim] = [rgb("ground-halo"), rgb("ink")];
    for (const finish of ground.finishes) {
      const [u, v] = heights.spot(finish);
      const reach = Math.round((NEAR * size) / 2);
      const [left, top] = [Math.round(((u + 1) / 2) * size) - reach, Math.round(((1 - v) / 2) * size) - reach];
      const picture = new ImageData(2 * reach, 2 * reach);
      for (let row = 0; row < 2 * reach; row++) {
        for (let column = 0; column < 2 * reach; column++) {
          const place = heights.place((2 * (left + column + 0.5)) / size - 1, 1 - (2 * (top + row + 0.5)) / size);
          const inside = (ground.goal - ground.value(place)) / (Math.hypot(...ground.gradient(place)) * dot + 1e-12); // dots from the rim
          if (inside < -2.5 * this.ratio) continue;
          const edge = Math.min(Math.max(1.6 * this.ratio - Math.abs(inside), 0), 1);
          const tint = inside > 0 ? 0.55 : 0;
          const alpha = edge + (1 - edge) * tint;
          const at = 4 * (row * 2 * reach + column);
          for (let k = 0; k < 3; k++) picture.data[at + k] = 255 * ((edge * rim[k] + (1 - edge) * tint * wash[k]) / (alpha || 1));
          picture.data[at + 3] = 255 * alpha;
        }
      }
      pen.putImageData(picture, left, top);
    }
    return canvas;
  }

  #flag(pen, spot) {
    const [x, y] = this.camera.project(...spot);
    pen.lineWidth = 2;
    pen.lineCap = "round";
    pen.strokeStyle = colour("ink");
    pen.fillStyle = colour("warm");
    pen.beginPath();
    pen.moveTo(x, y - 24);
    pen.lineTo(x + 15, y - 19);
    pen.lineTo(x, y - 13);
    pen.closePath();
    pen.fill();
    pen.beginPath();
    pen.moveTo(x, y);
    pen.lineTo(x, y - 25);
    pen.stroke();
  }
}
