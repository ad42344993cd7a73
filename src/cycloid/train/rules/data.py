"""Rules on data: leaks, labels, scales and the order of rows; most of them need no model."""

from __future__ import annotations

import math

import numpy as np

from cycloid.train.evidence import Evidence
from cycloid.train.findings import Finding
from cycloid.train.rules.reading import confidence, finite, percent

SHARED = 0.01  # of the validation rows
SKILL, LEAD = 0.95, 0.3  # of one feature alone, or its lead on the next with at least MIDDLING
MIDDLING = 0.85
LOST = 0.72  # share of what chance contradicts, above which inputs and targets have nothing left in common
WRONG = 0.025  # share of labels contradicted where the cross-fitted model is surest
CONCENTRATED = 0.4  # that share over the share of all: near 1 for wrong labels, small where classes overlap
LARGE, SMALL = 3.0, 0.03  # root mean square of a feature, of all inputs
FAR = 8.0  # a target's root mean square
SORTED = 1.6  # variance of the batches' class shares over that of random batches
RARE = 0.3  # of an even share: the rarest class


def leaked_rows(e: Evidence) -> list[Finding]:
    """Validation rows that are training rows too, to within a hair."""
    share = e.shared_rows
    if share is None or share <= SHARED:
        return []
    rows = round(share * (e.validation_rows or 0))
    return [
        Finding(
            "leaked rows", "error" if share > 0.05 else "warning",
            f"{percent(share)} of the validation rows ({rows:,}) stand in the training set too.", share, SHARED,
            "The validation metric measures memory on these rows and looks better than it will be.",
            "Split before augmenting, resampling or duplicating, by group where rows belong together; drop duplicates "
            "(np.unique(rows, axis=0)) first.", confidence(share, SHARED),
            reference="Kaufman, Rosset, Perlich, Leakage in data mining, 2012",
        )
    ]  # fmt: skip


def leaked_feature(e: Evidence) -> list[Finding]:
    """One input that predicts the target nearly by itself."""
    skill = finite(e.feature_skill)
    if len(skill) < 2:
        return []
    best, second = np.sort(skill)[-1], np.sort(skill)[-2]
    if not (best > SKILL or (best > MIDDLING and best - second > LEAD)):
        return []
    place = int(np.nanargmax(np.asarray(e.feature_skill, float)))
    name = e.feature_names[place] if e.feature_names else f"input {place}"
    return [
        Finding(
            "leaked feature", "error" if best > SKILL else "warning",
            f"{name!r} alone predicts the target with skill {best:.3f} (1 is perfect); the next best has {second:.3f}.",
            float(best), MIDDLING, "It was probably made from the target, or is known only after it.",
            f"Leave {name!r} out if it is not known when predictions are needed.", float(np.clip(best, 0.6, 0.97)),
            layer=name, reference="Kaufman, Rosset, Perlich, Leakage in data mining, 2012",
        )
    ]  # fmt: skip


def shuffled_labels(e: Evidence) -> list[Finding]:
    """No simple model finds more in the inputs than chance would."""
    lost, seen = _lost(e)
    if not lost > LOST:
        return []
    return [
        Finding(
            "shuffled labels", "error", f"Inputs and targets have next to nothing in common: {seen}.", lost, LOST,
            "Rows of inputs and targets were sorted, filtered or joined apart from each other, or the inputs hold "
            "nothing about the target.",
            "Look at ten rows with their targets; keep both in one table until batches are made.",
            confidence(lost, LOST, decades=0.2),
        )
    ]  # fmt: skip


def label_noise(e: Evidence) -> list[Finding]:
    """Labels that a cross-fitted model contradicts where it is surest; overlap of classes shows elsewhere."""
    wrong = e.cross_disagreement
    if wrong is None or e.cross_metric is None or wrong <= WRONG or _lost(e)[0] > LOST:
        return []
    among_all = max(1 - e.cross_metric, 1e-9)
    if wrong < CONCENTRATED * among_all:
        return []
    return [
        Finding(
            "label noise", "warning",
            f"A model fitted on the other rows contradicts {percent(wrong)} of the labels it is surest of "
            f"({percent(among_all)} of all).", wrong, WRONG,
            "About that share of the labels is wrong: where classes only overlap, the sure half has almost none.",
            "Look at the contradicted rows first (worst losses), mend or drop them; else smooth labels or use a loss "
            "that saturates, and stop early.", confidence(wrong, WRONG),
            reference="Northcutt, Jiang, Chuang, Confident learning, 2021",
        )
    ]  # fmt: skip


