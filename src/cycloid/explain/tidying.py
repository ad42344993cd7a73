"""Trees in the form that a teacher would leave them in: like terms collected, factors in order, one fraction.

A term is a coefficient and a product of powers. Exact numbers stay fractions; a decimal makes its coefficient decimal.
Identities that hold up to single points (x/x = 1) are used, as on the board.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Final

from cycloid.core.grammar import negated
from cycloid.core.syntax import Apply, Constant, Node, Number, Variable, count, walk
from cycloid.explain.terms import (
    ONE,
    ZERO,
    E,
    Exponent,
    Term,
    as_exponent,
    from_terms,
    multiplied,
    raised,
    rational,
    scaled,
)

_ODD: Final = frozenset(("sin", "tan", "asin", "atan", "sinh", "tanh", "asinh", "atanh", "erf", "cbrt", "csc", "cot"))
_EVEN: Final = frozenset(("cos", "sec", "cosh", "abs"))
# Values that everybody knows, by function and argument.
_KNOWN: Final = {
    **dict.fromkeys([(head, ZERO) for head in (*(_ODD - {"csc", "cot"}), "sign", "relu", "floor", "ceil")], ZERO),
    **dict.fromkeys([("cos", ZERO), ("cosh", ZERO), ("sec", ZERO), ("log", E), ("factorial", ZERO)], ONE),
    **dict.fromkeys([("log", ONE), ("log2", ONE), ("log10", ONE), ("acos", ONE), ("acosh", ONE)], ZERO),
    **dict.fromkeys([("sin", Constant("pi")), ("tan", Constant("pi"))], ZERO), ("cos", Constant("pi")): negated(ONE),
    ("sigmoid", ZERO): Apply("div", (ONE, Number(2))), ("softplus", ZERO): Apply("log", (Number(2),)),
    ("atan", ONE): Apply("div", (Constant("pi"), Number(4))),
    ("asin", ONE): Apply("div", (Constant("pi"), Number(2))),
    ("acos", ZERO): Apply("div", (Constant("pi"), Number(2))),
}  # fmt: skip


def tidy(tree: Node) -> Node:
    """The tree with its like terms collected; nothing is multiplied out.

    Example:
        >>> from cycloid.core.formulas import formula
        >>> from cycloid.explain.handwriting import written
        >>> written(tidy(formula("3*x^2*1 + 2*x^0 + x*x").tree))
        '4x² + 2'
    """
    return from_terms(terms_of(tree))


@lru_cache(maxsize=8192)
def terms_of(tree: Node) -> tuple[Term, ...]:
    """The tree as a sum of tidy terms."""
    match tree:
        case Apply("add", args):
            return _collected([term for arg in args for term in terms_of(arg)])
        case Apply("neg", (arg,)):
            return tuple(Term(-term.coefficient, term.powers) for term in terms_of(arg))
        case _:
            term = term_of(tree)
            if len(term.powers) == 1 and term.powers[0][1] == 1 and _is(term.powers[0][0], "add"):
                base = term.powers[0][0]
                if abs(term.coefficient) == 1:  # a bracket that is no longer needed
                    sign = term.coefficient
                    return tuple(Term(sign * inner.coefficient, inner.powers) for inner in _sum_of(base))
            return (term,) if term.coefficient != 0 else ()


def _is(node: object, *heads: str) -> bool:
    return isinstance(node, Apply) and node.head in heads


def _sum_of(tree: Node) -> tuple[Term, ...]:
    """The terms of a sum that is tidy already."""
    assert isinstance(tree, Apply)
    return tuple(term_of(arg) for arg in tree.args)


def _collected(terms: Sequence[Term]) -> tuple[Term, ...]:
    """Like terms added, zeros dropped, sin² + cos² made 1."""
    sums: dict[frozenset[tuple[Node, Exponent]], Term] = {}
    for term in terms:
        before = sums.get(term.key)
        sums[term.key] = term if before is None else Term(before.coefficient + term.coefficient, before.powers)
    kept = [term for term in sums.values() if term.coefficient != 0]
    return tuple(_pythagoras(kept))


def _pythagoras(terms: list[Term]) -> list[Term]:
    for i, first in enumerate(terms):
        for base, exponent in first.powers:
            if not (_is(base, "sin") and exponent == 2 and isinstance(base, Apply)):
                continue
            rest = tuple(p for p in first.powers if p != (base, exponent))
            partner = frozenset((*rest, (Apply("cos", base.args), Fraction(2))))
            for j, second in enumerate(terms):
                if second.key == partner and second.coefficient == first.coefficient:
                    others = [t for k, t in enumerate(terms) if k not in (i, j)]
                    return list(_collected([Term(first.coefficient, rest), *others]))
    return terms


# -- one term ------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=8192)
def term_of(tree: Node) -> Term:
    """A tree as one term; a sum becomes a base of its own."""
    match tree:
        case Number(int(value)):
            return Term(Fraction(value))
        case Number(value):
            return Term(float(value))
        case Apply("neg", (arg,)):
            inner = term_of(arg)
            return Term(-inner.coefficient, inner.powers)
        case Apply("mul", args):
            return multiplied([term_of(arg) for arg in args])
        case Apply("div", (over, under)):
            below = term_of(under)
            if below.coefficient == 0:
                return Term(Fraction(1), ((Apply("div", (tidy(over), ZERO)), Fraction(1)),))
            return multiplied([term_of(over), raised(below, Fraction(-1))])
        case Apply("sqrt", (arg,)):
            return _root(arg)
        case Apply("exp", (arg,)):
            return _exponential(arg)
        case Apply("pow", (base, exponent)):
            return _power(base, exponent)
        case Apply("add", _):
            return _bracket(tree)
        case Apply(head, args):
            return _function(head, tuple(tidy(arg) for arg in args))
        case _:
            return Term(Fraction(1), ((tree, Fraction(1)),))


def _bracket(tree: Node) -> Term:
    """A sum as a factor: its common number and its sign stand before it."""
    terms = terms_of(tree)
    if len(terms) < 2:
        return terms[0] if terms else Term(Fraction(0))
    content = _content(terms)
    if all(term.coefficient < 0 for term in terms):
        content = -content
    inner = tuple(Term(term.coefficient / content, term.powers) for term in terms)
    return Term(content, ((from_terms(inner), Fraction(1)),))


def _content(terms: Sequence[Term]) -> Fraction:
    """The fraction that leaves coprime whole numbers as coefficients; 1 where one is a decimal."""
    exact = [term.coefficient for term in terms if isinstance(term.coefficient, Fraction)]
    if len(exact) < len(terms):
        return Fraction(1)
    return Fraction(math.gcd(*(c.numerator for c in exact)), math.lcm(*(c.denominator for c in exact)))


def _power(base: Node, exponent: Node) -> Term:
    exponent = tidy(exponent)
    if base == E:
        return _exponential(exponent)
    value = rational(exponent)
    if value is None:
        whole = term_of(base)
        if whole.coefficient == 1 and len(whole.powers) == 1 and isinstance(whole.powers[0][0], Number | Variable):
            return Term(Fraction(1), ((whole.powers[0][0], scaled(whole.powers[0][1], exponent)),))
        return Term(Fraction(1), ((tidy(base), exponent),))
    return raised(term_of(base), value)


def _root(arg: Node) -> Term:
    return raised(term_of(arg), Fraction(1, 2))


def _exponential(arg: Node) -> Term:
    arg = tidy(arg)
    if arg == ZERO:
        return Term(Fraction(1))
    if _is(arg, "log") and isinstance(arg, Apply):
        return term_of(arg.args[0])
    return Term(Fraction(1), ((E, as_exponent(arg)),))


# -- functions -----------------------------------------------------------------------------------------------------


def _function(head: str, args: tuple[Node, ...]) -> Term:
    if (head, args[0]) in _KNOWN and len(args) == 1:
        return term_of(_KNOWN[head, args[0]])
    if len(args) == 1 and head in _ODD | _EVEN and _is_negative(args[0]):
        inner = _function(head, (tidy(negated(args[0])),))
        return Term(-inner.coefficient if head in _ODD else inner.coefficient, inner.powers)
    if head == "abs" and isinstance(args[0], Number):
        return term_of(args[0])
    if head == "log" and _is(args[0], "exp") and isinstance(args[0], Apply):
        return term_of(args[0].args[0])
    if head == "where" and len(args) == 3 and args[1] == args[2]:
        return term_of(args[1])
    return Term(Fraction(1), ((Apply(head, args), Fraction(1)),))


def _is_negative(tree: Node) -> bool:
    """Whether a minus can be taken out of the whole tree."""
    terms = terms_of(tree)
    return bool(terms) and all(term.coefficient < 0 for term in terms)


def size(tree: Node) -> int:
    """How long a tree is to read: its parts, with fractions and brackets counted once more."""
    extra = 0
    for node in walk(tree):
        if isinstance(node, Apply):
            extra += node.head == "div"
            extra += sum(_is(arg, "add") for arg in node.args) if node.head in ("mul", "pow", "div") else 0
    return count(tree) + extra
