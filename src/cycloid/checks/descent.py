"""Second methods for optimization: a minimum by its gradient and curvature, a race by running it again."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from cycloid.checks.cards import AGREES, DISAGREES, UNCHECKED, Card, compare, resting_on, unchecked
from cycloid.checks.differences import central, complex_step, evaluate, flatten, is_analytic
from cycloid.checks.operators import EVERY, Room, probes
from cycloid.checks.registry import register
from cycloid.core.functions import as_objective
from cycloid.core.numerals import numeral
from cycloid.core.results import Question
from cycloid.core.tolerance import as_tolerance
from cycloid.optimize.augmented_lagrangian import AugmentedLagrangian
from cycloid.optimize.drivers import Minimum

# Above so many variables the curvature is not looked at: its smallest eigenvalue would cost hundreds of gradients.
CURVED = 5_000
# Differences whose error is a larger part of them than this have no limit to tell.
UNSETTLED = 0.1


@register(Minimum)
def check_minimum(result: Minimum, question: Question) -> Card:
    """The gradient found again without automatic differentiation, the value again, and the curvature.

    Cost: for n variables up to 64, n evaluations on complex numbers and 24 n gradients for the Hessian; above, 16 and
    some hundred gradients.
    """
    if np.ndim(result.status.code):
        raise ValueError("this is a batch: check one member, jax.tree.map(lambda leaf: leaf[0], result), question=f.")
    if question.arguments.get("squares"):
        from cycloid.checks.fits import check_squares

        return check_squares(result, question)
    if isinstance(question.method, AugmentedLagrangian) or question.arguments.get("bounds") is not None:
        from cycloid.checks.constrained import check_constrained

        return check_constrained(result, question)
    f, x = flatten(as_objective(question.function, result.value), result.value)
    dtype = x.dtype
    height = float(evaluate(f, x[None])[0])
    slack = Room(float(jnp.finfo(dtype).eps), 1.0 + abs(height)).rounding
    tolerance = as_tolerance(question.arguments.get("tol"), dtype)
    # minimize's own rule: |∇f|∞ <= atol + rtol |f| / max(1, |x|∞)
    allowed = float(tolerance.allowed(height / max(1.0, float(jnp.abs(x).max()))))
    card = _gradient_card(f, x, result, slack + allowed)
    if not tolerance.is_zero and card.second_value > card.allowance:
        why = (
            f"The gradient is {numeral(card.second_value, 3)}, above the tolerance {numeral(allowed, 3)}: this is no "
            f"stationary point. Raise max_steps= or change the learning rate."
        )
        card = dataclasses.replace(card, verdict=DISAGREES, sentence=why)
    again = compare(
        "the value at the minimiser", "recorded on the way", "evaluated again", np.asarray(result.objective), height,
        allowance=slack,
    )  # fmt: skip
    return resting_on(card, again, _curvature_card(f, x))


def _gradient_card(f: Callable[[Any], Any], x: Any, result: Minimum, slack: float) -> Card:
    """The largest entry of the gradient at the minimiser, or for many variables an estimate of its length."""
    directions, axes = probes(x)
    claimed = float(np.asarray(result.gradient_norm))
    analytic = is_analytic(f, x)
    if analytic:
        slopes, error = complex_step(f, x, directions), 0.0
    else:
        slopes, errors = central(f, x, directions)
        error = float(errors.max())
    second = "complex step" if analytic else "differences"
    if axes:
        return compare(
            f"the gradient at the minimiser is zero, to {numeral(claimed, 2)}",
            "automatic differentiation, largest entry", f"{second}, largest entry", claimed,
            float(np.abs(slopes).max()), allowance=slack + 4 * error,
            sentence="The slope in every direction was found again without automatic differentiation.",
        )  # fmt: skip
    # A random unit direction v has E (g·v)² = |g|² / n, and |g|∞ >= |g| / √n: the mean square of the slopes is a
    # length that the largest entry cannot stay below, up to the scatter of sixteen directions.
    length = float(np.sqrt(np.mean(slopes**2)))
    verdict = AGREES if length <= 2.0 * claimed + slack + 4 * error else DISAGREES
    return Card(
        f"no slope at the minimiser exceeds {numeral(claimed, 2)}", "automatic differentiation, largest entry",
        f"{second} along {len(directions)} random directions, root mean square", claimed, length,
        max(0.0, length - claimed), claimed + slack + 4 * error, verdict,
        f"{x.size} variables are too many to look along each; random directions were taken.",
    )  # fmt: skip


def _curvature_card(f: Callable[[Any], Any], x: Any) -> Card:
    """The smallest eigenvalue of the Hessian: positive at a minimum, negative at a saddle, zero where it is flat."""
    claim = "the curvature is positive in every direction"
    if x.size > CURVED:
        return unchecked(claim, "Hessian", None, f"{x.size} variables are more than the curvature is looked at for.")
    gradient = jax.grad(lambda v: jnp.asarray(f(v)).reshape(()))
    if x.size <= EVERY:
        hessian = np.asarray(jax.jit(jax.hessian(lambda v: jnp.asarray(f(v)).reshape(())))(x), float)
        if not np.all(np.isfinite(hessian)):
            return unchecked(claim, "Hessian", None, "The Hessian is not finite here: the function has a kink.")
        values = np.linalg.eigvalsh(hessian)
        columns, errors = central(_second_gradient(f, x), x, np.eye(x.size))
        noise = float(np.sqrt((np.where(np.isfinite(errors), errors, 0.0) ** 2).sum()))
        again = np.linalg.eigvalsh((columns + columns.T) / 2) if np.all(np.isfinite(columns)) else values * np.nan
        names = ("Hessian by automatic differentiation", "Hessian by differences of the second gradient")
    else:
        values, again, noise = _extremes(gradient, x)
        names = ("Hessian-vector products, by Lanczos", "differences of gradients, by Lanczos")
    if noise > UNSETTLED * float(np.abs(again).max()) > 0.0:
        words = (
            "Differences over smaller and smaller steps do not settle: the second derivative is not finite near here."
        )
        return unchecked(claim, names[0], float(values[0]), words)
    size = float(np.abs(values).max())
    noise += float(jnp.finfo(x.dtype).eps) ** 0.5 * size
    card = compare(claim, *names, float(values[0]), float(again[0]), allowance=4 * noise)
    if card.verdict != AGREES:
        return card
    least = float(values[0])
    if least < -4 * noise:
        words = (
            f"A saddle or a maximum: one direction has the negative curvature {numeral(least)}, the way down goes on."
        )
        return dataclasses.replace(card, verdict=DISAGREES, sentence=words)
    if least <= 4 * noise:
        words = "Flat: along some direction the curvature is zero to rounding, so that it cannot tell a minimum."
        return dataclasses.replace(card, verdict=UNCHECKED, sentence=words)
    condition = size / least
    ends = f"{numeral(least)} and {numeral(size)}, condition {numeral(condition, 3)}"
    words = f"A minimum: the curvatures lie between {ends}."
    return dataclasses.replace(card, sentence=words)


def _second_gradient(f: Callable[[Any], Any], x: Any) -> Callable[[Any], Any]:
    """The gradient by complex steps where they apply, so that no derivative in the check is automatic."""
    if not is_analytic(f, x):
        return jax.grad(lambda v: jnp.asarray(f(v)).reshape(()))
    from cycloid.checks.differences import IMAGINARY

    axes = jnp.eye(x.size, dtype=x.dtype)
    return lambda v: jax.vmap(lambda e: jnp.asarray(f(v + 1j * IMAGINARY * e)).reshape(()).imag)(axes) / IMAGINARY


def _extremes(gradient: Callable[[Any], Any], x: Any) -> tuple[np.ndarray, np.ndarray, float]:
    """Smallest and largest eigenvalue by Lanczos, from exact products and from differences of gradients."""
    from scipy.sparse.linalg import LinearOperator, eigsh

    product = jax.jit(lambda v: jax.jvp(gradient, (x,), (v,))[1])
    slope = jax.jit(gradient)
    step = float(jnp.finfo(x.dtype).eps) ** (1 / 3) * max(1.0, float(jnp.abs(x).max()))

    def difference(v: Any) -> Any:
        length = float(np.linalg.norm(v)) or 1.0
        move = jnp.asarray(v * (step / length), x.dtype)
        return (slope(x + move) - slope(x - move)) * (length / (2 * step))

    found, solve = [], cast(Any, eigsh)
    for times in (lambda v: product(jnp.asarray(v, x.dtype)), difference):
        matvec = lambda v, times=times: np.asarray(times(v.ravel()), float)
        operator: Any = LinearOperator(shape=(x.size, x.size), matvec=matvec)  # pyright: ignore[reportCallIssue]
        start = np.random.default_rng(0).normal(size=x.size)
        found.append(np.sort(solve(operator, k=2, which="BE", v0=start, tol=1e-6, return_eigenvectors=False)))
    return found[0], found[1], step * float(np.abs(found[0]).max())
