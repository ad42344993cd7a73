"""What a user may pass as a map of several inputs and outputs, and at which point: one function of one vector."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from cycloid.core.formulas import Formula, formula
from cycloid.core.functions import Traceable, as_function

Map = Callable[..., Any] | Formula | str | Sequence[Formula | str]


class Subject(NamedTuple):
    """A map of one vector, the point as a vector, names where they are known, and the way back to the user's point."""

    function: Callable[[Any], Any]
    point: Float[Array, " n"]
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    back: Callable[[Any], Any]


class Components(eqx.Module):
    """Several formulas of the same variables as a map of one vector."""

    formulas: tuple[Formula, ...] = eqx.field(static=True)
    variables: tuple[str, ...] = eqx.field(static=True)

    def __call__(self, x: Any) -> Any:
        named = {name: x[i] for i, name in enumerate(self.variables)}
        return jnp.stack([jnp.asarray(f(**{v: named[v] for v in f.variables}), x.dtype) for f in self.formulas])


def components(F: Formula | str | Sequence[Formula | str]) -> Components:
    """The formulas of a map: a list of them, or their text with commas between.

    Raises:
        FormulaError: when one is no formula.
        ValueError: when there is none, or no variable.
    """
    texts = split(F) if isinstance(F, str) else [F] if isinstance(F, Formula) else list(F)
    if not texts:
        raise ValueError("a map has at least one formula, such as 'x^2 - y^2, 2x*y'; there was none.")
    formulas = tuple(formula(f) if isinstance(f, str) else f for f in texts)
    everything = dict.fromkeys(v for f in formulas for v in f.variables)
    headed = any("=" in f.text.partition("(")[2].partition(")")[2][:3] for f in formulas)
    variables = tuple(everything) if headed else tuple(sorted(everything))
    if not variables:
        raise ValueError("the formulas of this map have no variable: there is nothing to differentiate by.")
    return Components(formulas, variables)


def split(text: str) -> list[str]:
    """Formulas with commas between, those inside brackets left alone.

    Example:
        >>> split("x^2 - y^2, max(x, y)")
        ['x^2 - y^2', 'max(x, y)']
    """
    depth, parts = 0, [""]
    for letter in text:
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]


def subject_of(F: Map, x: Any) -> Subject:
    """F as a map of one vector, at x."""
    if isinstance(F, str | Formula) or (isinstance(F, list | tuple) and all(isinstance(f, str | Formula) for f in F)):
        return _of_formulas(components(F), x)
    function = as_function(F, "F")
    if isinstance(x, Mapping | eqx.Module):
        point, back = ravel_pytree(jax.tree.map(real_array, x))
        return Subject(Traceable(lambda v: function(back(v))), point, names_of(x, point.size), (), back)
    array = real_array(x)
    back = lambda v: v.reshape(array.shape)
    inside = function if array.ndim == 1 else Traceable(lambda v: function(back(v)))
    return Subject(inside, array.ravel(), numbered(array.size), (), back)


def flat_map(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A map of one vector whose value is one vector, whatever tree the function returns."""
    return lambda v: jnp.ravel(ravel_pytree(function(v))[0])


def _of_formulas(parts: Components, x: Any) -> Subject:
    names = parts.variables
    if isinstance(x, Mapping):
        if set(x) != set(names):
            raise ValueError(f"these formulas have the variables {', '.join(names)}; the point has {', '.join(x)}.")
        x = [x[name] for name in names]
    point = jnp.ravel(real_array(x))
    if point.size != len(names):
        raise ValueError(
            f"these formulas have the variables {', '.join(names)}: pass the point as a dict by name, or as an array "
            f"of shape ({len(names)},); its size was {point.size}."
        )
    outputs = tuple(f.name if f.name != "f" else f.text for f in parts.formulas)
    return Subject(parts, point, names, outputs, lambda v: v)


def step_of(subject: Subject, dx: Any) -> Float[Array, " n"]:
    """The change dx as a vector; a dict may name some inputs only."""
    names, point = subject.input_names, subject.point
    if isinstance(dx, Mapping) and not any(jnp.ndim(value) for value in dx.values()):
        unknown = [name for name in dx if name not in names]
        if unknown:
            raise ValueError(f"dx changes {', '.join(unknown)}; the inputs are {', '.join(names)}.")
        step = jnp.stack([jnp.asarray(dx.get(name, 0.0), point.dtype) for name in names])
    else:
        step = jnp.asarray(ravel_pytree(jax.tree.map(real_array, dx))[0], point.dtype)
    if step.shape != point.shape:
        raise ValueError(f"dx is shaped like x, with {point.size} numbers; it had {step.size}.")
    return step


def real_array(x: Any) -> Any:
    """A floating-point array; whole numbers are taken as such."""
    array = jnp.asarray(x)
    if jnp.issubdtype(array.dtype, jnp.complexfloating) or array.dtype == bool:
        raise TypeError(f"a point holds real numbers; it was {x!r}.")
    return jnp.asarray(array, array.dtype if jnp.issubdtype(array.dtype, jnp.floating) else float)


def names_of(tree: Any, count: int) -> tuple[str, ...]:
    """Names for the numbers of a pytree: the keys of a flat dict, which JAX flattens in their sorted order."""
    return tuple(sorted(tree)) if isinstance(tree, Mapping) and len(tree) == count else numbered(count)


def numbered(count: int) -> tuple[str, ...]:
    """x1, x2, …: names for inputs that have none."""
    return tuple(f"x{i + 1}" for i in range(count))


def at_each(g: Callable[[Any], Any], points: Any) -> Any:
    """g at each point along the first axis: at once, or one after another for a function with Python branches."""
    try:
        return jax.vmap(g)(points)
    except jax.errors.ConcretizationTypeError:
        return jax.tree.map(lambda *values: jnp.stack(values), *[g(point) for point in points])
