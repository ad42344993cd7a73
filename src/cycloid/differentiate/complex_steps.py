"""Slopes by a step into the complex plane, where the whole program continues the real function analytically."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cycloid.differentiate.writing import CALLS, LOOPS, RULES, inner_programs

# Nothing is subtracted, so that the step may be so short that its square is lost.
STEP = 1e-20

# Operations that are analytic, or linear, in each complex input: all others end the continuation.
_ANALYTIC = frozenset((
    "add", "add_any", "sub", "mul", "div", "neg", "square", "sqrt", "rsqrt", "exp", "exp2", "log", "log1p", "expm1",
    "sin", "cos", "tan", "sinh", "cosh", "tanh", "asin", "acos", "atan", "asinh", "acosh", "atanh", "logistic",
    "integer_pow", "dot_general", "conv_general_dilated", "reduce_sum", "cumsum", "cumprod", "reduce_prod",
    "broadcast_in_dim", "reshape", "squeeze", "expand_dims", "transpose", "rev", "slice", "dynamic_slice",
    "dynamic_update_slice", "gather", "scatter", "scatter-add", "concatenate", "pad", "select_n", "copy", "copy_p",
    "optimization_barrier", "convert_element_type", "split", "stack", "unstack", "fft",
))  # fmt: skip
_CONTAINERS = CALLS | RULES | LOOPS


def is_analytic(f: Callable[[Any], Any], x: np.ndarray) -> bool:
    """Whether the program of f at complex numbers holds analytic operations alone on all that depends on x."""
    try:
        program = jax.make_jaxpr(f)(jnp.asarray(x) + 0j)
    except Exception:  # whatever a user's function raises on complex numbers, it does not continue there
        return False
    return all(map(_is_complex, program.jaxpr.outvars)) and _continues(program.jaxpr)


def _continues(jaxpr: Any) -> bool:
    for equation in jaxpr.eqns:
        if not any(map(_is_complex, equation.invars)):
            continue  # it depends on no complex number
        name = equation.primitive.name
        if name in _CONTAINERS:
            if not all(_continues(inner.jaxpr) for inner in inner_programs(equation)):
                return False
        elif name not in _ANALYTIC or not all(map(_is_complex, equation.outvars)):
            return False
    return True


def _is_complex(atom: Any) -> bool:
    return jnp.issubdtype(atom.aval.dtype, jnp.complexfloating)


def complex_slopes(f: Callable[[Any], Any], x: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Im f(x + i h v) / h for each direction v, shape (directions, functions): right to the last bits.

    Reference: W. Squire and G. Trapp, Using complex variables to estimate derivatives of real functions, SIAM Rev. 40,
    1998.
    """
    narrow = np.result_type(x.dtype, np.complex64)
    points = (x + 1j * STEP * directions).astype(narrow)
    return np.imag(np.asarray(jax.jit(jax.vmap(f))(points))).reshape(len(directions), -1) / STEP
