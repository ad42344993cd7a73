"""Explanations checked: what the rules gave against automatic differentiation, quadrature and complex steps."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cycloid.checks.cards import AGREES, DISAGREES, Card, compare, resting_on, unchecked
from cycloid.checks.differences import flatten
from cycloid.checks.operators import slope_cards
from cycloid.checks.registry import register
from cycloid.core.formulas import Formula
from cycloid.core.numerals import numeral
from cycloid.core.results import Question
from cycloid.explain.derivations import Derivation

# Values of two exact methods may differ by rounding, which grows with the number of operations.
ROUNDING = 1e-9


@register(Derivation)
def check_derivation(result: Derivation, question: Question) -> Card:
    """The result of an explanation by a method that uses none of its steps, resting on a card of its own checks.

    Cost: tens of evaluations for a formula; for code one evaluation on complex numbers and 20 on real ones for each
    variable, or for each of 16 directions.
    """
    second = {
        "derivative": _derivative,
        "antiderivative": _antiderivative,
        "taylor": _taylor,
        "chain": _gradient,
        "backpropagation": _network,
    }[result.kind]
    return resting_on(second(result, question), _steps(result))


def _steps(result: Derivation) -> Card:
    """The checks that the explanation made of each of its lines."""
    checks = [check for check in result.checks if check.verdict != "cannot be checked"]
    if not checks:
        return unchecked("each step holds", "the rules", None, "No step could be tried numerically.")
    wrong = [check for check in checks if check.verdict == "disagrees"]
    worst = max(checks, key=lambda check: check.disagreement / max(check.allowance, 1e-300))
    ways = " and ".join(sorted({check.method for check in checks}))
    return Card(
        f"each of {len(checks)} steps holds", "the rules", ways, len(checks) - len(wrong), len(checks),
        worst.disagreement, worst.allowance, DISAGREES if wrong else AGREES,
        "" if not wrong else f"{len(wrong)} steps disagree; they are marked.",
    )  # fmt: skip


def _points(f: Formula) -> list[dict[str, float]]:
    """Points of the positive quadrant at which f is finite, the same ones at every call."""
    found = []
    for k in range(1, 60):
        point = {
            name: float(np.mod(k * (0.5 + 0.377 * i) * 0.6180339887, 1.0) * 2.9 + 0.05)
            for i, name in enumerate(f.variables)
        }
        if np.isfinite(float(f(**point))):
            found.append(point)
        if len(found) == 5:
            break
    return found


def _derivative(result: Derivation, question: Question) -> Card:
    from cycloid import differentiate

    f, variable, order = question.function, question.arguments["variable"], question.arguments["order"]
    slope = differentiate.partial(f, *[variable] * order)
    at = question.arguments["at"]
    points = [at] if at is not None else _points(f)
    claim = f"the derivative of order {order} of {f} by {variable}"
    if result.formula is None or not points or (at is not None and not np.isfinite(result.value)):
        return unchecked(claim, "the rules of differentiation", result.value, "There is no finite value to compare.")
    own = [float(result.formula(**point)) for point in points]
    again = [float(slope(**point)) for point in points]
    value, second = (own[0], again[0]) if at is not None else (own, again)
    allowance = ROUNDING * (1.0 + float(np.max(np.abs(own))))
    return compare(
        claim, "the rules of differentiation", "automatic differentiation (JAX)", value, second, allowance=allowance
    )


def _antiderivative(result: Derivation, question: Question) -> Card:
    from cycloid import differentiate

    f, variable, ends = question.function, question.arguments["variable"], question.arguments["bounds"]
    if ends is not None:
        return _integral(result, f, variable, ends)
    claim = f"the antiderivative of {f} by {variable}"
    if result.formula is None:
        return unchecked(claim, "the rules of integration", None, "There is no formula to differentiate back.")
    back = differentiate.partial(result.formula, variable)
    points = [p for p in _points(f) if np.isfinite(float(back(**p)))]
    if not points:
        return unchecked(
            claim, "the rules of integration", result.formula.text, "No points were found at which both are finite."
        )
    own, again = [float(f(**point)) for point in points], [float(back(**point)) for point in points]
    allowance = ROUNDING * (1.0 + float(np.max(np.abs(own))))
    return compare(claim, "the integrand", "its antiderivative, differentiated by JAX", own, again, allowance=allowance)


def _integral(result: Derivation, f: Formula, variable: str, ends: tuple[float, float]) -> Card:
    """Tanh-sinh quadrature, which shares no node with QUADPACK."""
    claim = f"the integral of {f} from {numeral(ends[0], 8)} to {numeral(ends[1], 8)}"
    if not np.isfinite(result.value):
        return unchecked(claim, "the explanation", None, "There is no finite integral to compare.")
    if not np.all(np.isfinite(ends)):
        return unchecked(claim, "the explanation", result.value, "Tanh-sinh quadrature needs finite bounds.")
    middle, half = (ends[0] + ends[1]) / 2, (ends[1] - ends[0]) / 2
    sums = []
    for h in (2.0**-5, 2.0**-6):
        t = h * np.arange(-int(3.2 / h), int(3.2 / h) + 1)
        x = np.tanh(np.pi / 2 * np.sinh(t))
        weights = h * np.pi / 2 * np.cosh(t) / np.cosh(np.pi / 2 * np.sinh(t)) ** 2
        heights = np.asarray(f(jnp.asarray(middle + half * x)), float)
        sums.append(float(half * np.sum(np.where(np.isfinite(heights), heights, 0.0) * weights)))
    allowance = max(1e-8 * (1.0 + abs(sums[1])), 100 * abs(sums[1] - sums[0]))
    if allowance > 1e-2 * (1.0 + abs(sums[1])):
        return unchecked(claim, "the explanation", result.value, "Tanh-sinh quadrature does not settle here.")
    return compare(claim, "the explanation", "tanh-sinh quadrature", result.value, sums[1], allowance=allowance)


def _taylor(result: Derivation, question: Question) -> Card:
    from cycloid.core.arithmetic import compute
    from cycloid.differentiate.series import taylor_series

    f, centre, order = question.function, question.arguments["at"], question.arguments["order"]
    claim = f"the Taylor coefficients of {f} at {numeral(centre, 8)}"
    steps = [step for step in result.steps if step.kind == "coefficient" and step.check is not None]
    if len(steps) <= order:
        return unchecked(claim, "derivatives at the centre", None, "There is no series here.")
    own = [compute(step.result, {}) for step in steps]
    again = (
        [float(np.asarray(c)) for c in taylor_series(f, jnp.asarray(centre), order)] if order else [float(f(centre))]
    )
    allowance = ROUNDING * (1.0 + float(np.max(np.abs(own))))
    return compare(claim, "derivatives at the centre", "Taylor arithmetic (JAX)", own, again, allowance=allowance)


def _gradient(result: Derivation, question: Question) -> Card:
    """The gradient of code by complex steps, or by differences, along the axes or 16 directions."""
    args, output = question.arguments["args"], question.arguments["output"]
    f = question.function
    if isinstance(f, str | Formula):
        from cycloid.core.formulas import formula

        f = formula(f) if isinstance(f, str) else f

    def of_point(point: Any) -> Any:
        value = f(*point) if len(args) > 1 else f(point)
        return value if output is None else value[output]

    point = args if len(args) > 1 else args[0]
    return _slopes(of_point, point, result, "the chain rule, step by step")


def _network(result: Derivation, question: Question) -> Card:
    loss, batch = question.function, question.arguments["batch"]
    return _slopes(
        lambda model: loss(model, batch), question.arguments["model"], result, "backpropagation, layer by layer"
    )


def _slopes(f: Any, point: Any, result: Derivation, method: str) -> Card:
    of_vector, vector = flatten(f, point)
    leaves = [jnp.ravel(leaf) for leaf in jax.tree.leaves(result.value)]
    slopes = jnp.concatenate(leaves)
    claim = f"the gradient of {getattr(result.evidence, 'name', 'the loss') if result.kind == 'chain' else 'the loss'}"
    if slopes.shape != vector.shape:
        return unchecked(claim, method, None, "The arguments hold numbers that were taken as constants.")
    cards = slope_cards(of_vector, vector, slopes, claim)
    first = Card(**{**{k: getattr(cards[0], k) for k in Card.__dataclass_fields__}, "method": method})
    return resting_on(first, *cards[1:])
