"""Taylor polynomials: coefficients known in closed form, remainders that are never too small, limits and messages."""

import dataclasses
import functools
import math
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cycloid as cy
from cycloid.core.arithmetic import compute
from cycloid.core.formulas import formula
from cycloid.differentiate import Expansion, convergence_radii, enclosures, entire_functions, taylor

# formula, centre, coefficients 0 … 6
KNOWN = [
    ("sin(x)", 0.0, [0, 1, 0, "-1/6", 0, "1/120", 0]),
    ("exp(x)", 0.0, [1, 1, "1/2", "1/6", "1/24", "1/120", "1/720"]),
    ("1/(1-x)", 0.0, [1, 1, 1, 1, 1, 1, 1]),
    ("log(x)", 1.0, [0, 1, "-1/2", "1/3", "-1/4", "1/5", "-1/6"]),
    ("atan(x)", 0.0, [0, 1, 0, "-1/3", 0, "1/5", 0]),
    ("x^3 + 2x + 1", 2.0, [13, 14, 6, 1, 0, 0, 0]),
    ("sqrt(x)", 4.0, [2, "1/4", "-1/64", "1/512", "-5/16384", "7/131072", "-21/2097152"]),
    ("tanh(x)", 0.0, [0, 1, 0, "-1/3", 0, "2/15", 0]),
]
# Every rule of the enclosures, at a centre inside its domain.
BOUNDED = [
    *[(text, 0.3) for text in ("sin(x)", "cos(x)", "tan(x)", "sinh(x)", "cosh(x)", "tanh(x)", "asin(x)", "acos(x)")],
    *[
        (text, 0.3)
        for text in ("atan(x)", "asinh(x)", "atanh(x)", "erf(x)", "erfc(x)", "sigmoid(x)", "softplus(x)", "sec(x)")
    ],
    *[(text, 1.4) for text in ("log(x)", "log2(x)", "log10(x)", "sqrt(x)", "cbrt(x)", "x^x", "x^-3", "x^2.5", "2^x")],
    *[(text, 1.4) for text in ("cot(x)", "csc(x)", "abs(x)", "exp(-x^2)*x/(1 + x)", "pi*x - 1")],
]


@pytest.mark.parametrize(("text", "centre", "wanted"), KNOWN, ids=lambda v: v if isinstance(v, str) else "")
def test_coefficients_are_those_of_the_tables(text, centre, wanted):
    found = taylor(text, centre, order=6)
    np.testing.assert_allclose(found.coefficients, [float(Fraction(c)) for c in wanted], atol=1e-14)
    assert found.order == 6


@pytest.mark.parametrize(("text", "centre"), BOUNDED, ids=lambda v: v if isinstance(v, str) else "")
def test_a_bound_is_never_less_than_the_distance_and_seldom_much_more(text, centre):
    found = taylor(text, centre, order=4, radius=0.25)
    assert found.error_kind.name == "bound"
    x = jnp.linspace(centre - 0.25, centre + 0.25, 401)
    distance = float(jnp.max(jnp.abs(formula(text)(x) - found.value(x))))
    error = float(found.error)
    assert distance <= error + 4e-15
    assert error <= 5 * distance + 1e-12


def test_the_bound_of_the_sine_is_close_to_the_truth():
    found = taylor("sin(x)", 0.0, order=6)
    distance = abs(math.sin(1.0) - float(found.value(1.0)))
    assert distance <= float(found.error) <= 1.01 * distance


@settings(max_examples=10)
@given(st.floats(-2.0, 2.0), st.floats(0.05, 1.5), st.integers(0, 6))
def test_enclosed_remainders_hold_at_every_centre_radius_and_order(centre, radius, order):
    f = formula("exp(sin(x))*x - x/(3 + cos(x))")

    bound = enclosures.remainder_bound(f.tree, f.variables, [centre], radius, order)
    series = enclosures.coefficients(f.tree, "x", centre, order)
    middle = [(low + high) / 2 for low, high in series]
    wide = max(high - low for low, high in series)
    assert wide < 1e-9
    for share in (-1.0, -0.37, 0.6, 1.0):
        x = centre + share * radius
        p = math.fsum(c * (share * radius) ** k for k, c in enumerate(middle))
        assert abs(compute(f.tree, {"x": x}) - p) <= bound + 1e-12


