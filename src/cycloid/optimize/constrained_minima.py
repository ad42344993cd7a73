"""minimize inside bounds and constraints: what the driver hands over to the augmented Lagrangian."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import numpy as np

from cycloid.core.functions import as_objective
from cycloid.core.results import ErrorKind, Question, conclude
from cycloid.core.tolerance import Tolerance, as_tolerance, working_dtype
from cycloid.optimize.augmented_lagrangian import AugmentedLagrangian, Solution, constrained
from cycloid.optimize.constraints import Box, read_bounds, read_constraints
from cycloid.optimize.drivers import Minimum
from cycloid.optimize.points import as_point, as_static


def minimize_inside(
    f: Any, x0: Any, *, bounds: Any, constraints: Any, method: Any, tol: Any, max_steps: int, throw: bool
) -> Minimum:
    """`minimize` with bounds or constraints; the arguments are those of `minimize`.

    Raises:
        ValueError: when a method is named, bounds cross, or tol is zero.
    """
    if method is not None and not isinstance(method, AugmentedLagrangian):
        raise ValueError(
            "bounds= and constraints= have a method of their own (projected Newton steps on an augmented Lagrangian): "
            "leave method= out."
        )
    if isinstance(max_steps, bool) or not isinstance(max_steps, (int, np.integer)) or max_steps < 1:
        raise ValueError(f"max_steps= is a positive integer; it was {max_steps!r}.")
    point = as_point(x0)
    function = as_objective(f, point)
    tolerance = as_tolerance(tol, working_dtype(point))
    if tolerance.is_zero:
        raise ValueError("tol=0 runs every step, which a search inside constraints cannot: give a positive tol=.")
    found = _compiled(
        as_static(function), point, read_bounds(bounds, point), read_constraints(constraints, point), tolerance,
        max_steps,
    )  # fmt: skip
    result = Minimum(
        value=found.x,
        error=found.residual,
        error_kind=ErrorKind.named("estimate"),
        evaluations=found.evaluations,
        status=found.status,
        objective=found.objective,
        gradient_norm=found.residual,
        steps=found.steps,
        trace=None,
        multipliers={"equal": found.equal, "at_most": found.at_most, "lower": found.lower, "upper": found.upper},
    )
    given = {"x0": x0, "tol": tol, "max_steps": max_steps, "bounds": bounds, "constraints": constraints}
    return conclude(result, throw=throw, question=Question(f, given, AugmentedLagrangian()))


@eqx.filter_jit
def _compiled(
    function: Any, point: Any, box: Box, constraints: Any, tolerance: Tolerance, max_steps: int
) -> Solution:  # fmt: skip
    return constrained(function, point, box, constraints, tolerance, max_steps)
