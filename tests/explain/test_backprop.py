"""Backpropagation: δ and the slopes of every layer against a plain NumPy pass, on the networks that users have."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cycloid.explain import backprop
from cycloid.explain.networks import blocks_of
from cycloid.learn import CrossEntropy, Huber, SquaredError, affine, perceptron

KEY = jax.random.key(0)
X = jnp.array([[0.0, 1.0], [1.0, 0.5], [2.0, -1.0]])
Y = jnp.array([1.0, 0.0, 2.0])
LABELS = jnp.array([0, 2, 1])


def test_every_line_is_that_of_a_plain_numpy_pass():
    net = perceptron(2, None, (3,), key=KEY, activation="tanh")
    found = backprop(net, (X, Y), SquaredError(l2=0.1))
    w1, b1 = np.asarray(net.layers[0].weight), np.asarray(net.layers[0].bias)
    w2, b2 = np.asarray(net.layers[1].weight)[:, None], np.asarray(net.layers[1].bias)
    z1 = X @ w1 + b1
    a1 = np.tanh(z1)
    z2 = a1 @ w2 + b2
    d2 = 2 * (z2 - Y[:, None]) / 3
    d1 = (d2 @ w2.T) * (1 - a1**2)
    first, second = found.evidence.layers
    for line, expected in (
        (first.forward[0], z1), (first.forward[1], a1), (second.forward[0], z2), (second.backward[0], d2),
        (second.backward[1], a1.T @ d2 + 0.2 * w2), (second.backward[2], d2.sum(0)), (first.backward[0], d1),
        (first.backward[1], X.T @ d1 + 0.2 * w1), (first.backward[2], d1.sum(0)),
    ):  # fmt: skip
        np.testing.assert_allclose(
            np.asarray(line.table.entries).reshape(expected.shape), expected, rtol=1e-12, atol=1e-14
        )
    assert [line.left for line in first.backward] == ["δ¹", "∂L/∂W¹", "∂L/∂b¹"]
    assert first.backward[0].right == "(δ²·W²ᵀ) ⊙ tanh′(Z¹)"
    assert second.backward[1].right == "A¹ᵀ·δ² + 2·0.1·W²"
    assert first.law == "tanh′(z) = 1/cosh(z)²"
    assert found.status.name == "converged"


def custom(model, batch):
    x, y = batch
    return jnp.mean(jnp.abs(jax.vmap(model)(x) - y) ** 3)


MODELS = {
    "affine": (affine(2, 3), LABELS, "cross_entropy"),
    "softmax on an MLP": (eqx.nn.MLP(2, 3, 5, 2, activation=jax.nn.gelu, key=KEY), LABELS, CrossEntropy()),
    "two classes": (perceptron(2, None, (4,), key=KEY), jnp.array([0, 1, 1]), "cross_entropy"),
    "huber": (perceptron(2, None, (4, 3), key=KEY, activation="silu"), Y, Huber(0.3)),
    "absolute error": (eqx.nn.MLP(2, "scalar", 3, 1, key=KEY), Y, "mae"),
    "several outputs": (eqx.nn.MLP(2, 2, 3, 1, activation=jnp.tanh, key=KEY), jnp.stack([Y, -Y], 1), "mse"),
    "a loss of one's own": (eqx.nn.MLP(2, "scalar", 3, 1, final_activation=jax.nn.sigmoid, key=KEY), Y, custom),
    "a row of layers": (
        eqx.nn.Sequential(
            [
                eqx.nn.Linear(2, 4, key=KEY),
                eqx.nn.Lambda(jax.nn.relu),
                eqx.nn.Linear(4, "scalar", use_bias=False, key=KEY),
            ]
        ),
        Y,
        "mse",
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_gradient_is_that_of_jax_for_every_kind_of_network(name):
    from cycloid.learn.losses import as_loss

    model, target, loss = MODELS[name]
    found = backprop(model, (X, target), loss)
    assert found.kind == "backpropagation"
    assert found.status.name == "converged", found.text
    assert all(check.verdict == "agrees" for check in found.checks)
    by_jax = eqx.filter_grad(lambda m: as_loss(loss)(m, (X, target)))(model)
    for a, b in zip(
        jax.tree.leaves(found.value), jax.tree.leaves(eqx.filter(by_jax, eqx.is_inexact_array)), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-14)
    last = found.evidence.layers[-1].backward[0].right
    known = name not in ("a loss of one's own",)
    assert (last == f"∂L/∂Z{'¹²³'[len(found.evidence.layers) - 1]}") == (not known)


def test_other_models_are_explained_step_by_step():
    model = eqx.nn.Sequential(
        [
            eqx.nn.Linear(2, 4, key=KEY),
            eqx.nn.LayerNorm(4),
            eqx.nn.Lambda(jax.nn.relu),
            eqx.nn.Linear(4, "scalar", key=KEY),
        ]
    )
    assert blocks_of(model) is None
    found = backprop(model, (X, Y), "mse")
    assert found.kind == "chain"
    names = [step.name for step in found.steps]
    assert names[:4] == ["dense layer", "layer normalisation", "ReLU", "dense layer"]
    assert "squared error" in names
    assert found.status.name == "converged"


def test_a_loss_that_looks_into_x_is_explained_step_by_step():
    def weighted(model, batch):
        x, y = batch
        return jnp.mean(x[:, 0] * (jax.vmap(model)(x) - y) ** 2)

    found = backprop(perceptron(2, None, (3,), key=KEY), (X, Y), weighted)
    assert found.kind == "chain"
    assert found.status.name == "converged"


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: backprop(3, (X, Y)), TypeError, "takes a model"),
        (lambda: backprop(jnp.sin, (X, Y)), TypeError, "floating-point parameters"),
        (lambda: backprop(perceptron(2, None, (3,), key=KEY), X), TypeError, "pair"),
        (lambda: backprop(perceptron(2, None, (3,), key=KEY), (X, Y), "hinge"), ValueError, "no loss is called"),
    ],
)
def test_bad_input_gets_a_sentence_with_a_cure(call, kind, words):
    with pytest.raises(kind, match=words):
        call()
