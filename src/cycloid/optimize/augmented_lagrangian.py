"""Minima inside bounds and constraints: projected Newton steps on an augmented Lagrangian."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from cycloid.core.results import Status
from cycloid.core.tolerance import Tolerance
from cycloid.optimize.constraints import AtMost, Box, Equal, stacked
from cycloid.optimize.methods import split
from cycloid.optimize.points import scalar_function

# Rounds of multipliers; the penalty grows tenfold when a round has not made the violation four times smaller.
ROUNDS, GROWTH, BETTER = 40, 10.0, 0.25
FIRST_PENALTY, LAST_PENALTY = 10.0, 1e12
# A step must bring this share of the drop promised; it is halved at most so often.
SUFFICIENT, HALVINGS = 1e-4, 40
# Curvatures below this share of the largest count as this share.
FLAT = 1e-10


@final
class AugmentedLagrangian(eqx.Module):
    """What `minimize` uses where there are bounds or constraints; it has no options.

    In each round L = f + λᵀh + ρ/2 ‖h‖² + 1/(2ρ) Σ (max(0, μ + ρ g)² − μ²) is made least inside the bounds by
    Newton steps in the variables that are free, projected on the box; then λ ← λ + ρ h, μ ← max(0, μ + ρ g).

    Reference: Hestenes, Multiplier and gradient methods, 1969; Bertsekas, Projected Newton methods for optimization
    problems with simple constraints, 1982.
    """

    name: ClassVar[str] = "augmented-lagrangian"


class Solution(NamedTuple):
    """Where the search ended.

    Attributes:
        x: the minimiser as a pytree.
        objective: f there.
        equal: λ, one for each equation.
        at_most: μ >= 0, one for each inequality.
        lower: how much f would rise if a lower bound rose by one, as a pytree.
        upper: how much f would fall if an upper bound rose by one, as a pytree.
        residual: the largest violation of the optimality conditions.
        evaluations: values of f with the constraints, with or without slopes, and a Hessian as n of them.
        steps: of Newton.
        status: how it ended.
    """

    x: Any
    objective: Any
    equal: Any
    at_most: Any
    lower: Any
    upper: Any
    residual: Any
    evaluations: Any
    steps: Any
    status: Status


class _Problem(NamedTuple):
    f: Callable[[Any], Any]
    h: Callable[[Any], Any]
    g: Callable[[Any], Any]
    box: Box

    def lagrangian(self, x: Any, equal: Any, at_most: Any) -> Any:
        return self.f(x) + equal @ self.h(x) + at_most @ self.g(x)

    def conditions(self, z: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
        """All zero at a solution: the projected slope of the Lagrangian, h, and the lesser of μ and −g."""
        x, equal, at_most = z
        slope = jax.grad(self.lagrangian)(x, equal, at_most)
        return x - self.box.clip(x - slope), self.h(x), at_most - jnp.maximum(at_most + self.g(x), 0.0)

    def augmented(self, x: Any, equal: Any, at_most: Any, penalty: Any) -> Any:
        h, g = self.h(x), self.g(x)
        inside = jnp.maximum(at_most + penalty * g, 0.0)
        return self.f(x) + equal @ h + penalty / 2 * (h @ h) + jnp.sum(inside**2 - at_most**2) / (2 * penalty)


def constrained(
    function: Any, point: Any, box: Box, constraints: tuple[Equal | AtMost, ...], tolerance: Tolerance, max_steps: int
) -> Solution:
    """The minimum of a scalar function inside a box and constraints, differentiable in what all of them close over.

    The solution is a root of the optimality conditions written with projections, which are smooth where each
    inequality is either strictly inside or strictly pressed upon.

    Args:
        function: of one pytree.
        point: where to start.
        box: bounds on the vector of parameters.
        constraints: from `read_constraints`.
        tolerance: on the conditions: every entry at most atol + rtol |f| / max(1, ‖x‖_∞).
        max_steps: Newton steps in all.
    """
    parameters, rest = split(point)
    flat, unravel = ravel_pytree(parameters)
    scalar = scalar_function(function)
    problem = _Problem(
        lambda v: scalar(eqx.combine(unravel(v), rest)).astype(flat.dtype),
        stacked(constraints, Equal, unravel, rest), stacked(constraints, AtMost, unravel, rest), box,
    )  # fmt: skip
    start = box.clip(flat)
    zeros = lambda c: jnp.zeros(jax.eval_shape(c, flat).shape, flat.dtype)

    def solve(_: Any, z: Any) -> tuple[Any, Any]:
        found = _rounds(problem, z[0], z[1], z[2], tolerance, max_steps)
        numbers = (found.residual, found.evaluations, found.steps, found.status.code)
        return (found.x, found.equal, found.at_most), jnp.stack([jnp.asarray(n, flat.dtype) for n in numbers])

    begin = (start, zeros(problem.h), zeros(problem.g))
    (x, equal, at_most), numbers = jax.lax.custom_root(problem.conditions, begin, solve, _tangent, has_aux=True)
    slope = jax.grad(problem.lagrangian)(x, equal, at_most)
    whole = numbers[1:].astype(jnp.int32)
    low, high = box.pressure(x, slope)
    return Solution(
        eqx.combine(unravel(x), rest), problem.f(x), equal, at_most,
        unravel(low), unravel(high), numbers[0], whole[0], whole[1], Status(whole[2]),
    )  # fmt: skip


def _tangent(product: Callable[[Any], Any], right: Any) -> Any:
    flat, unravel = ravel_pytree(right)
    columns = jax.vmap(lambda e: ravel_pytree(product(unravel(e)))[0], out_axes=1)(jnp.eye(flat.size, dtype=flat.dtype))
    return unravel(jnp.linalg.solve(columns, flat))


class _Round(NamedTuple):
    x: Any
    equal: Any
    at_most: Any
    penalty: Any
    violation: Any
    residual: Any
    steps: Any
    evaluations: Any
    turns: Any
    met: Any
    finite: Any


def _rounds(problem: _Problem, x: Any, equal: Any, at_most: Any, tolerance: Tolerance, max_steps: int) -> _Found:
    free = equal.size + at_most.size == 0  # bounds alone: one round, and no penalty

    def turn(w: _Round) -> _Round:
        loose = jnp.where(free, 0.0, jnp.minimum(0.1 * w.residual, 0.1 / w.penalty))
        aim = jnp.maximum(loose, 0.5 * _allowed(problem, w.x, tolerance))
        value = lambda v: problem.augmented(v, w.equal, w.at_most, w.penalty)
        x, steps, evaluations = _projected_newton(value, problem.box, w.x, aim, max_steps - w.steps)
        h, g = problem.h(x), problem.g(x)
        equal = w.equal + w.penalty * h
        at_most = jnp.maximum(w.at_most + w.penalty * g, 0.0)
        residual = _largest(problem.conditions((x, equal, at_most)))
        violation = jnp.max(jnp.abs(jnp.concatenate([h, jnp.maximum(g, 0.0), jnp.zeros(1, x.dtype)])))
        slow = violation > BETTER * w.violation
        penalty = jnp.where(slow, jnp.minimum(GROWTH * w.penalty, LAST_PENALTY), w.penalty)
        finite = jnp.isfinite(residual) & jnp.isfinite(problem.f(x))
        met = finite & (residual <= _allowed(problem, x, tolerance))
        return _Round(
            x, equal, at_most, penalty, violation, residual, w.steps + steps, w.evaluations + evaluations + 1,
            w.turns + 1, met, finite,
        )  # fmt: skip

    def unfinished(w: _Round) -> Any:
        return ~w.met & w.finite & (w.turns < (1 if free else ROUNDS)) & (w.steps < max_steps)

    far, none = jnp.full((), jnp.inf, x.dtype), jnp.zeros((), jnp.int32)
    finite = jnp.isfinite(problem.f(x))
    penalty = jnp.full((), FIRST_PENALTY, x.dtype)
    first = _largest(problem.conditions((x, equal, at_most)))
    begin = _Round(x, equal, at_most, penalty, far, first, none, none + 1, none, jnp.zeros((), bool), finite)
    w = jax.lax.while_loop(unfinished, turn, begin)
    status = Status.where(w.steps >= max_steps, Status.named("max_steps"), Status.named("stalled"))
    status = Status.where(w.violation > _allowed(problem, w.x, tolerance) ** 0.5, Status.named("infeasible"), status)
    status = Status.where(w.met, Status.named("converged"), status)
    status = Status.where(w.finite, status, Status.named("nonfinite"))
    return _Found(w.x, w.equal, w.at_most, w.residual, w.evaluations, w.steps, status)


class _Found(NamedTuple):
    x: Any
    equal: Any
    at_most: Any
    residual: Any
    evaluations: Any
    steps: Any
    status: Status


def _allowed(problem: _Problem, x: Any, tolerance: Tolerance) -> Any:
    return tolerance.allowed(problem.f(x) / jnp.maximum(1.0, jnp.max(jnp.abs(x))))


def _largest(tree: Any) -> Any:
    return jnp.max(jnp.abs(ravel_pytree(tree)[0]))


class _Inner(NamedTuple):
    x: Any
    steps: Any
    evaluations: Any
    done: Any


def _projected_newton(value: Any, box: Box, x: Any, aim: Any, most: Any) -> tuple[Any, Any, Any]:
    """(x, steps, evaluations): Newton's steps among the free variables, each projected on the box and shortened.

    A variable is held when it lies at a bound, or within the projected slope of one, and the slope presses it there.
    """
    eps = jnp.finfo(x.dtype).eps

    def turn(w: _Inner) -> _Inner:
        height, slope = jax.value_and_grad(value)(w.x)
        gap = jnp.max(jnp.abs(w.x - box.clip(w.x - slope)))
        near = jnp.minimum(gap, 1e-3)
        held = ((w.x <= box.lower + near) & (slope > 0)) | ((w.x >= box.upper - near) & (slope < 0))
        step = jnp.where(held, -slope, _newton_step(jax.hessian(value)(w.x), jnp.where(held, 0.0, slope), held))
        wanted = jnp.isfinite(height) & jnp.all(jnp.isfinite(step)) & (gap > aim)

        def drop(t: Any) -> Any:
            """What must be gained, from the free variables' Newton step and the held ones' projected one."""
            moved = jnp.where(held, w.x - box.clip(w.x + t * step), -t * step)
            return SUFFICIENT * (slope @ moved)

        def refused(carry: tuple[Any, Any]) -> Any:
            t, count = carry
            new = value(box.clip(w.x + t * step))
            enough = new <= height - drop(t) + 4 * eps * jnp.abs(height)
            return ~enough & (count < HALVINGS) & wanted

        t, count = jax.lax.while_loop(refused, lambda c: (c[0] / 2, c[1] + 1), (jnp.ones((), x.dtype), 0))
        lost = count >= HALVINGS
        new = jnp.where(wanted & ~lost, box.clip(w.x + t * step), w.x)
        still = jnp.all(new == w.x)
        # The value with its slope, the Hessian by n products, and a value for each look along the step.
        cost = 1 + x.size + 1 + count
        return _Inner(new, w.steps + jnp.where(wanted, 1, 0), w.evaluations + cost, ~wanted | lost | still)

    none = jnp.zeros((), jnp.int32)
    w = jax.lax.while_loop(
        lambda w: ~w.done & (w.steps < most), turn, _Inner(x, none, none, jnp.zeros((), bool))
    )  # fmt: skip
    return w.x, w.steps, w.evaluations


def _newton_step(hessian: Any, slope: Any, held: Any) -> Any:
    """−|H|⁻¹ g among the free variables: curvatures by their size, so that the step goes down at a saddle too."""
    free = ~held
    mask = free[:, None] & free[None, :]
    clean = jnp.where(jnp.isfinite(hessian), hessian, 0.0)
    values, vectors = jnp.linalg.eigh(jnp.where(mask, clean, jnp.eye(slope.size, dtype=slope.dtype)))
    sizes = jnp.abs(values)
    # Without any curvature the step is the slope itself.
    floor = jnp.maximum(FLAT * jnp.max(sizes), jnp.finfo(slope.dtype).tiny)
    sizes = jnp.where(jnp.max(jnp.where(mask, jnp.abs(clean), 0.0)) > 0, jnp.maximum(sizes, floor), 1.0)
    return jnp.where(free, -vectors @ ((vectors.T @ slope) / sizes), 0.0)
