"""least_squares: closed forms, statuses, batches, derivatives, wrong calls."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

import cycloid as cy
from cycloid.optimize import Adam, GaussNewton, LevenbergMarquardt, least_squares
from cycloid.problems import MORE_GARBOW_HILLSTROM

METHODS = [LevenbergMarquardt(), LevenbergMarquardt(geodesic=True), GaussNewton()]
A = jnp.array([[1.0, 1.0], [1.0, 2.0], [1.0, 3.0], [1.0, 5.0]])
B = jnp.array([1.0, 2.5, 2.0, 4.0])


def rosenbrock(p):
    return {"valley": 10 * (p["y"] - p["x"] ** 2), "end": 1 - p["x"]}


@pytest.mark.parametrize("method", METHODS, ids=["levenberg", "geodesic", "gauss"])
def test_rosenbrock_as_residuals_of_a_pytree(method):
    found = least_squares(rosenbrock, {"x": -1.2, "y": 1.0}, method=method)
    assert float(found.value["x"]) == pytest.approx(1.0, abs=1e-10)
    assert float(found.value["y"]) == pytest.approx(1.0, abs=1e-10)
    assert found.status.name == "converged"
    assert float(found.objective) < 1e-20
    assert found.trace.path["x"].shape == (int(found.steps) + 1,)


def test_a_linear_problem_is_its_normal_equations():
    found = least_squares(lambda w: A @ w - B, jnp.zeros(2), tol=1e-10)
    expected, residue, *_ = np.linalg.lstsq(np.asarray(A), np.asarray(B))
    np.testing.assert_allclose(found.value, expected, rtol=1e-12)
    assert float(found.objective) == pytest.approx(residue[0] / 2, rel=1e-12)


def test_units_of_the_parameters_do_not_matter():
    units = jnp.array([1e9, 1e-9])
    plain = least_squares(lambda w: jnp.exp(A @ w / 5) - B, jnp.array([0.3, 0.4]))
    scaled = least_squares(lambda w: jnp.exp(A @ (w * units) / 5) - B, jnp.array([0.3, 0.4]) / units)
    np.testing.assert_allclose(scaled.value * units, plain.value, rtol=1e-7)
    assert int(scaled.steps) == int(plain.steps)


def test_an_ill_conditioned_problem_keeps_its_digits():
    # Condition 2e9: normal equations would be left with no digit at all.
    matrix = jnp.asarray(np.vander(np.linspace(1.0, 2.0, 20), 9))
    truth = jnp.arange(1.0, 10.0)
    found = least_squares(lambda w: matrix @ w - matrix @ truth, jnp.zeros(9), tol=1e-12)
    np.testing.assert_allclose(found.value, truth, rtol=1e-5)


def test_fewer_residuals_than_parameters_give_the_nearest_solution():
    found = least_squares(lambda x: x[0] + 2 * x[1] - 5, jnp.zeros(2))
    np.testing.assert_allclose(found.value[0] + 2 * found.value[1], 5.0, rtol=1e-9)


def test_a_zero_at_the_start_and_a_nan_at_the_start():
    assert least_squares(lambda x: x - 1, jnp.ones(2)).status.name == "converged"
    lost = least_squares(lambda x: jnp.log(x), jnp.array([-1.0]), throw=False)
    assert lost.status.name == "nonfinite"
    with pytest.raises(cy.ConvergenceError, match="NaN"):
        least_squares(lambda x: jnp.log(x), jnp.array([-1.0]))


def test_too_few_steps_and_all_steps():
    assert least_squares(rosenbrock, {"x": -1.2, "y": 1.0}, max_steps=2, throw=False).status.name == "max_steps"
    assert least_squares(rosenbrock, {"x": -1.2, "y": 1.0}, max_steps=5, tol=0).status.name == "all_steps"


def test_each_member_of_a_batch_ends_by_itself():
    solve = lambda x0: least_squares(lambda x: jnp.stack([jnp.sqrt(x) - 2, x - 4]), x0, throw=False, trace=False)
    found = jax.jit(jax.vmap(solve))(jnp.array([1.0, 9.0, -3.0, 4.0]))
    assert found.status.name == ["converged", "converged", "nonfinite", "converged"]
    np.testing.assert_allclose(np.asarray(found.value)[[0, 1, 3]], 4.0, rtol=1e-9)


def test_the_derivative_is_that_of_the_exact_minimiser():
    solve = jax.jit(
        lambda t: least_squares(lambda w: jnp.exp(A @ w * t / 5) - B, jnp.array([0.3, 0.4]), tol=1e-12).value
    )
    h = 1e-5
    np.testing.assert_allclose(jax.jacfwd(solve)(1.3), (solve(1.3 + h) - solve(1.3 - h)) / (2 * h), rtol=1e-7)
    np.testing.assert_allclose(jax.jacrev(solve)(1.3), jax.jacfwd(solve)(1.3), rtol=1e-10)


def test_float32_stays_float32():
    with jax.enable_x64(False):
        found = least_squares(lambda w: w - jnp.array([1.0, 2.0], jnp.float32), jnp.zeros(2, jnp.float32))
    assert found.value.dtype == jnp.float32
    assert found.objective.dtype == jnp.float32


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: least_squares(lambda x: jnp.zeros(0), 1.0), "no residual"),
        (lambda: least_squares([], 1.0), "empty list"),
        (lambda: least_squares(3, 1.0), "residual is a function"),
        (lambda: least_squares(lambda x: "text", 1.0), "array of residuals"),
        (lambda: least_squares(lambda x: x * 1j, 1.0), "complex"),
        (lambda: least_squares(lambda x: x, 1.0, method="levenberg"), "Did you mean 'levenberg-marquardt'"),
        (lambda: least_squares(lambda x: x, 1.0, method=Adam(0.1)), "adam is no method for sums of squares"),
        (lambda: least_squares(lambda x: x, 1.0, max_steps=-1), "max_steps"),
        (lambda: least_squares(lambda x: x, 1.0, tol=1e-30), "below what float64"),
    ],
)
def test_wrong_calls(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()


@pytest.mark.parametrize(
    ("name", "bounds"),
    [
        ("rosenbrock", (-2.0, 0.5)),
        ("beale", ([0.5, -1.0], [2.0, 0.3])),
        pytest.param("helical-valley", ([-2.0, 0.2, -1.0], [0.8, 2.0, 1.0]), marks=pytest.mark.slow),
        pytest.param("wood", ([-4.0, -2.0, 0.3, -9.0], [0.7, 9.0, 9.0, 0.5]), marks=pytest.mark.slow),
    ],
)
def test_inside_bounds_it_ends_where_scipy_does(name, bounds):
    problem = MORE_GARBOW_HILLSTROM[name]
    start = np.array(problem.start)
    low, high = (np.broadcast_to(np.asarray(end, float), start.shape) for end in bounds)
    found = least_squares(problem.residual, jnp.array(start), bounds=(jnp.array(low), jnp.array(high)), tol=1e-10)
    begin = np.clip(start, low, high)
    peer = scipy.optimize.least_squares(
        lambda x: np.asarray(problem.residual(jnp.asarray(x))), begin, bounds=(low, high), xtol=1e-12, ftol=1e-14
    )
    assert float(found.objective) <= peer.cost * (1 + 1e-7) + 1e-14
    assert np.all((found.value >= low) & (found.value <= high))
    np.testing.assert_allclose(found.value, peer.x, atol=1e-4)
    # The slope is zero where nothing presses, and points out of the box where something does.
    slope = jax.grad(lambda x: jnp.sum(problem.residual(x) ** 2) / 2)(found.value)
    pressed = found.multipliers["lower"] - found.multipliers["upper"]
    np.testing.assert_allclose(slope, pressed, atol=1e-5 * float(1 + jnp.max(jnp.abs(slope))))
    assert np.any(np.asarray(pressed) != 0)


def test_inside_bounds_it_answers_to_what_the_residual_and_the_bounds_are_made_of():
    # ½ ((x − a)² + (y − a x)²) with x <= b < a is least at (b, a b).
    residual = lambda a: lambda v: jnp.stack([v[0] - a, v[1] - a * v[0]])
    solve = lambda a, b: least_squares(residual(a), jnp.zeros(2), bounds=(None, jnp.stack([b, 1e9]))).value
    by_a, by_b = jax.jit(jax.jacrev(solve, argnums=(0, 1)))(2.0, 0.5)
    np.testing.assert_allclose(by_a, [0.0, 0.5], atol=1e-9)
    np.testing.assert_allclose(by_b, [1.0, 2.0], atol=1e-9)


def test_bounds_are_for_the_method_that_knows_them():
    with pytest.raises(ValueError, match="knows no bounds"):
        least_squares("x - 1", 0.0, method="gauss-newton", bounds=(0, 2))
    with pytest.raises(ValueError, match="cross"):
        least_squares("x - 1", 0.0, bounds=(2, 0))
