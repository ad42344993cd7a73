"""Derivatives by several frameworks, checked without automatic differentiation: by differences of the function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cycloid.adapters import adapter
from cycloid.checks.cards import AGREES, DISAGREES, Card, compare, resting_on
from cycloid.checks.differences import central
from cycloid.checks.registry import register
from cycloid.core.results import Question
from cycloid.differentiate.frameworks import Agreement, asked_of


@register(Agreement)
def check_agreement(result: Agreement, question: Question) -> Card:
    """That the ways agree, resting on differences for the first derivatives and differences of these for the second.

    Cost: 24 evaluations for each number of x, twice.
    """
    frameworks = list(question.arguments["frameworks"])
    asked = asked_of(question.function, question.arguments["x"], frameworks, frameworks)
    first = result.ways[0]
    f = _numpy(frameworks[0], asked.functions[frameworks[0]])
    card = Card(
        f"{', '.join(result.ways)} agree on {result.of}", "each framework's own derivatives", "each other",
        len(result.ways), len(result.ways), float(np.asarray(result.error)), max(result.allowed.values()),
        AGREES if result.agrees else DISAGREES,
        "" if len(result.ways) > 1 else "There is one way alone: it rests on differences.",
    )  # fmt: skip
    name = "jacobian" if "jacobian" in result.value[first] else "gradient"
    further = [_by_differences(result, first, name, f, asked.point)]
    if "hessian" in result.value[first]:
        slopes = lambda x: central(f, np.asarray(x), np.eye(np.size(x)))[0][:, 0]
        further.append(_by_differences(result, first, "hessian", slopes, asked.point))
    return resting_on(card, *further)


def _numpy(framework: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as one from arrays to a vector."""
    if framework == "jax":
        import jax.numpy as jnp

        return lambda x: jnp.atleast_1d(function(x))
    module = adapter(framework)
    return lambda x: np.atleast_1d(module.array(function(module.tensor(np.asarray(x)))))


def _by_differences(result: Agreement, way: str, name: str, f: Callable[..., Any], point: np.ndarray) -> Card:
    value = np.asarray(result.value[way][name])
    found, error = central(f, point, np.eye(point.size))
    again = found.T.reshape(value.shape)
    size = 1.0 + float(np.max(np.abs(value), initial=0.0))
    second = "differences of differences" if name == "hessian" else "differences of the function"
    return compare(
        f"the {name} of {result.of}", way, second,
        value, again, allowance=float(4 * np.max(error)) + (1e-4 if name == "hessian" else 1e-7) * size,
    )  # fmt: skip
