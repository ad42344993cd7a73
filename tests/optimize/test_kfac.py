"""Kronecker factors against the Fisher matrix they stand for, K-FAC and the natural gradient."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cycloid as cy
from cycloid.learn import SquaredError
from cycloid.learn.curvatures import sampled_slopes
from cycloid.optimize import KFAC, MODEL_METHODS, NaturalGradient, model_objective
from cycloid.optimize.kronecker_factors import Layer, apply_inverses, factors, inverses, layers, pack, room, unpack
from cycloid.optimize.model_objectives import Flat

LOSS = SquaredError()
X = jax.random.normal(jax.random.key(0), (60, 3))


def objective(outputs: Any, y: Any) -> Any:
    return model_objective(outputs, LOSS.examples, X, y, slopes=lambda z, y, key: sampled_slopes(LOSS, z, y, key))


def dense(p: Any, x: Any) -> Any:
    return jnp.tanh(x @ p["w1"] + p["b1"]) @ p["w2"] + p["b2"]


def parameters() -> dict[str, Any]:
    keys = jax.random.split(jax.random.key(1), 2)
    w1, w2 = jax.random.normal(keys[0], (3, 4)), jax.random.normal(keys[1], (4, 2))
    return {"b1": jnp.zeros(4), "b2": jnp.zeros(2), "w1": w1, "w2": w2}


def test_layers_are_found_with_their_inputs_and_biases():
    assert layers(objective(dense, jnp.zeros((60, 2))), parameters()) == [Layer(2, 0, 0), Layer(3, 0, 1)]


def test_layers_of_an_equinox_network_hold_outputs_first():
    net = eqx.nn.MLP(3, 2, 4, 1, key=jax.random.key(0))
    params, static = eqx.partition(net, eqx.is_inexact_array)
    seen = objective(lambda p, x: jax.vmap(eqx.combine(p, static))(x), jnp.zeros((60, 2)))
    assert [(layer.axis, layer.bias is not None) for layer in layers(seen, params)] == [(1, True), (1, True)]


def test_a_bias_shared_in_value_but_not_added_is_none_of_the_layer():
    outputs = lambda p, x: (x @ p["w"]) * p["b"]
    assert layers(objective(outputs, jnp.zeros((60, 2))), {"b": jnp.ones(2), "w": jnp.ones((3, 2))}) == [
        Layer(1, 0, None)
    ]


def test_the_factors_of_a_linear_model_are_its_fisher_matrix():
    params = {"b": jnp.zeros(2), "w": jnp.ones((3, 2))}
    outputs = lambda p, x: x @ p["w"] + p["b"]
    seen = objective(outputs, jnp.zeros((60, 2)))
    fisher = jax.vmap(Flat(seen, params).curvature())(jnp.eye(8))
    keys = jax.random.split(jax.random.key(2), 400)
    drawn = jax.jit(lambda key: next(iter(factors(seen, params, key).values())))
    pairs = [drawn(key) for key in keys]
    slopes = sum(pair.slopes for pair in pairs) / len(pairs)
    # Flat order: b, then w by rows; A has the 1 of the bias last.
    order = [6, 7, 0, 1, 2, 3, 4, 5]
    expected = np.kron(pairs[0].inputs, slopes)[np.ix_(order, order)]
    np.testing.assert_allclose(expected, fisher, atol=5 * np.sqrt(2 / (400 * 60)) * float(jnp.max(fisher)))


def test_inverses_undo_the_damped_factors():
    params, damping = parameters(), 0.3
    seen = objective(dense, jnp.zeros((60, 2)))
    found = factors(seen, params, jax.random.key(0))
    leaves = jax.tree.leaves(params)
    v = [jax.random.normal(jax.random.fold_in(jax.random.key(5), i), leaf.shape) for i, leaf in enumerate(leaves)]
    solved = apply_inverses(inverses(found, damping), damping, v)
    for layer, (a, g) in found.items():
        balance = np.sqrt((np.trace(a) / len(a)) / (np.trace(g) / len(g)))
        left = a + balance * np.sqrt(damping) * np.eye(len(a))
        right = g + np.sqrt(damping) / balance * np.eye(len(g))
        stacked = lambda leaves, layer=layer: np.concatenate([leaves[layer.weight], leaves[layer.bias][None]])
        np.testing.assert_allclose(left @ stacked(solved) @ right, stacked(v), atol=1e-10)


def test_factors_fit_their_room_and_come_back():
    params = parameters()
    leaves = jax.tree.leaves(params)
    for layer, pair in factors(objective(dense, jnp.zeros((60, 2))), params, jax.random.key(0)).items():
        kept = pack(layer, pair, leaves)
        assert [k.shape for k in kept] == [r.shape for r in room(leaves[layer.weight])]
        for got, expected in zip(unpack(layer, kept, leaves), pair, strict=True):
            np.testing.assert_array_equal(got, expected)


def test_a_layer_used_twice_counts_both_uses():
    outputs = lambda p, x: jnp.tanh(x @ p) @ p
    seen = objective(outputs, jnp.zeros((60, 3)))
    ((layer, pair),) = factors(seen, jnp.eye(3), jax.random.key(0)).items()
    assert layer == Layer(0, 0, None)
    expected = (X.T @ X + jnp.tanh(X).T @ jnp.tanh(X)) / 120
    np.testing.assert_allclose(pair.inputs, expected, atol=1e-12)


def test_a_model_whose_matrices_hide_in_a_loop_is_told():
    looped = lambda p, x: jax.lax.scan(lambda h, _: (jnp.tanh(h @ p), None), x, None, length=2)[0]
    with pytest.raises(ValueError, match="outside of any loop"):
        layers(objective(looped, jnp.zeros((60, 3))), jnp.eye(3))


@pytest.mark.parametrize("name", MODEL_METHODS)
def test_a_plain_function_has_no_fisher_matrix(name: str):
    with pytest.raises(TypeError, match="needs a model"):
        cy.optimize.minimize(lambda x: jnp.sum(x**2), jnp.ones(2), method=name)


@pytest.mark.parametrize(
    ("method", "left"),
    [
        (KFAC(damping=0.1), 0.05),
        (KFAC(damping=0.1, rows=30, refresh=2), 0.05),
        (KFAC(0.1, damping=0.03, kl_clip=0.01), 0.5),
    ],
    ids=["rescaled", "rows", "clipped"],
)
def test_kfac_fits_a_network(method: Any, left: float):
    net = cy.train.mlp(hidden=(6,), activation="tanh")
    fit = {"max_steps": 60, "batch_size": None, "key": jax.random.key(0), "record_every": 60}
    run = cy.train.fit(net, (X, jnp.sin(X[:, 0]) + X[:, 1]), loss="mse", method=method, **fit)
    assert run.history["train_loss"][-1] < left * run.history["loss"][0]


def test_one_natural_step_solves_least_squares():
    y = X @ jnp.array([1.0, -2.0, 0.5]) + 3
    fit = {"max_steps": 1, "batch_size": None, "key": jax.random.key(0)}
    run = cy.train.fit("linear", (X, y), method=NaturalGradient(damping=1e-10), **fit)
    np.testing.assert_allclose(run.value.weight, [1.0, -2.0, 0.5], atol=1e-7)
    assert float(run.value.bias) == pytest.approx(3.0, abs=1e-7)


def test_the_natural_step_does_not_depend_on_the_units_of_the_inputs():
    scale = jnp.array([1.0, 100.0, 0.01])
    y = jnp.sin(X[:, 0])
    fit = {"max_steps": 3, "batch_size": None, "key": jax.random.key(0)}
    method = NaturalGradient(0.5, damping=1e-12)
    one, other = (cy.train.fit("linear", (x, y), method=method, **fit) for x in (X, X * scale))
    np.testing.assert_allclose(other.value.weight * scale, one.value.weight, atol=1e-5)


def test_the_clip_shortens_the_natural_step():
    y = X @ jnp.ones(3)
    fit = {"max_steps": 1, "batch_size": None, "key": jax.random.key(0)}
    free, clipped = (
        cy.train.fit("linear", (X, y), method=NaturalGradient(damping=1e-10, kl_clip=clip), **fit)
        for clip in (None, 0.01)
    )
    ratio = clipped.value.weight / free.value.weight
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-6)
    assert 0 < float(ratio[0]) < 0.5


def test_many_parameters_are_solved_by_conjugate_gradients():
    wide = jax.random.normal(jax.random.key(3), (300, 250)) / 16
    y = wide @ jnp.ones(250)
    fit = {"max_steps": 4, "batch_size": None, "key": jax.random.key(0)}
    run = cy.train.fit("linear", (wide, y), method=NaturalGradient(damping=1e-6), **fit)
    assert run.history["train_loss"][-1] < 1e-2 * float(jnp.mean(y**2))
