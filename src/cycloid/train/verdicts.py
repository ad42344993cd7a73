"""The verdict on a run: did the metric improve on unseen rows, beyond what chance explains?"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import PRNGKeyArray

from cycloid.learn.runs import Verdict
from cycloid.train.metrics import Measure, percentiles, replicate, sums


def judge(
    measure: Measure,
    trained: Any,
    untrained: Any,
    baseline: Any,
    y: Any,
    *,
    key: PRNGKeyArray,
    part: str,
    baseline_name: str,
    remarks: tuple[str, ...] = (),
    level: float = 0.95,
) -> Verdict:
    """Compare a trained model with its own start and with a trivial rival, on the same rows and the same draws.

    The differences have paired bootstrap intervals: rows drawn together keep what the models have in common, so a
    small but steady improvement is seen although each metric alone is uncertain.

    Args:
        measure: the metric judged by.
        trained: outputs of the trained model.
        untrained: outputs of the model before training.
        baseline: outputs of the rival.
        y: the targets.
        key: for the draws.
        part: of the data, "test", "validation" or "train"; on training rows nothing can be concluded.
        baseline_name: the rival in words.
        remarks: further sentences for the reader.
        level: of the intervals.

    Returns:
        "yes" when both intervals lie above zero, "no" when one lies at or below it, else "unclear".
    """
    tables = [sums(measure, output, y) for output in (trained, untrained, baseline)]
    values = [float(measure.finish(table.sum(0))) for table in tables]
    drawn = [measure.finish(draws) for draws in replicate(key, tables)]
    sign = 1.0 if measure.better == "higher" else -1.0
    gain, lead = (sign * (values[0] - other) for other in values[1:])
    gain_ends, lead_ends = (percentiles(sign * (drawn[0] - other), level) for other in drawn[1:])
    improved = _decide(gain_ends, lead_ends, part)
    shown = [_shown(value) for value in values]
    ends = f"{level:.0%} interval {lead_ends[0]:+.3g} to {lead_ends[1]:+.3g}"
    numbers = (
        f"{measure.title} on {len(y)} {part} rows is {shown[0]} against {shown[1]} before training and "
        f"{shown[2]} for {baseline_name}"
    )
    sentence = {
        "yes": f"Yes: {numbers}; the lead of {lead:+.3g} is beyond noise ({ends}).",
        "no": f"No: {numbers}; the lead is {lead:+.3g} ({ends}).",
        "unclear": f"Unclear: {numbers}; chance alone may explain the lead of {lead:+.3g} ({ends}).",
    }[improved]
    if part == "train":
        sentence = (
            f"Unclear: no rows were kept apart, so nothing is known about unseen data; {measure.title} on the "
            f"{len(y)} training rows went from {shown[1]} to {shown[0]}."
        )
    return Verdict(
        improved, sentence, measure.name, gain, *gain_ends, baseline_name, values[2], lead, *lead_ends, level, remarks
    )


def _shown(value: float) -> str:
    """Three decimals, or four digits of a large number; no minus before zero."""
    text = f"{value:.3f}" if abs(value) < 10 else f"{value:.4g}"
    return "0.000" if text == "-0.000" else text


def _decide(gain: tuple[float, float], lead: tuple[float, float], part: str) -> str:
    if part == "train" or not np.all(np.isfinite([*gain, *lead])):
        return "unclear"
    if gain[0] > 0 and lead[0] > 0:
        return "yes"
    return "no" if gain[1] <= 0 or lead[1] <= 0 else "unclear"


def remarks_on(history: dict[str, np.ndarray], *, best_step: int, kept_best: bool) -> tuple[str, ...]:
    """What the curves say beside the metric: overfitting, and a better step that was passed."""
    losses = history.get("validation_loss")
    if losses is None or len(losses) < 3 or not np.isfinite(losses[-1]):
        return ()
    steps, last, best = history["step"], float(losses[-1]), float(np.nanmin(losses))
    found = []
    if kept_best and best_step < steps[-1]:
        found.append(f"The model of step {best_step} is returned, where the validation loss was lowest ({best:.4g}).")
    elif last > 1.02 * best and best_step < steps[-1]:
        found.append(
            f"The validation loss was lowest at step {best_step} ({best:.4g}) and has risen to {last:.4g} since: the "
            f"model has begun to overfit. Early stopping (patience) would keep that model."
        )
    return tuple(found)
