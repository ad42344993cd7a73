"""Second methods for sensitivities: derivatives without automatic differentiation, indices by another estimator."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cycloid.checks.cards import Card, compare, resting_on, unchecked
from cycloid.checks.differences import central, complex_step, is_analytic
from cycloid.checks.operators import Room
from cycloid.checks.registry import register
from cycloid.core.functions import as_objective
from cycloid.core.results import Question
from cycloid.differentiate.critical import as_corner
from cycloid.differentiate.sensitivities import Sensitivity, sensitivity
from cycloid.differentiate.stationary import as_vector_function, vector

# How many standard errors of their difference two estimates may lie apart: one pair in many thousands lies farther.
APART = 5.0


@register(Sensitivity)
def check_sensitivity(result: Sensitivity, question: Question) -> Card:
    """The partial derivatives by complex steps or differences; the indices by the other estimator on fresh points.

    Cost: some evaluations for each input, and as many as the result took.
    """
    card = _slopes_card(result, question)
    if result.replicates is None:
        return card
    return resting_on(_indices_card(result, question), card)


def _slopes_card(result: Sensitivity, question: Question) -> Card:
    point = as_corner(result.at)
    f = as_vector_function(as_objective(question.function, point), point)
    x = vector(point, np.asarray(result.output).dtype)
    claimed = _column(result.partial)
    claim = "the partial derivatives"
    if not np.all(np.isfinite(claimed)):
        return unchecked(claim, "automatic differentiation", claimed.tolist(), "They are not finite here.")
    room = Room(
        float(np.finfo(x.dtype).eps), 1.0 + float(np.abs(claimed).max()) + abs(float(np.asarray(result.output)))
    )
    if is_analytic(f, jnp.asarray(x)):
        again, allowed, words = complex_step(f, x, np.eye(x.size)), room.rounding, "complex step"
    else:
        again, errors = central(f, x, np.eye(x.size))
        allowed, words = 4 * float(errors.max()) + room.half_the_digits, "differences"
    return compare(claim, "automatic differentiation", words, claimed, again, allowance=allowed)


def _indices_card(result: Sensitivity, question: Question) -> Card:
    """All indices again; the allowance is that of the largest difference in units of its own standard error."""
    asked = dict(question.arguments)
    other = "jansen" if asked.pop("estimator") == "saltelli" else "saltelli"
    key = jax.random.fold_in(asked.pop("key"), 1)
    fresh = sensitivity(question.function, asked.pop("x"), **asked, estimator=other, key=key, throw=False)
    pairs = ((result.first, fresh.first), (result.total, fresh.total))
    errors = ((result.first_error, fresh.first_error), (result.total_error, fresh.total_error))
    claimed, again = (np.concatenate([_column(pair[k]) for pair in pairs]) for k in (0, 1))
    spread = np.concatenate([np.hypot(_column(a), _column(b)) for a, b in errors])
    apart = np.abs(claimed - again) / np.maximum(spread, 1e-12)
    near = bool(apart.max() <= APART)
    return compare(
        "the first-order and total indices", "scrambled Sobol points", f"fresh points, {other}'s estimator", claimed,
        again, allowance=APART * float(spread.max()) if near else 0.0,
        sentence=f"The farthest pair lies {apart.max():.2g} standard errors apart; {APART:g} are allowed.",
    )  # fmt: skip


def _column(tree: Any) -> np.ndarray:
    return np.concatenate([np.ravel(np.asarray(leaf, float)) for leaf in jax.tree.leaves(tree)])
