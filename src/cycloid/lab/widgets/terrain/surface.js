// One view of a surface: the ground (WebGL), what lies on it (canvas), and two handles a person can hold (HTML).

import { colour, faded, onThemeChange } from "/shell/colours.js";
import { h } from "/shell/dom.js";
import { MapCamera, SideCamera } from "/widgets/terrain/camera.js";
import { FlatMap } from "/widgets/terrain/flat.js";
import { arrowHandle, ballHandle, drags } from "/widgets/terrain/handles.js";
import { ARROW, Overlay } from "/widgets/terrain/overlay.js";
import { bearing, compass } from "/widgets/terrain/prediction.js";
import { Relief } from "/widgets/terrain/relief.js";

/**
 * kind: "relief" or "map". events: moveBall(point), nudgeBall(dx, dy), aim(vector), turn(degrees), step(), redraw().
 * `usable` is false for a relief in a browser without WebGL 2.
 */
export class SurfaceView {
  constructor(kind, events) {
    this.kind = kind;
    this.events = events;
    this.camera = kind === "relief" ? new SideCamera() : new MapCamera({ left: 62, right: 14, top: 14, bottom: 50 });
    this.ground = h("canvas", { class: "ground", "aria-hidden": "true" });
    this.sketch = h("canvas", { class: "sketch", "aria-hidden": "true" });
    const primary = kind === "relief";
    this.ball = ballHandle(events, primary);
    this.tip = arrowHandle(events, primary);
    this.element = h("div", { class: `view ${kind}` }, this.ground, this.sketch, this.ball, this.tip);
    try {
      this.painter = new Relief(this.ground);
      this.painter.onRestore = () => this.#invalidate();
      this.usable = true;
    } catch {
      this.usable = kind === "map";
      this.painter = new FlatMap(this.ground);
    }
    this.stale = true;
    onThemeChange(() => this.#invalidate());
    new ResizeObserver(() => this.#invalidate()).observe(this.element);
    this.#listen();
  }

  #invalidate() {
    this.stale = true;
    this.events.redraw();
  }

  setHeights(heights) {
    this.heights = heights;
    this.painter.setHeights(heights);
    this.stale = true;
  }

  resetCamera() {
    if (this.kind === "relief") this.camera = new SideCamera();
    this.stale = true;
  }

  draw(scene) {
    const { width, height } = this.element.getBoundingClientRect();
    if (!width || !height || !this.heights) return;
    this.scene = scene;
    if (this.stale || this.width !== width || this.height !== height) this.#paintGround(width, height);
    const ratio = this.ratio;
    const pen = this.sketch.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    this.#drawScene(new Overlay(pen, this.camera, this.heights), scene);
    this.#placeHandles(scene);
  }

  #paintGround(width, height) {
    Object.assign(this, { width, height, stale: false, ratio: Math.min(devicePixelRatio || 1, 2) });
    for (const canvas of [this.ground, this.sketch]) {
      const [w, h2] = [Math.round(width * this.ratio), Math.round(height * this.ratio)];
      if (canvas.width !== w || canvas.height !== h2) [canvas.width, canvas.height] = [w, h2];
    }
    this.camera.fit(width, height);
    const map = this.kind === "map";
    this.painter.paint(this.camera, { levels: 25, contrast: map ? 0.8 : 1, density: Math.max(1, this.ratio * 0.8) });
  }

  #drawScene(overlay, scene) {
    const spot = (point) => this.heights.spot(point);
    const map = this.kind === "map";
    if (map) overlay.axes(scene.labels);
    else if (scene.symbols) overlay.names(scene.labels);
    if (scene.field) overlay.slopes(scene.field);
    for (const trail of scene.trails) overlay.trail(trail.name, trail.points.map(spot), trail);
    if (scene.path.length > 1) overlay.drape(scene.path.map(spot), { stroke: colour("ink"), width: 2, dash: [1, 5], halo: false });
    const { departure } = scene;
    if (departure) {
      const from = spot(departure.point);
      overlay.fan(from, departure.guess, departure.truth, ARROW * 0.8);
      overlay.arrow(from, scaled(departure.guess), { stroke: colour("ink"), dash: [2, 7], width: 3 });
      overlay.arrow(from, scaled(departure.truth), { stroke: colour("accent") });
    }
    if (scene.guess) overlay.arrow(spot(scene.point), scaled(scene.guess), { stroke: departure ? faded("ink", 0.45) : colour("ink"), halo: !departure });
    for (const racer of scene.racers) overlay.racer(racer.name, spot(racer.point));
    overlay.ball(spot(scene.point), map ? 9 : 11);
  }

  #placeHandles(scene) {
    const [u, v] = this.heights.spot(scene.point);
    const place = (element, [x, y]) => (element.style.transform = `translate(${x.toFixed(1)}px, ${y.toFixed(1)}px)`);
    const height = this.heights.at(u, v) || 0;
    const [x, y] = this.camera.project(u, v, height);
    place(this.ball, [x, y - 8]);
    this.tip.hidden = !scene.guess;
    if (scene.guess) {
      this.tip.setAttribute("aria-valuenow", bearing(scene.guess));
      this.tip.setAttribute("aria-valuetext", compass(scene.guess));
      const tip = scaled(scene.guess);
      const end = [u + tip[0], v + tip[1]].map((part) => Math.min(Math.max(part, -1), 1));
      place(this.tip, this.camera.project(u + tip[0], v + tip[1], this.heights.at(...end) || 0));
    }
  }

  /** Page position of a pointer event inside this view. */
  #where(event) {
    const box = this.element.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  #listen() {
    drags(this.ball, (event) => {
      const [x, y] = this.#where(event);
      const spot = this.camera.pick(x, y + 8, this.heights);
      if (spot) this.events.moveBall(this.heights.place(...spot));
    });
    drags(this.tip, (event) => {
      const [x, y] = this.#where(event);
      const [u, v] = this.heights.spot(this.scene.point);
      const spot = this.camera.plane(x, y, this.heights.at(u, v) || 0);
      if (spot && Math.hypot(spot[0] - u, spot[1] - v) > 0.02) this.events.aim([spot[0] - u, spot[1] - v]);
    });
    if (this.kind === "relief") {
      let last = null;
      drags(
        this.sketch,
        (event) => {
          if (last) this.camera.turn(event.clientX - last[0], event.clientY - last[1]);
          last = [event.clientX, event.clientY];
          this.#invalidate();
        },
        () => (last = null),
      );
    } else {
      this.sketch.addEventListener("click", (event) => {
        const spot = this.camera.pick(...this.#where(event));
        if (spot) this.events.moveBall(this.heights.place(...spot));
      });
    }
  }
}

const scaled = (direction) => direction.map((part) => part * ARROW);
