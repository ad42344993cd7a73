"""A function written down at a point: every operation with its inputs, its outputs and its place in the code.

The program is the function's jaxpr with calls of the user's own compiled functions written out and the branches that
were taken in place of the choices. Loops stay whole; a `while` is given the number of turns that it took here, so
that it can be differentiated backwards too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Literal

from cycloid.core.sources import Frame, frames_of, library_of

# Calls that are only brackets round a piece of program.
_BRACKETS = frozenset(("closed_call", "core_call", "remat", "remat2", "checkpoint", "custom_lin"))


@dataclass(frozen=True)
class Constant:
    """An input of an equation that does not depend on the arguments."""

    value: Any


@dataclass
class Loop:
    """A loop with a known number of turns, as (constants, carry, x) -> (carry, y).

    Attributes:
        kind: "scan", "fori" or "while".
        turns: how often the body ran.
        constants, carried: how many inputs are constants and carries; the others are scanned over.
        body: the body as a function of flat lists.
        reverse: whether a scan runs backwards.
        inside: the names of the operations in the body.
    """

    kind: str
    turns: int
    constants: int
    carried: int
    body: Callable[..., list[Any]]
    reverse: bool
    inside: tuple[str, ...]

    def run(self, *inputs: Any, nudges: Sequence[Any] | None = None) -> tuple[list[Any], list[Any]]:
        """The outputs (carry, then ys), and the carry before every turn; nudges are added to that carry."""
        fixed = inputs[: self.constants]
        carry = list(inputs[self.constants : self.constants + self.carried])
        over = list(inputs[self.constants + self.carried :])

        def turn(state: list[Any], given: tuple[list[Any], Any]) -> tuple[list[Any], tuple[list[Any], list[Any]]]:
            xs, push = given
            state = [s if p is None else s + p for s, p in zip(state, push, strict=True)]
            results = self.body(*fixed, *state, *xs)
            return results[: self.carried], (state, results[self.carried :])

        push = [None] * self.carried if nudges is None else list(nudges)
        last, (before, ys) = jax.lax.scan(turn, carry, (over, push), length=self.turns, reverse=self.reverse)
        return [*last, *ys], before


@dataclass
class Equation:
    """One operation of the program.

    Attributes:
        name: of the primitive, or of the compiled function that it calls.
        run: inputs -> list of outputs; JAX differentiates it.
        inputs: numbers of values, or constants.
        outputs: numbers of values.
        frames: the call stack, innermost first.
        called: the name of a compiled or custom function that this equation is a call of; "" for a primitive.
        params: the parameters of the primitive.
        inside: the names of the operations inside a call.
        loop: where it is one.
        note: a sentence, such as which branch was taken.
    """

    name: str
    run: Callable[..., list[Any]]
    inputs: list[int | Constant]
    outputs: list[int]
    frames: tuple[Frame, ...]
    called: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    inside: tuple[str, ...] = ()
    loop: Loop | None = None
    note: str = ""


@dataclass
class Program:
    """The recording: values by number, and the equations that make them.

    Attributes:
        types: shape and dtype of every value.
        leaves: the arguments' leaves, which are the first values.
        equations: in the order in which they run.
        outputs: the numbers of the results' leaves, or constants.
        notes: sentences on what was found on the way.
    """

    types: list[jax.ShapeDtypeStruct]
    leaves: list[Any]
    equations: list[Equation]
    outputs: list[int | Constant]
    notes: list[str]

    def new(self, type_: Any) -> int:
        """The number of a new value."""
        self.types.append(jax.ShapeDtypeStruct(type_.shape, type_.dtype))
        return len(self.types) - 1

    def values(self, wanted: Sequence[int | Constant]) -> list[Any]:
        """The values of these numbers at the leaves, by one compiled run of what they need."""
        numbers = [atom for atom in wanted if isinstance(atom, int)]
        equations = needed(self.equations, numbers)
        found = jax.jit(lambda leaves: [run(equations, dict(enumerate(leaves)))[n] for n in numbers])(self.leaves)
        known = dict(zip(numbers, found, strict=True))
        return [known[atom] if isinstance(atom, int) else atom.value for atom in wanted]


def run(equations: Sequence[Equation], values: dict[int, Any]) -> dict[int, Any]:
    """All values, from those of the arguments."""
    values = dict(values)
    for equation in equations:
        inputs = [atom.value if isinstance(atom, Constant) else values[atom] for atom in equation.inputs]
        values.update(zip(equation.outputs, equation.run(*inputs), strict=True))
    return values


def needed(equations: Sequence[Equation], wanted: Sequence[int]) -> list[Equation]:
    """The equations on the way to these values, in order."""
    numbers, kept = set(wanted), list[Equation]()
    for equation in reversed(equations):
        if numbers & set(equation.outputs):
            kept.append(equation)
            numbers |= {atom for atom in equation.inputs if isinstance(atom, int)}
    return kept[::-1]


@dataclass(frozen=True)
class Folds:
    """What is shown whole and what is opened.

    Attributes:
        unfold: names of library functions to open; True opens all.
        fold: names of the user's functions to show as one step.
        own: the folder that counts as the user's though it is installed.
    """

    unfold: frozenset[str] | bool
    fold: frozenset[str]
    own: str

    def opens(self, name: str, file: str) -> bool:
        """Whether a call of a compiled function is written out."""
        if self.unfold is True or (isinstance(self.unfold, frozenset) and name in self.unfold):
            return True
        return library_of(file, self.own) is None and name not in self.fold


def record(function: Callable[..., Any], leaves: Sequence[Any], folds: Folds) -> Program:
    """Write down what a function of flat arrays does.

    Raises:
        ConcretizationTypeError: when the function decides in Python on the value of an argument.
    """
    closed = jax.make_jaxpr(function)(*leaves)
    program = Program([], [jnp.asarray(leaf) for leaf in leaves], [], [], [])
    inputs: list[int | Constant] = [program.new(leaf) for leaf in program.leaves]
    program.outputs = _written_out(closed, inputs, program, folds, ())
    program.equations = needed(program.equations, [atom for atom in program.outputs if isinstance(atom, int)])
    return program


def _written_out(
    closed: Any, inputs: Sequence[int | Constant], program: Program, folds: Folds, outer: tuple[Frame, ...]
) -> list[int | Constant]:
    """Add the equations of a jaxpr to the program; the numbers of its outputs.

    Args:
        closed: the jaxpr, with its constants or without.
        inputs: what its arguments are.
        program: grows.
        folds: what is opened.
        outer: the stack of the call that is written out.
    """
    jaxpr, consts = (closed.jaxpr, closed.consts) if hasattr(closed, "consts") else (closed, ())
    environment: dict[Any, int | Constant] = dict(zip(jaxpr.invars, inputs, strict=True))
    environment.update((var, Constant(value)) for var, value in zip(jaxpr.constvars, consts, strict=True))
    read = lambda atom: Constant(atom.val) if isinstance(atom, Literal) else environment[atom]
    for equation in jaxpr.eqns:
        inner_inputs = [read(atom) for atom in equation.invars]
        types = [var.aval for var in equation.outvars]
        outputs = enter(
            equation.primitive, equation.params, inner_inputs, types, program, folds, _stack(equation, outer)
        )
        environment.update(zip(equation.outvars, outputs, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _stack(equation: Any, outer: tuple[Frame, ...]) -> tuple[Frame, ...]:
    """The stack of an equation. JAX keeps it up to the compiled function that it stands in; the call follows."""
    frames = frames_of(equation.source_info.traceback)
    return frames if outer and frames and frames[-1] == outer[-1] else frames + outer


def enter(
    primitive: Any, params: dict[str, Any], inputs: list[int | Constant], types: Sequence[Any], program: Program,
    folds: Folds, frames: tuple[Frame, ...],
) -> list[int | Constant]:  # fmt: skip
    """Add one operation, or what stands inside it, to the program; the numbers of its outputs.

    Args:
        primitive, params: as in a jaxpr.
        inputs: numbers of values, or constants.
        types: of the outputs.
        program: grows.
        folds: what is opened.
        frames: the call stack, innermost first.
    """
    if all(isinstance(atom, Constant) for atom in inputs):
        values = [atom.value for atom in inputs if isinstance(atom, Constant)]
        return [Constant(value) for value in _bind(primitive, params)(*values)]
    name, file = _call(primitive.name, params)
    inner = _inner(params)
    bracket = primitive.name in _BRACKETS or params.get("inline") is True  # what JAX itself writes in place
    if inner is not None and (bracket or (name and _opened(primitive.name, name, file, folds))):
        return _written_out(inner, inputs, program, folds, frames)
    if primitive.name == "cond":
        return _branch(params["branches"], inputs, program, folds, frames)
    loop = _scan(params, frames) if primitive.name == "scan" else None
    if primitive.name == "while":
        loop = _while(params, program.values(inputs))
    run = _bind(primitive, params) if loop is None else _unwound(loop)
    outputs: list[int | Constant] = [program.new(type_) for type_ in types]
    inside = loop.inside if loop is not None else _names_inside(inner) if inner is not None else ()
    numbers = [atom for atom in outputs if isinstance(atom, int)]
    program.equations.append(Equation(primitive.name, run, inputs, numbers, frames, name, params, inside, loop))
    return outputs


def _unwound(loop: Loop) -> Callable[..., list[Any]]:
    return lambda *arrays: loop.run(*arrays)[0]


def _opened(primitive: str, name: str, file: str, folds: Folds) -> bool:
    """Whether a call is written out. A function with a derivative rule of its own is opened only where it is the
    library's, whose inside has the same derivative wherever that has one."""
    if primitive.startswith("custom_") and library_of(file, folds.own) is None:
        return False
    return folds.opens(name, file)


