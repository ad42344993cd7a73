"""Terms: a coefficient times a product of powers, their arithmetic, and the tree that a sum of them is written as.

Exact numbers stay fractions; a decimal makes its coefficient decimal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, TypeAlias

from cycloid.core.grammar import negated
from cycloid.core.syntax import Apply, Constant, Node, Number, Variable, number

Coefficient: TypeAlias = Fraction | float
Exponent: TypeAlias = Fraction | Node

ZERO: Final = Number(0)
ONE: Final = Number(1)
E: Final = Constant("e")
_LARGEST: Final = 10**15  # integers beyond this are left as they are written


@dataclass(frozen=True)
class Term:
    """coefficient · Π base^exponent, the bases in the order in which they came."""

    coefficient: Coefficient
    powers: tuple[tuple[Node, Exponent], ...] = ()

    @property
    def key(self) -> frozenset[tuple[Node, Exponent]]:
        """What two terms must share to be added."""
        return frozenset(self.powers)


# -- products and powers -------------------------------------------------------------------------------------------


def multiplied(terms: Sequence[Term]) -> Term:
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
    return multiplied([plain, *extra]) if extra else plain


def raised(term: Term, exponent: Fraction) -> Term:
    """A term to a rational power; (−u)^(1/3) and √(u²) are left as they stand."""
    if exponent == 0:
        return Term(Fraction(1))
    if exponent.denominator == 1:
        powers = tuple((base, scaled(e, exponent)) for base, e in term.powers)
        return multiplied([_numeric_power(term.coefficient, exponent), Term(Fraction(1), powers)])
    coefficient = term.coefficient
    if coefficient <= 0 or any(isinstance(e, Fraction) and _even(e) for _, e in term.powers):
        return Term(Fraction(1), ((from_terms((term,)), exponent),)) if coefficient else Term(Fraction(0))
    whole = _numeric_power(coefficient, exponent)
    return multiplied([whole, Term(Fraction(1), tuple((b, scaled(e, exponent)) for b, e in term.powers))])


def _even(exponent: Fraction) -> bool:
    return exponent.numerator % 2 == 0


def _added(first: Exponent, second: Exponent) -> Exponent:
    if isinstance(first, Fraction) and isinstance(second, Fraction):
        return first + second
    return as_exponent(_tidied(Apply("add", (_as_node(first), _as_node(second)))))


def scaled(first: Exponent, second: Exponent) -> Exponent:
    """The product of two exponents."""
    if isinstance(first, Fraction) and isinstance(second, Fraction):
        return first * second
    return as_exponent(_tidied(Apply("mul", (_as_node(first), _as_node(second)))))


def _tidied(tree: Node) -> Node:
    from cycloid.explain.tidying import tidy  # an exponent may be any tree

    return tidy(tree)


def _as_node(exponent: Exponent) -> Node:
    return fraction(exponent) if isinstance(exponent, Fraction) else exponent


def as_exponent(tree: Node) -> Exponent:
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


# -- powers of numbers ---------------------------------------------------------------------------------------------


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
            return Term(Fraction(1), ((fraction(Fraction(value)), exponent),))
        return Term(Fraction(value ** int(exponent)))
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


# -- back to trees -------------------------------------------------------------------------------------------------


def from_terms(terms: Sequence[Term]) -> Node:
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
        if isinstance(exponent, Fraction) and exponent < 0 and base != E:
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
        return 4 if base == E else 0, ""
    return 2 if isinstance(base, Apply) and base.head == "add" else 3, ""


def _as_power(base: Node, exponent: Exponent) -> Node:
    if base == E:
        arg = _as_node(exponent)
        return E if arg == ONE else Apply("exp", (arg,))
    if exponent == 1:
        return base
    if exponent == Fraction(1, 2):
        return Apply("sqrt", (base,))
    return Apply("pow", (base, _as_node(exponent)))


def _times(coefficient: int | float, factors: list[Node]) -> Node:
    if coefficient != 1 or not factors:
        factors = [number(coefficient), *factors]
    return factors[0] if len(factors) == 1 else Apply("mul", tuple(factors))
