"""How rules read evidence: quiet medians, growth along the depth, and confidence from a distance to a threshold."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from cycloid.train.evidence import Evidence


def confidence(value: float, threshold: float, *, decades: float = 1.0, most: float = 0.99) -> float:
    """From 0.6 at the threshold to `most` so many decades beyond it, on either side of it."""
    if not (math.isfinite(value) and value > 0 and threshold > 0):
        return most
    beyond = abs(math.log10(value / threshold)) / decades
    return float(min(most, 0.6 + 0.39 * beyond))


def median(values: Any) -> float:
    """Of the finite values; NaN without any."""
    kept = finite(values)
    return float(np.median(kept)) if kept.size else math.nan


def quiet(reduce: Any, values: Any, axis: int) -> np.ndarray:
    """A reduction that skips NaN, of which an empty slice is NaN and no warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(reduce(np.asarray(values, float), axis=axis))


def finite(values: Any) -> np.ndarray:
    """The finite values, in their order."""
    array = np.asarray([] if values is None else values, float).ravel()
    return array[np.isfinite(array)]


def weights(e: Evidence) -> np.ndarray:
    """Places of the weight arrays among the parameters: what has a kind "weight", all where kinds are unknown."""
    if e.parameter_kinds is None:
        return np.arange(len(e.parameters or ()))
    return np.flatnonzero([kind == "weight" for kind in e.parameter_kinds])


def ratios(e: Evidence) -> np.ndarray:
    """(step, weight array) of ‖Δw‖ / ‖w‖; NaN where a weight is zero."""
    if e.update_norms is None or e.weight_norms is None:
        return np.zeros((0, 0))
    places = weights(e)
    updates, sizes = (np.asarray(table, float)[:, places] for table in (e.update_norms, e.weight_norms))
    if len(sizes):
        sizes = np.where(sizes[0] > 0, sizes, 0.0)  # weights that start at zero have no scale to be compared with
    return np.divide(updates, sizes, out=np.full(updates.shape, np.nan), where=sizes > 0)


def row_sums_are_one(e: Evidence) -> bool:
    """Whether what the loss is given are probabilities over the classes."""
    if e.prediction_row_sums is None or e.prediction_low is None:
        return False
    return e.prediction_low >= -1e-6 and bool(np.all(np.abs(e.prediction_row_sums - 1) < 1e-3))


def percent(share: float) -> str:
    """A share as text: 3 % or 0.4 %."""
    return f"{100 * share:.3g} %"
