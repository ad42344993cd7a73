"""Models of JAX's frameworks: their gradients beside the framework's own, their state, their layers."""

from __future__ import annotations

import os
import warnings
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cycloid.adapters import adapt

os.environ.setdefault("KERAS_BACKEND", "jax")

ROWS = jnp.asarray(np.random.default_rng(0).normal(size=(5, 3)), jnp.float32)
CLASSES = jnp.array([0, 1, 0, 1, 1])


def loss(logits: Any, classes: Any) -> Any:
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), classes[:, None], axis=1))


def flat(tree: Any) -> np.ndarray:
    return np.sort(np.concatenate([np.asarray(leaf, float).ravel() for leaf in jax.tree.leaves(tree)]))


class Case(NamedTuple):
    """A model through the door, beside the gradient that its framework gives of the mean cross-entropy.

    Args:
        adapted: the model.
        gradient: the numbers of its gradient in mode "eval".
        layers: the layers in the order of use.
        moved: an entry of the state that a training step moves.
    """

    adapted: Any
    gradient: np.ndarray
    layers: list[str]
    moved: str


def equinox_case() -> Case:
    class Network(eqx.Module):
        norm: eqx.nn.BatchNorm
        first: eqx.nn.Linear
        drop: eqx.nn.Dropout
        attend: eqx.nn.MultiheadAttention

        def __init__(self, key: Any):
            self.norm = eqx.nn.BatchNorm(4, "batch", mode="batch", dtype=jnp.float32)
            self.first = eqx.nn.Linear(3, 4, key=key, dtype=jnp.float32)
            self.drop = eqx.nn.Dropout(0.5)
            self.attend = eqx.nn.MultiheadAttention(2, 4, output_size=2, key=key, dtype=jnp.float32)

        def __call__(self, x: Any, state: Any, key: Any) -> Any:
            x, state = self.norm(jnp.tanh(self.first(x)), state)
            x = self.drop(x, key=key)[None]
            return self.attend(x, x, x)[0], state

    model, state = eqx.filter_jit(eqx.nn.make_with_state(Network))(jax.random.key(1))

    def own(model: Any) -> Any:
        model = eqx.nn.inference_mode(model)
        outputs, _ = jax.vmap(model, axis_name="batch", in_axes=(0, None, None), out_axes=(0, None))(ROWS, state, None)
        return loss(outputs, CLASSES)

    layers = ["first", "norm", "drop", "attend.query_proj", "attend.key_proj", "attend.value_proj", "attend.dropout",
              "attend.output_proj"]  # fmt: skip
    return Case(adapt(model, state=state), flat(eqx.filter_jit(eqx.filter_grad(own))(model)), layers, "state.1")


def keras_case() -> Case:
    keras = _loaded("keras")
    part = keras.layers
    model = keras.Sequential(
        [part.Input((3,)), part.Dense(4, activation="tanh", name="first"), part.BatchNormalization(name="norm"),
         part.Dropout(0.5, name="drop"), part.Dense(2, name="last")],
        name="net",
    )  # fmt: skip
    weights, still = ([v.value for v in each] for each in (model.trainable_variables, model.non_trainable_variables))
    own = lambda weights: loss(model.stateless_call(weights, still, ROWS, training=False)[0], CLASSES)
    return Case(adapt(model), flat(jax.jit(jax.grad(own))(weights)), ["net/first", "net/norm", "drop", "net/last"],
                "net/norm/moving_mean")  # fmt: skip


def nnx_case() -> Case:
    nnx = _loaded("flax.nnx")

    class Network(nnx.Module):
        def __init__(self, rngs: Any):
            self.first, self.last = nnx.Linear(3, 4, rngs=rngs), nnx.Linear(4, 2, rngs=rngs)
            self.norm, self.drop = nnx.BatchNorm(4, rngs=rngs), nnx.Dropout(0.5, rngs=rngs)

        def __call__(self, x: Any) -> Any:
            return self.last(self.drop(self.norm(jnp.tanh(self.first(x)))))

    model = Network(nnx.Rngs(0))
    adapted = adapt(model)
    model.eval()
    gradient = nnx.jit(nnx.grad(lambda model: loss(model(ROWS), CLASSES)))(model)
    return Case(adapted, flat(gradient), ["first", "norm", "drop", "last"], "norm.mean")


