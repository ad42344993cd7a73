"""What methods of curvature are handed in training: the objective of a batch, and slopes on sampled targets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray

from cycloid.learn.losses import AbsoluteError, AbstractLoss, BinaryCrossEntropy, CrossEntropy, Huber, SquaredError
from cycloid.optimize.methods import Objective
from cycloid.optimize.model_objectives import ModelObjective, model_objective


def batch_objective(parts: Any, rows: Any) -> Objective:
    """The loss on a batch as a method of curvature sees it: of a model's outputs where the loss is one of outputs.

    Args:
        parts: the `cycloid.learn.steps.Objective` of the run.
        rows: the batch.
    """
    if not parts.by_example:
        return Objective(lambda params: parts.value(params, rows))
    loss = parts.recipe.loss
    penalty = (lambda params: parts.penalty_value(params)) if loss.l2 else None
    return loss_objective(parts.outputs, loss, rows.x, rows.y, penalty=penalty)


def loss_objective(
    outputs: Callable[[Any, Any], Any],
    loss: AbstractLoss,
    x: Any,
    y: Any,
    *,
    penalty: Callable[[Any], Any] | None = None,
) -> ModelObjective:
    """The objective mean loss(outputs(params, x), y) + penalty(params), with slopes on sampled targets where known.

    Args:
        outputs: (params, x) -> z.
        loss: of the outputs, by example.
        x: inputs, examples on the first axis.
        y: targets likewise.
        penalty: a number added to the loss.

    Raises:
        ValueError: for the absolute error, whose Gauss-Newton matrix is zero.
    """
    if isinstance(loss, AbsoluteError):
        raise ValueError(
            "the loss mae has no curvature to take: |ŷ − y| is straight on both sides of its kink, so its Gauss-Newton "
            'matrix is zero. Train with loss="huber", which is curved near 0, or by a method of first order such as '
            "Adam(1e-3)."
        )
    slopes = None if type(loss) not in _SLOPES else (lambda z, y, key: sampled_slopes(loss, z, y, key))
    return model_objective(outputs, loss.examples, x, y, slopes=slopes, penalty=penalty)


def sampled_slopes(loss: AbstractLoss, output: Any, target: Any, key: PRNGKeyArray) -> Any:
    """Random slopes of each example's loss with respect to the outputs: mean 0, covariance the loss's Hessian.

    For a loss that is −log p(y) (up to a constant) these are its gradients on targets drawn from p.

    Args:
        loss: squared error, cross-entropy or Huber.
        output: the model's outputs, shape (n, ...).
        target: the true targets, which only Huber's curvature depends on.
        key: for the draw.
    """
    return _SLOPES[type(loss)](loss, output, target, key)


def _normal(loss: Any, z: Any, y: Any, key: Any) -> Any:
    """(1/m) Σ (z − y)² over m outputs: the Hessian is 2/m."""
    outputs = z.size // z.shape[0]
    return (2.0 / outputs) ** 0.5 * jax.random.normal(key, z.shape, z.dtype)


def _huber(loss: Any, z: Any, y: Any, key: Any) -> Any:
    outputs = z.size // z.shape[0]
    inside = jnp.abs(z - y.reshape(z.shape)) <= loss.delta
    return jnp.where(inside, outputs**-0.5 * jax.random.normal(key, z.shape, z.dtype), 0.0)


def _bernoulli(loss: Any, z: Any, y: Any, key: Any) -> Any:
    return jax.nn.sigmoid(z) - jax.random.bernoulli(key, jax.nn.sigmoid(z)).astype(z.dtype)


def _classes(loss: Any, z: Any, y: Any, key: Any) -> Any:
    if z.ndim != 2 or z.shape[1] == 1:
        return _bernoulli(loss, z, y, key)
    drawn = jax.random.categorical(key, z, axis=1)
    return jax.nn.softmax(z, axis=1) - jax.nn.one_hot(drawn, z.shape[1], dtype=z.dtype)


_SLOPES: dict[type, Any] = {
    SquaredError: _normal,
    Huber: _huber,
    CrossEntropy: _classes,
    BinaryCrossEntropy: _bernoulli,
}
