"""What SciPy's walks found, as the results of our drivers: the same fields, the same tests, the same words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from cycloid.core.results import ErrorKind, Status
from cycloid.core.tolerance import Tolerance
from cycloid.optimize.constraints import Box, multipliers_of
from cycloid.optimize.drivers import Minimum
from cycloid.optimize.methods import split
from cycloid.optimize.points import as_static, scalar_function
from cycloid.optimize.residuals import as_vector_function, standing
from cycloid.optimize.scipy_solvers import (
    Curvature,
    Progress,
    SciPy,
    Watch,
    descend,
    descend_squares,
    ends,
    solve_equations,
    untraced,
)
from cycloid.optimize.tangents import tangent_of, value_and_jacobian
from cycloid.optimize.walks import Settings, Trace


def minimum_by_scipy(function: Any, point: Any, method: SciPy, settings: Settings, box: Box | None) -> Minimum:
    """`minimize` by one of SciPy's solvers.

    Raises:
        TypeError: when traced.
        ValueError: when the solver is none for this, knows no bounds where there are some, or tol is zero.
    """
    flat, inner = _begin(point, method, settings, box), as_static(function)
    watch = Watch(lambda v: _value_and_grad(inner, point, v), flat, method.name)
    low, high = (-np.inf, np.inf) if box is None else ends(box)
    tolerance = settings.tolerance

    def judge(x: Any) -> tuple[float, float, bool]:
        height, gradient = watch(x)
        norm = float(np.abs(gradient if box is None else x - np.clip(x - gradient, low, high)).max())
        scale = abs(float(height)) / max(1.0, float(np.abs(x).max()))
        return float(height), norm, bool(norm <= tolerance.atol + tolerance.rtol * scale)

    times = lambda v, p: _product(inner, point, v, p)
    curvature = Curvature(watch, times, lambda v: _hessian(inner, point, v))
    begin = np.clip(np.asarray(flat, float), low, high)
    progress = descend(method, judge, curvature, begin, box, settings.max_steps)
    slope = jnp.asarray(watch.derivative(progress.path[-1]), flat.dtype)
    return _minimum(progress, point, settings, watch.evaluations + curvature.products, box, slope)


def squares_by_scipy(function: Any, point: Any, method: SciPy, settings: Settings, box: Box | None) -> Minimum:
    """`least_squares` by one of SciPy's solvers; raises as `minimum_by_scipy`."""
    flat, inner = _begin(point, method, settings, box), as_static(function)
    watch = Watch(lambda v: _residual_and_jacobian(inner, point, v), flat, method.name)
    begin = np.asarray(flat if box is None else box.clip(flat), float)
    first = jnp.sum(jnp.asarray(watch.value(begin), flat.dtype) ** 2) / 2

    def judge(x: Any) -> tuple[float, float, bool]:
        r, jacobian = (jnp.asarray(part, flat.dtype) for part in watch(x))
        here = _stand(r, jacobian, jnp.asarray(x, flat.dtype), box, settings.tolerance, first)
        return tuple(part.item() for part in here)

    progress = descend_squares(method, judge, watch, begin, box, settings.max_steps)
    r, jacobian = watch(progress.path[-1])
    slope = jnp.asarray(r @ jacobian, flat.dtype)
    return _minimum(progress, point, settings, watch.evaluations, box, slope)


@eqx.filter_jit
def _stand(r: Any, jacobian: Any, x: Any, box: Box | None, tolerance: Tolerance, first: Any) -> tuple[Any, Any, Any]:
    x = x if box is None else _on_bounds(x, box, tolerance)
    at = tangent_of(r, jacobian, x, jnp.zeros_like(x), box)
    return at.objective, jnp.max(jnp.abs(at.gradient)), standing(at, x, tolerance, first).met


def _on_bounds(x: Any, box: Box, tolerance: Tolerance) -> Any:
    """An interior search comes as near to a bound as its precision allows: within tolerance that is the bound."""
    return box.snap(x, tolerance.atol + tolerance.rtol * jnp.abs(x))


def equations_by_scipy(
    F: Callable[[Any], Any], x: Any, method: SciPy, tolerance: Tolerance, max_steps: int
) -> tuple[Progress, int]:
    """(the walk to a root of F, evaluations); the objective of its rows is the largest entry of F, their gradient
    norm that of the Newton step."""
    untraced(x, method.name)
    watch = Watch(jax.jit(lambda v: value_and_jacobian(F, v)), x, method.name)

    def judge(x: Any) -> tuple[float, float, bool]:
        value, jacobian = watch(x)
        allowed = tolerance.atol + tolerance.rtol * (np.abs(jacobian) @ np.abs(x))
        step = np.linalg.lstsq(np.nan_to_num(jacobian), np.nan_to_num(value), rcond=None)[0]
        return float(np.abs(value).max()), float(np.abs(step).max()), bool(np.all(np.abs(value) <= allowed))

    progress = solve_equations(method, judge, watch, np.asarray(x, float), max_steps)
    return progress, watch.evaluations


def _begin(point: Any, method: SciPy, settings: Settings, box: Box | None) -> Any:
    untraced((point, tuple(box or ())), method.name)
    if settings.tolerance.is_zero:
        raise ValueError(f"tol=0 runs every step, which {method.name} with its own loop cannot: give a positive tol=.")
    return ravel_pytree(split(point)[0])[0]


def _minimum(
    progress: Progress, point: Any, settings: Settings, evaluations: int, box: Box | None, slope: Any
) -> Minimum:
    parameters, rest = split(point)
    dtype, tolerance = slope.dtype, settings.tolerance
    _, unravel = ravel_pytree(parameters)
    rows = [jnp.asarray(column, dtype) for column in zip(*progress.rows)]
    path = jax.vmap(unravel)(jnp.asarray(np.stack(progress.path), dtype)) if settings.path else None
    x = jnp.asarray(progress.path[-1], dtype)
    return Minimum(
        value=eqx.combine(unravel(x), rest),
        error=rows[1][-1],
        error_kind=ErrorKind.named("estimate"),
        evaluations=jnp.asarray(evaluations, jnp.int32),
        status=Status.named(progress.status),
        objective=rows[0][-1],
        gradient_norm=rows[1][-1],
        steps=jnp.asarray(progress.steps, jnp.int32),
        trace=Trace(rows[0], rows[1], rows[2], path) if settings.trace else None,
        multipliers=None if box is None else multipliers_of(_on_bounds(x, box, tolerance), slope, box, unravel),
    )


def _flat(function: Any, point: Any) -> Callable[[Any], Any]:
    parameters, rest = split(point)
    _, unravel = ravel_pytree(parameters)
    scalar = scalar_function(function)
    return lambda v: scalar(eqx.combine(unravel(v), rest)).astype(v.dtype)


@eqx.filter_jit
def _value_and_grad(function: Any, point: Any, v: Any) -> Any:
    return jax.value_and_grad(_flat(function, point))(v)


@eqx.filter_jit
def _product(function: Any, point: Any, v: Any, p: Any) -> Any:
    return jax.jvp(jax.grad(_flat(function, point)), (v,), (p,))[1]


@eqx.filter_jit
def _hessian(function: Any, point: Any, v: Any) -> Any:
    return jax.hessian(_flat(function, point))(v)


@eqx.filter_jit
def _residual_and_jacobian(function: Any, point: Any, v: Any) -> Any:
    parameters, rest = split(point)
    _, unravel = ravel_pytree(parameters)
    return value_and_jacobian(as_vector_function(function, unravel, rest, v.dtype), v)
