"""root and fixed_point: where equations hold, and how that point answers to what they close over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import ArrayLike, Float, Int

from cycloid.core.results import ErrorKind, Question, Result, Status, conclude, is_traced
from cycloid.core.tolerance import Tolerance, as_tolerance, working_dtype
from cycloid.optimize.methods import split
from cycloid.optimize.optimistix_roots import root_by_optimistix
from cycloid.optimize.optimistix_solvers import Optimistix
from cycloid.optimize.points import as_point, as_static
from cycloid.optimize.residuals import as_residual, as_vector_function
from cycloid.optimize.root_finding import Found, anderson, bracketed, broyden, newton
from cycloid.optimize.scipy_solvers import SciPy

# Up to this many unknowns the Jacobian is formed for derivatives; beyond it products alone are used.
DENSE = 256
ROOT_METHODS = ("newton", "broyden")
FIXED_POINT_METHODS = ("anderson", "picard", "newton")


@final
class Root(Result):
    """Where equations hold.

    Attributes:
        value: the solution, a pytree like x0.
        error: the largest entry of the step that would be next: an estimate of the distance to the exact solution.
        error_kind: "estimate".
        evaluations: of the equations; with their Jacobian they count once.
        status: how the search ended.
        residual_norm: the largest entry of F, or of G(x) − x.
        steps: how many were made.
        trace: the residual norm at each point, NaN where none was reached.
    """

    value: Any
    error: Float[ArrayLike, "..."]
    error_kind: ErrorKind
    evaluations: Int[ArrayLike, "..."]
    status: Status
    residual_norm: Float[ArrayLike, "..."]
    steps: Int[ArrayLike, "..."]
    trace: Float[ArrayLike, "... points"]


def root(
    F: Callable[[Any], Any] | str | Sequence[Any],
    x0: Any = None,
    *,
    bracket: tuple[Any, Any] | None = None,
    method: str | Optimistix | SciPy = "newton",
    tol: float | Tolerance | None = None,
    max_steps: int = 100,
    throw: bool = True,
) -> Root:
    """A solution of F(x) = 0 near x0, or between the two ends of a bracket.

    Ends where |Fᵢ(x)| <= tol.atol + tol.rtol · Σⱼ |∂Fᵢ/∂xⱼ xⱼ| for every i: the right side is the size of the terms
    that cancel in Fᵢ.

    Args:
        F: as many equations as unknowns: a function of one pytree that returns an array or a pytree, a formula, or a
            list of formulas.
        x0: where to start, as for `minimize`; not needed with a bracket.
        bracket: for one unknown: two ends between which F changes its sign.
        method: "newton", with the exact Jacobian and a trust region; "broyden", which forms the Jacobian once
            and corrects it by what the steps tell, for equations that cost much. A bracket has its own. Solvers from
            elsewhere are `Optimistix(optimistix.Newton(...))` and `SciPy("hybr")`.
        tol: a number (for both parts) or `Tolerance(rtol, atol)`; None is eps^(3/4).
        max_steps: at most this many.
        throw: raise `ConvergenceError` when none was found; False returns the result with its status.

    Returns:
        A `Root`. The status is *no_root* where |F| is least nearby without being zero.

    Raises:
        TypeError: when F is no function, or returns no real numbers.
        ValueError: when there are more or fewer equations than unknowns, or no sign changes over the bracket.
        ConvergenceError: see `throw`.

    Transformations: jit and vmap, each member with its own status. Under grad, jvp and vjp the solution is
    differentiated by the implicit function theorem, dx = −J⁻¹ ∂F, with respect to what F closes over, never x0.

    With a solver of SciPy's none holds: traced it raises TypeError.

    Cost: F with its Jacobian a step, and F for each trial; `evaluations` counts each as one.

    Example:
        >>> from cycloid.optimize import root
        >>> found = root("x^2 - 2", 1.0)
        >>> round(float(found.value), 9), found.status
        (1.414213562, <converged>)
        >>> float(root("cos(x) - x", bracket=(0.0, 1.0)).value)
        0.73908513...

    Reference: Dennis, Schnabel, Numerical methods for unconstrained optimization and nonlinear equations, 1983,
    chapters 6 and 8; Chandrupatla, A new hybrid quadratic/bisection algorithm, 1997.
    """
    ends = _ends(bracket, x0)
    point = as_point(ends[0] if ends is not None else _given(x0))
    function = as_residual(F, point, "F")
    if not isinstance(method, Optimistix | SciPy) and method not in ROOT_METHODS:
        known = " or ".join(map(repr, ROOT_METHODS))
        raise ValueError(f"method= is {known}, Optimistix(...) or SciPy(...); it was {method!r}.")
    settings = _settings(tol, max_steps, point)
    name: Any = "bracket" if ends is not None else method
    width = None if ends is None else as_point(ends[1])
    if ends is not None and not is_traced(ends):
        _signs(function, ends)
    find = _by_scipy if isinstance(name, SciPy) else _root
    found = find(as_static(function), point, width, name, *settings)
    asked = Question(F, {"x0": x0, "bracket": bracket, "tol": tol, "max_steps": max_steps}, name)
    return conclude(found, throw=throw, question=asked)


def fixed_point(
    G: Callable[[Any], Any] | str | Sequence[Any],
    x0: Any,
    *,
    method: str = "anderson",
    memory: int = 5,
    tol: float | Tolerance | None = None,
    max_steps: int = 500,
    throw: bool = True,
) -> Root:
    """A point that G leaves where it is, x = G(x).

    Ends where |G(x) − x| <= tol.atol + tol.rtol · ‖x‖_∞ in every entry.

    Args:
        G: a function of one pytree that returns one like it, a formula, or a list of formulas.
        x0: where to start, as for `minimize`.
        method: "anderson", x ← the mixture of the last values of G whose mixed residuals cancel best; "picard",
            x ← G(x); "newton" on x − G(x), where G is not contracting.
        memory: how many differences of past points Anderson's method mixes.
        tol: a number (for both parts) or `Tolerance(rtol, atol)`; None is eps^(3/4).
        max_steps: at most this many.
        throw: raise `ConvergenceError` when none was found; False returns the result with its status.

    Returns:
        A `Root`.

    Raises:
        TypeError: when G is no function.
        ValueError: when G does not return as many numbers as x has.
        ConvergenceError: see `throw`.

    Transformations: as `root`, with F(x) = x − G(x).

    Cost: one evaluation of G a step.

    Example:
        >>> from cycloid.optimize import fixed_point
        >>> found = fixed_point("cos(x)", 1.0)
        >>> round(float(found.value), 10), int(found.steps) < 10
        (0.7390851332, True)

    Reference: Anderson, Iterative procedures for nonlinear integral equations, 1965; Walker, Ni, Anderson
    acceleration for fixed-point iterations, 2011.
    """
    point = as_point(x0)
    function = as_residual(G, point, "G")
    if method not in FIXED_POINT_METHODS:
        raise ValueError(f"method= is {', '.join(map(repr, FIXED_POINT_METHODS))}; it was {method!r}.")
    if isinstance(memory, bool) or not isinstance(memory, int) or memory < 1:
        raise ValueError(f"memory= is an integer of at least 1; it was {memory!r}.")
    settings = _settings(tol, max_steps, point)
    found = _fixed_point(as_static(function), point, method, memory if method == "anderson" else 0, *settings)
    asked = Question(G, {"x0": x0, "tol": tol, "max_steps": max_steps, "fixed_point": True}, method)
    return conclude(found, throw=throw, question=asked)


@eqx.filter_jit
def _root(function: Any, point: Any, other: Any, name: Any, tolerance: Tolerance, max_steps: int) -> Root:
    flat, unravel, rest = _flat(point)
    F = _square(as_vector_function(function, unravel, rest, flat.dtype), flat, "F")
    if name == "bracket":
        solve = lambda x: bracketed(F, x, jnp.ravel(other).astype(flat.dtype), tolerance, max_steps)
    elif isinstance(name, Optimistix):
        solve = lambda x: root_by_optimistix(name, F, x, tolerance, max_steps)
    else:
        solve = lambda x: {"newton": newton, "broyden": broyden}[name](F, x, tolerance, max_steps)
    return _answer(F, flat, solve, lambda x: eqx.combine(unravel(x), rest))


def _by_scipy(
    function: Any, point: Any, _: Any, method: SciPy, tolerance: Tolerance, max_steps: int
) -> Root:  # fmt: skip
    """The same by SciPy, in Python."""
    from cycloid.optimize.scipy_answers import equations_by_scipy  # the results of the other drivers are made there too

    flat, unravel, rest = _flat(point)
    F = as_vector_function(getattr(function, "function", function), unravel, rest, flat.dtype)
    progress, evaluations = equations_by_scipy(_square(F, flat, "F"), flat, method, tolerance, max_steps)
    norms, errors, _ = (jnp.asarray(column, flat.dtype) for column in zip(*progress.rows))
    status = "no_root" if progress.status == "stalled" else progress.status
    return Root(
        value=eqx.combine(unravel(jnp.asarray(progress.path[-1], flat.dtype)), rest),
        error=errors[-1],
        error_kind=ErrorKind.named("estimate"),
        evaluations=jnp.asarray(evaluations, jnp.int32),
        status=Status.named(status),
        residual_norm=norms[-1],
        steps=jnp.asarray(progress.steps, jnp.int32),
        trace=norms,
    )


@eqx.filter_jit
def _fixed_point(
    function: Any, point: Any, method: str, memory: int, tolerance: Tolerance, max_steps: int
) -> Root:  # fmt: skip
    flat, unravel, rest = _flat(point)
    G = _square(as_vector_function(function, unravel, rest, flat.dtype), flat, "G")
    F = lambda x: x - G(x)
    if method == "newton":
        solve = lambda x: newton(F, x, tolerance, max_steps)
    else:
        solve = lambda x: anderson(G, x, memory, tolerance, max_steps)
    return _answer(F, flat, solve, lambda x: eqx.combine(unravel(x), rest))


def _answer(F: Any, start: Any, solve: Callable[[Any], Found], restore: Callable[[Any], Any]) -> Root:
    """The solution, differentiable by the implicit function theorem, and what is known about it."""

    def plain(_: Any, x: Any) -> tuple[Any, Any]:
        found = solve(x)
        numbers = (found.error, found.norm, found.evaluations, found.steps, found.status.code)
        # custom_root gives integers tangents of the wrong type: they pass through it as floats.
        return found.x, (jnp.stack([jnp.asarray(n, x.dtype) for n in numbers]), found.trace)

    x, (numbers, trace) = jax.lax.custom_root(F, start, plain, _solve_tangent, has_aux=True)
    whole = numbers[2:].astype(jnp.int32)
    return Root(
        value=restore(x),
        error=numbers[0],
        error_kind=ErrorKind.named("estimate"),
        evaluations=whole[0],
        status=Status(whole[2]),
        residual_norm=numbers[1],
        steps=whole[1],
        trace=trace,
    )


def _solve_tangent(product: Callable[[Any], Any], right: Any) -> Any:
    """J⁻¹ b, from products alone where there are many unknowns."""
    n = right.size
    if n <= DENSE:
        jacobian = jax.vmap(product, out_axes=1)(jnp.eye(n, dtype=right.dtype))
        return jnp.linalg.solve(jacobian, right)
    precision = 10 * float(jnp.finfo(right.dtype).eps) ** 0.75
    gmres = lambda matrix, b: jax.scipy.sparse.linalg.gmres(matrix, b, tol=precision, restart=50)[0]
    return jax.lax.custom_linear_solve(product, right, gmres, transpose_solve=gmres)


def _flat(point: Any) -> tuple[Any, Any, Any]:
    parameters, rest = split(point)
    flat, unravel = ravel_pytree(parameters)
    return flat, unravel, rest


def _square(F: Callable[[Any], Any], x: Any, name: str) -> Callable[[Any], Any]:
    count = jax.eval_shape(F, x).size
    if count != x.size:
        raise ValueError(
            f"{name} returns {count} numbers for {x.size} unknowns: as many are needed. Where there are more "
            f"equations make their squares least, cy.optimize.least_squares."
        )
    return F


def _settings(tol: Any, max_steps: Any, point: Any) -> tuple[Tolerance, int]:
    dtype = working_dtype(point)
    if isinstance(max_steps, bool) or not isinstance(max_steps, int) or max_steps < 1:
        raise ValueError(f"max_steps= is an integer of at least 1; it was {max_steps!r}.")
    tolerance = as_tolerance(tol, dtype)
    small = float(jnp.finfo(dtype).eps) ** 0.75
    return (Tolerance(small, small) if tol is None else tolerance), max_steps


def _given(x0: Any) -> Any:
    if x0 is None:
        raise TypeError("root needs x0, where to start, or bracket=(low, high) for one unknown.")
    return x0


def _ends(bracket: Any, x0: Any) -> tuple[Any, Any] | None:
    if bracket is None:
        return None
    if not isinstance(bracket, (tuple, list)) or len(bracket) != 2:
        raise TypeError(f"bracket= is a pair (low, high) of numbers; it was {bracket!r}.")
    low, high = (jnp.asarray(end, float) if isinstance(end, (int, float)) else jnp.asarray(end) for end in bracket)
    if low.shape or high.shape:
        raise ValueError("bracket= is for one unknown: its ends are numbers. For several start from x0.")
    if x0 is not None:
        raise TypeError("root takes x0 or bracket=, not both.")
    return low, high


def _signs(function: Callable[[Any], Any], ends: tuple[Any, Any]) -> None:
    low, high = (float(np.ravel(np.asarray(jax.tree.leaves(function(end))[0]))[0]) for end in ends)
    if not (np.isnan(low) or np.isnan(high)) and low * high > 0:
        raise ValueError(
            f"F does not change its sign between {float(ends[0]):g} and {float(ends[1]):g}: it is {low:g} and {high:g} "
            f"there. Choose ends with different signs, or start from x0."
        )
