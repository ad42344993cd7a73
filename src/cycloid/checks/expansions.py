"""Taylor polynomials and chain rules found again: by algebra, on circles in the complex plane, by differences."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
import numpy as np

from cycloid.checks.cards import AGREES, DISAGREES, UNCHECKED, Card, compare, resting_on, unchecked
from cycloid.checks.differences import central, circle, complex_step, evaluate, is_analytic
from cycloid.checks.operators import Room
from cycloid.checks.registry import register
from cycloid.core.formulas import Formula
from cycloid.core.functions import as_function
from cycloid.core.interchange import to_data
from cycloid.core.numerals import numeral
from cycloid.core.results import Question
from cycloid.differentiate import Expansion, TotalDerivative
from cycloid.differentiate.taylor_expansions import function_of
from cycloid.differentiate.total_derivatives import composed

SECONDS = 20.0  # of algebra
FRESH = 101  # points at which the remainder is tried
PROBES = 3  # directions for a function of several variables
METHOD = "Taylor arithmetic"


@register(Expansion)
def check_expansion(result: Expansion, question: Question) -> Card:
    """The coefficients by algebra or by Cauchy's integral, and the remainder tried at fresh points.

    Cost: one derivative by algebra for each coefficient of a formula; else 850 evaluations of f on complex numbers for
    each coefficient; and 101 evaluations for the remainder.
    """
    f = as_function(question.function)
    g = function_of(f, question.arguments["x0"])
    claim = f"the Taylor coefficients of {_called(f)} up to order {result.order}"
    cards = [_algebra(result, f, claim), _circles(result, g, claim), _slopes(result, g, claim)]
    found = [card for card in cards if card is not None]
    usable = [card for card in found if card.verdict != UNCHECKED] or found
    first = usable[0] if usable else unchecked(claim, METHOD, None, "No second method applies to this function.")
    return resting_on(first, *usable[1:], _remainder(result, g))


def _called(f: Any) -> str:
    return f.text if isinstance(f, Formula) else getattr(f, "__name__", "f")


def _room(result: Expansion) -> Room:
    c = np.asarray(result.coefficients)
    return Room(float(jnp.finfo(c.dtype).eps), 1.0 + float(np.abs(c).max(initial=0.0)))


def _algebra(result: Expansion, f: Any, claim: str) -> Card | None:
    from cycloid.core.algebra import AlgebraError, ask

    if not isinstance(f, Formula) or not f.variables:
        return None
    p = result.value
    powers = p.powers or [(k,) for k in range(p.order + 1)]
    try:
        exact = ask(
            "cycloid.checks.exact_series:coefficients", seconds=SECONDS, tree=to_data(f.tree),
            variables=list(f.variables), centre=np.atleast_1d(np.asarray(p.centre, float)).tolist(),
            powers=[list(power) for power in powers],
        )  # fmt: skip
    except AlgebraError:
        return None
    value = np.asarray(p.coefficients, float)
    return compare(claim, METHOD, "algebra (SymPy)", value, exact, allowance=_room(result).rounding)


def _circles(result: Expansion, g: Any, claim: str) -> Card | None:
    """Each coefficient by Cauchy's integral; of several variables those along a few directions."""
    p = result.value
    centre = jnp.asarray(p.centre)
    if p.order >= 16 or not is_analytic(g, centre):
        return None
    rows, claimed, errors = [], [], []
    for v in _probes(p):
        along = g if v is None else (lambda t, v=v: g(centre + t * v))
        start = float(centre) if v is None else 0.0
        for k in range(p.order + 1):
            value, error = circle(along, start, k)
            rows.append(value / math.factorial(k))
            errors.append(error / math.factorial(k))
            claimed.append(_along(p, v, k))
    room = _room(result)
    trusted = np.asarray(errors) < room.half_the_digits
    if not trusted.any():
        return None
    value, second = np.asarray(claimed)[trusted], np.asarray(rows)[trusted]
    allowance = room.rounding + 10 * float(np.asarray(errors)[trusted].max())
    where = "" if p.powers is None else f" along {PROBES} directions"
    note = "" if trusted.all() else f"The circles settle {int(trusted.sum())} of {trusted.size} coefficients."
    return compare(claim, METHOD, f"Cauchy's integral{where}", value, second, allowance=allowance, sentence=note)


