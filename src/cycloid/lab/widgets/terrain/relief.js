// Draws a landscape with WebGL: tints by height, light from the north-west, cast shadows, contour lines, cut sides.

import { dark, rgb } from "/shell/colours.js";
import { BASE, RISE } from "/widgets/terrain/camera.js";

const VERTEX = `#version 300 es
in vec3 place; in vec3 normal; in vec4 light;
uniform mat4 camera;
out float height; out vec3 facing; out vec4 shade;
void main() {
  height = place.z; facing = normal; shade = light;
  gl_Position = camera * vec4(place.xy, light.w > 0.5 ? place.z : place.z * ${RISE.toFixed(3)}, 1.0);
}`;

// shade: x = share of direct light, y = openness to the sky, z = whether the function is defined, w = 1 on the cut sides.
const FRAGMENT = `#version 300 es
precision highp float;
in float height; in vec3 facing; in vec4 shade;
uniform vec3 ramp[5]; uniform vec3 line; uniform vec3 side; uniform float levels; uniform float contrast; uniform float sheen; uniform float weight;
out vec4 colour;
void main() {
  if (shade.z < 0.999) discard;
  if (shade.w > 0.5) {
    colour = vec4(side * (0.9 + 0.1 * shade.x), 1.0);
    return;
  }
  float at = clamp(height, 0.0, 1.0) * 4.0;
  vec3 ground = ramp[0];
  for (int k = 1; k < 5; k++) ground = mix(ground, ramp[k], smoothstep(0.0, 1.0, clamp(at - float(k - 1), 0.0, 1.0)));
  float lit = max(dot(normalize(facing), normalize(vec3(-0.58, 0.58, 0.78))), 0.0);
  float flatLight = 0.78 / length(vec3(0.58, 0.58, 0.78));
  float value = 1.0 + contrast * ((lit - flatLight) * (0.5 + 0.5 * shade.x) * 0.85 - 0.16 * (1.0 - shade.x) + 0.4 * shade.y);
  ground = value < 1.0 ? mix(line, ground, clamp(value, 0.4, 1.0)) : mix(ground, vec3(1.0), clamp((value - 1.0) * sheen, 0.0, 0.5));
  float level = height * levels + 0.5; // half a step off, so that the highest and lowest dot get no ring
  float width = fwidth(level);
  float from = abs(fract(level - 0.5) - 0.5) / max(width, 1e-5);
  float thick = mod(floor(level + 0.5), 5.0) < 0.5 ? 1.25 * weight : 0.75 * weight;
  float ink = (1.0 - smoothstep(thick - 0.5, thick + 0.6, from)) * (thick > 0.8 * weight ? 0.42 : 0.24);
  ink *= smoothstep(0.0, 0.004, width) * (1.0 - smoothstep(0.5, 0.9, width));
  colour = vec4(mix(ground, line, ink), 1.0);
}`;

const STRIDE = 10;

export class Relief {
  /** Throws when the browser has no WebGL 2. */
  constructor(canvas) {
    this.canvas = canvas;
    this.gl = canvas.getContext("webgl2", { antialias: true, alpha: true });
    if (!this.gl) throw new Error("no WebGL 2");
    this.#build();
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => {
      this.#build();
      if (this.heights) this.setHeights(this.heights);
      this.onRestore?.();
    });
  }

  #build() {
    const gl = this.gl;
    this.program = link(gl, VERTEX, FRAGMENT);
    this.array = gl.createVertexArray();
    this.vertices = gl.createBuffer();
    this.indices = gl.createBuffer();
    gl.bindVertexArray(this.array);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.vertices);
    for (const [name, size, offset] of [["place", 3, 0], ["normal", 3, 3], ["light", 4, 6]]) {
      const at = gl.getAttribLocation(this.program, name);
      gl.enableVertexAttribArray(at);
      gl.vertexAttribPointer(at, size, gl.FLOAT, false, 4 * STRIDE, 4 * offset);
    }
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, this.indices);
    gl.enable(gl.DEPTH_TEST);
    this.uniform = (name) => gl.getUniformLocation(this.program, name);
  }

  setHeights(heights) {
    const gl = this.gl;
    this.heights = heights;
    const { vertices, indices } = mesh(heights);
    gl.bindVertexArray(this.array);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.vertices);
    gl.bufferData(gl.ARRAY_BUFFER, vertices, gl.DYNAMIC_DRAW);
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, indices, gl.DYNAMIC_DRAW);
    this.count = indices.length;
  }

  paint(camera, { levels = 25, contrast = 1, density = 1 } = {}) {
    const gl = this.gl;
    gl.viewport(0, 0, this.canvas.width, this.canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    if (!this.count) return;
    gl.useProgram(this.program);
    gl.bindVertexArray(this.array);
    gl.uniformMatrix4fv(this.uniform("camera"), false, camera.matrix());
    gl.uniform3fv(this.uniform("ramp"), [0, 1, 2, 3, 4].flatMap((k) => rgb(`ground-${k}`)));
    gl.uniform3fv(this.uniform("line"), rgb("ground-line"));
    gl.uniform3fv(this.uniform("side"), rgb("ground-side"));
    gl.uniform1f(this.uniform("levels"), levels);
    gl.uniform1f(this.uniform("contrast"), contrast);
    gl.uniform1f(this.uniform("sheen"), dark() ? 0.25 : 0.9);
    gl.uniform1f(this.uniform("weight"), density);
    gl.drawElements(gl.TRIANGLES, this.count, gl.UNSIGNED_INT, 0);
  }
}

