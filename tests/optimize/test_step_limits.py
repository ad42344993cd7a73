"""The limit 2/λmax at minima of several kinds, and training at the edge of stability."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cycloid as cy
from cycloid.optimize import edge_of_stability, minimize, stability
from cycloid.problems.landscapes import four_point_regression

KEY = jax.random.key(0)


def logistic():
    from sklearn.datasets import load_breast_cancer

    x, y = load_breast_cancer(return_X_y=True)
    x, sign = jnp.asarray((x - x.mean(0)) / x.std(0)), jnp.asarray(2.0 * y - 1)
    loss = lambda w: jnp.mean(jax.nn.softplus(-sign * (x @ w))) + 0.005 * jnp.sum(w**2)
    return loss, jnp.zeros(30)


def small_network():
    random = np.random.default_rng(0)
    draw = lambda *shape: jnp.asarray(random.normal(size=shape))
    x = jnp.linspace(-1, 1, 20)[:, None]
    y = jnp.sin(3 * x)

    def loss(p):
        fit = jnp.mean((jnp.tanh(x * p["a"] + p["b"]) @ p["c"] - y) ** 2)
        return fit + 1e-3 * sum(jnp.sum(leaf**2) for leaf in p.values())

    return loss, {"a": draw(6), "b": draw(6), "c": draw(6, 1)}


@pytest.mark.slow
@pytest.mark.parametrize("task", [logistic, small_network], ids=["logistic", "network"])
def test_the_limit_at_a_minimum_is_predicted_within_one_percent(task):
    loss, start = task()
    minimum = minimize(loss, start, method="bfgs", tol=1e-9, max_steps=3000).value
    found = stability(loss, minimum, key=KEY)
    assert found.status.name == "converged"
    assert float(found.measured) == pytest.approx(float(found.value), rel=0.01)
    assert float(found.measured) != float(found.value)
    card = cy.check(found)
    assert card.agrees
    assert card.further[0].agrees


def test_the_limit_of_the_tutorial_regression():
    found = stability(four_point_regression, jnp.array([0.0, 1.0]), key=KEY)
    assert float(found.value) == pytest.approx(0.1449, abs=5e-5)
    assert float(found.measured) == pytest.approx(0.1449, rel=0.01)
    np.testing.assert_array_equal(found.growth > 1, found.rates > float(found.measured))


@pytest.mark.parametrize("rate", [0.01, 0.2])
def test_the_rate_of_growth_is_the_largest_of_one_minus_rate_times_curvature(rate):
    found = stability("x^2 + 10y^2", {"x": 0.0, "y": 0.0}, key=KEY, steps=200)
    near = int(np.argmin(np.abs(np.log(found.rates / rate))))
    expected = max(abs(1 - found.rates[near] * curvature) for curvature in (2.0, 20.0))
    assert found.growth[near] == pytest.approx(expected, rel=0.02)


def test_sharpness_settles_at_the_edge():
    random = np.random.default_rng(0)
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    x = jnp.asarray((images - images.mean(0))[:60] / 16.0)
    y = jax.nn.one_hot(labels[:60], 10)
    draw = lambda a, b, gain: jnp.asarray(gain * random.normal(size=(a, b)) / a**0.5)
    loss = lambda p: 0.5 * jnp.mean(jnp.sum((jnp.tanh(x @ p["a"]) @ p["b"] - y) ** 2, axis=1))
    start = {"a": draw(64, 8, 1.0), "b": draw(8, 10, 0.5)}
    run = edge_of_stability(loss, start, learning_rate=1.0, key=KEY, steps=1600, every=100)
    assert run.status.name == "all_steps"
    assert run.ratio[0] < 0.7
    assert float(run.value) == pytest.approx(1.0, abs=0.06)
    assert run.loss[-1] < 0.25 * run.loss[0]  # eight hidden units cannot do much better
    assert cy.check(run).agrees
    # With a tenth of the rate the same network stays far below the edge.
    calm = edge_of_stability(loss, start, learning_rate=0.1, key=KEY, steps=400, every=100)
    assert float(calm.value) < 0.5


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: stability("x^2", 1.0, key=KEY), ValueError, "find the minimum first"),
        (lambda: stability("-x^2", 0.0, key=KEY), ValueError, "no minimum"),
        (lambda: stability("x^2", 0.0, key=None), TypeError, "pass key="),
        (lambda: stability("x^2", 0.0, key=KEY, steps=3), ValueError, "at least 10"),
        (lambda: edge_of_stability("x^2", 1.0, learning_rate=-1.0, key=KEY), ValueError, "positive"),
        (lambda: edge_of_stability("x^2", 1.0, learning_rate=0.1, key=KEY, every=0), ValueError, "every="),
        (lambda: jax.jit(lambda x: stability("x^2", x, key=KEY).value)(0.0), TypeError, "not to be traced"),
    ],
)
def test_wrong_calls_are_answered_in_words(call, error, words):
    with pytest.raises(error, match=words):
        call()
