"""The radius of convergence of a Taylor series as its first coefficients suggest it, or that they do not tell.

Near the nearest singularity at a distance R the coefficients behave like c_k ≈ A R^(−k) k^g, or, when it is a
conjugate pair, like that times cos(kθ + φ), which may vanish: no single coefficient says anything. So lines
log|c_k| = α − k log R + g log k are laid along the crests, and along ½ log|c_k² − c_(k−1) c_(k+1)|, in which the wave
of a pair cancels. Where they settle, windows of the coefficients agree on R; where they do not, nothing is claimed.

Reference: C. Hunter and B. Guerrieri, Deducing the properties of singularities of functions from their Taylor series
coefficients, 1980 (pairs); M. D. Van Dyke, Analysis and improvement of perturbation series, 1974.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from cycloid.core.syntax import Node
from cycloid.differentiate import enclosures

DEPTHS = (60, 40, 24, 12)  # how many coefficients of a formula are enclosed; fewer where they overflow
ROUNDED = 1e-13  # of a coefficient of a function that cannot be enclosed, relative to those before it
# Parts of the series that have to agree on the radius, and within what.
WINDOWS, AGREEMENT = ((0.33, 1.0), (0.33, 0.75), (0.5, 1.0)), 0.06
STEEPEST = 3.5  # |g|: beyond it the coefficients follow another law
SMOOTH, SEEN = 0.02, 0.1  # residual of a line through all points; uncertainty of a coefficient that is counted
SHORT, LONG = 12, 30  # coefficients for the plainest claim, and for that on pairs and on entire functions
FALLING = 0.2  # of log|c_k| with k log k: less is no sign of an entire function
LEVEL = 0.3  # by how much the crests of log|c_k| may rise over a line or fall below it

Bend = Callable[[np.ndarray], np.ndarray]


class Radius(NamedTuple):
    """How far a series reaches.

    Attributes:
        convergence: the radius of convergence; infinite, or NaN where the coefficients do not tell.
        likely: a distance that is likely within it, where it is not known.
    """

    convergence: float
    likely: float


def of_formula(tree: Node, variable: str, centre: float) -> Radius:
    """For a formula, whose coefficients are enclosed: which of them rounding could have made is known."""
    for depth in DEPTHS:
        try:
            low, high = np.transpose(enclosures.coefficients(tree, variable, centre, depth))
        except (enclosures.NoEnclosure, OverflowError):
            continue
        c, doubt = low + (high - low) / 2, (high - low) / 2
        found = suggested(c, doubt)
        return Radius(found, float(likely(np.where(np.abs(c) > doubt, c, 0.0))) if math.isnan(found) else found)
    return Radius(math.nan, math.nan)


def of_coefficients(c: np.ndarray) -> float:
    """The radius that coefficients 0 … n, right up to rounding, suggest."""
    k = np.arange(len(c))
    if not np.any(c[1:]) or not np.all(np.isfinite(c)):
        return math.nan
    with np.errstate(divide="ignore", over="ignore"):
        logs = np.log(np.abs(c))
        rate = np.max(logs[1:] / k[1:])  # of the growth from one coefficient to the next, at most
        doubt = ROUNDED * np.exp(k * rate + np.max(logs - k * rate))
    return suggested(c, doubt)


def likely(c: Any) -> Any:
    """A distance that is likely within the radius of convergence: the least |c_k|^(−1/k) of the later half.

    Transformations: jit, vmap.
    """
    where = jnp if isinstance(c, jax.Array) else np
    k = np.arange(len(c))
    sizes = where.abs(c)
    counted = (k >= max(1, len(c) // 2)) & (sizes > 0)
    return where.min(where.where(counted, where.where(counted, sizes, 1.0) ** (-1.0 / np.maximum(k, 1)), math.inf))


def suggested(c: np.ndarray, doubt: np.ndarray) -> float:
    """R for coefficients c_k ± doubt_k; infinite where they fall faster than any power, NaN where they do not tell."""
    k = np.flatnonzero((np.abs(c) > np.maximum(doubt / SEEN, 1e-290)) & (np.arange(len(c)) > 0))
    if len(k) < 4 or k[-1] < SHORT:
        return math.nan
    crests, paired = (k, np.log(np.abs(c[k]))), _turans(c, doubt, k)
    for points in (crests, paired) if k[-1] >= LONG else (crests,):
        line, spread = _settled(*points, np.log)
        if (
            spread <= AGREEMENT * (k[-1] / DEPTHS[0]) ** 2
            and abs(line[2]) <= STEEPEST
            and _along(line, *crests, np.log)
        ):
            return math.exp(-line[1])
        line, spread = _settled(*points, _turning)
        if line[2] < -FALLING and spread <= -0.1 * line[2] and k[-1] >= LONG and _along(line, *crests, _turning):
            return math.inf
    return math.nan


def _turans(c: np.ndarray, doubt: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """½ log|c_k² − c_(k−1) c_(k+1)| where it is known: of a pair A R^(−k) cos(kθ + φ) it is smooth."""
    logs = np.log(np.abs(c[seen]))
    rate = (logs[-1] - logs[0]) / (seen[-1] - seen[0])  # taken out, so that no square underflows
    j = np.arange(len(c))
    with np.errstate(over="ignore", invalid="ignore"):
        scale = np.exp(-(j * rate + logs[0]))
        c, doubt = c * scale, doubt * scale
        value = c[1:-1] ** 2 - c[:-2] * c[2:]
        size = np.abs(c) + doubt
        off = 2 * size[1:-1] * doubt[1:-1] + size[:-2] * doubt[2:] + size[2:] * doubt[:-2]
        good = np.abs(value) > np.maximum(off / SEEN, 1e-13 * size[1:-1] ** 2)
    good &= (j[1:-1] > 0) & np.isfinite(value)
    k = j[1:-1][good]
    return k, 0.5 * np.log(np.abs(value[good])) + k * rate + logs[0]


def _turning(k: np.ndarray) -> np.ndarray:
    return k * np.log(k)


def _settled(k: np.ndarray, logs: np.ndarray, bend: Bend) -> tuple[np.ndarray, float]:
    """A line through all points, and how far windows differ on what matters of it."""
    lines = [_crest(k, logs, window, bend) for window in WINDOWS]
    first, *others = [line for line in lines if line is not None] or [np.full(3, math.nan)]
    if len(others) < len(WINDOWS) - 1:
        return first, math.inf
    slopes = [line[1 if bend is np.log else 2] for line in (first, *others)]
    return first, max(slopes) - min(slopes)


def _along(line: np.ndarray, k: np.ndarray, logs: np.ndarray, bend: Bend) -> bool:
    """Whether the coefficients rise to the line early and late alike: that of two poles apart would lie between."""
    off = logs - _columns(k, bend) @ line
    half = k > 0.67 * k[-1]
    early = off[(k > 0.33 * k[-1]) & ~half]
    return bool(early.size and half.any() and abs(off[half].max() - early.max()) <= LEVEL)


def _columns(k: np.ndarray, bend: Bend) -> np.ndarray:
    return np.stack([np.ones(len(k)), k, bend(np.maximum(k, 1))], axis=1)


def _crest(k: np.ndarray, logs: np.ndarray, window: tuple[float, float], bend: Bend) -> np.ndarray | None:
    """(α, β, γ) of α + β k + γ bend(k) along the upper points of a window; None where these are too few."""
    if len(k) == 0:
        return None
    inside = (k >= window[0] * k[-1]) & (k <= window[1] * k[-1])
    k, logs = k[inside], logs[inside]
    columns = _columns(k, bend)
    kept = np.ones(len(k), bool)
    for _ in range(8):
        if kept.sum() < 4:
            return None
        line = np.linalg.lstsq(columns[kept], logs[kept], rcond=None)[0]
        off = logs - columns @ line
        below = kept & (off < -max(SMOOTH, 0.5 * float(np.std(off[kept]))))
        if not below.any():
            return line
        kept &= ~below
    return None
