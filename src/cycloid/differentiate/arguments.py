"""What an operator differentiates, and what it refuses: parameters, points of a formula, directions, values.

The parameters of an argument are its real floating-point arrays and its plain numbers written as floats. Inside an
equinox module only arrays count, because a float there is a setting (a dropout rate). Everything else (an activation
function, a key, an integer array) is handed on to the function as it is, and holds None in a gradient.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from cycloid.core.formulas import Formula
from cycloid.core.functions import FormulaAt

Function = Callable[..., Any]

_ARRAYS = (jax.Array, np.ndarray, np.generic)


# --- the function and its point ---------------------------------------------------------------------------------


def restrict(function: Function, args: tuple, kwargs: dict, argnums: int | Sequence[int] | None, caller: str):
    """The function of its parameters alone, and the parameters: (restricted, parameters).

    With `argnums=None` the first argument is differentiated, or every variable where `function` is a formula.
    """
    if isinstance(function, Formula) and argnums is None:
        point = point_of(function, args, kwargs, caller)
        function, args, kwargs = at_point(function, point), (point,), {}
    argnums = 0 if argnums is None else argnums
    places = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    if not places or any(not isinstance(i, int) or not -len(args) <= i < len(args) for i in places):
        raise TypeError(
            f"{caller}: argnums={argnums}, but {len(args)} positional argument(s) came: pass the point by position, or "
            "choose another argnums."
        )
    places = tuple(i % len(args) for i in places)
    parts = [parameters(args[i], caller) for i in places]
    rests = [rest for _, rest in parts]

    def restricted(chosen: Any) -> Any:
        pieces = (chosen,) if isinstance(argnums, int) else chosen
        full = list(args)
        for i, piece, rest in zip(places, pieces, rests, strict=True):
            full[i] = merge(piece, rest)
        return function(*full, **kwargs)

    return restricted, (parts[0][0] if isinstance(argnums, int) else tuple(chosen for chosen, _ in parts))


def point_of(formula: Formula, args: tuple, kwargs: dict, caller: str) -> Any:
    """One point from what a formula's operator was called with: g(x, y), g(x=…, y=…), g({…}) or g(array)."""
    variables = formula.variables
    if len(args) == 1 and not kwargs:
        (point,) = args
        fits = not isinstance(point, Mapping) or set(point) == set(variables)
    else:
        named = {**dict(zip(variables, args, strict=False)), **kwargs}
        point = named if kwargs else tuple(args)
        fits = set(named) == set(variables) and len(args) + len(kwargs) == len(variables)
    if not fits:
        came = ", ".join(map(str, point)) if isinstance(point, Mapping) else f"{len(args)} values"
        raise ValueError(
            f"{caller}: {formula.text} has the variables {', '.join(variables)}; the call gave {came}. Pass them in "
            "this order, by name, or as one dict or array."
        )
    return point


def at_point(formula: Formula, point: Any) -> Function:
    """A formula as a function of one point in the form that `point` has."""
    if isinstance(point, tuple | list):
        return lambda values: formula(*values)
    return FormulaAt(formula)


# --- parameters of a pytree -------------------------------------------------------------------------------------


def parameters(tree: Any, caller: str) -> tuple[Any, Any]:
    """Split an argument into its parameters and the rest, each with None in the other's places.

    Raises:
        TypeError: when there is nothing to differentiate, or a plain integer or a complex number among the leaves.
    """
    if type(tree) is float or (isinstance(tree, _ARRAYS) and jnp.issubdtype(tree.dtype, jnp.floating)):
        return _canonical(tree), None
    mask = jax.tree.map(lambda node: _chosen(node, caller), tree, is_leaf=_is_module)
    flags = jax.tree.leaves(mask)
    if all(flags) and flags:
        return jax.tree.map(_canonical, tree), None
    if not any(flags):
        raise TypeError(_nothing(tree, caller))
    _refuse_plain_integers(tree, caller)
    chosen, rest = eqx.partition(tree, mask)
    return jax.tree.map(_canonical, chosen), rest


def _canonical(leaf: Any) -> Any:
    """NumPy's arrays as JAX's, in the precision that is switched on; floats stay Python's."""
    return leaf if type(leaf) is float or isinstance(leaf, jax.Array) else jnp.asarray(leaf)


