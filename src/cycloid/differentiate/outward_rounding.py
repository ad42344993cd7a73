"""Arithmetic of intervals (low, high), rounded outwards: what comes out holds the value of exact arithmetic."""

from __future__ import annotations

import math
from collections.abc import Callable

Interval = tuple[float, float]

ZERO, ONE = (0.0, 0.0), (1.0, 1.0)
ROUNDING = 2.0**-52  # of one operation; elementary functions of the C library get four


class NoEnclosure(ArithmeticError):
    """No finite interval holds the values: a pole, a kink or the end of the domain, or a function without a rule."""


def outwards(low: float, high: float, ulps: float = 1.0) -> Interval:
    """Rounded outwards; NoEnclosure where nothing finite is left."""
    if not (math.isfinite(low) and math.isfinite(high)):
        raise NoEnclosure
    return low - ulps * ROUNDING * abs(low) - 5e-324, high + ulps * ROUNDING * abs(high) + 5e-324


def magnitude(x: Interval) -> float:
    """The largest absolute value in an interval."""
    return max(abs(x[0]), abs(x[1]))


def plus(a: Interval, b: Interval) -> Interval:
    return b if a == ZERO else a if b == ZERO else outwards(a[0] + b[0], a[1] + b[1])


def minus(a: Interval) -> Interval:
    return -a[1], -a[0]


def times(a: Interval, b: Interval) -> Interval:
    if ZERO in (a, b):
        return ZERO
    if a == ONE or b == ONE:
        return b if a == ONE else a
    products = (a[0] * b[0], a[0] * b[1], a[1] * b[0], a[1] * b[1])
    return outwards(min(products), max(products))


def inverse(a: Interval) -> Interval:
    if a[0] <= 0.0 <= a[1]:
        raise NoEnclosure
    return outwards(1.0 / a[1], 1.0 / a[0])


def exactly(value: float) -> Interval:
    """A constant of a formula: whole numbers are exact, others may have been rounded when they were read."""
    return (value, value) if value == int(value) and abs(value) < 2**53 else outwards(value, value)


def rising(function: Callable[[float], float], low: float = -math.inf, high: float = math.inf):
    """The range of a monotone function on an interval inside its domain."""

    def on(x: Interval) -> Interval:
        if not (low < x[0] and x[1] < high):
            raise NoEnclosure
        try:
            return outwards(function(x[0]), function(x[1]), 4.0)
        except (ValueError, OverflowError):
            raise NoEnclosure from None

    return on


def _wave(function: Callable[[float], float], shift: float) -> Callable[[Interval], Interval]:
    """sin (shift 1/2) or cos (shift 0): the ends, and 1 or −1 where a crest (k + shift) π may lie inside."""

    def on(x: Interval) -> Interval:
        if magnitude(x) > 1e6:  # there the multiple of pi would be uncertain
            return -1.0, 1.0
        ends = (function(x[0]), function(x[1]))
        low, high = outwards(min(ends), max(ends), 4.0)
        first = math.ceil(x[0] / math.pi - shift - 1e-9)
        crests = {k % 2 for k in range(first, min(math.floor(x[1] / math.pi - shift + 1e-9), first + 1) + 1)}
        return (-1.0 if 1 in crests else max(low, -1.0)), (1.0 if 0 in crests else min(high, 1.0))

    return on


sine, cosine = _wave(math.sin, 0.5), _wave(math.cos, 0.0)


def cosh(x: Interval) -> Interval:
    top = max(math.cosh(x[0]), math.cosh(x[1])) if magnitude(x) < 700 else math.inf
    bottom = 1.0 if x[0] <= 0.0 <= x[1] else min(math.cosh(x[0]), math.cosh(x[1]))
    low, high = outwards(bottom, top, 4.0)
    return max(low, 1.0), high