def test_of_a_function_the_remainder_is_an_estimate():
    found = taylor(lambda x: jnp.exp(-x * x) * jnp.tanh(x), 0.4, order=6)
    assert found.error_kind.name == "estimate"
    x = jnp.linspace(0.4 - found.radius, 0.4 + found.radius, 1001)
    distance = jnp.max(jnp.abs(jnp.exp(-x * x) * jnp.tanh(x) - found.value(x)))
    assert float(distance) <= 1.05 * float(found.error)


@pytest.mark.parametrize(
    ("text", "order", "radius"),
    [("1/(1-x)", 8, 1.0), ("1/(1+x^2)", 3, 1.0), ("exp(x)*cos(x)", 5, np.inf), ("x^3", 8, np.inf)],
)
def test_the_radius_of_convergence_is_seen(text, order, radius):
    found = taylor(text, 0.0, order=order)
    assert float(found.convergence) == pytest.approx(radius, rel=0.01)
    assert float(found.radius) == pytest.approx(min(1.0, radius / 2), rel=0.01)


# formula, singularities nearest to the centres, centres
RADII = [
    *[(text, (), (0.0, 0.7, -3.0)) for text in ("exp(x)", "sin(x)", "cos(x)", "exp(x)*cos(x)", "exp(x)*sin(x)")],
    *[(text, (), (0.0, 0.7)) for text in ("x^3 + 2x + 1", "exp(-x^2)/3", "sin(20x)", "exp(sin(x))", "2^x*erf(x)")],
    *[(text, (), (1.0, 2.0)) for text in ("sin(x)/x", "cos(sqrt(x))", "exp(2*log(1 + x))", "(1 - x^2)/(1 + x)")],
    ("1/(1+x^2)", (1j, -1j), (0.0, 0.5, 1.0, 3.0, -0.1)),
    ("atan(x)", (1j, -1j), (0.0, 0.5, 1.0, 3.0, 8.0)),
    ("asinh(x)", (1j, -1j), (0.0, 0.5, 2.0)),
    ("log(1+x)", (-1,), (0.0, 0.5, 3.0, -0.9)),
    ("sqrt(1+x)", (-1,), (0.0, 0.5, 3.0)),
    ("1/(1-x)", (1,), (0.0, 0.5, -2.0, 0.99)),
    ("(1-x)^2.5", (1,), (0.0, 0.5)),
    ("x^4/(1-x^8)", tuple(np.exp(2j * np.pi * np.arange(8) / 8)), (0.0, 0.3, 0.5)),
    ("tan(x)", (-np.pi / 2, np.pi / 2, 3 * np.pi / 2), (0.0, 0.5, 1.5, 3.0)),
    ("tanh(x)", (1j * np.pi / 2,), (0.0, 0.5, 2.0)),
    ("1/(2+cos(x))", (np.pi + 1j * np.arccosh(2), -np.pi + 1j * np.arccosh(2)), (0.0, 1.0, 3.0)),
    ("exp(5x) + 1/(1-x/4)", (4,), (0.0, 1.0)),
    ("exp(x)/(1-x/10)", (10,), (0.0, 5.0)),
    ("0.01/(1-x) + 1/(1+x/1.3)", (1, -1.3), (0.0, 0.1)),
    ("1e-6/(1-x) + 1/(1+x/2)", (1, -2), (0.0, 0.1)),
    ("1/(1-2*x*cos(0.1)+x^2)", (np.exp(0.1j),), (0.0,)),
    ("exp(1/(1-x))", (1,), (0.0, -1.0)),
    ("x^x", (0,), (1.0, 2.0)),
]


@functools.cache
def _reach(text, centre):
    f = formula(text)
    if entire_functions.is_entire(f, jnp.zeros(()).dtype):
        return math.inf
    return convergence_radii.of_formula(f.tree, "x", centre).convergence


