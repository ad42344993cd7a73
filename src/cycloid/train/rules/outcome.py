"""Rules on the outcome: training against validation, the model against simple rivals, the metric against the loss."""

from __future__ import annotations

import numpy as np

from cycloid.train.evidence import Evidence
from cycloid.train.findings import Finding
from cycloid.train.rules.reading import confidence, finite
from cycloid.train.rules.steps import progress

GAP = 0.08  # train minus validation metric, beyond two standard errors
GAP_R2 = 0.12  # of R², which a few hard rows move far
RISE = 1.25  # last validation loss over its lowest
FITTED = 0.35  # training loss over that of the best constant
FALLING = 0.08  # of the training loss between the last two evaluations
BEHIND = 0.08  # a cross-fitted simple model's metric minus the model's own on training rows


def overfitting(e: Evidence) -> list[Finding]:
    """The validation loss has risen from its lowest, or training rows are fitted better than unseen ones."""
    rise, gap = 0.0, 0.0
    if e.validation_loss is not None and len(finite(e.validation_loss)) >= 3:
        losses = finite(e.validation_loss)
        last = losses[-2:].min() if len(losses) > 4 else losses[-1]
        rise = float(last / max(losses.min(), 1e-12))
        if e.train_loss is not None:
            own = finite(e.train_loss)
            rise = rise if own.size and own[-1] < 0.7 * last else 0.0
    if e.train_metric is not None and e.validation_metric is not None:
        sign = -1.0 if e.metric_better == "lower" else 1.0
        differences = sign * (np.asarray(e.train_metric, float) - np.asarray(e.validation_metric, float))
        known = differences[np.isfinite(differences)]
        ahead = float(np.median(known[-2:])) if known.size else 0.0
        gap = ahead - 2 * _standard_error(e)
        rise = (
            rise if ahead - _standard_error(e) > GAP / 2 or rise > 4 * RISE else 0.0
        )  # surer of the same answers is no harm yet
    limit = GAP_R2 if e.metric_name == "r2" else GAP
    if not (rise > RISE or gap > limit):
        return []
    seen = []
    if rise > RISE:
        seen.append(f"the validation loss is {rise:.3g} times its lowest while the training loss still falls")
    if gap > limit:
        seen.append(f"the {e.metric_name or 'metric'} on training rows is {gap:.3f} better, beyond two standard errors")
    value, threshold = (rise, RISE) if rise > RISE else (gap, limit)
    rows = f" ({e.train_rows:,} rows)" if e.train_rows else ""
    return [
        Finding(
            "overfitting", "warning", f"Unseen rows are predicted worse than the model's own{rows}: {'; '.join(seen)}.",
            value, threshold, "The model has learned what is particular to its training rows.",
            "Stop where the validation loss was lowest, add weight decay (0.01), dropout or augmentation, a smaller "
            "model, or more rows.", confidence(value, threshold, decades=0.7),
            reference="Prechelt, Early stopping, but when?, 1998",
        )
    ]  # fmt: skip


def underfitting(e: Evidence) -> list[Finding]:
    """A simple model, judged on rows it has not seen, beats this one on the rows it was trained on."""
    reached = finite(e.train_metric)
    rival = e.reference_metric if e.reference_metric is not None else e.cross_metric
    if not reached.size or rival is None or e.metric_name not in (None, "accuracy", "r2"):
        return []
    behind = rival - float(reached[-2:].max())
    if behind <= BEHIND or _still_falling(e) or _fits_by_loss(e):
        return []
    return [
        Finding(
            "underfitting", "warning",
            f"On its own training rows the model reaches {float(reached[-1]):.3f}, a simple model {rival:.3f} on rows "
            f"it has not seen.", behind, BEHIND,
            "The model is too small, too strongly regularised, or not trained for long enough.",
            "Widen or deepen it, take regularisation (dropout, weight decay) away until it can fit 100 rows, then "
            "train on.", confidence(behind, BEHIND, decades=0.8),
        )
    ]  # fmt: skip


def metric_apart(e: Evidence) -> list[Finding]:
    """The loss has fallen on training and validation rows, and the metric has not moved."""
    if e.validation_metric is None or len(finite(e.validation_metric)) < 2:
        return []
    fell = _fall(e)
    if fell < 0.25:
        return []
    sign = -1.0 if e.metric_better == "lower" else 1.0
    metric = sign * finite(e.validation_metric)
    gain = float(np.median(metric[-2:]) - metric[0])
    base = metric[0] if e.baseline_metric is None else sign * e.baseline_metric
    lead = float(np.median(metric[-2:]) - max(base, metric[0]))
    noise = max(2 * _standard_error(e), 0.02)
    if gain > noise and lead > noise:
        return []
    return [
        Finding(
            "metric does not follow the loss", "warning",
            f"The loss has fallen by {fell:.0%} while the {e.metric_name or 'metric'} moved by {gain:+.3f} to "
            f"{float(finite(e.validation_metric)[-1]):.3f}.", fell, 0.25,
            "The metric is taken from something else than the loss: another axis, threshold or order of the rows, or a "
            "loss ruled by a term that the metric does not see.",
            "Compute the metric on training rows by hand from the outputs the loss gets; compare shapes, classes and "
            "threshold.", 0.7,
        )
    ]  # fmt: skip


def _fall(e: Evidence) -> float:
    """How far the validation loss has fallen, of its first value; the training loss where there is none."""
    losses = finite(e.validation_loss)
    if len(losses) >= 2 and losses[0] > 0:
        return float((losses[0] - np.median(losses[-2:])) / losses[0])
    return progress(e)


def _fits_by_loss(e: Evidence) -> bool:
    """Whether the training loss says that the rows are fitted, whatever the metric says."""
    losses = finite(e.train_loss)
    return bool(losses.size and e.constant_loss and 0 <= losses[-1] < FITTED * e.constant_loss)


def _still_falling(e: Evidence) -> bool:
    """Whether the training loss was falling fast when training ended: then it has not been tried for long enough."""
    losses = finite(e.train_loss)
    return len(losses) >= 2 and bool(losses[-1] < (1 - FALLING) * losses[-2])


def _standard_error(e: Evidence) -> float:
    """Of the validation metric: told, or that of a share of rows, or a usual one of R²."""
    if e.metric_standard_error is not None:
        return e.metric_standard_error
    rows, reached = e.validation_rows, finite(e.validation_metric)
    if not rows:
        return 0.02
    if e.metric_name == "accuracy" and reached.size:
        share = float(np.clip(reached[-1], 0.02, 0.98))
        return float(np.sqrt(share * (1 - share) / rows))
    return float(0.5 / np.sqrt(rows))
