"""Second methods for critical points: the count by the turning of the gradient, and every point by differences."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from cycloid.checks.cards import Card, compare, resting_on, unchecked
from cycloid.checks.differences import central, evaluate, is_analytic
from cycloid.checks.registry import register
from cycloid.core.functions import as_objective
from cycloid.core.results import Question
from cycloid.differentiate.critical import as_corner, as_equation
from cycloid.differentiate.critical_clusters import DEGENERATE
from cycloid.differentiate.critical_results import CriticalPoints
from cycloid.differentiate.stationary import as_vector_function

# Points on each side of the contour at first, halvings where the gradient turns fast, and points looked at one by one.
SIDE, HALVINGS, LOOKED_AT = 512, 12, 40
# How much of the box the contour may be drawn in, to keep it off the points that lie on the edge.
MARGINS = (0.0, 0.0013, 0.0041, 0.0107, 0.0233)


@register(CriticalPoints)
def check_critical_points(result: CriticalPoints, question: Question) -> Card:
    """The number of minima and maxima less that of saddles, by how often the gradient turns along the edge.

    By the theorem of Poincaré and Hopf the two are equal for two variables; for one, the signs of the slope at the two
    ends tell. Each point is looked at again without automatic differentiation.

    Cost: some thousand complex evaluations along the contour, and about 100 for each point.
    """
    like = as_corner(question.arguments["lower"])
    f = as_vector_function(as_objective(question.function, like), like)
    constraint = question.arguments.get("constraint")
    if not result.count:
        empty = _count_card(f, result) if constraint is None else None
        return empty or unchecked("the table is empty", "Newton's method", None, "There is no point to look at.")
    if constraint is not None:
        g = as_vector_function(as_objective(as_equation(constraint, f.function), like, "constraint"), like)
        return resting_on(_multipliers_card(f, g, result), _stationary_card(f, g, result))
    count, kinds = _count_card(f, result), resting_on(_kinds_card(f, result), _stationary_card(f, None, result))
    return kinds if count is None else resting_on(count, kinds)


# --- the count ------------------------------------------------------------------------------------------------------


def _count_card(f: Callable[[Any], Any], result: CriticalPoints) -> Card | None:
    """Minima and maxima less saddles, inside a contour that keeps clear of the points; None above two variables."""
    low, high = (np.asarray(corner, float) for corner in (result.lower, result.upper))
    claim = "the number of minima and maxima less that of saddles"
    if low.size > 2:
        return None
    degenerate = np.asarray(result.kind.code) == DEGENERATE if result.count else np.zeros(0, bool)
    if result.continua:
        return unchecked(
            claim, "the table", None, "Curves of critical points are not counted: the theorem needs isolated ones."
        )
    places = (np.asarray(result.points, float) - low) / (high - low)
    margin = _clear(places)
    inside = np.all((places > margin) & (places < 1 - margin), axis=1)
    corners = low + margin * (high - low), high - margin * (high - low)
    slopes = _gradient(f, np.asarray(result.lower))
    turns = _turns_around(slopes, *corners)
    if turns is None:
        return unchecked(claim, "the table", None, "The gradient vanishes or is not finite on the edge of the box.")
    indices = np.where(np.asarray(result.index) % 2 == 0, 1, -1)
    for k in np.flatnonzero(degenerate & inside):
        own = _turns_round_point(slopes, np.asarray(result.points, float)[k], places, int(k), high - low)
        if own is None:
            return unchecked(claim, "the table", None, "The turns round a degenerate point could not be counted.")
        indices[k] = own
    words = "turns of the gradient along the edge" if low.size == 2 else "signs of the slope at the ends"
    note = " A degenerate point counts with its own turns, as found on a small circle." if degenerate.any() else ""
    inner = (
        "" if margin == 0 else f" The contour lies {100 * margin:.1f} % inside the box, clear of points on the edge."
    )
    return compare(
        claim, "the table", words, int(indices[inside].sum()), turns, allowance=0.0,
        sentence=f"A missed or misnamed point would change the number by one or two.{note}{inner}",
    )  # fmt: skip


def _clear(places: np.ndarray) -> float:
    """The margin whose contour is farthest from every point."""
    if not len(places):
        return 0.0
    off = lambda m: np.min(np.abs(np.min(np.minimum(places - m, 1 - m - places), axis=1)))
    return 0.0 if off(0.0) > 1e-3 else max(MARGINS, key=off)


def _gradient(f: Callable[[Any], Any], like: Any) -> Callable[[np.ndarray], np.ndarray]:
    """The gradient at many points without automatic differentiation."""
    analytic = is_analytic(f, jnp.asarray(like))
    axes = np.eye(like.size)

    def slopes(points: np.ndarray) -> np.ndarray:
        points = np.asarray(points, like.dtype)
        step = 1e-20 if analytic else float(np.finfo(like.dtype).eps) ** (1 / 3) * max(1.0, np.abs(points).max())
        moved = [points[:, None] + s * step * axes for s in ((1j,) if analytic else (1, -1))]
        values = [evaluate(f, m.reshape(-1, like.size)).reshape(len(points), -1) for m in moved]
        return values[0].imag / step if analytic else (values[0] - values[1]) / (2 * step)

    return slopes


def _turns_around(slopes: Callable[[np.ndarray], np.ndarray], low: np.ndarray, high: np.ndarray) -> int | None:
    """How often the gradient turns along the edge, anticlockwise; in one variable, half the change of its sign."""
    if low.size == 1:
        ends = np.sign(slopes(np.stack([low, high]))[:, 0])
        return int((ends[1] - ends[0]) // 2) if np.all(ends != 0) and np.all(np.isfinite(ends)) else None
    corners = np.array([low, [high[0], low[1]], high, [low[0], high[1]], low])
    along = np.arange(SIDE)[:, None] / SIDE
    path = np.concatenate([a + along * (b - a) for a, b in itertools.pairwise(corners)] + [corners[-1:]])
    return turns(slopes, path)


def _turns_round_point(slopes: Any, point: np.ndarray, places: np.ndarray, k: int, width: np.ndarray) -> int | None:
    """The same on an ellipse so small that no other point lies in it."""
    others = np.delete(places, k, axis=0)
    room = np.min(np.linalg.norm(others - places[k], axis=1), initial=0.1)
    radius = min(0.02, 0.3 * room)
    if width.size == 1:
        return _turns_around(slopes, point - radius * width, point + radius * width)
    angle = np.linspace(0, 2 * np.pi, 4 * SIDE + 1)
    return turns(slopes, point + radius * width * np.stack([np.cos(angle), np.sin(angle)], axis=1))


def turns(slopes: Callable[[np.ndarray], np.ndarray], path: np.ndarray) -> int | None:
    """The winding number of a field along a closed path, refined where the field turns by more than an eighth.

    Returns:
        None when the field vanishes on the path, is not finite, or turns too fast to be followed.
    """
    field = slopes(path)
    for _ in range(HALVINGS):
        if not np.all(np.isfinite(field)) or np.any(np.all(field == 0, axis=1)):
            return None
        angles = np.arctan2(field[:, 1], field[:, 0])
        change = (np.diff(angles) + np.pi) % (2 * np.pi) - np.pi
        fast = np.abs(change) > np.pi / 4
        if not fast.any():
            return round(float(change.sum()) / (2 * np.pi))
        where = np.flatnonzero(fast)
        between = 0.5 * (path[where] + path[where + 1])
        path = np.insert(path, where + 1, between, axis=0)
        field = np.insert(field, where + 1, slopes(between), axis=0)
    return None


# --- each point -----------------------------------------------------------------------------------------------------


def _kinds_card(f: Callable[[Any], Any], result: CriticalPoints) -> Card:
    """The signs of the curvatures by differences."""
    claimed, again = [], []
    aside = 0.07 * (np.asarray(result.upper) - np.asarray(result.lower))
    for k in _chosen(result):
        bends, error = _hessian(f, np.asarray(result.points)[k])
        eigenvalues = np.linalg.eigvalsh(bends)
        size = np.nanmax(np.abs(_hessian(f, np.asarray(result.points)[k] + aside)[0]))  # of curvatures nearby
        sure = np.abs(eigenvalues) > 4 * error + 1e-6 * max(float(size), float(np.abs(eigenvalues).max()))
        if np.asarray(result.kind.code)[k] == DEGENERATE:
            claimed.append(0)
            again.append(int(sure.all()))
        elif sure.all():
            claimed.append(int(np.asarray(result.index)[k]))
            again.append(int(np.sum(eigenvalues < 0)))
    return compare(
        "every point of the table is of its kind", "directions that lead down, by the Hessian",
        "the same, by differences", claimed, again, allowance=0.0,
        sentence=f"{len(claimed)} points were looked at; a degenerate one counts 0 when it is one.",
    )  # fmt: skip


def _stationary_card(f: Callable[[Any], Any], g: Callable[[Any], Any] | None, result: CriticalPoints) -> Card:
    """The largest slope at the points, without automatic differentiation; with a constraint that of f − λ g, and g."""
    chosen = _chosen(result)
    points = np.asarray(result.points)[chosen]
    slopes = _gradient(f, points[0])
    at, beside = (
        slopes(points),
        slopes(0.5 * points + 0.25 * np.asarray(result.lower) + 0.25 * np.asarray(result.upper)),
    )
    steep = float(np.max(np.abs(beside[np.isfinite(beside)]), initial=1e-3))
    claim = "the gradient vanishes at the points"
    if g is not None:
        claim = "∇f = λ ∇g and g = 0 at the points"
        at = at - np.asarray(result.multiplier, float)[chosen][:, None] * _gradient(g, points[0])(points)
        at = np.concatenate([at, evaluate(g, points)[:, None]], axis=1)
    return compare(
        claim, "largest entry, by automatic differentiation", "by complex steps or differences",
        float(np.max(np.asarray(result.gradient_norm)[chosen])), float(np.abs(at).max()),
        allowance=float(np.finfo(points.dtype).eps) ** 0.5 * max(1.0, steep),
    )  # fmt: skip


def _chosen(result: CriticalPoints) -> np.ndarray:
    """The rows that are looked at one by one."""
    count = result.count
    return np.unique(np.linspace(0, count - 1, min(count, LOOKED_AT)).astype(int))


def _hessian(f: Callable[[Any], Any], x: np.ndarray) -> tuple[np.ndarray, float]:
    """Second derivatives from values or complex steps, and how far they may be off."""
    if is_analytic(f, jnp.asarray(x)):
        axes = np.eye(x.size, dtype=x.dtype)
        slope = lambda v: jnp.stack([jnp.imag(f(v + 1e-20j * axis)) / 1e-20 for axis in axes])
        bends, errors = central(slope, x, np.eye(x.size))
        return 0.5 * (bends + bends.T), float(np.max(np.where(np.isfinite(errors), errors, 0.0)))
    h = float(np.finfo(x.dtype).eps) ** 0.25 * max(1.0, float(np.abs(x).max()))
    axes = h * np.eye(x.size)
    corners = np.array([x + a * p + b * q for p in axes for q in axes for a in (1, -1) for b in (1, -1)])
    values = evaluate(f, corners.astype(x.dtype)).reshape(x.size, x.size, 4)
    bends = (values[..., 0] - values[..., 1] - values[..., 2] + values[..., 3]) / (4 * h * h)
    size = float(np.abs(values).max())
    return bends, size * (20 * h * h + float(np.finfo(x.dtype).eps) / h**2)


# --- multipliers ----------------------------------------------------------------------------------------------------


def _multipliers_card(f: Callable[[Any], Any], g: Callable[[Any], Any], result: CriticalPoints) -> Card:
    """The shadow price again: the constraint is moved a little, the point sought anew, the change of f divided."""
    from scipy.optimize import root

    claim = "λ is how much f rises when the constraint g = 0 becomes g = 1, to first order"
    chosen = np.arange(min(result.count, LOOKED_AT))
    chosen = chosen[np.asarray(result.kind.code)[chosen] != DEGENERATE]
    eps = float(np.finfo(np.asarray(result.points).dtype).eps)
    slope_f, slope_g = _gradient(f, np.asarray(result.points)[0]), _gradient(g, np.asarray(result.points)[0])
    claimed, again = np.asarray(result.multiplier, float)[chosen], []
    for k in chosen:
        x, rise = np.asarray(result.points, float)[k], float(np.asarray(result.multiplier)[k])
        border = np.linalg.norm(slope_g(x[None])[0])
        step = eps ** (1 / 3) * max(1.0, float(np.abs(x).max())) * max(border, 1e-12)

        def balance(z: np.ndarray, level: float) -> np.ndarray:
            tangent = slope_f(z[None, :-1])[0] - z[-1] * slope_g(z[None, :-1])[0]
            return np.append(tangent, float(evaluate(g, z[None, :-1])[0]) - level)

        heights = [
            float(evaluate(f, root(balance, np.append(x, rise), args=(level,), tol=1e-13).x[None, :-1])[0])
            for level in (step, -step)
        ]
        again.append((heights[0] - heights[1]) / (2 * step))
    if not len(claimed):
        return unchecked(
            claim, "Lagrange", None, "Only degenerate points: they do not move smoothly with the constraint."
        )
    return compare(
        claim, "Lagrange's multipliers", "solved again with g moved a little", claimed, again,
        allowance=1e-4 * (1.0 + float(np.abs(claimed).max())),
    )  # fmt: skip
