"""Models of Keras 3 on its JAX backend, through `stateless_call`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
import keras  # pyright: ignore[reportMissingImports]

from cycloid.adapters.jax_models import JaxMachine
from cycloid.adapters.marks import mark
from cycloid.adapters.models import Adapted, Layer, Mode, Named


def entered(framework: str, model: Any, parameters: Any, state: Any, batched: bool) -> Adapted:
    """The model through the door."""
    if keras.backend.backend() != "jax":
        raise ValueError(
            f"adapt: Keras runs on {keras.backend.backend()} here; a Keras model is differentiated on its JAX backend: "
            'set os.environ["KERAS_BACKEND"] = "jax" before Keras is imported, and load the model there.'
        )
    if parameters is not None or state is not None:
        raise TypeError("adapt: a Keras model holds its own variables: pass the model alone.")
    if not model.built:
        raise ValueError("adapt: the model has no weights yet: call it on a batch, or model.build(shape), first.")
    names, kept = _names(model.trainable_variables), _names(model.non_trainable_variables)

    def call(given: Named, state: Named, inputs: Any, mode: Mode, key: Any, watched: bool) -> tuple[Any, Named]:
        state = state if key is None else _seeded(state, key)
        with _marked(model, watched):
            outputs, after = model.stateless_call(
                [given[name] for name in names], [state[name] for name in kept], _single(inputs),
                training=mode == "train",
            )  # fmt: skip
        return outputs, dict(zip(kept, after, strict=True))

    build = lambda given, state: _rebuilt(model, [given[name] for name in names], [state[name] for name in kept])
    return Adapted(
        framework, type(model).__name__, _values(names, model.trainable_variables),
        _values(kept, model.non_trainable_variables), _layers(model, names, kept), "eval",
        JaxMachine(call, build),
    )  # fmt: skip


def _single(inputs: Any) -> Any:
    """Keras takes several inputs as a list."""
    return list(inputs) if isinstance(inputs, tuple) else dict(inputs) if isinstance(inputs, Mapping) else inputs


def _names(variables: Any) -> list[str]:
    """Their paths; of several at one path the later ones are numbered."""
    found: list[str] = []
    for variable in variables:
        again = sum(name == variable.path or name.startswith(f"{variable.path}:") for name in found)
        found.append(f"{variable.path}:{again}" if again else variable.path)
    return found


def _values(names: list[str], variables: Any) -> Named:
    return {name: jnp.asarray(variable.value) for name, variable in zip(names, variables, strict=True)}


def _seeded(state: Named, key: Any) -> Named:
    """The states of its generators of chance from a key."""
    places = [name for name in state if name.endswith("seed_generator_state")]
    drawn = jax.random.bits(key, (max(len(places), 1), 2), jnp.uint32)
    return {**state, **{name: drawn[at].astype(state[name].dtype) for at, name in enumerate(places)}}


def _parts(model: Any) -> list[Any]:
    """The layers without layers inside."""
    every = list(model._flatten_layers(include_self=True, recursive=True))
    return [part for part in every if not list(part._flatten_layers(include_self=False, recursive=True))]


def _layers(model: Any, names: list[str], kept: list[str]) -> tuple[Layer, ...]:
    home = {id(v): n for n, v in zip(names, model.trainable_variables, strict=True)}
    held = {id(v): n for n, v in zip(kept, model.non_trainable_variables, strict=True)}
    return tuple(
        Layer(
            part.path or part.name, type(part).__name__,
            tuple(home[id(v)] for v in part.trainable_variables if id(v) in home),
            tuple(held[id(v)] for v in part.non_trainable_variables if id(v) in held),
        )
        for part in _parts(model)
    )  # fmt: skip


@contextmanager
def _marked(model: Any, wanted: bool) -> Iterator[None]:
    """What the layers return is marked, while the model is traced."""
    parts = _parts(model) if wanted else []
    for part in parts:
        object.__setattr__(part, "call", _marking(part.call, part.path or part.name))
    try:
        yield
    finally:
        for part in parts:
            object.__delattr__(part, "call")


def _marking(call: Callable[..., Any], name: str) -> Callable[..., Any]:
    def marking(*args: Any, **kwargs: Any) -> Any:
        return mark(call(*args, **kwargs), name)

    return marking


def _rebuilt(model: Any, weights: list[Any], still: list[Any]) -> Any:
    copy = keras.models.clone_model(model)
    copy.build(model.input_shape)
    for variable, value in zip(copy.trainable_variables, weights, strict=True):
        variable.assign(value)
    for variable, value in zip(copy.non_trainable_variables, still, strict=True):
        variable.assign(value)
    return copy