@pytest.mark.parametrize(("text", "singularities", "centres"), RADII, ids=[row[0] for row in RADII])
def test_no_radius_of_convergence_is_claimed_wrongly(text, singularities, centres):
    for centre in centres:
        radius = min((abs(centre - s) for s in singularities), default=math.inf)
        claimed = _reach(text, centre)
        assert math.isnan(claimed) or claimed == pytest.approx(radius, rel=0.1), centre


@pytest.mark.slow
def test_most_radii_are_known():
    known = [not math.isnan(_reach(text, centre)) for text, _, centres in RADII for centre in centres]
    assert np.mean(known) > 0.75


def test_of_a_function_few_coefficients_claim_nothing_and_its_program_may_show_that_it_is_entire():
    assert np.isnan(taylor(lambda x: 1 / (1 + x * x), 0.3, order=2).convergence)
    assert taylor(lambda x: jnp.exp(x) * jnp.cos(x), 0.0, order=2).convergence == np.inf
    grown = 0.5 ** np.arange(31)
    assert convergence_radii.of_coefficients(grown) == pytest.approx(2.0, rel=1e-6)
    rounded = np.array([1.0, 1.0, *(1e-17 * (-1.0) ** np.arange(20))])  # 1 + x, with the rounding of 1/(1 + x)
    assert np.isnan(convergence_radii.of_coefficients(rounded))
    assert not entire_functions.is_entire(lambda x: jnp.where(x > 0, x, 0.0), jnp.zeros(()).dtype)
    assert not entire_functions.is_entire(lambda x: x**-2, jnp.zeros(()).dtype)


def test_a_pole_or_a_kink_within_the_radius_has_no_bound():
    assert taylor("1/(1-x)", 0.0, radius=1.5).error_kind.name != "bound"
    corner = taylor("abs(x)", 0.5, radius=1.0, order=3)
    assert corner.error_kind.name == "estimate"
    assert float(corner.error) == pytest.approx(1.0, abs=1e-9)  # at −1/2 the polynomial is −1/2, the function 1/2
    gone = taylor("log(x)", 0.5, radius=1.0)
    assert gone.error_kind.name == "none"
    assert np.isnan(gone.error)


def test_mixed_coefficients_are_products_of_those_of_the_factors():
    found = taylor("exp(x)*sin(y)", {"x": 0.0, "y": 0.0}, order=5)
    assert found.value.coefficient(2, 1) == pytest.approx(0.5)
    assert found.value.coefficient(1, 3) == pytest.approx(-1 / 6)
    assert found.value.coefficient(2, 2) == 0.0
    assert found.error_kind.name == "bound"
    p = lambda x, y: float(found.value({"x": x, "y": y}))
    corners = [(x, y) for x in (-0.5, 0.1, 0.5) for y in (-0.5, 0.5)]
    assert all(abs(math.exp(x) * math.sin(y) - p(x, y)) <= float(found.error) for x, y in corners)


def test_a_polynomial_of_three_variables_is_found_again():
    f = lambda v: 1 + 2 * v[0] * v[1] ** 2 - v[2] ** 3 + 4 * v[0] * v[1] * v[2]
    found = taylor(f, jnp.array([0.3, -0.2, 0.5]), order=3)
    x = jnp.array([1.3, 0.7, -2.0])
    assert float(found.value(x)) == pytest.approx(float(f(x)), abs=1e-11)
    assert found.value(jnp.stack([x, x])).shape == (2,)


def test_a_pytree_is_a_point_too():
    found = taylor(lambda p: p["a"] * jnp.exp(p["b"]), {"b": 0.0, "a": 2.0}, order=2)
    assert found.value.variables == ("a", "b")
    assert float(found.value({"a": 2.1, "b": 0.1})) == pytest.approx(2.1 * math.exp(0.1), abs=1e-3)


def test_loops_branches_and_rules_of_ones_own_are_nested():
    loop = lambda x: jax.lax.fori_loop(0, 3, lambda _, c: jnp.sin(c), x)
    plain = taylor(lambda x: jnp.sin(jnp.sin(jnp.sin(x))), 0.5, order=3)
    np.testing.assert_allclose(taylor(loop, 0.5, order=3).coefficients, plain.coefficients, rtol=1e-12)
    with pytest.raises(ValueError, match="order=8"):
        taylor(loop, 0.5, order=9)
    with pytest.warns(UserWarning, match="branches"):
        branchy = taylor(_branching, 0.5, order=3)
    np.testing.assert_allclose(branchy.coefficients, [0.25, 1, 1, 0], atol=1e-12)


