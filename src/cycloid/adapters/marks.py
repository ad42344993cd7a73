"""The outputs of a model's layers, read out of the program that JAX traced of it.

A layer may be called under a vmap of the model's own: what it returns there cannot be kept aside. So a layer's output
passes through `mark`, an identity with a name, and `collected` runs the traced program and keeps what passes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal, Primitive
from jax.interpreters import ad, batching, mlir

_mark = Primitive("cycloid_mark")
_mark.def_impl(lambda x, *, name: x)
_mark.def_abstract_eval(lambda x, *, name: x)
ad.deflinear2(_mark, lambda cotangent, x, *, name: [cotangent])
mlir.register_lowering(_mark, lambda context, x, *, name: [x])


def _batched(values: tuple, axes: tuple, *, name: str) -> tuple[Any, int]:
    """The examples stay along the first axis, wherever a rule of JAX has put them."""
    return _mark.bind(jnp.moveaxis(values[0], axes[0], 0), name=name), 0


batching.primitive_batchers[_mark] = _batched


def mark(value: Any, name: str) -> Any:
    """The value, seen by `collected` under that name; of a tuple its first array."""
    leaves, structure = jax.tree.flatten(value)
    for place, leaf in enumerate(leaves):
        if isinstance(leaf, jax.Array):
            leaves[place] = _mark.bind(leaf, name=name)
            break
    return jax.tree.unflatten(structure, leaves)


def collected(function: Callable[..., Any], *args: Any) -> tuple[Any, OrderedDict[str, Any]]:
    """What a function gives, and name -> what was marked in it; of a layer used several times, its last output."""
    program, shape = jax.make_jaxpr(function, return_shape=True)(*args)
    seen: OrderedDict[str, Any] = OrderedDict()  # a plain dict would be sorted on its way through jit
    outputs = _run(program.jaxpr, program.consts, jax.tree.leaves(args), seen)
    return jax.tree.unflatten(jax.tree.structure(shape), outputs), seen


def _run(program: Jaxpr, consts: Any, args: Any, seen: dict[str, Any]) -> list[Any]:
    values: dict[Any, Any] = {**dict(zip(program.constvars, consts)), **dict(zip(program.invars, args))}
    read = lambda atom: atom.val if isinstance(atom, Literal) else values[atom]
    for equation in program.eqns:
        arguments = [read(atom) for atom in equation.invars]
        inner = _inner(equation)
        if inner is not None:
            made = _run(inner.jaxpr, inner.consts, arguments, seen)
        else:
            made = equation.primitive.bind(*arguments, **equation.primitive.get_bind_params(equation.params))
            made = made if equation.primitive.multiple_results else [made]
        if equation.primitive is _mark:
            seen.pop(equation.params["name"], None)  # in the order of use
            seen[equation.params["name"]] = made[0]
        values.update(zip(equation.outvars, made))
    return [read(atom) for atom in program.outvars]


def _inner(equation: Any) -> ClosedJaxpr | None:
    """The program of a call that runs it once, where a mark may be inside; loops stay as they are."""
    name = equation.primitive.name
    if name in ("jit", "pjit", "closed_call", "core_call"):
        return equation.params["jaxpr"] if "jaxpr" in equation.params else equation.params["call_jaxpr"]
    if name in ("remat", "checkpoint", "remat2"):
        program = equation.params["jaxpr"]
        return program if isinstance(program, ClosedJaxpr) else ClosedJaxpr(program, ())
    return None
