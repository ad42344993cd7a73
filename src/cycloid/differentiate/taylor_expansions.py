"""Taylor polynomials of one and of several variables, with a remainder: a bound for formulas, else an estimate."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, ArrayLike, Float, Int

from cycloid.core.formulas import Formula
from cycloid.core.functions import Traceable, as_function
from cycloid.core.results import ErrorKind, Question, Result, Status, conclude, is_traced
from cycloid.differentiate import convergence_radii, enclosures
from cycloid.differentiate.arguments import scalar_value
from cycloid.differentiate.convergence_radii import Radius, likely
from cycloid.differentiate.derived import Derived, name_of
from cycloid.differentiate.entire_functions import is_entire
from cycloid.differentiate.polynomials import Polynomial, monomials, of_degree
from cycloid.differentiate.series import nth_derivative, taylor_series
from cycloid.differentiate.taylor_rules import NoTaylorRule
from cycloid.differentiate.vector_maps import at_each, names_of, numbered, real_array

HIGHEST = 30  # order
NESTED = 8  # order for functions without Taylor rules, whose cost grows exponentially
MONOMIALS = 3000  # coefficients of a polynomial of several variables
BEYOND = 4  # further coefficients of a function that is no formula, for the radius of convergence
SAMPLES = 33  # points at which f and p are compared for an estimate


@final
class Expansion(Result):
    """A Taylor polynomial and how far it may be from the function.

    Attributes:
        value: the polynomial, callable.
        error: of |f(x) − p(x)| for |x_i − a_i| ≤ radius.
        error_kind: "bound" for a formula whose remainder could be enclosed; "estimate", from samples; "none".
        evaluations: of the function; a pass with series of n + 1 coefficients counts as n + 1.
        status: "all_steps", or "nonfinite" where a derivative is.
        radius: the distance up to which `error` holds.
        convergence: radius of convergence: infinite where f is made of functions without a singularity, else within
            some percent what the coefficients suggest; NaN where they do not tell, and for several variables.
    """

    value: Polynomial
    error: Float[ArrayLike, "..."]
    error_kind: ErrorKind
    evaluations: Int[ArrayLike, "..."]
    status: Status
    radius: Float[Array, "..."]
    convergence: Float[Array, "..."]

    @property
    def coefficients(self) -> Any:
        """The coefficients of the polynomial."""
        return self.value.coefficients

    @property
    def order(self) -> int:
        """The order of the polynomial."""
        return self.value.order


def taylor(
    f: Callable[..., Any] | Formula | str,
    x0: Any,
    *,
    order: int = 6,
    radius: float | None = None,
    throw: bool = True,
) -> Expansion:
    """The Taylor polynomial of f about x0, and how far it may be from f.

    p(x) = Σ f⁽ᵏ⁾(a)/k! (x − a)ᵏ, k from 0 to n, with a = x0 and n = order; of several variables
    p(x) = Σ ∂^α f(a)/α! (x − a)^α over all |α| ≤ n. One pass of Taylor arithmetic gives all coefficients of one
    variable; of several, passes along directions v, whose coefficients Σ_|α|=k c_α v^α are solved for c_α.

    For a formula the remainder, the integral of f⁽ⁿ⁺¹⁾(t)/n! (x − t)ⁿ from a to x, is enclosed by interval arithmetic
    for all x within the radius: a bound, which also holds the rounding of the coefficients (enclosed for one variable,
    with an allowance for several). Where that is not possible, and for other functions, the largest of
    |f − p| at 33 points (64 and the corners, of several variables): an estimate.

    Args:
        f: the function of one number, vector or pytree of numbers, with one real value: callable, formula or text.
        x0: the centre: a number, an array of shape (d,), a dict by name for a formula of several variables, a pytree.
        order: n, from 0 to 30; of several variables as far as there are at most 3,000 coefficients; at most 8 for a
            function with loops or rules of its own, which Taylor arithmetic cannot follow.
        radius: how far from x0 the remainder is looked at, in each variable; by default half the radius of convergence,
            at most 1; where that is not known, half the least |c_k|^(−1/k) of the later coefficients; of several
            variables 0.5.
        throw: whether a derivative that is not finite raises `ConvergenceError`.

    Returns:
        An `Expansion`: `value` is the polynomial, callable; `coefficients`, `error`, `radius`, `convergence`.

    Raises:
        TypeError: when the value of f is not one real number.
        ValueError: when the order or the radius do not fit.
        ConvergenceError: when a derivative is not finite and `throw` is set.

    Transformations: jit, vmap and grad of the coefficients; traced, the remainder is an estimate.

    Cost: n²/2 products for each operation of f, and the points of the remainder; of several variables that for each of
    about 2 (n + d − 1)!/(n! (d − 1)!) directions.

    Example:
        >>> from cycloid.differentiate import taylor
        >>> found = taylor("exp(x)", 0.0, order=3)
        >>> [round(float(c), 4) for c in found.coefficients], found.error_kind.name
        ([1.0, 1.0, 0.5, 0.1667], 'bound')
        >>> abs(float(found.value(1.0)) - 2.7182818) <= found.error < 0.06
        Array(True, dtype=bool)
        >>> print(taylor("exp(x)*y", {"x": 0.0, "y": 1.0}, order=2).value)
        1 + (y - 1) + x + x*(y - 1) + 0.5*x^2

    Reference: B. Taylor, Methodus incrementorum directa et inversa, 1715; A. Griewank, J. Utke and A. Walther,
    Evaluating higher derivative tensors by forward propagation of univariate Taylor series, 2000 (several variables).
    """
    subject = _subject(as_function(f), x0)
    _check_order(order, subject)
    if radius is not None and not (is_traced(radius) or (np.ndim(radius) == 0 and 0 < radius < math.inf)):
        raise ValueError(f"taylor: radius is a positive number, or None; it was {radius!r}.")
    reach = _reach(subject)
    usual = min(1.0, reach.likely / 2) if reach.likely == reach.likely else math.nan
    asked = jnp.asarray(usual if radius is None else radius, subject.centre.dtype)
    beyond = BEYOND if math.isnan(usual) and subject.centre.ndim == 0 else 0
    try:
        found = Derived("taylor", _expand, subject.function, (order, beyond), costly=True)(subject.centre, asked)
    except NoTaylorRule as error:
        raise ValueError(
            f"taylor: {name_of(subject.function)} holds the operation {error}, which Taylor arithmetic cannot follow, "
            f"and nested derivatives grow too costly beyond order {NESTED}: choose order={NESTED} or lower."
        ) from None
    powers = None if subject.centre.ndim == 0 else monomials(subject.centre.size, order)
    count = order + 1 if powers is None else len(powers)
    polynomial = Polynomial(subject.centre, found["series"][:count], powers, subject.names)
    convergence = reach.convergence
    if beyond and not is_traced(found):
        convergence = convergence_radii.of_coefficients(np.asarray(found["series"], float))
    error, kind = found["sampled"], "estimate"
    if subject.formula is not None and not is_traced(found):
        bound = _bound(subject.formula, polynomial, float(found["radius"]))
        error, kind = (error, kind) if bound is None else (jnp.asarray(bound, error.dtype), "bound")
    finite = jnp.all(jnp.isfinite(polynomial.coefficients))
    known = finite & jnp.isfinite(error)
    result = Expansion(
        value=polynomial,
        error=jnp.where(known, error, math.nan),
        error_kind=ErrorKind.where(known, ErrorKind.named(kind), ErrorKind.named("none")),
        evaluations=found["evaluations"],
        status=Status.where(finite, Status.named("all_steps"), Status.named("nonfinite")),
        radius=found["radius"],
        convergence=jnp.asarray(convergence, subject.centre.dtype),
    )
    return conclude(result, throw=throw, question=Question(f, {"x0": x0, "order": order, "radius": radius}))


# --- what is expanded ---------------------------------------------------------------------------------------------


class _Subject(NamedTuple):
    """A function of one number or one vector, its centre, the names of its variables, the formula where it is one."""

    function: Callable[[Any], Any]
    centre: Float[Array, "..."]
    names: tuple[str, ...]
    formula: Formula | None


def _subject(function: Callable[..., Any], x0: Any) -> _Subject:
    if isinstance(function, Formula):
        return _of_formula(function, x0)
    if isinstance(x0, Mapping | eqx.Module):
        flat, back = ravel_pytree(jax.tree.map(real_array, x0))
        return _Subject(Traceable(lambda v: function(back(v))), flat, names_of(x0, flat.size), None)
    centre = real_array(x0)
    if centre.ndim > 1:
        raise ValueError(f"taylor: x0 is a number, a vector or a pytree of numbers; it had the shape {centre.shape}.")
    return _Subject(function, centre, ("x",) if centre.ndim == 0 else numbered(centre.size), None)


def function_of(f: Callable[..., Any] | Formula | str, x0: Any) -> Callable[[Any], Any]:
    """What `taylor` expands at x0: f as a function of one number or of one vector."""
    return _subject(as_function(f), x0).function


def _of_formula(formula: Formula, x0: Any) -> _Subject:
    names = formula.variables
    if isinstance(x0, Mapping):
        if set(x0) != set(names):
            raise ValueError(f"taylor: {formula.text} has the variables {', '.join(names)}; x0 has {', '.join(x0)}.")
        values = [x0[name] for name in names]
        centre = jnp.stack([real_array(value) for value in values]) if len(names) != 1 else real_array(values[0])
    else:
        centre = real_array(x0)
    if len(names) <= 1 and centre.shape in ((), (1,)):
        name = names or ("x",)
        return _Subject(formula if names else Traceable(lambda x: formula() + 0 * x), centre.reshape(()), name, formula)
    if centre.shape != (len(names),):
        raise ValueError(
            f"taylor: {formula.text} has the variables {', '.join(names)}: pass x0 as a dict by name, or as an array "
            f"of shape ({len(names)},); its shape was {centre.shape}."
        )
    return _Subject(Traceable(formula.of_vector), centre, names, formula)


def _reach(subject: _Subject) -> Radius:
    """How far the series reaches, as far as it is known before it is computed."""
    if subject.centre.ndim:
        return Radius(math.nan, 1.0)
    if is_entire(subject.function, subject.centre.dtype):
        return Radius(math.inf, math.inf)
    if subject.formula is None or is_traced(subject.centre):
        return Radius(math.nan, math.nan)
    return convergence_radii.of_formula(subject.formula.tree, subject.names[0], float(subject.centre))


def _check_order(order: Any, subject: _Subject) -> None:
    if type(order) is not int or not 0 <= order <= HIGHEST:
        raise ValueError(f"taylor: order is a whole number from 0 to {HIGHEST}; it was {order!r}.")
    d = max(1, subject.centre.size)
    if math.comb(order + d, d) > MONOMIALS:
        raise ValueError(
            f"taylor: a polynomial of order {order} in {d} variables has {math.comb(order + d, d):,} coefficients; "
            f"at most {MONOMIALS:,} are computed. Lower the order, or expand in fewer variables."
        )


# --- coefficients -------------------------------------------------------------------------------------------------


def _expand(function: Callable[..., Any], order: int, beyond: int, args: tuple, kwargs: dict) -> dict[str, Any]:
    """Coefficients, the radius and the sampled remainder at (centre, radius or NaN): the part that is compiled."""
    centre, radius = args
    checked = lambda x: scalar_value(function(x), "taylor")
    if centre.ndim == 0:
        series, passes, powers = jnp.stack(_series(checked, centre, order, beyond)), 1, None
        radius = jnp.where(jnp.isnan(radius), jnp.minimum(1.0, likely(series) / 2), radius)
        coefficients = series[: order + 1]
    else:
        series, passes = _by_directions(checked, centre, order)
        coefficients, powers = series, monomials(centre.size, order)
    radius = radius.astype(centre.dtype)
    points = centre + radius * jnp.asarray(_unit_points(centre.ndim and centre.size), centre.dtype)
    names = numbered(max(1, centre.size))
    values = at_each(checked, points)
    sampled = jnp.max(jnp.abs(values - Polynomial(centre, coefficients, powers, names)(points)))
    rounding = 4 * jnp.finfo(centre.dtype).eps * jnp.max(jnp.abs(values))
    return {
        "series": series.astype(centre.dtype) + 0.0,  # −0 becomes 0
        "radius": radius,
        "sampled": (sampled + rounding).astype(centre.dtype),
        "evaluations": jnp.asarray(passes * (order + 1 + beyond) + len(points), jnp.int32),
    }


def _series(g: Callable[[Any], Any], x: Any, order: int, beyond: int = 0) -> list[Any]:
    """c_0 … c_(n + beyond) of g at x, or without the further ones where derivatives have to be nested."""
    try:
        return taylor_series(g, x, order + beyond)
    except (NoTaylorRule, jax.errors.ConcretizationTypeError):
        if order > NESTED:
            raise
    return [jnp.asarray(g(x))] + [nth_derivative(g, x, k) / math.factorial(k) for k in range(1, order + 1)]


def _by_directions(g: Callable[[Any], Any], centre: Any, order: int) -> tuple[Any, int]:
    """c_α for all |α| ≤ order, from the series of g(a + t v) along directions v: (coefficients, passes)."""
    directions, solvers = _directions(centre.size, order)
    zero = jnp.zeros((), centre.dtype)
    along = lambda v: jnp.stack(_series(lambda t: g(centre + t * v), zero, order))
    lines = at_each(along, jnp.asarray(directions, centre.dtype))  # (directions, order + 1)
    return jnp.concatenate([_solved(solver, lines[:, k]) for k, solver in enumerate(solvers)]), len(directions)


def _solved(solver: np.ndarray, values: Any) -> Any:
    """The coefficients of one degree; what rounding alone could have made is zero."""
    found = jnp.asarray(solver, values.dtype) @ values
    reach = jnp.asarray(np.abs(solver).sum(axis=1), values.dtype) * jnp.max(jnp.abs(values))
    rounding = 4 * jnp.finfo(values.dtype).eps * reach
    return jnp.where(jnp.abs(found) <= rounding, 0.0, found)


@functools.lru_cache(maxsize=64)
def _directions(d: int, order: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Directions, and for each degree the matrix that makes coefficients of the values Σ c_α v^α along them.

    In the plane evenly spaced angles; in space twice as many fixed random directions as needed, whose systems are
    far better conditioned than those of a lattice (88 against 6,000 for 3 variables at order 6).
    """
    if d == 2:
        angles = np.pi * (np.arange(order + 1) + 0.5) / (order + 1)
        v = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    else:
        v = np.random.default_rng(0).normal(size=(2 * len(of_degree(d, order)), d))
        v /= np.linalg.norm(v, axis=1, keepdims=True)
    systems = [np.prod(v[:, None, :] ** np.asarray(of_degree(d, k))[None], axis=2) for k in range(order + 1)]
    return v, [np.linalg.pinv(system) for system in systems]


