"""Loss landscapes computed again: fresh points of the plane, one at a time, without the compiled grid."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from cycloid.checks.cards import Card, compare, resting_on
from cycloid.checks.registry import register
from cycloid.core.results import Question
from cycloid.train.landscapes import Landscape

# Points of the grid, places between them, and points of each trail that are computed again.
ON, BETWEEN, STEPS = 4, 8, 3
LAST_BITS = 1e4


@register(Landscape)
def check_landscape(result: Landscape, question: Question) -> Card:
    """The loss at points of the plane, on the grid and between, and at points of the trails.

    The parameters θ + a d₁ + b d₂ are put together in NumPy's float64 and the loss is called on them as it is, not
    mapped over a batch of points.

    Cost: twelve evaluations of the loss and three for each trail.
    """
    asked = question.arguments
    if "params" not in asked:
        raise ValueError("a landscape is checked with what was asked: pass question=Question(loss, {'params': …}).")
    values, sides = np.asarray(result.value, float), np.asarray(result.sides, float)
    call = lambda point: float(question.function(point, *asked.get("args", ())))
    rng = np.random.default_rng(0)
    rows, columns = rng.integers(0, len(sides[0]), (2, ON))
    places = rng.uniform(sides[:, 0], sides[:, -1], (BETWEEN, 2))
    fresh = [call(_moved(asked["params"], result.directions, place)) for place in places]
    again = [
        call(_moved(asked["params"], result.directions, (sides[0][j], sides[1][i]))) for i, j in zip(rows, columns)
    ]
    eps = max(float(np.finfo(leaf.dtype).eps) for leaf in jax.tree.leaves(asked["params"]))
    slack = LAST_BITS * eps * float(np.nanmax(np.abs(values)))
    card = compare(
        f"the loss at {ON} points of the grid", "all points in one compiled program",
        "parameters put together one by one in NumPy", values[rows, columns], np.array(again), allowance=slack,
        sentence="The same plane, walked again.",
    )  # fmt: skip
    drawn = np.array([float(result.at(place)) for place in places])
    between = compare(
        f"the surface at {BETWEEN} places between the points", "cubic interpolation of the grid", "the loss itself",
        drawn, np.array(fresh), allowance=slack + 2 * float(np.asarray(result.error)),
        sentence="Allowed: twice the error said. A surface that is rougher asks for more points=.",
    )  # fmt: skip
    return resting_on(card, between, *_trail_cards(result, asked.get("trails", {}), call, slack))


def _moved(params: Any, directions: Any, place: Any) -> Any:
    return jax.tree.map(
        lambda p, d: (np.asarray(p, float) + place[0] * np.asarray(d[0], float) + place[1] * np.asarray(d[1], float))
        .astype(p.dtype),
        params, directions,
    )  # fmt: skip


def _trail_cards(result: Landscape, trails: Any, call: Any, slack: float) -> list[Card]:
    cards = []
    for name, trail in trails.items():
        losses = np.asarray(result.trail_losses[name], float)
        at = np.unique(np.linspace(0, len(losses) - 1, STEPS).astype(int))
        again = np.array([call(jax.tree.map(lambda leaf, step=step: leaf[step], trail)) for step in at])
        claim = f"the loss along the trail of {name}"
        cards.append(compare(claim, "in one compiled program", "one by one", losses[at], again, allowance=slack))
    return cards
