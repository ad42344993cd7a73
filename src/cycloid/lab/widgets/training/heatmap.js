// Gradient norm by layer and step: one row a parameter array, one column a recorded step, darker is larger.

import { colour, dark, onThemeChange, rgb } from "/shell/colours.js";
import { format, h, onNextFrame } from "/shell/dom.js";
import { shortName } from "/widgets/training/reading.js";

const LABELS = 40;

export class Heatmap {
  constructor() {
    this.canvas = h("canvas", { role: "img", "aria-label": "Gradient norm by layer and step" });
    this.element = h("div", { class: "chart heatmap" }, this.canvas);
    this.redraw = onNextFrame(() => this.#draw());
    onThemeChange(this.redraw);
    new ResizeObserver(this.redraw).observe(this.element);
  }

  show(content) {
    this.content = content;
    this.redraw();
  }

  #draw() {
    const { width, height } = this.element.getBoundingClientRect();
    if (!width || !height || !this.content) return;
    const ratio = Math.min(devicePixelRatio || 1, 2);
    [this.canvas.width, this.canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
    const pen = this.canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    const { records, layers, cursor } = this.content;
    if (!records.length) return;
    const sizes = records.flatMap((record) => record.layer_gradient_norms).filter((value) => value > 0).sort((a, b) => a - b);
    const [low, high] = [0.03, 0.995].map((q) => sizes[Math.floor(q * (sizes.length - 1))] ?? 1);
    const rows = records[0].layer_gradient_norms.length;
    const [left, top, bottom] = [LABELS, 8, height - 58];
    const [tall, wide] = [(bottom - top) / rows, (width - left - 8) / records.length];
    const share = (value) => (high > low ? Math.log(value / low) / Math.log(high / low) : 1);
    const shade = ramp();
    records.forEach((record, k) => {
      record.layer_gradient_norms.forEach((value, row) => {
        pen.fillStyle = value > 0 ? shade(share(value)) : colour("rule");
        pen.fillRect(left + k * wide, top + row * tall, Math.ceil(wide + 0.3), tall - Math.min(2, tall * 0.15));
      });
    });
    this.#labels(pen, { left, top, bottom, tall, width, rows, layers });
    this.#legend(pen, shade, { left, width, y: height - 18, low, high });
    if (cursor < records.length - 1) {
      pen.fillStyle = colour("ink");
      pen.fillRect(left + (cursor + 0.5) * wide - 0.7, top - 4, 1.4, bottom - top + 6);
    }
    this.canvas.setAttribute("aria-label", `Gradient norm by layer over ${records.length} recorded steps, from ${format(low)} to ${format(high)}.`);
  }

  #labels(pen, { left, top, bottom, tall, width, rows, layers }) {
    pen.font = `12px ${colour("sans")}`;
    pen.fillStyle = colour("muted");
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    const every = Math.ceil(14 / tall);
    for (let row = 0; row < rows; row += every) pen.fillText(layers[row] ? shortName(layers[row]) : row + 1, left - 8, top + (row + 0.5) * tall);
    const { records } = this.content;
    pen.textBaseline = "top";
    pen.textAlign = "left";
    pen.fillText(`step ${records[0].step}`, left, bottom + 6);
    pen.textAlign = "right";
    pen.fillText(records.at(-1).step, width - 8, bottom + 6);
  }

  #legend(pen, shade, { left, width, y, low, high }) {
    pen.textBaseline = "middle";
    pen.fillStyle = colour("muted");
    pen.textAlign = "left";
    pen.fillText(format(low, 2), left, y + 4);
    pen.textAlign = "right";
    pen.fillText(format(high, 2), width - 8, y + 4);
    const [from, to] = [left + 58, width - 8 - 52];
    for (let k = 0; k < 40; k++) {
      pen.fillStyle = shade(k / 39);
      pen.fillRect(from + ((to - from) * k) / 40, y, (to - from) / 40 + 0.5, 8);
    }
  }
}

/** From the sheet's colour to the accent, then towards the ink. */
function ramp() {
  const [a, b, c] = [rgb("wash-accent"), rgb("accent"), dark() ? [1, 1, 1] : rgb("ink")];
  return (t) => {
    const s = Math.min(Math.max(t, 0), 1);
    const [from, to, u] = s < 0.75 ? [a, b, s / 0.75] : [b, c, (s - 0.75) * 2.4];
    return `rgb(${from.map((part, k) => Math.round(255 * (part + u * (to[k] - part)))).join(" ")})`;
  };
}
