"""Conjugate gradients as Martens stops them, the steps they leave behind, and damping that follows their success."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

# A step is kept for backtracking whenever the number of turns has grown by this factor.
SPACING = 1.3
# The model was poor below the one and good above the other of these shares of its promise.
POOR, GOOD = 0.25, 0.75
SHORTEN, SUFFICIENT, TRIES = 0.8, 1e-2, 40


class Solved(NamedTuple):
    """What conjugate gradients found.

    Attributes:
        step: the last iterate.
        kept: iterates on the way, at turns 1, 2, 3, 4, 5, 7, 9, ...; the last of those filled is `step`.
        last: its place in `kept`.
        turns: products with the matrix, the one at the start not counted.
    """

    step: Any
    kept: Any
    last: Any
    turns: Any


class _Inner(NamedTuple):
    x: Any
    residual: Any  # B x + g
    solved: Any  # P⁻¹ residual
    direction: Any
    turns: Any
    values: Any  # of the model after each turn
    kept: Any
    done: Any


def conjugate_gradients(
    product: Callable[[Any], Any],
    gradient: Any,
    start: Any,
    precondition: Callable[[Any], Any],
    *,
    most: int,
    precision: float,
) -> Solved:
    """Make q(x) = ½ xᵀB x + gᵀx small, until it hardly falls any more.

    With k = max(10, i/10) it stops at turn i > k when q < 0 and q(xᵢ) − q(xᵢ₋ₖ) > k · precision · q(xᵢ): the last k
    turns have brought less than that share of the whole descent a turn. A direction of negative curvature ends it too;
    as the very first it is followed, by the length that the absolute value of the curvature gives.

    Args:
        product: v ↦ B v, damping included.
        gradient: g.
        start: x₀.
        precondition: v ↦ P⁻¹ v.
        most: turns at most.
        precision: ε.

    Reference: Martens, Deep learning via Hessian-free optimization, 2010, section 4.4.
    """
    rows = _places(most)
    places = jnp.asarray(rows, jnp.int32)
    tiny = jnp.finfo(gradient.dtype).tiny

    def turn(at: _Inner) -> _Inner:
        image = product(at.direction)
        bend = at.direction @ image
        power = at.residual @ at.solved
        follow = (bend > 0) | (at.turns == 0)
        length = jnp.where(follow, power / jnp.maximum(jnp.abs(bend), tiny), 0.0)
        x = at.x + length * at.direction
        residual = at.residual + length * image
        solved = precondition(residual)
        ahead = residual @ solved
        q = (residual + gradient) @ x / 2
        i = at.turns + 1
        values = at.values.at[at.turns].set(q)
        gap = jnp.maximum(10, i // 10)
        before = values[jnp.maximum(i - gap - 1, 0)]
        settled = (i > gap) & (q < 0) & (q - before > gap * precision * q)
        done = settled | (bend <= 0) | ~(ahead > 0) | ~jnp.isfinite(q)
        x = jnp.where(jnp.isfinite(q), x, at.x)
        direction = ahead / jnp.where(power > 0, power, 1.0) * at.direction - solved
        return _Inner(x, residual, solved, direction, i, values, at.kept.at[places[i]].set(x), done)

    residual = product(start) + gradient
    solved = precondition(residual)
    kept = jnp.zeros((int(rows[-1]) + 1, gradient.size), gradient.dtype)
    none = jnp.zeros((), jnp.int32)
    begin = _Inner(
        start,
        residual,
        solved,
        -solved,
        none,
        jnp.zeros(most, gradient.dtype),
        kept,
        ~(residual @ solved > 0),
    )
    end = jax.lax.while_loop(lambda at: ~at.done & (at.turns < most), turn, begin)
    return Solved(end.x, end.kept, places[end.turns], end.turns)


def _places(most: int) -> np.ndarray:
    """The row of `kept` in which the iterate after each turn is written: the next one from every mark on."""
    marks: list[int] = [1]
    while marks[-1] < most:
        marks.append(max(marks[-1] + 1, int(np.ceil(marks[-1] * SPACING))))
    return np.searchsorted(marks, np.arange(most + 1))


def backtrack(value: Callable[[Any], Any], solved: Solved) -> tuple[Any, Any, Any]:
    """(step, f after it, evaluations): the kept steps tried from the last to the first, while f falls.

    Args:
        value: step ↦ f after it.
        solved: with the steps.
    """
    first = (solved.last, value(solved.kept[solved.last]), jnp.zeros((), bool), jnp.ones((), jnp.int32))

    def earlier(at: tuple[Any, Any, Any, Any]) -> tuple[Any, Any, Any, Any]:
        place, best, _, tries = at
        tried = value(solved.kept[place - 1])
        better = (tried < best) | ~jnp.isfinite(best)
        return jnp.where(better, place - 1, place), jnp.where(better, tried, best), ~better, tries + 1

    place, best, _, tries = jax.lax.while_loop(lambda at: (at[0] > 0) & ~at[2], earlier, first)
    return solved.kept[place], best, tries


def shorten(value: Callable[[Any], Any], step: Any, after: Any, here: Any, slope: Any) -> tuple[Any, Any, Any]:
    """(share a, f after a · step, evaluations): a = 1, 0.8, 0.64, ... until f falls by 1 % of what the slope promises.

    Args:
        value: step ↦ f after it.
        step: the whole step.
        after: f after it.
        here: f before it.
        slope: gᵀ step.
    """
    too_high = lambda at: ~(at[1] <= here + SUFFICIENT * at[0] * slope) & (at[2] < TRIES)
    shorter = lambda at: (SHORTEN * at[0], value(SHORTEN * at[0] * step), at[2] + 1)
    return jax.lax.while_loop(too_high, shorter, (jnp.ones_like(here), after, jnp.zeros((), jnp.int32)))


def adapted(damping: Any, share: Any, factor: float, floor: float) -> Any:
    """λ after a step that brought `share` of what the model promised: larger below ¼, smaller above ¾, never below
    the floor, and never so large that it cannot come back."""
    changed = jnp.where(share > GOOD, damping / factor, damping)
    changed = jnp.where(~(share >= POOR), damping * factor, changed)
    return jnp.clip(changed, floor, 1e10)