# --- remainders ---------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=32)
def _unit_points(d: int) -> np.ndarray:
    """Points of [−1, 1]^d: Chebyshev's for one variable (d = 0), else a Kronecker sequence, the corners, the axes."""
    if d == 0:
        return np.cos(np.pi * np.arange(SAMPLES) / (SAMPLES - 1))
    golden = 2.0 ** (1.0 / (d + 1.0)) if d > 2 else 1.32471795724474602596
    inside = 2 * np.mod(0.5 + np.outer(np.arange(1, 65), golden ** -np.arange(1.0, d + 1)), 1.0) - 1
    corners = np.array(list(itertools.product((-1.0, 1.0), repeat=d))) if d <= 6 else np.zeros((0, d))
    return np.concatenate([inside, corners, np.eye(d), -np.eye(d)])


def _bound(formula: Formula, p: Polynomial, radius: float) -> float | None:
    """A bound of |f − p| within the radius, the rounding of the coefficients included; None where there is none."""
    names, c = formula.variables, np.asarray(p.coefficients, float)
    centre = np.atleast_1d(np.asarray(p.centre, float)).tolist()
    if not names or not np.all(np.isfinite(c)) or not math.isfinite(radius):
        return None
    try:
        rest = enclosures.remainder_bound(formula.tree, names, centre, radius, p.order)
        if p.powers is None:
            exact = enclosures.coefficients(formula.tree, names[0], centre[0], p.order)
            rounding = sum(
                max(abs(a - low), abs(a - high)) * radius**k for k, (a, (low, high)) in enumerate(zip(c, exact))
            )
        else:
            sizes = np.abs(c) * radius ** np.array([sum(power) for power in p.powers], float)
            rounding = 1e3 * float(jnp.finfo(jnp.asarray(p.coefficients).dtype).eps) * float(sizes.sum())
    except (enclosures.NoEnclosure, OverflowError):
        return None
    bound = (rest + rounding) * (1 + 1e-12)
    return bound if math.isfinite(bound) else None
