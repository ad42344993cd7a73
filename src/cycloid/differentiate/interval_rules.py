"""Functions of one variable over intervals: values with the first and second derivative; whole and real powers.

Each rule encloses what the function and its derivatives take on over an interval, rounded outwards.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from cycloid.differentiate.interval_arithmetic import (
    Interval,
    cosine,
    everything,
    nonnegative,
    on,
    outwards,
    power,
    reciprocal,
    rising,
    sine,
    square,
    whole,
)

# A function of one variable over an interval: its value, its first derivative, its second.
Rule: TypeAlias = "Callable[[Interval], tuple[Interval, Interval, Interval]]"


def near(number: float, size: int) -> Interval:
    """A number that is known to rounding, `size` times."""
    return outwards(np.full(size, number), np.full(size, number))


def whole_power(n: int) -> Rule:
    """xⁿ for an integer n."""
    times = lambda k, x: x * whole(float(k))

    def rule(x: Interval) -> tuple[Interval, Interval, Interval]:
        zero = whole(0.0 * x.low)
        first = times(n, power(x, n - 1)) if n else zero
        return power(x, n), first, times(n * (n - 1), power(x, n - 2)) if n not in (0, 1) else zero

    return rule


def real_power(p: float) -> Rule:
    """xᵖ where x is not negative."""

    def rule(x: Interval) -> tuple[Interval, Interval, Interval]:
        raised = lambda q: nonnegative(rising(np.exp, _scaled(rising(np.log, x), q)))
        return raised(p), _scaled(raised(p - 1), p), _scaled(raised(p - 2), p * (p - 1))

    return _defined_on(0.0, np.inf)(rule)


def _scaled(x: Interval, factor: float) -> Interval:
    return x * near(factor, 1)


def _defined_on(low: float, high: float) -> Callable[[Rule], Rule]:
    """Cuts the argument to where the function is defined.

    Where that cuts something off, nothing is known of the second derivative: a proof by Newton's method, which walks
    straight lines inside the box, must not succeed there.
    """

    def decorated(rule: Rule) -> Rule:
        def cut(x: Interval) -> tuple[Interval, Interval, Interval]:
            inside = on(x, low, high)
            value, slope, bend = rule(inside)
            partly = (x.low < low) | (x.high > high)
            return value, slope, everything(inside).where(partly, bend)

        return cut

    return decorated


def _exp(x: Interval) -> tuple[Interval, Interval, Interval]:
    value = nonnegative(rising(np.exp, x))
    return value, value, value


@_defined_on(0.0, np.inf)
def _log(x: Interval) -> tuple[Interval, Interval, Interval]:
    inverse = _positive_reciprocal(x)
    return rising(np.log, x), inverse, -square(inverse)


def _positive_reciprocal(x: Interval) -> Interval:
    """1/x for x ≥ 0: near zero only the upper end is lost."""
    found = outwards(1.0 / x.high, 1.0 / x.low)
    return Interval(
        np.maximum(found.low, 0.0), np.where(x.low <= 0, np.where(np.isnan(x.low), np.nan, np.inf), found.high)
    )


def _logarithm_to(base: float) -> Rule:
    def rule(x: Interval) -> tuple[Interval, Interval, Interval]:
        value, first, second = (_scaled(part, 1.0 / np.log(base)) for part in _log(x))
        return value, first, second

    return rule


@_defined_on(0.0, np.inf)
def _sqrt(x: Interval) -> tuple[Interval, Interval, Interval]:
    value = nonnegative(rising(np.sqrt, x))
    inverse = _positive_reciprocal(value)
    half = _scaled(inverse, 0.5)
    return value, half, -_scaled(inverse * _positive_reciprocal(x), 0.25)


def _cbrt(x: Interval) -> tuple[Interval, Interval, Interval]:
    value = rising(np.cbrt, x)
    slope = _scaled(_positive_reciprocal(square(value)), 1 / 3)
    return value, slope, -_scaled(slope * reciprocal(x), 2 / 3)


def _sin(x: Interval) -> tuple[Interval, Interval, Interval]:
    value = sine(x)
    return value, cosine(x), -value


def _cos(x: Interval) -> tuple[Interval, Interval, Interval]:
    value = cosine(x)
    return value, -sine(x), -value


def _tan(x: Interval) -> tuple[Interval, Interval, Interval]:
    pole = cosine(x).holds(0.0)
    value = everything(x).where(pole, rising(np.tan, x))
    slope = square(value) + whole(1.0)
    return value, slope, _scaled(value * slope, 2.0)


def _sinh(x: Interval) -> tuple[Interval, Interval, Interval]:
    value = rising(np.sinh, x)
    return value, _cosh_value(x), value


def _cosh(x: Interval) -> tuple[Interval, Interval, Interval]:
    value = _cosh_value(x)
    return value, rising(np.sinh, x), value


def _cosh_value(x: Interval) -> Interval:
    nearest = np.where(x.holds(0.0), 0.0, np.minimum(np.abs(x.low), np.abs(x.high)))
    return rising(np.cosh, Interval(np.where(np.isnan(x.low), np.nan, nearest), x.magnitude))


def _tanh(x: Interval) -> tuple[Interval, Interval, Interval]:
    value = rising(np.tanh, x)
    slope = square(reciprocal(_cosh_value(x)))
    return value, slope, -_scaled(value * slope, 2.0)


def _atan(x: Interval) -> tuple[Interval, Interval, Interval]:
    slope = reciprocal(square(x) + whole(1.0))
    return rising(np.arctan, x), slope, -_scaled(x * square(slope), 2.0)


@_defined_on(-1.0, 1.0)
def _asin(x: Interval) -> tuple[Interval, Interval, Interval]:
    slope = _positive_reciprocal(nonnegative(rising(np.sqrt, nonnegative(whole(1.0) - square(x)))))
    return rising(np.arcsin, x), slope, x * (slope * square(slope))


def _acos(x: Interval) -> tuple[Interval, Interval, Interval]:
    _, slope, bend = _asin(x)
    value = rising(lambda u: -np.arccos(u), on(x, -1.0, 1.0))
    return -value, -slope, -bend


def _asinh(x: Interval) -> tuple[Interval, Interval, Interval]:
    slope = reciprocal(rising(np.sqrt, square(x) + whole(1.0)))
    return rising(np.arcsinh, x), slope, -(x * (slope * square(slope)))


@_defined_on(1.0, np.inf)
def _acosh(x: Interval) -> tuple[Interval, Interval, Interval]:
    slope = _positive_reciprocal(nonnegative(rising(np.sqrt, nonnegative(square(x) - whole(1.0)))))
    return rising(np.arccosh, x), slope, -(x * (slope * square(slope)))


@_defined_on(-1.0, 1.0)
def _atanh(x: Interval) -> tuple[Interval, Interval, Interval]:
    slope = _positive_reciprocal(nonnegative(whole(1.0) - square(x)))
    return rising(np.arctanh, x), slope, _scaled(x * square(slope), 2.0)


# 0.5 + 0.5 tanh cancels for large negative arguments: an absolute error of a few eps.
_CANCELLED = 4 * float(np.finfo(float).eps)


def _sigmoid(x: Interval) -> tuple[Interval, Interval, Interval]:
    value = nonnegative(rising(lambda u: 0.5 + 0.5 * np.tanh(u / 2), x))
    value = Interval(np.maximum(value.low - _CANCELLED, 0.0), np.minimum(value.high + _CANCELLED, 1.0))
    slope = nonnegative(value * (whole(1.0) - value))
    return value, slope, slope * (whole(1.0) - _scaled(value, 2.0))


def _softplus(x: Interval) -> tuple[Interval, Interval, Interval]:
    value = nonnegative(rising(lambda u: np.maximum(u, 0.0) + np.log1p(np.exp(-np.abs(u))), x))
    slope, bend, _ = _sigmoid(x)
    return value, slope, bend


def _erf(x: Interval) -> tuple[Interval, Interval, Interval]:
    from scipy.special import erf

    slope = _scaled(_exp(-square(x))[0], 2 / np.sqrt(np.pi))
    return rising(erf, x), slope, -_scaled(x * slope, 2.0)


def _abs(x: Interval) -> tuple[Interval, Interval, Interval]:
    """Its derivative lies in [−1, 1] where the kink is inside, and nothing is known of the second there."""
    kink = x.holds(0.0)
    least = np.where(kink, 0.0, np.minimum(np.abs(x.low), np.abs(x.high)))
    side = np.where(x.low > 0, 1.0, -1.0) + 0.0 * x.low
    slope = Interval(np.where(kink, -1.0, side), np.where(kink, 1.0, side))
    return Interval(least, x.magnitude), slope, everything(x).where(kink, whole(0.0 * x.low))


RULES: dict[str, Rule] = {
    "exp": _exp, "log": _log, "log2": _logarithm_to(2.0), "log10": _logarithm_to(10.0), "sqrt": _sqrt, "cbrt": _cbrt,
    "sin": _sin, "cos": _cos, "tan": _tan, "sinh": _sinh, "cosh": _cosh, "tanh": _tanh, "atan": _atan, "asin": _asin,
    "acos": _acos, "asinh": _asinh, "acosh": _acosh, "atanh": _atanh, "sigmoid": _sigmoid, "softplus": _softplus,
    "erf": _erf, "abs": _abs,
}  # fmt: skip
