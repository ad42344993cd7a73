"""Functions without a singularity, told from their program: sums, products and compositions of entire functions."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Literal

from cycloid.differentiate.series import INLINE

# Operations that are entire in each of their arguments, joint ones included.
_NAMES = """
    add add_any broadcast_in_dim concatenate convert_element_type copy cos cosh cumsum dot_general erf erfc exp exp2
    expm1 mul neg reduce_sum reshape rev sin sinh slice square squeeze stack sub transpose
"""
ENTIRE = frozenset(_NAMES.split())


# What was shown of functions that still live.
_SHOWN: weakref.WeakKeyDictionary[Any, dict[Any, bool]] = weakref.WeakKeyDictionary()


def is_entire(function: Callable[[Any], Any], dtype: Any) -> bool:
    """Whether a function of one number is shown to have no singularity in the whole complex plane.

    Cost: the function is traced once in its life.
    """
    try:
        shown = _SHOWN.setdefault(getattr(function, "function", function), {})
    except TypeError:  # nothing that can be held weakly, or told from others
        return _shown(function, dtype)
    if dtype not in shown:
        shown[dtype] = _shown(function, dtype)
    return shown[dtype]


def _shown(function: Callable[[Any], Any], dtype: Any) -> bool:
    try:
        program = jax.make_jaxpr(function)(jnp.zeros((), dtype))
    except Exception:  # branches, or an argument it cannot take at zero: then nothing is shown
        return False
    return _is_kept(program.jaxpr, [True])


def _is_kept(jaxpr: Any, moving: list[bool]) -> bool:
    """Whether every operation that meets an input that moves is an entire one."""
    moves = dict(zip(jaxpr.invars, moving, strict=True))
    for equation in jaxpr.eqns:
        inputs = [not isinstance(atom, Literal) and moves.get(atom, False) for atom in equation.invars]
        if any(inputs) and not _keeps(equation, inputs):
            return False
        moves.update(dict.fromkeys(equation.outvars, any(inputs)))
    return True


def _keeps(equation: Any, inputs: list[bool]) -> bool:
    name, parameters = equation.primitive.name, equation.params
    if name in INLINE:
        return _is_kept(parameters["jaxpr"].jaxpr, inputs)
    if name == "convert_element_type":
        return jnp.issubdtype(parameters["new_dtype"], jnp.inexact)
    if name == "integer_pow":
        return parameters["y"] >= 0
    if name == "div":  # by what stands still
        return not inputs[1]
    if name == "pow":  # a fixed positive number to a power that moves
        base = equation.invars[0]
        return not inputs[0] and isinstance(base, Literal) and base.val > 0
    return name in ENTIRE
