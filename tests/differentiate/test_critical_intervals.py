"""Intervals hold the truth: values, gradients and Hessians of random formulas at random points of random boxes."""

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cycloid.core.formulas import formula
from cycloid.differentiate.interval_arithmetic import Interval, cosine, outwards, power, reciprocal, square, whole
from cycloid.differentiate.interval_jets import NoRule, check_rules, jet_of
from cycloid.differentiate.newton_boxes import survey

numbers = st.floats(-50, 50, allow_nan=False)


@st.composite
def intervals(draw):
    a, b = draw(numbers), draw(numbers)
    return Interval(np.array([min(a, b)]), np.array([max(a, b)]))


@st.composite
def pairs(draw):
    """An interval and a number in it."""
    x = draw(intervals())
    return x, float(np.clip(x.low[0] + draw(st.floats(0, 1)) * (x.high[0] - x.low[0]), x.low[0], x.high[0]))


@given(pairs(), pairs())
def test_arithmetic_holds_the_exact_result(left, right):
    from fractions import Fraction

    (x, a), (y, b) = left, right
    exact = {
        "sum": Fraction(a) + Fraction(b),
        "difference": Fraction(a) - Fraction(b),
        "product": Fraction(a) * Fraction(b),
    }
    exact |= {"square": Fraction(a) ** 2, "cube": Fraction(a) ** 3}
    found = {"sum": x + y, "difference": x - y, "product": x * y, "square": square(x), "cube": power(x, 3)}
    if b != 0:
        with np.errstate(all="ignore"):
            exact["quotient"], found["quotient"] = Fraction(a) / Fraction(b), x / y
    for name, value in exact.items():
        low, high = float(found[name].low[0]), float(found[name].high[0])
        assert low == -np.inf or Fraction(low) <= value, name
        assert high == np.inf or value <= Fraction(high), name


@given(pairs())
def test_the_cosine_of_an_interval(pair):
    x, a = pair
    found = cosine(x)
    assert found.low[0] <= np.cos(a) <= found.high[0]
    assert found.low[0] >= -1
    assert found.high[0] <= 1
    if x.high[0] - x.low[0] < 0.5:  # and it is not careless
        assert found.high[0] - found.low[0] <= x.high[0] - x.low[0] + 1e-9


FORMULAS = [
    "x^3*y - 2x/(1 + y^2)", "exp(-x^2 - y^2)*cos(3x)", "sqrt(x^2 + y^2 + 1) + tanh(x*y)", "atan(x) - asinh(y) + x*y^2",
    "log(2 + x^2) / (3 + sin(y))", "sigmoid(x) * softplus(y) + erf(x*y/4)", "|x - 3| + max(x, y + 8) + min(x, y - 9)",
    "(x^2 + 1)^1.5 + cbrt(y + 9) + 2^x", "cosh(x/3) * sinh(y/3) + log10(y^2 + 1)", "tan(x/9) + sec(y/9) + cot(2 + x/9)",
    "asin(x/5) + acos(y/5) + atanh(x/6) + acosh(5 + y)", "(x^2 + 1)^y + relu(x - 9)",
    "erfc(y) + log2(x^2 + 2) + csc(5 + x/9)",
]  # fmt: skip


@pytest.mark.parametrize("text", FORMULAS)
def test_jets_hold_value_gradient_and_hessian(text):
    f = formula(text, ("x", "y"))
    random = np.random.default_rng(0)
    middle = random.uniform(-3, 3, (40, 2))
    half = 10.0 ** random.uniform(-6, -0.5, (40, 1))
    jet = jet_of(f.tree, ("x", "y"), middle - half, middle + half)
    wide = lambda part: (np.broadcast_to(part.low, 40), np.broadcast_to(part.high, 40))
    for share in (-1.0, -0.3, 0.0, 0.7, 1.0):
        points = middle + share * half * random.choice([-1, 1], (40, 2))
        value, slope, bend = (
            np.asarray(jax.vmap(g)(points)) for g in (f.of_vector, jax.grad(f.of_vector), jax.hessian(f.of_vector))
        )
        rounding = 1e-12
        low, high = wide(jet.value)
        assert np.all((low <= value + rounding * (1 + abs(value))) & (value - rounding * (1 + abs(value)) <= high))
        for i in range(2):
            low, high = wide(jet.first[i])
            room = rounding * (1 + abs(slope[:, i]))
            assert np.all((low <= slope[:, i] + room) & (slope[:, i] - room <= high))
            for j in range(i, 2):
                if (i, j) in jet.second:
                    low, high = wide(jet.second[i, j])
                    room = rounding * (1 + abs(bend[:, i, j]))
                    assert np.all((low <= bend[:, i, j] + room) & (bend[:, i, j] - room <= high))
                else:
                    np.testing.assert_allclose(bend[:, i, j], 0.0, atol=1e-12)


def test_where_a_function_is_not_defined_its_interval_is_empty():
    f = formula("log(x) + y")
    jet = jet_of(f.tree, ("x", "y"), np.array([[-2.0, 0.0], [-1.0, 0.0]]), np.array([[-1.0, 1.0], [3.0, 1.0]]))
    assert np.isnan(jet.value.low[0])
    assert not jet.value.holds(0.0)[0]
    assert jet.value.holds(0.0)[1]


def test_what_has_no_rule_is_named():
    with pytest.raises(NoRule, match="gamma"):
        check_rules(formula("gamma(x) + y").tree)


def test_overflow_stays_an_interval():
    jet = jet_of(formula("exp(exp(x))").tree, ("x",), np.array([[9.0]]), np.array([[12.0]]))
    assert jet.value.low[0] > 1e300
    assert jet.value.high[0] == np.inf


def test_reciprocals_through_zero_are_unbounded():
    found = reciprocal(outwards(np.array([-1.0]), np.array([2.0])))
    assert (found.low[0], found.high[0]) == (-np.inf, np.inf)
    assert bool(np.isclose((whole(1.0) / whole(4.0)).low, 0.25))


def test_a_survey_finds_every_root_of_a_system():
    """x² + y² = 4, x y = 1: four roots, in boxes that hold them."""

    def system(low, high):
        jets = [jet_of(formula(t, ("x", "y")).tree, ("x", "y"), low, high) for t in ("x^2 + y^2 - 4", "x*y - 1")]
        stack = lambda parts, axis: Interval(
            np.stack([p.low for p in parts], axis), np.stack([p.high for p in parts], axis)
        )
        return stack([j.value for j in jets], -1), stack([stack([j.first[i] for i in (0, 1)], -1) for j in jets], 1)

    told = survey(system, [-3, -3], [3, 3], np.zeros((0, 2)))
    assert len(told.undecided_low) == 0
    big, small = np.sqrt(2 + np.sqrt(3)), np.sqrt(2 - np.sqrt(3))
    exact = sorted([[big, small], [small, big], [-big, -small], [-small, -big]])
    order = np.lexsort(told.roots.T[::-1])
    np.testing.assert_allclose(told.roots[order], exact, atol=1e-14)
    assert np.all(told.low[order] <= np.array(exact) + 1e-15)
    assert np.all(told.high[order] >= np.array(exact) - 1e-15)
