"""The models by name: blueprints that are built when the data, and with it the number of inputs, are known."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
from jaxtyping import PRNGKeyArray

from cycloid.learn.factors import factors
from cycloid.learn.networks import MLP, Applied, affine, check_activation, perceptron

# task -> the name of the simplest model for it
SIMPLEST = {"regression": "linear", "binary": "logistic", "multiclass": "softmax"}


class Blueprint(NamedTuple):
    """A model not yet built: `fit` builds it for the data at hand.

    Attributes:
        name: in `MODELS`.
        tasks: what it can be trained for.
        formula: the output ŷ (or logits z) of one example x.
        options: as given.
        make: (inputs, outputs or None for a scalar, key, dtype) -> the model.
    """

    name: str
    tasks: tuple[str, ...]
    formula: str
    options: dict[str, Any]
    make: Callable[[int, int | None, PRNGKeyArray, Any], Any]

    def build(self, inputs: int, outputs: int | None, *, key: PRNGKeyArray, dtype: Any = None) -> Any:
        """The model with its starting weights.

        Args:
            inputs: length of one example.
            outputs: length of the output; None for a scalar.
            key: for the weights.
            dtype: of the parameters; the default float when None.
        """
        return self.make(inputs, outputs, key, dtype)


def linear(*, bias: bool = True) -> Blueprint:
    """Linear regression: ŷ = x·w + b, started from zero.

    Args:
        bias: whether there is a b.

    Reference: Legendre, Nouvelles méthodes pour la détermination des orbites des comètes, 1805.
    """
    make = lambda inputs, outputs, key, dtype: affine(inputs, outputs, bias=bias, dtype=dtype)
    return Blueprint("linear", ("regression",), "ŷ = x·w + b", {"bias": bias}, make)


def logistic(*, bias: bool = True) -> Blueprint:
    """Logistic regression for two classes: p = 1 / (1 + e^(−z)), z = x·w + b, started from zero.

    Args:
        bias: whether there is a b.

    Reference: Cox, The regression analysis of binary sequences, 1958.
    """
    make = lambda inputs, outputs, key, dtype: affine(inputs, outputs, bias=bias, dtype=dtype)
    return Blueprint("logistic", ("binary",), "z = x·w + b, p = 1/(1 + e^(−z))", {"bias": bias}, make)


def softmax(*, bias: bool = True) -> Blueprint:
    """Softmax regression for several classes: pⱼ = e^(zⱼ) / Σ e^(zₖ), z = x W + b, started from zero.

    Args:
        bias: whether there is a b.

    Reference: Cox, Some procedures connected with the logistic qualitative response curve, 1966.
    """
    make = lambda inputs, outputs, key, dtype: affine(inputs, 2 if outputs is None else outputs, bias=bias, dtype=dtype)
    return Blueprint("softmax", ("binary", "multiclass"), "z = x W + b, p = softmax(z)", {"bias": bias}, make)


def mlp(hidden: Sequence[int] = (64, 64), activation: str = "relu") -> Blueprint:
    """A multilayer perceptron: affine layers with an activation after each but the last.

    Args:
        hidden: widths of the hidden layers, at least one.
        activation: a name in `cy.learn.ACTIVATIONS`.

    Raises:
        ValueError: when a width is no positive integer or the activation is unknown.

    Example:
        >>> import jax
        >>> model = mlp(hidden=(8,)).build(4, None, key=jax.random.key(0))
        >>> [layer.weight.shape for layer in model.layers]
        [(4, 8), (8,)]
    """
    widths = tuple(hidden) if isinstance(hidden, Sequence) else (hidden,)
    if not widths or any(not isinstance(w, int) or isinstance(w, bool) or w < 1 for w in widths):
        raise ValueError(f"hidden= lists the widths of the hidden layers, such as (64, 64); it was {hidden!r}.")
    check_activation(activation)
    make = lambda inputs, outputs, key, dtype: perceptron(
        inputs, outputs, widths, key=key, activation=activation, dtype=dtype
    )
    tasks = ("regression", "binary", "multiclass")
    formula = f"h ← {activation}(h W + b) for each of {len(widths)} hidden layers, then h W + b"
    return Blueprint("mlp", tasks, formula, {"hidden": widths, "activation": activation}, make)


def factorization(users: int, items: int, rank: int = 8, *, mean: float = 0.0, spread: float = 0.1) -> Blueprint:
    """Matrix factorization: ŷ = b + b_u + c_i + p_u · q_i for x = (u, i), the numbers of a user and an item from 0 on.

    Args:
        users: how many.
        items: how many.
        rank: length of p_u and q_i; 0 leaves the offsets b_u and c_i alone, the baseline to beat.
        mean: where b begins: the mean of the training ratings saves the first steps.
        spread: standard deviation of p and q at the start.

    Raises:
        ValueError: when a number is not a whole one, or too small.

    Example:
        >>> import jax
        >>> model = factorization(5, 4, rank=2).build(2, None, key=jax.random.key(0))
        >>> model.users.shape, model.items.shape
        ((5, 2), (4, 2))

    Reference: Koren, Bell, Volinsky, Matrix factorization techniques for recommender systems, 2009.
    """
    for name, number, least in (("users", users, 1), ("items", items, 1), ("rank", rank, 0)):
        if isinstance(number, bool) or not isinstance(number, int) or number < least:
            raise ValueError(f"{name}= is a whole number, at least {least}; it was {number!r}.")

    def make(inputs: int, outputs: int | None, key: PRNGKeyArray, dtype: Any) -> Any:
        if inputs != 2 or outputs is not None:
            raise ValueError("factorization takes pairs (user, item), shape (n, 2), and ratings of shape (n,).")
        return factors(users, items, rank, key=key, mean=mean, spread=spread, dtype=dtype)

    options = {"users": users, "items": items, "rank": rank, "mean": mean, "spread": spread}
    return Blueprint("factorization", ("regression",), "ŷ = b + b_u + c_i + p_u · q_i", options, make)


MODELS: dict[str, Callable[..., Blueprint]] = {"linear": linear, "logistic": logistic, "softmax": softmax, "mlp": mlp}


def as_model(model: Any, *, task: str, inputs: int | None, outputs: int | None, key: PRNGKeyArray, dtype: Any) -> Any:
    """The model that a name, a blueprint, a module or a pair (apply, params) stands for.

    Args:
        model: what the user gave.
        task: "regression", "binary", "multiclass" or "other".
        inputs: length of one example; None when an example is no vector.
        outputs: length of the output, None for a scalar.
        key: for starting weights.
        dtype: of the parameters of a built model.

    Raises:
        ValueError: when the name is unknown or the model does not fit the task.
        TypeError: when it is none of the four.
    """
    if isinstance(model, str):
        model = _named(model)
    if isinstance(model, Blueprint):
        if task in SIMPLEST and task not in model.tasks:
            raise ValueError(
                f"the model {model.name} is for {' or '.join(model.tasks)}, the target calls for {task}: "
                f'use "{SIMPLEST[task]}" or "mlp".'
            )
        if inputs is None:
            raise ValueError(f"the model {model.name} takes examples that are vectors: reshape x to (n, d).")
        return model.build(inputs, outputs, key=key, dtype=dtype)
    if isinstance(model, tuple) and len(model) == 2 and callable(model[0]):
        return Applied(model[1], model[0])
    if isinstance(model, eqx.Module) and callable(model):
        return model
    raise TypeError(
        f"model is a name ({', '.join(MODELS)}), a blueprint such as cy.train.mlp(hidden=(64,)), an equinox module "
        f"called on one example, or a pair (apply, params); it was a {type(model).__name__}."
    )


def with_remat(model: Any) -> Any:
    """The model with its layers recomputed in the backward pass.

    Raises:
        ValueError: when it is no MLP of this package.
    """
    if not isinstance(model, MLP):
        raise ValueError(
            f"remat=True recomputes the layers of an MLP; for a {type(model).__name__} wrap its layers in "
            f"jax.checkpoint inside the model."
        )
    return MLP(model.layers, model.activation, remat=True)


def check_outputs(model: Any, x: Any, y: Any, task: str) -> None:
    """Try the model on shapes alone, before anything is compiled.

    Raises:
        ValueError: when the model does not take an example, or its output does not fit the target.
    """
    example = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape[1:], a.dtype), x)
    try:
        output = eqx.filter_eval_shape(model, example)
    except (TypeError, ValueError) as error:
        shown = jax.tree.map(lambda a: a.shape, example)
        raise ValueError(f"the model does not take one example of shape {shown}: {error}") from error
    shape, wanted = output.shape, y.shape[1:]
    if task == "regression" and shape != wanted and shape != (*wanted, 1):
        raise ValueError(f"the model's output has shape {shape}, one target has shape {wanted}: they must agree.")
    if task in ("binary", "multiclass") and len(shape) > 1:
        raise ValueError(f"for classes the model gives a logit or a vector of logits; its output has shape {shape}.")


def _named(name: str) -> Blueprint:
    known = name.strip().lower()
    if known in MODELS:
        return MODELS[known]()
    near = difflib.get_close_matches(known, MODELS, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"no model is called {name!r}.{hint} The models are {', '.join(MODELS)}.")