def _branch(
    branches: Sequence[Any], inputs: list[int | Constant], program: Program, folds: Folds, frames: tuple[Frame, ...]
) -> list[int | Constant]:
    """The branch of a `cond` or `switch` that is taken here, in its place."""
    chosen = int(np.clip(np.asarray(program.values(inputs[:1])[0]), 0, len(branches) - 1))
    taken = (
        ("the false branch", "the true branch")[chosen] if len(branches) == 2 else f"branch {chosen} of {len(branches)}"
    )
    program.notes.append(f"A choice (cond) took {taken} here; the slope is that of this branch.")
    before = len(program.equations)
    outputs = _written_out(branches[chosen], inputs[1:], program, folds, frames)
    for made in program.equations[before:]:
        made.note = made.note or taken
    return outputs


# -- loops ---------------------------------------------------------------------------------------------------------


def _scan(params: dict[str, Any], frames: tuple[Frame, ...]) -> Loop:
    body = params["jaxpr"]
    kind = "fori" if any(frame.function == "fori_loop" for frame in frames) else "scan"
    return Loop(
        kind, int(params["length"]), params["num_consts"], params["num_carry"], _closed(body), bool(params["reverse"]),
        _names_inside(body),
    )  # fmt: skip


def _while(params: dict[str, Any], values: list[Any]) -> Loop:
    """The loop with the number of turns that it takes at these values."""
    asks, does = params["cond_nconsts"], params["body_nconsts"]
    condition, body = _closed(params["cond_jaxpr"]), _closed(params["body_jaxpr"])
    asked, fixed, carry = values[:asks], values[asks : asks + does], values[asks + does :]
    turns, _ = jax.lax.while_loop(
        lambda state: condition(*asked, *state[1])[0],
        lambda state: (state[0] + 1, body(*fixed, *state[1])),
        (jnp.zeros((), int), list(carry)),
    )
    step = lambda *inputs: body(*inputs[asks:])  # the condition's constants come first and are not needed any more
    return Loop("while", int(turns), asks + does, len(carry), step, False, _names_inside(params["body_jaxpr"]))