def linen_case() -> Case:
    nn = _loaded("flax.linen")

    class Network(nn.Module):
        @nn.compact
        def __call__(self, x: Any, train: bool) -> Any:
            x = nn.BatchNorm(use_running_average=not train)(jnp.tanh(nn.Dense(4)(x)))
            return nn.Dense(2)(nn.Dropout(0.5, deterministic=not train)(x))

    model = Network()
    variables = model.init(jax.random.key(0), ROWS, False)
    own = lambda weights: loss(model.apply({**variables, "params": weights}, ROWS, False), CLASSES)
    return Case(adapt(model, variables), flat(jax.jit(jax.grad(own))(variables["params"])),
                ["Dense_0", "BatchNorm_0", "Dropout_0", "Dense_1"], "batch_stats.BatchNorm_0.mean")  # fmt: skip


def _loaded(name: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(name, reason=f"{name} is not installed")


@pytest.fixture(scope="module", params=[equinox_case, keras_case, nnx_case, linen_case], ids=lambda case: case.__name__)
def case(request: Any) -> Case:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the frameworks say of each other
        return request.param()


def test_the_gradient_is_that_of_the_framework(case: Case) -> None:
    adapted = case.adapted.in_mode("eval")
    found = flat(jax.jit(jax.grad(adapted.objective(loss)))(adapted.parameters, (ROWS, CLASSES)))
    assert np.abs(found - case.gradient).max() < 1e-5 * np.abs(case.gradient).max()


def test_layers_are_seen_in_the_order_of_use(case: Case) -> None:
    adapted = case.adapted.in_mode("eval")
    seen = adapted.outputs(adapted.parameters, ROWS)
    assert list(seen) == case.layers
    assert all(value.shape[0] == len(ROWS) for value in seen.values())
    named = [name for layer in adapted.layers for name in layer.parameters]
    assert sorted(named) == sorted(adapted.parameters)


def test_a_training_step_moves_the_running_mean_and_nothing_of_the_users(case: Case) -> None:
    adapted = case.adapted.in_mode("train")
    before = np.array(adapted.state[case.moved])
    step = jax.jit(lambda key: adapted.step(adapted.parameters, ROWS, key=key))
    outputs, after = step(jax.random.key(2))
    again, other = step(jax.random.key(2))[0], step(jax.random.key(3))[0]
    assert np.abs(np.asarray(after[case.moved]) - before).max() > 0
    assert np.array_equal(adapted.state[case.moved], before)
    assert np.array_equal(outputs, again)
    assert not np.array_equal(outputs, other)


def test_a_rebuilt_model_has_the_new_numbers(case: Case) -> None:
    adapted = case.adapted
    doubled = jax.tree.map(lambda leaf: 2 * leaf, adapted.parameters)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rebuilt = adapted.rebuilt(doubled)
    if adapted.framework == "equinox":
        again = adapt(rebuilt[0], state=rebuilt[1]).parameters
    elif adapted.framework == "flax.linen":
        again = dict(zip(adapted.parameters, jax.tree.leaves(rebuilt["params"])))
    else:
        again = adapt(rebuilt).parameters
    # Keras gives a copy of a model another name.
    assert all(np.array_equal(a, doubled[name]) for a, name in zip(again.values(), adapted.parameters))


def test_a_function_and_its_parameters() -> None:
    adapted = adapt(lambda w, x: jnp.tanh(x @ w["in"]) @ w["out"], {"in": jnp.ones((3, 2)), "out": jnp.ones((2, 2))})
    assert (adapted.framework, list(adapted.parameters)) == ("jax", ["in", "out"])
    assert adapted.apply(adapted.parameters, ROWS).shape == (5, 2)


def test_the_two_functions_of_haiku() -> None:
    class Transformed(NamedTuple):
        init: Any
        apply: Any

    plain = Transformed(None, lambda params, rng, x: x @ params["linear"]["w"])
    adapted = adapt(plain, {"linear": {"w": jnp.ones((3, 2))}})
    assert (adapted.framework, list(adapted.parameters)) == ("haiku", ["linear.w"])
    assert adapted.layers[0].parameters == ("linear.w",)
    counting = Transformed(None, lambda params, state, rng, x: (x @ params["w"], {"n": state["n"] + 1}))
    adapted = adapt(counting, {"w": jnp.ones((3, 2))}, state={"n": jnp.zeros(())})
    assert adapted.step(adapted.parameters, ROWS)[1]["n"] == 1


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ((3,), TypeError, "adapt takes a model of PyTorch, Keras, flax, equinox or haiku"),
        ((jnp.tanh,), TypeError, "adapt\\(model, parameters\\)"),
    ],
)
def test_wrong_calls(given: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        adapt(*given)


def test_parameters_of_another_model() -> None:
    adapted = adapt(lambda w, x: x * w["a"], {"a": jnp.ones(())})
    with pytest.raises(ValueError, match="start from adapted"):
        adapted.apply({"b": jnp.ones(())}, ROWS)
    with pytest.raises(ValueError, match='"train" or "eval"'):
        adapted.in_mode("fast")