def raw_inputs(e: Evidence) -> list[Finding]:
    """Inputs far from unit scale."""
    scales = finite(e.feature_scale)
    whole = (
        e.input_scale if e.input_scale is not None else (math.sqrt(float(np.mean(scales**2))) if scales.size else None)
    )
    if whole is None or ((e.input_dtype or "").startswith(("int", "uint")) and not scales.size):
        return []
    largest = float(scales.max()) if scales.size else whole
    if largest <= LARGE and not 0 < whole < SMALL:
        return []
    many = float(np.mean(scales > LARGE)) if scales.size else 1.0
    small = largest <= LARGE
    place = int(np.nanargmax(np.asarray(e.feature_scale, float))) if scales.size else 0
    name = e.feature_names[place] if e.feature_names else f"input {place}"
    seen = (
        f"all inputs together have root mean square {whole:.3g}" if small
        else f"{name!r} has root mean square {largest:.4g}; {percent(many)} of the inputs lie above {LARGE:g}"
    )  # fmt: skip
    value, threshold = (whole, SMALL) if small else (largest, LARGE)
    return [
        Finding(
            "raw inputs", "warning", f"Inputs are not normalised: {seen}.", value, threshold,
            "Curvature grows with the square of the inputs' scale, so one learning rate cannot suit all weights.",
            "Subtract the mean and divide by the deviation of each input over the training rows (of images: divide by "
            "255); the same numbers for validation.", confidence(value, threshold, decades=1.5),
            reference="LeCun, Bottou, Orr, Müller, Efficient BackProp, 1998, section 4.3",
        )
    ]  # fmt: skip


def raw_targets(e: Evidence) -> list[Finding]:
    """Numbers to be predicted that lie far from where a new model's outputs are."""
    if e.task != "regression" or e.target_mean is None or e.target_deviation is None:
        return []
    size = math.hypot(e.target_mean, e.target_deviation)
    if size <= FAR:
        return []
    return [
        Finding(
            "raw targets", "warning",
            f"Targets have mean {e.target_mean:.4g} and deviation {e.target_deviation:.4g}; a new model's outputs are "
            f"of order 1.", size, FAR, "The first steps are spent on reaching the mean, with a gradient far too large.",
            "Standardise the targets by the training rows and undo it for predictions, or start the last bias at their "
            "mean.", confidence(size, FAR, decades=1.5),
        )
    ]  # fmt: skip


def order_of_rows(e: Evidence) -> list[Finding]:
    """Batches that differ more than random batches would, or that come back in the same composition."""
    spread, count = _spread_of_batches(e)
    if count >= 6 and spread > SORTED + 4 / math.sqrt(count):
        seen = f"the batches' targets vary {spread:.3g} times as much as those of random batches"
        return [_ordered(seen, spread, SORTED, confidence(spread, SORTED))]
    if e.order_correlation is not None and e.order_correlation > 0.3:
        seen = f"neighbouring rows have targets more alike than chance by {e.order_correlation:.2f}"
        return [_ordered(seen, e.order_correlation, 0.3, 0.8)]
    prints = e.batch_fingerprints
    if prints is not None and e.train_rows and e.batch_size and e.batch_size < 0.9 * e.train_rows:
        repeats = len(prints) - len(np.unique(prints))
        if len(np.unique(prints)) > 1 and repeats >= 3:
            seen = f"{repeats} of {len(prints)} recorded batches are equal to an earlier one"
            return [_ordered(seen, float(repeats), 3.0, 0.7)]
    return []


