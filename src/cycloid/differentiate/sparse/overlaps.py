"""Whether two boxes of entries share an entry: decided from their strides, without listing them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from cycloid.differentiate.sparse.maps import IndexMap
from cycloid.differentiate.sparse.terms import Term

# Nodes of the search for a common entry; when they are spent the answer is "perhaps".
PATIENCE = 4000

Unknown = tuple[int, int, int, int]  # an integer v with low <= v <= high, its row stride and its column stride


def may_meet(a: Term, b: Term) -> bool:
    """False when it is proven that no entry belongs to both."""
    if _apart(a.row, a.extents, b.row, b.extents) or _apart(a.column, a.extents, b.column, b.extents):
        return False
    difference = [t.column.add(t.row.times(-1)) for t in (a, b)]
    if _apart(difference[0], a.extents, difference[1], b.extents):
        return False
    if _listed(a) or _listed(b):
        if a.extents == b.extents and a.row.same(b.row) and _one_to_one(a):
            return bool((a.column.short(a.extents) == b.column.short(b.extents)).any())
        return True
    unknowns = _unknowns(a, b)
    rest = b.row.offset - a.row.offset, b.column.offset - a.column.offset
    return any(True for _ in _solutions(unknowns, *rest))


def may_repeat(term: Term) -> bool:
    """False when it is proven that the term tells of no entry twice."""
    if _listed(term):
        return not _one_to_one(term)
    unknowns = [
        (1 - extent, extent - 1, row, column)
        for row, column, extent in zip(term.row.strides, term.column.strides, term.extents, strict=True)
    ]
    return any(any(solution) for solution in _solutions(unknowns, 0, 0))


def _apart(a: IndexMap, own: Sequence[int], b: IndexMap, other: Sequence[int]) -> bool:
    low, high = a.bounds(own)
    start, end = b.bounds(other)
    return high < start or end < low


def _listed(term: Term) -> bool:
    return term.row.table is not None or term.column.table is not None


def _one_to_one(term: Term) -> bool:
    """Whether its rows alone, told by strides, are all different."""
    if term.row.table is not None:
        return False
    unknowns = [(1 - n, n - 1, stride, 0) for stride, n in zip(term.row.strides, term.extents, strict=True)]
    return not any(any(solution) for solution in _solutions(unknowns, 0, 0))


def _unknowns(a: Term, b: Term) -> list[Unknown]:
    """The steps along a's axes minus those along b's; axes with equal strides are one unknown."""
    found: list[Unknown] = []
    for sign, term in ((1, a), (-1, b)):
        for row, column, extent in zip(term.row.strides, term.column.strides, term.extents, strict=True):
            low, high = (0, extent - 1) if sign == 1 else (1 - extent, 0)
            for k, (start, end, r, c) in enumerate(found):
                if (r, c) == (row, column):
                    found[k] = (start + low, end + high, r, c)
                    break
            else:
                found.append((low, high, row, column))
    return found


class _Spent(Exception):
    pass


def _solutions(unknowns: list[Unknown], row: int, column: int) -> Iterator[tuple[int, ...]]:
    """Integers v_k in their ranges with Σ v_k row_k = row and Σ v_k column_k = column; (1,) when out of patience."""
    order = sorted(unknowns, key=lambda u: -max(abs(u[2]), abs(u[3])))
    reach = [_reach(order[k:]) for k in range(len(order) + 1)]
    left = PATIENCE

    def search(k: int, row: int, column: int, found: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        nonlocal left
        left -= 1
        if left < 0:
            raise _Spent
        if k == len(order):
            yield found
            return
        low, high, r, c = order[k]
        rows, columns = reach[k + 1]
        for stride, want, (least, most) in ((r, row, rows), (c, column, columns)):
            if stride:
                ends = (want - most) / stride, (want - least) / stride
                low, high = max(low, int(np.ceil(min(ends) - 1e-9))), min(high, int(np.floor(max(ends) + 1e-9)))
        for v in range(low, high + 1):
            below, beside = row - v * r, column - v * c
            if rows[0] <= below <= rows[1] and columns[0] <= beside <= columns[1]:
                yield from search(k + 1, below, beside, (*found, v))

    try:
        yield from search(0, row, column, ())
    except _Spent:
        yield (1,)


def _reach(unknowns: Sequence[Unknown]) -> tuple[tuple[int, int], tuple[int, int]]:
    """The range of each of the two sums."""
    ends = []
    for place in (2, 3):
        values = [sorted((u[0] * u[place], u[1] * u[place])) for u in unknowns]
        ends.append((sum(low for low, _ in values), sum(high for _, high in values)))
    return ends[0], ends[1]
