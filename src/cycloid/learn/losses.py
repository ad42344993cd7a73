"""Losses: what training makes small, each with its formula, and per example so that one sees where it comes from."""

from __future__ import annotations

import abc
from typing import Any, ClassVar, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Num


class AbstractLoss(eqx.Module):
    """The mean over examples of a loss per example, and l2 times the squared weights (biases are left out).

    Attributes:
        name: what it is called in `LOSSES`.
        formula: the loss in plain text, ŷ the model's output, y the target.
        latex: the same for typesetting.
        task: "regression" or "classification".
        l2: the penalty's factor, at least 0.
    """

    name: ClassVar[str]
    formula: ClassVar[str]
    latex: ClassVar[str]
    task: ClassVar[str]
    l2: eqx.AbstractVar[float]

    @abc.abstractmethod
    def examples(self, output: Num[Array, "n ..."], target: Num[Array, "n ..."]) -> Float[Array, " n"]:
        """The loss of each example."""

    def __call__(self, model: Any, batch: tuple[Any, Any]) -> Float[Array, ""]:
        """The loss of a model on a batch (x, y), the penalty included."""
        x, y = batch
        mean = jnp.mean(self.examples(outputs(model, x), y))
        return mean + self.l2 * squared_weights(model) if self.l2 else mean


@final
class SquaredError(AbstractLoss):
    """The mean squared error: mean (ŷ − y)².

    Args:
        l2: factor of the squared weights.

    Example:
        >>> import jax.numpy as jnp
        >>> SquaredError().examples(jnp.array([1.0, 4.0]), jnp.array([1.0, 2.0]))
        Array([0., 4.], dtype=float64)

    Reference: Legendre, Nouvelles méthodes pour la détermination des orbites des comètes, 1805.
    """

    name: ClassVar[str] = "mse"
    formula: ClassVar[str] = "mean (ŷ − y)²"
    latex: ClassVar[str] = r"\frac1n\sum_i(\hat y_i-y_i)^2"
    task: ClassVar[str] = "regression"
    l2: float = eqx.field(default=0.0, static=True, kw_only=True)

    def examples(self, output: Num[Array, "n ..."], target: Num[Array, "n ..."]) -> Float[Array, " n"]:
        """(ŷ − y)² of each example, the mean over the outputs when there are several."""
        return _over_outputs(jnp.square(_difference(output, target)))


@final
class AbsoluteError(AbstractLoss):
    """The mean absolute error: mean |ŷ − y|; outliers weigh less than under the squared error.

    Args:
        l2: factor of the squared weights.
    """

    name: ClassVar[str] = "mae"
    formula: ClassVar[str] = "mean |ŷ − y|"
    latex: ClassVar[str] = r"\frac1n\sum_i|\hat y_i-y_i|"
    task: ClassVar[str] = "regression"
    l2: float = eqx.field(default=0.0, static=True, kw_only=True)

    def examples(self, output: Num[Array, "n ..."], target: Num[Array, "n ..."]) -> Float[Array, " n"]:
        """|ŷ − y| of each example."""
        return _over_outputs(jnp.abs(_difference(output, target)))


@final
class Huber(AbstractLoss):
    """Squared for small errors, linear for large ones: mean h(ŷ − y), h(r) = r²/2 for |r| ≤ δ, else δ(|r| − δ/2).

    Args:
        delta: δ, in the unit of the target; above it an error counts linearly.
        l2: factor of the squared weights.

    Reference: Huber, Robust estimation of a location parameter, 1964.
    """

    name: ClassVar[str] = "huber"
    formula: ClassVar[str] = "mean h(ŷ − y), h(r) = r²/2 if |r| ≤ δ else δ(|r| − δ/2)"
    latex: ClassVar[str] = (
        r"\frac1n\sum_i h(\hat y_i-y_i),\quad h(r)=\begin{cases}r^2/2&|r|\le\delta\\\delta(|r|-\delta/2)\end{cases}"
    )
    task: ClassVar[str] = "regression"
    delta: float = eqx.field(default=1.0, static=True)
    l2: float = eqx.field(default=0.0, static=True, kw_only=True)

    def __check_init__(self) -> None:
        if not self.delta > 0:
            raise ValueError(f"delta= is positive; it was {self.delta}.")

    def examples(self, output: Num[Array, "n ..."], target: Num[Array, "n ..."]) -> Float[Array, " n"]:
        """h(ŷ − y) of each example."""
        size = jnp.abs(_difference(output, target))
        inner = jnp.minimum(
            size, self.delta
        )  # h(r) = inner (|r| − inner/2) in both cases: no branch, no kink in memory
        return _over_outputs(inner * (size - 0.5 * inner))