def class_imbalance(e: Evidence) -> list[Finding]:
    """A class that is far rarer than an even share."""
    counts = None if e.class_counts is None else np.asarray(e.class_counts, float)
    if e.task not in ("binary", "multiclass") or counts is None or len(counts) < 2 or counts.sum() < 30:
        return []
    if len(counts) > 30:  # a long tail is the rule with many classes
        return []
    relative = float(counts.min() * len(counts) / counts.sum())
    likely = float((counts.min() + 1.3 * math.sqrt(counts.min() + 1)) * len(counts) / counts.sum())
    if likely >= RARE:  # few rows may lack a class by chance
        return []
    top = float(counts.max() / counts.sum())
    return [
        Finding(
            "class imbalance", "warning",
            f"Class {int(counts.argmin())} has {percent(float(counts.min() / counts.sum()))} of the rows, "
            f"{relative:.2f} of an even share; always naming the most frequent class is right in {percent(top)}.",
            relative, RARE, "The loss is ruled by the frequent classes, and accuracy hides what becomes of the rare.",
            f"Weigh the loss by class (a factor {counts.max() / max(counts.min(), 1):.3g} for the rarest) or sample "
            f"evenly, and judge by balanced accuracy or recall of each class.",
            confidence(RARE, max(relative, 1e-3)),
        )
    ]  # fmt: skip


def _lost(e: Evidence) -> tuple[float, str]:
    """How much of what could be learned is lost: 0 none, 1 all; and a sentence."""
    if e.cross_metric is None or e.shuffled_metric is None:
        return 0.0, ""
    if e.task == "regression":
        lost = 1 - max(e.cross_metric, 0.0) / 0.25
        return lost, f"the best of two cross-fitted models reaches R² {e.cross_metric:.3f}"
    room = max(1 - e.shuffled_metric, 1e-9)
    lost = 1 - (e.cross_metric - e.shuffled_metric) / room
    if e.cross_disagreement is not None and e.class_counts is not None:
        counts = np.asarray(e.class_counts, float)
        chance = 1 - float(np.sum((counts / counts.sum()) ** 2))  # two draws from the prior disagree so often
        lost = min(lost, e.cross_disagreement / max(chance, 1e-9))
    seen = f"a cross-fitted model is right in {percent(e.cross_metric)}, the prior in {percent(e.shuffled_metric)}"
    return lost, seen


def _spread_of_batches(e: Evidence) -> tuple[float, int]:
    """(variance between batches of class shares or target means over that of random batches, degrees of freedom)."""
    rows = e.batch_size
    if rows is None or rows < 2 or (e.train_rows and rows > 0.5 * e.train_rows):
        return 0.0, 0
    if e.batch_class_shares is not None and len(e.batch_class_shares) >= 4:
        shares = np.asarray(e.batch_class_shares, float)
        mean = shares.mean(axis=0)
        kept = (mean > 0) & (mean < 1)
        if not kept.any():
            return 0.0, 0
        own = shares[:, kept].var(axis=0, ddof=1) / (mean[kept] * (1 - mean[kept]) / rows)
        return float(own.mean()), (len(shares) - 1) * max(1, int(kept.sum()) - 1)
    if e.batch_target_mean is not None and e.batch_target_deviation is not None:
        means, within = finite(e.batch_target_mean), finite(e.batch_target_deviation)
        if len(means) >= 4 and len(within):
            between = float(means.var(ddof=1))
            whole = between + float(np.mean(within**2))  # of all rows, from what lies between batches and within them
            return (between * rows / whole if whole > 0 else 0.0), len(means) - 1
    return 0.0, 0


def _ordered(seen: str, value: float, threshold: float, sure: float) -> Finding:
    return Finding(
        "data order not shuffled", "warning", f"Rows are not shuffled: {seen}.", value, threshold,
        "Batches follow the order of the file, so that steps pull to and fro and the last rows weigh most.",
        "Shuffle every epoch anew: DataLoader(..., shuffle=True), or rng.permutation(n) before cutting batches.", sure,
        reference="Bottou, Curiously fast convergence of some stochastic gradient descent algorithms, 2009",
    )  # fmt: skip
