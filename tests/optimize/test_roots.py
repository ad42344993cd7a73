"""root and fixed_point: closed forms, statuses, derivatives both ways, batches, cards, wrong calls."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cycloid as cy
from cycloid.optimize import fixed_point, root

DOTTIE = 0.7390851332151607


def circle(x):
    """A circle of radius 2 cut by the line y = x: (√2, √2)."""
    return {"circle": x["a"] ** 2 + x["b"] ** 2 - 4, "line": x["a"] - x["b"]}


@pytest.mark.parametrize("method", ["newton", "broyden"])
def test_a_system_as_pytree_and_as_formulas(method):
    for F in (circle, ["a^2 + b^2 - 4", "a - b"]):
        found = root(F, {"a": 1.0, "b": 0.5}, method=method)
        assert found.status.name == "converged"
        np.testing.assert_allclose([found.value["a"], found.value["b"]], 2**0.5, rtol=1e-10)
        assert found.trace.shape[0] > int(found.steps)


def powell(x):
    """Reference: Powell, A hybrid method for nonlinear equations, 1970; the badly scaled function."""
    return jnp.stack([1e4 * x[0] * x[1] - 1, jnp.exp(-x[0]) + jnp.exp(-x[1]) - 1.0001])


def test_a_badly_scaled_system_from_afar():
    found = root(powell, jnp.array([0.0, 1.0]), max_steps=200)
    np.testing.assert_allclose(found.value, [1.098159e-5, 9.106146], rtol=1e-6)


def test_where_newton_alone_would_fly_away():
    assert float(root(lambda x: jnp.arctan(x), 3.0).value) == pytest.approx(0.0, abs=1e-10)


@pytest.mark.parametrize(
    ("f", "ends", "solution"),
    [
        (lambda x: jnp.cos(x) - x, (0.0, 1.0), DOTTIE),
        (lambda x: x**3, (-1.0, 2.0), 0.0),
        (lambda x: x**9 - 1e-9, (-4.0, 5.0), 0.1),
        (lambda x: jnp.where(x > 0.3, 1.0, -1.0), (0.0, 1.0), 0.3),
        (lambda x: jnp.exp(x) - 2, (3.0, 0.0), float(np.log(2.0))),
        (lambda x: x - 1, (1.0, 4.0), 1.0),
    ],
    ids=["cosine", "triple", "flat", "jump", "backwards", "at-an-end"],
)
def test_brackets(f, ends, solution):
    found = root(f, bracket=ends)
    assert float(found.value) == pytest.approx(solution, abs=1e-4 if solution == 0.0 else 1e-9)
    assert abs(float(found.value) - solution) <= float(found.error) + 1e-9
    assert int(found.evaluations) < 80


def test_no_root_nan_and_too_few_steps():
    assert root(lambda x: x**2 + 1, 1.0, throw=False).status.name in ("no_root", "max_steps")
    assert root(lambda x: x**2 + 1, 0.0, throw=False).status.name == "no_root"
    assert root(lambda x: jnp.log(x), -1.0, throw=False).status.name == "nonfinite"
    assert root(circle, {"a": 9.0, "b": 0.5}, max_steps=1, throw=False).status.name == "max_steps"
    with pytest.raises(cy.ConvergenceError):
        root(lambda x: x**2 + 1, 0.0)


@pytest.mark.parametrize("method", ["newton", "broyden", "bracket"])
def test_the_derivative_of_a_root(method):
    # x³ + a x = 1 gives dx/da = −x / (3 x² + a).
    how = {"bracket": (0.0, 2.0)} if method == "bracket" else {"x0": 1.0, "method": method}
    solve = jax.jit(lambda a: root(lambda x: x**3 + a * x - 1, **how).value)
    x = float(solve(2.0))
    for slope in (jax.grad(solve), jax.jacfwd(solve)):
        assert float(slope(2.0)) == pytest.approx(-x / (3 * x**2 + 2), rel=1e-8)


def test_derivatives_of_a_system_against_differences():
    def solve(a):
        F = lambda x: jnp.stack([x[0] * jnp.exp(x[1]) - a[0], x[0] + jnp.sin(x[1]) - a[1]])
        return root(F, jnp.array([2.0, -0.5])).value

    solve, a, h = jax.jit(solve), jnp.array([1.0, 1.5]), 1e-5
    rows = [(solve(a + h * e) - solve(a - h * e)) / (2 * h) for e in jnp.eye(2)]
    np.testing.assert_allclose(jax.jacrev(solve)(a), jnp.stack(rows, axis=1), rtol=1e-7)
    np.testing.assert_allclose(jax.jacfwd(solve)(a), jax.jacrev(solve)(a), rtol=1e-10)


def test_many_unknowns_are_differentiated_by_products():
    n = 300
    targets = jnp.linspace(0.5, 1.5, n)
    solve = lambda a: fixed_point(lambda x: 0.3 * jnp.sin(x) + 0.1 * jnp.roll(x, 1) + a * targets, jnp.zeros(n)).value
    slope = jax.jit(jax.grad(lambda a: jnp.sum(solve(a) ** 2)))(0.7)
    energy, h = jax.jit(lambda a: jnp.sum(solve(a) ** 2)), 1e-5
    assert float(slope) == pytest.approx(float(energy(0.7 + h) - energy(0.7 - h)) / (2 * h), rel=1e-6)


@pytest.mark.parametrize("method", ["anderson", "picard", "newton"])
def test_the_cosine_button(method):
    found = fixed_point(jnp.cos, 1.0, method=method)
    assert float(found.value) == pytest.approx(DOTTIE, rel=1e-11)
    a = jax.grad(lambda a: fixed_point(lambda x: jnp.cos(a * x), 1.0, method=method).value)(1.0)
    s = np.sin(DOTTIE)
    assert float(a) == pytest.approx(-s * DOTTIE / (1 + s), rel=1e-8)


def test_anderson_solves_a_linear_iteration_in_as_many_steps_as_unknowns():
    matrix = jnp.diag(jnp.array([0.99, 0.9, 0.5]))
    b = jnp.array([1.0, 2.0, 3.0])
    found = fixed_point(lambda x: matrix @ x + b, jnp.zeros(3))
    np.testing.assert_allclose(found.value, b / (1 - jnp.diag(matrix)), rtol=1e-8)
    assert int(found.steps) <= 6
    slow = fixed_point(lambda x: matrix @ x + b, jnp.zeros(3), method="picard", throw=False)
    assert slow.status.name == "max_steps"


def test_each_member_of_a_batch_ends_by_itself():
    found = jax.jit(jax.vmap(lambda x0: root(lambda x: jnp.sqrt(x) - 2, x0, throw=False)))(jnp.array([1.0, -1.0, 9.0]))
    assert found.status.name == ["converged", "nonfinite", "converged"]
    np.testing.assert_allclose(np.asarray(found.value)[[0, 2]], 4.0, rtol=1e-10)


def test_cards_and_figures():
    found = root(["a^2 + b^2 - 4", "a - b"], {"a": 1.0, "b": 0.5})
    assert cy.check(found).agrees
    moved = dataclasses.replace(found, value={"a": found.value["a"] + 1e-3, "b": found.value["b"]})
    assert cy.check(moved, found.question).verdict == "disagrees"
    assert cy.check(root("cos(x) - x", bracket=(0.0, 1.0))).agrees
    fixed = fixed_point("cos(x)", 1.0)
    assert cy.check(fixed).agrees
    shown = np.asarray(cy.figure(fixed).data[0].y)
    assert len(shown) == int(fixed.steps) + 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: root(lambda x: jnp.stack([x, x]), 1.0), "2 numbers for 1 unknowns"),
        (lambda: root("x^2 - 2"), "x0, where to start"),
        (lambda: root("x^2 + 2", bracket=(0.0, 1.0)), "does not change its sign"),
        (lambda: root("x", 1.0, bracket=(0.0, 1.0)), "not both"),
        (lambda: root("x", bracket=(0.0, 1.0, 2.0)), "a pair"),
        (lambda: root("x", 1.0, method="brent"), "method="),
        (lambda: root(3, 1.0), "F is a function"),
        (lambda: fixed_point("cos(x)", 1.0, memory=0), "memory="),
        (lambda: fixed_point("cos(x)", 1.0, method="aitken"), "method="),
        (lambda: fixed_point("cos(x)", 1.0, max_steps=0), "max_steps="),
    ],
)
def test_wrong_calls(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()
