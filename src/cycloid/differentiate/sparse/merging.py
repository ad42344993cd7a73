"""Terms that tell of the same entries are added up into one, so that as few are carried along as the answer needs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cycloid.differentiate.sparse.maps import IndexMap
from cycloid.differentiate.sparse.terms import Term, spread


def merged(terms: Sequence[Term]) -> list[Term]:
    """The same derivative in fewer terms.

    Two terms become one when their maps agree and their boxes are equal, or join into one box without a gap and not
    merely side by side.
    """
    waiting, done = list(terms), []
    while waiting:
        term = waiting.pop(0)
        for place, other in enumerate(done):
            joined = _joined(other, term)
            if joined is not None:
                if joined.extents == other.extents:
                    done[place] = joined
                else:  # a larger box may take in others
                    done.pop(place)
                    waiting.insert(0, joined)
                break
        else:
            done.append(term)
    return done


def _joined(a: Term, b: Term) -> Term | None:
    if a.row.table is not None or b.row.table is not None or a.column.table is not None or b.column.table is not None:
        equal = a.extents == b.extents and a.row.same(b.row) and a.column.same(b.column)
        return (
            replace(a, coefficient=_sum(a.coefficient, b.coefficient), masked=a.masked or b.masked) if equal else None
        )
    if a.row.same(b.row) and a.column.same(b.column) and a.extents == b.extents:
        return replace(a, coefficient=_sum(a.coefficient, b.coefficient), masked=a.masked or b.masked)
    pair = alike(a, b)
    if pair is None:
        return None
    a, b = pair
    for shift in shifts(a, b):
        box = _union(a.extents, b.extents, shift)
        if box is not None:
            return _in_box(a, b, shift, *box)
    return None


def _sum(a: Any, b: Any) -> Any:
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a + b
    return jnp.add(a, b)


# --- terms written over the same axes ---------------------------------------------------------------------------


def alike(a: Term, b: Term) -> tuple[Term, Term] | None:
    """Both over axes with the same strides in the same order, those that one lacks having length 1; None otherwise."""
    kind = lambda term, axis: (term.row.strides[axis], term.column.strides[axis])
    a, b = _refined(a, b), _refined(b, a)
    free = list(range(len(b.extents)))
    order: list[int | None] = []
    for axis in range(len(a.extents)):
        match = next((other for other in free if kind(b, other) == kind(a, axis)), None)
        order.append(match)
        if match is not None:
            free.remove(match)
    lacking = order.count(None)
    if len(free) + lacking > 2 or (free and lacking == len(a.extents) > 0):
        return None
    whole = a.arranged([*range(len(a.extents)), *([None] * len(free))])
    other = b.arranged([*order, *free])
    strides = [
        [mine or theirs for mine, theirs in zip(m.strides, n.strides, strict=True)]
        for m, n in ((whole.row, other.row), (whole.column, other.column))
    ]
    return _with_strides(whole, strides), _with_strides(other, strides)


def _refined(a: Term, b: Term) -> Term:
    """A flat axis of `a` cut in two where `b` runs through the same entries along two axes."""
    theirs = list(zip(b.row.strides, b.column.strides, strict=True))
    for axis, (extent, row, column) in enumerate(zip(a.extents, a.row.strides, a.column.strides, strict=True)):
        for wide in sorted({r // row if row else c // column for r, c in theirs if row or column}):
            if 1 < wide < extent and extent % wide == 0 and (row * wide, column * wide) in theirs:
                return _refined(a.split(axis, wide), b)
    return a


def _with_strides(term: Term, strides: Sequence[Sequence[int]]) -> Term:
    """Axes of length 1 may be given any stride."""
    row, column = (IndexMap(m.offset, tuple(s)) for m, s in zip((term.row, term.column), strides, strict=True))
    return replace(term, row=row, column=column)


def shifts(a: Term, b: Term) -> Iterator[tuple[int, ...]]:
    """By how much b's box lies beyond a's along each axis: integers k with Σ k_j strides_j = the maps' difference."""
    kinds = list(zip(a.row.strides, a.column.strides, strict=True))
    order = sorted(range(len(kinds)), key=lambda axis: -max(map(abs, kinds[axis]), default=0))

    def search(place: int, row: int, column: int, found: dict[int, int]) -> Iterator[dict[int, int]]:
        if place == len(order):
            if row == column == 0:
                yield found
            return
        axis = order[place]
        r, c = kinds[axis]
        size, rest = (r, row) if abs(r) >= abs(c) else (c, column)
        for k in {rest // size, -(-rest // size)} if size else {0}:
            yield from search(place + 1, row - k * r, column - k * c, {**found, axis: k})

    for found in search(0, b.row.offset - a.row.offset, b.column.offset - a.column.offset, {}):
        yield tuple(found[axis] for axis in range(len(kinds)))


def _union(first: Sequence[int], second: Sequence[int], shift: Sequence[int]):
    """The start and the extents of the union of two boxes where that is a box and they overlap; None otherwise."""
    low = [min(0, k) for k in shift]
    high = [max(m, k + n) for m, n, k in zip(first, second, shift, strict=True)]
    if any(min(m, k + n) <= max(0, k) for m, n, k in zip(first, second, shift, strict=True)):
        return None
    extents = tuple(h - s for s, h in zip(low, high, strict=True))
    beyond = lambda own: [axis for axis, (n, whole) in enumerate(zip(own, extents, strict=True)) if n != whole]
    one, two = beyond(first), beyond(second)
    return (low, extents) if not one or not two or (len(one) == 1 and one == two) else None


def _in_box(a: Term, b: Term, shift: Sequence[int], low: Sequence[int], extents: tuple[int, ...]) -> Term:
    offset = lambda index: index.offset + sum(k * s for k, s in zip(low, index.strides, strict=True))
    first = _padded(a.coefficient, a.extents, [-k for k in low], extents)
    second = _padded(b.coefficient, b.extents, [m - k for m, k in zip(shift, low, strict=True)], extents)
    return replace(
        a,
        extents=extents,
        row=IndexMap(offset(a.row), a.row.strides),
        column=IndexMap(offset(a.column), a.column.strides),
        coefficient=_sum(first, second),
        masked=a.masked or b.masked,
    ).squeezed()


def _padded(coefficient: Any, own: Sequence[int], starts: Sequence[int], extents: Sequence[int]) -> Any:
    """The coefficient in a larger box, zero beyond its own."""
    grows = [n != whole for n, whole in zip(own, extents, strict=True)]
    if not any(grows):
        return coefficient
    shape = [n if grow else size for n, grow, size in zip(own, grows, coefficient.shape, strict=True)]
    coefficient = spread(coefficient, shape)
    config = [
        (start, whole - n - start, 0) if grow else (0, 0, 0)
        for start, n, whole, grow in zip(starts, own, extents, grows, strict=True)
    ]
    return jax.lax.pad(coefficient, jnp.zeros((), coefficient.dtype), config)


# --- boxes that overlap without joining into one ----------------------------------------------------------------


def parted(terms: Sequence[Term]) -> list[Term]:
    """The same derivative in terms of which no two with equal strides share an entry.

    The boxes are cut along each other's faces; where several hold a piece, their coefficients are added there.
    """
    groups: list[list[tuple[Term, tuple[int, ...]]]] = []
    for term in sorted(terms, key=lambda term: -len(term.extents)):
        for group in groups:
            placed = _against(group, term)
            if placed is not None:
                group[:] = placed
                break
        else:
            groups.append([(term, (0,) * len(term.extents))])
    return [term for group in groups for term in _without_overlap(group)]


def _against(group: list[tuple[Term, tuple[int, ...]]], term: Term) -> list[tuple[Term, tuple[int, ...]]] | None:
    """The group with the term's box placed in its axes, when it overlaps one of the boxes there."""
    first = group[0][0]
    if any(m.table is not None for m in (first.row, first.column, term.row, term.column)):
        return None
    pair = alike(first, term)
    if pair is None or len(pair[0].extents) != len(first.extents):
        return None
    for shift in shifts(*pair):
        if any(_overlap(own.extents, start, pair[1].extents, shift) for own, start in group):
            return [(pair[0], group[0][1]), *group[1:], (pair[1], shift)]
    return None


def _overlap(first: Sequence[int], start: Sequence[int], second: Sequence[int], shift: Sequence[int]) -> bool:
    return all(min(s + m, k + n) > max(s, k) for m, s, n, k in zip(first, start, second, shift, strict=True))


def _without_overlap(group: list[tuple[Term, tuple[int, ...]]]) -> list[Term]:
    if len(group) == 1:
        return [group[0][0]]
    axes = range(len(group[0][0].extents))
    faces = [sorted({e for t, s in group for e in (s[axis], s[axis] + t.extents[axis])}) for axis in axes]
    pieces: dict[tuple[int, ...], list[tuple[tuple[int, ...], tuple[int, ...]]]] = {}
    for cell in itertools.product(*(range(len(face) - 1) for face in faces)):
        low = tuple(faces[axis][c] for axis, c in zip(axes, cell, strict=True))
        high = tuple(faces[axis][c + 1] for axis, c in zip(axes, cell, strict=True))
        holders = tuple(
            k for k, (t, s) in enumerate(group) if all(s[a] <= low[a] and high[a] <= s[a] + t.extents[a] for a in axes)
        )
        if holders:
            pieces.setdefault(holders, []).append((low, high))
    out = []
    for holders, cells in pieces.items():
        for low, high in _grown(cells):
            parts = [_cropped(*group[k], low, high) for k in holders]
            total = parts[0]
            for part in parts[1:]:
                total = replace(total, coefficient=_sum(total.coefficient, part.coefficient))
            out.append(total.squeezed())
    return out


def _grown(cells: list[tuple[tuple[int, ...], tuple[int, ...]]]) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Cells that share a whole face joined, one axis after the other."""
    for axis in reversed(range(len(cells[0][0]))):
        cells, done = sorted(cells, key=lambda cell: cell[0][:axis] + cell[0][axis + 1 :] + (cell[0][axis],)), []
        for low, high in cells:
            if done and _touches(done[-1], (low, high), axis):
                before = done.pop()
                low = before[0]
            done.append((low, high))
        cells = done
    return cells


def _touches(before: tuple, after: tuple, axis: int) -> bool:
    (low, high), (start, end) = before, after
    others = [a for a in range(len(low)) if a != axis]
    return high[axis] == start[axis] and all(low[a] == start[a] and high[a] == end[a] for a in others)


def _cropped(term: Term, start: Sequence[int], low: Sequence[int], high: Sequence[int]) -> Term:
    for axis, (origin, begin, end) in enumerate(zip(start, low, high, strict=True)):
        term = term.narrowed(axis, begin - origin, end - begin)
    return term
