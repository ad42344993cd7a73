"""The walk through a linear program that finds every non-zero of its matrix and the expression for it.

Sparse forward mode: each intermediate that depends on the direction carries its derivative as terms (boxes of entries
told by strides). Work and memory go with the non-zeros; there is no colouring and there are no compressed products.
What is found is a proof: an entry that no term tells of cannot be other than zero.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.extend import core as jex

from cycloid.differentiate.sparse import elementwise, lookups, moves, products, windows  # noqa: F401 (they register)
from cycloid.differentiate.sparse.control import choice
from cycloid.differentiate.sparse.indices import evaluated
from cycloid.differentiate.sparse.maps import TooManyEntries
from cycloid.differentiate.sparse.merging import merged
from cycloid.differentiate.sparse.rewrites import REWRITES
from cycloid.differentiate.sparse.rules import RULES
from cycloid.differentiate.sparse.slots import Slot, Unsupported
from cycloid.differentiate.sparse.terms import Term, seeded

# Beyond these another path is the better one: programs over single numbers, patterns without strides.
MOST_TERMS = 128
MOST_STEPS = 6000

_CALLS = {"jit": "jaxpr", "pjit": "jaxpr", "closed_call": "call_jaxpr", "core_call": "call_jaxpr", "remat2": "jaxpr",
          "checkpoint": "jaxpr", "custom_jvp_call": "call_jaxpr", "custom_vjp_call": "call_jaxpr"}  # fmt: skip


@dataclass
class Effort:
    """What a walk has spent.

    Args:
        steps: terms handled.
        numbers: how many the program will compute for coefficients.
        largest: the most of them for one intermediate.
    """

    steps: int = 0
    numbers: int = 0
    largest: int = 0

    def spend(self, terms: Sequence[Term]) -> None:
        self.steps += len(terms)
        sizes = [int(np.prod(term.coefficient.shape, dtype=np.int64)) for term in terms]
        self.numbers, self.largest = self.numbers + sum(sizes), max(self.largest, sum(sizes))
        if len(terms) > MOST_TERMS or self.steps > MOST_STEPS:
            raise Unsupported("the derivative falls into too many separate pieces")


def walk(
    jaxpr: jex.Jaxpr, consts: Sequence[Any], points: Sequence[Any], directions: Sequence[jax.ShapeDtypeStruct]
) -> tuple[list[Slot], Effort]:
    """The outputs of a program as terms in its last arguments, in which it is linear.

    Args:
        jaxpr: the program, of the arguments (points, directions).
        consts: its constants.
        points: values of the first arguments.
        directions: shapes and dtypes of the last; their entries, one after the other, are the columns.

    Raises:
        Unsupported: with the reason, when there is no rule for an operation on what depends on a direction.
    """
    slots = [Slot(tuple(np.shape(point)), point.dtype, point) for point in points]
    first = 0
    for direction in directions:
        terms = seeded(direction.shape, first, direction.dtype)
        slots.append(Slot(tuple(direction.shape), direction.dtype, None, terms))
        first += int(np.prod(direction.shape, dtype=np.int64))
    effort = Effort()
    try:
        outputs = _run(jaxpr, consts, slots, [True] * len(jaxpr.outvars), effort)
    except TooManyEntries:
        raise Unsupported("the derivative has too many entries that follow no stride") from None
    return outputs, effort


def _run(jaxpr: Any, consts: Sequence[Any], slots: Sequence[Slot], wanted: Sequence[bool], effort: Effort) -> list[Any]:
    environment: dict[Any, Slot] = {}

    def read(atom: Any) -> Slot:
        if isinstance(atom, jex.Literal):
            return _constant(atom.aval, atom.val)
        return environment[atom]

    for var, value in zip(jaxpr.constvars, consts, strict=True):
        environment[var] = _constant(var.aval, value)
    environment.update(zip(jaxpr.invars, slots, strict=True))
    for equation, used in _needed(jaxpr, wanted):
        outputs = _step(equation, [read(atom) for atom in equation.invars], used, effort)
        environment.update(zip(equation.outvars, outputs, strict=True))
    return [read(atom) if want else None for atom, want in zip(jaxpr.outvars, wanted, strict=True)]


def _constant(aval: Any, value: Any) -> Slot:
    value = value if isinstance(value, jax.Array) else np.asarray(value, aval.dtype)
    return Slot(tuple(aval.shape), aval.dtype, value)


def _needed(jaxpr: Any, wanted: Sequence[bool]) -> list[tuple[Any, list[bool]]]:
    """The equations that the wanted outputs need, each with which of its outputs are."""
    alive = {v for v, want in zip(jaxpr.outvars, wanted, strict=True) if want and not isinstance(v, jex.Literal)}
    kept = []
    for equation in reversed(jaxpr.eqns):
        used = [var in alive for var in equation.outvars]
        if any(used):
            kept.append((equation, used))
            alive.update(atom for atom in equation.invars if not isinstance(atom, jex.Literal))
    return kept[::-1]


def _step(equation: Any, inputs: list[Slot], used: Sequence[bool], effort: Effort) -> list[Any]:
    name, params = equation.primitive.name, equation.params
    inner = params.get(_CALLS[name]) if name in _CALLS else None
    moving = any(slot.moves for slot in inputs)
    if inner is not None and (moving or not name.startswith("custom")):
        jaxpr, consts = (inner.jaxpr, inner.consts) if isinstance(inner, jex.ClosedJaxpr) else (inner, ())
        return _run(jaxpr, consts, inputs, used, effort)
    avals = [var.aval for var in equation.outvars]
    if not moving:
        values = evaluated(equation, inputs)
        return [Slot(tuple(aval.shape), aval.dtype, value) for aval, value in zip(avals, values, strict=True)]
    if name == "cond":
        run = lambda jaxpr, consts, slots, used: _run(jaxpr, consts, slots, used, effort)
        return choice(run, params, inputs, used)
    if name in REWRITES:
        return _run_function(REWRITES[name](params, inputs), inputs, used, effort)
    if name not in RULES:
        raise Unsupported(f"the operation {name!r} on what is differentiated")
    parts = [merged([term for term in terms if term.size]) for terms in RULES[name](params, inputs, avals)]
    for terms in parts:
        effort.spend(terms)
    return [Slot(tuple(aval.shape), aval.dtype, None, terms) for aval, terms in zip(avals, parts, strict=True)]


def _run_function(
    function: Callable[..., Any], inputs: Sequence[Slot], used: Sequence[bool], effort: Effort
) -> list[Any]:
    shapes = [jax.ShapeDtypeStruct(slot.shape, slot.dtype) for slot in inputs]
    program = jax.make_jaxpr(function)(*shapes)
    return _run(program.jaxpr, program.consts, inputs, used, effort)
