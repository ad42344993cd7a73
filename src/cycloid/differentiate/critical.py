"""`critical_points`: all minima, maxima, saddles and degenerate points of a function in a box."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cycloid.core.functions import as_objective
from cycloid.core.numerals import numeral
from cycloid.core.parallel import check_key
from cycloid.core.results import ErrorKind, Question, Status, conclude, is_traced
from cycloid.core.tolerance import as_tolerance, working_dtype
from cycloid.differentiate.critical_clusters import DEGENERATE, Arrivals, Table, row_of_root, table_of
from cycloid.differentiate.critical_proofs import Equations, equations, prove
from cycloid.differentiate.critical_results import CriticalPoints, Extreme, Kind, Proof
from cycloid.differentiate.newton_boxes import Survey
from cycloid.differentiate.sparse.named import names as names_of
from cycloid.differentiate.stationary import (
    Frame,
    OfVector,
    as_vector_function,
    look,
    spread,
    typical,
    vector,
)

# Rounds of starts at most; up to so many variables the edges are searched; starts on each face.
ROUNDS, EDGED, FACE_STARTS = 8, 4, 48


def critical_points(
    f: Callable[[Any], Any] | str,
    lower: Any,
    upper: Any,
    *,
    key: Any = None,
    constraint: Callable[[Any], Any] | str | None = None,
    tol: float | None = None,
    starts: int = 256,
    max_steps: int = 120,
    certify: bool = True,
    boxes: int = 60_000,
    throw: bool = True,
) -> CriticalPoints:
    r"""All points of a box where the gradient of f vanishes, each with its kind.

    ∇f(x) = 0 by Newton's method from many starts at once, until a round of them finds nothing new; each point is
    classified by the eigenvalues of the Hessian: all positive a minimum, all negative a maximum, of both signs a
    saddle. For formulas of up to three variables the box is then subdivided with intervals (Krawczyk's method), which
    **proves** that the table is complete, or says where it could not; points that the walks missed are found that way.

    With a constraint, the points where f is stationary along g(x) = 0:

        ∇f(x) = λ ∇g(x),   g(x) = 0,

    classified by the bordered Hessian. λ is the shadow price: when the constraint is loosened to g = ε, the value at
    this point rises by λ ε, to first order.

    Args:
        f: a function of one point that JAX can trace, a formula, or the text of one.
        lower, upper: opposite corners of the box: two arrays (for a formula in the order of its variables), two dicts
            by name, two numbers for one variable, or any pytrees of one structure.
        key: a typed key, `jax.random.key(0)`: it shifts the starts.
        constraint: g, as f; a text may be an equation, such as "reach + depth = 5".
        tol: the largest entry of the gradient allowed, where 1 is its typical length and the box has side 1; by default
            √eps.
        starts: how many in a round.
        max_steps: of one walk.
        certify: whether to subdivide with intervals where that is possible.
        boxes: how many boxes to look at before the rest is called undecided.
        throw: raise when no walk arrived anywhere and nothing is proven.

    Returns:
        A `CriticalPoints`: `sentence` says what was found and how sure it is, `to_pandas()` is the table. An eigenvalue
        below eps^(1/3) of the function's typical curvature counts as zero, and the point as degenerate, unless the
        contrary is proven. Curves of critical points are not listed but kept in `continua`. `lowest` and `highest`
        include the edges. Kinks, where the gradient jumps over zero, are no critical points.

    Raises:
        TypeError: without a key; when traced; when f is no function.
        ValueError: when the corners do not make a box, or a name or a number is wrong.
        ConvergenceError: when no walk arrived and nothing is proven.

    Transformations: none: how many points there are is not known beforehand.

    Cost: some ten thousand gradients and Hessians in one compiled program; a proof, a few hundred boxes for each point.

    Example:
        >>> import cycloid as cy
        >>> found = critical_points("x^4 + y^4 - 4x*y", [-2, -2], [2, 2], key=jax.random.key(0))
        >>> print(found.sentence)
        3 critical points: 2 minima, 1 saddle. Proven: these are all of them.
        >>> sorted(found.points.round(6).tolist())
        [[-1.0, -1.0], [0.0, 0.0], [1.0, 1.0]]
        >>> best = critical_points("x*y", [0, 0], [4, 4], constraint="x + y = 3", key=jax.random.key(0))
        >>> best.points.round(6).tolist(), best.multiplier.round(6).tolist(), best.kind.name
        ([[1.5, 1.5]], [1.5], ['maximum'])

    Reference: R. Krawczyk, Newton-Algorithmen zur Bestimmung von Nullstellen mit Fehlerschranken, 1969;
    D. Luenberger and Y. Ye, Linear and nonlinear programming, 2008, chapter 11, for the multipliers.
    """
    key = check_key(key, "critical_points")
    _check(starts, max_steps, boxes)
    search = _asked(f, lower, upper, constraint, tol, max_steps)
    try:
        arrivals, table = _searched(search, key, starts)
    except jax.errors.TracerBoolConversionError as error:
        raise TypeError(
            "critical_points walks from many starts at once: write jnp.where(condition, a, b) instead of `if`."
        ) from error
    about, why = equations(search.plain_f, search.plain_g, search.names) if certify else (None, "certify=False")
    proof = None
    if about is not None:
        guesses = table.points[table.kinds != DEGENERATE]
        told = prove(about, search.low, search.high, guesses, bool(table.continua), boxes)
        proof = _as_proof(told)
        table = _with_roots(search, table, told, about)
    question = Question(
        f, {"lower": lower, "upper": upper, "constraint": constraint, "key": key, "tol": tol, "starts": starts}
    )
    return conclude(_result(search, arrivals, table, proof, why), throw=throw, question=question)


# --- what is asked --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Search:
    """A search as arrays: f and g of vectors, the box, the tolerance."""

    plain_f: Any
    plain_g: Any
    functions: tuple[OfVector, OfVector | None]
    names: tuple[str, ...]
    low: np.ndarray
    high: np.ndarray
    dtype: Any
    tol: float
    max_steps: int

    @property
    def width(self) -> np.ndarray:
        return self.high - self.low

    @property
    def dims(self) -> int:
        return len(self.low)


def _check(starts: int, max_steps: int, boxes: int) -> None:
    for name, number in (("starts", starts), ("max_steps", max_steps), ("boxes", boxes)):
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise ValueError(f"critical_points: {name}= is a whole number, at least 1; it was {number!r}.")


def _asked(f: Any, lower: Any, upper: Any, constraint: Any, tol: Any, max_steps: int) -> _Search:
    if is_traced((lower, upper)):
        raise TypeError("critical_points cannot be traced: how many points there are is not known beforehand.")
    lower, upper = as_corner(lower), as_corner(upper)
    if jax.tree.structure(lower) != jax.tree.structure(upper):
        raise ValueError("lower and upper are two corners of one box: give both as arrays, or both by the same names.")
    dtype = working_dtype((lower, upper))
    low, high = (np.asarray(vector(corner, dtype), float) for corner in (lower, upper))
    if (
        low.shape != high.shape
        or not low.size
        or not np.all(np.isfinite(low) & np.isfinite(high))
        or np.any(low >= high)
    ):
        raise ValueError(
            f"lower and upper are finite corners with lower < upper, such as [-2, -2] and [2, 2]; they were "
            f"{low.tolist()} and {high.tolist()}."
        )
    function = as_objective(f, lower)
    g = None if constraint is None else as_objective(as_equation(constraint, function), lower, "constraint")
    formula = getattr(function, "formula", None)
    names = formula.variables if formula is not None and not isinstance(lower, Mapping) else tuple(names_of(lower))
    if len(names) != low.size:
        raise ValueError(f"{formula} has {len(names)} variables; the corners have {low.size} numbers.")
    if g is not None and low.size == 1:
        raise ValueError("a constraint on one variable leaves no direction to move in: give f at least two variables.")
    functions = as_vector_function(function, lower), None if g is None else as_vector_function(g, lower)
    tolerance = as_tolerance(tol, dtype).atol
    return _Search(function, g, functions, names, low, high, dtype, tolerance or 1e-12, max_steps)


def as_corner(corner: Any) -> Any:
    """A corner with floats in it: 2 is read as 2.0, a list of numbers as an array."""
    if isinstance(corner, (list, tuple)) and all(np.ndim(entry) == 0 for entry in corner):
        return jnp.asarray(corner, float)
    as_float = lambda leaf: jnp.asarray(leaf, float) if jnp.result_type(leaf).kind in "biu" else jnp.asarray(leaf)
    return jax.tree.map(as_float, corner)


def as_equation(constraint: Any, function: Any) -> Any:
    """A text with an equals sign that is no header, as left side − (right side); over the variables of f."""
    if not isinstance(constraint, str):
        return constraint
    from cycloid.core.formulas import formula

    left, equals, right = constraint.partition("=")
    if equals and not re.fullmatch(r"\s*\w+\s*\([\w\s,]*\)\s*", left):
        constraint = f"{left} - ({right})"
    elif equals:
        return constraint  # a header names its own variables
    variables = getattr(getattr(function, "formula", None), "variables", None)
    return formula(constraint, variables)


# --- the search -----------------------------------------------------------------------------------------------------


def _searched(search: _Search, key: Any, starts: int) -> tuple[Arrivals, Table]:
    """Rounds of walks inside until one finds nothing new, then walks on the faces."""
    shift = np.asarray(jax.random.uniform(key, (search.dims,)), float)
    low, width = (jnp.asarray(v, search.dtype) for v in (search.low, search.width))
    begun = jnp.asarray(spread(starts, search.dims, shift), search.dtype)
    f_unit, g_unit, curvature = typical(search.functions, begun, low, width)
    arrivals = Arrivals(search, Frame(low, width, f_unit, g_unit), float(curvature))
    for turn in range(ROUNDS):
        new = arrivals.add(arrivals.walk(spread(starts, search.dims, shift, skip=turn * starts)))
        if turn and not new:
            break
    places, continua = arrivals.settled()
    edges = _on_edges(search, arrivals, shift)
    if search.functions[1] is None:
        edges = np.concatenate([edges, np.asarray(begun, float)])
    table = dataclasses.replace(table_of(arrivals, places, continua), candidates=edges)
    return arrivals, table


def _on_edges(search: _Search, arrivals: Arrivals, shift: np.ndarray) -> np.ndarray:
    """Places where f is stationary along a face, and the corners: where the extremes of the box may be."""
    if search.dims > EDGED:
        return np.zeros((0, search.dims))
    starts, masks = [], []
    for side in itertools.product((None, 0.0, 1.0), repeat=search.dims):
        free, at = np.array([s is None for s in side]), np.array([s or 0.0 for s in side])
        if not free.all():
            points = np.where(free, spread(FACE_STARTS if free.any() else 1, search.dims, shift), at)
            starts.append(points)
            masks.append(np.broadcast_to(free, points.shape))
    begun = np.concatenate(starts)
    ends = arrivals.ends(arrivals.walk(begun, np.concatenate(masks)))[:, : search.dims]
    return ends if search.functions[1] is not None else np.concatenate([ends, begun])


# --- proof and result -----------------------------------------------------------------------------------------------


def _with_roots(search: _Search, table: Table, told: Survey, about: Equations) -> Table:
    """The proven roots in place of what the walks found near them; those that the walks missed are added."""
    room = 1e-6 * search.width
    for low, high in zip(told.low, told.high):
        if np.all(low <= search.high) and np.all(high >= search.low):
            near = np.all((table.points >= low - room) & (table.points <= high + room), axis=1)
            root = row_of_root(search, low, high, about.index_over(low, high), table)
            table = table.rows(np.flatnonzero(~near)).joined(root)
    return table


def _as_proof(told: Survey) -> Proof:
    regions = len(told.undecided_low)
    if regions == 0:
        words = "Proven: these are all of them." if len(told.roots) else "Proven: there is none."
    else:
        widest = float(np.max(told.undecided_high - told.undecided_low))
        where = f"{regions} region{'' if regions == 1 else 's'} no wider than {numeral(widest, 2)}"
        words = f"Proven: there are no others outside of {where}, where nothing could be decided."
    return Proof(regions == 0, words, np.stack([told.undecided_low, told.undecided_high], axis=1), told.examined)


def _result(search: _Search, arrivals: Arrivals, table: Table, proof: Proof | None, why: str) -> CriticalPoints:
    points = jnp.asarray(table.points, search.dtype)
    rise = np.zeros(len(points)) if table.multipliers is None else table.multipliers
    local = look(search.functions, table.points, rise, search.dtype)
    gradients = local.slopes - rise[:, None] * local.borders
    order = np.lexsort((local.values, table.kinds))
    table, points, rise = table.rows(order), points[order], rise[order]
    arrived = arrivals.arrived or proof is not None
    sure, known = bool(len(points)) and bool(np.all(table.proven)), len(points) > 0
    lowest, highest = _extremes(search, table)
    cast = lambda values: jnp.asarray(values, search.dtype)
    slack = 1e-9 * search.width
    return CriticalPoints(
        value=jax.vmap(search.functions[0].tree)(points), points=points, objective=cast(local.values[order]),
        error=cast(np.max(table.radius) if known else np.nan),
        error_kind=ErrorKind.named("bound" if sure else "estimate" if known else "none"),
        evaluations=jnp.asarray(arrivals.evaluations + (0 if proof is None else proof.boxes)),
        status=Status.named("converged" if arrived else "max_steps" if arrivals.finite else "nonfinite"),
        gradient_norm=cast(np.max(np.abs(gradients[order]), axis=1, initial=0.0)), kind=Kind(table.kinds),
        eigenvalues=cast(table.eigenvalues), index=table.index, radius=cast(table.radius), proven=table.proven,
        on_edge=np.any((table.points <= search.low + slack) | (table.points >= search.high - slack), axis=1),
        multiplier=None if table.multipliers is None else cast(rise), continua=tuple(table.continua), lowest=lowest,
        highest=highest, proof=proof, why=why, names=search.names, lower=cast(search.low), upper=cast(search.high),
    )  # fmt: skip


def _extremes(search: _Search, table: Table) -> tuple[Extreme | None, Extreme | None]:
    """The lowest and the highest of all that was met: critical points, edges, corners, and the starts themselves."""
    if search.dims > EDGED:
        return None, None
    met = [table.points, *(np.asarray(each.points, float) for each in table.continua)]
    places = np.concatenate([table.candidates, *((points - search.low) / search.width for points in met)])
    places = np.clip(places, 0.0, 1.0)
    local = look(search.functions, search.low + search.width * places, np.zeros(len(places)), search.dtype)
    fit = np.isfinite(local.values)
    if search.functions[1] is not None:
        steep = np.linalg.norm(local.borders * search.width, axis=1)
        fit &= np.abs(local.levels) <= np.sqrt(np.finfo(search.dtype).eps) * steep
    if not fit.any():
        return None, None
    values = np.where(fit, local.values, np.nan)
    low, high = int(np.nanargmin(values)), int(np.nanargmax(values))
    return _extreme(search, places[low], values[low]), _extreme(search, places[high], values[high])


def _extreme(search: _Search, place: np.ndarray, value: float) -> Extreme:
    held = (place <= 1e-9) | (place >= 1 - 1e-9)
    point = jnp.asarray(search.low + search.width * place, search.dtype)
    words = "corner" if held.all() else "edge" if held.any() else "inside"
    return Extreme(search.functions[0].tree(point), jnp.asarray(value, search.dtype), words)
