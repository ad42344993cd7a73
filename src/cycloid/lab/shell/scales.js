// Axes: from numbers to places on the page and back, with round numbers to label.

/** Round numbers inside an interval, about `count` of them. */
export function ticks(low, high, count = 6) {
  const rough = (high - low) / Math.max(count, 1);
  if (!(rough > 0) || !Number.isFinite(rough)) return [];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough * 0.999);
  const all = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) all.push(Number((k * step).toPrecision(12)));
  return all;
}

/** Powers of ten inside an interval, thinned to about `count`; 2 and 5 join when there are few. */
function powers(low, high, count) {
  const [from, to] = [Math.ceil(Math.log10(low) - 1e-9), Math.floor(Math.log10(high) + 1e-9)];
  if (to - from < 2) {
    const fine = [];
    for (let k = from - 1; k <= to; k++) for (const factor of [1, 2, 5]) fine.push(factor * 10 ** k);
    const inside = fine.filter((value) => value >= low * 0.999 && value <= high * 1.001);
    return inside.length > 1 ? inside : ticks(low, high, count);
  }
  const stride = Math.max(1, Math.ceil((to - from + 1) / Math.max(count, 2)));
  return Array.from({ length: Math.floor((to - from) / stride) + 1 }, (_, k) => 10 ** (from + k * stride));
}

/**
 * An axis over all numbers of several lists, drawn from page position `start` to `end`.
 * options: {log, range: [low, high], zero, lift, unlift, labels}; lift and unlift are a scale of one's own on 0 to 1, with its labels.
 */
export function axis({ log = false, range, lift, unlift, labels, zero = false } = {}, lists, start, end, count) {
  let [low, high] = range ?? extent(lists, log);
  if (zero) [low, high] = [Math.min(low, 0), Math.max(high, 0)];
  if (!(high > low)) [low, high] = log ? [low / 2, high * 2] : [low - 0.5 * (Math.abs(low) || 1), high + 0.5 * (Math.abs(high) || 1)];
  if (!range && !log && !lift) high += 0.04 * (high - low);
  const bend = lift ?? (log ? (value) => Math.log(value / low) / Math.log(high / low) : (value) => (value - low) / (high - low));
  const straight = unlift ?? (log ? (t) => low * (high / low) ** t : (t) => low + t * (high - low));
  const round = labels ?? (log ? powers(low, high, count) : ticks(low, high, count));
  return { at: (value) => start + (end - start) * bend(value), back: (place) => straight((place - start) / (end - start)), ticks: round };
}

function extent(lists, log) {
  let [low, high] = [Infinity, -Infinity];
  for (const list of lists) {
    for (const value of list) {
      if (!Number.isFinite(value) || (log && value <= 0)) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  return low <= high ? [low, high] : log ? [1, 10] : [0, 1];
}
