"""Intervals that certainly hold the true number: arrays of them, every operation rounded outwards.

Sums, products, quotients and roots of NumPy are correctly rounded, so that the next float outwards is a bound. Its
elementary functions are right to a few units in the last place and are widened by sixteen. An interval whose ends are
NaN is empty: the function is not defined anywhere in it.

Reference: R. E. Moore, R. B. Kearfott and M. J. Cloud, Introduction to interval analysis, 2009.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

# Units in the last place by which an elementary function of NumPy or SciPy may be off, with room to spare.
SLACK = 16 * np.finfo(float).eps
TINY, LARGEST = np.finfo(float).tiny, np.finfo(float).max
# Beyond this, the place of an angle in its turn is not known well enough to tell whether a crest lies inside.
FAR = 1e6


class Interval(NamedTuple):
    """All numbers from low to high, for each entry of two arrays of one shape.

    Example:
        >>> third = whole(1.0) / whole(3.0)
        >>> bool(third.low < third.high), bool(third.low <= 1 / 3 <= third.high)
        (True, True)
    """

    low: Any
    high: Any

    def __add__(self, other: Interval) -> Interval:  # type: ignore[override]
        return outwards(self.low + other.low, self.high + other.high)

    def __neg__(self) -> Interval:
        return Interval(-self.high, -self.low)

    def __sub__(self, other: Interval) -> Interval:
        return self + (-other)

    def __mul__(self, other: Interval) -> Interval:  # type: ignore[override]
        empty = np.isnan(self.low) | np.isnan(other.low)
        products = [a * b for a in self for b in other]
        # 0 · ∞ is 0 here: the infinite end stands for arbitrarily large finite numbers.
        products = [np.where(np.isnan(p) & ~empty, 0.0, p) for p in products]
        return outwards(np.minimum.reduce(products), np.maximum.reduce(products))

    def __truediv__(self, other: Interval) -> Interval:
        return self * reciprocal(other)

    @property
    def middle(self) -> Any:
        """A float inside."""
        return self.low + 0.5 * (self.high - self.low)

    @property
    def magnitude(self) -> Any:
        """The largest absolute value inside."""
        return np.maximum(np.abs(self.low), np.abs(self.high))

    @property
    def width(self) -> Any:
        """high − low, not below the true difference."""
        return np.nextafter(self.high - self.low, np.inf)

    def holds(self, number: Any) -> Any:
        """Where the number lies inside; nowhere in an empty interval."""
        return (self.low <= number) & (number <= self.high)

    def within(self, other: Interval) -> Any:
        """Where this lies in the interior of the other."""
        return (self.low > other.low) & (self.high < other.high)

    def meets(self, other: Interval) -> Any:
        """Where the two have a number in common."""
        return (self.low <= other.high) & (self.high >= other.low)

    def cut(self, other: Interval) -> Interval:
        """What the two have in common; empty where nothing."""
        low, high = np.maximum(self.low, other.low), np.minimum(self.high, other.high)
        nothing = ~(low <= high)
        return Interval(np.where(nothing, np.nan, low), np.where(nothing, np.nan, high))

    def where(self, condition: Any, other: Interval) -> Interval:
        """This where the condition holds, the other elsewhere."""
        return Interval(np.where(condition, self.low, other.low), np.where(condition, self.high, other.high))


def whole(number: Any) -> Interval:
    """The interval that holds one float alone."""
    array = np.asarray(number, float)
    return Interval(array, array)


def outwards(low: Any, high: Any) -> Interval:
    """The next floats outwards; an overflow becomes the largest float on the inner side."""
    return Interval(np.nextafter(low, -np.inf), np.nextafter(high, np.inf))


def widened(low: Any, high: Any) -> Interval:
    """Room for the errors of an elementary function."""
    low, high = np.minimum(low, LARGEST), np.maximum(high, -LARGEST)
    return outwards(low - SLACK * np.abs(low) - TINY, high + SLACK * np.abs(high) + TINY)


def everything(like: Interval) -> Interval:
    """The whole line; empty where `like` is."""
    unbounded = np.where(np.isnan(like.low), np.nan, np.inf)
    return Interval(-unbounded, unbounded)


def reciprocal(x: Interval) -> Interval:
    """1 / x, the whole line where x holds zero."""
    zero = x.holds(0.0)
    return everything(x).where(zero, outwards(1.0 / x.high, 1.0 / x.low))


def square(x: Interval) -> Interval:
    """x², never below zero."""
    ends = x.low * x.low, x.high * x.high
    least = np.where(x.holds(0.0), 0.0, np.minimum(*ends))
    found = outwards(least, np.maximum(*ends))
    return Interval(np.maximum(found.low, 0.0), found.high)


def power(x: Interval, n: int) -> Interval:
    """xⁿ for a whole number n."""
    if n == 0:
        return whole(1.0 + 0.0 * x.low)
    if n < 0:
        return reciprocal(power(x, -n))
    if n % 2:
        return x if n == 1 else widened(x.low**n, x.high**n)
    found = square(x)
    return found if n == 2 else nonnegative(widened(found.low ** (n // 2), found.high ** (n // 2)))


def nonnegative(x: Interval) -> Interval:
    """The same without what rounding put below zero."""
    return Interval(np.maximum(x.low, 0.0), x.high)


def rising(function: Callable[[Any], Any], x: Interval) -> Interval:
    """The image under an increasing elementary function."""
    return widened(function(x.low), function(x.high))


def on(x: Interval, low: float, high: float) -> Interval:
    """x cut to where a function is defined; empty where it is defined nowhere in x."""
    return x.cut(Interval(np.full_like(x.low, low), np.full_like(x.high, high)))


def sine(x: Interval) -> Interval:
    """sin x."""
    return cosine(x - outwards(np.asarray(np.pi / 2), np.asarray(np.pi / 2)))


def cosine(x: Interval) -> Interval:
    """cos x: its ends, and ±1 where a crest or a trough lies inside or cannot be told to lie outside."""
    ends = np.cos(x.low), np.cos(x.high)
    low, high = np.minimum(*ends) - SLACK, np.maximum(*ends) + SLACK
    doubt = 64 * np.finfo(float).eps * (1.0 + x.magnitude)
    far = x.magnitude > FAR
    turns = lambda phase: (  # whether a point phase + 2πk lies inside
        np.floor((x.high + doubt - phase) / (2 * np.pi)) >= np.ceil((x.low - doubt - phase) / (2 * np.pi))
    )
    empty = np.isnan(x.low)
    low = np.where((turns(np.pi) | far) & ~empty, -1.0, np.maximum(low, -1.0))
    high = np.where((turns(0.0) | far) & ~empty, 1.0, np.minimum(high, 1.0))
    return Interval(low, high)