def _branching(x):
    return x**2 if x > 0 else -x


def test_it_is_transformed():
    slope = jax.jit(jax.grad(lambda a: taylor("sin(x)", a, order=3).coefficients[2]))(0.7)
    assert slope == pytest.approx(-math.cos(0.7) / 2)
    rows = jax.vmap(lambda a: taylor("sin(x)", a, order=3).coefficients)(jnp.array([0.0, 1.0]))
    np.testing.assert_allclose(rows[1], taylor("sin(x)", 1.0, order=3).coefficients, atol=1e-15)
    traced = jax.jit(lambda a: taylor("sin(x)", a, order=3))(1.0)
    assert traced.error_kind.name == "estimate"
    with pytest.raises(ValueError, match="question"):
        cy.check(traced)


def test_single_precision_stays_single():
    found = taylor("exp(x)", jnp.float32(0.5), order=4)
    assert found.coefficients.dtype == jnp.float32
    assert found.error.dtype == jnp.float32


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: taylor("sin(x)", 0.0, order=-1), ValueError, "from 0 to 30"),
        (lambda: taylor("sin(x)", 0.0, radius=-1.0), ValueError, "positive"),
        (lambda: taylor("x*y", 1.0), ValueError, "variables x, y"),
        (lambda: taylor("x*y", {"x": 1.0}), ValueError, "variables x, y"),
        (lambda: taylor(lambda v: v.sum(), jnp.zeros(20), order=6), ValueError, "coefficients"),
        (lambda: taylor(lambda x: jnp.stack([x, x]), 1.0), TypeError, "one real number"),
        (lambda: taylor("log(x)", 0.0), cy.ConvergenceError, "NaN"),
        (lambda: taylor("x", 1j), TypeError, "real"),
    ],
)
def test_a_wrong_call_is_answered_in_words(call, error, words):
    with pytest.raises(error, match=words):
        call()


@pytest.mark.parametrize("f", ["sin(x)*exp(x)", lambda x: jnp.sin(x) * jnp.exp(x), lambda x: jnp.abs(x) ** 3])
def test_the_card_agrees_and_a_wrong_polynomial_disagrees(f):
    found = taylor(f, 0.7, order=4)
    card = cy.check(found)
    assert card.agrees
    assert "fresh points" in card.further[-1].second_method
    wrong = dataclasses.replace(found.value, coefficients=found.coefficients.at[1].add(0.01))
    assert cy.check(dataclasses.replace(found, value=wrong), found.question).verdict == "disagrees"
    small = dataclasses.replace(found, error=found.error / 10).asked(found.question)
    assert cy.check(small).verdict == "disagrees"


def test_the_card_of_several_variables_asks_algebra_and_circles():
    card = cy.check(taylor("exp(x)*sin(y)/(2 + x*y)", {"x": 0.1, "y": 0.4}, order=3))
    assert card.agrees
    methods = [c.second_method for c in (card, *card.further)]
    assert methods[:2] == ["algebra (SymPy)", "Cauchy's integral along 3 directions"]


def test_it_is_drawn_saved_and_told_in_json(tmp_path):
    found = taylor("sin(x)", 0.0, order=5)
    fig = cy.figure(found)
    names = [trace.name for trace in fig.data]
    assert {"order 1", "order 3", "order 5", "f", "bound"} <= set(names)
    plane = cy.figure(taylor("exp(x)*y", {"x": 0.0, "y": 1.0}, order=2), dark=True)
    assert {"f", "p"} <= {trace.name for trace in plane.data}
    found.save(tmp_path / "sine.cy")
    again = Expansion.load(tmp_path / "sine.cy")
    np.testing.assert_array_equal(again.coefficients, found.coefficients)
    assert float(again.value(0.3)) == float(found.value(0.3))
    assert '"bound"' in found.to_json()
    with pytest.raises(ValueError, match="knows its function"):
        cy.figure(again)
