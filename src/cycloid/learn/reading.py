"""A recorded step in words: four questions, each answered by its numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cycloid.learn.runs import Link

QUESTIONS = (
    "Where does the loss come from?",
    "With respect to what is the gradient?",
    "What did the update do?",
    "Did the metric improve?",
)


def links(row: dict[str, Any], layers: Sequence[str], groups: Sequence[str], formula: str, metric: str) -> list[Link]:
    """The lines of one step's chain, in the order of `QUESTIONS`."""
    return [*_loss(row, groups, formula), *_gradient(row, layers), *_update(row, layers), *_metric(row, metric)]


def _loss(row: dict[str, Any], groups: Sequence[str], formula: str) -> list[Link]:
    lines = [Link(QUESTIONS[0], "loss on the batch", float(row["loss"]), formula)]
    for name, share in zip(groups, row.get("group_shares", ()), strict=False):
        lines.append(Link(QUESTIONS[0], f"share of {name}", float(share), f"{_percent(share)} of the batch's loss"))
    lines.append(Link(QUESTIONS[0], "training loss", float(row["train_loss"]), "after the step, on training rows"))
    if "validation_loss" in row:
        value = float(row["validation_loss"])
        lines.append(Link(QUESTIONS[0], "validation loss", value, "after the step, on rows kept apart"))
    return lines


def _gradient(row: dict[str, Any], layers: Sequence[str]) -> list[Link]:
    norms = np.asarray(row["layer_gradient_norms"], float)
    total = float(row["gradient_norm"])
    lines = [Link(QUESTIONS[1], "gradient norm", total, f"over {len(layers)} parameter arrays")]
    for name, norm in zip(layers, norms, strict=True):
        part = (norm / total) ** 2 if total > 0 and math.isfinite(total) else math.nan
        lines.append(Link(QUESTIONS[1], name, float(norm), f"{_percent(part)} of the squared norm"))
    return lines


def _update(row: dict[str, Any], layers: Sequence[str]) -> list[Link]:
    lines = [
        Link(QUESTIONS[2], "predicted change", float(row["predicted_change"]), "∇L·Δw, what the gradient promised"),
        Link(QUESTIONS[2], "actual change", float(row["actual_change"]), "L(w + Δw) − L(w) on the same batch"),
        Link(QUESTIONS[2], "actual / predicted", float(row["ratio"]), _judge_ratio(float(row["ratio"]))),
        Link(QUESTIONS[2], "cosine", float(row["cosine"]), "of the update with −∇L; 1 is straight downhill"),
    ]
    for name, ratio in zip(layers, np.asarray(row["update_ratios"], float), strict=True):
        lines.append(Link(QUESTIONS[2], f"update / weight of {name}", float(ratio), _judge_update(float(ratio))))
    return lines


def _metric(row: dict[str, Any], name: str) -> list[Link]:
    if "metric" not in row:
        return []
    before, after = float(row["metric_before"]), float(row["metric"])
    return [
        Link(QUESTIONS[3], f"{name} before", before, "before this step"),
        Link(QUESTIONS[3], f"{name} after", after, f"changed by {after - before:+.3g} in this step"),
    ]


def _judge_ratio(ratio: float) -> str:
    if not math.isfinite(ratio):
        return "no change was predicted"
    if ratio < 0:
        return "the loss rose although a fall was predicted: the step is too long for this curvature"
    if ratio < 0.5:
        return "less than half of what was promised: curvature eats the step"
    if ratio <= 1.5:
        return "about what was promised: the loss is nearly linear over the step"
    return "more than promised: the loss bends downwards along the step"


def _judge_update(ratio: float) -> str:
    if not math.isfinite(ratio):
        return "the weights were zero"
    if ratio > 0.1:
        return "large: a tenth of the weights or more in one step"
    if ratio < 1e-6:
        return "almost still"
    return "moderate"


def _percent(share: Any) -> str:
    return f"{float(share):.0%}" if math.isfinite(float(share)) else "an unknown part"
