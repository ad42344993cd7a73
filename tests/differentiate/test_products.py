"""Products with Hessian, Gauss-Newton and Fisher matrices: against the matrices, and what is computed once."""

from __future__ import annotations

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cycloid.differentiate import fvp, ggnvp, hvp

rng = np.random.default_rng(0)
X = jnp.asarray(rng.normal(size=(7, 3)))
W = jnp.asarray(rng.normal(size=(3, 4)))


def model(w, x=X):
    return jnp.tanh(x @ w)


def loss(z):
    return jnp.mean(jax.nn.logsumexp(z, axis=-1) - z[:, 0]) + jnp.sum(z**4) / 9


def whole(w):
    return loss(model(w))


def vector(*shape):
    return jnp.asarray(np.random.default_rng(len(shape)).normal(size=shape))


def hessian_matrix(w=W):
    return jax.hessian(whole)(w).reshape(w.size, w.size)


def gauss_newton_matrix(inner, w=W):
    J = jax.jacobian(model)(w).reshape(-1, w.size)
    z = model(w)
    H = jax.hessian(lambda flat: inner(flat.reshape(z.shape)))(z.ravel())
    return J.T @ H @ J


# The function A(z) whose curvature at the outputs each family has.
FAMILIES = {
    "categorical": lambda z: jnp.mean(jax.nn.logsumexp(z, axis=-1)),
    "bernoulli": lambda z: jnp.sum(jnp.log1p(jnp.exp(z))) / 7,
    "poisson": lambda z: jnp.sum(jnp.exp(z)) / 7,
    "normal": lambda z: jnp.sum(z**2) / 14,
}
own = lambda z: jnp.sum(jnp.cosh(z))

# The operator, and the matrix that it stands for.
MATRICES = {
    "hvp": (hvp(whole), hessian_matrix),
    "hvp in reverse": (hvp(whole, mode="reverse"), hessian_matrix),
    "ggnvp": (ggnvp(loss, model), partial(gauss_newton_matrix, loss)),
    "own family": (fvp(own, model), partial(gauss_newton_matrix, own)),
    **{name: (fvp(name, model), partial(gauss_newton_matrix, inner)) for name, inner in FAMILIES.items()},
}
every_operator = pytest.mark.parametrize(("operator", "matrix"), MATRICES.values(), ids=MATRICES)


@every_operator
def test_a_product_is_the_matrix_times_the_vector(operator, matrix):
    v, H = vector(3, 4), matrix()
    wanted = (H @ v.ravel()).reshape(3, 4)
    np.testing.assert_allclose(operator(W, v), wanted, rtol=1e-10, atol=1e-12)
    product = operator(W)
    np.testing.assert_allclose(product(v), wanted, rtol=1e-10, atol=1e-12)
    block = product.block(jnp.eye(12).reshape(12, 3, 4))
    np.testing.assert_allclose(block.reshape(12, 12), H, rtol=1e-10, atol=1e-12)


def test_the_empirical_fisher_is_the_mean_of_outer_products():
    log_likelihoods = lambda w: jnp.sum(model(w) ** 2, axis=-1)
    G = jax.jacobian(log_likelihoods)(W).reshape(7, 12)
    v = vector(3, 4)
    found = fvp("empirical", log_likelihoods)(W, v)
    np.testing.assert_allclose(found.ravel(), G.T @ (G @ v.ravel()) / 7, rtol=1e-12)


@every_operator
def test_under_jit_vmap_and_grad(operator, matrix):
    v, points = vector(3, 4), jnp.stack([W, W / 2])
    wanted = jnp.stack([(matrix(w) @ v.ravel()).reshape(3, 4) for w in points])
    mapped = jax.jit(jax.vmap(operator, in_axes=(0, None)))(points, v)
    np.testing.assert_allclose(mapped, wanted, rtol=1e-10, atol=1e-12)
    kept_inside = jax.jit(lambda w, v: operator(w)(v))
    np.testing.assert_allclose(kept_inside(W, v), wanted[0], rtol=1e-10, atol=1e-12)
    quadratic = lambda w: jnp.vdot(v, operator(w, v))
    slope = jnp.vdot(jax.jit(jax.grad(quadratic))(W), W)
    run = jax.jit(quadratic)
    np.testing.assert_allclose(slope, (run(W * 1.00001) - run(W * 0.99999)) / 2e-5, rtol=1e-6)


def test_a_kept_product_travels_through_transformations_as_a_pytree():
    product, v = hvp(whole)(W), vector(3, 4)
    run = jax.jit(lambda product, v: product(v))
    np.testing.assert_allclose(run(product, v), product(v), rtol=1e-12)
    run(hvp(whole)(W / 2), v)
    assert run._cache_size() == 1  # another point is no new program
    many = jax.vmap(product)(jnp.stack([v, 2 * v]))
    np.testing.assert_allclose(many[1], 2 * product(v), rtol=1e-12)
    np.testing.assert_allclose(jax.grad(lambda v: jnp.vdot(v, product(v)))(v), 2 * product(v), rtol=1e-12)


