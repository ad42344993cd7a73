"""Formulas under random fire: any text, damaged formulas, random trees; every computation against the others."""

from __future__ import annotations

import contextlib
import math
import unicodedata

import jax
import numpy as np
import pytest
import sympy
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from cycloid.core import arithmetic, symbolic
from cycloid.core.chain_rule import derivative
from cycloid.core.formulas import Formula, FormulaError, formula, javascript_module
from cycloid.core.growth import check_growth
from cycloid.core.interchange import from_data, to_data
from cycloid.core.syntax import CONDITIONS, MAX_CHARACTERS, TYPED, Apply, Node, names, walk
from cycloid.core.typesetting import as_text
from formula_trees import run_in_node, trees

WORDS = """
x y z e π θ γ Γ λ ½ 2 0 9 10 0.5 1e300 1e-300 123456789012345 x_1 x₂ xy in is lambda __ import
( ) ( ) | [ ] { } + - * / ^ ** // % ! ² ³ ⁻¹ √ ∛ , = == != < <= ≤ > ≥ && || and or not . : ; @ # ' " \
sin cos tan log ln log2 exp sqrt abs max( min( where( atan2( mod( polygamma( gamma erf factorial f( f(x)=
"""
PIECES = (*WORDS.split(), "f(x, y) = ", " ", "\t", "\n", "\x00", "\u200b", "\u202e", "\ufeff", "ｘ", "𝑥", "٣", "∞", "é")
WHOLE = (
    "x^3 + 2x + 1",
    "f(x, y) = (1-x)^2+100*(y-x^2)^2",
    "where(0 < x ≤ 1 and not y == 2, x log x, |y|)",
    "sin² 2πx + cos^3(y) - √(x+1)",
    "max(x, y, atan2(y, x))! / 3",
    "e^(-x²/2)/√(2π)",
    "||x|-1| + ½ x_1 θ",
    "polygamma(2, x) - log(x, 3) + mod(x, 2)",
)


def check(text: str) -> None:
    """Reads a text: either a formula whose printed forms agree, or a sentence that points into the text."""
    error = f = None
    try:
        f = formula(text)
    except FormulaError as caught:
        error = caught
    if f is None:
        assert error is not None
        assert error.column is None or 1 <= error.column <= len(text) + 1
        assert 10 < len(str(error)) < 600
        return
    TYPED.check(f.tree)
    assert f.latex.isascii()
    assert f.javascript.isascii()
    assert javascript_module(f).isascii()
    printed = str(f)
    if len(printed) <= MAX_CHARACTERS:  # what was typed shorter may print longer than may be typed
        assert formula(printed) == f
    assert from_data(f.to_data()["tree"]) == f.tree


@given(st.text(max_size=60))
@settings(max_examples=300)
def test_any_text_is_read_or_refused(text: str) -> None:
    check(text)


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
@settings(max_examples=500)
def test_any_row_of_pieces_is_read_or_refused(text: str) -> None:
    check(text)


@given(st.sampled_from(WHOLE), st.lists(st.tuples(st.integers(0, 60), st.sampled_from(("", *PIECES))), max_size=3))
@settings(max_examples=500)
def test_damaged_formulas_are_read_or_refused(text: str, damages: list[tuple[int, str]]) -> None:
    for place, piece in damages:
        text = text[:place] + piece + text[place + (not piece) :]
    check(text)


@pytest.mark.slow
@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
@settings(max_examples=20_000)
def test_many_rows_of_pieces_are_read_or_refused(text: str) -> None:
    check(text)


@pytest.mark.slow
def test_every_character_is_read_or_refused() -> None:
    for code in range(0x110000):
        if unicodedata.category(chr(code)) != "Cn":
            check(f"x{chr(code)}")


def within_bounds(tree: Node) -> bool:
    try:
        TYPED.check(tree)
        for node in walk(tree):
            if isinstance(node, Apply):
                check_growth(node, TYPED)
    except FormulaError:
        return False
    return True


