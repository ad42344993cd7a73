"""The tutorials' own numbers: the four-point regression, and the closed forms of descent on quadratics."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cycloid.optimize import GradientDescent, Momentum, minimize
from cycloid.problems import LANDSCAPES
from cycloid.problems.landscapes import REGRESSION_X, REGRESSION_Y, four_point_regression
from optimize.walking import quadratic, walk

X, Y = np.array(REGRESSION_X), np.array(REGRESSION_Y)


@pytest.mark.parametrize("start", [(0.0, 0.0), (0.6369616873214543, 0.2697867137638703), (-3.0, 5.0)])
def test_four_point_regression_after_1000_steps_of_one_hundredth(start):
    w = np.array(start)
    for _ in range(1000):
        w = w - 0.01 * (-2 * X.T @ (Y - X @ w) / len(Y))
    found = minimize(four_point_regression, jnp.array(start), method=GradientDescent(0.01), tol=0, max_steps=1000)
    np.testing.assert_allclose(found.value, w, rtol=0, atol=1e-12)
    assert found.status.name == "all_steps"
    assert int(found.steps) == 1000


def test_after_1000_steps_an_eighth_of_the_slow_mode_is_left():
    curvatures, modes = np.linalg.eigh(2 * X.T @ X / 4)
    assert curvatures[1] / curvatures[0] == pytest.approx(69.3, abs=0.05)
    assert 2 / curvatures.sum() == pytest.approx(0.1429, abs=5e-5)
    assert 2 / curvatures[1] == pytest.approx(0.1449, abs=5e-5)
    starts = np.concatenate([[[0.5, 0.5]], np.random.default_rng(0).random((1000, 2))])
    walk_from = jax.jit(jax.vmap(lambda w: minimize(
        four_point_regression, w, method=GradientDescent(0.01), tol=0, max_steps=1000, throw=False, trace=False).value
    ))  # fmt: skip
    ends = np.asarray(walk_from(jnp.asarray(starts)))
    np.testing.assert_allclose(ends[0], [0.0765, 0.9435], atol=5e-5)
    exact = np.array([0.0, 1.0])
    slow = ((ends - exact) @ modes[:, 0]) / ((starts - exact) @ modes[:, 0])
    np.testing.assert_allclose(slow, 0.136, atol=5e-4)
    assert 0 < ends[:, 0].min() < 0.01
    assert 0.14 < ends[:, 0].max() < 0.16


def test_four_point_regression_has_the_text_of_a_formula():
    text = LANDSCAPES["four-point-regression"].text
    found = minimize(text, {"a": 0.0, "b": 0.0}, method=GradientDescent(0.01), tol=0, max_steps=1000)
    same = minimize(four_point_regression, jnp.zeros(2), method=GradientDescent(0.01), tol=0, max_steps=1000)
    np.testing.assert_allclose([found.value["a"], found.value["b"]], same.value, atol=1e-13)


def test_the_error_of_gradient_descent_shrinks_by_one_minus_rate_times_curvature():
    curvatures = np.array([0.5, 1.0, 3.0])
    points = walk(GradientDescent(0.3), quadratic, jnp.ones(3), 30, np.diag(curvatures), np.zeros(3))
    expected = (1 - 0.3 * curvatures) ** np.arange(31)[:, None]
    np.testing.assert_allclose(points, expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(("share", "status"), [(0.9, "converged"), (0.99, "converged"), (1.05, "diverged")])
def test_gradient_descent_converges_below_two_over_the_largest_curvature(share, status):
    largest = np.linalg.eigvalsh(2 * X.T @ X / 4)[-1]
    rate = share * 2 / largest
    found = minimize(
        four_point_regression, jnp.zeros(2), method=GradientDescent(rate), max_steps=5000, tol=1e-6, throw=False
    )
    assert found.status.name == status


def test_the_best_rate_of_gradient_descent_is_two_over_the_sum_of_extreme_curvatures():
    small, large = 1.0, 10.0
    points = walk(GradientDescent(2 / 11), quadratic, jnp.ones(2), 50, np.diag([small, large]), np.zeros(2))
    norms = np.linalg.norm(points, axis=1)
    np.testing.assert_allclose(norms[1:] / norms[:-1], (large - small) / (large + small), rtol=1e-12)


def test_the_best_momentum_shrinks_the_error_by_the_root_of_the_condition():
    small, large = 1.0, 100.0
    rate = (2 / (np.sqrt(large) + np.sqrt(small))) ** 2
    share = (np.sqrt(large) - np.sqrt(small)) / (np.sqrt(large) + np.sqrt(small))
    best = Momentum(rate, momentum=share**2)
    points = walk(best, quadratic, jnp.ones(2), 150, np.diag([small, large]), np.zeros(2))
    # Both roots of the recurrence coincide at `share`, so errors fall like k · share^k.
    norms = np.linalg.norm(points, axis=1)
    measured = (norms[140] / norms[70] * 70 / 140) ** (1 / 70)
    assert measured == pytest.approx(share, rel=0.01)
    plain = np.linalg.norm(
        walk(GradientDescent(2 / 101), quadratic, jnp.ones(2), 150, np.diag([small, large]), np.zeros(2))[-1]
    )
    assert norms[-1] < 1e-9 * plain


def test_reach_against_depth_has_its_best_point_where_both_partials_vanish():
    landscape = LANDSCAPES["reach-and-depth"]
    found = minimize(landscape.downhill, jnp.array(landscape.start), tol=1e-10)
    np.testing.assert_allclose(found.value, [4.0, 2.0], atol=1e-9)
    assert float(found.objective) == pytest.approx(-28.0, abs=1e-12)
