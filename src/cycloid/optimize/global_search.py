"""global_minimize: the least value in a box, by many walks at once and hops from the best of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from cycloid.core.functions import as_objective
from cycloid.core.parallel import check_key
from cycloid.core.results import ErrorKind, Question, conclude
from cycloid.core.tolerance import Tolerance, as_tolerance, working_dtype
from cycloid.optimize.augmented_lagrangian import AugmentedLagrangian, Solution, constrained
from cycloid.optimize.constraints import Box, read_bounds
from cycloid.optimize.curve_starts import spread_points
from cycloid.optimize.drivers import Minimum
from cycloid.optimize.methods import split
from cycloid.optimize.points import as_point, as_static, scalar_function

# Points looked at for each walk that is begun: walks begin at the lowest of them.
LOOKED_AT = 8
# Length of a hop, as a share of the box.
HOP = 0.1


def global_minimize(
    f: Callable[[Any], Any] | str,
    lower: Any,
    upper: Any,
    *,
    starts: int = 64,
    hops: int = 0,
    key: Any = None,
    tol: float | Tolerance | None = None,
    max_steps: int = 200,
    throw: bool = True,
) -> Minimum:
    """The least of the minima that many walks inside a box end in.

    f is looked at on 8 · `starts` points that fill the box evenly, a walk begins at each of the lowest `starts`, all of
    them in one program; then for each hop as many walks begin around the best point so far. No finite search proves
    that nothing lower lies between its points; `cy.differentiate.critical_points` does, for few variables.

    Args:
        f: a function of one pytree that JAX can trace, a formula, or the text of one.
        lower: the corner of the box, finite, shaped like the point: a dict by name for a formula.
        upper: the opposite corner.
        starts: how many walks.
        hops: rounds of basin hopping, by normal steps of a tenth of the box.
        key: shifts the points, and draws the hops; needed with hops.
        tol: as for `minimize`.
        max_steps: of each walk.
        throw: raise `ConvergenceError` when the best walk missed its tolerance.

    Returns:
        A `Minimum` with `evaluations` over all walks.

    Raises:
        ValueError: when a bound is infinite or bounds cross.
        ConvergenceError: see `throw`.

    Transformations: jit and vmap; under grad the implicit derivative of the minimum found.

    Cost: 8 · starts values and (1 + hops) · starts walks, each step with a dense Hessian.

    Example:
        >>> from cycloid.optimize import global_minimize
        >>> found = global_minimize("20 + x^2 + y^2 - 10*(cos(2*pi*x) + cos(2*pi*y))", {"x": -5, "y": -4},
        ...                         {"x": 4, "y": 5})
        >>> round(float(found.objective), 9) + 0.0
        0.0

    Reference: Törn, Žilinskas, Global optimization, 1989; Wales, Doye, Global optimization by basin-hopping, 1997.
    """
    low, high = as_point(lower), as_point(upper)
    function = as_objective(f, low)
    box = read_bounds((low, high), low)
    if not bool(jnp.all(jnp.isfinite(box.lower) & jnp.isfinite(box.upper))):
        raise ValueError("a box has finite corners: global_minimize looks everywhere inside.")
    for name, count, least in (("starts", starts, 1), ("hops", hops, 0), ("max_steps", max_steps, 1)):
        if isinstance(count, bool) or not isinstance(count, int) or count < least:
            raise ValueError(f"{name}= is an integer of at least {least}; it was {count!r}.")
    if hops or key is not None:
        check_key(key, "basin hopping")
    tolerance = as_tolerance(tol, working_dtype(low))
    if tolerance.is_zero:
        raise ValueError("tol=0 runs every step, which many walks at once cannot: give a positive tol=.")
    found = _compiled(as_static(function), low, box, starts, hops, key, tolerance, max_steps)
    given = {"x0": lower, "bounds": (lower, upper), "constraints": None, "tol": tol, "max_steps": max_steps}
    return conclude(found, throw=throw, question=Question(f, given, AugmentedLagrangian()))


@eqx.filter_jit
def _compiled(
    function: Any, point: Any, box: Box, starts: int, hops: int, key: Any, tolerance: Tolerance, max_steps: int
) -> Minimum:
    parameters, rest = split(point)
    flat, unravel = ravel_pytree(parameters)
    place = lambda v: eqx.combine(unravel(v), rest)
    scalar = scalar_function(function)
    walk = jax.vmap(lambda v: constrained(function, place(v), box, (), tolerance, max_steps))
    width = box.upper - box.lower
    shift = jnp.zeros(flat.size) if key is None else jax.random.uniform(jax.random.fold_in(key, hops), (flat.size,))
    points = box.lower + width * spread_points(LOOKED_AT * starts, flat.size, shift).astype(flat.dtype)
    heights = _finite_or_high(jax.vmap(lambda v: scalar(place(v)))(points))
    # f is known to rounding: among equals, a walk that met the tolerance is better than one that could not go on.
    rounding = 1e3 * jnp.finfo(flat.dtype).eps * jnp.max(jnp.where(jnp.isfinite(heights), jnp.abs(heights), 0.0))
    rank = lambda found: _finite_or_high(found.objective + jnp.where(found.status.ok, 0.0, rounding))
    best, cost = _best(walk(points[jnp.argsort(heights)[:starts]]), rank)
    hop_keys = jax.random.split(key, hops) if key is not None else ()
    for hop_key in hop_keys:
        noise = jax.random.normal(hop_key, (starts, flat.size), flat.dtype)
        around = box.clip(ravel_pytree(split(best.x)[0])[0] + HOP * width * noise)
        found, more = _best(walk(around), rank)
        better = rank(found) < rank(best)
        best = jax.tree.map(lambda new, old, better=better: jnp.where(better, new, old), found, best)
        cost = cost + more
    return Minimum(
        value=best.x,
        error=best.residual,
        error_kind=ErrorKind.named("estimate"),
        evaluations=cost + points.shape[0],
        status=best.status,
        objective=best.objective,
        gradient_norm=best.residual,
        steps=best.steps,
        trace=None,
        multipliers={"equal": best.equal, "at_most": best.at_most, "lower": best.lower, "upper": best.upper},
    )


def _best(found: Solution, rank: Callable[[Solution], Any]) -> tuple[Solution, Any]:
    """The lowest of a batch, and what all of it cost."""
    at = jnp.argmin(rank(found))
    return jax.tree.map(lambda leaf: leaf[at], found), jnp.sum(found.evaluations)


def _finite_or_high(heights: Any) -> Any:
    return jnp.where(jnp.isfinite(heights), heights, jnp.inf)
