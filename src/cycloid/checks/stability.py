"""The limit of the learning rate, and the edge of stability, checked by power iteration on differences of gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from cycloid.checks.cards import Card, compare, resting_on
from cycloid.checks.registry import register
from cycloid.core.functions import as_objective
from cycloid.core.results import Question
from cycloid.optimize.methods import split
from cycloid.optimize.points import as_point
from cycloid.optimize.step_limits import Edge, Stability

# Turns of power iteration, and its step: the cube root of eps balances rounding and bend in central differences.
TURNS = 400


@register(Stability)
def check_stability(result: Stability, question: Question) -> Card:
    """The predicted limit against the one walked to, and the sharpness found again without second derivatives."""
    apart = "the rate above which descent from close by goes away"
    found = compare(
        "the limit of the learning rate is 2/λmax", "Lanczos' method", apart, float(np.asarray(result.value)),
        float(np.asarray(result.measured)), allowance=0.01 * float(np.asarray(result.value)),
        sentence="Gradient descent was started next to the minimum at many rates.",
    )  # fmt: skip
    sharpness = largest_curvature(question.function, question.arguments["minimum"])
    return resting_on(found, _sharpness_card(float(np.asarray(result.sharpness)), sharpness))


@register(Edge)
def check_edge(result: Edge, question: Question) -> Card:
    """The last sharpness found again without second derivatives."""
    again = largest_curvature(question.function, result.weights)
    return _sharpness_card(float(result.ratio[-1]) * 2 / result.learning_rate, again)


def _sharpness_card(value: float, again: float) -> Card:
    return compare(
        "the largest curvature", "Lanczos' method on products with the Hessian",
        "power iteration on central differences of the gradient", value, again, allowance=0.02 * abs(value),
    )  # fmt: skip


def largest_curvature(loss: Callable[..., Any] | str, x: Any) -> float:
    """The largest eigenvalue of the Hessian by power iteration, H v from two gradients; for positive ones."""
    point = as_point(x)
    objective = as_objective(loss, point)
    parameters, rest = split(point)
    flat, unravel = ravel_pytree(parameters)
    slope = jax.grad(lambda v: jnp.asarray(objective(eqx.combine(unravel(v), rest))).reshape(()))
    step = float(jnp.finfo(flat.dtype).eps) ** (1 / 3) * max(1.0, float(jnp.linalg.norm(flat)))
    product = lambda v: (slope(flat + step * v) - slope(flat - step * v)) / (2 * step)

    def turn(v: Any, _: None) -> tuple[Any, Any]:
        image = product(v)
        return image / jnp.linalg.norm(image), v @ image

    start = jnp.asarray(np.random.default_rng(0).normal(size=flat.shape), flat.dtype)
    curvatures = jax.jit(lambda v: jax.lax.scan(turn, v, None, length=TURNS)[1])(start / jnp.linalg.norm(start))
    return float(curvatures[-1])
