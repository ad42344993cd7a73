"""Networks for one example at a time: an affine map, and layers of them with an activation between."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Sequence
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, PRNGKeyArray

# name -> (function, gain): a weight drawn with variance gain / inputs keeps the size of the signal through a layer.
ACTIVATIONS: dict[str, tuple[Callable[[Array], Array], float]] = {
    "relu": (jax.nn.relu, 2.0),
    "gelu": (jax.nn.gelu, 2.0),
    "silu": (jax.nn.silu, 2.0),
    "softplus": (jax.nn.softplus, 2.0),
    "tanh": (jnp.tanh, 1.0),
    "sigmoid": (jax.nn.sigmoid, 1.0),
    "sin": (jnp.sin, 1.0),
    "identity": (lambda z: z, 1.0),
}


@final
class Affine(eqx.Module):
    """x ↦ x W + b, with W the weight and b the bias.

    Args:
        weight: W, shape (inputs, outputs), or (inputs,) for a scalar output.
        bias: b, shape (outputs,) or (), or None for a map through the origin.

    Example:
        >>> import jax.numpy as jnp
        >>> Affine(jnp.array([2.0, 1.0]), jnp.array(0.5))(jnp.array([1.0, 3.0]))
        Array(5.5, dtype=float64)
    """

    weight: Float[Array, "inputs ..."]
    bias: Float[Array, "..."] | None

    def __call__(self, x: Float[ArrayLike, " inputs"]) -> Float[Array, "..."]:
        y = jnp.dot(x, self.weight)
        return y if self.bias is None else y + self.bias


@final
class MLP(eqx.Module):
    """Affine layers with an activation after each but the last: the multilayer perceptron.

    Args:
        layers: the affine maps, first to last.
        activation: a name in `ACTIVATIONS`, kept as text so that a saved model can be read back.
        remat: recompute each layer in the backward pass instead of keeping its output: less memory, more time.

    Reference: Rumelhart, Hinton, Williams, Learning representations by back-propagating errors, 1986.
    """

    layers: tuple[Affine, ...]
    activation: str = eqx.field(static=True, default="relu")
    remat: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        check_activation(self.activation)

    def __call__(self, x: Float[ArrayLike, " inputs"]) -> Float[Array, "..."]:
        function = ACTIVATIONS[self.activation][0]

        def hidden(layer: Affine, x: Any) -> Any:
            return function(layer(x))

        forward = jax.checkpoint(hidden) if self.remat else hidden
        for layer in self.layers[:-1]:
            x = forward(layer, x)
        return self.layers[-1](x)


@final
class Applied(eqx.Module):
    """A pure function and its parameters as a model: x ↦ apply(params, x).

    Args:
        apply: (params, one example) -> output.
        params: any pytree; its inexact arrays are what training changes.
    """

    params: Any
    apply: Callable[[Any, Any], Any] = eqx.field(static=True)

    def __call__(self, x: Any) -> Any:
        return self.apply(self.params, x)


def affine(inputs: int, outputs: int | None = None, *, bias: bool = True, dtype: Any = None) -> Affine:
    """An affine map that starts from zero: fair for a model without hidden layers, whose loss is convex.

    Args:
        inputs: length of x.
        outputs: length of the output; None for a scalar.
        bias: whether there is one.
        dtype: of the parameters; the default float when None.
    """
    dtype = jnp.result_type(float) if dtype is None else dtype
    tail = () if outputs is None else (outputs,)
    return Affine(jnp.zeros((inputs, *tail), dtype), jnp.zeros(tail, dtype) if bias else None)


def perceptron(
    inputs: int,
    outputs: int | None,
    hidden: Sequence[int],
    *,
    key: PRNGKeyArray,
    activation: str = "relu",
    dtype: Any = None,
) -> MLP:
    """A multilayer perceptron with weights from N(0, gain / inputs of the layer) and biases zero.

    The gain is 2 before a rectifier (He) and 1 before a sigmoid-like activation and at the output (LeCun), which
    keeps the size of the signal from layer to layer.

    Args:
        inputs: length of x.
        outputs: length of the output; None for a scalar.
        hidden: widths of the hidden layers.
        key: for the weights.
        activation: a name in `ACTIVATIONS`.
        dtype: of the parameters; the default float when None.

    Example:
        >>> import jax
        >>> net = perceptron(3, None, (8,), key=jax.random.key(0))
        >>> layer_names(net)
        ['layer 1 weight', 'layer 1 bias', 'layer 2 weight', 'layer 2 bias']

    Reference: He, Zhang, Ren, Sun, Delving deep into rectifiers, 2015.
    """
    check_activation(activation)
    gain = ACTIVATIONS[activation][1]
    dtype = jnp.result_type(float) if dtype is None else dtype
    widths = [inputs, *hidden]
    shapes = [*itertools.pairwise(widths), (widths[-1],) if outputs is None else (widths[-1], outputs)]
    scales = [math.sqrt((gain if i < len(hidden) else 1.0) / max(shape[0], 1)) for i, shape in enumerate(shapes)]
    # One draw for all layers, cut on the host: one program to compile instead of one a shape.
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    drawn = np.split(np.asarray(jax.random.normal(key, (int(ends[-1]),), dtype)), ends[:-1])
    weights = [jnp.asarray((s * w).astype(dtype).reshape(shape)) for s, w, shape in zip(scales, drawn, shapes)]
    biases = [jnp.asarray(np.zeros(shape[1:], dtype)) for shape in shapes]
    return MLP(tuple(Affine(w, b) for w, b in zip(weights, biases, strict=True)), activation)


def check_activation(name: str) -> None:
    """ValueError when no activation has this name."""
    if name not in ACTIVATIONS:
        raise ValueError(f"no activation is called {name!r}; there are {', '.join(ACTIVATIONS)}.")


def layer_names(model: Any) -> list[str]:
    """A readable name for each parameter array of a model, in the order of its leaves."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(eqx.filter(model, eqx.is_inexact_array))
    return [_readable(jax.tree_util.keystr(path)) for path, _ in leaves]


def _readable(path: str) -> str:
    """`.layers[0].weight` as "layer 1 weight", `['w']` as "w"."""
    text = re.sub(r"\blayers\[(\d+)\]", lambda m: f"layer {int(m[1]) + 1}", path)
    text = re.sub(r"\['?([^'\]]*)'?\]", r" \1", text)
    return " ".join(text.replace(".", " ").split()) or "parameters"


def parameter_count(model: Any) -> int:
    """How many numbers training may change."""
    return sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(model, eqx.is_inexact_array)))
