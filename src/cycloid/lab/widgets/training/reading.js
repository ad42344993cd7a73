// One recorded step in plain sentences: loss, gradient, update, metric.

import { format } from "/shell/dom.js";

const finite = (value) => typeof value === "number" && Number.isFinite(value);
const percent = (share) => `${share < 0.01 ? format(100 * share, 1) : Math.round(100 * share)}\u00a0%`;

/** "layer 1 weight" as W₁, "layer 2 bias" as b₂, "weight" as w. */
export function shortName(layer) {
  const [, index, kind] = /^(?:layer (\d+) )?(weight|bias)$/.exec(layer) ?? [];
  if (!kind) return layer.length > 10 ? `${layer.slice(0, 9)}…` : layer;
  const letter = kind === "bias" ? "b" : index ? "W" : "w";
  return letter + (index ?? "").replace(/\d/g, (digit) => "₀₁₂₃₄₅₆₇₈₉"[digit]);
}

export function readLoss(records, k) {
  const [first, now] = [records[0], records[k]];
  const kept = finite(now.validation_loss);
  const sentence = `After step ${now.step} the loss is ${format(now.train_loss)} on the rows it learns from${kept ? ` and ${format(now.validation_loss)} on rows kept apart` : ""}; after step ${first.step} it was ${format(first.train_loss)}${kept ? ` and ${format(first.validation_loss)}` : ""}.`;
  return kept ? `${sentence} ${overfitting(records, k)}`.trim() : sentence;
}

function overfitting(records, k) {
  let best = 0;
  for (let j = 1; j <= k; j++) if (records[j].validation_loss < records[best].validation_loss) best = j;
  const [low, now] = [records[best].validation_loss, records[k].validation_loss];
  if (now < 1.05 * low || k - best < 5) return "";
  return `On the rows kept apart it was lowest at step ${records[best].step} and has risen since: the model begins to learn its rows by heart.`;
}

export function readGradient(records, k, layers) {
  const [first, now] = [records[0], records[k]];
  const norms = now.layer_gradient_norms;
  const most = norms.indexOf(Math.max(...norms));
  const share = now.gradient_norm > 0 ? (norms[most] / now.gradient_norm) ** 2 : NaN;
  const change = now.gradient_norm / first.gradient_norm;
  const compared = !finite(change) || k === 0 ? "" : change > 1.15 ? `, ${format(change, 2)} times what it was` : change < 0.87 ? `, ${percent(change)} of what it was` : ", as at the start";
  const where = finite(share) && layers.length > 1 ? ` The ${layers[most]} holds ${percent(share)} of it (squared).` : "";
  return `The gradient of the loss with respect to the weights has length ${format(now.gradient_norm)}${compared}.${where}`;
}

export function readUpdate(records, k) {
  const { predicted_change: promised, actual_change: kept, ratio, cosine } = records[k];
  const turn = finite(cosine) ? (Math.acos(Math.min(Math.max(cosine, -1), 1)) * 180) / Math.PI : NaN;
  const direction = !finite(turn) ? "" : turn < 3 ? " The step went straight downhill." : ` The step points ${Math.round(turn)}° away from straight downhill.`;
  return `The gradient promised a change of ${format(promised)} on this batch; the update brought ${format(kept)}. ${judge(ratio)}${direction}`;
}

function judge(ratio) {
  if (!finite(ratio)) return "";
  if (ratio < 0) return "The loss went the other way: the step is too long for this curvature.";
  if (ratio < 0.5) return "Curvature ate more than half of the promise.";
  if (ratio <= 1.5) return "The promise held.";
  return "More than promised: the loss bends downwards along the step.";
}

export function readMetric(records, k, metric, final) {
  const [first, now] = [records[0], records[k]];
  if (!finite(now.metric)) return "No metric was recorded.";
  const before = finite(first.metric_before) ? ` Before training it was ${format(first.metric_before)}.` : "";
  const range = final && finite(final.low) ? ` (${format(final.low)} to ${format(final.high)}, the band)` : "";
  const end = final ? ` On the ${final.rows} ${final.part} rows it ends at ${format(final.value)}${range}.` : "";
  return `On rows kept apart, ${metric} is ${format(now.metric)} after step ${now.step}.${before}${end}`;
}
