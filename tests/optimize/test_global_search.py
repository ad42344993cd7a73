"""global_minimize on landscapes with many minima, its card, and wrong calls."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cycloid as cy
from cycloid.optimize import global_minimize
from cycloid.problems.landscapes import ackley, rastrigin


@pytest.mark.parametrize("f", [rastrigin, ackley])
def test_the_lowest_of_many_minima(f):
    found = global_minimize(f, [-4.0, -3.0], [5.0, 4.0], throw=False)
    np.testing.assert_allclose(found.value, 0.0, atol=1e-6)


def schwefel(x):
    """Far from its other minima: (420.9687, 420.9687). Reference: Schwefel, Numerical optimization, 1981."""
    return 418.9828872724338 * 2 - jnp.sum(x * jnp.sin(jnp.sqrt(jnp.abs(x) + 1e-30)))


@pytest.mark.slow
def test_hops_and_a_least_value_in_a_corner():
    found = global_minimize(schwefel, [-500.0, -500.0], [500.0, 500.0], starts=32, hops=2, key=jax.random.key(3))
    np.testing.assert_allclose(found.value, 420.968746, rtol=1e-6)
    assert cy.check(found).agrees
    edge = global_minimize("-x^2 + x", {"x": -1.0}, {"x": 2.5}, starts=8)
    assert float(edge.value["x"]) == 2.5
    assert float(edge.multipliers["upper"]["x"]) == pytest.approx(4.0)


@pytest.mark.slow
def test_the_minimum_answers_to_what_f_closes_over():
    where = lambda a: global_minimize(lambda x: jnp.sum((x**2 - a) ** 2 + 0.1 * x), [-3.0], [3.0], starts=8).value[0]
    h = 1e-5
    assert float(jax.grad(where)(1.3)) == pytest.approx(float(where(1.3 + h) - where(1.3 - h)) / (2 * h), rel=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: global_minimize("x^2", {"x": 0.0}, {"x": float("inf")}), "finite corners"),
        (lambda: global_minimize("x^2", {"x": 1.0}, {"x": 0.0}), "cross"),
        (lambda: global_minimize("x^2", {"x": 0.0}, {"x": 1.0}, starts=0), "starts="),
        (lambda: global_minimize("x^2", {"x": 0.0}, {"x": 1.0}, hops=1), "key="),
    ],
)
def test_wrong_calls(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()
