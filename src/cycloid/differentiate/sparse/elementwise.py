"""Rules for operations entry by entry: the rows stay, the coefficients change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np

from cycloid.differentiate.sparse.moves import broadcast
from cycloid.differentiate.sparse.rules import SPARSE_FACTOR, Terms, rule
from cycloid.differentiate.sparse.slots import Slot, Unsupported
from cycloid.differentiate.sparse.terms import Term, chosen_by, is_host, located
from cycloid.differentiate.sparse.views import view


def stretched(slot: Slot, shape: Sequence[int]) -> Terms:
    """The terms of a slot broadcast to `shape` by NumPy's rule."""
    if slot.shape == tuple(shape):
        return slot.terms or []
    return broadcast(slot, shape, range(len(shape) - len(slot.shape), len(shape)))


@rule("add", "add_any")
def _add(_: dict, slots: Sequence[Slot], outs: Sequence[Any]) -> list[Terms]:
    return [[term for slot in slots for term in stretched(slot, outs[0].shape)]]


@rule("sub")
def _sub(_: dict, slots: Sequence[Slot], outs: Sequence[Any]) -> list[Terms]:
    return [[*stretched(slots[0], outs[0].shape), *map(_negative, stretched(slots[1], outs[0].shape))]]


@rule("neg")
def _neg(_: dict, slots: Sequence[Slot], outs: Sequence[Any]) -> list[Terms]:
    return [[_negative(term) for term in slots[0].terms or []]]


def _negative(term: Term) -> Term:
    return replace(term, coefficient=-term.coefficient)


@rule("mul")
def _mul(_: dict, slots: Sequence[Slot], outs: Sequence[Any]) -> list[Terms]:
    moving, factor = slots if slots[0].moves else slots[::-1]
    if factor.moves:
        raise Unsupported("a product of two factors that both depend on the direction")
    return [scaled(moving, factor, outs[0].shape, lambda c, w: c * w, prune=True)]


@rule("div")
def _div(_: dict, slots: Sequence[Slot], outs: Sequence[Any]) -> list[Terms]:
    if slots[1].moves:
        raise Unsupported("a quotient whose denominator depends on the direction")
    return [scaled(slots[0], slots[1], outs[0].shape, lambda c, w: c / w)]


def scaled(moving: Slot, factor: Slot, shape: Sequence[int], operation: Callable, prune: bool = False) -> Terms:
    """Every coefficient combined with the factor's entry in the same row."""
    value, out = factor.full() if factor.value is None else factor.value, []
    value = value if hasattr(value, "reshape") else jnp.asarray(value)
    partial = 1 < value.size < int(np.prod(shape))
    for term in stretched(moving, shape):
        pieces = [piece for piece, _ in located(term, shape)] if partial else [term]
        for piece in pieces:
            if prune and factor.known and value.size > 1:
                kept = view(np.asarray(value) != 0, piece.row, piece.extents, shape)
                if kept.mean() < SPARSE_FACTOR:
                    found = chosen_by(piece, (), kept)
                    if found is None:
                        continue
                    piece = found[0]
            out.append(_combined(piece, view(value, piece.row, piece.extents, shape), operation))
    return out


def _combined(term: Term, factor: Any, operation: Callable) -> Term:
    coefficient = term.coefficient
    if term.masked:  # a zero by choice stays zero beside an infinity
        factor = jnp.where(coefficient == 0, jnp.ones((), factor.dtype), factor)
    if is_host(coefficient) and is_host(factor) and factor.size == 1:
        new = operation(np.asarray(coefficient), np.asarray(factor))
    elif is_host(coefficient) and coefficient.size == 1 and np.all(coefficient == 1) and not term.masked:
        new = operation(np.ones((), coefficient.dtype), factor)
    else:
        new = operation(coefficient, factor)
    return replace(term, coefficient=new)


@rule("convert_element_type", "reduce_precision", "copy", "copy_p", "optimization_barrier", "name")
def _convert(_: dict, slots: Sequence[Slot], outs: Sequence[Any]) -> list[Terms]:
    return [
        [replace(term, coefficient=term.coefficient.astype(out.dtype)) for term in slot.terms or []]
        for slot, out in zip(slots, outs, strict=True)
    ]


@rule("select_n")
def _select(_: dict, slots: Sequence[Slot], outs: Sequence[Any]) -> list[Terms]:
    which, *cases = slots
    if which.moves:
        raise Unsupported("a choice that depends on the direction")
    shape, terms = outs[0].shape, []
    for number, case in enumerate(cases):
        mask = which.value == number if which.value.dtype != bool else (which.value if number else ~which.value)
        for term in stretched(case, shape):
            pieces = [piece for piece, _ in located(term, shape)] if 1 < mask.size < case.size else [term]
            for piece in pieces:
                terms += _choice(piece, view(mask, piece.row, piece.extents, shape))
    return [terms]


def _choice(term: Term, chosen: Any) -> Terms:
    if is_host(chosen):
        found = chosen_by(term, (), np.asarray(chosen))
        return [] if found is None else [found[0]]
    zero = jnp.zeros((), term.coefficient.dtype)
    return [replace(term, coefficient=jnp.where(chosen, term.coefficient, zero), masked=True)]
