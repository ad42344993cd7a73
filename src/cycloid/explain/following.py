"""Code that decides in Python on the values of its arguments (`if x > 0:`), written down along the way that it takes.

`jax.make_jaxpr` cannot trace such code, since its tracers hold no values. The tracers here hold them, as those of
`jax.grad` do, so that the code runs as it does under `jax.grad`, once, and each operation is written down as it comes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.core import Trace, Tracer
from jax.extend.core import Literal, set_current_trace

from cycloid.core.sources import Frame, frame_of, is_recorder
from cycloid.explain.recording import Constant, Folds, Program, enter, needed


class _Followed(Tracer):
    """A value that depends on the arguments, with its number in the program."""

    __slots__ = ("atom", "concrete")

    def __init__(self, trace: Any, atom: int, concrete: Any):
        super().__init__(trace, jax.typeof(concrete))
        self.atom, self.concrete = atom, concrete

    def to_concrete_value(self) -> Any:
        return self.concrete

    def full_lower(self) -> Any:
        return self


class _Following(Trace):
    """Computes each operation and adds it to the program."""

    def __init__(self, program: Program, folds: Folds):
        super().__init__()
        self.program, self.folds, self.known = program, folds, dict[int, Any]()

    def start(self, leaf: Any) -> _Followed:
        """An argument."""
        number = self.program.new(leaf)
        self.known[number] = leaf
        return _Followed(self, number, leaf)

    def stage_value(self, val: Any) -> Any:
        return val

    def process_primitive(self, primitive: Any, tracers: Sequence[Any], params: dict[str, Any], /) -> Any:
        values = [t.concrete if isinstance(t, _Followed) else t for t in tracers]
        made = primitive.bind(*values, **params)
        if not any(isinstance(t, _Followed) for t in tracers):
            return made
        outputs = list(made) if primitive.multiple_results else [made]
        results = self._entered(primitive, params, tracers, outputs)
        return results if primitive.multiple_results else results[0]

    def _entered(self, primitive: Any, params: dict[str, Any], tracers: Sequence[Any], outputs: list[Any]) -> list[Any]:
        inputs = [t.atom if isinstance(t, _Followed) else Constant(t) for t in tracers]
        atoms = enter(primitive, params, inputs, outputs, self.program, self.folds, _stack())
        return [self._as_tracer(atom, value) for atom, value in zip(atoms, outputs, strict=True)]

    def process_custom_jvp_call(
        self, primitive: Any, fun: Any, jvp: Any, tracers: Sequence[Any], /, **options: Any
    ) -> Any:
        return self._custom(primitive, tracers, {"subfuns": (fun, jvp), **options})

    def process_custom_vjp_call(
        self, primitive: Any, fun: Any, fwd: Any, bwd: Any, tracers: Sequence[Any], /, **options: Any
    ) -> Any:
        return self._custom(primitive, tracers, {"subfuns": (fun, fwd, bwd), **options})

    def _custom(self, primitive: Any, tracers: Sequence[Any], params: dict[str, Any]) -> Any:
        """A function with a derivative rule of its own, traced by itself so that the rule is kept."""
        values = [t.concrete if isinstance(t, _Followed) else jnp.asarray(t) for t in tracers]
        closed = jax.make_jaxpr(lambda *xs: primitive.bind(*xs, **params))(*values)
        (equation,) = closed.jaxpr.eqns
        places = dict(zip((*closed.jaxpr.constvars, *closed.jaxpr.invars), (*closed.consts, *tracers), strict=True))
        inputs = [v.val if isinstance(v, Literal) else places[v] for v in equation.invars]
        given = [t.concrete if isinstance(t, _Followed) else t for t in inputs]
        outputs = list(primitive.bind(*given, **primitive.get_bind_params(equation.params)))
        return self._entered(primitive, equation.params, inputs, outputs)

    def _as_tracer(self, atom: int | Constant, value: Any) -> Any:
        if isinstance(atom, Constant):
            return atom.value
        self.known[atom] = value
        return _Followed(self, atom, value)


def _stack() -> tuple[Frame, ...]:
    """The call stack of the code that is being followed, innermost first."""
    found: list[Frame] = []
    frame = sys._getframe(2)
    while frame is not None and is_recorder(frame.f_code.co_filename):
        frame = frame.f_back
    while frame is not None and not is_recorder(frame.f_code.co_filename):
        found.append(frame_of(frame.f_code, frame.f_lasti))
        frame = frame.f_back
    return tuple(found)


def follow(function: Callable[..., Any], leaves: Sequence[Any], folds: Folds) -> Program:
    """Write down what a function of flat arrays does on the way that it takes at these values."""
    program = Program([], [jnp.asarray(leaf) for leaf in leaves], [], [], [])
    trace = _Following(program, folds)
    starts = [trace.start(leaf) for leaf in program.leaves]
    with set_current_trace(trace):
        value = function(*starts)
    trace.invalidate()
    program.outputs = [value.atom if isinstance(value, _Followed) else Constant(value)]
    program.equations = needed(program.equations, [atom for atom in program.outputs if isinstance(atom, int)])
    program.notes.append("The code decides in Python on the values; the way that it takes at this point is shown.")
    return program
