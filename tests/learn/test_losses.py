"""Losses against their formulas, their gradients against closed forms."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cycloid.learn import LOSSES, Affine, CrossEntropy, Huber, SquaredError, as_loss
from cycloid.learn.losses import AbsoluteError

numbers = st.lists(st.floats(-50, 50), min_size=1, max_size=6)
X = jnp.asarray(np.random.default_rng(0).normal(size=(7, 3)))
Y = jnp.asarray(np.random.default_rng(1).normal(size=7))
MODEL = Affine(jnp.array([0.3, -1.2, 0.7]), jnp.array(0.1))


def gradient(loss, y=Y, model=MODEL):
    found = jax.grad(lambda m: loss(m, (X, y)))(model)
    return np.asarray(found.weight), np.asarray(found.bias)


def residual():
    return np.asarray(X @ MODEL.weight + MODEL.bias - Y)


def test_gradient_of_the_squared_error():
    weight, bias = gradient(SquaredError())
    np.testing.assert_allclose(weight, 2 * np.asarray(X).T @ residual() / 7, rtol=1e-13)
    np.testing.assert_allclose(bias, 2 * residual().mean(), rtol=1e-13)


def test_gradient_of_the_absolute_error():
    weight, _ = gradient(AbsoluteError())
    np.testing.assert_allclose(weight, np.asarray(X).T @ np.sign(residual()) / 7, rtol=1e-13)


def test_gradient_of_huber():
    weight, _ = gradient(Huber(0.5))
    np.testing.assert_allclose(weight, np.asarray(X).T @ np.clip(residual(), -0.5, 0.5) / 7, rtol=1e-13)


def test_gradient_of_the_cross_entropy_of_two_classes():
    y = jnp.array([0, 1, 1, 0, 1, 0, 0])
    weight, _ = gradient(CrossEntropy(), y)
    p = 1 / (1 + np.exp(-np.asarray(X @ MODEL.weight + MODEL.bias)))
    np.testing.assert_allclose(weight, np.asarray(X).T @ (p - np.asarray(y)) / 7, rtol=1e-12)


def test_gradient_of_the_cross_entropy_of_several_classes():
    model = Affine(jnp.asarray(np.random.default_rng(2).normal(size=(3, 4))), jnp.zeros(4))
    y = jnp.array([0, 1, 2, 3, 1, 0, 2])
    weight, _ = gradient(CrossEntropy(), y, model)
    z = np.exp(np.asarray(X @ model.weight))
    p = z / z.sum(1, keepdims=True)
    np.testing.assert_allclose(weight, np.asarray(X).T @ (p - np.eye(4)[np.asarray(y)]) / 7, rtol=1e-12, atol=1e-15)


def test_two_logits_agree_with_their_difference():
    z = jnp.array([[0.3, -1.0], [2.0, 5.0], [-4.0, 4.0]])
    y = jnp.array([0, 1, 0])
    one = CrossEntropy().examples(z[:, 1] - z[:, 0], y)
    np.testing.assert_allclose(CrossEntropy().examples(z, y), one, rtol=1e-13)


def test_the_penalty_leaves_biases_out():
    plain, ridge = gradient(SquaredError()), gradient(SquaredError(l2=0.25))
    np.testing.assert_allclose(ridge[0] - plain[0], 0.5 * np.asarray(MODEL.weight), rtol=1e-12)
    np.testing.assert_allclose(ridge[1], plain[1], rtol=1e-13)


@given(numbers)
def test_huber_lies_between_the_two_others(residuals):
    r = jnp.asarray(residuals)
    zero = jnp.zeros_like(r)
    huber = np.asarray(Huber(1.0).examples(r, zero))
    square, linear = np.asarray(SquaredError().examples(r, zero)), np.asarray(AbsoluteError().examples(r, zero))
    assert np.all(huber <= square / 2 + 1e-12)
    assert np.all(huber <= linear + 1e-12)
    assert np.all(huber >= linear - 0.5 - 1e-12)


@given(st.floats(-800, 800), st.integers(0, 1))
def test_cross_entropy_never_overflows(logit, label):
    value = float(CrossEntropy().examples(jnp.array([logit]), jnp.array([label]))[0])
    assert np.isfinite(value)
    assert value >= 0


def test_outputs_of_one_column_meet_plain_targets():
    flat = SquaredError().examples(jnp.arange(3.0), jnp.ones(3))
    np.testing.assert_array_equal(SquaredError().examples(jnp.arange(3.0)[:, None], jnp.ones(3)), flat)


@pytest.mark.parametrize("name", LOSSES)
def test_registry(name):
    loss = as_loss(name)
    assert loss.name == name
    assert loss.formula
    assert loss.latex
    assert as_loss(type(loss)) == loss
    assert as_loss(loss) is loss


@pytest.mark.parametrize(
    ("wrong", "error", "words"), [("l1", ValueError, "there are mse"), (3, TypeError, r"loss\(model, batch\)")]
)
def test_what_is_no_loss(wrong, error, words):
    with pytest.raises(error, match=words):
        as_loss(wrong)


def test_delta_is_positive():
    with pytest.raises(ValueError, match="delta="):
        Huber(0.0)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("name", LOSSES)
def test_the_dtype_of_the_model_stays(name, dtype):
    model = Affine(MODEL.weight.astype(dtype), MODEL.bias.astype(dtype))
    y = jnp.zeros(7, jnp.int32) if name == "cross_entropy" else Y.astype(dtype)
    assert as_loss(name)(model, (X.astype(dtype), y)).dtype == dtype
