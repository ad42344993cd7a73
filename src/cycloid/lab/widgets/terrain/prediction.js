// What the learner said, what is true, and one sentence about the difference.

/** Angle between two plane vectors, in degrees from 0 to 180. */
export function apart(a, b) {
  return (Math.abs(Math.atan2(a[0] * b[1] - a[1] * b[0], a[0] * b[0] + a[1] * b[1])) * 180) / Math.PI;
}

/** Feedback on a direction in the plane. */
export function judgeDirection(guess, truth, climb) {
  const degrees = apart(guess, truth);
  const share = Math.cos((degrees * Math.PI) / 180);
  const [way, wrong] = climb ? ["climb", "down"] : ["descent", "up"];
  const rate = `${Math.round(100 * share)} % as steep as the steepest ${way}`;
  const off = `${Math.round(degrees)}° off.`;
  if (degrees < 4) return { degrees, text: `${off} You can read the ground.` };
  if (degrees < 20) return { degrees, text: `${off} Close: your way is ${rate}.` };
  if (degrees < 70) return { degrees, text: `${off} Your way is ${rate}. The steepest way crosses the contour lines at right angles.` };
  if (degrees < 88) return { degrees, text: `${off} You would almost follow a contour line: ${rate}.` };
  if (degrees <= 92) return { degrees, text: `${off} That way the height does not change at all: you would walk along a contour line.` };
  return { degrees, text: `${off} That way leads ${wrong}. The steepest way crosses the contour lines at right angles.` };
}

/** Feedback on the slope of a tangent; `degrees` compares the two lines as they are drawn. */
export function judgeSlope(guess, truth, shownRatio, format) {
  const degrees = Math.abs((Math.atan(guess * shownRatio) - Math.atan(truth * shownRatio)) * 180) / Math.PI;
  const said = `You said ${format(guess)}; the slope is ${format(truth, 4)}.`;
  if (guess * truth < 0) return { degrees, text: `${said} Your line tilts the wrong way.` };
  const miss = Math.abs(guess - truth);
  if (miss < 0.04 * Math.max(1, Math.abs(truth))) return { degrees, text: `${said} That is the tangent.` };
  return { degrees, text: `${said} The tangent touches the curve and points where it points.` };
}

const COMPASS = ["north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west"];

/** Bearing of a plane vector: degrees clockwise from north, 0 to 359. */
export const bearing = (vector) => (Math.round((Math.atan2(vector[0], vector[1]) * 180) / Math.PI) + 360) % 360;

/** A direction in words, for those who hear the page. */
export const compass = (vector) => `${COMPASS[Math.round(bearing(vector) / 45) % 8]}, ${bearing(vector)} degrees`;

/** What kind of place the ball lies on when the slope is gone. */
export function describeFlat(curvatures, climb) {
  const tiny = 1e-6 * Math.max(1, ...curvatures.map(Math.abs));
  const signs = curvatures.map((value) => (value > tiny ? 1 : value < -tiny ? -1 : 0));
  if (signs.every((sign) => sign > 0)) {
    return climb ? "The ground is flat here and falls away on every side: a summit." : "The ground is flat here and rises on every side: the bottom of a valley.";
  }
  if (signs.includes(1) && signs.includes(-1)) return "The ground is flat here, but rises one way and falls the other: a saddle.";
  if (signs.every((sign) => sign < 0)) {
    return climb ? "The ground is flat here and rises on every side: the worst place to be." : "The ground is flat here and falls away on every side: a summit. The slightest push decides.";
  }
  return "The ground is flat here.";
}