@final
class CrossEntropy(AbstractLoss):
    """The negative log-likelihood of the true class, from logits: mean −log p(y).

    A scalar output z is the logit of class 1: −log p = log(1 + e^z) − y z. A vector output holds one logit a class:
    −log p = log Σⱼ e^(zⱼ) − z_y.

    Args:
        l2: factor of the squared weights.

    Example:
        >>> import jax.numpy as jnp
        >>> CrossEntropy().examples(jnp.zeros(2), jnp.array([0, 1]))      # log 2 each
        Array([0.69314718, 0.69314718], dtype=float64)

    Reference: Good, Rational decisions, 1952.
    """

    name: ClassVar[str] = "cross_entropy"
    formula: ClassVar[str] = "mean −log p(y), p = softmax(logits), or sigmoid(logit) for two classes"
    latex: ClassVar[str] = r"-\frac1n\sum_i\log p_{i,y_i}"
    task: ClassVar[str] = "classification"
    l2: float = eqx.field(default=0.0, static=True, kw_only=True)

    def examples(self, output: Num[Array, "n ..."], target: Num[Array, "n ..."]) -> Float[Array, " n"]:
        """−log p(y) of each example."""
        if output.ndim == 2 and output.shape[1] > 1:
            picked = jnp.take_along_axis(output, target.astype(jnp.int32)[:, None], axis=1)[:, 0]
            return jax.nn.logsumexp(output, axis=1) - picked
        logit = output.reshape(output.shape[0])
        return jax.nn.softplus(logit) - target.astype(logit.dtype) * logit


@final
class BinaryCrossEntropy(AbstractLoss):
    """The cross-entropy of many yes-or-no outputs, from logits: mean Σⱼ log(1 + e^(zⱼ)) − yⱼ zⱼ.

    The outputs of an example are summed; a target may be any number from 0 to 1, such as the grey of a pixel.

    Args:
        l2: factor of the squared weights.

    Example:
        >>> import jax.numpy as jnp
        >>> BinaryCrossEntropy().examples(jnp.zeros((1, 2)), jnp.array([[0.0, 0.5]]))      # 2 log 2
        Array([1.38629436], dtype=float64)

    Reference: Hinton, Salakhutdinov, Reducing the dimensionality of data with neural networks, 2006.
    """

    name: ClassVar[str] = "binary_cross_entropy"
    formula: ClassVar[str] = "mean Σ log(1 + exp ŷ) − y ŷ, ŷ a logit, y from 0 to 1"
    latex: ClassVar[str] = r"\frac1n\sum_i\sum_j\log(1+e^{\hat y_{ij}})-y_{ij}\hat y_{ij}"
    task: ClassVar[str] = "regression"
    l2: float = eqx.field(default=0.0, static=True, kw_only=True)

    def examples(self, output: Num[Array, "n ..."], target: Num[Array, "n ..."]) -> Float[Array, " n"]:
        """Σ log(1 + e^z) − y z of each example."""
        z = output.reshape(target.shape)
        terms = jax.nn.softplus(z) - target * z
        return jnp.sum(terms, axis=tuple(range(1, terms.ndim)))


_ALL = (SquaredError, AbsoluteError, Huber, CrossEntropy, BinaryCrossEntropy)
LOSSES: dict[str, type[AbstractLoss]] = {cls.name: cls for cls in _ALL}


def as_loss(loss: Any) -> Any:
    """The loss that a name, a class, an instance or a callable loss(model, batch) stands for.

    Raises:
        ValueError: when no loss has this name.
        TypeError: when it is none of the four.
    """
    chosen: Any = loss
    if isinstance(loss, str):
        name = loss.strip().lower().replace("-", "_")
        if name not in LOSSES:
            raise ValueError(f"no loss is called {loss!r}; there are {', '.join(LOSSES)}.")
        chosen = LOSSES[name]
    if isinstance(chosen, type) and issubclass(chosen, AbstractLoss):
        make: Any = chosen
        return make()
    if callable(chosen):
        return chosen
    raise TypeError(
        f"loss= is a name ({', '.join(LOSSES)}), a loss such as cy.learn.Huber(0.5), or a function "
        f"loss(model, batch); it was a {type(loss).__name__}."
    )


def outputs(model: Any, x: Any) -> Any:
    """The model on every row of x: `jax.vmap` over the leading axis."""
    return jax.vmap(model)(x)


def squared_weights(model: Any) -> Any:
    """Σ w² over the parameters that are not a bias."""
    return sum(jnp.sum(jnp.square(w)) for w in penalized(model))


def penalized(model: Any) -> list[Any]:
    """The parameter arrays to which a penalty applies: all but those called bias."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(eqx.filter(model, eqx.is_inexact_array))
    return [leaf for path, leaf in leaves if "bias" not in jax.tree_util.keystr(path[-1:])]


def _difference(output: Any, target: Any) -> Any:
    """ŷ − y, an output of shape (n, 1) meeting a target of shape (n,)."""
    if output.ndim == target.ndim + 1 and output.shape[-1] == 1:
        output = output[..., 0]
    return output - target


def _over_outputs(errors: Any) -> Any:
    return errors if errors.ndim == 1 else jnp.mean(errors, axis=tuple(range(1, errors.ndim)))