def _slopes(result: Expansion, g: Any, claim: str) -> Card | None:
    """The first-order coefficients by differences."""
    p = result.value
    if p.order < 1:
        return None
    centre = jnp.atleast_1d(jnp.asarray(p.centre))
    of_vector = (lambda v: g(v[0])) if p.powers is None else g
    values, errors = central(of_vector, centre, np.eye(centre.size, dtype=centre.dtype))
    own = [float(p.coefficient(*row)) for row in np.eye(centre.size, dtype=int).tolist()]
    if not np.all(np.isfinite(errors)):
        return None
    allowance = _room(result).half_the_digits + 10 * float(errors.max())
    return compare(f"{claim}: the slopes", METHOD, "differences", own, values, allowance=allowance)


def _probes(p: Any) -> list[Any]:
    if p.powers is None:
        return [None]
    v = np.random.default_rng(1).normal(size=(PROBES, len(p.variables)))
    return list(v / np.linalg.norm(v, axis=1, keepdims=True))


def _along(p: Any, v: Any, k: int) -> float:
    """The coefficient of t^k of p(a + t v)."""
    c = np.asarray(p.coefficients, float)
    if p.powers is None:
        return float(c[k])
    return float(sum(c[i] * np.prod(v ** np.asarray(a)) for i, a in enumerate(p.powers) if sum(a) == k))


def _remainder(result: Expansion, g: Any) -> Card:
    """The error at fresh points within the radius against what is claimed: never more than a bound."""
    p, error = result.value, float(np.asarray(result.error))
    kind, radius = result.error_kind.name, float(result.radius)
    claim = f"|f − p| within {numeral(radius, 4)} of the centre is at most {numeral(error, 3)} ({kind})"
    if not np.isfinite(error):
        return unchecked(claim, METHOD, None, "No remainder is claimed: f has no value somewhere within the radius.")
    centre = np.asarray(p.centre)
    fresh = np.random.default_rng(2).uniform(-1, 1, size=(FRESH, *centre.shape))
    fresh[0], fresh[1] = 1.0, -1.0  # the ends, or two corners, where it is largest as a rule
    points = jnp.asarray((centre + radius * fresh).astype(centre.dtype))
    values = evaluate(g, points)
    seen = float(np.max(np.abs(values - np.asarray(p(points)))))
    rounding = 8 * float(jnp.finfo(centre.dtype).eps) * float(np.abs(values).max())
    most = (1.0 if kind == "bound" else 2.0) * error + rounding
    verdict = UNCHECKED if not np.isfinite(seen) else AGREES if seen <= most else DISAGREES
    return Card(
        claim, "claimed", f"largest of {FRESH} fresh points", error, seen, max(0.0, seen - error), most - error, verdict
    )


@register(TotalDerivative)
def check_total(result: TotalDerivative, question: Question) -> Card:
    """The sum over the paths against the derivative of the composition, by a complex step or differences.

    Cost: one evaluation of the composition on complex numbers, or 24 on real ones, at each t (at most 16).
    """
    g = composed(question.function, question.arguments["inner"])
    t = np.ravel(np.asarray(result.t))[:16]
    own = np.ravel(np.asarray(result.value, float))[:16]
    one = np.ones((1, 1), t.dtype)
    claim = f"dz/dt is the sum over {len(result.names)} paths: {', '.join(result.names)}"
    size = 1.0 + float(np.abs(np.asarray(result.products)).max(initial=0.0))
    room = Room(float(jnp.finfo(t.dtype).eps), size)
    if all(is_analytic(g, jnp.asarray(s)) for s in t[:1]):
        again = [complex_step(lambda v: g(v[0]), np.array([s]), one)[0] for s in t]
        return _one(claim, "complex step through the composition", own, again, room.rounding)
    pairs = [central(lambda v: g(v[0]), jnp.asarray([s]), one) for s in t]
    allowance = room.half_the_digits + 10 * float(max(error[0] for _, error in pairs))
    return _one(claim, "differences of the composition", own, [value[0] for value, _ in pairs], allowance)


def _one(claim: str, second: str, value: Any, again: Any, allowance: float) -> Card:
    values = [float(value[0]), float(again[0])] if len(value) == 1 else [value, again]
    return compare(claim, "the chain rule, path by path", second, *values, allowance=allowance)