@given(trees(16).filter(within_bounds))
@settings(max_examples=300)
def test_text_of_a_tree_reads_back(tree: Node) -> None:
    text = as_text(tree)
    variables = sorted(names(tree))
    if len(text) <= MAX_CHARACTERS:
        assert formula(text, variables).tree == tree
    assert from_data(to_data(tree)) == tree


POINT = {"x": 0.7, "y": -1.3, "theta": 2.1, "x_1": 0.35}


def steady(tree: Node) -> float | None:
    """The value at POINT, when it is finite and does not hang on the last bits of the input."""
    try:
        value = arithmetic.compute(tree, POINT)
        nearby = [arithmetic.compute(tree, {k: v * (1 + s * 1e-9) for k, v in POINT.items()}) for s in (-1, 1, 2)]
    except (ArithmeticError, ValueError):
        return None
    near = all(math.isclose(value, other, rel_tol=1e-6) for other in nearby)
    return value if near and 1e-6 < abs(value) < 1e6 else None


def steady_with_slopes(tree: Node) -> bool:
    """Whether all its parts are steady, and the derivatives of the whole are."""
    if not within_bounds(tree):
        return False
    slopes = [derivative(tree, name) for name in sorted(names(tree))]
    parts = [node for node in walk(tree) if not isinstance(node, Apply) or node.head not in CONDITIONS]
    return (
        bool(slopes)
        and all(steady(part) is not None or is_zero(part) for part in parts)
        and all(steady(slope) is not None or is_zero(slope) for slope in slopes)
    )


def is_zero(tree: Node) -> bool:
    try:
        return arithmetic.compute(tree, POINT) == 0
    except (ArithmeticError, ValueError):
        return False


@given(st.lists(trees(8), min_size=40, max_size=40))
@settings(max_examples=6, phases=(Phase.generate,))  # shrinking would start Node a thousand times
def test_all_computations_of_a_tree_agree(tmp_path_factory, batch: list[Node]) -> None:
    formulas = [Formula.from_tree(tree, sorted(names(tree))) for tree in batch if steady_with_slopes(tree)]
    points = [[POINT[name] for name in f.variables] for f in formulas]
    results = run_in_node(formulas, points, tmp_path_factory.mktemp("node"))
    for f, point, result in zip(formulas, points, results, strict=True):
        value = arithmetic.compute(f.tree, POINT)
        slopes = [arithmetic.compute(derivative(f.tree, name), POINT) for name in f.variables]
        near = {"rtol": 1e-7, "atol": 1e-12, "err_msg": str(f)}
        np.testing.assert_allclose(f(*point), value, **near)
        np.testing.assert_allclose(jax.grad(f, tuple(range(len(point))))(*point), slopes, **near)
        np.testing.assert_allclose(float(result["value"]), value, **near)
        np.testing.assert_allclose([float(g) for g in result["gradient"]], slopes, **near)


@given(st.lists(trees(8), min_size=10, max_size=10))
@settings(max_examples=20)
def test_sympy_agrees_and_comes_back(batch: list[Node]) -> None:
    at = {sympy.Symbol(name, real=True): sympy.Rational(str(x)) for name, x in POINT.items()}
    for tree in filter(steady_with_slopes, batch):
        if any(isinstance(node, Apply) and node.head == "lgamma" for node in walk(tree)):
            continue  # SymPy's is complex for negative numbers
        value = arithmetic.compute(tree, POINT)
        expression = symbolic.to_sympy(tree, real=True, exact=True)
        numeral = sympy.re(expression.subs(at).evalf(20))
        assert numeral is sympy.nan or math.isclose(float(numeral), value, rel_tol=1e-6)  # atan2(0, 0) is nan there
        with contextlib.suppress(FormulaError):  # some of SymPy's own rewriting has no word in formulas
            assert math.isclose(arithmetic.compute(symbolic.from_sympy(expression), POINT), value, rel_tol=1e-6)
