"""Rules for sums over axes and products of matrices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from cycloid.differentiate.sparse.maps import IndexMap, constant, linear, row_major
from cycloid.differentiate.sparse.rules import SPARSE_FACTOR, Terms, rule
from cycloid.differentiate.sparse.slots import Slot, Unsupported
from cycloid.differentiate.sparse.terms import Term, chosen_by, located
from cycloid.differentiate.sparse.views import view


@rule("reduce_sum")
def _reduce_sum(params: dict, slots: Sequence[Slot], outs: Sequence[Any]) -> list[Terms]:
    (slot,), gone = slots, params["axes"]
    steps = iter(row_major(outs[0].shape))
    weights = [0 if axis in gone else next(steps) for axis in range(len(slot.shape))]
    terms = []
    for term in slot.terms or []:
        for piece, at in located(term, slot.shape):
            row = constant(0, len(piece.extents))
            for coordinate, weight in zip(at, weights, strict=True):
                row = row.add(coordinate.times(weight))
            terms.append(contracted(replace(piece, row=row)))
    return [terms]


def contracted(term: Term) -> Term:
    """The axes that neither row nor column knows of summed away."""
    dead = [a for a in range(len(term.extents)) if not term.row.active(a) and not term.column.active(a)]
    if not dead:
        return term.squeezed()
    own = term.coefficient
    sums = tuple(axis for axis in dead if own.shape[axis] != 1)
    times = int(np.prod([term.extents[axis] for axis in dead if own.shape[axis] == 1], dtype=np.int64))
    own = own.sum(sums, keepdims=True) if sums else own
    own = own * np.asarray(times, own.dtype) if times != 1 else own
    live = [axis for axis in range(len(term.extents)) if axis not in dead]
    flat = replace(term, coefficient=own, extents=tuple(1 if a in dead else n for a, n in enumerate(term.extents)))
    return replace(flat.arranged(live), masked=term.masked and not sums)


@rule("dot_general")
def _dot_general(params: dict, slots: Sequence[Slot], outs: Sequence[Any]) -> list[Terms]:
    if slots[0].moves and slots[1].moves:
        raise Unsupported("a product of two matrices that both depend on the direction")
    side = 0 if slots[0].moves else 1
    moving, factor = slots[side], slots[1 - side]
    contracting, batch = params["dimension_numbers"]
    plan = _Plan(
        moving.shape,
        factor.shape,
        [int(axis) for axis in contracting[side]],
        [int(axis) for axis in contracting[1 - side]],
        [int(axis) for axis in batch[side]],
        [int(axis) for axis in batch[1 - side]],
        swapped=side == 1,
    )
    precision = params.get("precision")
    terms = []
    for term in moving.terms or []:
        for piece, at in located(term, moving.shape):
            terms += _times_matrix(piece, at, factor, plan, outs[0], precision)
    return [terms]


class _Plan(NamedTuple):
    """Which axes of the moving operand and of the factor are summed over, go side by side, or are free."""

    own: Sequence[int]
    other: Sequence[int]
    sums: Sequence[int]
    other_sums: Sequence[int]
    batch: Sequence[int]
    other_batch: Sequence[int]
    swapped: bool

    def free(self) -> tuple[list[int], list[int]]:
        mine = [a for a in range(len(self.own)) if a not in self.sums and a not in self.batch]
        theirs = [a for a in range(len(self.other)) if a not in self.other_sums and a not in self.other_batch]
        return mine, theirs


def _times_matrix(term: Term, at: Sequence[IndexMap], factor: Slot, plan: _Plan, out: Any, precision: Any) -> Terms:
    """One term of the moving operand, multiplied with the factor: its free axes become new axes of the box."""
    mine, theirs = plan.free()
    count, sizes = len(term.extents), [plan.other[axis] for axis in theirs]
    wide = term.widened(sizes)
    stretched = [*range(count), *([None] * len(sizes))]
    at = [coordinate.arranged(stretched) for coordinate in at]
    fresh = [IndexMap(0, tuple(int(a == count + k) for a in range(count + len(sizes)))) for k in range(len(sizes))]
    groups = (
        [at[a] for a in plan.batch],
        *([fresh, [at[a] for a in mine]] if plan.swapped else [[at[a] for a in mine], fresh]),
    )
    row = linear([c for group in groups for c in group], out.shape, len(wide.extents))
    places: list[Any] = [None] * len(plan.other)
    for axis, coordinate in zip(theirs, fresh, strict=True):
        places[axis] = coordinate
    for axis, own in zip((*plan.other_batch, *plan.other_sums), (*plan.batch, *plan.sums), strict=True):
        places[axis] = at[own]
    wide = replace(wide, row=row)
    index = linear(places, plan.other, len(wide.extents))
    dead = [a for a in range(count) if not row.active(a) and not wide.column.active(a)]
    if not dead and factor.known:
        kept = view(np.asarray(factor.value) != 0, index, wide.extents, plan.other)
        if kept.mean() < SPARSE_FACTOR:
            found = chosen_by(wide, (index,), kept)
            if found is None:
                return []
            wide, (index,) = found
    matrix = view(factor.value, index, wide.extents, plan.other)
    if not dead:
        coefficient = (wide.coefficient * matrix).astype(out.dtype)
        return [replace(wide, coefficient=coefficient, masked=False).squeezed()]
    return [_summed(wide, matrix, dead, out.dtype, precision)]


def _summed(term: Term, matrix: Any, dead: Sequence[int], dtype: Any, precision: Any) -> Term:
    """The coefficient times the matrix, summed over the axes that neither row nor column knows of."""
    own, axes = term.coefficient, range(len(term.extents))
    mine = [a for a in axes if own.shape[a] != 1]
    theirs = [a for a in axes if matrix.shape[a] != 1]
    kept = [a for a in axes if a not in dead and (a in mine or a in theirs)]
    squeeze = lambda array, live: array.reshape([array.shape[a] for a in live])
    product = jnp.einsum(squeeze(own, mine), mine, squeeze(matrix, theirs), theirs, kept, precision=precision)
    unseen = int(np.prod([term.extents[a] for a in dead if a not in mine and a not in theirs], dtype=np.int64))
    product = product * np.asarray(unseen, dtype) if unseen != 1 else product
    sizes = iter(product.shape)
    shape = [next(sizes) if a in kept else 1 for a in axes]
    extents = tuple(1 if a in dead else n for a, n in enumerate(term.extents))
    coefficient = product.reshape(shape).astype(dtype)
    return replace(term, coefficient=coefficient, extents=extents, masked=False).squeezed()
