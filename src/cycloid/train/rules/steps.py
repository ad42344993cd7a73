"""Rules on the length of steps: too long when they overshoot, too short when the loss would allow far longer ones."""

from __future__ import annotations

import math

import numpy as np

from cycloid.train.evidence import Evidence
from cycloid.train.findings import Finding
from cycloid.train.rules.reading import confidence, finite, median, quiet, ratios

LONG = 0.12  # ‖Δw‖/‖w‖ of a weight in one of the first steps
RISES = 0.5  # share of steps that make the loss of their own batch larger
SHORT = 30.0  # line minimum over step, while the loss hardly moves
STRAIGHT = 0.12  # cosine between successive gradients, below which they do not agree on a direction
FEW = 10  # first steps


def too_high(e: Evidence) -> list[Finding]:
    """Steps beyond the minimum along them: the loss of their own batch rises, or weights are thrown about."""
    early = ratios(e)[: early_records(e)]
    largest = finite(quiet(np.nanmax, early, 1)) if np.isfinite(early).any() else np.zeros(1)
    moved = float(np.sqrt(np.mean(largest**2)))
    rises, over = overshoots(e), overshoot(e)
    losses = finite(e.loss)
    ran_away = len(losses) > 3 and losses.max() > 5 * max(losses[0], 1e-12)
    if not (moved > LONG or (rises > RISES and over < 0.7) or (ran_away and moved > LONG / 4)):
        return []
    seen = []
    if rises > RISES:
        seen.append(f"{rises:.0%} of the recorded steps make the loss of their own batch larger")
    if moved > LONG / 4:
        seen.append(f"one of the first {FEW} steps changes a weight array by {moved:.2g} of its norm")
    if ran_away:
        seen.append(f"the loss went from {losses[0]:.3g} to {losses.max():.3g}")
    rate = float(e.learning_rate[0]) if e.has("learning_rate") and e.learning_rate is not None else math.nan
    factor = max(3.0, moved / 0.01) if moved > LONG else 3.0
    to = f", {rate:.3g} → {rate / factor:.2g}" if math.isfinite(rate) else ""
    value, threshold = (moved, LONG) if moved > LONG else (max(rises, moved), RISES if rises > RISES else LONG / 4)
    return [
        Finding(
            "learning rate too high", "error" if moved > 3 * LONG or ran_away or rises > 0.7 else "warning",
            f"Steps overshoot: {'; '.join(seen)}.", value, threshold,
            "Beyond 2 / (largest curvature) a gradient step lands higher than it started.",
            f"Divide the learning rate by {factor:.0f}{to}, or warm it up over the first hundred steps.",
            confidence(value, threshold, decades=1.0),
            reference="LeCun, Bottou, Orr, Müller, Efficient BackProp, 1998, section 5.1",
        )
    ]  # fmt: skip


def too_low(e: Evidence) -> list[Finding]:
    """The loss would fall for many times the step, gradients keep their direction, and hardly anything is learned."""
    reach = median(e.line_minimum)
    if not math.isfinite(reach):
        reach = _reach(e)
    done = progress(e)
    if not (math.isfinite(reach) and reach > SHORT and done < 0.8):
        return []
    if reach < 300 and done > 0.5:
        return []
    turns = finite(e.gradient_cosine)
    if turns.size >= 4 and median(turns[turns.size // 2 :]) < STRAIGHT:
        return []  # at a plateau gradients are noise and point anywhere: longer steps would not help
    rate = float(e.learning_rate[0]) if e.has("learning_rate") and e.learning_rate is not None else math.nan
    factor = float(10 ** round(np.clip(math.log10(reach / 10), 0.5, 3)))
    to = f", {rate:.3g} → {rate * factor:.2g}" if math.isfinite(rate) else ""
    return [
        Finding(
            "learning rate too low", "warning",
            f"The lowest loss along a step lies {reach:.3g} steps away, and the loss has fallen by {done:.0%} of its "
            f"way to zero.", reach, SHORT, "Each step uses a small part of what the gradient offers.",
            f"Multiply the learning rate by {factor:.0f}{to}, and raise it until the loss begins to shake.",
            confidence(reach, SHORT, decades=1.5),
            reference="Smith, Cyclical learning rates for training neural networks, 2017",
        )
    ]  # fmt: skip


def early_records(e: Evidence) -> int:
    """How many records lie within the first steps; at least three."""
    return FEW if e.step is None else max(3, int(np.sum(np.asarray(e.step) <= FEW)))


def overshoots(e: Evidence) -> float:
    """Share of recorded steps after which the loss of the same batch is larger, though a fall was promised."""
    if e.actual_change is None or e.predicted_change is None:
        return 0.0
    actual, predicted = np.asarray(e.actual_change, float), np.asarray(e.predicted_change, float)
    known = np.isfinite(actual) & np.isfinite(predicted) & (predicted < 0)
    return float(np.mean(actual[known] > 0)) if known.sum() >= 4 else 0.0


def overshoot(e: Evidence) -> float:
    """Median line minimum over step, where there is one."""
    found = median(e.line_minimum)
    return found if math.isfinite(found) else 1.0


def progress(e: Evidence) -> float:
    """The part of the way from the first loss to zero (or to that of a perfect fit) that the loss has fallen."""
    losses = finite(e.loss)
    if len(losses) < 3 or losses[0] <= 0:
        return 0.0
    end = float(np.median(losses[-3:]))
    return float(np.clip((losses[0] - end) / losses[0], 0.0, 1.0))


def _reach(e: Evidence) -> float:
    """Line minimum over step from the predicted and actual changes: p / (2 (p − a)) with a = p s + c s²."""
    if e.predicted_change is None or e.actual_change is None:
        return math.nan
    p, a = np.asarray(e.predicted_change, float), np.asarray(e.actual_change, float)
    bend = a - p
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.where((bend > 0) & (p < 0), -p / (2 * bend), np.nan)
    return median(found)
