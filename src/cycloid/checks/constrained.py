"""Second methods for minima inside constraints: SciPy from another start, multipliers by moving the constraints."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from cycloid.checks.cards import Card, compare, resting_on, unchecked
from cycloid.core.functions import as_objective
from cycloid.core.results import Question
from cycloid.optimize import minimize
from cycloid.optimize.constraints import AtMost, Equal, read_bounds, read_constraints, stacked
from cycloid.optimize.drivers import Minimum
from cycloid.optimize.methods import split

# How far the second method begins from the minimiser, and how far a constraint is moved, both relative.
AWAY, MOVED = 0.1, 1e-4


def check_constrained(result: Minimum, question: Question) -> Card:
    """The least value found again by sequential quadratic programming, the multipliers by moving each constraint.

    Cost: some hundred evaluations for SciPy, and two more searches for each constraint.
    """
    if not result.status.ok:
        return unchecked("f is least here inside the constraints", "this search", None, str(result.status.message))
    moving, rest = split(result.value)
    flat, unravel = ravel_pytree(moving)
    constraints = read_constraints(question.arguments.get("constraints"), result.value)
    objective = as_objective(question.function, result.value)
    f = jax.jit(lambda v: objective(eqx.combine(unravel(v), rest)))
    card = _again(f, flat, result, question, constraints, unravel, rest)
    return resting_on(card, *_multipliers(result, question, constraints))


def _again(f: Any, flat: Any, result: Minimum, question: Question, constraints: Any, unravel: Any, rest: Any) -> Card:
    from scipy import optimize

    box = read_bounds(question.arguments.get("bounds"), result.value)
    of = lambda c: lambda v: np.asarray(jax.jit(c)(jnp.asarray(v, flat.dtype)), float)
    h, g = (of(stacked(constraints, kind, unravel, rest)) for kind in (Equal, AtMost))
    rules = [{"type": "eq", "fun": h}] * bool(h(flat).size)
    rules += [{"type": "ineq", "fun": lambda v: -g(v)}] * bool(g(flat).size)
    x = np.asarray(flat, float)
    size = max(1.0, float(np.abs(x).max()))
    begin = np.asarray(box.clip(x + AWAY * size * np.where(np.arange(x.size) % 2 == 0, 1.0, -1.0)), float)
    claim = "f is least here inside the constraints"
    solve: Any = optimize.minimize
    with np.errstate(all="ignore"):
        found = solve(
            lambda v: float(f(jnp.asarray(v, flat.dtype))), begin, method="SLSQP", constraints=rules,
            bounds=list(zip(np.asarray(box.lower, float), np.asarray(box.upper, float))),
            options={"ftol": 1e-10, "maxiter": 500},
        )  # fmt: skip
    if not found.success and found.status != 8:  # 8: differences see no further descent, which is what is hoped for
        return unchecked(
            claim, "augmented Lagrangian", float(np.asarray(result.objective)), f"SciPy gave up: {found.message}."
        )
    height = float(np.asarray(result.objective))
    allowed = 1e-5 * (1.0 + abs(height))
    return compare(claim, "augmented Lagrangian", "SciPy's SLSQP, from beside it", height, found.fun, allowance=allowed)


def _multipliers(result: Minimum, question: Question, constraints: Any) -> list[Card]:
    """Each multiplier is how fast the minimum falls when its constraint gives way."""
    if not constraints:
        return []
    given = question.arguments
    moved = []
    for kind in (Equal, AtMost):
        for i, entry in enumerate(constraints):
            if isinstance(entry, kind):
                heights = [_height(result, question.function, given, constraints, i, side * MOVED) for side in (1, -1)]
                moved.append((heights[1] - heights[0]) / (2 * MOVED))
    multipliers: Any = result.multipliers
    claimed = np.concatenate([np.ravel(multipliers["equal"]), np.ravel(multipliers["at_most"])])
    claim = "each multiplier is how fast the minimum falls as its constraint gives way"
    if claimed.size != len(moved):
        return [unchecked(claim, "augmented Lagrangian", claimed.tolist(), "A constraint holds several numbers.")]
    allowed = 1e-3 * (1.0 + float(np.abs(claimed).max(initial=0.0)))
    second = "constraints moved both ways"
    return [compare(claim, "augmented Lagrangian", second, claimed, np.array(moved), allowance=allowed)]


def _height(result: Minimum, f: Any, given: dict[str, Any], constraints: Any, which: int, shift: float) -> float:
    """The minimum with one constraint moved: h = shift, g <= shift."""
    entry = constraints[which]
    other = type(entry)(lambda x: jax.tree.map(lambda v: v - shift, entry.function(x)))
    moved = [other if i == which else one for i, one in enumerate(constraints)]
    again = minimize(f, result.value, bounds=given.get("bounds"), constraints=moved, tol=1e-9, throw=False)
    return float(np.asarray(again.objective))
