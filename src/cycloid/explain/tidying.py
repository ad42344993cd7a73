"""Trees in the form that a teacher would leave them in: like terms collected, factors in order, one fraction.

A term is a coefficient and a product of powers. Exact numbers stay fractions; a decimal makes its coefficient decimal.
Identities that hold up to single points (x/x = 1) are used, as on the board.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Final, TypeAlias

from cycloid.core.grammar import negated
from cycloid.core.syntax import Apply, Constant, Node, Number, Variable, count, number, walk

Coefficient: TypeAlias = Fraction | float
Exponent: TypeAlias = Fraction | Node

ZERO: Final = Number(0)
ONE: Final = Number(1)
_E: Final = Constant("e")
_LARGEST: Final = 10**15  # integers beyond this are left as they are written

_ODD: Final = frozenset(("sin", "tan", "asin", "atan", "sinh", "tanh", "asinh", "atanh", "erf", "cbrt", "csc", "cot"))
_EVEN: Final = frozenset(("cos", "sec", "cosh", "abs"))
# Values that everybody knows, by function and argument.
_KNOWN: Final = {
    **dict.fromkeys([(head, ZERO) for head in (*_ODD, "sign", "relu", "floor", "ceil") if head not in ("csc", "cot")], ZERO),
    **dict.fromkeys([("cos", ZERO), ("cosh", ZERO), ("sec", ZERO), ("log", _E), ("factorial", ZERO)], ONE),
    **dict.fromkeys([("log", ONE), ("log2", ONE), ("log10", ONE), ("acos", ONE), ("acosh", ONE)], ZERO),
    **dict.fromkeys([("sin", Constant("pi")), ("tan", Constant("pi"))], ZERO),
    ("cos", Constant("pi")): negated(ONE),
    ("sigmoid", ZERO): Apply("div", (ONE, Number(2))),
    ("softplus", ZERO): Apply("log", (Number(2),)),
    ("atan", ONE): Apply("div", (Constant("pi"), Number(4))),
    ("asin", ONE): Apply("div", (Constant("pi"), Number(2))),
    ("acos", ZERO): Apply("div", (Constant("pi"), Number(2))),
}  # fmt: skip


@dataclass(frozen=True)
class Term:
    """coefficient · Π base^exponent, the bases in the order in which they came."""

    coefficient: Coefficient
    powers: tuple[tuple[Node, Exponent], ...] = ()

    @property
    def key(self) -> frozenset[tuple[Node, Exponent]]:
        """What two terms must share to be added."""
        return frozenset(self.powers)


def tidy(tree: Node) -> Node:
    """The tree with its like terms collected; nothing is multiplied out.

    Example:
        >>> from cycloid.core.formulas import formula
        >>> from cycloid.explain.handwriting import written
        >>> written(tidy(formula("3*x^2*1 + 2*x^0 + x*x").tree))
        '4x² + 2'
    """
    return _from_terms(_terms(tree))


@lru_cache(maxsize=8192)
def _terms(tree: Node) -> tuple[Term, ...]:
    """The tree as a sum of tidy terms."""
    match tree:
        case Apply("add", args):
            return _collected([term for arg in args for term in _terms(arg)])
        case Apply("neg", (arg,)):
            return tuple(Term(-term.coefficient, term.powers) for term in _terms(arg))
        case _:
            term = _term(tree)
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
    return tuple(_term(arg) for arg in tree.args)


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
def _term(tree: Node) -> Term:
    """A tree as one term; a sum becomes a base of its own."""
    match tree:
        case Number(int(value)):
            return Term(Fraction(value))
        case Number(value):
            return Term(float(value))
        case Apply("neg", (arg,)):
            inner = _term(arg)
            return Term(-inner.coefficient, inner.powers)
        case Apply("mul", args):
            return _multiplied([_term(arg) for arg in args])
        case Apply("div", (over, under)):
            below = _term(under)
            if below.coefficient == 0:
                return Term(Fraction(1), ((Apply("div", (tidy(over), ZERO)), Fraction(1)),))
            return _multiplied([_term(over), _raised(below, Fraction(-1))])
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
    terms = _terms(tree)
    if len(terms) < 2:
        return terms[0] if terms else Term(Fraction(0))
    content = _content(terms)
    if all(term.coefficient < 0 for term in terms):
        content = -content
    inner = tuple(Term(term.coefficient / content, term.powers) for term in terms)
    return Term(content, ((_from_terms(inner), Fraction(1)),))


def _content(terms: Sequence[Term]) -> Fraction:
    """The fraction that leaves coprime whole numbers as coefficients; 1 where one is a decimal."""
    exact = [term.coefficient for term in terms if isinstance(term.coefficient, Fraction)]
    if len(exact) < len(terms):
        return Fraction(1)
    return Fraction(math.gcd(*(c.numerator for c in exact)), math.lcm(*(c.denominator for c in exact)))


def _multiplied(terms: Sequence[Term]) -> Term:
    coefficient: Coefficient = Fraction(1)
    powers: dict[Node, Exponent] = {}
    for term in terms:
        coefficient = coefficient * term.coefficient
        for base, exponent in term.powers:
            powers[base] = _added(powers[base], exponent) if base in powers else exponent
    extra: list[Term] = []
    for base, exponent in list(powers.items()):
        if exponent == 0 or exponent == ZERO:
            del powers[base]
        elif isinstance(base, Number) and isinstance(exponent, Fraction) and exponent.denominator == 1:
            value = _numeric(base, exponent)
            if value.powers != ((base, exponent),):  # else it is too large to be written out
                del powers[base]
                extra.append(value)
    if coefficient == 0:
        return Term(Fraction(0))
    plain = Term(coefficient, tuple(powers.items()))
    return _multiplied([plain, *extra]) if extra else plain


def _added(first: Exponent, second: Exponent) -> Exponent:
    if isinstance(first, Fraction) and isinstance(second, Fraction):
        return first + second
    return _as_exponent(tidy(Apply("add", (_as_node(first), _as_node(second)))))


def _as_node(exponent: Exponent) -> Node:
    return fraction(exponent) if isinstance(exponent, Fraction) else exponent


def _as_exponent(tree: Node) -> Exponent:
    value = rational(tree)
    return tree if value is None else value


def rational(tree: Node) -> Fraction | None:
    """The exact value of a tree that is a fraction of whole numbers."""
    match tree:
        case Number(int(value)):
            return Fraction(value)
        case Apply("neg", (arg,)):
            inner = rational(arg)
            return None if inner is None else -inner
        case Apply("div", (Number(int(over)), Number(int(under)))) if under:
            return Fraction(over, under)
        case _:
            return None


def fraction(value: Fraction) -> Node:
    """A fraction as a tree."""
    node: Node = number(abs(value.numerator))
    if value.denominator != 1:
        node = Apply("div", (node, number(value.denominator)))
    return negated(node) if value < 0 else node


# -- powers --------------------------------------------------------------------------------------------------------


def _power(base: Node, exponent: Node) -> Term:
    exponent = tidy(exponent)
    if base == _E:
        return _exponential(exponent)
    value = rational(exponent)
    if value is None:
        raised = _term(base)
        if raised.coefficient == 1 and len(raised.powers) == 1 and isinstance(raised.powers[0][0], Number | Variable):
            return Term(Fraction(1), ((raised.powers[0][0], _product(raised.powers[0][1], exponent)),))
        return Term(Fraction(1), ((tidy(base), exponent),))
    return _raised(_term(base), value)


def _product(first: Exponent, second: Exponent) -> Exponent:
    if isinstance(first, Fraction) and isinstance(second, Fraction):
        return first * second
    return _as_exponent(tidy(Apply("mul", (_as_node(first), _as_node(second)))))


def _raised(term: Term, exponent: Fraction) -> Term:
    """A term to a rational power; (−u)^(1/3) and √(u²) are left as they stand."""
    if exponent == 0:
        return Term(Fraction(1))
    if exponent.denominator == 1:
        powers = tuple((base, _product(e, exponent)) for base, e in term.powers)
        return _multiplied([_numeric_power(term.coefficient, exponent), Term(Fraction(1), powers)])
    coefficient = term.coefficient
    if coefficient <= 0 or any(isinstance(e, Fraction) and _even(e) for _, e in term.powers):
        return Term(Fraction(1), ((_from_terms((term,)), exponent),)) if coefficient else Term(Fraction(0))
    whole = _numeric_power(coefficient, exponent)
    return _multiplied([whole, Term(Fraction(1), tuple((b, _product(e, exponent)) for b, e in term.powers))])


def _even(exponent: Fraction) -> bool:
    return exponent.numerator % 2 == 0


def _numeric(base: Number, exponent: Fraction) -> Term:
    value = Fraction(base.value) if isinstance(base.value, int) else base.value
    return _numeric_power(value, exponent)


def _numeric_power(value: Coefficient, exponent: Fraction) -> Term:
    """A number to a rational power: exact where that is short, √8 as 2√2."""
    if value == 0:
        return Term(Fraction(0)) if exponent > 0 else Term(Fraction(1), ((ZERO, exponent),))
    if isinstance(value, float):
        power = value ** float(exponent)
        return Term(power) if math.isfinite(power) else Term(Fraction(1), ((number(value), exponent),))
    if exponent.denominator == 1:
        size = abs(exponent.numerator) * math.log(max(abs(value.numerator), value.denominator))
        if size > math.log(_LARGEST):
            return Term(Fraction(1), ((fraction(value), exponent),))
        return Term(value ** int(exponent))
    if value == 1:
        return Term(Fraction(1))
    over, left = _root_of(value.numerator * value.denominator ** (exponent.denominator - 1), exponent.denominator)
    outside = Fraction(over, value.denominator) ** int(exponent.numerator)
    inside = ((number(left), exponent),) if left != 1 else ()
    return Term(outside, inside)


def _root_of(value: int, degree: int) -> tuple[int, int]:
    """value = outside^degree · inside, with the largest outside among small numbers."""
    outside = 1
    for candidate in range(2, 200):
        while value % candidate**degree == 0 and value:
            value //= candidate**degree
            outside *= candidate
    exact = round(value ** (1 / degree)) if value < _LARGEST else 0
    if exact and exact**degree == value:
        return outside * exact, 1
    return outside, value


def _root(arg: Node) -> Term:
    return _raised(_term(arg), Fraction(1, 2))


def _exponential(arg: Node) -> Term:
    arg = tidy(arg)
    if arg == ZERO:
        return Term(Fraction(1))
    if _is(arg, "log") and isinstance(arg, Apply):
        return _term(arg.args[0])
    return Term(Fraction(1), ((_E, _as_exponent(arg)),))


# -- functions -----------------------------------------------------------------------------------------------------


def _function(head: str, args: tuple[Node, ...]) -> Term:
    if (head, args[0]) in _KNOWN and len(args) == 1:
        return _term(_KNOWN[head, args[0]])
    if len(args) == 1 and head in _ODD | _EVEN and _is_negative(args[0]):
        inner = _function(head, (tidy(negated(args[0])),))
        return Term(-inner.coefficient if head in _ODD else inner.coefficient, inner.powers)
    if head == "abs" and isinstance(args[0], Number):
        return _term(args[0])
    if head == "log" and _is(args[0], "exp") and isinstance(args[0], Apply):
        return _term(args[0].args[0])
    if head == "where" and args[1] == args[2]:
        return _term(args[1])
    return Term(Fraction(1), ((Apply(head, args), Fraction(1)),))


def _is_negative(tree: Node) -> bool:
    """Whether a minus can be taken out of the whole tree."""
    terms = _terms(tree)
    return bool(terms) and all(term.coefficient < 0 for term in terms)


# -- back to trees -------------------------------------------------------------------------------------------------


def _from_terms(terms: Sequence[Term]) -> Node:
    ordered = _ordered(terms)
    nodes = tuple(_from_term(term) for term in ordered)
    if len(nodes) < 2:
        return nodes[0] if nodes else ZERO
    return Apply("add", nodes)


def _ordered(terms: Sequence[Term]) -> list[Term]:
    """Polynomials by falling powers, others as they came; a term without a minus first, where there is one."""
    found = list(terms)
    degrees = [_degree(term) for term in found]
    bases = {base for term in found for base, _ in term.powers}
    if len(bases) == 1 and None not in degrees:
        found.sort(key=lambda term: -(_degree(term) or 0))
    if found and found[0].coefficient < 0:
        first = next((i for i, term in enumerate(found) if term.coefficient > 0), 0)
        found.insert(0, found.pop(first))
    return found


def _degree(term: Term) -> Fraction | None:
    """The power of the one variable in a term, or None where it holds anything else."""
    if not term.powers:
        return Fraction(0)
    base, exponent = term.powers[0]
    plain = len(term.powers) == 1 and isinstance(base, Variable) and isinstance(exponent, Fraction)
    return exponent if plain and isinstance(exponent, Fraction) else None


def _from_term(term: Term) -> Node:
    """One fraction: the number, then constants, variables, brackets, functions, exponentials."""
    coefficient, over, under = term.coefficient, list[Node](), list[Node]()
    for base, exponent in sorted(term.powers, key=_rank):
        if isinstance(exponent, Fraction) and exponent < 0 and base != _E:
            under.append(_as_power(base, -exponent))
        else:
            over.append(_as_power(base, exponent))
    if isinstance(coefficient, Fraction):
        top, bottom = abs(coefficient.numerator), coefficient.denominator
    else:
        top, bottom = abs(coefficient), 1
    node = _times(top, over)
    if under or bottom != 1:
        node = Apply("div", (node, _times(bottom, under)))
    return negated(node) if coefficient < 0 else node


def _rank(power: tuple[Node, Exponent]) -> tuple[int, str]:
    base = power[0]
    if isinstance(base, Variable):
        return 1, base.name
    if isinstance(base, Constant | Number):
        return 4 if base == _E else 0, ""
    return 2 if _is(base, "add") else 3, ""


def _as_power(base: Node, exponent: Exponent) -> Node:
    if base == _E:
        arg = _as_node(exponent)
        return _E if arg == ONE else Apply("exp", (arg,))
    if exponent == 1:
        return base
    if exponent == Fraction(1, 2):
        return Apply("sqrt", (base,))
    return Apply("pow", (base, _as_node(exponent)))


def _times(coefficient: int | float, factors: list[Node]) -> Node:
    if coefficient != 1 or not factors:
        factors = [number(coefficient), *factors]
    return factors[0] if len(factors) == 1 else Apply("mul", tuple(factors))


def size(tree: Node) -> int:
    """How long a tree is to read: its parts, with fractions and brackets counted once more."""
    extra = 0
    for node in walk(tree):
        if isinstance(node, Apply):
            extra += node.head == "div"
            extra += sum(_is(arg, "add") for arg in node.args) if node.head in ("mul", "pow", "div") else 0
    return count(tree) + extra
