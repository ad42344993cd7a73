"""Networks: shapes, starting weights, names, rematerialization."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cycloid.core.storage import load, save
from cycloid.learn import ACTIVATIONS, MLP, Affine, Applied, affine, layer_names, parameter_count, perceptron

KEY = jax.random.key(0)


def test_shapes():
    net = perceptron(5, 3, (7, 4), key=KEY)
    assert net(jnp.ones(5)).shape == (3,)
    assert perceptron(5, None, (7,), key=KEY)(jnp.ones(5)).shape == ()
    assert parameter_count(net) == 5 * 7 + 7 + 7 * 4 + 4 + 4 * 3 + 3


@pytest.mark.parametrize(("activation", "gain"), [("relu", 2.0), ("tanh", 1.0)])
def test_weights_have_the_variance_of_their_layer(activation, gain):
    net = perceptron(200, 5, (300,), key=KEY, activation=activation)
    hidden, last = net.layers
    count = hidden.weight.size
    # the variance of a sample variance of n normals is 2σ⁴/n: five of its deviations
    assert abs(float(jnp.var(hidden.weight)) / (gain / 200) - 1) < 5 * np.sqrt(2 / count)
    assert abs(float(jnp.var(last.weight)) * 300 - 1) < 5 * np.sqrt(2 / last.weight.size)
    assert not np.asarray(hidden.bias).any()


def test_the_size_of_a_signal_survives_ten_layers():
    net = perceptron(64, 64, (256,) * 10, key=KEY)
    x = jax.random.normal(jax.random.key(1), (200, 64))
    out = jax.vmap(net)(x)
    assert 0.2 < float(jnp.std(out)) < 5


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_runs_and_is_saved(name, tmp_path):
    net = perceptron(3, 2, (4,), key=KEY, activation=name)
    save(net, tmp_path / "net")
    x = jnp.array([0.5, -1.0, 2.0])
    np.testing.assert_array_equal(load(tmp_path / "net")(x), net(x))


def test_rematerialization_changes_no_gradient():
    net = perceptron(6, None, (8, 8, 8), key=KEY, activation="tanh")
    again = MLP(net.layers, net.activation, remat=True)
    x = jnp.linspace(-1, 1, 6)
    plain, recomputed = (jax.grad(lambda m: m(x))(model) for model in (net, again))
    for a, b in zip(jax.tree.leaves(plain), jax.tree.leaves(recomputed), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    assert "remat" in str(jax.make_jaxpr(jax.grad(lambda m: m(x)))(again))


def test_names():
    assert layer_names(affine(3)) == ["weight", "bias"]
    assert layer_names(affine(3, bias=False)) == ["weight"]
    assert layer_names({"a": [jnp.ones(2), jnp.ones(3)], "b": 3}) == ["a 0", "a 1"]
    assert layer_names(Applied({"w": jnp.ones(2)}, lambda p, x: p["w"] @ x)) == ["params w"]


def test_a_model_without_hidden_layers_starts_from_zero():
    model = affine(4, 2)
    assert isinstance(model, Affine)
    assert not np.asarray(model(jnp.ones(4))).any()


def test_unknown_activation():
    with pytest.raises(ValueError, match="there are relu"):
        perceptron(2, 1, (3,), key=KEY, activation="reul")
