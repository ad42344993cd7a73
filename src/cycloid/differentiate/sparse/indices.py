"""Values that do not depend on the input: computed now where all is known (indices, masks), else in the program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cycloid.differentiate.sparse.slots import Slot

# Numbers beside indices are computed now when there are at most this many: they become constants of the program.
FEW = 64


def _broadcast(params: dict[str, Any], x: np.ndarray) -> np.ndarray:
    shape = [1] * len(params["shape"])
    for axis, size in zip(params["broadcast_dimensions"], x.shape, strict=True):
        shape[axis] = size
    return np.broadcast_to(x.reshape(shape), params["shape"])


def _iota(params: dict[str, Any]) -> np.ndarray:
    shape, axis = params["shape"], params["dimension"]
    line = [size if a == axis else 1 for a, size in enumerate(shape)]
    return np.broadcast_to(np.arange(shape[axis]).reshape(line), shape)


def _slice(params: dict[str, Any], x: np.ndarray) -> np.ndarray:
    steps = params["strides"] or [None] * x.ndim
    return x[tuple(map(slice, params["start_indices"], params["limit_indices"], steps))]


def _select(params: dict[str, Any], which: np.ndarray, *cases: np.ndarray) -> np.ndarray:
    return np.choose(which.astype(int), cases) if len(cases) <= 32 else np.stack(cases)[which.astype(int)]


# In NumPy's arithmetic, which agrees with XLA's on integers, comparisons and single rounded operations.
HERE: dict[str, Callable[..., Any]] = {
    "add": lambda p, a, b: a + b,
    "sub": lambda p, a, b: a - b,
    "mul": lambda p, a, b: a * b,
    "neg": lambda p, a: -a,
    "max": lambda p, a, b: np.maximum(a, b),
    "min": lambda p, a, b: np.minimum(a, b),
    "eq": lambda p, a, b: a == b,
    "ne": lambda p, a, b: a != b,
    "lt": lambda p, a, b: a < b,
    "le": lambda p, a, b: a <= b,
    "gt": lambda p, a, b: a > b,
    "ge": lambda p, a, b: a >= b,
    "and": lambda p, a, b: a & b,
    "or": lambda p, a, b: a | b,
    "not": lambda p, a: ~a,
    "clamp": lambda p, low, a, high: np.clip(a, low, high),
    "convert_element_type": lambda p, a: a,
    "stop_gradient": lambda p, a: a,
    "copy": lambda p, a: a,
    "select_n": _select,
    "iota": _iota,
    "broadcast_in_dim": _broadcast,
    "slice": _slice,
    "reshape": lambda p, a: a.reshape(p["new_sizes"]),
    "squeeze": lambda p, a: np.squeeze(a, tuple(p["dimensions"])),
    "transpose": lambda p, a: a.transpose(p["permutation"]),
    "rev": lambda p, a: np.flip(a, p["dimensions"]),
    "concatenate": lambda p, *parts: np.concatenate(parts, p["dimension"]),
    "stack": lambda p, *parts: np.stack(parts, p["axis"]),
}


def evaluated(equation: Any, inputs: Sequence[Slot]) -> list[Any]:
    """The outputs of an equation none of whose inputs depends on the direction."""
    name, avals = equation.primitive.name, [var.aval for var in equation.outvars]
    if name == "broadcast_in_dim" and inputs[0].value is not None:
        return [_thin(inputs[0], avals[0].shape, equation.params["broadcast_dimensions"])]
    if all(slot.known for slot in inputs) and _is_small(avals):
        if name in HERE:
            arrays = [slot.numbers() for slot in inputs]
            return [np.asarray(HERE[name](equation.params, *arrays)).astype(avals[0].dtype, copy=False)]
        if all(not jnp.issubdtype(aval.dtype, jnp.floating) for aval in avals) and not _opaque(avals):
            with jax.ensure_compile_time_eval():
                return [np.asarray(value) for value in _bound(equation, [jnp.asarray(s.numbers()) for s in inputs])]
    return _bound(equation, [slot.full() for slot in inputs])


def _is_small(avals: Sequence[Any]) -> bool:
    """Whether to compute now: integers and truth values always, other numbers when they are few."""
    exact = lambda aval: jnp.issubdtype(aval.dtype, jnp.integer) or aval.dtype == bool
    few = lambda aval: aval.size <= FEW and jnp.issubdtype(aval.dtype, jnp.floating)
    return all(exact(aval) or few(aval) for aval in avals)


def _opaque(avals: Sequence[Any]) -> bool:
    return any(jnp.issubdtype(aval.dtype, jax.dtypes.extended) for aval in avals)


def _thin(slot: Slot, shape: Sequence[int], places: Sequence[int]) -> Any:
    """A broadcast told by axes of length 1, not carried out."""
    value = slot.value if slot.value.ndim == len(slot.shape) else jnp.broadcast_to(slot.value, slot.shape)
    own = dict(zip(places, value.shape, strict=True))
    return value.reshape([own.get(axis, 1) for axis in range(len(shape))])


def _bound(equation: Any, values: Sequence[Any]) -> list[Any]:
    out = equation.primitive.bind(*values, **equation.primitive.get_bind_params(equation.params))
    return list(out) if equation.primitive.multiple_results else [out]
