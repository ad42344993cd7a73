"""The digits data and plain networks on it, in float32: what the benchmarks of optimization train."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import optax
from sklearn.datasets import load_digits

BATCH = 128


def digits() -> tuple[jax.Array, jax.Array]:
    """The 1797 images in [0, 1] with the axis (pixel,), and their labels."""
    data = load_digits()
    return jnp.asarray(data.data / 16.0, jnp.float32), jnp.asarray(data.target, jnp.int32)


def draw(sizes: tuple[int, ...], gain: float = 2.0) -> Callable[[Any], Any]:
    """key -> fresh weights, variance gain / inputs, and zero biases."""

    def fresh(key: Any) -> Any:
        keys = jax.random.split(key, len(sizes) - 1)
        return [
            (jax.random.normal(k, (a, b), jnp.float32) * (gain / a) ** 0.5, jnp.zeros(b, jnp.float32))
            for k, (a, b) in zip(keys, pairwise(sizes), strict=True)
        ]

    return fresh


def forward(layers: Any, x: Any, activation: Any = jax.nn.relu) -> Any:
    """The network's output, `activation` after every layer but the last."""
    for w, b in layers[:-1]:
        x = activation(x @ w + b)
    w, b = layers[-1]
    return x @ w + b


def cross_entropy(layers: Any, x: Any, labels: Any) -> Any:
    """The mean cross-entropy of a classifier."""
    return optax.softmax_cross_entropy_with_integer_labels(forward(layers, x), labels).mean()


def reconstruction(layers: Any, x: Any, labels: Any) -> Any:
    """The squared error of an autoencoder, summed over pixels, averaged over images; labels are not used."""
    return jnp.mean(jnp.sum((forward(layers, x, jnp.tanh) - x) ** 2, axis=1))


def on_batches(loss: Callable[..., Any], x: Any, labels: Any, batch: int = BATCH) -> tuple[Any, Any]:
    """(params, key -> the loss on a mini-batch drawn by the key; params -> the loss on everything)."""

    def stochastic(layers: Any, key: Any) -> Any:
        index = jax.random.randint(key, (batch,), 0, len(x))
        return loss(layers, x[index], labels[index])

    return stochastic, lambda layers: loss(layers, x, labels)


def torch_network(sizes: tuple[int, ...]) -> Any:
    """The classifier in PyTorch, rectified layers, with PyTorch's own first weights."""
    import torch

    layers: list[Any] = []
    for a, b in pairwise(sizes):
        layers += [torch.nn.Linear(a, b), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])
