"""The shortest of several true forms of a result: collected, multiplied out, factored, or SymPy's."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

import numpy as np

from cycloid.core.syntax import Apply, Node, count, is_condition
from cycloid.explain import probing
from cycloid.explain.terms import Exponent, Term, from_terms, multiplied, raised
from cycloid.explain.tidying import size, term_of, terms_of, tidy

_MOST_TERMS = 24  # a product is not multiplied out beyond so many terms
_LARGE, _HUGE = 14, 200  # results of so many parts are also given to SymPy, longer ones are beyond a teacher's form
SECONDS = 4.0


@lru_cache(maxsize=4096)
def shortest(tree: Node) -> Node:
    """The shortest of the forms that need no search: collected, multiplied out, with common factors taken out.

    Example:
        >>> from cycloid.core.formulas import formula
        >>> from cycloid.explain.handwriting import written
        >>> written(shortest(formula("1/(1+x^2) - x*2*x/(1+x^2)^2").tree))
        '(1 − x²)/(x² + 1)²'
    """
    plain = tidy(tree)
    forms = [plain]
    with_expansions = [plain, expanded(plain)]
    forms += with_expansions[1:]
    for form in with_expansions:
        taken = factored(form)
        forms += [taken, factored(taken, expand=True)]
    return min(forms, key=size)


def expanded(tree: Node) -> Node:
    """Products of sums multiplied out, as long as they stay short."""
    return from_terms(_expanded_terms(tree))


def _expanded_terms(tree: Node) -> tuple[Term, ...]:
    collected: list[Term] = []
    for term in terms_of(tree):
        collected += _expanded_term(term)
    return terms_of(from_terms(collected))


def _expanded_term(term: Term) -> list[Term]:
    """A term whose factors that are sums, to whole powers, are multiplied out."""
    kept: list[tuple[Node, Exponent]] = []
    sums: list[Sequence[Term]] = []
    for base, exponent in term.powers:
        whole = isinstance(exponent, Fraction) and exponent.denominator == 1 and 0 < exponent <= 4
        if isinstance(base, Apply) and base.head == "add" and whole and isinstance(exponent, Fraction):
            sums += [terms_of(base)] * int(exponent)
        else:
            kept.append((base, exponent))
    if not sums or np.prod([len(s) for s in sums]) > _MOST_TERMS:
        return [term]
    outer = Term(term.coefficient, tuple(kept))
    return [multiplied([outer, *choice]) for choice in itertools.product(*sums)]


def factored(tree: Node, expand: bool = False) -> Node:
    """A sum with the powers that all its terms share taken out, over one denominator."""
    terms = terms_of(tree)
    if len(terms) < 2:
        return _inside(terms, expand) if terms else tree
    common: dict[Node, Fraction] = {}
    for base, _ in [power for term in terms for power in term.powers]:
        exponents = [dict(term.powers).get(base, Fraction(0)) for term in terms]
        if all(isinstance(e, Fraction) for e in exponents):
            common[base] = min(e for e in exponents if isinstance(e, Fraction))
        elif len(set(exponents)) == 1:
            return _shared(terms, base, exponents[0], expand)
    taken = Term(Fraction(1), tuple((base, e) for base, e in common.items() if e != 0))
    if not taken.powers:
        return tree
    inverse = Term(Fraction(1), tuple((base, -e) for base, e in taken.powers if isinstance(e, Fraction)))
    rest = from_terms(terms_of(from_terms([multiplied([term, inverse]) for term in terms])))
    return tidy(from_terms([multiplied([taken, *_as_factor(expanded(rest) if expand else rest)])]))


def _shared(terms: Sequence[Term], base: Node, exponent: Exponent, expand: bool) -> Node:
    """A sum whose terms all hold one power with a symbolic exponent, such as e^(−x)."""
    rest = [Term(t.coefficient, tuple(p for p in t.powers if p[0] != base)) for t in terms]
    inner = factored(from_terms(terms_of(from_terms(rest))), expand)
    return tidy(from_terms([multiplied([Term(Fraction(1), ((base, exponent),)), *_as_factor(inner)])]))


def _as_factor(tree: Node) -> list[Term]:
    return [term_of(tree)]


def _inside(terms: Sequence[Term], expand: bool) -> Node:
    """One term, whose brackets are factored in their turn."""
    (term,) = terms
    parts = []
    for base, exponent in term.powers:
        inner = base
        if isinstance(base, Apply) and base.head == "add":
            inner = min(factored(base, expand), *([expanded(base)] if expand else []), base, key=size)
        parts.append(multiplied([_raised_factor(inner, exponent)]))
    return tidy(from_terms([multiplied([Term(term.coefficient), *parts])]))


def _raised_factor(tree: Node, exponent: Exponent) -> Term:
    if isinstance(exponent, Fraction) and isinstance(tree, Apply):
        return raised(term_of(tree), exponent)
    return Term(Fraction(1), ((tree, exponent),))


def simplified(tree: Node, algebra: bool = True) -> tuple[Node, str]:
    """The shortest form known, and the words for how it was found: "" where no search was needed.

    Args:
        tree: an expression, not a condition.
        algebra: ask SymPy too where the result is still long. Its answer is taken only when it is shorter and has
            the same values at points.
    """
    own = shortest(tree)
    if not algebra or is_condition(own) or not _LARGE <= count(own) <= _HUGE:
        return own, ""
    from cycloid.core.algebra import AlgebraError
    from cycloid.core.algebra import simplified as by_sympy
    from cycloid.core.formulas import Formula

    try:
        found = by_sympy(Formula(own, probing.variables_of(own)), seconds=SECONDS).tree
    except (AlgebraError, ValueError):
        return own, ""
    found = min(tidy(found), found, key=size)
    return (found, "algebra") if size(found) < size(own) and same(own, found) else (own, "")


def same(first: Node, second: Node) -> bool:
    """Whether two trees have the same values at points."""
    names = probing.variables_of(first, second)
    usable = lambda v: probing.tame(probing.evaluate(first, v)) & probing.tame(probing.evaluate(second, v))
    points = probing.points_for(names, usable)
    a, b = (np.asarray(probing.evaluate(tree, points)) for tree in (first, second))
    return bool(a.size) and bool(np.all(np.abs(a - b) <= 1e-9 * (1.0 + np.abs(a))))