function link(gl, ...sources) {
  const program = gl.createProgram();
  for (const [type, source] of [[gl.VERTEX_SHADER, sources[0]], [gl.FRAGMENT_SHADER, sources[1]]]) {
    const shader = gl.createShader(type);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS) && !gl.isContextLost()) throw new Error(gl.getShaderInfoLog(shader));
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  return program;
}

/** Vertices (place, normal, light) and triangles of the surface and of the four cut sides. */
export function mesh(heights) {
  const { n, lifted } = heights;
  const light = sunlight(lifted, n);
  const open = openness(lifted, n);
  const vertices = [];
  const cell = 2 / (n - 1);
  const height = (i, j) => lifted[Math.min(Math.max(j, 0), n - 1) * n + Math.min(Math.max(i, 0), n - 1)];
  for (let j = 0; j < n; j++) {
    for (let i = 0; i < n; i++) {
      const k = j * n + i;
      const slope = (a, b, span) => ((b - a) * RISE) / span || 0;
      const du = slope(height(i - 1, j), height(i + 1, j), cell * (i > 0 && i < n - 1 ? 2 : 1));
      const dv = slope(height(i, j - 1), height(i, j + 1), cell * (j > 0 && j < n - 1 ? 2 : 1));
      const size = Math.hypot(du, dv, 1);
      const defined = Number.isNaN(lifted[k]) ? 0 : 1;
      vertices.push(i * cell - 1, j * cell - 1, defined ? lifted[k] : 0, -du / size, -dv / size, 1 / size, light[k], open[k], defined, 0);
    }
  }
  const indices = [];
  for (let j = 0; j < n - 1; j++) {
    for (let i = 0; i < n - 1; i++) {
      const k = j * n + i;
      indices.push(k, k + 1, k + n, k + 1, k + n + 1, k + n);
    }
  }
  addSides(heights, vertices, indices, cell);
  return { vertices: Float32Array.from(vertices), indices: Uint32Array.from(indices) };
}

function addSides({ n, lifted }, vertices, indices, cell) {
  const edges = [
    [(k) => [k, 0], 0.35],
    [(k) => [n - 1, k], 0.0],
    [(k) => [k, n - 1], 0.6],
    [(k) => [0, k], 1.0],
  ];
  for (const [walk, brightness] of edges) {
    const first = vertices.length / STRIDE;
    for (let k = 0; k < n; k++) {
      const [i, j] = walk(k);
      const top = lifted[j * n + i];
      const defined = Number.isNaN(top) ? 0 : 1;
      for (const w of [defined ? top * RISE : BASE, BASE]) {
        vertices.push(i * cell - 1, j * cell - 1, w, 0, 0, 1, brightness, 0, defined, 1);
      }
      if (k > 0) {
        const at = first + 2 * (k - 1);
        indices.push(at, at + 1, at + 2, at + 1, at + 3, at + 2);
      }
    }
  }
}

/** Share of direct light: walk towards the sun along the diagonal and see whether the ground rises above the ray. */
function sunlight(lifted, n) {
  const share = new Float32Array(n * n).fill(1);
  const climb = ((2 * Math.SQRT2) / (n - 1)) * 0.62;
  for (let j = 0; j < n; j++) {
    for (let i = 0; i < n; i++) {
      let excess = -1;
      const here = lifted[j * n + i] * RISE;
      for (let s = 2; s < 70 && i - s >= 0 && j + s < n; s++) {
        const over = lifted[(j + s) * n + i - s] * RISE - here - s * climb;
        if (over > excess) excess = over;
      }
      share[j * n + i] = 1 - Math.min(Math.max((excess + 0.02) / 0.07, 0), 1);
    }
  }
  return share;
}

/** Height above the neighbourhood's mean: ridges catch light, hollows lose it. */
function openness(lifted, n) {
  const filled = Float32Array.from(lifted, (value) => (Number.isNaN(value) ? 0 : value));
  const reach = Math.max(2, Math.round(n / 16));
  const blurred = blur(blur(filled, n, reach, 1, n), n, reach, n, 1);
  return filled.map((value, k) => Math.min(Math.max((value - blurred[k]) * 2.2, -0.45), 0.3));
}

/** Running mean along one direction of the grid. */
function blur(values, n, reach, along, across) {
  const out = new Float32Array(n * n);
  const sums = new Float64Array(n + 1);
  for (let line = 0; line < n; line++) {
    for (let k = 0; k < n; k++) sums[k + 1] = sums[k] + values[line * across + k * along];
    for (let k = 0; k < n; k++) {
      const [from, to] = [Math.max(0, k - reach), Math.min(n, k + reach + 1)];
      out[line * across + k * along] = (sums[to] - sums[from]) / (to - from);
    }
  }
  return out;
}
