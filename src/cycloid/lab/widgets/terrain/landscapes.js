// The landscapes on offer. Windows are square, so that steepest descent looks as steep as it is.

/**
 * text: the formula, as a person would type it. centre, half: the window shown. start: where the ball lies.
 * labels: what the axes mean. climb: look for the highest place (the methods then run on −f). rate: the first learning rate.
 */
export const LANDSCAPES = [
  {
    id: "mountain",
    name: "A mountain",
    text: "2.6*exp(-(x+0.6)^2-(y-0.5)^2)+1.5*exp(-(x-1.3)^2-(y-1.5)^2)+1.2*exp(-(x+1.5)^2-(y+1.5)^2)-exp(-(x-1.3)^2-(y+1.1)^2)+0.1*sin(3*x)*cos(2*y)+0.04*(x^2+y^2)",
    centre: [0, 0],
    half: 2.8,
    start: [-0.25, -0.35],
    rate: 0.15,
    note: "A summit, a shoulder, two hollows. The ball only feels the ground under it.",
  },
  {
    id: "reach-depth",
    name: "Reach against depth",
    text: "R(x, y) = x*y*(3 - x - y)",
    centre: [1, 1],
    half: 1.3,
    start: [0.3, 1.6],
    rate: 0.25,
    climb: true,
    labels: ["reach", "depth"],
    note:
      "Three days to spend on reach, on depth and on what ties them. All on one gives nothing: the best is (1, 1), and the corners of the triangle are saddles, flat but neither highest nor lowest.",
  },
  {
    id: "sleep-nutrition",
    name: "Sleep and nutrition",
    text: "P(x, y) = 90 - 2*(x-8)^2 - 1.2*(y-7)^2 + 1.4*(x-8)*(y-7)",
    centre: [7.5, 6.5],
    half: 2.5,
    start: [5.8, 8.2],
    rate: 0.12,
    climb: true,
    labels: ["hours of sleep", "nutrition (0 to 10)"],
    note: "Performance out of 100. An hour of sleep moves it more than a point of nutrition: that is what the two partial derivatives say.",
  },
  {
    id: "regression",
    name: "Four-point regression",
    text: "J(x, y) = ((x+y-1)^2 + (x+2*y-2)^2 + (2*x+2*y-2)^2 + (2*x+3*y-3)^2)/4",
    centre: [0.5, 0.5],
    half: 1.6,
    start: [-0.6, -0.5],
    rate: 0.05,
    labels: ["weight w₁", "weight w₂"],
    note: "The loss of a regression on four points: every place is a pair of weights, the height is the mean squared error. The long valley is why plain descent is slow here.",
  },
  {
    id: "cubic",
    name: "A curve: x³ + 2x + 1",
    text: "x^3 + 2*x + 1",
    centre: [0, 1],
    half: 3,
    start: [2],
    rate: 0.02,
    note: "One variable: the slope at the ball is the derivative, 3x² + 2, which is 14 at x = 2. The curve has no lowest place, so every method rolls away to the left.",
  },
  {
    id: "himmelblau",
    name: "Himmelblau's four valleys",
    text: "(x^2 + y - 11)^2 + (x + y^2 - 7)^2",
    centre: [0, 0],
    half: 5,
    start: [-0.4, -1.1],
    rate: 0.01,
    note: "Four valleys of equal depth. Where a method ends depends on where it starts and on how it moves.",
  },
  {
    id: "rosenbrock",
    name: "Rosenbrock's valley",
    text: "(1 - x)^2 + 100*(y - x^2)^2",
    centre: [0, 1],
    half: 2,
    start: [-1.2, 1],
    rate: 0.001,
    note: "A curved valley with a nearly flat floor: easy to find, slow to follow. The lowest place is (1, 1).",
  },
  {
    id: "saddle",
    name: "A saddle",
    text: "x^2 - y^2 + 0.1*y^4",
    centre: [0, 0],
    half: 3,
    start: [2, 0.02],
    rate: 0.05,
    note: "The gradient vanishes at the origin, which is lowest along x and highest along y. Descent lingers, then leaves.",
  },
];

export const OWN = { id: "own", name: "Your own formula", centre: [0, 0], half: 3, start: [1.5, 1], rate: 0.05, note: "" };

export const findLandscape = (id) => LANDSCAPES.find((one) => one.id === id);