def one_number(x: Any, caller: str) -> Any:
    """A real number, or an array of them, to differentiate at."""
    if type(x) is float or (isinstance(x, _ARRAYS) and jnp.issubdtype(x.dtype, jnp.floating)):
        return _canonical(x)
    if isinstance(x, _ARRAYS):
        _is_real(x, caller)
    if isinstance(x, (*_ARRAYS, str, bytes, complex, int)) or x is None:
        raise TypeError(_nothing(x, caller))
    raise TypeError(
        f"{caller} takes one real number, or an array of points; the argument was a {type(x).__name__}: use grad for a "
        "pytree, jnp.array([...]) for points."
    )


def merge(chosen: Any, rest: Any) -> Any:
    """Undo `parameters`."""
    return chosen if rest is None else eqx.combine(chosen, rest)


def _is_module(node: Any) -> bool:
    return isinstance(node, eqx.Module)


def _chosen(node: Any, caller: str) -> Any:
    if _is_module(node):
        return jax.tree.map(lambda leaf: isinstance(leaf, _ARRAYS) and _is_real(leaf, caller), node)
    return isinstance(node, float) or (isinstance(node, _ARRAYS) and _is_real(node, caller))


def _is_real(array: Any, caller: str) -> bool:
    if jnp.issubdtype(array.dtype, jnp.complexfloating):
        raise TypeError(
            f"{caller} differentiates with respect to real numbers; the argument holds a complex array of dtype "
            f"{array.dtype}. Pass real and imaginary part as two real arguments, or use jax.grad(f, holomorphic=True)."
        )
    return jnp.issubdtype(array.dtype, jnp.floating)


def _nothing(tree: Any, caller: str) -> str:
    wanted = f"{caller} differentiates with respect to real numbers"
    if isinstance(tree, bool | np.bool_):
        return f"{wanted}; the argument was the truth value {tree}, at which nothing has a derivative."
    if isinstance(tree, int | np.integer):
        return f"{wanted}; the argument was the integer {tree}: write {tree}.0."
    if isinstance(tree, complex):
        return f"{wanted}; the argument was the complex number {tree}. Pass its real and imaginary part separately."
    if isinstance(tree, _ARRAYS):
        kind = "an integer" if jnp.issubdtype(tree.dtype, jnp.integer) else "an"
        return f"{wanted}; the argument was {kind} array of dtype {tree.dtype}: write x.astype(float)."
    if isinstance(tree, str | bytes) or tree is None:
        return (
            f"{wanted}; the argument was {tree!r}, of type {type(tree).__name__}: pass a float or an array of floats."
        )
    leaves = jax.tree.leaves(tree)
    if leaves and leaves[0] is not tree and all(isinstance(leaf, int) for leaf in leaves):
        return f"{wanted}; the argument {tree!r} holds integers only: write them as floats, 2.0 for 2."
    return (
        f"{wanted}; the argument, of type {type(tree).__name__}, holds none: pass a float, an array of floats, or a "
        "pytree with such leaves (a dict, a list, an equinox module)."
    )


def _refuse_plain_integers(tree: Any, caller: str) -> None:
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree, is_leaf=_is_module):
        if isinstance(leaf, complex) and not isinstance(leaf, _ARRAYS):
            raise TypeError(f"{caller}: the entry {jax.tree_util.keystr(path)} is the complex number {leaf}.")
        if isinstance(leaf, int) and not isinstance(leaf, bool):
            raise TypeError(
                f"{caller}: the entry {jax.tree_util.keystr(path)} is the integer {leaf}, which has no derivative: "
                f"write {leaf}.0, or bind it outside the point when it is a setting."
            )


# --- directions -------------------------------------------------------------------------------------------------


def direction(v: Any, point: Any, caller: str, function: Function | None = None) -> Any:
    """`v` with the structure, shapes and dtypes of the parameters `point`, or an error that shows both."""
    if isinstance(function, Formula):
        v = _formula_direction(function, v, point, caller)
    if jax.tree.structure(v) != jax.tree.structure(point):
        v = _without_rest(v, point, caller)
    return jax.tree.map(lambda part, like: _fitted(part, like, caller), v, point)


