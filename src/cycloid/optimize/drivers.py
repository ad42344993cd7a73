"""minimize: the driver that walks a method to a stationary point, knows when to stop, and says how it ended."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, Float, Int

from cycloid.core.functions import as_objective
from cycloid.core.results import ErrorKind, Question, Result, Status, conclude, is_traced
from cycloid.core.tolerance import Tolerance, as_tolerance, working_dtype
from cycloid.optimize.catalogue import is_scipy
from cycloid.optimize.catalogue import method as resolve
from cycloid.optimize.choices import usual
from cycloid.optimize.constraints import read_bounds
from cycloid.optimize.methods import AbstractMethod, Objective, split
from cycloid.optimize.points import as_point, as_static, scalar_function
from cycloid.optimize.scipy_solvers import SciPy
from cycloid.optimize.sensitivities import implicitly
from cycloid.optimize.walks import Settings, Trace, ending, walk_from

# Points are kept for pictures when there are at most this many parameters.
PICTURED = 3


@final
class Minimum(Result):
    """Where a function is least near the start, as far as its gradient tells.

    Attributes:
        value: the minimiser, a pytree like x0.
        error: the largest absolute entry of the gradient, which is zero at a minimum.
        error_kind: "estimate".
        evaluations: what was computed of f, a unit each: a value with or without its gradient, a product with the
            Hessian (a whole Hessian is n of them), a residual with or without its Jacobian; the linearisation that
            products start from comes with a gradient and counts as one too. Optimistix's steps count as one each.
        status: how the walk ended.
        objective: f(value).
        gradient_norm: the same as `error`.
        steps: how many were made.
        trace: the walk, or None.
        multipliers: with bounds or constraints how much the minimum would fall for each that gave way by one: a dict
            with `equal` and `at_most` in the order of the constraints, `lower` and `upper` like x0; else None.
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
    multipliers: Any = None


