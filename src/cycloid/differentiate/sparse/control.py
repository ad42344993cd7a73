"""Choices and short loops: all branches are walked through and their terms masked; a short loop is written out.

Loops of unknown or great length are left to colouring.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core as jex

from cycloid.differentiate.sparse.slots import Slot, Unsupported
from cycloid.differentiate.sparse.terms import Term

# Steps of a loop that are written out one after the other.
LONGEST_LOOP = 16

Run = Callable[[Any, Sequence[Any], Sequence[Slot], Sequence[bool]], list[Any]]


def choice(run: Run, params: dict[str, Any], inputs: Sequence[Slot], used: Sequence[bool]) -> list[Any]:
    """A choice between programs by an index: that branch where the index is known, else all of them, masked."""
    index, *operands = inputs
    branches = params["branches"]
    if index.known:
        chosen = branches[int(np.clip(index.numbers(), 0, len(branches) - 1))]
        return run(chosen.jaxpr, chosen.consts, operands, used)
    number = jnp.clip(index.full(), 0, len(branches) - 1)
    results = [run(branch.jaxpr, branch.consts, operands, used) for branch in branches]
    return [_joined([result[k] for result in results], number) if used[k] else None for k in range(len(used))]


def _joined(slots: Sequence[Slot], number: Any) -> Slot:
    first = slots[0]
    if any(slot.moves for slot in slots):
        terms = [_masked(term, number == k) for k, slot in enumerate(slots) for term in slot.terms or []]
        return Slot(first.shape, first.dtype, None, terms)
    value = slots[-1].full()
    for k, slot in enumerate(slots[:-1]):
        value = jnp.where(number == k, slot.full(), value)
    return Slot(first.shape, first.dtype, value)


def _masked(term: Term, chosen: Any) -> Term:
    zero = jnp.zeros((), term.coefficient.dtype)
    return replace(term, coefficient=jnp.where(chosen, term.coefficient, zero), masked=True)


def unrolled(params: dict[str, Any], slots: Sequence[Slot]) -> Callable[..., Any]:
    """A loop of known, small length, written out."""
    length, constants, carried = params["length"], params["num_consts"], params["num_carry"]
    if length > LONGEST_LOOP:
        raise Unsupported(f"a loop of {length} steps")
    body = jex.jaxpr_as_fun(params["jaxpr"])

    def loop(*values: Any) -> list[Any]:
        fixed, carry = values[:constants], list(values[constants : constants + carried])
        items = values[constants + carried :]
        lines: list[Any] = [None] * length
        for step in reversed(range(length)) if params["reverse"] else range(length):
            out = body(*fixed, *carry, *(jax.lax.index_in_dim(item, step, keepdims=False) for item in items))
            carry, lines[step] = list(out[:carried]), out[carried:]
        stacked = [jnp.stack(parts) for parts in zip(*lines, strict=True)]
        if not length:
            shapes = [var.aval for var in params["jaxpr"].jaxpr.outvars[carried:]]
            stacked = [jnp.zeros((0, *shape.shape), shape.dtype) for shape in shapes]
        return [*carry, *stacked]

    return loop
