"""Networks on the digits: the tasks on which methods are raced, as functions f(weights, key) of a mini-batch.

The images are scikit-learn's 1797 handwritten digits of 8 by 8 pixels, scaled to [0, 1]. Eight by eight pixels of 17
shades need no more than float32.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int


class Task(NamedTuple):
    """A network to train.

    Attributes:
        name: for tables.
        loss: (weights, images, labels) -> scalar.
        sizes: of the layers.
        gain: of the first weights, their variance times their number of inputs.
        steps: enough for most methods to reach most targets.
        targets: losses over all the data, from easy to hard.
    """

    name: str
    loss: Callable[..., Any]
    sizes: tuple[int, ...]
    gain: float
    steps: int
    targets: tuple[float, ...]

    def start(self, key: Any) -> Any:
        """Fresh weights: normal, of variance gain / inputs; zero biases."""
        keys = jax.random.split(key, len(self.sizes) - 1)
        return [
            (jax.random.normal(k, (a, b), jnp.float32) * np.float32(self.gain / a) ** 0.5, jnp.zeros(b, jnp.float32))
            for k, (a, b) in zip(keys, pairwise(self.sizes), strict=True)
        ]

    def shortened(self) -> Task:
        """The same network with the easier half of its targets and a fifth of the steps, for a first look."""
        return self._replace(steps=self.steps // 5, targets=self.targets[: len(self.targets) // 2])

    def on_batches(self, batch: int = 128) -> tuple[Callable[[Any, Any], Any], Callable[[Any], Any]]:
        """(f(weights, key), the loss on a mini-batch drawn by the key; weights -> the loss on all the data)."""
        return _functions(self.loss, batch)


@functools.cache
def _functions(loss: Callable[..., Any], batch: int) -> tuple[Callable[[Any, Any], Any], Callable[[Any], Any]]:
    """One pair of functions for each loss, so that programs compiled for them are found again."""
    images, labels = digits()

    def f(weights: Any, key: Any) -> Any:
        rows = jax.random.randint(key, (batch,), 0, len(images))
        return loss(weights, images[rows], labels[rows])

    return f, lambda weights: loss(weights, images, labels)


@functools.cache
def digits() -> tuple[Float[Array, "images 64"], Int[Array, " images"]]:
    """The images in [0, 1], and which digit each shows."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    return jnp.asarray(images / 16.0, jnp.float32), jnp.asarray(labels, jnp.int32)


def cross_entropy(weights: Any, images: Any, labels: Any) -> Any:
    """The mean cross-entropy of a classifier with rectified layers."""
    scores = jax.nn.log_softmax(_forward(weights, images, jax.nn.relu))
    return -jnp.mean(jnp.take_along_axis(scores, labels[:, None], axis=1))


def squared_error(weights: Any, images: Any, labels: Any) -> Any:
    """The squared error of an autoencoder with tanh layers and a linear code, summed over pixels."""
    del labels
    return jnp.mean(jnp.sum((_forward(weights, images, jnp.tanh, code=True) - images) ** 2, axis=1))


def logistic_error(weights: Any, images: Any, labels: Any) -> Any:
    """The cross-entropy of every pixel under an autoencoder with logistic layers and a linear code."""
    del labels
    z = logistic_outputs(weights, images)
    return jnp.mean(jnp.sum(jnp.maximum(z, 0) - z * images + jnp.log1p(jnp.exp(-jnp.abs(z))), axis=1))


def logistic_outputs(weights: Any, images: Any) -> Any:
    """The logits of every pixel under an autoencoder with logistic layers and a linear code."""
    return _forward(weights, images, jax.nn.sigmoid, code=True)


def _forward(weights: Any, x: Any, activation: Any, *, code: bool = False) -> Any:
    """The last layer is linear, and with `code` the middle one, the narrowest, too."""
    for i, (w, b) in enumerate(weights):
        x = x @ w + b
        if i < len(weights) - 1 and not (code and i == len(weights) // 2 - 1):
            x = activation(x)
    return x


_DEEP = (64, 128, 64, 16, 64, 128, 64)
TASKS = {
    "classifier": Task(
        "classifier 64-128-128-10, relu, cross-entropy", cross_entropy, (64, 128, 128, 10), 2.0, 1500,
        (0.3, 0.1, 0.03, 0.01),
    ),
    "tanh-autoencoder": Task(
        "autoencoder 64-128-64-16-64-128-64, tanh, squared error", squared_error, _DEEP, 1.0, 2500,
        (2.0, 1.0, 0.7, 0.5),
    ),
    "logistic-autoencoder": Task(
        "autoencoder 64-128-64-16-64-128-64, logistic, cross-entropy", logistic_error, _DEEP, 1.0, 2500,
        (24.0, 20.0, 18.5, 17.5),
    ),
}  # fmt: skip
