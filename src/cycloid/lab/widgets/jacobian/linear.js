// Matrices of two rows and two columns: what they do to areas, lengths and directions.

export const apply = (J, [a, b]) => [J[0][0] * a + J[0][1] * b, J[1][0] * a + J[1][1] * b];
export const determinant = (J) => J[0][0] * J[1][1] - J[0][1] * J[1][0];
export const plus = (p, q) => [p[0] + q[0], p[1] + q[1]];
export const minus = (p, q) => [p[0] - q[0], p[1] - q[1]];
export const length = (p) => Math.hypot(p[0], p[1]);

/** J = U diag(σ) Vᵀ: {sigma: [largest, smallest], inputs: [v₁, v₂], outputs: [u₁, u₂]}, directions as unit vectors. */
export function stretches(J) {
  const [[a, b], [c, d]] = J;
  const angle = 0.5 * Math.atan2(2 * (a * b + c * d), a * a + c * c - b * b - d * d);
  const first = [Math.cos(angle), Math.sin(angle)];
  const inputs = [first, [-first[1], first[0]]];
  const images = inputs.map((v) => apply(J, v));
  const size = length(images[0]);
  const sigma = [size, size > 0 ? Math.abs(determinant(J)) / size : 0];
  const along = size > 0 ? images[0].map((part) => part / size) : [1, 0];
  const side = determinant(J) < 0 ? -1 : 1;
  return { sigma, inputs, outputs: [along, [-side * along[1], side * along[0]]] };
}

/** By how much the area of a square grows under F: the mean of |det J| over it, so that folded parts count twice. */
export function growth(map, centre, side, n = 16) {
  let sum = 0;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      const spot = [centre[0] + side * ((i + 0.5) / n - 0.5), centre[1] + side * ((j + 0.5) / n - 0.5)];
      sum += Math.abs(determinant(map.jacobian(spot)));
    }
  }
  return sum / (n * n);
}

/** The corners of a square of this side round a centre, counter-clockwise. */
export const corners = ([x, y], side) => [[-1, -1], [1, -1], [1, 1], [-1, 1]].map(([a, b]) => [x + (a * side) / 2, y + (b * side) / 2]);

/** Points along a line, enough of them for its image to look smooth. */
export const between = (p, q, n = 32) => Array.from({ length: n + 1 }, (_, k) => [p[0] + ((q[0] - p[0]) * k) / n, p[1] + ((q[1] - p[1]) * k) / n]);

/** The edge of a square as one closed line of many points. */
export function edge(centre, side) {
  const spots = corners(centre, side);
  return spots.flatMap((spot, k) => between(spot, spots[(k + 1) % 4]));
}

/** The lines of a grid in a square, `count` each way, its edge left out. */
export function grid(centre, side, count) {
  const [left, right, low, high] = [centre[0] - side / 2, centre[0] + side / 2, centre[1] - side / 2, centre[1] + side / 2];
  return Array.from({ length: count }, (_, k) => (k + 1) / (count + 1)).flatMap((share) => {
    const [x, y] = [left + share * side, low + share * side];
    return [between([x, low], [x, high]), between([left, y], [right, y])];
  });
}
