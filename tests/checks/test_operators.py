"""Exact derivatives verified: true ones agree, wrong ones are found, whatever the function."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cycloid import checks

NAMES = {"Cauchy's integral on a circle", "differences", "algebra (SymPy)"}


def test_the_derivative_of_the_tutorials_is_found_by_four_methods():
    card = checks.derivative("x^3 + 2x + 1", 2.0)
    assert card.agrees
    assert card.value == pytest.approx(14.0, abs=1e-12)
    assert {card.second_method, *(c.second_method for c in card.further)} == NAMES
    assert all(c.agrees for c in card.further)


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_higher_orders_agree(order):
    assert checks.derivative(lambda x: jnp.exp(jnp.sin(x)), 0.3, order).agrees


@pytest.mark.parametrize("wrong", [14.0001, 13.0, -14.0, np.nan])
def test_a_wrong_derivative_disagrees(wrong):
    assert checks.derivative("x^3 + 2x + 1", 2.0, value=wrong).verdict == "disagrees"


def test_a_function_that_is_not_analytic_is_checked_by_differences():
    card = checks.derivative(lambda x: jnp.abs(x) ** 3, -1.5)
    assert card.agrees
    assert card.second_method == "differences"


def test_at_a_kink_the_choice_of_a_slope_is_not_confirmed():
    card = checks.derivative(lambda x: jnp.maximum(x, 0.0), 0.0, value=1.0)
    assert not card.agrees


def test_a_custom_rule_that_lies_is_found():
    @jax.custom_jvp
    def f(x):
        return x**2

    f.defjvp(lambda primals, tangents: (f(*primals), 3 * primals[0] * tangents[0]))
    assert checks.derivative(f, 1.0).verdict == "disagrees"
    assert checks.gradient(lambda v: f(v[0]) + v[1], jnp.array([1.0, 2.0])).verdict == "disagrees"


def test_single_precision_is_checked_at_its_own_precision():
    x = jnp.asarray(2.0, jnp.float32)
    assert checks.derivative(lambda x: jnp.sin(x) * x, x).agrees
    assert checks.derivative(lambda x: jnp.sin(x) * x, x, value=0.2).verdict == "disagrees"


def test_a_wrong_call_says_what_to_call():
    with pytest.raises(TypeError, match="gradient"):
        checks.derivative(lambda x: x, jnp.ones(2))
    with pytest.raises(ValueError, match="order"):
        checks.derivative(lambda x: x, 1.0, 0)


def test_gradients_of_formulas_are_found_by_algebra_too():
    card = checks.gradient("(1-x)^2 + 100*(y-x^2)^2", jnp.array([-1.2, 1.0]))
    assert card.agrees
    assert card.second_method == "complex step"
    assert [c.second_method for c in card.further] == ["differences", "algebra (SymPy)"]
    np.testing.assert_allclose(card.further[1].second_value, [-215.6, -88.0], rtol=1e-12)


def test_gradients_of_pytrees_are_compared_leaf_by_leaf():
    f = lambda p: jnp.sum(jnp.sin(p["a"])) * p["b"]
    point = {"a": jnp.array([0.1, 0.2]), "b": jnp.array(3.0)}
    assert checks.gradient(f, point).agrees
    wrong = jax.tree.map(lambda leaf: 1.001 * leaf, jax.grad(f)(point))
    assert checks.gradient(f, point, value=wrong).verdict == "disagrees"


def test_many_variables_are_looked_at_along_a_few_directions():
    x = jnp.linspace(0, 1, 500)
    f = lambda v: jnp.sum(jnp.tanh(v) ** 2)
    card = checks.gradient(f, x)
    assert card.agrees
    assert len(card.value) == 16
    assert checks.gradient(f, x, value=jax.grad(f)(x).at[7].add(0.01)).verdict == "disagrees"


def test_a_gradient_of_another_length_is_a_wrong_call():
    with pytest.raises(ValueError, match="2 entries"):
        checks.gradient(lambda v: jnp.sum(v**2), jnp.ones(3), value=jnp.ones(2))
