"""A loss as methods of curvature see it: the outputs of a model on data, and a loss of these outputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import PRNGKeyArray

from cycloid.differentiate.products import ggnvp, hvp
from cycloid.optimize.methods import AbstractMethod, Objective, split


class AbstractCurvatureMethod(AbstractMethod):
    """A method that sees the whole objective of a batch, not its gradient alone: what a training loop hands over.

    On a `ModelObjective` its curvature is the Gauss-Newton matrix G = Jᵀ H J.
    """


@final
class ModelObjective(Objective):
    """The mean over examples of loss(outputs(params, x), y), and a penalty.

    Args:
        value: params -> the number to make small; made by `model_objective`.
        outputs: (params, x) -> z, examples on the first axis.
        examples: (z, y) -> the loss of each example.
        slopes: (z, y, key) -> random numbers like z, independent from example to example, with mean 0 and the Hessian
            of the example's loss as covariance: the gradients on targets sampled from the model. None: unknown.
        penalty: params -> a number added to the loss; None without one.
        x: inputs, examples on the first axis.
        y: targets likewise.
    """

    outputs: Callable[[Any, Any], Any]
    examples: Callable[[Any, Any], Any]
    slopes: Callable[[Any, Any, PRNGKeyArray], Any] | None
    penalty: Callable[[Any], Any] | None
    x: Any
    y: Any

    @property
    def count(self) -> int:
        """How many examples there are."""
        return jax.tree.leaves(self.x)[0].shape[0]

    def some(self, rows: int | None, key: PRNGKeyArray) -> ModelObjective:
        """The same on `rows` examples drawn without replacement; all of them for None or at least their number."""
        if rows is None or rows >= self.count:
            return self
        index = jax.random.choice(key, self.count, (rows,), replace=False)
        x, y = jax.tree.map(lambda leaf: leaf[index], (self.x, self.y))
        return model_objective(self.outputs, self.examples, x, y, slopes=self.slopes, penalty=self.penalty)


def model_objective(
    outputs: Callable[[Any, Any], Any],
    examples: Callable[[Any, Any], Any],
    x: Any,
    y: Any,
    *,
    slopes: Callable[[Any, Any, PRNGKeyArray], Any] | None = None,
    penalty: Callable[[Any], Any] | None = None,
) -> ModelObjective:
    """The objective mean examples(outputs(params, x), y) + penalty(params), with its parts kept apart.

    Args:
        outputs: (params, x) -> z.
        examples: (z, y) -> the loss of each example, shape (n,).
        x: inputs, shape (n, ...).
        y: targets, shape (n, ...).
        slopes: see `ModelObjective`; needed by Kronecker factors.
        penalty: a number added to the loss.

    Example:
        >>> import jax.numpy as jnp
        >>> X, y = jnp.array([[1.0], [2.0]]), jnp.array([1.0, 1.0])
        >>> objective = model_objective(lambda w, x: x @ w, lambda z, y: (z - y) ** 2, X, y)
        >>> objective.value(jnp.array([1.0])).tolist()
        0.5
    """

    def value(params: Any) -> Any:
        mean = jnp.mean(examples(outputs(params, x), y))
        return mean if penalty is None else mean + penalty(params)

    return ModelObjective(value, outputs, examples, slopes, penalty, x, y)


class Flat:
    """An objective as a function of one vector.

    Args:
        objective: f.
        params: a point; its inexact arrays become the vector, the rest stays.
    """

    def __init__(self, objective: Objective, params: Any):
        parameters, self.rest = split(params)
        self.objective = objective
        self.x, self.unravel = ravel_pytree(parameters)

    def ravel(self, tree: Any) -> Any:
        """A pytree like the parameters as a vector."""
        return ravel_pytree(tree)[0]

    def params(self, flat: Any) -> Any:
        """The vector as parameters, with what is no parameter put back."""
        return eqx.combine(self.unravel(flat), self.rest)

    def value(self, flat: Any) -> Any:
        """f."""
        return self.objective.value(self.params(flat))

    def curvature(self) -> Callable[[Any], Any]:
        """v ↦ B v at the point, linearised once: Gauss-Newton for a model, else the Hessian."""
        objective = self.objective
        if not isinstance(objective, ModelObjective):
            return hvp(self.value)(self.x)
        loss = lambda z: jnp.mean(objective.examples(z, objective.y))
        product = ggnvp(loss, lambda flat: objective.outputs(self.params(flat), objective.x))(self.x)
        if objective.penalty is None:
            return product
        penalty = objective.penalty
        ridge = hvp(lambda flat: penalty(self.params(flat)))(self.x)
        return lambda v: product(v) + ridge(v)


def require_model(objective: Objective, method: AbstractMethod) -> ModelObjective:
    """The objective, when it is a model's.

    Raises:
        TypeError: when it is a plain function, which has no outputs to take a Fisher matrix of.
    """
    if isinstance(objective, ModelObjective):
        return objective
    raise TypeError(
        f"{method.name} needs a model: the Fisher matrix is that of its outputs, and a plain function has none. Train "
        f"with cy.train.fit(model, data, method={type(method).__name__}()) and a loss by name, or take HessianFree() "
        f"or TrustRegion(), which use the Hessian of any function."
    )
