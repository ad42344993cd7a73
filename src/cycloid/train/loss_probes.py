"""What a loss does with its predictions, found by asking it: no framework, only numbers in and a number out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cycloid.train.evidence import Evidence

MOST = 64  # examples that are probed: a loss tells itself by few
Losses = Callable[[np.ndarray, np.ndarray], float]


def probe_loss(loss: Losses, predictions: Any, targets: Any) -> Evidence:
    """Evidence on a loss function, from some ten evaluations of it on changed predictions.

    A softmax over the classes shows by what leaves the loss as it is: a constant added to all predictions of one
    example. A mean over examples shows by giving every example twice, or each by itself; the sign by predictions that
    equal the targets, and by ones moved away from them.

    Args:
        loss: (predictions, targets) -> the number that training makes small.
        predictions: of the model on a batch, shape (n, ...).
        targets: shape (n, ...).

    Returns:
        Evidence with the fields of the loss, of predictions and of targets filled as far as the loss could be asked.

    Example:
        >>> import numpy as np
        >>> mean_square = lambda p, y: float(((p - y) ** 2).mean())
        >>> found = probe_loss(mean_square, np.array([[0.0], [1.0]]), np.array([1.0, 3.0]))     # (2, 1) against (2,)
        >>> found.batch_loss, found.single_losses_mean
        (3.5, 2.5)
    """
    p, y = np.asarray(predictions), np.asarray(targets)
    whole = _ask(loss, p, y)
    seen: dict[str, Any] = describe(p, y).known() | {"batch_loss": whole}
    p, y = p[:MOST], y[:MOST]
    base = _ask(loss, p, y)
    if base is None or not np.all(np.isfinite(p.astype(float))):
        return Evidence.of(seen)
    size = max(abs(base), 1e-12)
    doubled = _ask(loss, np.repeat(p, 2, axis=0), np.repeat(y, 2, axis=0))
    singles = [_ask(loss, p[i : i + 1], y[i : i + 1]) for i in range(len(p))]
    if doubled is not None:
        seen["doubled_batch_loss"] = (whole if whole is not None else base) * doubled / (base or 1.0)
    if all(value is not None for value in singles):
        ratio = float(np.mean([float(v) for v in singles if v is not None])) / (base or 1.0)
        seen["single_losses_mean"] = (whole if whole is not None else base) * ratio
    if p.ndim >= 2 and p.shape[1] > 1:
        wave = np.cos(1.0 + 2.4 * np.arange(max(p.shape[0], p.shape[1])))
        spread = max(float(np.std(p)), 1e-3)
        tail = (1,) * (p.ndim - 2)
        rows = _ask(loss, (p + spread * wave[: len(p)].reshape(-1, 1, *tail)).astype(p.dtype), y)
        columns = _ask(loss, (p + spread * wave[: p.shape[1]].reshape(1, -1, *tail)).astype(p.dtype), y)
        seen["row_shift_change"] = None if rows is None else abs(rows - base) / size
        seen["column_shift_change"] = None if columns is None else abs(columns - base) / size
    seen |= _direction(loss, p, y)
    return Evidence.of(seen)


def describe(predictions: Any, targets: Any) -> Evidence:
    """Shapes, dtypes, ranges and sums of predictions and targets."""
    p, y = np.asarray(predictions), np.asarray(targets)
    seen: dict[str, Any] = {
        "prediction_shape": p.shape, "target_shape": y.shape,
        "prediction_dtype": str(p.dtype), "target_dtype": str(y.dtype),
    }  # fmt: skip
    values = p.astype(float)
    if p.size and np.all(np.isfinite(values)):
        seen |= {"prediction_low": float(values.min()), "prediction_high": float(values.max())}
        seen |= {"prediction_mean": float(values.mean()), "prediction_deviation": float(values.std())}
        if p.ndim == 2 and p.shape[1] > 1:
            named = np.bincount(values.argmax(axis=1), minlength=p.shape[1]) / len(p)
            seen |= {"prediction_row_sums": values.sum(axis=1), "prediction_column_sums": values.sum(axis=0)}
            seen |= {"predicted_class_shares": named}
            for name, axis in (("row_log_sums", 1), ("column_log_sums", 0)):
                top = values.max(axis=axis, keepdims=True)
                sums = np.log(np.exp(values - top).sum(axis=axis)) + top.squeeze(axis)
                seen[name] = float(np.abs(sums).max())
    if y.size and np.issubdtype(y.dtype, np.number) and np.all(np.isfinite(y.astype(float))):
        t = y.astype(float)
        seen |= {"target_low": float(t.min()), "target_high": float(t.max())}
        seen |= {"target_mean": float(t.mean()), "target_deviation": float(t.std())}
    return Evidence.of(seen)


def _direction(loss: Losses, p: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    """The loss of predictions at the targets, and of ones away from them."""
    if np.issubdtype(y.dtype, np.integer) or (y.ndim == 1 and p.ndim == 2 and p.shape[1] > 1):
        near, far = _logits(p, y, 1.0), _logits(p, y, -1.0)
    else:
        values = y.astype(float).reshape(p.shape) if y.size == p.size else None
        if values is None:
            return {}
        binary = set(np.unique(values)) <= {0.0, 1.0}
        near = 6.0 * (2 * values - 1) if binary and (p.min() < 0 or p.max() > 1) else np.clip(values, 0.02, 0.98)
        near = near if binary else values
        far = 1.0 - near if binary and near.min() >= 0 else -near if binary else values + 2.0 * max(values.std(), 1e-3)
    if near is None or far is None:
        return {}
    return {
        "loss_of_perfect": _ask(loss, near.astype(p.dtype), y),
        "loss_of_worse": _ask(loss, far.astype(p.dtype), y),
    }


def _logits(p: np.ndarray, y: np.ndarray, sign: float) -> np.ndarray | None:
    """Predictions of classes that are right (sign 1) or wrong (−1), in the kind of these: logits, logs or shares."""
    labels = y.astype(int).ravel()
    if p.ndim == 1 or p.shape[1:] == (1,):
        if set(np.unique(labels)) - {0, 1}:
            return None
        if p.min() >= 0 and p.max() <= 1:
            return np.where((labels > 0) == (sign > 0), 0.98, 0.02).reshape(p.shape)
        return (6.0 * sign * (2 * labels - 1)).reshape(p.shape)
    if p.ndim != 2 or len(labels) != len(p) or labels.min() < 0 or labels.max() >= p.shape[1]:
        return None
    given = np.eye(p.shape[1])[labels]
    shares = given if sign > 0 else (1 - given) / max(1, p.shape[1] - 1)
    shares = 0.98 * shares + 0.02 / p.shape[1]
    return shares if p.min() >= 0 and p.max() <= 1 else np.log(shares)


def _ask(loss: Losses, p: np.ndarray, y: np.ndarray) -> float | None:
    """The loss, or None where it cannot be had for these shapes."""
    try:
        value = np.asarray(loss(p, y), float)
    except Exception:  # whatever a user's function raises for predictions it was not written for
        return None
    return float(value) if value.ndim == 0 and np.isfinite(value) else None
