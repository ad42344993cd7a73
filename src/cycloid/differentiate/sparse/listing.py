"""Entries listed one by one: sorted, the duplicates added up, one triangle mirrored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from cycloid.differentiate.sparse.symmetry import Half
from cycloid.differentiate.sparse.terms import spread

# An entry with more parts than this has the rest of them added one after the other.
MOST_LEVELS = 24

# values, rows, columns, and whether they stand for their mirror images too
Listing = list[tuple[Any, np.ndarray, np.ndarray, bool]]


def listed(items: Sequence[Half], shape: tuple[int, int], dtype: Any, symmetric: bool) -> Listing:
    """The entries of these terms, each once."""
    rows, columns, second = [], [], []
    for half in items:
        own, other = (index.values(half.term.extents).reshape(-1) for index in (half.term.row, half.term.column))
        above = symmetric & (own < other)
        rows.append(np.where(above, other, own))
        columns.append(np.where(above, own, other))
        second.append(above | half.second)
    row, column, later = np.concatenate(rows), np.concatenate(columns), np.concatenate(second)
    values = jnp.concatenate(
        [spread(half.term.coefficient, half.term.extents).reshape(-1).astype(dtype) for half in items]
    )
    key = row * shape[1] + column
    if symmetric:  # of an entry told of in both triangles, the lower one counts
        kept = np.flatnonzero(~later | ~np.isin(key, key[~later]))
        key = key[kept]
    else:
        kept = np.arange(key.size)
    unique, inverse, counts = np.unique(key, return_inverse=True, return_counts=True)
    row, column = unique // shape[1], unique % shape[1]
    if not symmetric:
        return [_ordered(values, kept, inverse, counts, row, column, np.arange(unique.size), False)]
    on, off = np.flatnonzero(row == column), np.flatnonzero(row != column)
    parts = [(on, False), (off, True)]
    return [_ordered(values, kept, inverse, counts, row, column, part, mirror) for part, mirror in parts if part.size]


def _ordered(
    values: Any,
    source: np.ndarray,
    inverse: np.ndarray,
    counts: np.ndarray,
    row: np.ndarray,
    column: np.ndarray,
    part: np.ndarray,
    mirror: bool,
) -> tuple[Any, np.ndarray, np.ndarray, bool]:
    """The sums of a part of the entries, those with most terms first, so that each round adds to a leading part."""
    part = part[np.argsort(-counts[part], kind="stable")]
    by_entry = np.argsort(inverse, kind="stable")
    first = np.cumsum(counts) - counts
    total = _read(values, source[by_entry[first[part]]])
    most = int(counts[part[0]]) if part.size else 0
    for level in range(1, min(most, MOST_LEVELS)):
        here = part[: np.count_nonzero(counts[part] > level)]
        more = _read(values, source[by_entry[first[here] + level]])
        total = total + jnp.pad(more, (0, part.size - here.size))
    if most > MOST_LEVELS:
        here = part[: np.count_nonzero(counts[part] > MOST_LEVELS)]
        rest = np.concatenate([by_entry[first[k] + MOST_LEVELS : first[k] + counts[k]] for k in here])
        where = np.repeat(np.arange(here.size), counts[here] - MOST_LEVELS)
        total = total.at[jnp.asarray(where, jnp.int32)].add(_read(values, source[rest]), indices_are_sorted=True)
    return total, row[part], column[part], mirror


def _read(values: Any, at: np.ndarray) -> Any:
    if at.size == values.size and (at == np.arange(at.size)).all():
        return values
    return values.at[jnp.asarray(at, jnp.int32)].get(mode="promise_in_bounds")
