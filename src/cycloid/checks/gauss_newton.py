"""Second methods for training by curvature: a product with the Gauss-Newton matrix, and steps that went down."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from cycloid.checks.cards import Card, compare, resting_on
from cycloid.core.numerals import numeral
from cycloid.learn.curvatures import loss_objective
from cycloid.learn.losses import AbstractLoss
from cycloid.learn.runs import Run
from cycloid.optimize.model_objectives import Flat

# Rows on which the product is taken again.
ROWS = 256
# Of differences, which shrink by this factor until their error no longer does.
LEVELS, CONTRACTION = 8, 4.0


def curvature_card(run: Run, loss: Any, x: Any, y: Any) -> Card | None:
    """vᵀ B v along a random direction from two differences, and whether every own step went down; None for others.

    Args:
        run: by any method.
        loss: that it was trained on.
        x: training inputs.
        y: training targets.

    Cost: 34 forward passes on at most 256 rows.
    """
    if "cg_iterations" not in run.history:
        return None
    falls = _fall_card(run)
    if not isinstance(loss, AbstractLoss):
        return falls
    again = _product_card(run, loss, x[:ROWS], y[:ROWS])
    return resting_on(again, *([falls] if falls is not None else []))


def _product_card(run: Run, loss: AbstractLoss, x: Any, y: Any) -> Card:
    """B = Jᵀ H J: J v as a difference of outputs, and H along it as a second difference of the loss."""
    moving, fixed = eqx.partition(run.value, eqx.is_inexact_array)
    outputs = lambda params, rows: jax.vmap(eqx.combine(params, fixed))(rows)
    flat = Flat(loss_objective(outputs, loss, x, y), moving)
    drawn = np.random.default_rng(0).normal(size=flat.x.size)
    direction = jnp.asarray(drawn / np.linalg.norm(drawn), flat.x.dtype)
    claimed = float(direction @ flat.curvature()(direction))
    forward = jax.jit(lambda point: outputs(flat.params(point), x))
    mean = jax.jit(lambda z: jnp.mean(loss.examples(z, y)))
    z = forward(flat.x)
    slope, _ = _settled(lambda h: (forward(flat.x + h * direction) - forward(flat.x - h * direction)) / (2 * h), 0.1)
    size = float(jnp.max(jnp.abs(slope))) or 1.0
    bend = lambda h: (mean(z + h * slope) - 2 * mean(z) + mean(z - h * slope)) / h**2
    found, error = _settled(bend, 0.5 / size)
    rounding = float(jnp.finfo(flat.x.dtype).eps) ** 0.5
    return compare(
        f"the curvature along a random direction of all {flat.x.size} parameters is {numeral(claimed, 3)}",
        "a product with the Gauss-Newton matrix", "differences of outputs, then of the loss", claimed, float(found),
        allowance=4 * error + rounding * (abs(claimed) + float(np.abs(np.asarray(mean(z)))) * size**2),
    )  # fmt: skip


def _settled(difference: Any, first: float) -> tuple[Any, float]:
    """(the difference at the step where two neighbours are nearest, how far they lie apart)."""
    values = [difference(first / CONTRACTION**level) for level in range(LEVELS)]
    gaps = [float(jnp.max(jnp.abs(a - b))) for a, b in pairwise(values)]
    best = int(np.nanargmin(gaps))
    return values[best + 1], gaps[best]


def _fall_card(run: Run) -> Card | None:
    """The falls of the loss as the chain measured them, example by example, beside what the method said it kept."""
    own = np.asarray(run.history["cg_iterations"]) > 0
    if not own.any():
        return None
    changes = np.asarray(run.history["actual_change"], float)[own]
    heights = np.asarray(run.history["loss"], float)[own]
    eps = float(np.finfo(np.asarray(run.history["loss"]).dtype).eps)
    above = float(np.max(changes - 16 * eps * (1 + np.abs(heights))))
    return compare(
        f"none of the {int(own.sum())} recorded steps of its own raised the loss of its batch",
        "the loss after the step, as it was chosen", "changes of the single examples, summed: the greatest rise", 0.0,
        max(0.0, above), allowance=0.0,
    )  # fmt: skip
