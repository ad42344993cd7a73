// The valleys on offer: height, slope, where the race begins and where it ends. A race ends below a goal height.

const STEEP = 7 + Math.sqrt(46.25); // largest curvature of the tutorial's regression; its smallest is 7 − √46.25
const AXIS = unit([6.5, STEEP - 5]); // across its valley
export const REGRESSION = STEEP / (14 - STEEP); // its condition number, 69.25
const RING = 0.3; // half the length of the finish along a bowl's floor

/**
 * A bowl with the curvature STEEP across and STEEP/κ along its floor, lowest at (0, 1); at κ = REGRESSION it is the
 * mean squared error of the tutorial's four points over the two weights.
 */
export function bowl(kappa) {
  const shallow = STEEP / kappa;
  const [c, s] = AXIS;
  const [a, b, d] = [STEEP * c * c + shallow * s * s, (STEEP - shallow) * c * s, STEEP * s * s + shallow * c * c];
  return {
    value: ([x, y]) => (a * x * x + 2 * b * x * (y - 1) + d * (y - 1) * (y - 1)) / 2,
    gradient: ([x, y]) => [a * x + b * (y - 1), b * x + d * (y - 1)],
    curvatures: [STEEP, shallow],
    lowest: 0,
    goal: (shallow * RING * RING) / 2,
    finishes: [[0, 1]],
  };
}

const BENT = {
  value: ([x, y]) => (1 - x) ** 2 + 100 * (y - x * x) ** 2,
  gradient: ([x, y]) => [-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)],
  curvatures: [501 + Math.sqrt(250601), 501 - Math.sqrt(250601)], // at the bottom
  lowest: 0,
  goal: 0.05,
  finishes: [[1, 1]],
};

const SADDLE = {
  value: ([x, y]) => x * x - y * y + 0.1 * y ** 4,
  gradient: ([x, y]) => [2 * x, -2 * y + 0.4 * y ** 3],
  curvatures: [4, 2], // at the two bottoms
  lowest: -2.5,
  goal: -2.4,
  finishes: [[0, Math.sqrt(5)], [0, -Math.sqrt(5)]],
};

/** From a place across and along the floor of a bowl to the two weights. */
const seen = (across, along) => [AXIS[0] * across - AXIS[1] * along, 1 + AXIS[1] * across + AXIS[0] * along];
const BOWL = { shape: "bowl", centre: [0, 1], half: 2, start: seen(0.75, -1.5), rate: 0.03, memory: 0.9, noise: 0, steps: 400 };

/** What a preset sets: the valley's shape, the window (centre, half), the start, and where the sliders stand. */
export const PRESETS = [
  { ...BOWL, id: "long", name: "A long valley", kappa: REGRESSION, note: "The loss of the four-point regression: steep across, and 69.3 times flatter along its floor." },
  { ...BOWL, id: "round", name: "A round bowl", kappa: 1, rate: 0.01, note: "Equally steep whichever way one looks: every slope points straight at the bottom." },
  { ...BOWL, id: "noisy", name: "A long valley in fog", kappa: 20, noise: 1.5, note: "Every look at the slope errs, as a mini-batch errs; within a race all runners see the same errors." },
  { id: "rosenbrock", name: "Rosenbrock’s bend", shape: "bent", kappa: null, centre: [0, 1], half: 2, start: [-1.2, 1], rate: 0.001, memory: 0.9, noise: 0, steps: 1000, note: "A bent valley with a nearly flat floor: soon entered, slowly followed." },
  { id: "saddle", name: "A saddle", shape: "saddle", kappa: null, centre: [0, 0], half: 3, start: [2, 0.02], rate: 0.03, memory: 0.9, noise: 0, steps: 400, note: "The start lies almost on the ridge between two hollows; the ground is flat in the middle. Both hollows count." },
];

export const findPreset = (id) => PRESETS.find((one) => one.id === id);

/** The ground of a shape. */
export function valley(shape, kappa) {
  return { bowl: () => bowl(kappa), bent: () => BENT, saddle: () => SADDLE }[shape]();
}

function unit(vector) {
  const size = Math.hypot(...vector);
  return vector.map((part) => part / size);
}
