"""Programs compiled over the arrays of their arguments, whose calls return before the answer is there."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar

import jax
import numpy as np

P = ParamSpec("P")
T = TypeVar("T")


class Dispatched(Generic[P, T]):
    """A function of pytrees, compiled once for each structure and shape.

    Arrays (JAX's and NumPy's) are traced; every other leaf must be hashable and is compiled in. Unlike
    `equinox.filter_jit`, which waits for the answer in order to report run-time errors, a call returns as soon as the
    work is queued, so that the host can prepare what comes next. The answer holds arrays only.

    Args:
        function: of positional arguments.

    Example:
        >>> import jax.numpy as jnp
        >>> double = Dispatched(lambda x, name: {"a": x + x, "b": x}[name])
        >>> float(double(jnp.asarray(3.0), "a"))
        6.0
    """

    def __init__(self, function: Callable[P, T]):
        self._function = function
        self._compiled = jax.jit(self._run, static_argnums=1)
        functools.update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Queue the work."""
        leaves, structure = jax.tree.flatten((args, kwargs))
        arrays = [leaf if isinstance(leaf, (jax.Array, np.ndarray, np.generic)) else None for leaf in leaves]
        rest = tuple(leaf if array is None else None for leaf, array in zip(leaves, arrays, strict=True))
        return self._compiled(arrays, (structure, rest))

    def _run(self, arrays: list[Any], compiled_in: tuple[Any, tuple[Any, ...]]) -> T:
        structure, rest = compiled_in
        leaves = [other if array is None else array for array, other in zip(arrays, rest, strict=True)]
        args, kwargs = jax.tree.unflatten(structure, leaves)
        function: Any = self._function
        return function(*args, **kwargs)
