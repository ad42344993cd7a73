"""Derivatives without automatic differentiation: complex steps, circles in the complex plane, differences."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

# Each step is a fifth of the one before: twelve of them reach from 0.1 down to 2e-9 of the scale of x. Short ones
# are for functions full of kinks, such as networks of rectifiers.
LEVELS, CONTRACTION, LONGEST = 12, 5.0, 0.1
# Numbers in all the points evaluated at once.
MOST_AT_ONCE = 5_000_000
# In a complex step the imaginary part carries the derivative and nothing is subtracted, so that the step may be
# as short as the dtype can hold: its square is far below the last bit, even in float32.
IMAGINARY = 1e-20
# Primitives of which the complex branch is not the continuation of the real one, or that split the plane.
_NOT_ANALYTIC = {
    "abs", "real", "imag", "conj", "sign", "max", "min", "floor", "ceil", "round", "lt", "le", "gt", "ge",
    "argmax", "argmin", "reduce_max", "reduce_min", "sort", "clamp", "cummax", "cummin", "atan2", "rem",
    "cholesky", "eigh", "qr", "svd", "custom_vjp_call", "pure_callback",
}  # fmt: skip


def flatten(f: Callable[[Any], Any], x: Any) -> tuple[Callable[[Any], Any], Any]:
    """`f` as a function of one vector of all the inexact leaves of x, of whichever dtype; and that vector.

    Raises:
        TypeError: when x holds no floating-point number.
    """
    x = jax.tree.map(lambda leaf: jnp.asarray(leaf) if isinstance(leaf, (float, np.ndarray, np.generic)) else leaf, x)
    moving, fixed = eqx.partition(x, eqx.is_inexact_array)
    leaves, structure = jax.tree.flatten(moving)
    if not leaves:
        raise TypeError("the point holds no floating-point number: pass 2.0 rather than 2.")
    shapes = [leaf.shape for leaf in leaves]
    ends = np.cumsum([leaf.size for leaf in leaves])[:-1]

    def of_vector(vector: Any) -> Any:
        parts = [p.reshape(s) for p, s in zip(jnp.split(vector, ends), shapes)]
        return f(eqx.combine(jax.tree.unflatten(structure, parts), fixed))

    return of_vector, jnp.concatenate([jnp.ravel(leaf) for leaf in leaves])


def evaluate(f: Callable[[Any], Any], points: Any) -> Any:
    """f at each row of points: at once, as one program, where f can be traced, else one after another."""
    try:
        values = jax.jit(jax.vmap(f))(points)
    except (jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError, TypeError):
        values = [f(point) for point in points]
    return np.asarray(values)


def is_analytic(f: Callable[[Any], Any], x: Any) -> bool:
    """True when the program of f, read with a complex input, continues the real function analytically.

    An absolute value, a maximum or a comparison does not: there a complex step would be silently wrong.
    """
    probe = jnp.asarray(x) + 0j
    try:
        program = jax.make_jaxpr(f)(probe)
    except Exception:  # whatever a user's function raises on a complex number, it does not continue there
        return False
    complex_out = all(jnp.issubdtype(v.aval.dtype, jnp.complexfloating) for v in program.jaxpr.outvars)
    return complex_out and not _primitives(program.jaxpr) & _NOT_ANALYTIC


def _primitives(jaxpr: Any) -> set[str]:
    found: set[str] = set()
    for equation in jaxpr.eqns:
        found.add(equation.primitive.name)
        for inner in jax.tree.leaves(equation.params, is_leaf=lambda p: hasattr(p, "eqns") or hasattr(p, "jaxpr")):
            if hasattr(inner, "jaxpr"):
                inner = inner.jaxpr
            if hasattr(inner, "eqns"):
                found |= _primitives(inner)
    return found


def complex_step(f: Callable[[Any], Any], x: Any, directions: Any) -> np.ndarray:
    """Directional derivatives Im f(x + i h v) / h, exact to the last bits where f is analytic.

    Args:
        f: vector -> number, taking complex vectors.
        x: the point, shape (n,).
        directions: the vectors v, shape (k, n).

    Reference: W. Squire and G. Trapp, Using complex variables to estimate derivatives of real functions, 1998.
    """
    x, directions = np.asarray(x), np.asarray(directions)
    narrow = np.result_type(x.dtype, np.complex64)
    return evaluate(f, (x + 1j * IMAGINARY * directions).astype(narrow)).imag / IMAGINARY


def central(f: Callable[[Any], Any], x: Any, directions: Any) -> tuple[np.ndarray, np.ndarray]:
    """Directional derivatives by central differences extrapolated once, each with its error estimate.

    (f(x + h v) - f(x - h v)) / 2h over steps h from a tenth of the size of x down to a billionth; of the values the one
    that its neighbours confirm best is taken. Costs 2 LEVELS evaluations a direction.

    Returns:
        (derivatives, error estimates), both of shape (k,); vector-valued f give (k, m).

    Reference: L. F. Richardson, The approximate arithmetical solution by finite differences, 1911.
    """
    # Steps and points are made by NumPy: JAX would compile each of these small operations.
    x, directions = np.asarray(x), np.asarray(directions)
    scale = max(float(np.abs(x).max(initial=0.0)), 1.0) / np.maximum(np.abs(directions).max(axis=1), 1e-30)
    steps = LONGEST * scale[:, None] * CONTRACTION ** -np.arange(LEVELS)
    values = _along(f, x, directions, np.stack([steps, -steps], axis=2).astype(x.dtype)).astype(float)
    widths = steps.reshape(*steps.shape, *[1] * (values.ndim - 3))
    with np.errstate(invalid="ignore", over="ignore"):
        return _extrapolate((values[:, :, 0] - values[:, :, 1]) / (2 * widths))


def _along(f: Callable[[Any], Any], x: Any, directions: Any, steps: Any) -> Any:
    """f(x + s v) for each direction v, shape (k, n), and each of its steps s, shape (k, ...)."""
    shape = steps.shape
    if directions.size * steps[0].size <= MOST_AT_ONCE:
        points = x + steps.reshape(shape[0], -1, 1) * directions[:, None, :]
        values = evaluate(f, points.reshape(-1, x.size))
    else:  # so many copies of a large model would not fit: one after another, in one compiled loop
        one = jax.jit(lambda x, v, steps: jax.lax.map(lambda s: f(x + s * v), steps))
        values = np.concatenate([np.asarray(one(x, v, s.ravel())) for v, s in zip(directions, steps)])
    return values.reshape(*shape, *values.shape[1:])


def _extrapolate(quotients: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Along axis 1 the most settled of the values extrapolated from each step and the next, and how settled it is.

    An error c h² shrinks by CONTRACTION² from one step to the next, so that two quotients give the value without it.
    A value is as uncertain as its larger distance to its neighbours: three in a row that agree by accident, across a
    kink, are rarer than two.
    """
    weight = CONTRACTION**2
    values = (weight * quotients[:, 1:] - quotients[:, :-1]) / (weight - 1)
    apart = np.abs(np.diff(values, axis=1))
    error = np.maximum(apart[:, :-1], apart[:, 1:])
    error = np.where(np.isfinite(error), error, np.inf)
    at = np.argmin(error, axis=1, keepdims=True)
    value = np.take_along_axis(values[:, 1:-1], at, axis=1)[:, 0]
    return value, np.take_along_axis(error, at, axis=1)[:, 0]


