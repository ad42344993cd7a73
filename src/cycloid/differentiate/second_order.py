"""Derivatives of a gradient: forward over reverse mode, and reverse over reverse where a rule of its own forbids that.

A function with a `jax.custom_vjp` has a rule for reverse mode only. Forward over reverse mode differentiates that rule,
and meets the function itself no more; it is blocked where the rule calls such a function again. Reverse over reverse
mode asks for reverse rules alone, at about 1.3 times the cost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr, jaxpr_as_fun

from cycloid.differentiate.writing import place_of

Function = Callable[..., Any]

MODES = ("auto", "forward", "reverse")


def check_mode(mode: str, caller: str) -> str:
    if mode not in MODES:
        raise ValueError(f"{caller}: mode, the outer one, is one of {', '.join(MODES)}; it was {mode!r}.")
    return mode


def along(gradient: Function, point: Any, v: Any, mode: str, caller: str) -> Any:
    """The derivative of the gradient along v."""
    forward = lambda gradient: jax.jvp(gradient, (point,), (v,))[1]
    return _either(forward, lambda gradient: jax.vjp(gradient, point)[1](v)[0], gradient, point, mode, caller)


def linearized(gradient: Function, point: Any, mode: str, caller: str) -> Function:
    """v ↦ H v with all that depends on the point alone computed once; a pytree, whose leaves are what was kept."""
    forward = lambda gradient: jax.linearize(gradient, point)[1]
    return _either(forward, lambda gradient: _Pulled(jax.vjp(gradient, point)[1]), gradient, point, mode, caller)


def matrix(gradient: Function, point: Any, mode: str, caller: str) -> Any:
    """All second derivatives."""
    forward = lambda gradient: jax.jacfwd(gradient)(point)
    return _either(forward, lambda gradient: jax.jacrev(gradient)(point), gradient, point, mode, caller)


@jax.tree_util.register_pytree_node_class
class _Pulled:
    """The transposed Hessian, which is the Hessian."""

    def __init__(self, pull: Function):
        self.pull = pull

    def __call__(self, v: Any) -> Any:
        return self.pull(v)[0]

    def tree_flatten(self) -> tuple[tuple[Any], None]:
        return (self.pull,), None

    @classmethod
    def tree_unflatten(cls, _: None, children: tuple[Any]) -> _Pulled:
        return cls(*children)


def _either(forward: Function, reverse: Function, gradient: Function, point: Any, mode: str, caller: str) -> Any:
    gradient, names = traced_once(gradient, point)
    if mode == "forward" and names:
        raise TypeError(_blocked(names, caller, 'choose mode="reverse" or mode="auto"'))
    if mode == "forward" or (mode == "auto" and not names):
        return forward(gradient)
    try:
        return reverse(gradient)
    except (TypeError, NotImplementedError, ValueError) as error:
        if not names:
            raise
        raise blocked_twice(names, caller) from error


def blocked_twice(names: list[str], caller: str) -> TypeError:
    """The error where a reverse rule cannot be differentiated by any mode."""
    return TypeError(
        _blocked(names, caller, "make that rule of differentiable operations, or give the function a jax.custom_jvp")
    )


def _blocked(names: list[str], caller: str, cure: str) -> str:
    return (
        f"{caller}: second derivatives meet {', '.join(names)} in the reverse rule of a jax.custom_vjp, which has no "
        f"derivative here: {cure}."
    )


def blocked_forward(names: list[str], caller: str) -> TypeError:
    """The error where a function has a rule for reverse mode alone, and forward mode was asked for."""
    return TypeError(
        f"{caller}: {', '.join(names)} has a jax.custom_vjp, a rule for reverse mode alone: choose "
        'mode="reverse" or mode="auto".'
    )


def traced_once(function: Function, point: Any) -> tuple[Function, list[str]]:
    """The function as the program that JAX traced of it, and the names of those with a `jax.custom_vjp` that it calls.

    In a gradient these are the functions that reverse rules call: they block forward over reverse mode. A function that
    JAX cannot trace (it branches on a value) comes back as it is.
    """
    try:
        program, shape = jax.make_jaxpr(function, return_shape=True)(point)
    except (TypeError, NotImplementedError, jax.errors.ConcretizationTypeError):
        return function, []
    run, structure = jaxpr_as_fun(program), jax.tree.structure(shape)
    return lambda point: jax.tree.unflatten(structure, run(*jax.tree.leaves(point))), reverse_rules(program.jaxpr)


def reverse_rules(program: Jaxpr) -> list[str]:
    """The functions with a `jax.custom_vjp` that a program calls, each with its place."""
    names: dict[str, None] = {}
    for equation in _every_equation(program):
        if equation.primitive.name.startswith("custom_vjp_call"):
            name, place = place_of(getattr(equation.params.get("call_jaxpr"), "jaxpr", None))
            names[f"{name} ({place})" if place else name] = None
    return list(names)


def blocking(program: Jaxpr) -> list[str]:
    """The same of the program of a derivative in forward mode, where they block it: it was traced, but cannot run."""
    blocked = any(equation.primitive.name == "custom_lin" for equation in _every_equation(program))
    return reverse_rules(program) if blocked else []


def _every_equation(program: Jaxpr) -> Iterator[Any]:
    for equation in program.eqns:
        yield equation
        for value in equation.params.values():
            for part in value if isinstance(value, tuple | list) else (value,):
                if isinstance(part, ClosedJaxpr | Jaxpr):
                    yield from _every_equation(part.jaxpr if isinstance(part, ClosedJaxpr) else part)
