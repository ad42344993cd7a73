// Why a race ends as it does: what the curvatures of a bowl allow each linear rule, worked out, not run.

/** Rules that are linear in the slope, so that a bowl can be solved in one's head; `most` is η·λ at the edge of calm. */
const LINEAR = {
  GradientDescent: {
    most: () => 2,
    matrix: (eta, beta, lambda) => [[1 - eta * lambda, 0], [0, 0]],
    kick: (eta) => [-eta, 0],
  },
  Momentum: {
    most: (beta) => 2 * (1 + beta),
    matrix: (eta, beta, lambda) => [[1 - eta * lambda, -beta], [eta * lambda, beta]],
    kick: (eta) => [-eta, eta],
  },
  Nesterov: {
    most: (beta) => (2 * (1 + beta)) / (1 + 2 * beta),
    matrix: (eta, beta, lambda) => [[1 - eta * (1 + beta) * lambda, -eta * beta * beta], [lambda, beta]],
    kick: (eta, beta) => [-eta * (1 + beta), 1],
  },
};
const DOUBLINGS = 40; // 2⁴⁰ steps: nothing of the start is left

/** The names that can be worked out. */
export const linear = Object.keys(LINEAR);

/** The largest learning rate at which a rule is still calm in a bowl of curvature `steepest`. */
export const edge = (name, memory, steepest) => LINEAR[name].most(memory) / steepest;

/** The factor by which the distance to the bottom shrinks a step in the long run; 1 or more: it does not. */
export function factor(name, rate, memory, curvatures) {
  return Math.max(...curvatures.map((lambda) => largestRoot(LINEAR[name].matrix(rate, memory, lambda))));
}

/** The mean height at which noise of this size keeps a rule jittering; infinite where it is not calm. */
export function floor(name, rate, memory, noise, curvatures) {
  if (factor(name, rate, memory, curvatures) >= 1) return Infinity;
  return curvatures.reduce((sum, lambda) => sum + (lambda / 2) * noise * noise * spread(name, rate, memory, lambda), 0);
}

/** The lowest factors that any learning rate, and any memory, can reach at a condition number. */
export const bestPlain = (kappa) => (kappa - 1) / (kappa + 1);
export const bestWithMemory = (kappa) => (Math.sqrt(kappa) - 1) / (Math.sqrt(kappa) + 1);

/** Variance of the place once the start is forgotten: Σ ← A Σ Aᵀ + q qᵀ, carried on by doubling. */
function spread(name, rate, memory, lambda) {
  let A = LINEAR[name].matrix(rate, memory, lambda);
  const q = LINEAR[name].kick(rate, memory);
  let S = q.map((left) => q.map((right) => left * right));
  for (let k = 0; k < DOUBLINGS; k++) {
    const more = times(times(A, S), [[A[0][0], A[1][0]], [A[0][1], A[1][1]]]);
    S = S.map((row, i) => row.map((part, j) => part + more[i][j]));
    A = times(A, A);
  }
  return S[0][0];
}

const times = (A, B) => A.map((row) => [0, 1].map((j) => row[0] * B[0][j] + row[1] * B[1][j]));

/** Modulus of the largest eigenvalue of a 2 × 2 matrix. */
function largestRoot([[a, b], [c, d]]) {
  const [half, product] = [(a + d) / 2, a * d - b * c];
  const under = half * half - product;
  return under >= 0 ? Math.abs(half) + Math.sqrt(under) : Math.sqrt(product);
}
