"""Where a walk begins and what it walks on: the start as a pytree of arrays, the function as a real scalar."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from cycloid.optimize.methods import split


def as_point(x0: Any) -> Any:
    """x0 with its parameters as JAX arrays.

    Python floats become arrays. A list or tuple of plain numbers is read as one array, and in a number, such a list
    or a dict of numbers integers are read as floats: `3` starts where `3.0` does. Everything else inside a pytree
    (integer arrays, functions, names) is left as it is.

    Raises:
        TypeError: when there is nothing to move, or a parameter is complex.
    """
    plain = isinstance(x0, (list, tuple)) and type(x0) in (list, tuple)
    if plain and x0 and all(_is_number(entry) for entry in x0):
        point: Any = jnp.asarray(x0, float)
    elif _is_number(x0):
        point = jnp.asarray(x0, float)
    elif isinstance(x0, Mapping):
        point = {name: as_point(entry) if _is_number(entry) else _arrays(entry) for name, entry in x0.items()}
    else:
        point = _arrays(x0)
    parameters = jax.tree.leaves(split(point)[0])
    if not parameters:
        raise TypeError(
            f"x0 holds no floating-point number to move: for integers write 3.0 or x.astype(float); it was "
            f"{_brief(x0)}."
        )
    if any(jnp.iscomplexobj(leaf) for leaf in parameters):
        raise TypeError("x0 is complex: minimize over the real and imaginary parts, f(x[0] + 1j * x[1]).")
    return point


def scalar_function(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """`function`, with its value checked to be one real number.

    Raises:
        TypeError: when it is no real number.
        ValueError: when it is an array of several.
    """
    name = getattr(function, "__name__", "f")

    def value(x: Any) -> Any:
        out = function(x)
        if not (eqx.is_array(out) or isinstance(out, (np.ndarray, np.generic, bool, int, float, complex))):
            raise TypeError(f"{name} returns one real number; it returned a {type(out).__name__}.")
        if jnp.shape(out):
            raise ValueError(
                f"{name} returns one number; it returned an array of shape {jnp.shape(out)}: sum or average it, "
                f"or take the entry that is meant."
            )
        if not jnp.issubdtype(jnp.result_type(out), jnp.floating):
            raise TypeError(f"{name} returns a floating-point number; it returned {jnp.result_type(out)}.")
        return jnp.asarray(out)

    return value


def as_static(function: Any) -> Any:
    """The function as a compiled program takes it: by identity, unless it is a pytree with arrays, which is data."""
    inner = getattr(function, "function", function)
    return inner if any(eqx.is_array(leaf) for leaf in jax.tree.leaves(inner)) else function


def _is_number(entry: Any) -> bool:
    return isinstance(entry, (int, float, np.integer, np.floating)) and not isinstance(entry, bool)


def _is_inexact(leaf: Any) -> bool:
    return isinstance(leaf, (float, complex)) or eqx.is_inexact_array(leaf)


def _arrays(tree: Any) -> Any:
    """Floats and NumPy's floating arrays as JAX arrays, other leaves untouched."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf) if _is_inexact(leaf) else leaf, tree)


def _brief(tree: Any) -> str:
    text = repr(tree)
    return text if len(text) <= 60 else f"a {type(tree).__name__}"
