"""Index maps: which column, or which row, an entry of a matrix belongs to, told without listing the entries.

Entries of a matrix are gathered in boxes of integers i = (i₁, …, i_k), 0 ≤ i_j < extents_j. A map sends i to

    offset + Σ_j strides_j i_j (+ table[i]).

A stencil, a band, a block or a broadcast needs offset and strides alone, so that nothing here grows with the size of
the matrix. A table stands in where entries are listed: an index array in the user's function (the edges of a graph).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# The longest list of entries a table may hold: 400 MB of indices.
LONGEST_TABLE = 50_000_000


class TooManyEntries(Exception):
    """A table would hold more entries than fit."""


@dataclass(frozen=True, eq=False, slots=True)
class IndexMap:
    """i ↦ offset + Σ strides_j i_j (+ table[i]).

    Args:
        offset: the value at the corner of the box, the table's part left out.
        strides: one integer an axis of the box.
        table: None, or integers with as many axes as the box, each of length 1 or the box's.
    """

    offset: int
    strides: tuple[int, ...]
    table: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.table is not None and self.table.size == 1:
            object.__setattr__(self, "offset", self.offset + int(self.table.flat[0]))
            object.__setattr__(self, "table", None)

    def active(self, axis: int) -> bool:
        """Whether the value changes along this axis."""
        return self.strides[axis] != 0 or (self.table is not None and self.table.shape[axis] != 1)

    def actives(self) -> list[int]:
        """The axes along which the value changes."""
        return [axis for axis in range(len(self.strides)) if self.active(axis)]

    def plus(self, constant: int) -> IndexMap:
        return IndexMap(self.offset + constant, self.strides, self.table)

    def times(self, factor: int) -> IndexMap:
        table = None if self.table is None or factor == 0 else self.table * factor
        return IndexMap(self.offset * factor, tuple(s * factor for s in self.strides), table)

    def divided(self, divisor: int) -> IndexMap:
        """Every value divided; they are multiples of the divisor."""
        table = None if self.table is None else self.table // divisor
        return IndexMap(self.offset // divisor, tuple(s // divisor for s in self.strides), table)

    def add(self, other: IndexMap) -> IndexMap:
        strides = tuple(a + b for a, b in zip(self.strides, other.strides, strict=True))
        plain = IndexMap(self.offset + other.offset, strides, other.table if self.table is None else self.table)
        if self.table is None or other.table is None:
            return plain
        return IndexMap(plain.offset, strides).add(from_table(self.table + other.table))

    def narrowed(self, axis: int, start: int, count: int, step: int) -> IndexMap:
        """The map on start, start + step, … (`count` of them) of one axis."""
        strides = list(self.strides)
        offset, strides[axis] = self.offset + start * strides[axis], strides[axis] * step
        table = self.table
        if table is None or table.shape[axis] == 1:
            return IndexMap(offset, tuple(strides), table)
        part = np.take(table, np.arange(start, start + step * count, step), axis)
        return IndexMap(offset, tuple(strides)).add(from_table(part))

    def arranged(self, axes: Sequence[int | None]) -> IndexMap:
        """The axes in another order; None stands for a new axis; those left out have length 1."""
        strides = tuple(0 if axis is None else self.strides[axis] for axis in axes)
        return IndexMap(self.offset, strides, None if self.table is None else arranged(self.table, axes))

    def bounds(self, extents: Sequence[int]) -> tuple[int, int]:
        """The smallest and the largest value, exact where there is no table and never too narrow."""
        low = high = self.offset
        for stride, extent in zip(self.strides, extents, strict=True):
            low, high = low + min(0, stride * (extent - 1)), high + max(0, stride * (extent - 1))
        if self.table is not None and self.table.size:
            low, high = low + int(self.table.min()), high + int(self.table.max())
        return low, high

    def short(self, extents: Sequence[int]) -> np.ndarray:
        """All values, with length 1 along the axes on which they do not depend."""
        live = [extents[axis] if self.active(axis) else 1 for axis in range(len(extents))]
        if math.prod(live) > LONGEST_TABLE:
            raise TooManyEntries
        out = np.full(live, self.offset, np.int64)
        for axis, stride in enumerate(self.strides):
            if stride:
                line = [1] * len(live)
                line[axis] = live[axis]
                out += (np.arange(live[axis], dtype=np.int64) * stride).reshape(line)
        return out if self.table is None else out + self.table

    def values(self, extents: Sequence[int]) -> np.ndarray:
        """All values, one an entry of the box."""
        if math.prod(extents) > LONGEST_TABLE:
            raise TooManyEntries
        return np.broadcast_to(self.short(extents), extents)

    def selected(self, axes: Sequence[int], chosen: np.ndarray, extents: Sequence[int]) -> IndexMap:
        """`axes` joined into one first axis that runs over the flat positions `chosen` of their box."""
        rest = [axis for axis in range(len(extents)) if axis not in axes]
        index, count = self.arranged([*axes, *rest]), len(axes)
        box, ones = [extents[axis] for axis in axes], [1] * len(rest)
        table = IndexMap(index.offset, index.strides[:count]).values(box).reshape(-1)[chosen].reshape(-1, *ones)
        if index.table is not None:
            own = index.table.shape[count:]
            table = table + np.broadcast_to(index.table, (*box, *own)).reshape(-1, *own)[chosen]
        return from_table(table).add(IndexMap(0, (0, *index.strides[count:])))

    def same(self, other: IndexMap) -> bool:
        """Whether both are written alike, hence equal on any box."""
        if (self.offset, self.strides) != (other.offset, other.strides):
            return False
        if self.table is None or other.table is None:
            return self.table is other.table
        return self.table is other.table or np.array_equal(self.table, other.table)


def arranged(array: Any, axes: Sequence[int | None]) -> Any:
    """The axes in another order, None a new one; those left out have length 1."""
    kept = [axis for axis in axes if axis is not None]
    rest = [axis for axis in range(array.ndim) if axis not in kept]
    live = [array.shape[axis] for axis in kept]
    if rest or kept != sorted(kept):
        array = array.transpose([*kept, *rest]).reshape(live)
    shape = tuple(1 if axis is None else array.shape[kept.index(axis)] for axis in axes)
    return array if array.shape == shape else array.reshape(shape)


def constant(value: int, axes: int) -> IndexMap:
    """The map with one value on a box of so many axes."""
    return IndexMap(value, (0,) * axes)


def from_table(table: np.ndarray) -> IndexMap:
    """The map with these values, strides in place of the table along each axis where it grows evenly."""
    table = np.asarray(table, np.int64)
    strides = []
    for axis in range(table.ndim):
        stride = 0
        if table.shape[axis] > 1:
            steps = np.diff(table, axis=axis)
            if (steps == steps.flat[0]).all():
                stride = int(steps.flat[0])
                table = np.take(table, [0], axis)
        strides.append(stride)
    offset = int(table.flat[0]) if table.size else 0
    table = table - offset
    return IndexMap(offset, tuple(strides), table if table.size > 1 else None)


def row_major(shape: Sequence[int]) -> tuple[int, ...]:
    """How far apart neighbours along each axis of an array lie, in entries."""
    out, step = [], 1
    for size in reversed(shape):
        out.append(step)
        step *= size
    return tuple(reversed(out))


def linear(coordinates: Sequence[IndexMap], shape: Sequence[int], axes: int) -> IndexMap:
    """The position in a flat array of `shape` of the entry with these coordinates."""
    total = constant(0, axes)
    for coordinate, step in zip(coordinates, row_major(shape), strict=True):
        total = total.add(coordinate.times(step))
    return total


def digits(index: IndexMap, extents: Sequence[int], shape: Sequence[int]) -> tuple[IndexMap, ...] | None:
    """The coordinates in an array of `shape` of a flat position; None where a step would carry into the next axis."""
    if len(shape) == 1:
        return (index,)
    if index.table is not None:
        return None
    steps = row_major(shape)
    offsets = _parts(index.offset, steps, shape)
    columns = [_parts(stride, steps, shape) for stride in index.strides]
    if offsets is None or any(column is None for column in columns):
        return None
    maps = tuple(
        IndexMap(offsets[a], tuple(column[a] for column in columns if column is not None)) for a in range(len(shape))
    )
    for coordinate, size in zip(maps, shape, strict=True):
        low, high = coordinate.bounds(extents)
        if low < 0 or high >= size:
            return None
    return maps


def _parts(value: int, steps: Sequence[int], shape: Sequence[int]) -> list[int] | None:
    sign, rest = (-1, -value) if value < 0 else (1, value)
    parts = []
    for step, size in zip(steps, shape, strict=True):
        part = rest // step if step else 0
        if part >= size:
            return None
        parts.append(sign * part)
        rest -= part * step
    return parts if rest == 0 else None


def composed(outer: IndexMap, coordinates: Sequence[IndexMap], extents: Sequence[int]) -> IndexMap:
    """The map i ↦ outer(coordinates(i)) on a box of `extents`."""
    total = constant(outer.offset, len(extents))
    for coordinate, stride in zip(coordinates, outer.strides, strict=True):
        if stride:
            total = total.add(coordinate.times(stride))
    if outer.table is None:
        return total
    places = [
        coordinate.short(extents) if outer.table.shape[axis] != 1 else np.zeros((1,) * len(extents), np.int64)
        for axis, coordinate in enumerate(coordinates)
    ]
    return total.add(from_table(outer.table[tuple(np.broadcast_arrays(*places))] if places else outer.table))
