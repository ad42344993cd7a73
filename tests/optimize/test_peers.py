"""Solvers from elsewhere behind our drivers: SciPy's, optimistix's and optax's, judged by our tests and counted."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import cycloid as cy
from cycloid.optimize import PEERS, Optimistix, SciPy, from_optax, least_squares, minimize, root
from cycloid.problems import MORE_GARBOW_HILLSTROM
from cycloid.train.drivers import training_method

optimistix = pytest.importorskip("optimistix", reason="optimistix is a peer for comparisons, not a dependency")

PROBLEM = MORE_GARBOW_HILLSTROM["rosenbrock"]
START = jnp.array(PROBLEM.start)
RESIDUALS = ["10*(y - x^2)", "1 - x"]
ORIGIN = {"x": -1.2, "y": 1.0}
COUNTED = ("scipy-l-bfgs-b", "scipy-newton-cg", "scipy-nelder-mead", "optimistix-bfgs", "optax-lbfgs")


@pytest.fixture(scope="module")
def calls():
    """A function, and how often it has run."""
    ran = [0]

    def f(x):
        jax.debug.callback(lambda _: ran.__setitem__(0, ran[0] + 1), x)
        return PROBLEM.function(x)

    return f, ran


@pytest.mark.parametrize("name", COUNTED)
def test_walks_to_the_minimum_and_counts_what_it_evaluates(name, calls):
    f, ran = calls
    ran[0] = 0
    found = minimize(f, START, method=name, max_steps=200)
    jax.effects_barrier()
    assert found.status.name == "converged"
    np.testing.assert_allclose(found.value, 1.0, atol=1e-6)
    assert int(found.evaluations) == ran[0]
    assert found.question.method.name == name
    trace = found.trace
    assert trace.path.shape == (int(found.steps) + 1, 2)
    np.testing.assert_allclose(trace.path[0], START)
    assert trace.objective[-1] == found.objective
    assert trace.gradient_norm[-1] == found.gradient_norm <= 2e-8
    np.testing.assert_allclose(trace.step_norm[1:], np.linalg.norm(np.diff(trace.path, axis=0), axis=1), rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in PEERS if name not in COUNTED])
def test_the_other_peers_do_as_well(name):
    found = minimize(PROBLEM.function, START, method=name, max_steps=1000)
    np.testing.assert_allclose(found.value, 1.0, atol=1e-6)


@pytest.mark.parametrize("name", ["optimistix-bfgs", pytest.param("optax-lbfgs", marks=pytest.mark.slow)])
def test_jit_vmap_and_grad_where_transforms_promises_them(name):
    assert cy.optimize.method(name).transforms == ("jit", "vmap", "grad")
    f = lambda x, a: (x[0] - jnp.sin(a)) ** 2 + (x[1] - a * x[0]) ** 2 + (x[0] - jnp.sin(a)) ** 4
    solve = lambda a: minimize(lambda x: f(x, a), jnp.ones(2), method=name, trace=False, throw=False).value[1]
    points = jnp.array([0.3, 1.2])
    values, slopes = jax.jit(jax.vmap(jax.value_and_grad(solve)))(points)
    np.testing.assert_allclose(values, points * jnp.sin(points), atol=1e-6)
    np.testing.assert_allclose(slopes, jnp.sin(points) + points * jnp.cos(points), rtol=1e-6)


@pytest.mark.parametrize("transform", [jax.jit, jax.grad, lambda f: lambda a: jax.vmap(f)(a[None])])
def test_scipy_says_that_it_cannot_be_traced(transform):
    assert SciPy("BFGS").transforms == ()
    with pytest.raises(TypeError, match="outside jit, vmap and grad"):
        transform(lambda a: minimize(lambda x: (x - a) ** 2, 0.0, method=SciPy("BFGS")).value)(jnp.float64(1.0))
    with pytest.raises(TypeError, match="outside jit, vmap and grad"):
        transform(lambda a: minimize(lambda x: x**2, a, method="scipy-bfgs").value)(jnp.float64(1.0))


def test_bounds_are_handed_to_scipy():
    for name in ("L-BFGS-B", "SLSQP"):
        found = minimize(PROBLEM.function, START, method=SciPy(name), bounds=(None, [0.5, None]))
        np.testing.assert_allclose(found.value, [0.5, 0.25], atol=1e-6)
        # f at (a, a²) is (1 − a)², so that its bound gives way at the price 2 (1 − a).
        np.testing.assert_allclose(found.multipliers["upper"], [1.0, 0.0], atol=1e-6)
    ours = minimize(PROBLEM.function, START, bounds=(None, [0.5, None]))
    np.testing.assert_allclose(found.value, ours.value, atol=1e-6)


def test_an_honest_status_where_scipy_ends():
    few = minimize(PROBLEM.function, START, method="scipy-bfgs", max_steps=3, throw=False)
    assert (few.status.name, int(few.steps)) == ("max_steps", 3)
    none = minimize(PROBLEM.function, START, method="scipy-bfgs", max_steps=0, throw=False)
    assert (none.status.name, int(none.evaluations)) == ("max_steps", 1)
    assert minimize(lambda x: jnp.log(x), -1.0, method="scipy-bfgs", throw=False).status.name == "nonfinite"
    there = minimize(lambda x: x**2, 0.0, method="scipy-bfgs")
    assert (there.status.name, int(there.steps)) == ("converged", 0)
    flat = lambda x: jnp.abs(x - 0.3)  # no gradient is ever small
    assert minimize(flat, 1.0, method="scipy-nelder-mead", throw=False).status.name in ("stalled", "max_steps")


@pytest.mark.parametrize(
    "method",
    [SciPy("trf"), SciPy("dogbox"), SciPy("lm"), Optimistix(optimistix.LevenbergMarquardt(1e-8, 1e-8))],
    ids=lambda method: method.name,
)
def test_sums_of_squares(method):
    found = least_squares(RESIDUALS, ORIGIN, method=method)
    assert found.status.name == "converged"
    np.testing.assert_allclose([found.value["x"], found.value["y"]], 1.0, atol=1e-7)
    assert found.trace.objective.shape == (int(found.steps) + 1,)
    assert found.trace.objective[0] == pytest.approx(12.1)
    if method.name in ("scipy-trf", "scipy-dogbox"):
        inside = least_squares(RESIDUALS, ORIGIN, method=method, bounds=(None, {"x": 0.8}))
        np.testing.assert_allclose([inside.value["x"], inside.value["y"]], [0.8, 0.64], atol=1e-6)
        assert float(inside.multipliers["upper"]["x"]) == pytest.approx(0.2, rel=1e-5)


def test_sums_of_squares_by_optimistix_are_differentiable():
    method = Optimistix(optimistix.LevenbergMarquardt(1e-8, 1e-8))
    solve = lambda a: least_squares(lambda x: jnp.stack([x - jnp.sin(a), (x - a) / 2]), 0.0, method=method).value
    assert float(jax.grad(solve)(0.4)) == pytest.approx((np.cos(0.4) + 0.25) / 1.25, rel=1e-7)


@pytest.mark.parametrize(
    "method",
    [SciPy("hybr"), SciPy("krylov"), Optimistix(optimistix.Newton(1e-8, 1e-8))],
    ids=lambda method: method.name,
)
def test_roots(method):
    found = root(["x^2 + y^2 - 4", "x - y"], {"x": 1.0, "y": 2.0}, method=method)
    np.testing.assert_allclose([found.value["x"], found.value["y"]], np.sqrt(2), rtol=1e-9)
    assert found.trace[int(found.steps)] == found.residual_norm


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: SciPy("L-BFGS"), ValueError, "Did you mean 'L-BFGS-B'"),
        (lambda: SciPy(3), TypeError, "name of a solver"),
        (lambda: minimize("x^2", 1.0, method=SciPy("hybr")), ValueError, "none of those for minimize"),
        (lambda: minimize("x^2", 1.0, method=SciPy("BFGS"), bounds=(0, 1)), ValueError, "knows no bounds"),
        (lambda: minimize("x^2", 1.0, method=SciPy("BFGS"), tol=0), ValueError, "positive tol="),
        (lambda: least_squares(RESIDUALS, ORIGIN, method=SciPy("BFGS")), ValueError, "for least_squares"),
        (lambda: least_squares(RESIDUALS, ORIGIN, method=SciPy("lm"), bounds=(0, 2)), ValueError, "knows no bounds"),
        (lambda: Optimistix(optimistix.BFGS), TypeError, "takes a solver"),
        (lambda: minimize("x^2", 1.0, method=Optimistix(optimistix.Newton(1e-6, 1e-6))), TypeError, "goes to root"),
        (lambda: minimize("x^2", 1.0, method=Optimistix(optimistix.NelderMead(1e-6, 1e-6))), TypeError, "gradient"),
        (lambda: cy.race("x^2", 1.0, methods=["scipy-bfgs"], key=jax.random.key(0)), TypeError, "loop of its own"),
        (lambda: from_optax(optax.lbfgs(), clip=1.0), ValueError, "clip="),
        (lambda: minimize("x^2", 1.0, method="scipy-lbfgs"), ValueError, "Did you mean 'scipy-"),
    ],
)
def test_wrong_calls_are_answered_in_words(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_a_search_of_optax_says_where_it_cannot_work():
    with pytest.raises(TypeError, match="more than gradients on batches"):
        training_method(optax.lbfgs())
