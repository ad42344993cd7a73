"""Second methods for sums of squares: SciPy's solver from another start, standard errors by simulation."""

from __future__ import annotations

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from cycloid.checks.cards import AGREES, DISAGREES, Card, compare, resting_on, unchecked
from cycloid.checks.registry import register
from cycloid.core.numerals import numeral
from cycloid.core.results import Question
from cycloid.optimize.constraints import Box, read_bounds
from cycloid.optimize.curve_fitting import Fit, fit_curve
from cycloid.optimize.curve_models import read_data, read_model
from cycloid.optimize.drivers import Minimum
from cycloid.optimize.methods import split
from cycloid.optimize.residuals import as_residual, as_vector_function

# In standard errors: how far away the second solver begins, and how far it may end.
AWAY, CLOSE = 1.0, 1e-2
# Experiments repeated with simulated noise: their scatter has a relative error of 1/√(2 REPEATS) = 3.5 %.
REPEATS = 400
# How far standard errors may differ from that scatter before the curve counts as too bent for them.
BENT = 0.25


@register(Fit)
def check_fit(result: Fit, question: Question) -> Card:
    """The parameters found again by SciPy from another start, the standard errors by simulated experiments.

    Cost: some tens of residuals for SciPy, and `REPEATS` fits in one program.
    """
    if np.ndim(result.status.code):
        raise ValueError("this is a batch: check one member, jax.tree.map(lambda leaf: leaf[0], result), question=….")
    if "x" not in question.arguments:
        raise ValueError("a fit is checked with its data: pass question=fit.question, kept from the plain call.")
    given = question.arguments
    model = read_model(question.function, given["x"], result.value)
    data = read_data(model, given["x"], given["y"], given.get("weights"))
    moving, rest = split(result.value)
    flat, unravel = ravel_pytree(moving)
    errors = np.asarray(ravel_pytree(split(result.error)[0])[0], float)
    if not np.all(np.isfinite(errors)):
        names = ", ".join(result.not_told_apart) or "the parameters"
        return unchecked(
            "the curve fits the data best", "singular values of J", None, f"The data cannot tell {names} apart."
        )
    roots = np.sqrt(np.asarray(data.weights))
    curve = lambda v: jnp.broadcast_to(model(data.x, eqx.combine(unravel(v), rest)), data.y.shape)
    residual = lambda v: roots * (curve(v) - data.y)
    card = _parameters_card(residual, np.asarray(flat, float), errors)
    return resting_on(card, _errors_card(result, question.function, data, flat, unravel, rest, errors))


def _parameters_card(residual: Any, x: np.ndarray, errors: np.ndarray) -> Card:
    """The solution in units of its standard errors, 0 by definition, and where SciPy ends in the same unit."""
    again = _scipy(residual, x, errors)
    away = (again - x) / np.where(errors > 0, errors, 1.0)
    return compare(
        "the sum of squares is least here", "Levenberg-Marquardt on singular values, in standard errors from itself",
        "SciPy's trust region without derivatives, from a standard error away", np.zeros(len(x)), away,
        allowance=CLOSE, sentence="Distances are in standard errors of each parameter.",
    )  # fmt: skip


def _scipy(residual: Any, x: np.ndarray, errors: np.ndarray, box: Box | None = None) -> np.ndarray:
    from scipy import optimize

    compiled = jax.jit(residual)
    signs = np.where(np.arange(len(x)) % 2 == 0, 1.0, -1.0)
    scale = np.where(errors > 0, errors, np.maximum(np.abs(x), 1e-300))
    of_shift = lambda t: np.nan_to_num(np.asarray(compiled(jnp.asarray(x + scale * t)), float), nan=1e150)
    solve: Any = optimize.least_squares
    with np.errstate(all="ignore"):
        low, high = (-np.inf, np.inf) if box is None else ((np.asarray(end, float) - x) / scale for end in box)
        begin = np.clip(AWAY * signs / np.sqrt(len(x)), low, high)
        found = solve(of_shift, begin, jac="3-point", bounds=(low, high), xtol=1e-12, ftol=1e-14, gtol=1e-12)
    return x + scale * found.x


def _errors_card(result: Fit, function: Any, data: Any, flat: Any, unravel: Any, rest: Any, errors: np.ndarray) -> Card:
    """The scatter of the parameters over experiments with the same curve and fresh noise of the same size."""
    claim = "the standard errors are the scatter of repeated experiments"
    sd = jnp.asarray(result.residual_sd)
    if int(np.asarray(result.degrees_of_freedom)) < 1:
        return unchecked(claim, "linear propagation", None, "No degree of freedom is left to estimate the noise from.")
    start = eqx.combine(unravel(flat), rest)
    spread = jnp.where(data.weights > 0, sd / jnp.sqrt(jnp.where(data.weights > 0, data.weights, 1.0)), 0.0)

    def repeat(key: Any) -> Any:
        y = jnp.asarray(result.fitted) + spread * jax.random.normal(key, data.y.shape, data.y.dtype)
        again = fit_curve(function, data.x, y, start=start, weights=data.weights, max_steps=100, tol=1e-6, throw=False)
        return ravel_pytree(split(again.value)[0])[0], again.status.ok

    values, fine = jax.jit(jax.vmap(repeat))(jax.random.split(jax.random.key(0), REPEATS))
    kept = np.asarray(values)[np.asarray(fine)]
    if len(kept) < REPEATS // 2:
        return unchecked(claim, "linear propagation", errors.tolist(), "Most simulated experiments did not converge.")
    scatter = np.sqrt(np.mean((kept - np.asarray(flat)) ** 2, axis=0))
    ratio = np.where(errors > 0, scatter / np.where(errors > 0, errors, 1.0), 1.0)
    at = int(np.argmax(np.abs(ratio - 1)))
    verdict = AGREES if abs(ratio[at] - 1) <= BENT else DISAGREES
    sentence = (
        f"{len(kept)} experiments were simulated; their scatter is {numeral(float(ratio[at]), 3)} times the standard "
        f"error where they differ most."
    )
    if verdict == DISAGREES:
        sentence += " The curve bends too much within the errors for their linear approximation."
    return Card(
        claim, "linear propagation", "simulated experiments", errors.tolist(), scatter.tolist(),
        float(np.max(np.abs(scatter - errors))), float(BENT * np.max(errors)), verdict, sentence,
    )  # fmt: skip


def check_squares(result: Minimum, question: Question) -> Card:
    """A sum of squares made least: SciPy begins elsewhere, and may find no smaller sum near it.

    Cost: some tens of residuals.
    """
    function = as_residual(question.function, result.value)
    moving, rest = split(result.value)
    flat, unravel = ravel_pytree(moving)
    residual = as_vector_function(function, unravel, rest, flat.dtype)
    x = np.asarray(flat, float)
    step = float(jnp.finfo(flat.dtype).eps) ** 0.25 * np.maximum(np.abs(x), 1.0)
    bounds = question.arguments.get("bounds")
    again = _scipy(residual, x, step, None if bounds is None else read_bounds(bounds, result.value))
    least = float(jnp.sum(residual(jnp.asarray(again, flat.dtype)) ** 2)) / 2
    claimed = float(np.asarray(result.objective))
    slack = float(jnp.finfo(flat.dtype).eps) ** 0.5
    card = compare(
        "½ Σ r² is least here", "this walk", "SciPy's trust region without derivatives, from beside it", claimed, least,
        allowance=slack * max(claimed, slack),
    )  # fmt: skip
    if least > claimed:  # the second solver did worse: nothing speaks against the first
        return dataclasses.replace(card, verdict=AGREES)
    return card
