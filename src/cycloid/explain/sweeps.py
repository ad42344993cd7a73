"""The numbers of a computation: values forward, slopes backward, products along paths, and the slopes found again.

Everything backward is one compiled run; the check is another, which moves one quantity at a time and computes the rest
of the program anew, without any derivative.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cycloid.explain.derivations import AGREES, DISAGREES, KINK, UNCHECKED, Check
from cycloid.explain.folding import STRUCTURAL, Group
from cycloid.explain.laws import Law, law_of
from cycloid.explain.probing import settled
from cycloid.explain.recording import Constant, Loop, Program

# Steps of the differences: from a tenth of the scale of a quantity, each a third of the one before.
LEVELS, RATIO, LONGEST = 11, 3.0, 0.1
TURNS_SHOWN = 200
_AT_ONCE = 20_000_000  # numbers that the differences may hold at one time


@dataclass(frozen=True)
class Link:
    """How a step reads its inputs: one operand for each place at which it uses a value.

    Attributes:
        group: the step.
        operands: numbers of values; one that is used twice stands twice.
        run: operand values -> outputs.
        law: what it computes.
    """

    group: Group
    operands: tuple[int, ...]
    run: Callable[..., list[Any]]
    law: Law

    @property
    def entrywise(self) -> bool:
        """Whether there is a formula for each entry."""
        return self.law.tree is not None and len(self.group.outputs) == 1


def link(group: Group) -> Link:
    """The operands of a step. An operation such as x·x has as many as it has places, others one for each input."""
    if len(group.equations) == 1 and group.equations[0].loop is None:
        (equation,) = group.equations
        places = tuple(atom for atom in equation.inputs if isinstance(atom, int))
        if len(places) > len(set(places)):
            used = [equation.outputs.index(n) for n in group.outputs]

            def apart(*values: Any) -> list[Any]:
                given = iter(values)
                made = equation.run(*(a.value if isinstance(a, Constant) else next(given) for a in equation.inputs))
                return [made[i] for i in used]

            return Link(group, places, apart, law_of(group))
    return Link(group, tuple(group.inputs), group.run, law_of(group))


@dataclass(frozen=True)
class Sweep:
    """What one compiled run gives, by number of value.

    Attributes:
        values: every quantity.
        adjoints: of those that have one.
        shares: for each link and operand, what it adds to the adjoint of the operand; None for what has no slope.
        locals: for each link, operand and output, the entries of the local derivative where that is a number or works
            entry by entry, else None.
        paths: the contribution of each path to the gradient.
        turns: for each loop, by number of link: (norms of the carry, norms of its adjoint).
    """

    values: dict[int, Any]
    adjoints: dict[int, Any]
    shares: list[list[Any]]
    locals: list[list[list[Any]]]
    paths: list[Any]
    turns: dict[int, tuple[Any, Any]]


Route = Sequence[tuple[int, int, int]]  # steps of a path from the result back: (link, output, operand)


def sweep(program: Program, links: Sequence[Link], result: int, routes: Sequence[Route]) -> Sweep:
    """Values and all slopes by one compiled run."""
    found = jax.jit(lambda leaves: _sweep(leaves, links, result, routes))(program.leaves)
    return Sweep(*jax.tree.map(np.asarray, found))


def _sweep(leaves: Sequence[Any], links: Sequence[Link], result: int, routes: Sequence[Route]) -> tuple[Any, ...]:
    values: dict[int, Any] = dict(enumerate(leaves))
    backward: list[Callable[..., list[Any]]] = []
    for item in links:
        outputs, pull = _pulled(item, [values[n] for n in item.operands])
        backward.append(pull)
        values.update(zip(item.group.outputs, outputs, strict=True))
    adjoints: dict[int, Any] = {result: jnp.ones_like(values[result])}
    shares: list[list[Any]] = [[] for _ in links]
    for i in range(len(links) - 1, -1, -1):
        item = links[i]
        given = [adjoints.get(n) for n in item.group.outputs]
        shares[i] = [None] * len(item.operands) if all(g is None for g in given) else backward[i](given)
        for number, share in zip(item.operands, shares[i], strict=True):
            if share is not None:
                adjoints[number] = adjoints[number] + share if number in adjoints else share
    local = [_locals(item, values) for item in links]
    paths = [_along(route, links, backward, values[result]) for route in routes]
    turns = {i: _turns(item, values, adjoints) for i, item in enumerate(links) if item.group.loop is not None}
    return values, adjoints, shares, local, paths, turns


def is_real(array: Any) -> bool:
    """Whether slopes with respect to an array make sense."""
    return jnp.issubdtype(array.dtype, jnp.floating)


def _pulled(item: Link, inputs: Sequence[Any]) -> tuple[list[Any], Callable[..., list[Any]]]:
    """The outputs of a step, and the function from slopes of its outputs (None: zero) to slopes of its operands."""
    moving = [i for i, x in enumerate(inputs) if is_real(x)]

    def of_moving(*chosen: Any) -> tuple[list[Any], list[Any]]:
        full = list(inputs)
        for i, x in zip(moving, chosen, strict=True):
            full[i] = x
        made = item.run(*full)
        return [out for out in made if is_real(out)], made

    if not moving:
        return item.run(*inputs), lambda given: [None] * len(inputs)
    real, pull, made = jax.vjp(of_moving, *(inputs[i] for i in moving), has_aux=True)

    def backward(given: Sequence[Any]) -> list[Any]:
        slopes: list[Any] = [None] * len(inputs)
        wanted = [g for g, out in zip(given, made, strict=True) if is_real(out)]
        if not real or all(g is None for g in wanted):
            return slopes
        full = [jnp.zeros_like(out) if g is None else g for g, out in zip(wanted, real, strict=True)]
        for i, slope in zip(moving, pull(full), strict=True):
            slopes[i] = slope
        return slopes

    return made, backward


def _locals(item: Link, values: dict[int, Any]) -> list[list[Any]]:
    """For each operand and output the local derivative, of single numbers or entry by entry where a formula is."""
    outputs = item.group.outputs
    rows: list[list[Any]] = [[None] * len(outputs) for _ in item.operands]
    inputs = [values[n] for n in item.operands]
    made = [values[n] for n in outputs]
    if not any(is_real(out) for out in made):
        return rows
    for i, x in enumerate(inputs):
        numbers = x.shape == () and all(out.shape == () for out in made)
        if is_real(x) and (numbers or (item.entrywise and x.size)):
            for j, slope in enumerate(_pushed(item, inputs, i)):
                rows[i][j] = slope if is_real(made[j]) else None
    return rows


def _pushed(item: Link, inputs: Sequence[Any], i: int) -> list[Any]:
    """How fast the outputs of a step move when all entries of one operand move at rate 1."""

    def of_one(x: Any) -> list[Any]:
        return item.run(*inputs[:i], x, *inputs[i + 1 :])

    if any(e.name == "custom_vjp_call" for e in item.group.equations):  # known in reverse only
        return [jax.grad(lambda x, j=j: jnp.sum(of_one(x)[j]))(inputs[i]) for j in range(len(item.group.outputs))]
    return jax.jvp(of_one, (inputs[i],), (jnp.ones_like(inputs[i]),))[1]


def _along(route: Route, links: Sequence[Link], backward: Sequence[Callable[..., list[Any]]], seed: Any) -> Any:
    """The slope that one path carries back to its input."""
    carried = jnp.ones_like(seed)
    for index, output, operand in route:
        given = [carried if j == output else None for j in range(len(links[index].group.outputs))]
        carried = backward[index](given)[operand]
    return carried


def _turns(item: Link, values: dict[int, Any], adjoints: dict[int, Any]) -> tuple[Any, Any]:
    """The norm of what a loop carries before each turn, and of its adjoint there."""
    loop = item.group.loop
    assert loop is not None
    equation = item.group.main
    made = dict(values)
    for other in item.group.equations:
        if other is not equation:
            read = [a.value if isinstance(a, Constant) else made[a] for a in other.inputs]
            made.update(zip(other.outputs, other.run(*read), strict=True))
    inputs = [jnp.asarray(a.value) if isinstance(a, Constant) else made[a] for a in equation.inputs]
    carry = inputs[loop.constants : loop.constants + loop.carried]
    nudges = [jnp.zeros((loop.turns, *c.shape), c.dtype) if is_real(c) else None for c in carry]

    def outputs(push: list[Any]) -> tuple[list[Any], list[Any]]:
        outs, before = loop.run(*inputs, nudges=push)
        return [out for out in outs if is_real(out)], before

    outs, pull, before = jax.vjp(outputs, nudges, has_aux=True)
    numbers = [n for n, type_ in zip(equation.outputs, loop.run(*inputs)[0], strict=True) if is_real(type_)]
    given = [adjoints.get(n, jnp.zeros_like(out)) for n, out in zip(numbers, outs, strict=True)]
    (back,) = pull(given)
    return _norms([b for b in before if is_real(b)], loop), _norms([b for b in back if b is not None], loop)


def _norms(stacks: Sequence[Any], loop: Loop) -> Any:
    if not stacks or not loop.turns:
        return jnp.zeros(0)
    total = sum(jnp.sum(jnp.square(s.reshape(s.shape[0], -1)), axis=1) for s in stacks)
    shown = np.unique(np.linspace(0, loop.turns - 1, min(loop.turns, TURNS_SHOWN)).round().astype(int))
    return jnp.sqrt(total)[shown] if not loop.reverse else jnp.sqrt(total)[::-1][shown]


# -- slopes found again ----------------------------------------------------------------------------------------------


def direction(shape: tuple[int, ...], dtype: Any, numbers: Any = jnp) -> Any:
    """A direction that is the same at every call: 1 for a number, else entries spread evenly over ±1.

    Args:
        shape, dtype: of the array.
        numbers: jax.numpy, or numpy for what need not be compiled.
    """
    if shape == ():
        return numbers.ones((), dtype)
    entries = numbers.arange(1, int(np.prod(shape)) + 1, dtype=jnp.result_type(float)) * 0.6180339887498949
    return (2.0 * (entries % 1.0) - 1.0).reshape(shape).astype(dtype)


def differences(
    program: Program, links: Sequence[Link], result: int, found: Sweep, numbers: Sequence[int]
) -> tuple[list[Check], int]:
    """For each quantity, whether its adjoint is the slope of the rest of the program along a direction.

    Returns:
        The checks, and how often the program was run.
    """
    held = {n: found.values[n] for item in links if _is_stopped(item.group) for n in item.group.outputs}
    scales = [
        max(1.0, float(np.sqrt(np.mean(np.square(found.values[n].astype(float)))))) if found.values[n].size else 1.0
        for n in numbers
    ]
    dtype = program.types[result].dtype

    def moved(row: tuple[Any, Any]) -> Any:
        which, step = row
        values: dict[int, Any] = {}

        def put(number: int, value: Any) -> None:
            if number in numbers:
                push = jnp.where(which == numbers.index(number), step, 0.0).astype(value.dtype)
                value = value + push * direction(value.shape, value.dtype)
            values[number] = value

        for number, leaf in enumerate(program.leaves):
            put(number, leaf)
        for item in links:
            outputs = item.run(*(values[n] for n in item.operands))
            for number, value in zip(item.group.outputs, outputs, strict=True):
                put(number, jnp.asarray(held[number]) if number in held else value)
        return values[result]

    steps = np.array([[LONGEST * scale * RATIO**-k for k in range(LEVELS)] for scale in scales])
    which = np.repeat(np.arange(len(numbers)), 2 * LEVELS)
    signed = np.concatenate([steps, -steps], axis=1).ravel()
    rows = jnp.asarray(np.append(which, -1)), jnp.asarray(np.append(signed, 0.0))
    size = sum(int(np.prod(t.shape)) for t in program.types)
    runner = jax.vmap(moved) if size * len(signed) <= _AT_ONCE else lambda r: jax.lax.map(moved, r)
    heights = np.asarray(jax.jit(runner)(rows), float)
    table = heights[:-1].reshape(len(numbers), 2, LEVELS)
    slopes = [_inner(found.adjoints.get(n), program.types[n]) for n in numbers]
    return _judged(table, heights[-1], steps, slopes, dtype), len(signed) + 1


def _is_stopped(group: Group) -> bool:
    return all(e.name == "stop_gradient" or e.name in STRUCTURAL for e in group.equations) and any(
        e.name == "stop_gradient" for e in group.equations
    )


def _inner(adjoint: Any, type_: Any) -> float:
    """The slope along the direction, as the adjoint has it."""
    if adjoint is None:
        return 0.0
    return float(np.sum(adjoint.astype(float) * np.asarray(direction(type_.shape, type_.dtype, np), float)))


def _judged(table: Any, here: float, steps: Any, slopes: Sequence[float], dtype: Any) -> list[Check]:
    """One check for each row of heights at +h and −h."""
    eps = float(jnp.finfo(dtype).eps)
    with np.errstate(all="ignore"):
        columns = [table[:, :, k] for k in range(LEVELS)]
        central, doubt = settled([(c[:, 0] - c[:, 1]) / (2 * steps[:, k]) for k, c in enumerate(columns)], RATIO**2)
        right, of_right = settled([(c[:, 0] - here) / steps[:, k] for k, c in enumerate(columns)], RATIO)
        left, of_left = settled([(here - c[:, 1]) / steps[:, k] for k, c in enumerate(columns)], RATIO)
    checks = []
    for i, slope in enumerate(slopes):
        size = max(abs(slope), abs(float(central[i])), eps)
        floor = 100 * eps ** (2 / 3) * max(size, abs(here) / max(1.0, steps[i, 0] / LONGEST))
        allowance = float(floor + 10 * doubt[i])
        sides = float(left[i]), float(right[i])
        apart = abs(slope - float(central[i]))
        bend = abs(sides[1] - sides[0])
        if np.isfinite(bend) and bend > 10 * float(of_left[i] + of_right[i]) + 1e3 * floor:
            note = f"From one side the slope is {sides[0]:.4g}, from the other {sides[1]:.4g}."
            checks.append(
                Check(
                    "differences", (), (slope, slope), sides, max(abs(slope - s) for s in sides), allowance, KINK, note
                )
            )
        elif not np.isfinite(central[i]) or not np.isfinite(allowance) or allowance > 0.1 * max(size, 1e3 * floor):
            note = "The differences do not settle here."
            checks.append(Check("differences", (), (slope,), (float(central[i]),), apart, allowance, UNCHECKED, note))
        else:
            verdict = AGREES if apart <= allowance else DISAGREES
            checks.append(Check("differences", (), (slope,), (float(central[i]),), apart, allowance, verdict))
    return checks
