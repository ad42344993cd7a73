"""Trees collected, shortened and written on the board: the same function, and read back as it was."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cycloid.core.chain_rule import derivative as chain_derivative
from cycloid.core.formulas import formula
from cycloid.core.syntax import Apply, Constant, FormulaError, Number, Variable
from cycloid.core.typesetting import as_text
from cycloid.explain import probing
from cycloid.explain.handwriting import written
from cycloid.explain.rules import ELEMENTARY, OF_TWO, elementary, of_two
from cycloid.explain.shortening import expanded, factored, same, shortest
from cycloid.explain.tidying import size, tidy

LEAVES = st.sampled_from(
    [Variable("x"), Variable("y"), Number(2), Number(3), Number(0.5), Constant("pi"), Number(0), Number(1)]
)


def _grown(inner):
    unary = st.sampled_from(["neg", "sin", "cos", "exp", "tanh", "sqrt", "abs", "atan"])
    return st.one_of(
        st.builds(lambda head, a: Apply(head, (a,)), unary, inner),
        st.builds(lambda a, b: Apply("add", (a, b)), inner, inner),
        st.builds(lambda a, b: Apply("mul", (a, b)), inner, inner),
        st.builds(lambda a, b: Apply("div", (a, b)), inner, inner),
        st.builds(
            lambda a, n: Apply("pow", (a, n)),
            inner,
            st.sampled_from([Number(2), Number(3), Apply("neg", (Number(1),))]),
        ),
    )


TREES = st.recursive(LEAVES, _grown, max_leaves=7)
VALUES = {"x": np.array([0.3, 1.7, -0.8, 2.2]), "y": np.array([1.1, -0.6, 0.4, 2.9])}


def _agree(first, second):
    a, b = np.broadcast_arrays(*(probing.evaluate(tree, VALUES) + 0.0 * VALUES["x"] for tree in (first, second)))
    both = np.isfinite(a) & np.isfinite(b)
    np.testing.assert_allclose(b[both], a[both], rtol=1e-8, atol=1e-8 * (1 + np.max(np.abs(a[both]), initial=0.0)))


@given(TREES)
def test_collecting_multiplying_out_and_factoring_keep_the_values(tree):
    for form in (
        tidy(tree),
        expanded(tidy(tree)),
        factored(tidy(tree)),
        factored(tidy(tree), expand=True),
        shortest(tree),
    ):
        _agree(tree, form)


@given(TREES)
def test_collecting_twice_changes_nothing(tree):
    assert size(tidy(tidy(tree))) <= size(tidy(tree))
    _agree(tidy(tree), tidy(tidy(tree)))


@given(TREES)
def test_the_shortest_form_is_no_longer_than_the_collected_one(tree):
    assert size(shortest(tree)) <= size(tidy(tree))


@given(TREES)
def test_what_is_written_on_the_board_is_read_back(tree):
    try:
        typed = formula(as_text(tree), ("x", "y"))
    except FormulaError:
        assume(False)  # such as x/0, which no formula may be
    _agree(typed.tree, formula(written(tree), ("x", "y")).tree)


@pytest.mark.parametrize(
    ("text", "tidied"),
    [
        ("3*x^2*1 + 2*x^0 + x*x", "4x² + 2"),
        ("2*x*3*y/6", "x·y"),
        ("x/x^3", "1/x²"),
        ("sqrt(8)*x", "2√2·x"),
        ("sqrt(4x)", "2√x"),
        ("exp(x)*x*exp(x)", "x·e^(2x)"),
        ("x*sin(x)^2 + x*cos(x)^2", "x"),
        ("sin(-x) + cos(-x)", "cos(x) − sin(x)"),
        ("0.5*x + 0.25*x", "0.75x"),
        ("ln(exp(x))", "x"),
        ("x - x", "0"),
        ("sin(0) + cos(0) + exp(0) + ln(1)", "2"),
        ("(x^2)^(1/2)", "√(x²)"),
        ("(-x)^3", "−x³"),
        ("1/(1/x)", "x"),
        ("x^n*x", "x^(n + 1)"),
        ("10^20*x", "10²⁰·x"),
    ],
)
def test_like_terms_are_collected(text, tidied):
    assert written(tidy(formula(text).tree)) == tidied


@pytest.mark.parametrize(
    ("text", "board"),
    [
        ("2*sin(x)", "2·sin(x)"),
        ("x*exp(-x)", "x·e^(−x)"),
        ("exp(x^2)", "e^(x²)"),
        ("2*3^x", "2·3^x"),
        ("1/(2*sqrt(x))", "1/(2√x)"),
        ("abs(x-1)", "|x − 1|"),
        ("abs(-x)", "abs(−x)"),
        ("asin(x)", "arcsin(x)"),
        ("alpha_1*x", "α₁·x"),
        ("where(x>=0 and x<2, x, 0)", "where(x ≥ 0 and x < 2, x, 0)"),
        ("1e-9*x", "1e-9·x"),
        ("-(x+1)", "−(x + 1)"),
        ("max(x, y, 2)", "max(x, y, 2)"),
    ],
)
def test_the_board(text, board):
    assert written(formula(text).tree) == board
    assert same(formula(text).tree, formula(board, formula(text).variables).tree)


@pytest.mark.parametrize("head", ELEMENTARY)
def test_the_taught_derivative_of_each_function_is_that_of_jax_and_of_a_complex_step(head):
    rule, slope = elementary(head)
    function = formula(f"{head}(a)")
    usable = lambda v: probing.tame(probing.evaluate(function.tree, v)) & probing.tame(probing.evaluate(slope, v))
    points = probing.points_for(("a",), usable)
    taught = probing.evaluate(slope, points) + 0.0 * points["a"]
    by_jax = jax.vmap(jax.grad(function))(points["a"])
    np.testing.assert_allclose(taught, by_jax, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(taught, probing.slope(function.tree, points, "a"), rtol=1e-9, atol=1e-12)
    assert rule.name
    assert "′" in rule.law


@pytest.mark.parametrize("head", OF_TWO)
def test_the_taught_partial_derivatives_are_those_of_the_chain_rule(head):
    _, partials = of_two(head)
    tree = formula(f"{head}(a, b)").tree
    values = {"a": np.array([1.3, -0.7, 2.9]), "b": np.array([0.8, 1.9, -1.2])}
    for name, partial in zip("ab", partials, strict=True):
        found = probing.evaluate(chain_derivative(tree, name), values)
        np.testing.assert_allclose(probing.evaluate(partial, values) + 0 * values["a"], found, rtol=1e-12)


def test_points_are_the_same_at_every_call_and_lie_in_the_domain():
    tree = formula("ln(x - 10) + sqrt(y)").tree
    usable = lambda v: probing.tame(probing.evaluate(tree, v))
    first, second = (probing.points_for(("x", "y"), usable) for _ in range(2))
    assert all(np.array_equal(first[name], second[name]) for name in "xy")
    assert len(first["x"]) == probing.POINTS
    assert np.all(first["x"] > 10)
    spread = probing.spread(200, 2)
    assert np.all((spread >= 0) & (spread < 1))
    counts = np.histogram2d(*spread.T, bins=4)[0]
    assert counts.min() >= 200 / 16 / 2


def test_differences_stand_in_where_no_complex_number_can_go():
    tree = formula("polygamma(1, x)").tree
    assert not probing.has_complex_step(tree)
    x = np.array([0.7, 1.9, 4.2])
    exact = probing.evaluate(formula("polygamma(2, x)").tree, {"x": x})
    np.testing.assert_allclose(probing.slope(tree, {"x": x}, "x"), exact, rtol=1e-8)