def _closed(jaxpr: Any) -> Callable[..., list[Any]]:
    return lambda *inputs: jax.core.eval_jaxpr(jaxpr.jaxpr, jaxpr.consts, *inputs)


# -- calls ---------------------------------------------------------------------------------------------------------


def _inner(params: dict[str, Any]) -> Any:
    """The program inside an equation, or None."""
    return params.get("jaxpr") or params.get("call_jaxpr")


def _call(primitive: str, params: dict[str, Any]) -> tuple[str, str]:
    """The name and the file of the function that an equation calls, or ("", "")."""
    inner = _inner(params)
    if inner is None or primitive in ("scan", *_BRACKETS):
        return "", ""
    debug = getattr(getattr(inner, "jaxpr", inner), "debug_info", None)
    name, _, place = (getattr(debug, "func_src_info", None) or "").partition(" at ")
    return str(params.get("name") or name).strip("_"), place.rpartition(":")[0]


def _names_inside(jaxpr: Any) -> tuple[str, ...]:
    """The primitives of a piece of program, calls written out, each name once in the order of its first use."""
    found: dict[str, None] = {}
    for equation in getattr(jaxpr, "jaxpr", jaxpr).eqns:
        inner = _inner(equation.params)
        if inner is not None and equation.primitive.name != "scan":
            found.update(dict.fromkeys(_names_inside(inner)))
        else:
            found[equation.primitive.name] = None
    return tuple(found)


def _bind(primitive: Any, params: dict[str, Any]) -> Callable[..., list[Any]]:
    bound = primitive.get_bind_params(params)

    def run(*inputs: Any) -> list[Any]:
        outputs = primitive.bind(*inputs, **bound)
        return list(outputs) if primitive.multiple_results else [outputs]

    return run
