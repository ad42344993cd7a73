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
from cycloid.differentiate.interval_arithmetic import Interval, square, whole
from cycloid.differentiate.interval_rules import RULES, Rule, near, real_power, whole_power

Place: TypeAlias = "tuple[int, int]"


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
        if tree.head not in _JOINED and tree.head not in RULES and tree.head not in _SHORT:
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
            return _fixed(near(CONSTANTS[name], size))
        case Apply("pow", (base, exponent)):
            return _power(base, exponent, known, size)
        case Apply("mul", args):
            return _product([_jet(arg, known, size) for arg in args])
        case Apply(head, args) if head in _JOINED:
            return functools.reduce(_JOINED[head], [_jet(arg, known, size) for arg in args])
        case Apply(head, (arg,)) if head in RULES:
            return _chained(RULES[head], _jet(arg, known, size))
        case Apply(head, (arg,)) if head in _SHORT:
            return _SHORT[head](_jet(arg, known, size))
    raise NoRule(f"{tree.head if isinstance(tree, Apply) else tree} has no interval rule")


def _fixed(value: Interval) -> Jet:
    return Jet(value, {}, {})


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
        part = rest[0] if len(twins) == 1 else _chained(whole_power(len(twins)), rest[0])
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
            return _chained(RULES["exp"], _jet(exponent, known, size))
        logarithm = _chained(RULES["log"], _jet(base, known, size))
        return _chained(RULES["exp"], _times(_jet(exponent, known, size), logarithm))
    p, inner = constant(exponent), _jet(base, known, size)
    if p.is_integer():
        return _chained(whole_power(int(p)), inner)
    return _chained(real_power(p), inner)


# --- functions by name ---------------------------------------------------------------------------------------------


def _inverse(jet: Jet) -> Jet:
    return _chained(whole_power(-1), jet)


def _half(jet: Jet) -> Jet:
    return _times(_fixed(whole(np.full(1, 0.5))), jet)


def _larger(a: Jet, b: Jet) -> Jet:
    """max(a, b) = (a + b + |a − b|)/2."""
    return _half(_sum(_sum(a, b), _chained(RULES["abs"], _sum(a, _negated(b)))))


_SHORT: dict[str, Callable[[Jet], Jet]] = {
    "neg": _negated,
    "sec": lambda u: _inverse(_chained(RULES["cos"], u)),
    "csc": lambda u: _inverse(_chained(RULES["sin"], u)),
    "cot": lambda u: _times(_chained(RULES["cos"], u), _inverse(_chained(RULES["sin"], u))),
    "relu": lambda u: _half(_sum(u, _chained(RULES["abs"], u))),
    "erfc": lambda u: _sum(_fixed(whole(np.full(1, 1.0))), _negated(_chained(RULES["erf"], u))),
}
_JOINED: dict[str, Callable[[Jet, Jet], Jet]] = {
    "add": _sum,
    "mul": _times,
    "div": lambda a, b: _times(a, _inverse(b)),
    "pow": _times,
    "max": _larger,
    "min": lambda a, b: _negated(_larger(_negated(a), _negated(b))),
}