def circle(f: Callable[[Any], Any], x: float, order: int, points: int = 64) -> tuple[float, float]:
    """The derivative of any order by Cauchy's integral over a circle round x, with an error estimate.

    f⁽ⁿ⁾(x) = n! / (2 pi r^n) ∫ f(x + r e^{iθ}) e^{-inθ} dθ, by the trapezoidal rule, which converges geometrically;
    of several radii r the one is taken where aliasing and rounding together are least.

    Args:
        f: number -> number, analytic near x.
        x: the point.
        order: n, at least 0 and below a quarter of `points`.
        points: how many on each circle.

    Reference: B. Fornberg, Numerical differentiation of analytic functions, 1981.
    """
    if not 0 <= order < points // 4:
        raise ValueError(f"order is from 0 to {points // 4 - 1}; it was {order}.")
    radii = max(1.0, abs(x)) * 2.0 ** -np.arange(-1.0, 12.0)
    angles = np.exp(2j * np.pi * np.arange(points) / points)
    values = evaluate(f, (x + radii[:, None] * angles).ravel()).reshape(len(radii), points)
    factor = math.factorial(order) / radii**order
    with np.errstate(invalid="ignore", over="ignore"):
        full = np.fft.fft(values)[:, order].real / points * factor
        half = np.fft.fft(values[:, ::2])[:, order].real / (points // 2) * factor
        rounding = np.finfo(values.real.dtype).eps * np.abs(values).max(axis=1) * factor
        error = np.abs(full - half) + rounding
    error = np.where(np.isfinite(error) & np.isfinite(full), error, np.inf)
    at = int(np.argmin(error))
    return float(full[at]), float(error[at])
