"""What `fit_curve` takes: a model as text or callable, data as arrays or columns, and where its parameters begin."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from cycloid.core.functions import as_function
from cycloid.core.results import is_traced
from cycloid.optimize.methods import split
from cycloid.optimize.points import as_point


class Model(eqx.Module):
    """model(x, parameters) -> fitted values, whichever way it was written.

    Attributes:
        function: the formula or callable.
        names: of the parameters, where they are called by name; None for a function of a pytree.
        columns: of the data that a formula reads; None for a callable, which gets x as it is.
    """

    function: Callable[..., Any] = eqx.field(static=True)
    names: tuple[str, ...] | None = eqx.field(static=True)
    columns: tuple[str, ...] | None = eqx.field(static=True)

    def __call__(self, x: Any, parameters: Any) -> Any:
        if self.columns is not None:
            return self.function(**{name: x[name] for name in self.columns}, **parameters)
        return self.function(x, parameters) if self.names is None else self.function(x, **parameters)


class Data(NamedTuple):
    """What a curve is fitted to.

    Attributes:
        x: an array, a dict of columns, or whatever the callable takes.
        y: shape (n,).
        weights: shape (n,).
    """

    x: Any
    y: Any
    weights: Any


def read_model(model: Any, x: Any, start: Any) -> Model:
    """The model, with its variables told apart into data and parameters.

    Raises:
        TypeError: when it is neither text nor a callable, or a callable does not tell its parameters.
        ValueError: when the names do not fit.
    """
    from cycloid.core.formulas import Formula

    function = _parsed(model) if isinstance(model, str) else as_function(model, "model")
    if not isinstance(function, Formula):
        return Model(function, _argument_names(model, start), None)
    known = list(x) if isinstance(x, Mapping) else _single_column(function.variables, start)
    columns = tuple(name for name in function.variables if name in known)
    names = tuple(name for name in function.variables if name not in known)
    if not columns:
        raise ValueError(
            f"{function.text} has the variables {', '.join(function.variables)} and the data {', '.join(known)}: none "
            f"of the data occurs in it, so that it is no curve."
        )
    if not names:
        raise ValueError(f"{function.text} has no parameter to fit: all its variables are data.")
    return Model(function, names, columns)


@functools.lru_cache(maxsize=256)
def _parsed(text: str) -> Any:
    """The formula of a text: a loop over data sets reads it once."""
    return as_function(text, "model")


def _single_column(variables: tuple[str, ...], start: Any) -> list[str]:
    """The variable that an array of data stands for: the one without a start, else x."""
    left = [name for name in variables if name not in start] if isinstance(start, Mapping) else []
    if len(left) == 1:
        return left
    if "x" in variables:
        return ["x"]
    raise ValueError(
        f"the formula has the variables {', '.join(variables)}: which of them is the data? Call it x, or pass the data "
        f'by name, x={{"{variables[0] if variables else "t"}": values}}.'
    )


def _argument_names(model: Any, start: Any) -> tuple[str, ...] | None:
    """The parameters of model(x, a, b) by name, None for model(x, parameters)."""
    try:
        names = tuple(inspect.signature(model).parameters)[1:]
    except (TypeError, ValueError):
        names = ()
    if isinstance(start, Mapping):
        return tuple(start) if set(names) == set(start) else None
    if start is None:
        if not names:
            raise TypeError("model= tells no parameters: write model(x, a, b) with a name for each, or pass start=.")
        return names
    return None


def read_data(model: Model, x: Any, y: Any, weights: Any) -> Data:
    """Data as arrays, checked where they are not traced.

    Raises:
        ValueError: when lengths differ, a number is not finite, or a weight is negative.
    """
    y = jnp.asarray(y, float) if not eqx.is_inexact_array(y) else jnp.asarray(y)
    if y.ndim != 1:
        raise ValueError(f"y is a vector of observations; its shape was {y.shape}.")
    if model.columns is not None and not isinstance(x, Mapping):
        x = {model.columns[0]: x}
    x = {name: x[name] for name in model.columns} if model.columns is not None else x
    x = jax.tree.map(lambda leaf: jnp.asarray(leaf, y.dtype), x)
    weights = jnp.ones_like(y) if weights is None else jnp.asarray(weights, y.dtype)
    named = {**({f"x[{k!r}]": v for k, v in x.items()} if isinstance(x, dict) else {}), "weights": weights}
    for name, column in named.items():
        if column.shape != y.shape:
            raise ValueError(
                f"{name} has the shape {column.shape} and y has {y.shape}: one number for each observation."
            )
    if not is_traced((x, y, weights)):
        _finite({**named, "y": y, **({} if isinstance(x, dict) else {"x": x})})
        if np.any(np.asarray(weights) < 0) or not np.any(np.asarray(weights) > 0):
            raise ValueError("weights= are not negative, and one at least is positive.")
    return Data(x, y, weights)


def _finite(columns: dict[str, Any]) -> None:
    for name, tree in columns.items():
        for column in jax.tree.leaves(tree):
            column = np.asarray(column)
            bad = ~np.isfinite(column).reshape(len(column), -1).all(axis=1) if column.ndim else ~np.isfinite(column)
            if np.any(bad):
                row = int(np.argmax(bad))
                raise ValueError(
                    f"{name} holds {np.sum(bad)} value(s) that are not finite, the first in row {row}: drop those rows "
                    f"or fill them before fitting."
                )


def read_start(model: Model, start: Any) -> Any:
    """The start as a pytree of parameters: for named ones a dict.

    Raises:
        ValueError: when names are missing or unknown, or their number is wrong.
    """
    if model.names is None:
        return as_point(start)
    if not isinstance(start, Mapping):
        values = np.ravel(np.asarray(start, dtype=float)) if not is_traced(start) else jnp.ravel(start)
        if len(values) != len(model.names):
            raise ValueError(f"start= has {len(values)} numbers; the parameters are {', '.join(model.names)}.")
        start = dict(zip(model.names, values))
    missing = [name for name in model.names if name not in start]
    extra = [name for name in start if name not in model.names]
    if missing or extra:
        what = f"lacks {', '.join(missing)}" if missing else f"names {', '.join(extra)}, which the model does not have"
        raise ValueError(f"start= {what}; the parameters are {', '.join(model.names)}.")
    return as_point({name: jnp.asarray(start[name], float) for name in model.names})


def labels_of(model: Model, parameters: Any) -> tuple[str, ...]:
    """A name for each number among the parameters, in the order of their vector."""
    moving = split(parameters)[0]
    labels = []
    for path, leaf in jax.tree_util.tree_flatten_with_path(moving)[0]:
        name = str(path[0].key) if len(path) == 1 and hasattr(path[0], "key") else jax.tree_util.keystr(path)
        size = np.size(leaf)
        labels += [name or "b"] if np.ndim(leaf) == 0 else [f"{name or 'b'}[{i}]" for i in range(size)]
    return tuple(labels)
