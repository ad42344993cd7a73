"""least_squares: the driver that makes a sum of squares least, and says by a test without units when it is done."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from cycloid.core.functions import as_objective
from cycloid.core.loops import iterate
from cycloid.core.results import ErrorKind, Question, Status, conclude, is_traced
from cycloid.core.tolerance import Tolerance, as_tolerance, working_dtype
from cycloid.optimize.constraints import Box, multipliers_of, read_bounds
from cycloid.optimize.drivers import PICTURED, Minimum
from cycloid.optimize.levenberg_marquardt import (
    REFUSALS,
    UNSEEN,
    AbstractResidualMethod,
    LevenbergMarquardt,
    residual_method,
)
from cycloid.optimize.methods import split
from cycloid.optimize.optimistix_solvers import Optimistix, squares_by_optimistix
from cycloid.optimize.points import as_point, as_static
from cycloid.optimize.scipy_solvers import SciPy
from cycloid.optimize.sensitivities import implicitly
from cycloid.optimize.tangents import Tangent, tangent_of, value_and_jacobian
from cycloid.optimize.walks import Settings, Trace

# Steps too small for the sum of squares to show are made while they still improve the offset by this factor ...
IMPROVED = 0.9
# ... and may fail to do so this many times.
PAUSE = 6


class Descent(NamedTuple):
    """Where the walk stands, in vectors."""

    x: Any
    step: Any  # what the method wants to do next
    state: Any
    objective: Any
    gradient_norm: Any
    step_norm: Any
    start: Any  # the objective at the first point
    least: Any  # the least offset so far
    turns: Any
    evaluations: Any
    paused: Any
    met: Any
    stopped: Any


def least_squares(
    residual: Callable[[Any], Any] | str | Sequence[Any],
    x0: Any,
    *,
    method: str | type[AbstractResidualMethod] | AbstractResidualMethod | Optimistix | SciPy | None = None,
    bounds: Any = None,
    tol: float | Tolerance | None = None,
    max_steps: int = 500,
    throw: bool = True,
    trace: bool = True,
    keep_path: bool | None = None,
) -> Minimum:
    """The point near x0 where the sum of the squares of the residuals is least.

    f(θ) = ½ Σ rᵢ(θ)², walked down until one of these holds, neither of which depends on the units of θ or r:

        ‖P r‖ <= tol.rtol · ‖r‖        the part of r that lies in the tangent plane, P = J J⁺: r is orthogonal to it,
        ‖D δ‖ <= tol.rtol · ‖D θ‖      δ = −J⁺ r the Gauss-Newton step, D the column norms of J,
        ‖r‖ <= tol.atol · eps^½ · ‖r₀‖  all residuals have vanished, beside those at the start r₀.

    Args:
        residual: a function of one pytree that returns an array or a pytree of residuals; or a list of formulas.
        x0: where to start, as for `minimize`.
        method: a name from `RESIDUAL_METHODS`, a class or an instance; `LevenbergMarquardt()` without it. Solvers from
            elsewhere are `Optimistix(optimistix.LevenbergMarquardt(...))` and `SciPy("trf")`, "dogbox" or "lm".
        bounds: a pair (lower, upper), each a number, None, or like x0 (a dict may name some entries only). J is then
            that of the numbers which no bound holds, and `multipliers` tells how hard each bound is pressed upon.
            `LevenbergMarquardt` and SciPy's trf and dogbox know bounds.
        tol: a number (for both parts) or `Tolerance(rtol, atol)`; None is the square root of eps. 0 runs every step.
        max_steps: at most this many steps.
        throw: raise `ConvergenceError` when no test was met; False returns the result with its status.
        trace: keep objective, gradient norm and step length of every point.
        keep_path: keep the points as well; None does so for at most 3 parameters.

    Returns:
        A `Minimum`; its `objective` is ½ Σ rᵢ² and its error the largest entry of the gradient Jᵀ r.

    Raises:
        TypeError: when residual is no function, or returns no real numbers.
        ValueError: when it returns no residual at all, tol is out of reach, bounds cross, or the method knows none.
        ConvergenceError: see `throw`; never with tol=0.

    Transformations: jit and vmap, each member with its own status. Under grad the minimiser is differentiated by the
    implicit function theorem with the exact Hessian of f, with respect to what residual closes over, and the bounds
    that are pressed upon. With a solver of SciPy's none holds: traced it raises TypeError.

    Cost: one residual with its Jacobian a step, and one residual for each trial; `evaluations` counts each as one.

    Example:
        >>> from cycloid.optimize import least_squares
        >>> found = least_squares(["10*(y - x^2)", "1 - x"], {"x": -1.2, "y": 1.0})
        >>> round(float(found.value["x"]), 9), found.status
        (1.0, <converged>)

    Reference: Dennis, Schnabel, Numerical methods for unconstrained optimization and nonlinear equations, 1983,
    chapter 10; Bates, Watts, A relative offset orthogonality convergence criterion for nonlinear least squares, 1981.
    """
    point = as_point(x0)
    function = as_residual(residual, point)
    chosen = residual_method(method)
    tolerance = as_tolerance(tol, working_dtype(point))
    if isinstance(max_steps, bool) or not isinstance(max_steps, int) or max_steps < 0:
        raise ValueError(f"max_steps= is a non-negative integer; it was {max_steps!r}.")
    if keep_path is None:
        keep_path = sum(leaf.size for leaf in jax.tree.leaves(split(point)[0])) <= PICTURED
    settings = Settings(tolerance, max_steps, trace, trace and keep_path)
    box = None if bounds is None else read_bounds(bounds, point)
    if isinstance(chosen, SciPy):
        from cycloid.optimize.scipy_answers import squares_by_scipy  # it asks for the tests that are defined here

        result = squares_by_scipy(function, point, chosen, settings, box)
    else:
        if box is not None and not isinstance(chosen, LevenbergMarquardt):
            raise ValueError(f"{chosen.name} knows no bounds: leave method= out, which takes LevenbergMarquardt.")
        result = trimmed(_compiled(as_static(function), point, chosen, settings, box))
    asked = {"x0": x0, "tol": tol, "max_steps": max_steps, "bounds": bounds, "squares": True}
    return conclude(result, throw=throw and not tolerance.is_zero, question=Question(residual, asked, chosen))


def trimmed(result: Minimum) -> Minimum:
    """Without the rows of the trace that were never reached, where that can be known."""
    if result.trace is None or is_traced(result) or np.ndim(result.steps):
        return result
    rows = int(np.asarray(result.steps)) + 1
    trace = jax.tree.map(lambda leaf: np.asarray(leaf)[:rows], result.trace)
    return dataclasses.replace(result, trace=trace)


class Residuals(eqx.Module):
    """Several functions of one point as one vector."""

    functions: tuple[Callable[[Any], Any], ...] = eqx.field(static=True)

    def __call__(self, x: Any) -> Any:
        return [function(x) for function in self.functions]


def as_residual(residual: Any, point: Any, name: str = "residual") -> Callable[[Any], Any]:
    """The function of one pytree that a callable, a formula or a list of them stands for."""
    if isinstance(residual, (list, tuple)):
        if not residual:
            raise ValueError(f"{name} is an empty list: it needs at least one function or formula.")
        texts = [_named_by(entry, point) for entry in residual]
        return Residuals(tuple(as_objective(entry, point, name) for entry in texts))
    return as_objective(residual, point, name)


def _named_by(entry: Any, point: Any) -> Any:
    """A text in a list need not name every variable: those of the whole point are its arguments."""
    from cycloid.core.formulas import formula

    if isinstance(entry, str) and isinstance(point, dict):
        return formula(entry, list(point))
    return entry


def as_vector_function(function: Callable[[Any], Any], unravel: Callable[[Any], Any], rest: Any, dtype: Any) -> Any:
    """vector of parameters -> vector of residuals, with what comes back checked.

    Raises:
        TypeError: when it is not made of real numbers.
        ValueError: when there is none.
    """
    name = getattr(function, "__name__", "residual")

    def vector(v: Any) -> Any:
        out = function(eqx.combine(unravel(v), rest))
        leaves = jax.tree.leaves(out)
        for leaf in leaves:
            if not (eqx.is_array(leaf) or isinstance(leaf, (bool, int, float, complex, np.ndarray, np.generic))):
                raise TypeError(f"{name} returns an array of residuals; it returned a {type(leaf).__name__}.")
            if jnp.iscomplexobj(leaf):
                raise TypeError(
                    f"{name} returns real residuals; these are complex: stack their real and imaginary parts."
                )
        flat = jnp.concatenate([jnp.ravel(leaf) for leaf in leaves]) if leaves else jnp.zeros(0)
        if flat.size == 0:
            raise ValueError(f"{name} returned no residual: there is nothing to make small.")
        return flat.astype(dtype)

    return vector


@eqx.filter_jit
def _compiled(function: Any, point: Any, method: Any, settings: Settings, box: Box | None) -> Minimum:
    return squares(function, point, method, settings, box)


def squares(function: Any, point: Any, method: Any, settings: Settings, box: Box | None = None) -> Minimum:
    """The walk and what it found, as a `Minimum` like the point."""
    parameters, rest = split(point)
    flat, unravel = ravel_pytree(parameters)
    flat = flat if box is None else box.clip(flat)
    residual = as_vector_function(function, unravel, rest, flat.dtype)

    def half_square(v: Any) -> Any:
        r = residual(v)
        return r @ r / 2

    walk_on = lambda v: _walk(residual, v, method, settings, box)
    x, objective, (walk, trace) = implicitly(half_square, flat, walk_on, box)
    if trace is not None and trace.path is not None:
        trace = Trace(trace.objective, trace.gradient_norm, trace.step_norm, jax.vmap(unravel)(trace.path))
    pressed = None if box is None else multipliers_of(x, jax.grad(half_square)(x), box, unravel)
    return Minimum(
        value=eqx.combine(unravel(x), rest),
        error=walk.gradient_norm,
        error_kind=ErrorKind.named("estimate"),
        evaluations=walk.evaluations,
        status=_ending(walk, settings.tolerance),
        objective=objective,
        gradient_norm=walk.gradient_norm,
        steps=walk.turns - 1,
        trace=trace,
        multipliers=pressed,
    )


def _walk(residual: Any, start: Any, method: Any, settings: Settings, box: Box | None) -> tuple[Any, Any, Any]:
    """(the point reached, f there, (the last state, the trace))."""
    zero, none, no = jnp.zeros((), start.dtype), jnp.zeros((), jnp.int32), jnp.zeros((), bool)
    still, far = jnp.zeros_like(start), jnp.full((), jnp.inf, start.dtype)
    if isinstance(method, Optimistix):
        steps = squares_by_optimistix(method, residual, start)
        state: Any = (steps.begin, still)
        turn = lambda walk: _step_of(walk, steps, settings.tolerance)
    else:
        state = method.init(start)
        turn = lambda walk: _turn(walk, residual, method, settings.tolerance, box)
    begin = Descent(start, still, state, zero, zero, zero, zero, far, none, none, none, no, no)
    walk, _, rows = iterate(
        turn,
        begin,
        max_steps=settings.max_steps + 1,
        done=None if settings.tolerance.is_zero else lambda walk: walk.stopped,
        record=(lambda walk: _row(walk, settings.path)) if settings.trace else None,
    )
    brief = walk._replace(x=None, step=None, state=None)
    return walk.x, walk.objective, (brief, Trace(*rows) if settings.trace else None)


class Standing(NamedTuple):
    """A point looked at: the tangent there, and what the tests say of it."""

    at: Tangent
    finite: Any
    met: Any
    plane: Any  # the length of the part of r that a step can remove


def standing(at: Tangent, x: Any, tolerance: Tolerance, start: Any) -> Standing:
    """Whether a walk that began with the objective `start` may end at x."""
    eps = jnp.finfo(x.dtype).eps
    newton, size = jnp.linalg.norm(at.full()), jnp.linalg.norm(at.scale * x)
    finite = jnp.isfinite(at.objective) & jnp.all(jnp.isfinite(at.jacobian))
    gone = at.objective <= eps * (tolerance.atol**2) * start
    plane = jnp.linalg.norm(jnp.where(at.live, at.image, 0.0))
    small = (at.offset <= tolerance.rtol) | (newton <= tolerance.rtol * size)
    return Standing(at, finite, finite & (small | gone | (plane <= 2 * at.rounding)), plane)


def _turn(walk: Descent, residual: Any, method: Any, tolerance: Tolerance, box: Box | None) -> Descent:
    """Go where the last turn pointed, look whether to stay, and if not find the next step."""
    x = walk.x + walk.step
    x = x if box is None else box.clip(x)  # the sum may round to beyond a bound
    at = tangent_of(*value_and_jacobian(residual, x), x, walk.state.scale, box)
    start = jnp.where(walk.turns == 0, at.objective, walk.start)
    here = standing(at, x, tolerance, start)
    # Where the drop to come is below rounding, only the offset shows whether anything is still gained.
    hidden = (here.plane**2 / 2 <= UNSEEN * at.noise) & (walk.turns > 0)
    paused = jnp.where(hidden & (at.offset > IMPROVED * walk.least), walk.paused + 1, 0)
    stop = here.met | ~here.finite | (paused >= PAUSE)
    wanted = here.finite & ~here.met if tolerance.is_zero else ~stop
    trial = method.search(residual, x, at, walk.state, wanted)
    stuck = wanted & ~trial.accepted
    paused = jnp.where(stuck, PAUSE, paused).astype(walk.paused.dtype)
    after = _arrived(walk, x, here, start, paused, 1 + trial.tried, stop | stuck)
    return after._replace(step=trial.step, state=trial.state)


def _step_of(walk: Descent, steps: Any, tolerance: Tolerance) -> Descent:
    """One step of a solver that keeps its own state and knows its own tangent."""
    state, scale = walk.state
    x, state, failed, at = steps.step(walk.x, state, scale)
    start = jnp.where(walk.turns == 0, at.objective, walk.start)
    here = standing(at, x, tolerance, start)
    moved = jnp.any(x != walk.x)
    paused = jnp.where(moved | (walk.turns == 0), 0, walk.paused + 1)
    paused = jnp.where(failed, REFUSALS, paused).astype(walk.paused.dtype)
    after = _arrived(walk, x, here, start, paused, 1, here.met | ~here.finite | (paused >= REFUSALS))
    return after._replace(state=(state, at.scale))


def _arrived(walk: Descent, x: Any, here: Standing, start: Any, paused: Any, cost: Any, stop: Any) -> Descent:
    return walk._replace(
        x=x,
        objective=here.at.objective,
        gradient_norm=jnp.where(here.finite, jnp.max(jnp.abs(here.at.gradient)), jnp.nan),
        step_norm=jnp.linalg.norm(x - walk.x),
        start=start,
        least=jnp.minimum(walk.least, here.at.offset),
        turns=walk.turns + 1,
        evaluations=walk.evaluations + cost,
        paused=paused,
        met=here.met,
        stopped=stop,
    )


def _ending(walk: Descent, tolerance: Tolerance) -> Status:
    if tolerance.is_zero:
        status = Status.named("all_steps")
    else:
        stalled = Status.where(walk.paused >= PAUSE, Status.named("stalled"), Status.named("max_steps"))
        status = Status.where(walk.met, Status.named("converged"), stalled)
    return Status.where(jnp.isfinite(walk.gradient_norm), status, Status.named("nonfinite"))


def _row(walk: Descent, path: bool) -> tuple[Any, Any, Any, Any]:
    return walk.objective, walk.gradient_norm, walk.step_norm, walk.x if path else None
