"""What the zoo's loops share whatever their framework: the order of the rows, and a metric taken wrongly."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cycloid.train.faults import Setup

EVALUATIONS = 8


def batches(s: Setup) -> Iterator[np.ndarray]:
    """Numbers of the rows of each step."""
    rng, rows, size = s.rng(1), len(s.x), min(s.batch, len(s.x))
    order = np.zeros(0, int)
    for _ in range(s.steps):
        if len(order) < size:
            order = _epoch(s, rng, rows)
        yield order[:size]
        order = order[size:]


def _epoch(s: Setup, rng: np.random.Generator, rows: int) -> np.ndarray:
    if s.order == "random":
        return rng.permutation(rows)
    by_target = np.argsort(s.y, kind="stable")
    if s.order == "sorted":
        return by_target
    # blocks: sorted, but every row displaced by up to a fifth of the table
    return by_target[np.argsort(np.arange(rows) + rng.uniform(0, rows / 5, rows))]


def misjudged(s: Setup, outputs: np.ndarray) -> np.ndarray:
    """The outputs that the metric is taken of."""
    if s.judged == "wrong":  # those of other rows
        return np.roll(outputs, len(outputs) // 3, axis=0)
    if s.judged == "threshold":  # logits compared as if they were shares, and a column too many
        return np.concatenate([outputs[:, 1:], outputs[:, :1]], axis=1) if outputs.ndim > 1 else outputs - 60.0
    return outputs
