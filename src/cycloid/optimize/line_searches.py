"""How far to go along a direction: one loop that brackets and narrows until the strong Wolfe conditions hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from cycloid.optimize.descents import dot, finite

# The drop asked for, as a share of what the slope at the start promises (Armijo's constant).
DROP = 1e-4
# Evaluations before the best point so far has to do.
TRIALS = 25
# A rise of f below this many eps · |f| is rounding; then the slopes decide (Hager and Zhang's approximate conditions).
ROUNDING = 20.0
# How much further a step goes while no bracket is known, at least and at most.
REACH = (1.5, 8.0)
# How near to an end of the bracket a trial may lie, as a share of its width.
EDGE = 0.1


class Spot(NamedTuple):
    """A point on the line: how far along, the value, the slope and the gradient there."""

    at: Any
    value: Any
    slope: Any
    gradient: Any


class Found(NamedTuple):
    """What a search ends with: the spot, whether it lies lower than the start, and the evaluations it took."""

    spot: Spot
    good: Any
    trials: Any


class _Search(NamedTuple):
    """The bracket: `low` the best spot that still points to the minimum, `high` the other end once it is known."""

    trial: Any
    low: Spot
    high: Spot
    bracketed: Any
    width: Any
    chosen: Spot
    trials: Any
    done: Any


def wolfe(
    along: Callable[[Any], tuple[Any, Any]], start: Spot, direction: Any, first: Any, *, curvature: float
) -> Found:
    """A step a along `direction` with f(a) ≤ f(0) + 10⁻⁴ a f′(0) and |f′(a)| ≤ `curvature` · |f′(0)|.

    Trials come from cubic interpolation. A trial where f is not finite ends the bracket. Where the drop of f is
    rounding, (2 · 10⁻⁴ − 1) f′(0) ≥ f′(a) ≥ `curvature` · f′(0) does instead.

    Args:
        along: displacement -> (value, gradient).
        start: at 0, its slope negative.
        direction: what a multiplies.
        first: the first a to try.
        curvature: between 10⁻⁴ and 1; smaller is more exact.

    Reference: Nocedal, Wright, Numerical optimization, 2006, algorithms 3.5 and 3.6; Hager, Zhang, A new conjugate
    gradient method with guaranteed descent and an efficient line search, 2005.
    """
    slack = ROUNDING * jnp.finfo(start.value.dtype).eps * jnp.abs(start.value)
    steep = jnp.abs(start.slope)

    def turn(s: _Search) -> _Search:
        value, gradient = along(s.trial * direction)
        here = Spot(s.trial, value, dot(gradient, direction), gradient)
        sound = finite(value, gradient)
        lower = value <= start.value + DROP * s.trial * start.slope
        level = (value <= start.value + slack) & (here.slope <= (1 - 2 * DROP) * steep)
        enough = sound & (lower | level)
        done = enough & (jnp.abs(here.slope) <= curvature * steep)
        # Beyond the minimum: too high, or the slope points back.
        high = ~enough | ((value >= s.low.value) & ~level)
        past = ~high & (here.slope * jnp.where(s.bracketed, s.high.at - s.low.at, 1.0) >= 0)
        choose = lambda c, a, b: jax.tree.map(lambda x, y: jnp.where(c, x, y), a, b)
        far = choose(high, here, choose(past, s.low, s.high))
        near = choose(high, s.low, here)
        bracketed = s.bracketed | high | past
        width = jnp.abs(far.at - near.at)
        slow = s.bracketed & (width > 0.66 * s.width)
        trial = jnp.where(bracketed, _inside(near, far, slow | ~jnp.isfinite(far.value)), _beyond(s.low, here))
        best = choose(done | (enough & (value <= s.chosen.value)), here, s.chosen)
        tight = bracketed & (width <= jnp.finfo(value.dtype).eps * jnp.abs(near.at))
        return _Search(trial, near, far, bracketed, width, best, s.trials + 1, done | tight)

    no, zero = jnp.zeros((), bool), jnp.zeros((), jnp.int32)
    begin = _Search(first, start, start, no, jnp.full_like(first, jnp.inf), start, zero, no)
    last = jax.lax.while_loop(lambda s: ~s.done & (s.trials < TRIALS), turn, begin)
    return Found(last.chosen, last.chosen.at > 0, last.trials)


def _cubic(a: Spot, b: Spot) -> Any:
    """Where the cubic through two values and slopes is least; NaN where it has no minimum."""
    gap = jnp.where(a.at == b.at, 1.0, b.at - a.at)
    mean = a.slope + b.slope - 3 * (b.value - a.value) / gap
    root = jnp.sqrt(mean**2 - a.slope * b.slope) * jnp.sign(gap)
    return b.at - gap * (b.slope + root - mean) / (b.slope - a.slope + 2 * root)


def _inside(near: Spot, far: Spot, halve: Any) -> Any:
    """The next trial in a bracket, not too near to its ends."""
    middle, width = (near.at + far.at) / 2, jnp.abs(far.at - near.at)
    guess = _cubic(near, far)
    guess = jnp.where(halve | ~jnp.isfinite(guess), middle, guess)
    return jnp.clip(guess, middle - (0.5 - EDGE) * width, middle + (0.5 - EDGE) * width)


def _beyond(before: Spot, here: Spot) -> Any:
    """The next trial where f still falls."""
    guess = _cubic(before, here)
    guess = jnp.where(jnp.isfinite(guess) & (guess > here.at), guess, REACH[1] * here.at)
    return jnp.clip(guess, REACH[0] * here.at, REACH[1] * here.at)
