"""Rules for operations that take or replace a part of an array whose place is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cycloid.differentiate.sparse.moves import moved
from cycloid.differentiate.sparse.rules import Terms, rule
from cycloid.differentiate.sparse.slots import Slot, integers
from cycloid.differentiate.sparse.terms import inside, located, placed


def _window(slot: Slot, starts: Sequence[int], limits: Sequence[int], steps: Sequence[int], shape: Any) -> Terms:
    terms = []
    for term in slot.terms or []:
        for pair in located(term, slot.shape):
            found = pair
            for place, (start, limit, step) in enumerate(zip(starts, limits, steps, strict=True)):
                found = inside(*found, place, int(start), int(limit), int(step))
                if found is None:
                    break
            if found is not None:
                piece, at = found
                moved = [c.plus(-int(s)).divided(int(k)) for c, s, k in zip(at, starts, steps, strict=True)]
                terms.append(placed(piece, moved, shape))
    return terms


@rule("slice")
def _slice(params: dict, slots: Sequence[Slot], outs: Sequence[Any]) -> list[Terms]:
    starts, limits = params["start_indices"], params["limit_indices"]
    return [_window(slots[0], starts, limits, params["strides"] or [1] * len(starts), outs[0].shape)]


@rule("dynamic_slice")
def _dynamic_slice(params: dict, slots: Sequence[Slot], outs: Sequence[Any]) -> list[Terms]:
    starts, sizes = _starts(slots[0].shape, slots[1:], params["slice_sizes"])
    limits = [start + size for start, size in zip(starts, sizes, strict=True)]
    return [_window(slots[0], starts, limits, [1] * len(starts), outs[0].shape)]


def _starts(shape: Sequence[int], slots: Sequence[Slot], sizes: Sequence[int]) -> tuple[list[int], Sequence[int]]:
    given = [int(integers(slot, "a slice that starts")) for slot in slots]
    return [min(max(s, 0), whole - n) for s, whole, n in zip(given, shape, sizes, strict=True)], sizes


@rule("split")
def _split(params: dict, slots: Sequence[Slot], outs: Sequence[Any]) -> list[Terms]:
    (slot,), axis, start, parts = slots, params["axis"], 0, []
    for out in outs:
        starts = [0] * len(slot.shape)
        starts[axis] = start
        start += out.shape[axis]
        limits = [start if a == axis else size for a, size in enumerate(slot.shape)]
        parts.append(_window(slot, starts, limits, [1] * len(starts), out.shape))
    return parts


@rule("unstack")
def _unstack(params: dict, slots: Sequence[Slot], outs: Sequence[Any]) -> list[Terms]:
    (slot,), axis, parts = slots, params["axis"] % len(slots[0].shape), []
    for number in range(len(outs)):
        starts = [number if a == axis else 0 for a in range(len(slot.shape))]
        limits = [number + 1 if a == axis else size for a, size in enumerate(slot.shape)]
        thin = [1 if a == axis else size for a, size in enumerate(slot.shape)]
        parts.append(_window(slot, starts, limits, [1] * len(starts), thin))
    return parts


@rule("dynamic_update_slice")
def _dynamic_update_slice(params: dict, slots: Sequence[Slot], outs: Sequence[Any]) -> list[Terms]:
    operand, update, *rest = slots
    starts, sizes = _starts(operand.shape, rest, update.shape)
    shift = lambda at: [c.plus(start) for c, start in zip(at, starts, strict=True)]
    return [[*outside(operand, starts, sizes), *moved(update, operand.shape, shift)]]


def outside(slot: Slot, starts: Sequence[int], sizes: Sequence[int]) -> Terms:
    """The terms of the rows that lie outside a box of the array."""
    terms = []
    for term in slot.terms or []:
        for pair in located(term, slot.shape):
            rest = pair
            for place, (start, size) in enumerate(zip(starts, sizes, strict=True)):
                for low, high in ((0, start), (start + size, slot.shape[place])):
                    found = inside(*rest, place, low, high)
                    if found is not None:
                        terms.append(placed(*found, slot.shape))
                rest = inside(*rest, place, start, start + size)
                if rest is None:
                    break
    return terms
