"""Second methods for equations: SciPy from another start, and a change of sign for one unknown."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from cycloid.checks.cards import Card, compare, resting_on, unchecked
from cycloid.checks.registry import register
from cycloid.core.results import Question
from cycloid.core.tolerance import as_tolerance
from cycloid.optimize.methods import split
from cycloid.optimize.residuals import as_residual, as_vector_function
from cycloid.optimize.roots import Root

# How far from the solution the second method begins, relative to it.
AWAY = 1e-2


@register(Root)
def check_root(result: Root, question: Question) -> Card:
    """The solution found again by SciPy's hybrid method without derivatives; for one unknown also a change of sign.

    Cost: some tens of evaluations.
    """
    if np.ndim(result.status.code):
        raise ValueError("this is a batch: check one member, jax.tree.map(lambda leaf: leaf[0], result), question=….")
    moving, rest = split(result.value)
    flat, unravel = ravel_pytree(moving)
    function = as_residual(question.function, result.value, "F")
    plain = as_vector_function(function, unravel, rest, flat.dtype)
    F = jax.jit((lambda v: v - plain(v)) if question.arguments.get("fixed_point") else plain)
    x = np.asarray(flat, float)
    size = max(float(np.abs(x).max()), 1.0)
    eps = float(jnp.finfo(flat.dtype).eps)
    tolerance = as_tolerance(question.arguments.get("tol"), flat.dtype)
    allowed = size * max(10 * eps**0.5, 10 * tolerance.rtol)
    return resting_on(_again(F, x, flat.dtype, allowed, size), *_sign(F, x, flat.dtype, allowed))


def _again(F: Any, x: np.ndarray, dtype: Any, allowed: float, size: float) -> Card:
    from scipy import optimize

    claim = "the equations hold here"
    start = x + AWAY * size * np.where(np.arange(len(x)) % 2 == 0, 1.0, -1.0)
    solve: Any = optimize.root
    with np.errstate(all="ignore"):
        found = solve(
            lambda v: np.asarray(F(jnp.asarray(v, dtype)), float), start, method="hybr", options={"xtol": 1e-12}
        )
    if not np.all(np.isfinite(found.x)) or np.max(np.abs(found.x - x)) > 100 * AWAY * size:
        return unchecked(claim, "this search", x.tolist(), "SciPy left for another solution, or found none.")
    return compare(claim, "this search", "SciPy's hybrid method, from beside it", x, found.x, allowance=allowed)


def _sign(F: Any, x: np.ndarray, dtype: Any, allowed: float) -> list[Card]:
    """For one unknown: F on both sides, as far away as the solution may be wrong."""
    if x.size != 1:
        return []
    low, high = (float(np.asarray(F(jnp.asarray(x + side * allowed, dtype)))[0]) for side in (-1.0, 1.0))
    claim = "the sign changes within what is allowed"
    if low * high > 0:
        return [unchecked(claim, "values on both sides", [low, high], "F keeps its sign: a double root, or none.")]
    return [
        compare(claim, "sign on the left", "minus the sign on the right", np.sign(low), -np.sign(high), allowance=1.0)
    ]
