"""Terms: the derivative of an array with respect to the input, as boxes of entries that are each told by two maps.

A term says: for every i in a box, entry row(i) of the array depends on entry column(i) of the input with the derivative
coefficient[i]. Only entries that are there are stored, so that nothing is ever multiplied outside them: a derivative
that is zero for want of a path cannot meet an infinity. A sum over an axis costs nothing: the axis leaves `row` and
stays in `column`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from cycloid.differentiate.sparse.maps import IndexMap, arranged, digits, from_table, linear, row_major


@dataclass(frozen=True, eq=False, slots=True)
class Term:
    """Entries row(i), column(i) with the derivative coefficient[i], for i in a box.

    Args:
        extents: the box.
        row: position in the flat array whose derivative this is.
        column: position in the flat input.
        coefficient: an array with as many axes as the box, each of length 1 or the box's.
        masked: whether some coefficients were set to zero by a choice (`jnp.where`), so that they stay zero whatever
            they are multiplied with.
    """

    extents: tuple[int, ...]
    row: IndexMap
    column: IndexMap
    coefficient: Any
    masked: bool = False

    @property
    def size(self) -> int:
        """The number of entries."""
        return math.prod(self.extents)

    def narrowed(self, axis: int, start: int, count: int, step: int = 1) -> Term:
        """The part start, start + step, … (`count` of them) of one axis."""
        if (start, count, step) == (0, self.extents[axis], 1):
            return self
        extents = (*self.extents[:axis], count, *self.extents[axis + 1 :])
        coefficient = self.coefficient
        if coefficient.shape[axis] != 1:
            window = [slice(None)] * len(extents)
            window[axis] = slice(start, start + step * (count - 1) + 1, step)
            coefficient = coefficient[tuple(window)]
        row, column = (m.narrowed(axis, start, count, step) for m in (self.row, self.column))
        return replace(self, extents=extents, row=row, column=column, coefficient=coefficient)

    def arranged(self, axes: Sequence[int | None]) -> Term:
        """The axes in another order, None a new one of length 1; an axis left out has length 1."""
        extents = tuple(1 if axis is None else self.extents[axis] for axis in axes)
        return replace(
            self,
            extents=extents,
            row=self.row.arranged(axes),
            column=self.column.arranged(axes),
            coefficient=arranged(self.coefficient, axes),
        )

    def mirrored(self) -> Term:
        """Rows and columns exchanged."""
        return replace(self, row=self.column, column=self.row)

    def widened(self, counts: Sequence[int]) -> Term:
        """New last axes of these lengths, along which nothing changes."""
        if not counts:
            return self
        own = list(range(len(self.extents)))
        wide = self.arranged([*own, *([None] * len(counts))])
        return replace(wide, extents=(*self.extents, *counts))

    def squeezed(self) -> Term:
        """Without the axes of length 1."""
        live = [axis for axis, extent in enumerate(self.extents) if extent != 1]
        return self if len(live) == len(self.extents) else self.arranged(live)

    def split(self, axis: int, inner: int) -> Term:
        """One axis as two, the second of length `inner`, which divides its length."""
        outer = self.extents[axis] // inner

        def parted(index: IndexMap) -> IndexMap:
            strides = (*index.strides[:axis], index.strides[axis] * inner, *index.strides[axis:])
            table = None if index.table is None else _parted(index.table, axis, outer, inner)
            return IndexMap(index.offset, strides, table)

        extents = (*self.extents[:axis], outer, inner, *self.extents[axis + 1 :])
        coefficient = _parted(self.coefficient, axis, outer, inner)
        return replace(self, extents=extents, row=parted(self.row), column=parted(self.column), coefficient=coefficient)

    def selected(self, axes: Sequence[int], chosen: np.ndarray) -> Term:
        """`axes` joined into one first axis that runs over the flat positions `chosen` of their box."""
        rest = [axis for axis in range(len(self.extents)) if axis not in axes]
        row, column = (index.selected(axes, chosen, self.extents) for index in (self.row, self.column))
        coefficient, box = arranged(self.coefficient, [*axes, *rest]), [self.extents[axis] for axis in axes]
        own = coefficient.shape[len(axes) :]
        if any(size != 1 for size in coefficient.shape[: len(axes)]):
            coefficient = taken(spread(coefficient, (*box, *own)).reshape(-1, *own), chosen)
        else:
            coefficient = coefficient.reshape(1, *own)
        extents = (len(chosen), *(self.extents[axis] for axis in rest))
        return replace(self, extents=extents, row=row, column=column, coefficient=coefficient)


def seeded(shape: Sequence[int], first_column: int, dtype: Any) -> list[Term]:
    """The derivative of an input with respect to itself: the identity."""
    size = math.prod(shape)
    if size == 0:
        return []
    line = IndexMap(0, (1,))
    return [Term((size,), line, line.plus(first_column), np.ones((1,), dtype)).squeezed()]


# --- arrays with axes of length 1 -------------------------------------------------------------------------------


def spread(array: Any, shape: Sequence[int]) -> Any:
    """The array with its axes of length 1 broadcast to `shape`."""
    if array.shape == tuple(shape):
        return array
    return jnp.broadcast_to(array, shape)


def taken(array: Any, chosen: np.ndarray) -> Any:
    """Chosen positions of the first axis: a slice where they lie evenly, one position repeated included."""
    index = from_table(np.asarray(chosen))
    if index.table is None and len(chosen) and index.strides[0] >= 0:
        step = index.strides[0]
        if step == 0:
            return spread(array[index.offset : index.offset + 1], (len(chosen), *array.shape[1:]))
        return array[index.offset : index.offset + step * (len(chosen) - 1) + 1 : step]
    if isinstance(array, np.ndarray):
        return array[chosen]
    return picked(array, chosen)


def picked(array: Any, chosen: np.ndarray) -> Any:
    """Chosen positions of the first axis, all known now and within it, so that the program need not look at them."""
    rest = array.shape[1:]
    numbers = jax.lax.GatherDimensionNumbers(
        offset_dims=tuple(range(1, array.ndim)), collapsed_slice_dims=(0,), start_index_map=(0,)
    )
    at = np.asarray(chosen, np.int32)[:, None]
    return jax.lax.gather(array, at, numbers, (1, *rest), mode="promise_in_bounds")


def _parted(array: Any, axis: int, outer: int, inner: int) -> Any:
    whole = array.shape[axis] != 1
    return array.reshape(*array.shape[:axis], *((outer, inner) if whole else (1, 1)), *array.shape[axis + 1 :])


# --- coordinates ------------------------------------------------------------------------------------------------


def located(term: Term, shape: Sequence[int]) -> list[tuple[Term, tuple[IndexMap, ...]]]:
    """The term with the coordinates of its rows in an array of `shape`.

    Where a step would carry from one axis into the next (a flat vector seen as a grid) the term is cut into whole rows
    and what is left before and after them; where that cannot be told by strides, the coordinates are listed.
    """
    found = digits(term.row, term.extents, shape)
    if found is not None:
        return [(term, found)]
    if term.row.table is None:
        for axis in range(len(term.extents)):
            pieces = _cut(term, axis, shape)
            if pieces is not None:
                return [pair for piece in pieces for pair in located(piece, shape)]
    rows = term.row.short(term.extents)
    return [(term, tuple(from_table(part) for part in np.unravel_index(rows, tuple(shape))))]


def _cut(term: Term, axis: int, shape: Sequence[int]) -> list[Term] | None:
    """The term cut along one axis so that each piece stays within the rows of one axis of the array."""
    stride, extent = term.row.strides[axis], term.extents[axis]
    steps = row_major(shape)
    for place in range(1, len(shape)):
        size, unit = shape[place], steps[place]
        if stride <= 0 or stride % unit or stride >= unit * size or size % (stride // unit):
            continue
        jump, length = stride // unit, size // (stride // unit)
        begin = (term.row.offset // unit) % size
        if extent <= length - begin // jump or not _apart(term, axis, unit, unit * size):
            continue
        head = (-(begin // jump)) % length
        rows = (extent - head) // length
        tail = extent - head - rows * length
        pieces = [term.narrowed(axis, 0, head)] if head else []
        if rows:
            pieces.append(term.narrowed(axis, head, rows * length).split(axis, length).squeezed())
        if tail:
            pieces.append(term.narrowed(axis, extent - tail, tail))
        return pieces
    return None


def _apart(term: Term, axis: int, unit: int, whole: int) -> bool:
    """Whether the other axes move the row by multiples of `whole`, or within one `unit`."""
    others = [(s, e) for a, (s, e) in enumerate(zip(term.row.strides, term.extents, strict=True)) if a != axis]
    near = [(s, e) for s, e in others if s % whole]
    rest = IndexMap(term.row.offset % unit, tuple(s for s, _ in near))
    low, high = rest.bounds([e for _, e in near])
    return low >= 0 and high < unit


def placed(term: Term, coordinates: Sequence[IndexMap], shape: Sequence[int]) -> Term:
    """The term with its rows at these coordinates of an array of `shape`."""
    return replace(term, row=linear(coordinates, shape, len(term.extents))).squeezed()


def inside(term: Term, coordinates: Sequence[IndexMap], place: int, low: int, high: int, step: int = 1):
    """(term, coordinates) where low ≤ coordinate < high, at every `step` from low on; None when empty."""
    coordinate = coordinates[place]
    least, most = coordinate.bounds(term.extents)
    if step == 1 and low <= least and most < high:
        return term, tuple(coordinates)
    live = coordinate.actives()
    if not live:
        value = coordinate.offset if coordinate.table is None else least
        fits = low <= value < high and (value - low) % step == 0
        return (term, tuple(coordinates)) if fits else None
    if len(live) == 1 and coordinate.table is None:
        window = _window(coordinate.offset, coordinate.strides[live[0]], term.extents[live[0]], low, high, step)
        if window is None:
            return None
        start, count, jump = window
        return (
            term.narrowed(live[0], start, count, jump),
            tuple(c.narrowed(live[0], start, count, jump) for c in coordinates),
        )
    values = coordinate.short(term.extents)
    kept = (values >= low) & (values < high) & ((values - low) % step == 0)
    return chosen_by(term, coordinates, kept)


def chosen_by(term: Term, coordinates: Sequence[IndexMap], kept: np.ndarray):
    """(term, coordinates) on the part of the box where `kept` (with axes of length 1) holds; None when empty."""
    if kept.all():
        return term, tuple(coordinates)
    if not kept.any():
        return None
    box = _box_of(kept)
    if box is not None:
        for axis, (start, count) in enumerate(box):
            if kept.shape[axis] != 1:
                term = term.narrowed(axis, start, count)
                coordinates = [c.narrowed(axis, start, count, 1) for c in coordinates]
        return term, tuple(coordinates)
    live = [axis for axis, size in enumerate(kept.shape) if size != 1]
    chosen = np.flatnonzero(kept)
    return term.selected(live, chosen), tuple(c.selected(live, chosen, term.extents) for c in coordinates)


def _box_of(kept: np.ndarray) -> list[tuple[int, int]] | None:
    """The start and the length along each axis of the box that is marked; None where it is no box."""
    places = [
        np.flatnonzero(kept.any(axis=tuple(a for a in range(kept.ndim) if a != axis))) for axis in range(kept.ndim)
    ]
    box = [(int(at[0]), int(at[-1] - at[0] + 1)) for at in places]
    return box if math.prod(count for _, count in box) == np.count_nonzero(kept) else None


def _window(offset: int, stride: int, extent: int, low: int, high: int, step: int) -> tuple[int, int, int] | None:
    """Where low ≤ offset + stride i < high, `step` dividing the distance to low: first i, how many, step of i."""
    near, far = (low, high - 1) if stride > 0 else (high - 1, low)
    first = max(0, -((offset - near) // stride))
    last = min(extent - 1, (far - offset) // stride)
    jump = step // math.gcd(step, stride)
    for start in range(first, min(first + jump, last + 1)):
        if (offset + stride * start - low) % step == 0:
            return start, (last - start) // jump + 1, jump
    return None


def is_host(array: Any) -> bool:
    """Whether the numbers are known now, not when the program runs."""
    return isinstance(array, np.ndarray | np.generic) or (
        isinstance(array, jax.Array) and not isinstance(array, Tracer)
    )
