"""A check of a gradient checked itself: the slopes that it was held against, found again by other differences."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from cycloid.checks.cards import Card, compare, unchecked
from cycloid.checks.differences import central
from cycloid.checks.registry import register
from cycloid.core.results import Question
from cycloid.differentiate.gradient_checks import GradientCheck, asked_of
from cycloid.differentiate.slope_tables import directions_of, weights_of


@register(GradientCheck)
def check_slopes(result: GradientCheck, question: Question) -> Card:
    """The slopes found, again by differences over other steps, extrapolated once.

    Cost: 24 evaluations for each direction.
    """
    words = "is right" if result.agrees else "is wrong" if result.verdict == "disagrees" else result.verdict
    claim = f"what the gradient of {result.of} was held against (it {words})"
    if not len(np.asarray(result.found)):
        return unchecked(claim, result.method, None, "The function is not finite at the point.")
    flat = asked_of(question.function, question.arguments["x"], question.arguments["args"]).flat
    directions, weights = directions_of(flat)[0], weights_of(flat, flat.point)
    weighted = lambda vector: jnp.stack([jnp.vdot(w, flat(vector)) for w in weights])
    values, errors = central(weighted, flat.point, directions)
    column = np.asarray(result.weighting)[:, None]
    again, error = (np.take_along_axis(array, column, axis=1)[:, 0] for array in (values, errors))
    found, uncertainty = np.asarray(result.found, float), np.asarray(result.uncertainty, float)
    size = 1.0 + float(np.max(np.abs(found), initial=0.0, where=np.isfinite(found)))
    usable = (error < 1e-2 * size) & (uncertainty < 1e-2 * size) & np.isfinite(found) & np.isfinite(again)
    if not usable.any():
        return unchecked(claim, result.method, _plain(found), "Differences settle along no direction.")
    slack = float(np.max(4 * (error + uncertainty)[usable])) + 1e-7 * size
    return compare(
        claim, "slopes by " + ("a complex step" if "complex" in result.method else "differences over 16 steps"),
        "differences over other steps", found[usable], again[usable], allowance=slack,
        sentence=result.findings[0].sentence if result.suspects else "",
    )  # fmt: skip


def _plain(values: Any) -> list[float]:
    return np.asarray(values, float).tolist()
