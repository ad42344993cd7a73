"""Values, gradients and Hessians of a formula over whole boxes: its syntax tree computed with intervals.

A jet carries the intervals of a value, of its partial derivatives and of its second ones; what is zero for every point
is left out. Boxes are computed all at once, as arrays.

Reference: L. B. Rall, Automatic differentiation: techniques and applications, 1981.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from cycloid.core.arithmetic import constant
from cycloid.core.syntax import Apply, Constant, Node, Number, Variable, is_constant
from cycloid.core.vocabulary import CONSTANTS
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

Place: TypeAlias = "tuple[int, int]"
# A function of one variable over an interval: its value, its first derivative, its second.
Rule: TypeAlias = "Callable[[Interval], tuple[Interval, Interval, Interval]]"


class NoRule(ValueError):
    """A function that has no interval rule here."""


class Jet(NamedTuple):
    """A value with its derivatives up to the second, over boxes.

    Args:
        value: the interval of the value.
        first: the partial derivatives by variable; those left out are zero.
        second: the second ones by pairs of variables, the smaller number first.
    """

    value: Interval
    first: dict[int, Interval]
    second: dict[Place, Interval]


def jet_of(tree: Node, variables: Sequence[str], low: np.ndarray, high: np.ndarray) -> Jet:
    """The jet of a tree over boxes.

    Args:
        tree: of the formula.
        variables: in the order of the columns.
        low, high: opposite corners, shape (boxes, variables).

    Raises:
        NoRule: when the formula uses a function without an interval rule; the message names it.
    """
    known: dict[Node, Jet] = {}
    for i, name in enumerate(variables):
        value = Interval(low[:, i], high[:, i])
        known[Variable(name)] = Jet(value, {i: whole(np.ones(len(low)))}, {})
    with np.errstate(all="ignore"):
        return _jet(tree, known, len(low))


def check_rules(tree: Node) -> None:
    """Raises `NoRule` when the tree cannot be computed with intervals."""
    if isinstance(tree, Apply):
        if is_constant(tree):
            return
        if tree.head not in _JOINED and tree.head not in _RULES and tree.head not in _SHORT:
            raise NoRule(f"{tree.head} has no interval rule")
        for arg in tree.args:
            check_rules(arg)


def _jet(tree: Node, known: dict[Node, Jet], size: int) -> Jet:
    if tree not in known:
        known[tree] = _computed(tree, known, size)
    return known[tree]


def _computed(tree: Node, known: dict[Node, Jet], size: int) -> Jet:
    match tree:
        case Number(value):
            return _fixed(whole(np.full(size, float(value))))
        case Constant(name):
            return _fixed(_near(CONSTANTS[name], size))
        case Apply("pow", (base, exponent)):
            return _power(base, exponent, known, size)
        case Apply("mul", args):
            return _product([_jet(arg, known, size) for arg in args])
        case Apply(head, args) if head in _JOINED:
            return functools.reduce(_JOINED[head], [_jet(arg, known, size) for arg in args])
        case Apply(head, (arg,)) if head in _RULES:
            return _chained(_RULES[head], _jet(arg, known, size))
        case Apply(head, (arg,)) if head in _SHORT:
            return _SHORT[head](_jet(arg, known, size))
    raise NoRule(f"{tree.head if isinstance(tree, Apply) else tree} has no interval rule")


def _fixed(value: Interval) -> Jet:
    return Jet(value, {}, {})


def _near(number: float, size: int) -> Interval:
    return outwards(np.full(size, number), np.full(size, number))


# --- sums, products, powers -----------------------------------------------------------------------------------------


def _merged(a: dict[Any, Interval], b: dict[Any, Interval]) -> dict[Any, Interval]:
    return {**a, **{k: a[k] + v if k in a else v for k, v in b.items()}}


def _sum(a: Jet, b: Jet) -> Jet:
    return Jet(a.value + b.value, _merged(a.first, b.first), _merged(a.second, b.second))


def _negated(a: Jet) -> Jet:
    turned = lambda parts: {k: -v for k, v in parts.items()}
    return Jet(-a.value, turned(a.first), turned(a.second))


def _product(factors: Sequence[Jet]) -> Jet:
    """Equal factors count once, as a power: x·x is never negative."""
    rest, found = list(factors), None
    while rest:
        twins = [f for f in rest if f is rest[0]]
        part = rest[0] if len(twins) == 1 else _chained(_whole_power(len(twins)), rest[0])
        rest = [f for f in rest if f is not rest[0]]
        found = part if found is None else _times(found, part)
    assert found is not None
    return found


def _times(a: Jet, b: Jet) -> Jet:
    scaled = lambda jet, parts: {k: jet.value * v for k, v in parts.items()}
    second = _merged(scaled(a, b.second), scaled(b, a.second))
    second = _merged(second, _crossed(a.first, b.first))
    return Jet(a.value * b.value, _merged(scaled(a, b.first), scaled(b, a.first)), second)


def _crossed(a: dict[int, Interval], b: dict[int, Interval]) -> dict[Place, Interval]:
    """aᵢ bⱼ + aⱼ bᵢ for i ≤ j."""
    found: dict[Place, Interval] = {}
    for i, left in a.items():
        for j, right in b.items():
            term, place = left * right, (min(i, j), max(i, j))
            term = term + term if i == j else term
            found[place] = found[place] + term if place in found else term
    return found


def _chained(rule: Rule, inner: Jet) -> Jet:
    """φ(u): φ′ uᵢ, and φ″ uᵢ uⱼ + φ′ uᵢⱼ."""
    value, slope, bend = rule(inner.value)
    first = {i: slope * u for i, u in inner.first.items()}
    second = {k: slope * u for k, u in inner.second.items()}
    for i, left in inner.first.items():
        for j, right in inner.first.items():
            if i <= j:
                pair = square(left) if i == j else left * right
                second = _merged(second, {(i, j): bend * pair})
    return Jet(value, first, second)


def _power(base: Node, exponent: Node, known: dict[Node, Jet], size: int) -> Jet:
    if not is_constant(exponent):
        if isinstance(base, Constant) and base.name == "e":
            return _chained(_RULES["exp"], _jet(exponent, known, size))
        logarithm = _chained(_RULES["log"], _jet(base, known, size))
        return _chained(_RULES["exp"], _times(_jet(exponent, known, size), logarithm))
    p, inner = constant(exponent), _jet(base, known, size)
    if p.is_integer():
        return _chained(_whole_power(int(p)), inner)
    return _chained(_real_power(p), inner)


def _whole_power(n: int) -> Rule:
    times = lambda k, x: x * whole(float(k))

    def rule(x: Interval) -> tuple[Interval, Interval, Interval]:
        zero = whole(0.0 * x.low)
        first = times(n, power(x, n - 1)) if n else zero
        return power(x, n), first, times(n * (n - 1), power(x, n - 2)) if n not in (0, 1) else zero

    return rule


def _real_power(p: float) -> Rule:
    def rule(x: Interval) -> tuple[Interval, Interval, Interval]:
        raised = lambda q: nonnegative(rising(np.exp, _scaled(rising(np.log, x), q)))
        return raised(p), _scaled(raised(p - 1), p), _scaled(raised(p - 2), p * (p - 1))

    return _defined_on(0.0, np.inf)(rule)


def _scaled(x: Interval, factor: float) -> Interval:
    return x * _near(factor, 1)


# --- functions of one variable --------------------------------------------------------------------------------------


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


_RULES: dict[str, Rule] = {
    "exp": _exp, "log": _log, "log2": _logarithm_to(2.0), "log10": _logarithm_to(10.0), "sqrt": _sqrt, "cbrt": _cbrt,
    "sin": _sin, "cos": _cos, "tan": _tan, "sinh": _sinh, "cosh": _cosh, "tanh": _tanh, "atan": _atan, "asin": _asin,
    "acos": _acos, "asinh": _asinh, "acosh": _acosh, "atanh": _atanh, "sigmoid": _sigmoid, "softplus": _softplus,
    "erf": _erf, "abs": _abs,
}  # fmt: skip


def _inverse(jet: Jet) -> Jet:
    return _chained(_whole_power(-1), jet)


def _half(jet: Jet) -> Jet:
    return _times(_fixed(whole(np.full(1, 0.5))), jet)


def _larger(a: Jet, b: Jet) -> Jet:
    """max(a, b) = (a + b + |a − b|)/2."""
    return _half(_sum(_sum(a, b), _chained(_abs, _sum(a, _negated(b)))))


_SHORT: dict[str, Callable[[Jet], Jet]] = {
    "neg": _negated,
    "sec": lambda u: _inverse(_chained(_cos, u)),
    "csc": lambda u: _inverse(_chained(_sin, u)),
    "cot": lambda u: _times(_chained(_cos, u), _inverse(_chained(_sin, u))),
    "relu": lambda u: _half(_sum(u, _chained(_abs, u))),
    "erfc": lambda u: _sum(_fixed(whole(np.full(1, 1.0))), _negated(_chained(_erf, u))),
}
_JOINED: dict[str, Callable[[Jet, Jet], Jet]] = {
    "add": _sum,
    "mul": _times,
    "div": lambda a, b: _times(a, _inverse(b)),
    "pow": _times,
    "max": _larger,
    "min": lambda a, b: _negated(_larger(_negated(a), _negated(b))),
}
