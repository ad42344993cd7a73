"""Where first order crawls: a curved valley, a deep linear network, a recurrent one that must remember, a deep
autoencoder. Each with what is known of its answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cycloid.learn.curvatures import loss_objective
from cycloid.learn.losses import AbstractLoss, BinaryCrossEntropy, SquaredError
from cycloid.optimize.methods import Objective
from cycloid.problems.digit_networks import TASKS, digits, logistic_outputs


@dataclasses.dataclass(frozen=True)
class SlowDescent:
    """A task on which gradients alone need patience.

    Attributes:
        name: the key in `SLOW_DESCENTS`.
        title: for people.
        start: key -> parameters to begin with.
        target: a loss that says the task is done.
        least: the least loss there is; None where nobody knows it.
        story: why it is slow.
        function: params -> loss, for a plain function without a model.
        outputs: (params, x) -> z, for a model.
        loss: of the outputs.
        x: inputs, examples on the first axis.
        y: targets likewise.
        plateaus: losses at which a descent stands still for long, from the highest on.
    """

    name: str
    title: str
    start: Callable[[Any], Any]
    target: float
    least: float | None
    story: str
    function: Callable[[Any], Any] | None = None
    outputs: Callable[[Any, Any], Any] | None = None
    loss: AbstractLoss | None = None
    x: Any = None
    y: Any = None
    plateaus: tuple[float, ...] = ()

    @property
    def is_model(self) -> bool:
        """Whether there are outputs, of which a Gauss-Newton matrix can be taken; else the Hessian must do."""
        return self.outputs is not None

    def objective(self, rows: Any = None) -> Objective:
        """The loss as methods of curvature see it.

        Args:
            rows: numbers of the examples to see; None for all.
        """
        if self.outputs is None or self.loss is None:
            assert self.function is not None
            return Objective(self.function)
        x, y = (self.x, self.y) if rows is None else (self.x[rows], self.y[rows])
        return loss_objective(self.outputs, self.loss, x, y)


def valley(size: int = 100) -> SlowDescent:
    """Rosenbrock's valley of `size` variables, each the square of the last, from the origin, which lies in it.

    Each variable must nearly have arrived before the next one moves.

    Reference: Rosenbrock, An automatic method for finding the greatest value, 1960.
    """
    return SlowDescent(
        name="rosenbrock",
        title=f"Rosenbrock's valley in {size} dimensions",
        start=lambda key: jnp.zeros(size),
        target=1e-6,
        least=0.0,
        story="The valley bends, and across it the curvature is thousands of times that along it.",
        function=chained_rosenbrock,
    )


def chained_rosenbrock(x: Float[Array, " n"]) -> Float[Array, ""]:
    """Σ 100 (xᵢ₊₁ − xᵢ²)² + (1 − xᵢ)², zero where all are 1."""
    return jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def deep_linear(depth: int = 10, width: int = 10, rows: int = 400, gain: float = 0.5) -> SlowDescent:
    """A product of matrices that must become a map A with singular values 1, ½, ¼, ... : min ‖X W₁ ⋯ W_L − X A‖².

    X has uncorrelated columns of variance 1, so the loss is ‖W₁ ⋯ W_L − A‖² / width. Every truncation of A to its k
    largest singular values, spread over the layers, is a saddle: the plateaus are at Σ_{i>k} sᵢ² / width.

    Args:
        depth: L.
        width: of every layer.
        rows: of X.
        gain: variance of a first weight times `width`; below 1 the product begins near 0, on the first plateau.

    Reference: Baldi, Hornik, Neural networks and principal component analysis, 1989; Saxe, McClelland, Ganguli, Exact
    solutions to the nonlinear dynamics of learning in deep linear neural networks, 2014.
    """
    random = np.random.default_rng(0)
    x = np.linalg.qr(random.normal(size=(rows, width)))[0] * rows**0.5
    left, sizes, right = _singular_parts(width)
    heights = np.append(np.cumsum(sizes[::-1] ** 2)[::-1], 0.0) / width

    def start(key: Any) -> Any:
        return [(gain / width) ** 0.5 * jax.random.normal(k, (width, width)) for k in jax.random.split(key, depth)]

    return SlowDescent(
        name="deep-linear",
        title=f"A deep linear network, {depth} layers of {width}",
        start=start,
        target=1e-5,
        least=0.0,
        story="Near zero all layers wait for each other; then the singular values are learned one by one.",
        outputs=product_of_layers,
        loss=SquaredError(),
        x=jnp.asarray(x),
        y=jnp.asarray(x @ (left * sizes) @ right),
        plateaus=tuple(heights[:-1].tolist()),
    )


def product_of_layers(layers: Any, x: Any) -> Any:
    """x W₁ ⋯ W_L."""
    for matrix in layers:
        x = x @ matrix
    return x


def deep_linear_saddle(kept: int, depth: int = 10, width: int = 10) -> list[Any]:
    """The weights with product A_k, the k largest singular values of A kept: a point without slope.

    Args:
        kept: k, from 0 (all weights zero) to `width` (the solution).
        depth: L.
        width: of every layer.
    """
    left, sizes, right = _singular_parts(width)
    share = np.where(np.arange(width) < kept, sizes, 0.0) ** (1 / depth)
    middle = [np.diag(share) for _ in range(depth)]
    middle[0], middle[-1] = left @ middle[0], middle[-1] @ right
    return [jnp.asarray(matrix) for matrix in middle]


def _singular_parts(width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """U, s, Vᵀ of the map to be learned."""
    random = np.random.default_rng(1)
    left, right = (np.linalg.qr(random.normal(size=(width, width)))[0] for _ in range(2))
    return left, 0.5 ** np.arange(width), right


def adding(length: int = 50, units: int = 32, rows: int = 500) -> SlowDescent:
    """Add the two marked numbers of a sequence, the last of them half a sequence ago, by a recurrent tanh network.

    The answer 1 without looking leaves the variance of the sum, 1/6. The recurrent weights begin orthogonal.

    Args:
        length: of a sequence, at least 10.
        units: of the network.
        rows: sequences.

    Reference: Hochreiter, Schmidhuber, Long short-term memory, 1997, section 5.4; Martens, Sutskever, Learning
    recurrent neural networks with Hessian-free optimization, 2011.
    """
    x, y = sequences(np.random.default_rng(0), rows, length)

    def start(key: Any) -> Any:
        again, enter = jax.random.split(key)
        return {
            "in": 0.5 * jax.random.normal(enter, (2, units)),
            "again": jnp.linalg.qr(jax.random.normal(again, (units, units)))[0],
            "bias": jnp.zeros(units),
            "out": jnp.zeros(units),
            "level": jnp.ones(()),
        }

    return SlowDescent(
        name="adding",
        title=f"A recurrent network that adds two numbers over {length} steps",
        start=start,
        target=1e-3,
        least=None,
        story="What is asked at the end was seen long before: the slope must come back through every step between.",
        outputs=recurrent,
        loss=SquaredError(),
        x=x,
        y=y,
        plateaus=(1 / 6,),
    )


def sequences(random: np.random.Generator, rows: int, length: int) -> tuple[Any, Any]:
    """(x, y): uniform numbers beside marks, shape (rows, length, 2), and the sum of the two marked, shape (rows,).

    Args:
        random: the generator.
        rows: how many.
        length: of each; one mark lies in the first tenth, the other in the rest of the first half.
    """
    numbers = random.uniform(size=(rows, length))
    first = random.integers(0, length // 10, rows)
    second = random.integers(length // 10, length // 2, rows)
    place = np.arange(length)
    marks = ((place == first[:, None]) | (place == second[:, None])).astype(float)
    return jnp.asarray(np.stack([numbers, marks], axis=2)), jnp.asarray(np.sum(numbers * marks, axis=1))


def recurrent(weights: Any, x: Any) -> Any:
    """One number after each sequence: h ← tanh(u W_in + h W_again + b), then h · w_out + level."""

    def advance(h: Any, u: Any) -> tuple[Any, None]:
        return jnp.tanh(u @ weights["in"] + h @ weights["again"] + weights["bias"]), None

    start = jnp.zeros((x.shape[0], weights["bias"].size), x.dtype)
    h, _ = jax.lax.scan(advance, start, jnp.moveaxis(x, 1, 0))
    return h @ weights["out"] + weights["level"]


def autoencoder(sizes: tuple[int, ...] = TASKS["logistic-autoencoder"].sizes, rows: int = 1500) -> SlowDescent:
    """The digits through a narrow code and back: logistic layers, a linear code, cross-entropy summed over pixels.

    Args:
        sizes: of the layers, the code in the middle.
        rows: images.

    Reference: Hinton, Salakhutdinov, Reducing the dimensionality of data with neural networks, 2006.
    """
    images = digits()[0]
    x = images[np.random.default_rng(0).permutation(len(images))[:rows]]

    def start(key: Any) -> Any:
        keys = jax.random.split(key, len(sizes) - 1)
        scaled = lambda k, a, b: jax.random.normal(k, (a, b), jnp.float32) * np.float32(a) ** -0.5
        return [(scaled(k, a, b), jnp.zeros(b, jnp.float32)) for k, (a, b) in zip(keys, pairwise(sizes), strict=True)]

    return SlowDescent(
        name="autoencoder",
        title="A deep autoencoder of the digits, " + "-".join(map(str, sizes)),
        start=start,
        target=14.0,
        least=None,
        story="Seven layers of logistic units pass on little of a slope, and differently in every direction.",
        outputs=logistic_outputs,
        loss=BinaryCrossEntropy(),
        x=x,
        y=x,
    )


SLOW_DESCENTS: dict[str, Callable[..., SlowDescent]] = {
    "rosenbrock": valley,
    "deep-linear": deep_linear,
    "adding": adding,
    "autoencoder": autoencoder,
}
