"""minimize: the driver that walks a method to a stationary point, knows when to stop, and says how it ended."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import ArrayLike, Float, Int

from cycloid.core.functions import as_objective
from cycloid.core.loops import iterate
from cycloid.core.results import ErrorKind, Question, Result, Status, conclude, is_traced
from cycloid.core.tolerance import Tolerance, as_tolerance, working_dtype
from cycloid.optimize.catalogue import method as resolve
from cycloid.optimize.methods import AbstractMethod, Objective, apply_update, split
from cycloid.optimize.points import as_point, as_static, scalar_function
from cycloid.optimize.sensitivities import implicitly
from cycloid.optimize.spectral import BarzilaiBorwein

# The objective has diverged when it has risen by this many times 1 + |value at the start|.
FAR = 1e8
# It has no minimum when it has fallen so far that the value at the start is rounding beside it.
BOTTOMLESS = 1e16
# Steps in a row that change no parameter before the walk counts as stalled; a warm-up or an accumulation of
# gradients may well pause for a few.
PAUSE = 32
# Points are kept for pictures when there are at most this many parameters.
PICTURED = 3


@final
class Trace(eqx.Module):
    """The walk, one row a point: row 0 is the start, row k the point after k steps.

    Under jit and vmap all have the length max_steps + 1, NaN in rows never reached; a plain call cuts those off.

    Attributes:
        objective: f at each point.
        gradient_norm: the largest absolute entry of the gradient there.
        step_norm: the length of the step that led there; 0 in row 0.
        path: the points themselves, a pytree like x0 with a leading axis, or None when they were not kept.
    """

    objective: Float[ArrayLike, "... points"]
    gradient_norm: Float[ArrayLike, "... points"]
    step_norm: Float[ArrayLike, "... points"]
    path: Any = None


@final
class Minimum(Result):
    """Where a function is least near the start, as far as its gradient tells.

    Attributes:
        value: the minimiser, a pytree like x0.
        error: the largest absolute entry of the gradient, which is zero at a minimum.
        error_kind: "estimate".
        evaluations: values with their gradients, counted as one each.
        status: how the walk ended.
        objective: f(value).
        gradient_norm: the same as `error`.
        steps: how many were made.
        trace: the walk, or None.
    """

    value: Any
    error: Float[ArrayLike, "..."]
    error_kind: ErrorKind
    evaluations: Int[ArrayLike, "..."]
    status: Status
    objective: Float[ArrayLike, "..."]
    gradient_norm: Float[ArrayLike, "..."]
    steps: Int[ArrayLike, "..."]
    trace: Trace | None


class _Settings(NamedTuple):
    tolerance: Tolerance
    max_steps: int
    trace: bool
    path: bool


class _Walk(NamedTuple):
    x: Any
    update: Any  # what the method wants to do next
    memory: Any  # the method's state
    objective: Any
    gradient_norm: Any
    step_norm: Any
    start: Any  # the objective at the first point
    turns: Any
    evaluations: Any
    paused: Any  # turns in a row that changed nothing
    met: Any  # the tolerance was met here
    stopped: Any


def minimize(
    f: Callable[[Any], Any] | str,
    x0: Any,
    *,
    method: str | type[AbstractMethod] | AbstractMethod | None = None,
    tol: float | Tolerance | None = None,
    max_steps: int = 500,
    throw: bool = True,
    trace: bool = True,
    keep_path: bool | None = None,
) -> Minimum:
    """The point near x0 where f is least, found by walking downhill.

    θ ← θ + update(∇f(θ)), by the rule of `method`, until

        ‖∇f(θ)‖_∞ ≤ tol.atol + tol.rtol · |f(θ)| / max(1, ‖θ‖_∞).

    That makes θ a stationary point; `cy.check` looks at the curvature to tell a minimum from a saddle.

    Args:
        f: a function of one pytree that JAX can trace, a formula, or the text of one. It is compiled once for each
            function object and shape: what it closes over is read at the first call.
        x0: where to start: a number, an array, or any pytree of them (for a formula a dict by name, or an array in
            the order of its variables). A list or tuple of plain numbers is read as an array, integers among
            them as floats; integer arrays and other leaves inside a pytree stay as they are.
        method: a name from `METHODS`, a class or an instance. Without it the spectral gradient method, which needs
            no learning rate.
        tol: a number (for both parts) or `Tolerance(rtol, atol)`; None is the square root of eps. 0 runs every step.
        max_steps: at most this many steps.
        throw: raise `ConvergenceError` when the tolerance was not met; False returns the result with its status.
        trace: keep objective, gradient norm and step length of every point.
        keep_path: keep the points as well; None does so for at most 3 parameters.

    Returns:
        A `Minimum`. Under vmap each member stops by itself and has its own status.

    Raises:
        TypeError: when f is no function, its value no real number, or x0 holds nothing to move.
        ValueError: when f is not scalar, a formula's variables are not those of x0, or tol is out of reach.
        ConvergenceError: see `throw`; never with tol=0.

    Transformations: jit and vmap. Under grad the minimiser is differentiated by the implicit function theorem,
    dθ = −H⁻¹ ∂(∇f), with respect to what f closes over, never x0 or the learning rate; H is solved densely for up
    to 64 parameters and by conjugate gradients beyond. That is the derivative of the exact minimiser: it holds
    where the status is converged and H is positive definite. A function with Python branches (`if x > 0`) runs
    uncompiled, with a warning.

    Cost: one evaluation (value with gradient) a step and one at the end; a search inside a method adds its own.

    Example:
        >>> import jax.numpy as jnp
        >>> from cycloid.optimize import minimize
        >>> found = minimize(lambda x: jnp.sum((x - jnp.array([1.0, 2.0])) ** 2), jnp.zeros(2))
        >>> [round(float(v), 6) for v in found.value], found.status
        ([1.0, 2.0], <converged>)

    Reference: Dennis, Schnabel, Numerical methods for unconstrained optimization and nonlinear equations, 1983,
    section 7.2 (the stopping rule); Krantz, Parks, The implicit function theorem, 2002.
    """
    point = as_point(x0)
    function = as_objective(f, point)
    chosen = _ready(BarzilaiBorwein() if method is None else resolve(method))
    tolerance = as_tolerance(tol, working_dtype(point))
    if isinstance(max_steps, bool) or not isinstance(max_steps, int) or max_steps < 0:
        raise ValueError(f"max_steps= is a non-negative integer; it was {max_steps!r}.")
    if keep_path is None:
        keep_path = sum(leaf.size for leaf in jax.tree.leaves(split(point)[0])) <= PICTURED
    settings = _Settings(tolerance, max_steps, trace, trace and keep_path)
    try:
        result = _compiled(as_static(function), point, chosen, settings)
    except jax.errors.ConcretizationTypeError as error:
        result = _uncompiled(function, point, chosen, settings, error)
    result = _trimmed(result)
    asked = Question(f, {"x0": x0, "tol": tol, "max_steps": max_steps}, chosen)
    return conclude(result, throw=throw and not tolerance.is_zero, question=asked)


def _trimmed(result: Minimum) -> Minimum:
    if result.trace is None or is_traced(result):
        return result
    rows = int(result.steps) + 1
    trace = jax.tree.map(lambda leaf: np.asarray(leaf)[:rows], result.trace)
    return dataclasses.replace(result, trace=trace)


def _ready(method: AbstractMethod) -> AbstractMethod:
    """The method with its numbers as arrays, so that another learning rate is no new program."""
    method = jax.tree.map(jnp.asarray, method)
    for leaf in jax.tree.leaves(method):
        if leaf.ndim:
            raise ValueError(
                f"the learning rate of {method.name} has the shape {leaf.shape}: minimize makes one walk. Use "
                f"jax.vmap over the method, or cy.optimize.sweep for a table."
            )
    return method


@eqx.filter_jit
def _compiled(function: Any, point: Any, method: AbstractMethod, settings: _Settings) -> Minimum:
    return _solve(function, point, method, settings, implicitly)


def _uncompiled(function: Any, point: Any, method: Any, settings: _Settings, error: Exception) -> Minimum:
    """The same walk without compilation, for a function that looks at values."""
    name = getattr(function, "__name__", "f")
    warnings.warn(
        f"{name} branches on a value, so it runs uncompiled and slowly: jnp.where or jax.lax.cond in place of `if` "
        f"would let it be compiled.",
        stacklevel=3,
    )
    try:
        with jax.disable_jit():
            return _solve(function, point, method, settings, lambda value, start, walk: walk(start))
    except jax.errors.ConcretizationTypeError:
        raise TypeError(
            f"{name} branches on a value, which cannot be done under jit or vmap: write jnp.where or jax.lax.cond."
        ) from error


def _solve(function: Any, point: Any, method: AbstractMethod, settings: _Settings, differentiably: Any) -> Minimum:
    """The walk and what it found; `differentiably` decides how the minimiser answers to a derivative."""
    parameters, rest = split(point)
    scalar = scalar_function(function)
    value = lambda p: scalar(eqx.combine(p, rest))
    x, objective, (walk, trace) = differentiably(
        value, parameters, lambda start: _walk(Objective(value), start, method, settings)
    )
    return Minimum(
        value=eqx.combine(x, rest),
        error=walk.gradient_norm,
        error_kind=ErrorKind.named("estimate"),
        evaluations=walk.evaluations,
        status=_status(walk, settings),
        objective=objective,
        gradient_norm=walk.gradient_norm,
        steps=walk.turns - 1,
        trace=trace,
    )


def _walk(objective: Objective, start: Any, method: AbstractMethod, settings: _Settings) -> tuple[Any, Any, Any]:
    """(the parameters reached, f there, (the walk's last state, its trace))."""
    zero, none, no = jnp.zeros((), working_dtype(start)), jnp.zeros((), jnp.int32), jnp.zeros((), bool)
    still = jax.tree.map(jnp.zeros_like, start)
    begin = _Walk(start, still, method.init(start), zero, zero, zero, zero, none, none, none, no, no)
    walk, _, rows = iterate(
        lambda walk: _turn(walk, objective, method, settings.tolerance),
        begin,
        max_steps=settings.max_steps + 1,
        done=None if settings.tolerance.is_zero else lambda walk: walk.stopped,
        record=(lambda walk: _row(walk, settings.path)) if settings.trace else None,
    )
    brief = walk._replace(x=None, update=None, memory=None)
    return walk.x, walk.objective, (brief, rows if settings.trace else None)


def _turn(walk: _Walk, objective: Objective, method: AbstractMethod, tolerance: Tolerance) -> _Walk:
    """Go where the last turn pointed, evaluate there, and decide whether to stay."""
    x = apply_update(walk.x, walk.update)
    update, memory, info = method.step(objective, x, walk.memory)
    value = info.value.astype(walk.objective.dtype)
    norm = optax.tree.norm(info.gradient, ord=jnp.inf).astype(walk.gradient_norm.dtype)
    start = jnp.where(walk.turns == 0, value, walk.start)
    moved = ~eqx.tree_equal(x, walk.x)
    paused = jnp.where(moved | (walk.turns == 0), 0, walk.paused + 1)
    now = walk._replace(
        x=x,
        update=update,
        memory=memory,
        objective=value,
        gradient_norm=norm,
        step_norm=optax.tree.norm(walk.update).astype(walk.step_norm.dtype),
        start=start,
        turns=walk.turns + 1,
        evaluations=walk.evaluations + info.evaluations,
        paused=paused,
    )
    scale = value / jnp.maximum(1.0, optax.tree.norm(x, ord=jnp.inf))
    met = jnp.isfinite(value) & (norm <= tolerance.allowed(scale))
    return now._replace(met=met, stopped=met | _lost(now) | (paused >= PAUSE))


def _lost(walk: _Walk) -> Any:
    return _nonfinite(walk) | _risen(walk) | _fallen(walk)


def _risen(walk: _Walk) -> Any:
    return walk.objective - walk.start > FAR * (1 + jnp.abs(walk.start))


def _fallen(walk: _Walk) -> Any:
    return walk.start - walk.objective > BOTTOMLESS * (1 + jnp.abs(walk.start))


def _nonfinite(walk: _Walk) -> Any:
    return ~(jnp.isfinite(walk.objective) & jnp.isfinite(walk.gradient_norm))


def _status(walk: _Walk, settings: _Settings) -> Status:
    """Nonfinite, diverged and unbounded before all else; then converged, stalled, out of steps."""
    if settings.tolerance.is_zero:
        status = Status.named("all_steps")
    else:
        stalled = Status.where(walk.paused >= PAUSE, Status.named("stalled"), Status.named("max_steps"))
        status = Status.where(walk.met, Status.named("converged"), stalled)
    status = Status.where(_fallen(walk), Status.named("unbounded"), status)
    status = Status.where(_risen(walk), Status.named("diverged"), status)
    return Status.where(_nonfinite(walk), Status.named("nonfinite"), status)


def _row(walk: _Walk, path: bool) -> Trace:
    return Trace(walk.objective, walk.gradient_norm, walk.step_norm, walk.x if path else None)
