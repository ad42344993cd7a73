"""Derivatives without automatic differentiation: against closed forms, with errors that do not flatter."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cycloid.checks.differences import central, circle, complex_step, flatten, is_analytic

X = jnp.array([0.7, 2.0, 0.3])
AXES = jnp.eye(3)


def smooth(v):
    return jnp.exp(v[0]) * jnp.sin(3 * v[1]) / (1 + v[2] ** 2) + v[1] ** 2 * jnp.log(v[2])


def test_complex_steps_are_exact_to_the_last_bits():
    np.testing.assert_allclose(complex_step(smooth, X, AXES), jax.grad(smooth)(X), rtol=1e-14)


def test_complex_steps_are_exact_in_single_precision_too():
    x = X.astype(jnp.float32)
    np.testing.assert_allclose(complex_step(smooth, x, jnp.eye(3, dtype=x.dtype)), jax.grad(smooth)(x), rtol=3e-6)


@pytest.mark.parametrize("f", [smooth, lambda v: jnp.sum(jnp.abs(v - 1.0)), lambda v: jnp.linalg.norm(v) ** 3])
def test_central_differences_are_within_a_few_of_their_error_estimates(f):
    values, errors = central(f, X, AXES)
    exact = np.asarray(jax.grad(f)(X))
    assert np.all(np.abs(values - exact) <= 10 * errors + 1e-12)
    assert np.all(errors < 1e-6)


@settings(max_examples=8)
@given(st.floats(-2, 2), st.floats(-1, 1), st.floats(-1, 1))
def test_central_differences_are_exact_on_parabolas(at, a, b):
    f = lambda v: a * v[0] ** 2 + b * v[0]
    values, _ = central(f, jnp.array([at]), jnp.ones((1, 1)))
    np.testing.assert_allclose(values, [2 * a * at + b], atol=1e-10)


def test_a_pole_or_an_edge_nearby_shortens_the_steps_instead_of_spoiling_them():
    values, errors = central(lambda v: jnp.log(v[0]), jnp.array([1e-4]), jnp.ones((1, 1)))
    assert abs(values[0] - 1e4) <= 10 * errors[0]
    assert errors[0] < 1.0


def test_at_a_kink_the_estimate_is_large_or_the_mean_slope_is_found():
    values, _ = central(lambda v: jnp.abs(v[0]), jnp.array([0.0]), jnp.ones((1, 1)))
    assert values[0] == 0.0  # the mean of -1 and 1: differences are symmetric


def test_a_function_of_many_variables_is_walked_without_holding_all_its_points():
    x = jnp.linspace(-1, 1, 300_000)
    v = jnp.ones((1, x.size)) / np.sqrt(x.size)
    values, errors = central(lambda w: jnp.sum(w**2), x, v)
    assert abs(values[0] - float(2 * jnp.sum(x * v[0]))) <= 10 * errors[0] + 1e-9


def test_vectors_are_differentiated_entry_by_entry():
    values, _ = central(lambda v: jnp.stack([v[0] ** 2, v[1] * v[2]]), X, AXES)
    np.testing.assert_allclose(values, [[1.4, 0], [0, 0.3], [0, 2.0]], atol=1e-9)


def test_a_function_with_python_branches_is_evaluated_point_by_point():
    values, _ = central(lambda v: v[0] ** 2 if v[0] > 0 else -v[0], jnp.array([1.5]), jnp.ones((1, 1)))
    assert values[0] == pytest.approx(3.0, abs=1e-8)


@pytest.mark.parametrize("order", range(7))
def test_circles_give_derivatives_of_any_order(order):
    f = lambda x: jnp.exp(2 * x) / (1 + x**2)
    g = f
    for _ in range(order):
        g = jax.grad(g)
    value, error = circle(f, 0.4, order)
    exact = float(g(0.4))
    assert abs(value - exact) <= 20 * error + 1e-12 * abs(exact)
    assert error < 1e-6 * max(1.0, abs(exact))


def test_circles_bound_the_order():
    with pytest.raises(ValueError, match="order"):
        circle(jnp.exp, 0.0, 16)


@pytest.mark.parametrize(
    ("f", "analytic"),
    [
        (lambda v: jnp.sum(jnp.tanh(v)), True),
        (lambda v: jnp.prod(v) / jnp.sum(v**2), True),
        (lambda v: jnp.sum(jnp.abs(v)), False),
        (lambda v: jnp.sum(jnp.maximum(v, 0)), False),
        (lambda v: jnp.linalg.norm(v), False),
        (lambda v: jnp.sum(jnp.where(v > 0, v, v**2)), False),
        (lambda v: jnp.vdot(v, v), False),
        (lambda v: jnp.sum(jnp.real(v)), False),
        (lambda v: jax.lax.fori_loop(0, 3, lambda i, a: a + jnp.sum(jnp.abs(v)), 0.0), False),
    ],
)
def test_what_a_complex_step_cannot_be_trusted_with_is_recognised(f, analytic):
    assert is_analytic(f, X) is analytic


def test_pytrees_are_flattened_without_losing_their_other_leaves():
    f, vector = flatten(lambda p: jnp.sum(p["w"] ** 2) * p["n"] + p["b"], {"w": jnp.ones(2), "n": 3, "b": 1.5})
    assert vector.shape == (3,)
    assert float(f(vector)) == 7.5


def test_a_point_without_floats_is_a_wrong_call():
    with pytest.raises(TypeError, match=r"2\.0 rather than 2"):
        flatten(lambda n: n, 2)
