"""What a minimiser must keep to: bounds on each number, equations and inequalities between them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from cycloid.core.functions import as_objective
from cycloid.core.results import is_traced
from cycloid.optimize.methods import split

_RELATION = re.compile(r"<=|>=|≤|≥|==|=|<|>")


@final
class Equal(eqx.Module):
    """h(x) = 0, for every number that h returns."""

    function: Any = eqx.field(static=True)


@final
class AtMost(eqx.Module):
    """g(x) <= 0, for every number that g returns."""

    function: Any = eqx.field(static=True)


class Box(NamedTuple):
    """Bounds as vectors, infinite where there is none."""

    lower: Any
    upper: Any

    def clip(self, x: Any) -> Any:
        """The nearest point inside."""
        return jnp.clip(x, self.lower, self.upper)

    def snap(self, x: Any, near: Any) -> Any:
        """x with the numbers that are at most `near` from a bound put there."""
        x = jnp.where(x - self.lower <= near, self.lower, x)
        return jnp.where(self.upper - x <= near, self.upper, x)

    def holds(self, x: Any, slope: Any) -> Any:
        """Which numbers lie at a bound that the way down would cross."""
        return ((x <= self.lower) & (slope > 0)) | ((x >= self.upper) & (slope < 0))

    def pressure(self, x: Any, slope: Any) -> tuple[Any, Any]:
        """How much f would rise if each lower bound rose by one, and fall if each upper bound did."""
        low = jnp.where(x <= self.lower, jnp.maximum(slope, 0.0), 0.0)
        return low, jnp.where(x >= self.upper, jnp.maximum(-slope, 0.0), 0.0)


def multipliers_of(x: Any, slope: Any, box: Box, unravel: Callable[[Any], Any]) -> dict[str, Any]:
    """The `multipliers` of a minimum with bounds alone, from its vector and the slope there."""
    low, high = box.pressure(x, slope)
    none = jnp.zeros(0, x.dtype)
    return {"equal": none, "at_most": none, "lower": unravel(low), "upper": unravel(high)}


def read_constraints(constraints: Any, point: Any) -> tuple[Equal | AtMost, ...]:
    """Constraints as functions of a point.

    Args:
        constraints: one or a list of: a text such as "x + y = 1" or "x^2 + y^2 <= 4"; `Equal(h)`; `AtMost(g)`.
        point: what they are functions of.

    Raises:
        TypeError: when one is none of these.
        ValueError: when a text holds no relation, or several.
    """
    if constraints is None:
        return ()
    listed = [constraints] if isinstance(constraints, (str, Equal, AtMost)) else list(constraints)
    return tuple(_read(entry, point) for entry in listed)


def _read(entry: Any, point: Any) -> Equal | AtMost:
    from cycloid.core.formulas import formula

    if isinstance(entry, (Equal, AtMost)):
        return type(entry)(as_objective(entry.function, point, "a constraint"))
    if not isinstance(entry, str):
        raise TypeError(
            f'a constraint is a text such as "x + y <= 1", cy.optimize.Equal(h) for h(x) = 0 or cy.optimize.AtMost(g) '
            f"for g(x) <= 0; it was a {type(entry).__name__}."
        )
    signs = _RELATION.findall(entry)
    if len(signs) != 1:
        raise ValueError(
            f'a constraint has one of =, <=, >= between two formulas, such as "x + y <= 1"; it was {entry!r}.'
        )
    left, right = (side.strip() for side in _RELATION.split(entry))
    names = list(point) if isinstance(point, Mapping) else None
    text = f"({right}) - ({left})" if signs[0] in (">=", "≥", ">") else f"({left}) - ({right})"
    difference = as_objective(formula(text, names), point, "a constraint")
    return Equal(difference) if signs[0] in ("=", "==") else AtMost(difference)


def read_bounds(bounds: Any, point: Any) -> Box:
    """Bounds as two vectors.

    Args:
        bounds: a pair (lower, upper), each a number for all, None for none, or a pytree like the point; a dict may
            name some of its entries only.
        point: what they bound.

    Raises:
        TypeError: when it is no pair.
        ValueError: when shapes do not fit, or a lower bound lies above its upper bound.
    """
    parameters = split(point)[0]
    flat = ravel_pytree(parameters)[0]
    if bounds is None:
        return Box(jnp.full_like(flat, -jnp.inf), jnp.full_like(flat, jnp.inf))
    if not isinstance(bounds, (tuple, list)) or len(bounds) != 2:
        raise TypeError(f"bounds= is a pair (lower, upper); it was {type(bounds).__name__} of another kind.")
    lower, upper = (_side(side, parameters, default) for side, default in zip(bounds, (-jnp.inf, jnp.inf)))
    box = Box(lower.astype(flat.dtype), upper.astype(flat.dtype))
    if not is_traced(tuple(box)):
        crossed = np.flatnonzero(~(np.asarray(box.lower) <= np.asarray(box.upper)))
        if len(crossed):
            i = int(crossed[0])
            raise ValueError(
                f"bounds= cross: number {i} of the parameters has the lower bound {float(lower[i]):g} and the upper "
                f"bound {float(upper[i]):g}. Exchange them, or write None where there is none."
            )
    return box


def _side(side: Any, parameters: Any, default: float) -> Any:
    if side is None:
        side = default
    if isinstance(side, Mapping) and isinstance(parameters, Mapping):
        unknown = [name for name in side if name not in parameters]
        if unknown:
            raise ValueError(
                f"bounds= name {', '.join(map(str, unknown))}; the parameters are {', '.join(parameters)}."
            )
        side = {name: side.get(name, default) for name in parameters}
    if jnp.ndim(side) == 0 if not isinstance(side, (Mapping, list, tuple)) else False:
        side = jax.tree.map(lambda leaf: jnp.full(jnp.shape(leaf), side), parameters)
    elif isinstance(side, (list, tuple)) and eqx.is_array(parameters):
        side = jnp.asarray([default if entry is None else entry for entry in side])
    try:
        filled = jax.tree.map(
            lambda leaf, s: jnp.broadcast_to(jnp.asarray(s, leaf.dtype), leaf.shape), parameters, side
        )
    except ValueError as error:
        raise ValueError("bounds= have the shapes of x0, or are one number for all.") from error
    return ravel_pytree(filled)[0]


def stacked(constraints: tuple[Equal | AtMost, ...], kind: type, unravel: Callable[[Any], Any], rest: Any) -> Any:
    """vector of parameters -> vector of all the constraints of one kind."""
    chosen = [entry.function for entry in constraints if isinstance(entry, kind)]

    def values(v: Any) -> Any:
        point = eqx.combine(unravel(v), rest)
        parts = [jnp.ravel(leaf) for function in chosen for leaf in jax.tree.leaves(function(point))]
        return jnp.concatenate(parts).astype(v.dtype) if parts else jnp.zeros(0, v.dtype)

    return values