@pytest.mark.parametrize("kind", ["hvp", "ggnvp", "fvp"])
def test_a_point_is_traced_once_for_all_products(kind):
    ticks = []

    def counted(w):
        ticks.append(1)
        return model(w)

    operator = {
        "hvp": lambda: hvp(lambda w: loss(counted(w))),
        "ggnvp": lambda: ggnvp(loss, counted),
        "fvp": lambda: fvp("poisson", counted),
    }[kind]()
    product = operator(W)
    once = len(ticks)
    assert once > 0
    for scale in (1.0, 2.0, 3.0):
        product(scale * vector(3, 4))
        product.block(scale * vector(2, 3, 4))
    assert len(ticks) == once
    operator(W / 2)  # compiled for this function: another point runs the program
    operator(W / 3)(vector(3, 4))
    assert len(ticks) <= once + 1


def test_pytrees_keep_their_structure_and_leaves_that_are_no_parameters():
    class Layer(eqx.Module):
        weight: jax.Array
        bias: jax.Array
        act: object = eqx.field(static=True, default=jnp.tanh)

    layer = Layer(vector(3), jnp.zeros(()))
    f = lambda layer: jnp.sum(layer.act(X @ layer.weight + layer.bias) ** 2)
    product = hvp(f)(layer)
    v = Layer(jnp.ones(3), jnp.ones(()))
    flat = lambda x: f(Layer(x[:3], x[3]))
    wanted = jax.hessian(flat)(jnp.append(layer.weight, 0.0)) @ jnp.ones(4)
    found = product(v)
    assert isinstance(found, Layer)
    np.testing.assert_allclose(jnp.append(found.weight, found.bias), wanted, rtol=1e-10)
    blocked = product.block(jax.tree.map(lambda leaf: jnp.stack([leaf, 2 * leaf]), v))
    np.testing.assert_allclose(blocked.weight[1], 2 * found.weight, rtol=1e-10)
    named = hvp(lambda p: p["a"] ** 2 * p["b"])({"a": 2.0, "b": 3.0}, {"a": 1.0, "b": 0.0})
    assert (float(named["a"]), float(named["b"])) == (6.0, 4.0)


def test_formulas_take_directions_by_name_and_in_order():
    assert hvp("x^2*y + y^3")(jnp.array([1.0, 2.0]), {"y": 0.0, "x": 1.0}).tolist() == [4.0, 2.0]
    product = hvp("x^2*y + y^3")({"x": 1.0, "y": 2.0})
    assert float(product((0.0, 1.0))["y"]) == 12.0


@every_operator
def test_single_precision_stays_single(operator, matrix):
    w, v = W.astype("float32"), vector(3, 4).astype("float32")
    X32 = X.astype("float32")
    if operator is MATRICES["hvp"][0]:
        operator = hvp(lambda w: loss(model(w, X32)))
        found = [operator(w, v), operator(w)(v), operator(w).block(v[None])]
    elif operator is MATRICES["hvp in reverse"][0]:
        operator = hvp(lambda w: loss(model(w, X32)), mode="reverse")
        found = [operator(w, v), operator(w)(v), operator(w).block(v[None])]
    else:
        found = [operator(w, v, X32), operator(w, None, X32)(v), operator(w, None, X32).block(v[None])]
    assert {leaf.dtype for leaf in found} == {jnp.dtype("float32")}
    np.testing.assert_allclose(found[0].ravel(), matrix() @ vector(3, 4).ravel(), rtol=1e-3, atol=1e-5)


WRONG = {
    "no point": (lambda: hvp(whole)(), TypeError, r"hvp\(f\)\(x, v\)"),
    "the direction's shape": (lambda: hvp(whole)(W, jnp.ones(3)), ValueError, r"shape \(3,\), the point \(3, 4\)"),
    "a kept product's direction": (lambda: ggnvp(loss, model)(W)(jnp.ones(3)), ValueError, "ggnvp: the direction has"),
    "a block without its axis": (lambda: hvp(whole)(W).block(1.0), ValueError, "stacked along a first axis"),
    "a block of another shape": (lambda: fvp("normal", model)(W).block(jnp.ones((2, 5))), ValueError, "has shape"),
    "the loss is no number": (lambda: hvp(model)(W, W), TypeError, "one real number"),
    "the loss of outputs is no number": (lambda: ggnvp(jnp.sin, model)(W, W), TypeError, "one real number"),
    "integers": (lambda: hvp(whole)(W.astype(int), W), TypeError, "write x.astype"),
    "an unknown family": (lambda: fvp("gamma", model), ValueError, "categorical, bernoulli, poisson, normal"),
    "no function": (lambda: ggnvp(loss, 3), TypeError, "model is a function that JAX can trace"),
    "no such mode": (lambda: hvp(whole, mode="both"), ValueError, "auto, forward, reverse; it was 'both'"),
}


@pytest.mark.parametrize(("call", "kind", "words"), WRONG.values(), ids=WRONG)
def test_wrong_calls_are_named(call, kind, words):
    with pytest.raises(kind, match=words):
        call()
