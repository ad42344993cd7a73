"""A pattern: which entries of a matrix may differ from zero, found by a proof or given by the user."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.experimental import sparse as jsparse


class Pattern:
    """The places where a matrix may differ from zero, sorted by row and column, each once.

    Args:
        rows: the row of each.
        columns: the column of each.
        shape: of the matrix; None where only entries are known.

    Example:
        >>> pattern = Pattern([0, 1, 1], [0, 0, 1], (2, 2))
        >>> pattern.nonzeros, pattern.density
        (3, 0.75)
    """

    def __init__(self, rows: Any, columns: Any, shape: tuple[int, int] | None):
        rows, columns = np.asarray(rows, np.int64).reshape(-1), np.asarray(columns, np.int64).reshape(-1)
        width = shape[1] if shape is not None else (int(columns.max()) + 1 if columns.size else 1)
        key = np.unique(rows * width + columns)
        self.rows, self.columns = (key // width).astype(np.int32), (key % width).astype(np.int32)
        self.shape = None if shape is None else (int(shape[0]), int(shape[1]))

    @property
    def indices(self) -> np.ndarray:
        """Row and column of each entry, of shape (nonzeros, 2)."""
        return np.stack([self.rows, self.columns], axis=1)

    @property
    def nonzeros(self) -> int:
        return int(self.rows.size)

    @property
    def density(self) -> float:
        """The part of all entries that may differ from zero."""
        return self.nonzeros / max(1, self.shape[0] * self.shape[1]) if self.shape else float("nan")

    def in_shape(self, shape: tuple[int, int], caller: str) -> Pattern:
        """This pattern for a matrix of `shape`.

        Raises:
            ValueError: when it is of another shape, or has entries beyond it.
        """
        if self.shape not in (None, shape):
            raise ValueError(f"{caller}: the pattern has the shape {self.shape}, the matrix {shape}.")
        if self.nonzeros and (
            min(int(self.rows.min()), int(self.columns.min())) < 0
            or int(self.rows.max()) >= shape[0]
            or int(self.columns.max()) >= shape[1]
        ):
            raise ValueError(f"{caller}: the pattern names entries beyond the matrix, whose shape is {shape}.")
        return self if self.shape == shape else Pattern(self.rows, self.columns, shape)

    def symmetric(self) -> Pattern:
        """This pattern and its mirror image."""
        rows, columns = (np.concatenate(pair) for pair in ((self.rows, self.columns), (self.columns, self.rows)))
        return Pattern(rows, columns, self.shape)

    def _key(self) -> tuple:
        return self.shape, self.rows.tobytes(), self.columns.tobytes()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pattern) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return f"Pattern({self.nonzeros} entries of {self.shape})"


def given_pattern(pattern: Any, caller: str) -> Pattern:
    """A pattern as a user writes it: a matrix of truth values, a sparse matrix, or a list of (row, column).

    Raises:
        TypeError: for anything else.
        ValueError: when indices are not pairs.
    """
    wanted = (
        f'{caller}: pattern is None (a dense answer), "auto", a matrix of truth values, a BCOO or SciPy matrix, or a '
        "list of (row, column)"
    )
    if isinstance(pattern, Pattern):
        return pattern
    if isinstance(pattern, jsparse.BCOO):
        if pattern.n_batch or pattern.n_dense or len(pattern.shape) != 2:
            raise ValueError(f"{wanted}; the BCOO was no matrix without batch and dense dimensions.")
        indices = np.asarray(pattern.indices)
        inside = (indices < np.asarray(pattern.shape)).all(axis=1)  # BCOO pads with indices beyond the shape
        return Pattern(indices[inside, 0], indices[inside, 1], _shape(pattern.shape))
    if hasattr(pattern, "tocoo"):
        entries = pattern.tocoo()
        return Pattern(entries.row, entries.col, _shape(entries.shape))
    if isinstance(pattern, str) or not isinstance(pattern, Sequence | np.ndarray | jax.Array):
        raise TypeError(f"{wanted}; it was {pattern!r}.")
    array = np.asarray(pattern)
    if array.dtype == bool:
        if array.ndim != 2:
            raise ValueError(f"{wanted}; the truth values had the shape {array.shape}.")
        rows, columns = np.nonzero(array)
        return Pattern(rows, columns, _shape(array.shape))
    if array.size == 0:
        return Pattern([], [], None)
    if array.ndim != 2 or array.shape[1] != 2 or not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"{wanted}; it was an array of {array.dtype} of the shape {array.shape}.")
    if array.min() < 0:
        raise ValueError(f"{caller}: rows and columns are counted from 0; the pattern has {array.min()}.")
    return Pattern(array[:, 0], array[:, 1], None)


def _shape(shape: Sequence[int]) -> tuple[int, int]:
    return int(shape[0]), int(shape[1])
