"""Rules for operations that read or write at listed places: gather and scatter, their indices known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import numpy as np

from cycloid.differentiate.sparse.maps import LONGEST_TABLE, IndexMap, TooManyEntries, composed, from_table, row_major
from cycloid.differentiate.sparse.rules import Terms, rule
from cycloid.differentiate.sparse.slots import Slot, Unsupported, integers
from cycloid.differentiate.sparse.terms import (
    Term,
    arranged,
    chosen_by,
    located,
    taken,
)
from cycloid.differentiate.sparse.windows import outside

MODES = jax.lax.GatherScatterMode


class Places(NamedTuple):
    """Where in an array each entry of a window, read or written, lies.

    Args:
        shape: of what is read or written.
        flat: flat positions in the array, on the box `shape`.
        valid: None, or which entries lie within the array, with axes of length 1.
        box: the corner and the sizes of the window where there is only one.
    """

    shape: tuple[int, ...]
    flat: IndexMap
    valid: np.ndarray | None
    box: tuple[list[int], list[int]] | None


def places(
    array: Sequence[int],
    shape: Sequence[int],
    indices: np.ndarray,
    windows: Sequence[int],
    collapsed: Sequence[int],
    batch: tuple[Sequence[int], Sequence[int]],
    names: Sequence[int],
    sizes: Sequence[int],
    mode: Any,
) -> Places:
    """The places of a gather or a scatter.

    Args:
        array: shape of the array that is read or written.
        shape: of the windows laid out.
        indices: the starts, the last axis running over `names`.
        windows: the axes of `shape` along which a window runs.
        collapsed: axes of the array in which windows have length 1 and no axis.
        batch: axes of the array, and of the indices, that run side by side.
        names: the axis of the array that each start refers to.
        sizes: the window.
        mode: what happens beyond the array.
    """
    steps, outer = row_major(array), [axis for axis in range(len(shape)) if axis not in windows]
    most = np.asarray([array[axis] - sizes[axis] for axis in names], np.int64)
    starts = indices.astype(np.int64)
    valid = None
    if mode == MODES.CLIP:
        starts = np.clip(starts, 0, most)
    elif mode in (MODES.FILL_OR_DROP, None):
        fits = ((starts >= 0) & (starts <= most)).all(axis=-1)
        valid = None if fits.all() else fits
    first = sum((starts[..., k] * steps[axis] for k, axis in enumerate(names)), np.zeros(starts.shape[:-1], np.int64))
    for axis, own in zip(*batch, strict=True):
        line = [1] * first.ndim
        line[own] = array[axis]
        first = first + (np.arange(array[axis]) * steps[axis]).reshape(line)
    lay = lambda part: arranged(part, [outer.index(a) if a in outer else None for a in range(len(shape))])
    flat = from_table(lay(first))
    running = [axis for axis in range(len(array)) if axis not in collapsed and axis not in batch[0]]
    strides = [0] * len(shape)
    for axis, own in zip(windows, running, strict=True):
        strides[axis] = steps[own]
    box = None
    if first.size == 1 and valid is None:
        corner = [0] * len(array)
        for axis, start in zip(names, starts.reshape(-1), strict=True):
            corner[axis] = int(start)
        box = corner, [int(size) for size in sizes]
    return Places(tuple(shape), flat.add(IndexMap(0, tuple(strides))), None if valid is None else lay(valid), box)


# --- reading ----------------------------------------------------------------------------------------------------


@rule("gather")
def _gather(params: dict, slots: Sequence[Slot], outs: Sequence[Any]) -> list[Terms]:
    operand, indices = slots
    numbers = params["dimension_numbers"]
    found = places(
        operand.shape,
        outs[0].shape,
        integers(indices, "an entry read"),
        numbers.offset_dims,
        numbers.collapsed_slice_dims,
        (numbers.operand_batching_dims, numbers.start_indices_batching_dims),
        numbers.start_index_map,
        params["slice_sizes"],
        params["mode"],
    )
    return [[term for own in operand.terms or [] for term in _read(own, found)]]


def _read(term: Term, found: Places) -> Terms:
    """The term of what is read: for each entry of the window, those of the array's entry at its place."""
    rows = [axis for axis in range(len(term.extents)) if term.row.active(axis)]
    if found.valid is None and len(rows) <= 1 and term.row.table is None:
        direct = _read_by_stride(term, rows, found)
        if direct is not None:
            return direct
    return _read_by_search(term, rows, found)


