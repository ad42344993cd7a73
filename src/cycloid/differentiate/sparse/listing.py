"""Entries listed one by one: sorted, the duplicates added up, one triangle mirrored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from cycloid.differentiate.sparse.symmetry import Half
from cycloid.differentiate.sparse.terms import picked, spread

# An entry with more parts than this has the rest of them added one after the other.
MOST_LEVELS = 24

# values, rows, columns, and whether they stand for their mirror images too
Listing = list[tuple[Any, np.ndarray, np.ndarray, bool]]


def listed(items: Sequence[Half], shape: tuple[int, int], dtype: Any, symmetric: bool) -> Listing:
    """The entries of these terms, each once."""
    keys, later = [], []
    for half in items:
        own, other = (index.values(half.term.extents).reshape(-1) for index in (half.term.row, half.term.column))
        above = own < other if symmetric else np.zeros(own.shape, bool)
        keys.append(np.where(above, other, own) * shape[1] + np.where(above, own, other))
        later.append(above | half.second)
    values = jnp.concatenate(
        [spread(half.term.coefficient, half.term.extents).reshape(-1).astype(dtype) for half in items]
    )
    key, second, source = _sorted(np.concatenate(keys), np.concatenate(later))
    begins = np.diff(key, prepend=-1) != 0
    if symmetric:  # of an entry told of in both triangles, the lower one counts
        kept = ~second | second[begins][np.cumsum(begins) - 1]
        key, source, begins = key[kept], source[kept], begins[kept]
    first = np.flatnonzero(begins)
    counts = np.diff(first, append=key.size)
    row, column = np.divmod(key[first], shape[1])
    if not symmetric:
        return [(*_summed(values, source, first, counts, row, column), False)]
    parts = [(row == column, False), (row != column, True)]
    return [
        (*_summed(values, source, *(array[part] for array in (first, counts, row, column))), mirror)
        for part, mirror in parts
        if part.any()
    ]


def _sorted(key: np.ndarray, later: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The keys in order, those of the first kind before those of the later one, and where each stood."""
    bits = max(1, key.size - 1).bit_length()
    key = (key << 1) | later
    if int(key.max(initial=0)).bit_length() + bits < 63:  # sorting one word is far cheaper than sorting places
        code = np.sort((key << bits) | np.arange(key.size))
        place, key = code & ((1 << bits) - 1), code >> bits
    else:
        place = np.argsort(key, kind="stable")
        key = key[place]
    return key >> 1, (key & 1).astype(bool), place


def _summed(
    values: Any, source: np.ndarray, first: np.ndarray, counts: np.ndarray, row: np.ndarray, column: np.ndarray
) -> tuple[Any, np.ndarray, np.ndarray]:
    """The sums of some entries, those with most parts first, so that each round adds to a leading part.

    Args:
        values: the parts of all.
        source: where in `values` the parts stand, entry by entry.
        first: where in `source` those of each entry begin.
        counts: how many they are.
        row, column: of the entries.
    """
    most = int(counts.max(initial=0))
    order = np.argsort((most - counts).astype(np.min_scalar_type(most)), kind="stable")
    first, counts = first[order], counts[order]
    total = _read(values, source[first])
    for level in range(1, min(most, MOST_LEVELS)):
        here = int(np.count_nonzero(counts > level))
        total = total + jnp.pad(_read(values, source[first[:here] + level]), (0, counts.size - here))
    if most > MOST_LEVELS:
        here = int(np.count_nonzero(counts > MOST_LEVELS))
        ends = zip(first[:here] + MOST_LEVELS, first[:here] + counts[:here], strict=True)
        rest = np.concatenate([source[low:high] for low, high in ends])
        where = np.repeat(np.arange(here), counts[:here] - MOST_LEVELS)
        total = total.at[jnp.asarray(where, jnp.int32)].add(_read(values, rest), indices_are_sorted=True)
    return total, row[order], column[order]


def _read(values: Any, at: np.ndarray) -> Any:
    if at.size == values.size and (at == np.arange(at.size)).all():
        return values
    return picked(values, at)