def _formula_direction(formula: Formula, v: Any, point: Any, caller: str) -> Any:
    """A direction for a formula, given by name or in the order of its variables, in the form of `point`."""
    variables = formula.variables
    if isinstance(v, Mapping):
        values = [v[name] for name in variables if name in v]
    else:
        values = list(v) if isinstance(v, tuple | list) or jnp.ndim(v) else [v]
    if len(values) != len(variables) or (isinstance(v, Mapping) and len(v) != len(variables)):
        given = ", ".join(map(str, v)) if isinstance(v, Mapping) else f"{len(values)} numbers"
        raise ValueError(
            f"{caller}: {formula.text} has the variables {', '.join(variables)}; the direction has {given}."
        )
    if isinstance(point, Mapping):
        return dict(zip(variables, values, strict=True))
    if isinstance(point, tuple | list):
        return type(point)(values)
    return jnp.stack([jnp.asarray(value) for value in values]) if jnp.ndim(point) else values[0]


def _without_rest(v: Any, point: Any, caller: str) -> Any:
    """Drop from a whole module (or dict) given as direction the leaves that are no parameters."""
    try:
        kept = eqx.filter(v, eqx.is_inexact_array)
    except (TypeError, ValueError):
        kept = None
    if kept is None or jax.tree.structure(kept) != jax.tree.structure(point):
        raise ValueError(
            f"{caller}: the direction has the structure {jax.tree.structure(v)}, the point "
            f"{jax.tree.structure(point)}: pass a direction shaped like the point."
        )
    return kept


def _fitted(part: Any, like: Any, caller: str) -> Any:
    if jnp.shape(part) != jnp.shape(like):
        raise ValueError(
            f"{caller}: the direction has shape {jnp.shape(part)}, the point {jnp.shape(like)}: pass a direction "
            "shaped like the point."
        )
    if jnp.iscomplexobj(part):
        raise TypeError(f"{caller}: the direction is complex; pass a real one.")
    wanted = jnp.result_type(float) if isinstance(like, float) else like.dtype
    return part if isinstance(part, jax.Array) and part.dtype == wanted else jnp.asarray(part, wanted)


# --- values -----------------------------------------------------------------------------------------------------


def real_value(value: Any, caller: str) -> Any:
    """The value of the function, constants as arrays; TypeError where it holds no real numbers."""
    if isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jnp.floating):
        return value
    return jax.tree.map(lambda leaf: _real_leaf(leaf, caller), value, is_leaf=lambda leaf: leaf is None)


def _real_leaf(leaf: Any, caller: str) -> Any:
    if isinstance(leaf, int | float) and not isinstance(leaf, bool):
        return jnp.asarray(float(leaf))
    dtype = getattr(leaf, "dtype", None)
    if dtype is not None and jnp.issubdtype(dtype, jnp.floating):
        return jnp.asarray(leaf)
    if leaf is None:
        raise TypeError(f"{caller}: the function returned None; does it lack a return?")
    if isinstance(leaf, bool) or dtype is None:
        raise TypeError(f"{caller}: the function returned a {type(leaf).__name__}, which has no derivative.")
    cure = (
        "differentiate its real and imaginary part, or a real loss of it"
        if jnp.issubdtype(dtype, jnp.complexfloating)
        else "a comparison, a rounding or an argmax is constant between its jumps; differentiate a smooth stand-in"
    )
    raise TypeError(f"{caller}: the function returned values of dtype {dtype}, which have no derivative: {cure}.")


def scalar_value(value: Any, caller: str) -> Any:
    """The value, checked to be one real number."""
    if isinstance(value, tuple | list | dict):
        raise TypeError(
            f"{caller} wants a function whose value is one real number; this one returned a {type(value).__name__}. "
            "Return the number alone; where the rest is needed too, value_and_grad(f, has_aux=True) takes (number, "
            "rest), and jacobian differentiates every output."
        )
    value = real_value(value, caller)
    shape = jnp.shape(value)
    if shape:
        one = f"; as it is one number, return it as value{[0] * len(shape)}" if math.prod(shape) == 1 else ""
        raise TypeError(
            f"{caller} wants a function whose value is one real number; this one returned an array of shape "
            f"{shape}{one}. Use jacobian for the derivative of every output, or sum them: lambda x: jnp.sum(f(x))."
        )
    return value
