"""A function's program written out: one line an operation, its place in the user's code, its values on request.

Calls are opened; loops and choices stay one line, and are entered turn by turn where a turn is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Literal

from cycloid.core.sources import Source, frames_of, library_of, source_at

# Calls whose inside is differentiated as if it stood in their place.
CALLS = frozenset(("jit", "pjit", "closed_call", "core_call", "remat", "remat2", "checkpoint", "custom_lin"))
# Calls that have a derivative rule of their own.
RULES = frozenset(("custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr"))
LOOPS = frozenset(("scan", "while", "cond"))


@dataclass(frozen=True, eq=False)
class Fixed:
    """An input that is part of the program."""

    value: Any


Atom = int | Fixed


@dataclass(frozen=True, eq=False)
class Line:
    """One operation.

    Attributes:
        equation: of JAX.
        inputs: numbers of values, or constants.
        outputs: numbers of values.
        calls: the names of the functions with a rule of their own that it stands in, outermost first.
        asker: the call of a library's function that it stands in, else itself: what is compiled once remembers the
            place of its first call alone.
    """

    equation: Any
    inputs: list[Atom]
    outputs: list[int]
    calls: tuple[str, ...]
    asker: Any

    @property
    def name(self) -> str:
        return self.equation.primitive.name

    @property
    def backward(self) -> bool:
        """Whether it belongs to the pass that runs from the value back to the arguments."""
        return "transpose" in str(self.equation.source_info.name_stack)

    @property
    def tangent(self) -> bool:
        """Whether it prepares the derivative, beside the value."""
        return "jvp" in str(self.equation.source_info.name_stack)

    @property
    def source(self) -> Source | None:
        """The innermost line of the user's code that asked for it."""
        return source_of(self.asker)

    def run(self, *inputs: Any) -> list[Any]:
        """Its outputs."""
        primitive = self.equation.primitive
        outputs = primitive.bind(*inputs, **primitive.get_bind_params(self.equation.params))
        return list(outputs) if primitive.multiple_results else [outputs]


def source_of(equation: Any) -> Source | None:
    """The innermost line of the user's code that asked for an equation; None where a formula or a library did."""
    for frame in frames_of(equation.source_info.traceback, __file__):
        if library_of(frame.file, "") is None:
            return source_at(frame)
    return None


@dataclass
class Written:
    """A program written out."""

    lines: list[Line]
    inputs: list[int]
    outputs: list[Atom]
    count: int = 0

    def new(self) -> int:
        self.count += 1
        return self.count - 1

    def values(self, leaves: Sequence[Any], wanted: Sequence[Atom]) -> list[Any]:
        """These values at the leaves, by one compiled run."""
        numbers = sorted({atom for atom in wanted if isinstance(atom, int)})
        lines = self._needed(numbers)

        def chosen(leaves: list[Any]) -> list[Any]:
            known = self._run(lines, leaves)
            return [known[number] for number in numbers]

        found = dict(zip(numbers, jax.jit(chosen)(list(leaves)), strict=True)) if numbers else {}
        return [found[atom] if isinstance(atom, int) else atom.value for atom in wanted]

    def finite(self, leaves: Sequence[Any]) -> dict[int, bool]:
        """Of every value, whether all its numbers are finite."""

        def flags(leaves: list[Any]) -> dict[int, Any]:
            return {number: all_finite(value) for number, value in self._run(self.lines, leaves).items()}

        return {number: bool(flag) for number, flag in jax.jit(flags)(list(leaves)).items()}

    def _run(self, lines: Sequence[Line], leaves: Sequence[Any]) -> dict[int, Any]:
        known = dict(zip(self.inputs, leaves, strict=True))
        for line in lines:
            inputs = [known[atom] if isinstance(atom, int) else atom.value for atom in line.inputs]
            known.update(zip(line.outputs, line.run(*inputs), strict=True))
        return known

    def _needed(self, wanted: Sequence[int]) -> list[Line]:
        numbers, kept = set(wanted), list[Line]()
        for line in reversed(self.lines):
            if numbers & set(line.outputs):
                kept.append(line)
                numbers |= {atom for atom in line.inputs if isinstance(atom, int)}
        return kept[::-1]


def all_finite(value: Any) -> Any:
    """Whether all numbers of an array are finite; of integers and keys they are."""
    if not jnp.issubdtype(value.dtype, jnp.inexact):
        return jnp.asarray(True)
    return jnp.all(jnp.isfinite(value))


