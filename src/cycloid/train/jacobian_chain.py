"""The chain rule layer by layer: the Jacobian from the inputs to each layer, and where the signal fades or grows."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from cycloid.adapters.models import Adapted

DIRECTIONS = 48  # in which one example is moved; all of its inputs where it has no more
EXAMPLES = 2


class Reach(NamedTuple):
    """How far a change of the inputs reaches into one layer.

    Attributes:
        layer: its name.
        singular: of the Jacobian ∂(its output)/∂(inputs), largest first, the median over examples.
        gain: root mean square of J v over unit vectors v: the typical stretch.
        factor: gain over that of the layer before; below 1 the signal fades, above it grows.
        rank: how many singular values are above 1 % of the largest.
        directions: in which the inputs were moved.
    """

    layer: str
    singular: np.ndarray
    gain: float
    factor: float
    rank: int
    directions: int


def chain_of_jacobians(adapted: Adapted, x: Any) -> tuple[Reach, ...]:
    """The Jacobian of every layer by central differences: one pass of a batch of moved examples, in evaluation mode.

        J_l v ≈ (h_l(x + ε v) − h_l(x − ε v)) / 2ε,   h_l the output of layer l, ε a thousandth of the inputs' scale.

    Args:
        adapted: the model.
        x: inputs, shape (n, ...), of floating point.

    Returns:
        One `Reach` a layer; none for inputs that are no numbers, such as tokens.
    """
    values = np.asarray(x)
    if values.dtype.kind != "f" or values.ndim < 2 or not np.isfinite(values).all():
        return ()
    rows, size = values[:EXAMPLES].reshape(min(EXAMPLES, len(values)), -1), int(np.prod(values.shape[1:]))
    count = min(size, DIRECTIONS)
    basis = np.eye(size) if size <= DIRECTIONS else _directions(size, count)
    step = 1e-3 * max(float(np.sqrt(np.mean(rows.astype(float) ** 2))), 1e-6) * np.sqrt(size)
    step = step if values.dtype == np.float64 else 10 * step
    moved = [row + sign * step * v for row in rows for sign in (1.0, -1.0) for v in basis]
    batch = np.array(moved, values.dtype).reshape(len(moved), *values.shape[1:])
    found: list[Reach] = []
    still = adapted.in_mode("eval")
    for layer, output in still.outputs(still.parameters, batch).items():
        table = np.asarray(output, float)
        if table.ndim < 1 or len(table) != len(batch):
            continue
        table = table.reshape(len(rows), 2, count, -1)
        slopes = (table[:, 0] - table[:, 1]) / (2 * step)
        if not np.isfinite(slopes).all():
            continue
        singular = np.median([np.linalg.svd(slope, compute_uv=False) for slope in slopes], axis=0)
        gain = float(np.sqrt(np.mean(np.sum(slopes**2, axis=-1))))
        before = found[-1].gain if found else 1.0
        rank = int(np.sum(singular > 0.01 * singular[0])) if singular[0] > 0 else 0
        found.append(Reach(layer, singular, gain, gain / before if before > 0 else np.nan, rank, count))
    return tuple(found)


def _directions(size: int, count: int) -> np.ndarray:
    """Orthonormal rows, drawn once and for all."""
    drawn = np.random.default_rng(0).normal(size=(size, count))
    return np.linalg.qr(drawn)[0].T