def minimize(
    f: Callable[[Any], Any] | str,
    x0: Any,
    *,
    method: str | type[AbstractMethod] | AbstractMethod | None = None,
    bounds: Any = None,
    constraints: Any = None,
    tol: float | Tolerance | None = None,
    max_steps: int = 500,
    throw: bool = True,
    trace: bool = True,
    keep_path: bool | None = None,
) -> Minimum:
    """The point near x0 where f is least, found by walking downhill.

    θ ← θ + update(∇f(θ)), by the rule of `method`, until

        ‖∇f(θ)‖_∞ ≤ tol.atol + tol.rtol · |f(θ)| / max(1, ‖θ‖_∞).

    That makes θ a stationary point; `cy.check` looks at the curvature to tell a minimum from a saddle. `TrustRegion`
    knows the Hessian H and takes a gradient for zero as well that is rounding alone, ‖∇f‖_∞ ≤ 4 eps ‖Hθ‖_∞, where the
    drop of f that its model predicts is below 1e-11 of |f|.

    Args:
        f: a function of one pytree that JAX can trace, a formula, or the text of one. It is compiled once for each
            function object and shape: what it closes over is read at the first call.
        x0: where to start: a number, an array, or any pytree of them (for a formula a dict by name, or an array in
            the order of its variables). A list or tuple of plain numbers is read as an array, integers among
            them as floats; integer arrays and other leaves inside a pytree stay as they are.
        method: a name from `METHODS` or `PEERS`, a class or an instance; solvers from elsewhere are
            `SciPy("L-BFGS-B")`, `Optimistix(optimistix.BFGS(...))` and `from_optax(optax.lbfgs())`. None takes
            `TrustRegion` for up to 5000 parameters and `LBFGS` for more; `result.question.method` says which. Neither
            needs a learning rate.
        bounds: a pair (lower, upper), each a number, None, or like x0 (a dict may name some entries only). A method of
            SciPy's that knows bounds gets them.
        constraints: one or a list of: a text such as "x + y = 1" or "x^2 + y^2 <= 4", `Equal(h)` for h(x) = 0,
            `AtMost(g)` for g(x) <= 0. With bounds or constraints Newton steps on an augmented Lagrangian are made,
            with a dense Hessian; there is no `method` to choose and no trace, and `error` is the largest violation of
            the optimality conditions.
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

    Transformations: jit and vmap, with every method but SciPy's, whose loops run in Python: traced they raise
    TypeError. Under grad the minimiser is differentiated by the implicit function theorem,
    dθ = −H⁻¹ ∂(∇f), with respect to what f closes over, never x0 or the learning rate; H is solved densely for up
    to 64 parameters and by conjugate gradients beyond. A function with a reverse rule alone (`jax.custom_vjp`) answers
    in reverse mode. That is the derivative of the exact minimiser: it holds where the status is converged and H is
    positive definite. A function with Python branches (`if x > 0`) runs uncompiled, with a warning.

    Cost: one evaluation (value with gradient) a step and one for the start; a search inside a method adds its own,
    and a product with the Hessian counts as one (a whole Hessian as n).

    Example:
        >>> import jax.numpy as jnp
        >>> from cycloid.optimize import minimize
        >>> found = minimize(lambda x: jnp.sum((x - jnp.array([1.0, 2.0])) ** 2), jnp.zeros(2))
        >>> [round(float(v), 6) for v in found.value], found.status
        ([1.0, 2.0], <converged>)

    Reference: Dennis, Schnabel, Numerical methods for unconstrained optimization and nonlinear equations, 1983,
    section 7.2 (the stopping rule); Krantz, Parks, The implicit function theorem, 2002.
    """
    if constraints is not None or (bounds is not None and not is_scipy(method)):
        from cycloid.optimize.constrained_minima import minimize_inside  # it makes a Minimum, which is defined here

        inside: dict[str, Any] = {"bounds": bounds, "constraints": constraints, "method": method}
        return minimize_inside(f, x0, **inside, tol=tol, max_steps=max_steps, throw=throw)
    point = as_point(x0)
    function = as_objective(f, point)
    chosen = _ready(usual(point) if method is None else resolve(method))
    tolerance = as_tolerance(tol, working_dtype(point))
    if isinstance(max_steps, bool) or not isinstance(max_steps, int) or max_steps < 0:
        raise ValueError(f"max_steps= is a non-negative integer; it was {max_steps!r}.")
    if keep_path is None:
        keep_path = sum(leaf.size for leaf in jax.tree.leaves(split(point)[0])) <= PICTURED
    settings = Settings(tolerance, max_steps, trace, trace and keep_path)
    if isinstance(chosen, SciPy):
        from cycloid.optimize.scipy_answers import minimum_by_scipy  # it makes a Minimum, which is defined here

        box = None if bounds is None else read_bounds(bounds, point)
        result = minimum_by_scipy(function, point, chosen, settings, box)
        given = {"x0": x0, "tol": tol, "max_steps": max_steps, "bounds": bounds, "constraints": None}
        return conclude(result, throw=throw, question=Question(f, given, chosen))
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
    rows = int(np.asarray(result.steps)) + 1
    trace = jax.tree.map(lambda leaf: np.asarray(leaf)[:rows], result.trace)
    return dataclasses.replace(result, trace=trace)


def _ready(method: AbstractMethod) -> AbstractMethod:
    """The method with its numbers as arrays, so that another learning rate is no new program."""
    method = jax.tree.map(lambda leaf: jnp.asarray(leaf) if isinstance(leaf, float) else leaf, method)
    for leaf in jax.tree.leaves(method):
        if eqx.is_array(leaf) and leaf.ndim:
            raise ValueError(
                f"the learning rate of {method.name} has the shape {leaf.shape}: minimize makes one walk. Use "
                f"jax.vmap over the method, or cy.optimize.sweep for a table."
            )
    return method


@eqx.filter_jit
def _compiled(function: Any, point: Any, method: AbstractMethod, settings: Settings) -> Minimum:
    return _solve(function, point, method, settings, implicitly)


def _uncompiled(function: Any, point: Any, method: Any, settings: Settings, error: Exception) -> Minimum:
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


def _solve(function: Any, point: Any, method: AbstractMethod, settings: Settings, differentiably: Any) -> Minimum:
    """The walk and what it found; `differentiably` decides how the minimiser answers to a derivative."""
    parameters, rest = split(point)
    scalar = scalar_function(function)
    value = lambda p: scalar(eqx.combine(p, rest))
    x, objective, (walk, trace) = differentiably(
        value, parameters, lambda start: walk_from(Objective(value), start, method, settings)
    )
    return Minimum(
        value=eqx.combine(x, rest),
        error=walk.gradient_norm,
        error_kind=ErrorKind.named("estimate"),
        evaluations=walk.evaluations,
        status=ending(walk, settings),
        objective=objective,
        gradient_norm=walk.gradient_norm,
        steps=walk.turns - 1,
        trace=trace,
    )
