"""Rules for operations that move entries to other places, or repeat them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cycloid.differentiate.sparse.maps import IndexMap, constant
from cycloid.differentiate.sparse.rules import Terms, rule
from cycloid.differentiate.sparse.slots import Slot, Unsupported
from cycloid.differentiate.sparse.terms import Term, inside, located, placed


@rule("reshape", "squeeze", "expand_dims")
def _reshape(params: dict, slots: Sequence[Slot], outs: Sequence[Any]) -> list[Terms]:
    if params.get("dimensions") is not None and "new_sizes" in params:
        raise Unsupported("a reshape that also permutes axes")
    return [slots[0].terms or []]  # rows are flat positions, which stay


@rule("transpose")
def _transpose(params: dict, slots: Sequence[Slot], outs: Sequence[Any]) -> list[Terms]:
    order = params["permutation"]
    return [moved(slots[0], outs[0].shape, lambda at: [at[axis] for axis in order])]


@rule("rev")
def _rev(params: dict, slots: Sequence[Slot], outs: Sequence[Any]) -> list[Terms]:
    shape, axes = slots[0].shape, params["dimensions"]
    flip = lambda at: [c.times(-1).plus(shape[a] - 1) if a in axes else c for a, c in enumerate(at)]
    return [moved(slots[0], shape, flip)]


def moved(slot: Slot, shape: Sequence[int], move: Callable[[Sequence[IndexMap]], Sequence[IndexMap]]) -> Terms:
    found = [pair for term in slot.terms or [] for pair in located(term, slot.shape)]
    return [placed(term, move(at), shape) for term, at in found]


@rule("tile")
def _tile(params: dict, slots: Sequence[Slot], outs: Sequence[Any]) -> list[Terms]:
    (slot,), reps = slots, params["reps"]
    pairs = [number for size in zip(reps, slot.shape, strict=True) for number in size]
    wide = Slot(tuple(size if k % 2 else 1 for k, size in enumerate(pairs)), slot.dtype, terms=slot.terms)
    return [broadcast(wide, pairs, range(len(pairs)))]


@rule("concatenate")
def _concatenate(params: dict, slots: Sequence[Slot], outs: Sequence[Any]) -> list[Terms]:
    terms, start, axis = [], 0, params["dimension"]
    for slot in slots:
        shift = lambda at, start=start: [c.plus(start) if a == axis else c for a, c in enumerate(at)]
        terms += moved(slot, outs[0].shape, shift)
        start += slot.shape[axis]
    return [terms]


@rule("stack")
def _stack(params: dict, slots: Sequence[Slot], outs: Sequence[Any]) -> list[Terms]:
    terms, axis = [], params["axis"] % len(outs[0].shape)
    for number, slot in enumerate(slots):
        for term in slot.terms or []:
            for piece, at in located(term, slot.shape):
                here = constant(number, len(piece.extents))
                terms.append(placed(piece, [*at[:axis], here, *at[axis:]], outs[0].shape))
    return [terms]


@rule("pad")
def _pad(params: dict, slots: Sequence[Slot], outs: Sequence[Any]) -> list[Terms]:
    if slots[1].moves:
        raise Unsupported("padding with a value that depends on the direction")
    shape, terms = outs[0].shape, []
    for term in slots[0].terms or []:
        for piece, at in located(term, slots[0].shape):
            config = zip(at, params["padding_config"], strict=True)
            coordinates = [c.times(int(inner) + 1).plus(int(low)) for c, (low, _, inner) in config]
            found = _within(piece, coordinates, [0] * len(shape), shape)
            if found is not None:
                terms.append(placed(*found, shape))
    return [terms]


def _within(term: Term, coordinates: Sequence[IndexMap], low: Sequence[int], high: Sequence[int]):
    """(term, coordinates) on the part of the box that lies between the bounds; None when empty."""
    found = term, tuple(coordinates)
    for place, (start, end) in enumerate(zip(low, high, strict=True)):
        found = inside(*found, place, int(start), int(end))
        if found is None:
            return None
    return found


@rule("broadcast_in_dim")
def _broadcast_in_dim(params: dict, slots: Sequence[Slot], outs: Sequence[Any]) -> list[Terms]:
    return [broadcast(slots[0], outs[0].shape, params["broadcast_dimensions"])]


def broadcast(slot: Slot, shape: Sequence[int], places: Sequence[int]) -> Terms:
    own = dict(zip(places, slot.shape, strict=True))
    new = [axis for axis, size in enumerate(shape) if own.get(axis, 1) == 1 and size != 1]
    if not new:
        return slot.terms or []
    terms = []
    for term in slot.terms or []:
        for piece, at in located(term, slot.shape):
            count = len(piece.extents)
            wide = piece.widened([shape[axis] for axis in new])
            coordinates = []
            for axis in range(len(shape)):
                if axis in new:
                    strides = [0] * len(wide.extents)
                    strides[count + new.index(axis)] = 1
                    coordinates.append(IndexMap(0, tuple(strides)))
                elif axis in own:
                    inner = at[list(places).index(axis)]
                    coordinates.append(inner.arranged([*range(count), *([None] * len(new))]))
                else:
                    coordinates.append(constant(0, len(wide.extents)))
            terms.append(placed(wide, coordinates, shape))
    return terms
