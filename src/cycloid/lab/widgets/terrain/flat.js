// The map without WebGL: the same tints, light and contour lines, computed dot by dot.

import { rgb } from "/shell/colours.js";
import { RISE } from "/widgets/terrain/camera.js";

export class FlatMap {
  constructor(canvas) {
    this.canvas = canvas;
    this.pen = canvas.getContext("2d");
  }

  setHeights(heights) {
    this.heights = heights;
  }

  paint(camera, { levels = 25 } = {}) {
    const { canvas, pen, heights } = this;
    pen.clearRect(0, 0, canvas.width, canvas.height);
    if (!heights) return;
    const size = 360;
    const picture = new ImageData(size, size);
    const ramp = [0, 1, 2, 3, 4].map((k) => rgb(`ground-${k}`));
    const line = rgb("ground-line");
    const step = 2 / (size - 1);
    for (let row = 0; row < size; row++) {
      for (let column = 0; column < size; column++) {
        const [u, v] = [column * step - 1, 1 - row * step];
        const h = heights.at(u, v);
        if (Number.isNaN(h)) continue;
        const du = ((heights.at(u + step, v) - h) / step) * RISE || 0;
        const dv = ((heights.at(u, v + step) - h) / step) * RISE || 0;
        const lit = (0.58 * du - 0.58 * dv + 0.78) / Math.hypot(du, dv, 1) / 1.133;
        const value = Math.min(Math.max(1 + 0.9 * (lit - 0.69), 0.4), 1.25);
        const from = Math.abs(((h * levels + 1) % 1) - 0.5) / Math.max(Math.hypot(du, dv) * levels * (step / RISE), 0.02);
        const ink = 0.3 * Math.min(Math.max(1.4 - from, 0), 1);
        const at = Math.min(Math.floor(h * 4), 3);
        for (let k = 0; k < 3; k++) {
          const ground = (ramp[at][k] + (h * 4 - at) * (ramp[at + 1][k] - ramp[at][k])) * value;
          picture.data[4 * (row * size + column) + k] = 255 * (ground + ink * (line[k] - ground));
        }
        picture.data[4 * (row * size + column) + 3] = 255;
      }
    }
    const sketch = new OffscreenCanvas(size, size);
    sketch.getContext("2d").putImageData(picture, 0, 0);
    const ratio = canvas.width / camera.width;
    pen.drawImage(sketch, camera.origin[0] * ratio, camera.origin[1] * ratio, camera.side * ratio, camera.side * ratio);
  }
}
