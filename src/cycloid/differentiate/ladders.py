"""Slopes by differences over a ladder of steps, with an uncertainty from the noise of the function itself.

Where the slopes on the two sides of the point stay apart however short the step is, there is a kink; where the values
do, a jump.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

# Steps on the ladder, from a tenth of the size of x down to where the noise drowns the difference.
RUNGS, LONGEST, SHORTEST = 16, 0.1, 0.6
# How many times a truncation error is extrapolated away.
COLUMNS = 4
# Equal short steps on either side from which the noise is read.
NOISE = 6
# Numbers in all the points that are evaluated at once.
MOST_AT_ONCE = 5_000_000


class Slopes(NamedTuple):
    """Slopes of several functions along several directions; arrays of shape (directions, functions).

    Args:
        value: the slope, the mean of both sides at a kink.
        uncertainty: how far it may be off.
        left, right: the slopes on either side.
        kink: whether these differ.
        jump: whether the values on either side differ.
    """

    value: np.ndarray
    uncertainty: np.ndarray
    left: np.ndarray
    right: np.ndarray
    kink: np.ndarray
    jump: np.ndarray


def evaluations(directions: int) -> int:
    """How many evaluations `slopes` makes."""
    return directions * 2 * (RUNGS + NOISE) + 1


def slopes(f: Callable[[Any], Any], x: np.ndarray, directions: np.ndarray, eps: float) -> Slopes:
    """The slopes of f along directions, by central differences extrapolated to a step of zero.

    T(j, 0) = (f(x + h_j v) − f(x − h_j v)) / 2 h_j over steps h_0 > h_1 > …, each 1/r of the one before, and
    T(j, k) = (r²ᵏ T(j, k−1) − T(j−1, k−1)) / (r²ᵏ − 1). Of these the one is taken that is least uncertain: by its
    distance from those it was made of, and by noise/h_j.

    Args:
        f: vector -> values, shape (functions,).
        x: the point, shape (n,).
        directions: the vectors v, shape (directions, n).
        eps: the relative spacing of the coarsest numbers that f computes with.

    Reference: C. J. F. Ridders, Accurate computation of F′(x) and F′(x) F″(x), Advances in Engineering Software 4,
    1982; on the noise J. J. Moré and S. M. Wild, Estimating computational noise, SIAM J. Sci. Comput. 33, 2011.
    """
    reach = np.abs(directions).max(axis=1)
    size = np.max(np.where(directions != 0, np.abs(x), 0.0), axis=1) / reach
    size = np.where(size > 0, size, 1.0 / reach)
    longest, shortest = LONGEST * np.maximum(size, 1.0 / reach), eps**SHORTEST * size
    ratio = (longest / shortest) ** (1.0 / (RUNGS - 1))
    steps = longest[:, None] * ratio[:, None] ** -np.arange(RUNGS)
    small = shortest[:, None] * np.arange(1, NOISE + 1)
    offsets = np.concatenate([steps, small], axis=1)
    values = _values(f, x, directions, np.concatenate([offsets, -offsets], axis=1))
    middle = _values(f, x, directions[:1], np.zeros((1, 1)))[0, 0]
    up, down = values[:, : RUNGS + NOISE], values[:, RUNGS + NOISE :]
    with np.errstate(invalid="ignore", over="ignore"):
        noise = _noise(up[:, RUNGS:], down[:, RUNGS:], middle, eps)
        return _read(up[:, :RUNGS], down[:, :RUNGS], middle, steps, ratio, noise, size, eps)


def _values(f: Callable[[Any], Any], x: np.ndarray, directions: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """f at x + s v for every direction and each of its offsets, shape (directions, offsets, functions)."""
    if directions.size * offsets.shape[1] <= MOST_AT_ONCE:
        points = x + offsets[:, :, None] * directions[:, None, :]
        points = points.reshape(-1, x.size).astype(x.dtype)
        try:
            values = np.asarray(jax.jit(jax.vmap(f))(points))
        except (jax.errors.JAXTypeError, TypeError, NotImplementedError):  # a Python branch, a callback
            values = np.stack([np.asarray(f(jnp.asarray(point))) for point in points])
    else:  # so many copies of a large point would not fit: one after another, in one compiled loop
        one = jax.jit(lambda v, s: jax.lax.map(lambda s: f(x + s * v), s))
        rows = zip(directions.astype(x.dtype), offsets.astype(x.dtype), strict=True)
        values = np.concatenate([np.asarray(one(v, s)) for v, s in rows])
    return values.astype(float).reshape(*offsets.shape, -1)


def _noise(up: np.ndarray, down: np.ndarray, middle: np.ndarray, eps: float) -> np.ndarray:
    """How far values of f are off, shape (directions, functions): what a line through close points leaves over.

    On one side at a time, so that a kink or a jump at the point is not taken for noise.
    """
    k = np.arange(1.0, NOISE + 1)
    basis = np.linalg.qr(np.stack([np.ones_like(k), k], axis=1))[0]
    spread = eps * np.abs(middle) * np.ones(up.shape[::2])
    for rows in (up, down):
        rows = rows - rows[:, :1]
        rows = np.where(np.isfinite(rows), rows, 0.0)
        rest = rows - np.einsum("ki,li,dlf->dkf", basis, basis, rows)
        spread = np.maximum(spread, np.sqrt((rest**2).sum(axis=1) / (NOISE - 2)))
    return spread


def _read(
    up: np.ndarray, down: np.ndarray, middle: np.ndarray, steps: np.ndarray, ratio: np.ndarray, noise: np.ndarray,
    size: np.ndarray, eps: float,
) -> Slopes:  # fmt: skip
    h = steps[:, :, None]
    central, left, right = (up - down) / (2 * h), (middle - down) / h, (up - middle) / h
    blur = noise[:, None] / h  # of a difference
    value, error, at = _extrapolated(central, ratio[:, None, None], blur)
    # x + h v is rounded itself: the slope is taken over a step that is off by eps |x|
    chosen = np.take_along_axis(h, at, axis=1)[:, 0]
    error = error + 2 * eps * size[:, None] / chosen * np.abs(value)
    kink, rung = _stays((up - 2 * middle + down) / h, 100 * blur)
    jump, _ = _stays(up - down, 1000 * np.broadcast_to(noise[:, None], up.shape))
    one = lambda side: np.take_along_axis(side, rung, axis=1)[:, 0]
    value = np.where(kink & ~jump, (one(left) + one(right)) / 2, value)
    return Slopes(value, error, one(left), one(right), kink & ~jump, jump)


def _extrapolated(column: np.ndarray, ratio: np.ndarray, blur: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The least uncertain entry of the triangle, its uncertainty, and the rung it stands on."""
    values, errors = [], []
    for k in range(1, COLUMNS + 1):
        weight = ratio ** (2 * k)
        finer, coarser = column[:, 1:], column[:, :-1]
        column = (weight * finer - coarser) / (weight - 1)
        error = np.maximum(np.abs(column - finer), np.abs(column - coarser)) + 2 * blur[:, k:]
        values.append(np.pad(column, ((0, 0), (k, 0), (0, 0))))
        errors.append(np.pad(error, ((0, 0), (k, 0), (0, 0)), constant_values=np.inf))
    stacked = np.stack(errors)
    stacked = np.where(np.isfinite(stacked), stacked, np.inf)
    best = stacked.argmin(axis=0)[None]
    error, value = (np.take_along_axis(a, best, axis=0)[0] for a in (stacked, np.stack(values)))
    at = np.where(_refuted(value, error), np.inf, error).argmin(axis=1)[:, None]
    return np.take_along_axis(value, at, axis=1)[:, 0], np.take_along_axis(error, at, axis=1)[:, 0], at


def _refuted(value: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Which entries are contradicted by most of the three on shorter steps: they stand on a plateau beyond a kink."""
    apart = np.zeros(value.shape, int)
    for further in (1, 2, 3):
        room = 4 * (error[:, further:] + error[:, :-further])
        apart[:, :-further] += np.abs(value[:, further:] - value[:, :-further]) > room
    return apart >= 2


def _stays(gap: np.ndarray, floor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether a gap between the two sides does not close as the step shrinks, and the shortest step that shows it.

    Of a smooth function it closes in proportion to the step. It is read on the shortest of the steps at which it
    stands clear of the noise, and on the two before.
    """
    clear = (np.abs(gap) > floor) & np.isfinite(gap)
    rung = (RUNGS - 1 - clear[:, ::-1].argmax(axis=1))[:, None]
    earlier = [np.abs(np.take_along_axis(gap, np.maximum(rung - back, 0), axis=1)[:, 0]) for back in (0, 1, 2)]
    stays = clear.any(axis=1) & (rung[:, 0] >= 2) & (earlier[0] > 0.8 * earlier[1]) & (earlier[1] > 0.8 * earlier[2])
    # a gap as wide on a shorter step would have been clear there too
    return stays & (rung[:, 0] >= RUNGS - 5), rung
