"""The derivative of a minimiser: closed forms, finite differences, both modes, twice, dense and by products."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cycloid.optimize import Adam, minimize


def rosenbrock(a):
    """Minimum at (a, a²): its derivative is (1, 2a), that of the first entry's square 2a."""
    return minimize(lambda x: (a - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2, jnp.array([-1.2, 1.0]), tol=1e-10)


@pytest.mark.slow
def test_rosenbrock_in_closed_form():
    np.testing.assert_allclose(jax.jacfwd(lambda a: rosenbrock(a).value)(1.5), [1.0, 3.0], rtol=1e-8)
    np.testing.assert_allclose(jax.grad(lambda a: rosenbrock(a).value[1])(1.5), 3.0, rtol=1e-8)
    np.testing.assert_allclose(jax.grad(jax.grad(lambda a: rosenbrock(a).value[1]))(1.5), 2.0, rtol=1e-6)


def himmelblau(a):
    f = lambda x: (x[0] ** 2 + x[1] - a) ** 2 + (x[0] + x[1] ** 2 - 7) ** 2
    return minimize(f, jnp.array([2.5, 2.5]), tol=1e-10).value


def ridge_regression(a):
    xs = jnp.array([[1.0, 1.0], [1.0, 2.0], [2.0, 2.0], [2.0, 3.0]])
    ys = jnp.array([1.0, 2.0, 2.0, 3.0])
    return minimize(lambda w: jnp.mean((xs @ w - ys) ** 2) + a * w @ w, jnp.zeros(2), tol=1e-10).value


def logistic_regression(a):
    xs = jnp.array([[0.5, 1.0], [1.5, -1.0], [-1.0, 0.3], [-0.2, -2.0]])
    ys = jnp.array([1.0, -1.0, 1.0, -1.0])
    f = lambda p: jnp.mean(jnp.log1p(jnp.exp(-ys * (xs @ p["w"] + p["b"])))) + a * (p["w"] @ p["w"] + p["b"] ** 2)
    return minimize(f, {"w": jnp.zeros(2), "b": 0.0}, tol=1e-10).value["w"]


@pytest.mark.slow
@pytest.mark.parametrize(("solution", "at"), [(himmelblau, 11.0), (ridge_regression, 0.3), (logistic_regression, 0.1)])
def test_landscapes_against_finite_differences(solution, at):
    h = 1e-4
    solve = jax.jit(solution)
    central = (solve(at + h) - solve(at - h)) / (2 * h)
    np.testing.assert_allclose(jax.jit(jax.jacrev(solution))(at), central, rtol=1e-5, atol=1e-7)


def test_ridge_regression_in_closed_form():
    # (XᵀX/n + a) w = Xᵀy/n, so dw/da = −(XᵀX/n + a)⁻¹ w.
    xs = np.array([[1.0, 1.0], [1.0, 2.0], [2.0, 2.0], [2.0, 3.0]])
    ys = np.array([1.0, 2.0, 2.0, 3.0])
    system = xs.T @ xs / 4 + 0.3 * np.eye(2)
    w = np.linalg.solve(system, xs.T @ ys / 4)
    np.testing.assert_allclose(jax.jacfwd(ridge_regression)(0.3), -np.linalg.solve(system, w), rtol=1e-9)


def test_many_parameters_are_solved_by_products_alone():
    scales = jnp.linspace(1.0, 5.0, 100)
    targets = lambda a: jnp.sin(a * jnp.arange(100.0))
    solution = lambda a: minimize(lambda x: jnp.sum(scales * (x - targets(a)) ** 2), jnp.zeros(100), tol=1e-10).value
    weights = jnp.cos(jnp.arange(100.0))
    expected = weights @ (jnp.arange(100.0) * jnp.cos(0.7 * jnp.arange(100.0)))
    np.testing.assert_allclose(jax.grad(lambda a: weights @ solution(a))(0.7), expected, rtol=1e-8)


def test_the_value_at_the_minimum_obeys_the_envelope_theorem():
    # min over x of (x − a)² + a x is a x − … : at x = a/2, f = 3a²/4 and df/da = 3a/2.
    least = lambda a: minimize(lambda x: (x - a) ** 2 + a * x, 0.0, tol=1e-12).objective
    assert float(jax.grad(least)(2.0)) == pytest.approx(3.0, rel=1e-9)


def test_neither_the_start_nor_the_learning_rate_has_an_influence():
    f = lambda x: (x - 1.0) ** 2
    assert float(jax.grad(lambda x0: minimize(f, x0).value)(3.0)) == 0.0
    assert float(jax.grad(lambda rate: minimize(f, 0.0, method=Adam(rate)).value)(0.3)) == 0.0


@pytest.mark.slow
def test_under_vmap_of_grad_and_grad_of_vmap():
    solution = lambda a: minimize(lambda x: (x - jnp.sin(a)) ** 2 + (x - a) ** 4, 0.0, tol=1e-10).value
    points = jnp.array([0.2, 0.9])
    each = jnp.stack([jax.grad(solution)(a) for a in points])
    np.testing.assert_allclose(jax.vmap(jax.grad(solution))(points), each, rtol=1e-8)
    np.testing.assert_allclose(jax.grad(lambda p: jnp.sum(jax.vmap(solution)(p)))(points), each, rtol=1e-8)


def test_counts_and_statuses_survive_differentiation():
    def solve(a):
        found = minimize(lambda x: (x - a) ** 2, 0.0)
        return found.value, (found.steps, found.evaluations, found.status.code, found.trace.objective)

    derivative, (steps, evaluations, code, _) = jax.jacrev(solve, has_aux=True)(2.0)
    plain = minimize(lambda x: (x - 2.0) ** 2, 0.0)
    assert float(derivative) == pytest.approx(1.0)
    assert (int(steps), int(evaluations), int(code)) == (int(plain.steps), int(plain.evaluations), 0)
    assert steps.dtype == plain.steps.dtype