def write_out(closed: ClosedJaxpr, opens_rules: bool) -> Written:
    """The program of a jaxpr.

    Args:
        closed: the jaxpr.
        opens_rules: whether to open functions that have a derivative rule of their own, too.
    """
    written = Written([], [], [])
    written.inputs = [written.new() for _ in closed.jaxpr.invars]
    written.outputs = _written(closed.jaxpr, closed.consts, list(written.inputs), written, opens_rules, ())
    return written


def _written(
    jaxpr: Any, consts: Sequence[Any], inputs: list[Atom], written: Written, opens: bool, calls: tuple[str, ...],
    asker: Any = None,
) -> list[Atom]:  # fmt: skip
    known: dict[Any, Atom] = dict(zip(jaxpr.constvars, map(Fixed, consts), strict=True))
    known.update(zip(jaxpr.invars, inputs, strict=True))
    read = lambda atom: Fixed(atom.val) if isinstance(atom, Literal) else known[atom]
    for equation in jaxpr.eqns:
        name, given = equation.primitive.name, [read(atom) for atom in equation.invars]
        if name in CALLS or (opens and name in RULES):
            inner = closed_of(equation.params)
            inside = (*calls, called(equation)) if name in RULES else calls
            by = asker or (equation if is_library_call(equation) else None)
            made = _written(inner.jaxpr, inner.consts, given, written, opens, inside, by)
        else:
            made = [written.new() for _ in equation.outvars]
            written.lines.append(Line(equation, given, list(made), calls, asker or equation))
        known.update(zip(equation.outvars, made, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def closed_of(params: dict[str, Any]) -> ClosedJaxpr:
    """The program inside a call."""
    inner: Any = params.get("jaxpr") or params.get("call_jaxpr")
    return inner if isinstance(inner, ClosedJaxpr) else ClosedJaxpr(inner, ())


def is_library_call(equation: Any) -> bool:
    """Whether an equation calls a function of a library: its inside says nothing of the user's code."""
    info = str(getattr(getattr(closed_of(equation.params).jaxpr, "debug_info", None), "func_src_info", None) or "")
    file = info.partition(" at ")[2].rpartition(":")[0]
    return not file or library_of(file, "") is not None


def called(equation: Any) -> str:
    """The name of the function that a call with a rule of its own calls."""
    return place_of(closed_of(equation.params).jaxpr)[0]


def place_of(traced: Any) -> tuple[str, str]:
    """The name of a function that JAX keeps, and "line 12 of model.py"; from its debug information."""
    info = str(getattr(getattr(traced, "debug_info", None), "func_src_info", None) or "a function")
    name, _, place = info.partition(" at ")
    file, _, number = place.rpartition(":")
    return name, f"line {number} of {file.rpartition('/')[2]}" if file else ""


def inner_programs(equation: Any) -> list[ClosedJaxpr]:
    """The programs inside an equation: of a call, a loop, a choice."""
    found = list[ClosedJaxpr]()
    for value in equation.params.values():
        for part in value if isinstance(value, tuple | list) else (value,):
            if isinstance(part, ClosedJaxpr):
                found.append(part)
            elif hasattr(part, "eqns") and hasattr(part, "invars"):
                found.append(ClosedJaxpr(part, ()))
    return found


# --- loops and choices ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Turn:
    """One run of the inside of a loop or a choice.

    Attributes:
        program: the inside.
        inputs: its arguments, in this turn.
        words: "turn 3 of 10 of the scan", "the true branch".
        number: which turn, from 0; None for a choice.
    """

    program: ClosedJaxpr
    inputs: list[Any]
    words: str
    number: int | None


@dataclass
class Loop:
    """A loop that can be stopped before any turn: carry, and what each turn is given beside it.

    Attributes:
        kind: "scan" or "while".
        body: its program.
        turns: how many it has.
        start: the carry before the first.
        given: turn -> inputs around the carry, as a function of a traced number.
    """

    kind: str
    body: ClosedJaxpr
    turns: int
    start: list[Any]
    given: Callable[[Any, list[Any]], list[Any]]

    def step(self, turn: Any, carry: list[Any]) -> list[Any]:
        """All that the body returns in a turn."""
        return jax.core.eval_jaxpr(self.body.jaxpr, self.body.consts, *self.given(turn, carry))

    def before(self, turn: int) -> list[Any]:
        """The inputs of the body in this turn."""
        advance = lambda i, carry: self.step(i, carry)[: len(carry)]
        run = jax.jit(lambda stop: self.given(stop, jax.lax.fori_loop(0, stop, advance, self.start)))
        return run(turn)

    def first_not_finite(self) -> int | None:
        """The first turn that returns something that is not finite."""
        width = len(self.start)

        def goes_on(state: Any) -> Any:
            return (state[0] < self.turns) & state[1]

        def advance(state: Any) -> Any:
            turn, _, carry = state
            made = self.step(turn, carry)
            fine = jnp.all(jnp.stack([all_finite(value) for value in made])) if made else jnp.asarray(True)
            return turn + fine.astype(turn.dtype), fine, made[:width]

        run = jax.jit(lambda: jax.lax.while_loop(goes_on, advance, (jnp.zeros((), int), jnp.asarray(True), self.start)))
        turn, fine, _ = run()
        return None if bool(fine) else int(turn)

    def turn(self, number: int) -> Turn:
        """The turn with this number."""
        return Turn(self.body, self.before(number), f"turn {number + 1} of {self.turns} of the {self.kind}", number)


def loop_of(line: Line, inputs: Sequence[Any]) -> Loop:
    """A scan or a while at these inputs."""
    params = line.equation.params
    if line.name == "scan":
        fixed, carried, length = params["num_consts"], params["num_carry"], int(params["length"])
        consts, start = list(inputs[:fixed]), list(inputs[fixed : fixed + carried])
        over, backwards = list(inputs[fixed + carried :]), bool(params["reverse"])
        row = lambda turn, x: jax.lax.dynamic_index_in_dim(x, length - 1 - turn if backwards else turn, keepdims=False)
        given = lambda turn, carry: [*consts, *carry, *(row(turn, x) for x in over)]
        return Loop("scan", params["jaxpr"], length, start, given)
    asks, does = params["cond_nconsts"], params["body_nconsts"]
    asked, consts, start = list(inputs[:asks]), list(inputs[asks : asks + does]), list(inputs[asks + does :])
    loop = Loop("while", params["body_jaxpr"], 0, start, lambda _, carry: [*consts, *carry])
    question = params["cond_jaxpr"]
    goes_on = lambda state: jax.core.eval_jaxpr(question.jaxpr, question.consts, *asked, *state[1])[0]
    advance = lambda state: (state[0] + 1, loop.step(state[0], state[1]))
    turns, _ = jax.jit(lambda: jax.lax.while_loop(goes_on, advance, (jnp.zeros((), int), start)))()
    loop.turns = int(turns)
    return loop


def branch_of(line: Line, inputs: Sequence[Any]) -> Turn:
    """The branch of a cond or switch that is taken at these inputs."""
    branches = line.equation.params["branches"]
    chosen = int(np.clip(np.asarray(inputs[0]), 0, len(branches) - 1))
    words = f"the {'true' if chosen else 'false'} branch" if len(branches) == 2 else f"branch {chosen}"
    return Turn(branches[chosen], list(inputs[1:]), f"{words} of the cond", None)


@dataclass(frozen=True)
class Visit:
    """An operation met on the way, at its inputs."""

    line: Line
    inputs: list[Any]
    trail: tuple[str, ...]


def visits(
    closed: ClosedJaxpr, leaves: Sequence[Any], wanted: Callable[[Line], bool], trail: tuple[str, ...] = ()
) -> Iterator[Visit]:
    """The operations that are wanted, at the values met; in a loop in its first, its middle and its last turn."""
    written = write_out(closed, opens_rules=False)
    holds = lambda line: line.name in LOOPS and any(contains(p, wanted) for p in inner_programs(line.equation))
    lines = [line for line in written.lines if wanted(line) or holds(line)]
    values = iter(written.values(leaves, [atom for line in lines for atom in line.inputs]))
    for line in lines:
        inputs = [next(values) for _ in line.inputs]
        if line.name not in LOOPS:
            yield Visit(line, inputs, trail)
            continue
        for turn in _turns(line, inputs):
            yield from visits(turn.program, turn.inputs, wanted, (*trail, turn.words))


def _turns(line: Line, inputs: list[Any]) -> list[Turn]:
    if line.name == "cond":
        return [branch_of(line, inputs)]
    loop = loop_of(line, inputs)
    return [loop.turn(number) for number in sorted({0, loop.turns // 2, loop.turns - 1}) if 0 <= number < loop.turns]


def contains(closed: ClosedJaxpr, wanted: Callable[[Line], bool]) -> bool:
    """Whether a program has such an operation, however deep."""
    lines = write_out(closed, opens_rules=False).lines
    return any(wanted(line) or any(contains(p, wanted) for p in inner_programs(line.equation)) for line in lines)
