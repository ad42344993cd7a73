"""Which framework a model is of, read from its class: no framework is imported to find out."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

from cycloid.adapters.models import Adapted

# Where the class at the root of a framework's models is defined -> (framework, module of ours).
_ROOTS = (
    ("torch.nn.modules.module", "Module", "torch", "cycloid.adapters.torch_models"),
    ("keras.", "Layer", "keras", "cycloid.adapters.keras_models"),
    ("flax.nnx.", "Module", "flax.nnx", "cycloid.adapters.flax_models"),
    ("flax.linen.", "Module", "flax.linen", "cycloid.adapters.flax_models"),
    ("equinox.", "Module", "equinox", "cycloid.adapters.jax_models"),
)


def adapt(model: Any, parameters: Any = None, *, state: Any = None, batched: bool = False) -> Adapted:
    """A model of any framework as parameters by name and a pure function of them.

    Everything of Cycloid that differentiates a function then works on the model: products with its Hessian, spectra,
    loss landscapes, gradient checks.

    Args:
        model: a PyTorch `nn.Module`, a Keras 3 model on the JAX backend, a module of flax.nnx, flax.linen or equinox, a
            pair of functions that haiku transformed, or a function (parameters, inputs) -> outputs.
        parameters: where the model does not hold them (flax.linen, haiku, a function): any pytree. For flax.linen what
            `init` returned, other collections included.
        state: where the model does not hold it: the State of equinox, the state of haiku.
        batched: an equinox model is called with a whole batch; by default it takes one example, as equinox's layers do.

    Returns:
        An `Adapted`: parameters, state, layers, mode, and the functions `apply`, `step`, `outputs`, `objective`.

    Raises:
        TypeError: for something that is no model, or whose parameters are missing.
        ValueError: for numbers that JAX would cut short (float64 without `cy.enable_x64()`), for Keras on another
            backend, for a module that is not built yet.

    Example:
        >>> import jax.numpy as jnp
        >>> from cycloid.adapters import adapt
        >>> model = adapt(lambda w, x: x @ w["a"], {"a": jnp.ones((2, 1))})
        >>> model.apply(model.parameters, jnp.ones((3, 2))).ravel().tolist()
        [2.0, 2.0, 2.0]
    """
    make_room()
    if isinstance(model, Adapted):
        return model
    framework, home = _framework(model)
    entered = importlib.import_module(home).entered
    return entered(framework, model, parameters, state, batched)


def framework_of(model: Any) -> str | None:
    """The framework whose class a model is; None for anything else."""
    ancestors = type(model).__mro__
    for where, name, framework, _ in _ROOTS:
        if any(each.__module__.startswith(where) and each.__name__ == name for each in ancestors):
            return framework
    return "haiku" if {"init", "apply"} == set(getattr(model, "_fields", ())) else None


def _framework(model: Any) -> tuple[str, str]:
    framework = framework_of(model)
    for _, _, name, home in _ROOTS:
        if name == framework:
            return name, home
    if framework == "haiku" or callable(model):
        return framework or "jax", "cycloid.adapters.jax_models"
    raise TypeError(
        "adapt takes a model of PyTorch, Keras, flax, equinox or haiku, or a function (parameters, inputs) -> outputs; "
        f"it was a {type(model).__module__}.{type(model).__qualname__}."
    )


def as_arrays(batch: Any) -> Any:
    """A batch of PyTorch's tensors, or of anything that JAX takes, as arrays of JAX; in place where memory allows."""
    import jax
    import jax.numpy as jnp

    def array(leaf: Any) -> Any:
        if type(leaf).__module__.partition(".")[0] == "torch":
            return importlib.import_module("cycloid.adapters.torch_tensors").array(leaf)
        return jnp.asarray(leaf)

    return jax.tree.map(array, batch)


def make_room() -> None:
    """On a GPU that PyTorch is using, JAX takes memory as it needs it, not three quarters of it at its first use.

    It holds where JAX has not touched the device yet, and where the user has not said otherwise.
    """
    if "torch" in sys.modules:
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
