"""Parameters are the real floating-point leaves of a pytree; all else passes through."""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cycloid as cy

ops = cy.differentiate


class Line(NamedTuple):
    slope: object
    offset: object


class Layer(eqx.Module):
    weight: jax.Array
    rate: float
    activation: object
    count: jax.Array

    def __call__(self, x):
        return self.activation(self.weight @ x) * self.rate


@pytest.fixture(scope="module")
def layer():
    return Layer(jnp.array([[1.0, 2.0], [0.5, -1.0]]), 2.0, jnp.tanh, jnp.arange(3))


X = jnp.array([0.3, 0.4])


def loss(layer, x):
    return jnp.sum(layer(x) ** 2)


def by_weight(layer):
    return lambda w: jnp.sum((jnp.tanh(w @ X) * 2.0) ** 2)


def test_gradient_of_a_module_leaves_the_rest_alone(layer):
    g = ops.grad(loss)(layer, X)
    np.testing.assert_allclose(g.weight, jax.grad(by_weight(layer))(layer.weight), rtol=1e-13)
    assert (g.rate, g.activation, g.count) == (None, None, None)
    stepped = eqx.apply_updates(layer, jax.tree.map(lambda leaf: -0.1 * leaf, g))
    assert loss(stepped, X) < loss(layer, X)
    assert stepped.activation is jnp.tanh


def test_value_and_gradient_with_company(layer):
    (value, aux), g = ops.value_and_grad(lambda m, x: (loss(m, x), {"out": m(x)}), has_aux=True)(layer, X)
    assert float(value) == float(loss(layer, X))
    np.testing.assert_array_equal(aux["out"], layer(X))
    np.testing.assert_array_equal(g.weight, ops.grad(loss)(layer, X).weight)
    g2, aux2 = ops.grad(lambda m, x: (loss(m, x), "anything"), has_aux=True)(layer, X)
    assert aux2 == "anything"
    np.testing.assert_array_equal(g2.weight, g.weight)


def test_curvature_of_a_module(layer):
    H = jax.hessian(by_weight(layer))(layer.weight)
    h = ops.hessian(loss)(layer, X)
    np.testing.assert_allclose(h.weight.weight, H, rtol=1e-12)
    direction = ops.grad(loss)(layer, X)
    expected = jnp.einsum("abcd,cd->ab", H, direction.weight)
    np.testing.assert_allclose(ops.hvp(loss)(layer, direction, X).weight, expected, rtol=1e-12)
    np.testing.assert_allclose(ops.hvp(loss)(layer, None, X)(direction).weight, expected, rtol=1e-12)
    # a whole module will do as direction: what is no parameter in it is dropped
    whole = eqx.tree_at(lambda m: m.weight, layer, direction.weight)
    np.testing.assert_allclose(ops.hvp(loss)(layer, whole, X).weight, expected, rtol=1e-12)


def test_gauss_newton_of_a_module(layer):
    out_loss = lambda out: jnp.sum(out**2)
    v = ops.grad(loss)(layer, X)
    J = jax.jacobian(lambda w: jnp.tanh(w @ X) * 2.0)(layer.weight).reshape(2, 4)
    expected = (2 * J.T @ J @ v.weight.reshape(-1)).reshape(2, 2)
    product = ops.ggnvp(out_loss, lambda m: m(X))(layer, v)
    np.testing.assert_allclose(product.weight, expected, rtol=1e-12)
    assert product.activation is None


def test_plain_containers_differentiate_plain_floats():
    f = lambda p: p["line"].slope ** 2 * p["w"][0] + p["line"].offset
    point = {"line": Line(3.0, 1.0), "w": [jnp.asarray(2.0), np.float32(1.0)], "name": "ascent", "flag": True}
    g = ops.grad(f)(point)
    assert isinstance(g["line"], Line)
    assert (float(g["line"].slope), float(g["line"].offset), float(g["w"][0])) == (12.0, 1.0, 9.0)
    assert (g["name"], g["flag"]) == (None, None)
    assert g["w"][1].dtype == jnp.float32


def test_several_arguments():
    g = ops.grad(lambda a, b, c: a * b["x"] * c, argnums=(0, 1))(2.0, {"x": 3.0}, 5.0)
    assert float(g[0]) == 15.0
    assert float(g[1]["x"]) == 10.0


def test_jacobian_of_a_pytree():
    F = lambda p: {"sum": p["a"] + p["b"], "scaled": p["a"] * p["b"][0]}
    point = {"a": jnp.array([1.0, 2.0]), "b": jnp.array([3.0, 4.0])}
    for mode in ("auto", "forward", "reverse"):
        J = ops.jacobian(F, mode=mode)(point)
        np.testing.assert_array_equal(J["sum"]["a"], np.eye(2))
        np.testing.assert_array_equal(J["scaled"]["b"], [[1.0, 0.0], [2.0, 0.0]])


def test_fields_over_pytrees():
    u = lambda p: p["x"] ** 2 * p["y"] + jnp.sum(p["z"] ** 3)
    point = {"x": 1.0, "y": 2.0, "z": jnp.array([1.0, 2.0])}
    assert float(ops.laplacian(u)(point)) == 2 * 2.0 + 6 * 3.0
    F = lambda p: {"x": p["x"] ** 2, "y": p["x"] * p["y"], "z": p["z"] ** 2}
    assert float(ops.divergence(F)(point)) == 2.0 + 1.0 + 6.0
    assert float(ops.divergence(lambda p: (p[0] ** 2, p[1]))(jnp.array([3.0, 1.0]))) == 7.0
    assert float(ops.curl(lambda p: [-p[1], p[0]])(jnp.array([3.0, 1.0]))) == 2.0


def test_a_module_as_the_function_under_jit():
    """A network with respect to its inputs: modules that hold arrays have no hash, and equal themselves alone."""
    net = eqx.nn.MLP(2, "scalar", 4, 1, activation=jnp.tanh, key=jax.random.key(0))
    np.testing.assert_allclose(jax.jit(ops.laplacian(net))(X), jnp.trace(jax.hessian(lambda x: net(x))(X)), rtol=1e-12)
    assert ops.grad(net) == ops.grad(net)


def test_jacobian_takes_the_cheaper_mode():
    tall = jax.make_jaxpr(ops.jacobian(lambda x: jnp.sin(jnp.ones((50, 2)) @ x)))(jnp.ones(2))
    wide = jax.make_jaxpr(ops.jacobian(lambda x: jnp.sin(jnp.ones((2, 50)) @ x)))(jnp.ones(50))
    forward_tall = jax.make_jaxpr(jax.jacfwd(lambda x: jnp.sin(jnp.ones((50, 2)) @ x)))(jnp.ones(2))
    reverse_wide = jax.make_jaxpr(jax.jacrev(lambda x: jnp.sin(jnp.ones((2, 50)) @ x)))(jnp.ones(50))
    names = lambda program: [str(equation.primitive) for equation in program.eqns]
    assert names(tall) == names(forward_tall)
    assert names(wide) == names(reverse_wide)
