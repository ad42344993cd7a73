"""Every operator under jit, vmap and grad, in float32, and with what it is made of."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cycloid as cy

ops = cy.differentiate


def u(x):
    return jnp.sin(x[0]) * x[1] ** 2 + jnp.exp(x[0] * x[2])


def F(x):
    return jnp.array([x[0] * x[1], jnp.sin(x[2]), x[0] ** 3])


OPERATORS = {
    "derivative": lambda x: ops.derivative(lambda t: u(jnp.stack([t, x[1], x[2]])))(x[0]),
    "derivative of order 4": lambda x: ops.derivative(lambda t: u(jnp.stack([t, x[1], x[2]])), order=4)(x[0]),
    "partial": lambda x: ops.partial(lambda a, b: jnp.sin(a) * b**2, "b")(x[0], b=x[1]),
    "grad": ops.grad(u),
    "value_and_grad": ops.value_and_grad(u),
    "directional": ops.directional(u, jnp.array([1.0, -1.0, 2.0])),
    "jacobian": ops.jacobian(F),
    "hessian": ops.hessian(u),
    "hvp": lambda x: ops.hvp(u)(x, 2 * x),
    "ggnvp": lambda x: ops.ggnvp(lambda out: jnp.sum(out**2), F)(x, 2 * x),
    "laplacian": ops.laplacian(u),
    "divergence": ops.divergence(F),
    "curl": ops.curl(F),
}
POINTS = jnp.array([[0.3, -0.7, 1.1], [1.2, 0.4, -0.5]])


def total(tree):
    return sum(jnp.sum(leaf) for leaf in jax.tree.leaves(tree))


@pytest.mark.parametrize("operator", OPERATORS.values(), ids=OPERATORS)
def test_jit_vmap_and_grad(operator):
    eager = [operator(x) for x in POINTS]
    mapped = jax.jit(jax.vmap(operator))(POINTS)
    for k, expected in enumerate(eager):
        jax.tree.map(lambda a, b, k=k: np.testing.assert_allclose(a[k], b, rtol=1e-12, atol=1e-12), mapped, expected)
    x, v = POINTS[0], jnp.array([0.2, 0.5, -0.3])
    scalar = jax.jit(lambda x: total(operator(x)))
    slope = jax.grad(scalar)(x) @ v
    step = (scalar(x + 1e-5 * v) - scalar(x - 1e-5 * v)) / 2e-5
    np.testing.assert_allclose(slope, step, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("operator", OPERATORS.values(), ids=OPERATORS)
def test_float32_stays_float32(operator):
    for leaf in jax.tree.leaves(operator(POINTS[0].astype(jnp.float32))):
        assert leaf.dtype == jnp.float32


def test_composes_with_the_operators_of_jax():
    f = lambda x: x**5
    assert float(jax.grad(ops.derivative(f, order=2))(2.0)) == 240.0
    assert float(ops.derivative(jax.grad(jax.grad(f)))(2.0)) == 240.0
    assert float(ops.derivative(ops.derivative(ops.derivative(f)))(2.0)) == 240.0
    np.testing.assert_allclose(jax.jacobian(ops.grad(u))(POINTS[0]), ops.hessian(u)(POINTS[0]), rtol=1e-12)
    np.testing.assert_allclose(ops.jacobian(ops.grad(u))(POINTS[0]), ops.hessian(u)(POINTS[0]), rtol=1e-12)
    np.testing.assert_allclose(jax.vmap(ops.derivative("x^5"))(jnp.array([1.0, 2.0])), [5.0, 80.0])


def test_mixed_partials_by_nesting():
    f = lambda x, y: x**2 * y**3
    for mixed in (ops.partial(ops.partial(f, "x"), "y"), ops.partial(f, "y", "x"), ops.partial("x^2*y^3", "x", "y")):
        assert float(mixed(2.0, 3.0)) == 2 * 2 * 3 * 9.0
        assert float(mixed(x=2.0, y=3.0)) == 2 * 2 * 3 * 9.0
    surface = ops.partial(ops.partial("x^2*y^3", "x"), "y")(jnp.ones((4, 1)), jnp.ones(3))
    np.testing.assert_array_equal(surface, np.full((4, 3), 6.0))


def test_equal_questions_are_equal():
    assert ops.derivative("x^2 + 1") == ops.derivative("x² + 1")
    assert ops.derivative("x^2") != ops.derivative("x^2", order=2)
    assert ops.derivative("x^2") != ops.derivative("x^3")
    assert hash(ops.grad(u)) == hash(ops.grad(u))
    assert repr(ops.derivative("sin(x)", order=2)) == "derivative(f(x) = sin(x), 2, 0)"


def test_a_kept_derivative_is_traced_once():
    traces = []

    def f(x):
        traces.append(1)
        return x**2

    kept = ops.derivative(f)
    for again in (kept, ops.derivative(f), ops.derivative(f)):
        assert float(jax.jit(again)(3.0)) == 6.0
    assert len(traces) == 1


def test_hidden_work_is_not_repeated():
    """The linearised product evaluates the function once, however many directions follow."""
    calls = []

    def f(x):
        calls.append(1)
        return jnp.sum(jnp.sin(x) ** 2)

    product = ops.hvp(f)(jnp.ones(3))
    before = len(calls)
    for _ in range(5):
        product(jnp.ones(3))
    assert before == len(calls) == 1
