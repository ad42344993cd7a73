"""Estimates along random directions found again: exactly where that is cheap, else along directions of another kind."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from cycloid.checks.cards import Card, compare, unchecked
from cycloid.checks.registry import register
from cycloid.core.results import Question
from cycloid.differentiate.estimates import Estimate
from cycloid.differentiate.laplacians import coordinates, laplacian, laplacian_along_normals

# Up to so many coordinates the Laplacian is computed exactly: about as many evaluations.
EXACTLY = 512
# Fresh directions where it is not, for each that the estimate took.
FRESH = 4
# An interval that misses the truth once in a million times, however few directions there were.
LEVEL = 1 - 1e-6
# The exact Laplacian of a network rounds at each of its operations.
LAST_BITS = 1e4


@register(Estimate)
def check_estimate(result: Estimate, question: Question) -> Card:
    """The Laplacian again: exactly by the forward Laplacian up to 512 coordinates, else along normal directions.

    Directions of independent signs and of independent normal numbers err in different ways: the first are exact for
    the diagonal of the Hessian, the second for none of it. Of an array the component that is farthest off is shown.

    Cost: d + 2 evaluations for d coordinates; above 512, four times those of the estimate.
    """
    if np.ndim(result.status.code):
        raise ValueError("this is a batch: check one member, jax.tree.map(lambda leaf: leaf[0], result), question=….")
    if "args" not in question.arguments:
        raise ValueError(
            "an estimate is checked at the point where it was made: pass question=Question(u, {'args': (x,)})."
        )
    args, kwargs = question.arguments["args"], question.arguments.get("kwargs", {})
    claim, method = "the Laplacian Δu", f"Hutchinson, {np.shape(result.replicates)[-1]} directions of random signs"
    value = np.asarray(result.value, float)
    if not np.all(np.isfinite(value)):
        return unchecked(claim, method, value.tolist(), "It is not finite here.")
    allowed = _half_width(result)
    if coordinates(question.function, *args, **kwargs) <= EXACTLY:
        again = np.asarray(laplacian(question.function)(*args, **kwargs), float)
        second, words = "the forward Laplacian, exact", "Allowed: what its interval misses once in a million times."
    else:
        # Another stream than the estimate's own, whose key need not be known.
        samples = FRESH * np.shape(result.replicates)[-1]
        fresh = laplacian_along_normals(question.function, samples)(*args, **kwargs)
        again, allowed = np.asarray(fresh.value, float), np.hypot(allowed, _half_width(fresh))
        second = f"Hutchinson, {samples} fresh normal directions"
        words = "Allowed: what the intervals of both miss once in a million times."
    worst = np.unravel_index(int(np.argmax(np.abs(value - again) / allowed)), value.shape)
    claim += f", component {worst[0] if len(worst) == 1 else worst}" if value.ndim else ""
    return compare(claim, method, second, value[worst], again[worst], allowance=float(allowed[worst]), sentence=words)


def _half_width(result: Estimate) -> np.ndarray:
    """How far the truth may be off, rounding included: with the fewest directions Student's quantile is huge."""
    low, high = result.interval(LEVEL)
    eps = float(jnp.finfo(jnp.result_type(result.replicates)).eps)
    sizes: Any = np.max(np.abs(np.asarray(result.replicates, float)), axis=-1)
    return (np.asarray(high, float) - np.asarray(low, float)) / 2 + LAST_BITS * eps * sizes + np.finfo(float).tiny
