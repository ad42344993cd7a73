"""A term all of whose entries lie in the box of another is added there: a diagonal into a dense block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp

from cycloid.differentiate.sparse.maps import IndexMap, arranged, linear
from cycloid.differentiate.sparse.overlaps import may_repeat
from cycloid.differentiate.sparse.terms import Term, spread
from cycloid.differentiate.sparse.views import positions


def absorbed(terms: Sequence[Term]) -> list[Term]:
    """The same derivative, each term added into a larger one where that holds all its entries."""
    kept: list[Term] = []
    for term in sorted(terms, key=lambda term: -term.size):
        for place, whole in enumerate(kept):
            at = _within(term, whole)
            if at is not None:
                kept[place] = _added(whole, term, at)
                break
        else:
            kept.append(term)
    return kept


def _within(term: Term, whole: Term) -> list[IndexMap] | None:
    """Where in the box of `whole` each entry of the term lies; None where some lie elsewhere, or that is not told."""
    if any(index.table is not None for t in (term, whole) for index in (t.row, t.column)) or may_repeat(whole):
        return None
    kinds = list(zip(whole.row.strides, whole.column.strides, strict=True))
    corner = _steps(kinds, term.row.offset - whole.row.offset, term.column.offset - whole.column.offset)
    sides = [_steps(kinds, r, c) for r, c in zip(term.row.strides, term.column.strides, strict=True)]
    if corner is None or any(side is None for side in sides):
        return None
    at = [IndexMap(corner[k], tuple(side[k] for side in sides if side is not None)) for k in range(len(kinds))]
    for coordinate, extent in zip(at, whole.extents, strict=True):
        low, high = coordinate.bounds(term.extents)
        if low < 0 or high >= extent:
            return None
    return at


def _steps(kinds: Sequence[tuple[int, int]], row: int, column: int) -> list[int] | None:
    """Integers k with Σ k_j kinds_j = (row, column), the longest strides first; None where that does not come out."""
    found = [0] * len(kinds)
    for axis in sorted(range(len(kinds)), key=lambda axis: -max(map(abs, kinds[axis]))):
        r, c = kinds[axis]
        found[axis] = row // r if abs(r) >= abs(c) else column // c
        row, column = row - found[axis] * r, column - found[axis] * c
    return found if row == column == 0 else None


def _added(whole: Term, term: Term, at: Sequence[IndexMap]) -> Term:
    laid = _laid_out(whole, term, at)
    if laid is not None:
        total = jnp.add(spread(whole.coefficient, whole.extents), laid)
        return replace(whole, coefficient=total, masked=whole.masked or term.masked)
    flat = spread(whole.coefficient, whole.extents).reshape(-1)
    places = positions(linear(at, whole.extents, len(term.extents)), term.extents, whole=True).reshape(-1)
    part = spread(term.coefficient, term.extents).reshape(-1)
    total = jnp.asarray(flat).at[places].add(part, unique_indices=not may_repeat(term), mode="promise_in_bounds")
    return replace(whole, coefficient=total.reshape(whole.extents), masked=whole.masked or term.masked)


def _laid_out(whole: Term, term: Term, at: Sequence[IndexMap]) -> Any:
    """The term's coefficient over the box of `whole`, zero where it has no entry; None for steps longer than one."""
    carrier: dict[int, int] = {}
    for axis, place in enumerate(at):
        live = place.actives()
        if len(live) > 1 or any(place.strides[own] != 1 for own in live):
            return None
        for own in live:
            carrier.setdefault(own, axis)
    if len(carrier) != len(term.extents):
        return None
    back = {axis: own for own, axis in carrier.items()}
    part = arranged(jnp.asarray(term.coefficient), [back.get(axis) for axis in range(len(at))])
    margins, mask = [(0, 0, 0)] * len(at), None
    for axis, place in enumerate(at):
        here = jax.lax.broadcasted_iota(jnp.int32, whole.extents, axis) - place.offset
        if axis in back:
            extent, room = term.extents[back[axis]], whole.extents[axis]
            if extent == room:
                continue
            if part.shape[axis] != 1:
                margins[axis] = (place.offset, room - extent - place.offset, 0)
                continue
            fits = (here >= 0) & (here < extent)
        else:
            live = place.actives()
            other = carrier[live[0]] if live else None
            shift = 0 if other is None else at[other].offset
            there = 0 if other is None else jax.lax.broadcasted_iota(jnp.int32, whole.extents, other) - shift
            fits = here == there
        mask = fits if mask is None else mask & fits
    part = jax.lax.pad(part, jnp.zeros((), part.dtype), margins)
    return part if mask is None else jnp.where(mask, part, jnp.zeros((), part.dtype))