def _read_by_stride(term: Term, rows: Sequence[int], found: Places) -> Terms | None:
    """The same where the rows of the term are an even line that holds all the places read."""
    stride = term.row.strides[rows[0]] if rows else 1
    extent = term.extents[rows[0]] if rows else 1
    there = found.flat.plus(-term.row.offset)
    if stride < 0 or (stride > 1 and ((there.short(found.shape) % stride) != 0).any()):
        return None
    there = there.divided(stride)
    low, high = there.bounds(found.shape)
    if low < 0 or high >= extent:
        return None
    rest, count = [axis for axis in range(len(term.extents)) if axis not in rows], len(found.shape)
    term = term.arranged([*rows, *rest])
    fibre, extents = term.extents[len(rows) :], (*found.shape, *term.extents[len(rows) :])
    wide = there.arranged([*range(count), *([None] * len(fibre))])
    inner = [IndexMap(0, tuple(int(a == count + k) for a in range(len(extents)))) for k in range(len(fibre))]
    column = composed(term.column, [wide, *inner] if rows else inner, extents)
    own = term.coefficient
    if rows and own.shape[0] != 1:
        chosen = there.short(found.shape)
        own = taken(own, chosen.reshape(-1)).reshape(*chosen.shape, *own.shape[1:])
    else:
        own = own.reshape(*([1] * count), *own.shape[len(rows) :])
    row = IndexMap(0, (*row_major(found.shape), *([0] * len(fibre))))
    return [Term(extents, row, column, own, term.masked).squeezed()]


def _read_by_search(term: Term, rows: Sequence[int], found: Places) -> Terms:
    """The same for any rows: those of the term are sorted, and each place looked up."""
    if not rows:
        term, rows = replace(term.arranged([None, *range(len(term.extents))])), [0]
    have = term.row.arranged(rows).values([term.extents[axis] for axis in rows]).reshape(-1)
    wanted = found.flat.values(found.shape).reshape(-1)
    entries = np.arange(wanted.size)
    if found.valid is not None:
        entries = np.flatnonzero(np.broadcast_to(found.valid, found.shape))
        wanted = wanted[entries]
    order = np.argsort(have, kind="stable")
    low, high = (np.searchsorted(have[order], wanted, side=side) for side in ("left", "right"))
    counts = high - low
    total = int(counts.sum())
    if total == 0:
        return []
    if total > LONGEST_TABLE:
        raise TooManyEntries
    before = np.repeat(np.cumsum(counts) - counts, counts)
    source = order[np.repeat(low, counts) + np.arange(total) - before]
    picked = term.selected(rows, source)
    target = np.repeat(entries, counts).reshape(-1, *([1] * (len(picked.extents) - 1)))
    return [replace(picked, row=from_table(target)).squeezed()]


# --- writing ----------------------------------------------------------------------------------------------------


def _written(params: dict, slots: Sequence[Slot]) -> Places:
    operand, indices, updates = slots
    numbers = params["dimension_numbers"]
    gone = {*numbers.inserted_window_dims, *numbers.operand_batching_dims}
    window = iter(numbers.update_window_dims)
    sizes = [1 if axis in gone else updates.shape[next(window)] for axis in range(len(operand.shape))]
    return places(
        operand.shape,
        updates.shape,
        integers(indices, "an entry written"),
        numbers.update_window_dims,
        numbers.inserted_window_dims,
        (numbers.operand_batching_dims, numbers.scatter_indices_batching_dims),
        numbers.scatter_dims_to_operand_dims,
        sizes,
        params["mode"],
    )


@rule("scatter-add")
def _scatter_add(params: dict, slots: Sequence[Slot], outs: Sequence[Any]) -> list[Terms]:
    found = _written(params, slots)
    return [[*(slots[0].terms or []), *_put(slots[2], found)]]


@rule("scatter")
def _scatter(params: dict, slots: Sequence[Slot], outs: Sequence[Any]) -> list[Terms]:
    operand, _, updates = slots
    found = _written(params, slots)
    if found.box is not None:
        return [[*outside(operand, *found.box), *_put(updates, found)]]
    places_ = found.flat.values(found.shape)
    if found.valid is not None:
        places_ = places_[np.broadcast_to(found.valid, found.shape)]
    hit = np.zeros(math.prod(operand.shape), bool)
    hit[places_] = True
    if updates.moves and np.count_nonzero(hit) != places_.size:
        raise Unsupported("entries written twice, of which either may stay")
    terms = []
    for term in operand.terms or []:
        kept = chosen_by(term, (), ~hit[term.row.short(term.extents)])
        if kept is not None:
            terms.append(kept[0])
    return [[*terms, *_put(updates, found)]]


def _put(updates: Slot, found: Places) -> Terms:
    """The terms of the updates, their rows at the places they are written to."""
    terms = []
    for term in updates.terms or []:
        for piece, at in located(term, updates.shape):
            pair = piece, tuple(at)
            if found.valid is not None:
                valid = found.valid
                spots = [c.short(piece.extents) if valid.shape[a] != 1 else 0 for a, c in enumerate(at)]
                marks = np.asarray(valid[tuple(np.broadcast_arrays(*spots))] if spots else valid)
                pair = chosen_by(piece, at, marks.reshape(marks.shape or (1,) * len(piece.extents)))
            if pair is not None:
                kept, at = pair
                terms.append(replace(kept, row=composed(found.flat, at, kept.extents)).squeezed())
    return terms
