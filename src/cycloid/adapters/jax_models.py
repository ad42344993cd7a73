"""Models that are JAX already: modules of equinox, functions that haiku transformed, and plain functions."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from cycloid.adapters.marks import collected, mark
from cycloid.adapters.models import Adapted, Layer, Mode, Named, Ran
from cycloid.adapters.recognition import as_arrays


def entered(framework: str, model: Any, parameters: Any, state: Any, batched: bool) -> Adapted:
    """The model through the door."""
    if framework == "equinox":
        return _equinox(model, state, batched)
    if parameters is None:
        raise TypeError(
            f"adapt: {'haiku keeps' if framework == 'haiku' else 'a function has'} its parameters apart: "
            f"adapt(model, parameters)."
        )
    return _haiku(model, parameters, state) if framework == "haiku" else _function(model, parameters, state)


# --- numbers by name ------------------------------------------------------------------------------------------------


@final
class Names(NamedTuple):
    """A pytree of arrays as a dict by name, and back.

    Args:
        names: of its leaves, in order.
        structure: of the pytree.
    """

    names: tuple[str, ...]
    structure: Any

    def tree(self, named: Named) -> Any:
        return jax.tree.unflatten(self.structure, [named[name] for name in self.names])

    def named(self, tree: Any) -> Named:
        return dict(zip(self.names, jax.tree.leaves(tree), strict=True))


def named(tree: Any) -> tuple[Names, Named]:
    """How the leaves of a tree are named, and they by name: keys and places along the path, with dots."""
    paths, structure = jax.tree_util.tree_flatten_with_path(tree)
    names = tuple(jax.tree_util.keystr(path, simple=True, separator=".") or "parameters" for path, _ in paths)
    if len(set(names)) < len(names):  # keys that hold dots themselves
        names = tuple(jax.tree_util.keystr(path) for path, _ in paths)
    return Names(names, structure), {name: jnp.asarray(leaf) for name, (_, leaf) in zip(names, paths, strict=True)}


def is_array(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array | np.ndarray)


@final
@dataclass(frozen=True, eq=False)
class JaxMachine:
    """A model of JAX.

    Args:
        call: (parameters, state, inputs, mode, key, watched) -> (outputs, state), marking layers where watched.
        build: (parameters, state) -> a model.
    """

    call: Callable[..., tuple[Any, Named]]
    build: Callable[[Named, Named], Any]

    def run(self, parameters: Named, state: Named, inputs: Any, mode: Mode, key: Any, watched: bool) -> Ran:
        inputs = as_arrays(inputs)
        if not watched:
            return Ran(*self.call(parameters, state, inputs, mode, key, False), {})
        (outputs, after), layers = self._watched(parameters, state, inputs, key, mode)
        return Ran(outputs, after, dict(layers))

    @functools.cached_property
    def _watched(self) -> Callable[..., Any]:
        def watched(parameters: Named, state: Named, inputs: Any, key: Any, mode: Mode) -> Any:
            function = lambda *args: self.call(*args[:3], mode, args[3], True)
            return collected(function, parameters, state, inputs, key)

        return jax.jit(watched, static_argnames="mode")

    def objective(self, loss: Callable[..., Any], mode: Mode) -> Callable[..., Any]:
        def objective(parameters: Named, batch: tuple[Any, Any], state: Named, key: Any) -> Any:
            inputs, targets = batch
            return loss(self.run(parameters, state, inputs, mode, key, False).outputs, as_arrays(targets))

        return objective

    def rebuilt(self, parameters: Named, state: Named) -> Any:
        return self.build(parameters, state)


# --- functions ------------------------------------------------------------------------------------------------------


def _function(model: Callable[..., Any], parameters: Any, state: Any) -> Adapted:
    if state is not None:
        raise TypeError("adapt: a plain function has no state: bind it, functools.partial(function, state=…).")
    names, values = named(parameters)

    def call(given: Named, state: Named, inputs: Any, mode: Mode, key: Any, watched: bool) -> tuple[Any, Named]:
        return model(names.tree(given), inputs), state

    title = getattr(model, "__name__", type(model).__name__)
    machine = JaxMachine(call, lambda given, state: names.tree(given))
    return Adapted("jax", title, values, {}, grouped(values), "eval", machine)


def _haiku(model: Any, parameters: Any, state: Any) -> Adapted:
    """The pair (init, apply): apply(params, key, inputs), or apply(params, state, key, inputs) where it has state."""
    names, values = named(parameters)
    keeps = len([p for p in inspect.signature(model.apply).parameters.values() if p.kind is not p.VAR_KEYWORD]) > 3
    if keeps and state is None:
        raise TypeError("adapt: this haiku model has state: adapt(model, parameters, state=state).")
    held, kept = named({} if state is None else state)

    def call(given: Named, state: Named, inputs: Any, mode: Mode, key: Any, watched: bool) -> tuple[Any, Named]:
        rows = inputs if isinstance(inputs, tuple) else (inputs,)
        if not keeps:
            return model.apply(names.tree(given), key, *rows), state
        outputs, after = model.apply(names.tree(given), held.tree(state), key, *rows)
        return outputs, held.named(after)

    machine = JaxMachine(call, lambda given, state: (names.tree(given), held.tree(state)))
    return Adapted("haiku", "Transformed", values, kept, grouped(values), "eval", machine)


def grouped(values: Named) -> tuple[Layer, ...]:
    """Layers guessed from names: parameters that share all but the last part of theirs."""
    groups: dict[str, list[str]] = {}
    for name in values:
        groups.setdefault(name.rpartition(".")[0], []).append(name)
    return tuple(Layer(group, "", tuple(members)) for group, members in groups.items())


# --- equinox --------------------------------------------------------------------------------------------------------


def _equinox(model: eqx.Module, state: Any, batched: bool) -> Adapted:
    chosen, rest = eqx.partition(model, eqx.is_inexact_array)
    names, values = named(chosen)
    held, kept = _kept(state)
    parts = _parts(model)
    layers = tuple(
        Layer(name, type(part).__name__, tuple(each for each in values if each.rpartition(".")[0] == name))
        for name, part in parts
    )
    takes_key = "key" in inspect.signature(type(model).__call__).parameters
    takes_state = state is not None

    def call(given: Named, state: Named, inputs: Any, mode: Mode, key: Any, watched: bool) -> tuple[Any, Named]:
        whole: Any = eqx.combine(names.tree(given), rest)
        whole = eqx.nn.inference_mode(whole, mode == "eval")
        whole = _marked(whole, parts) if watched else whole
        rows = inputs if isinstance(inputs, tuple) else (inputs,)
        key = jax.random.key(0) if key is None else key
        before = (held(state),) if takes_state else ()
        if batched:
            made = whole(*rows, *before, **({"key": key} if takes_key else {}))
        else:
            keys = jax.random.split(key, jnp.shape(jax.tree.leaves(rows)[0])[0])
            each = lambda row, key: whole(*row, *before, **({"key": key} if takes_key else {}))
            made = jax.vmap(each, axis_name="batch", out_axes=(0, None) if takes_state else 0)(rows, keys)
        return (made[0], _kept(made[1])[1]) if takes_state else (made, state)

    def build(given: Named, state: Named) -> Any:
        whole = eqx.combine(names.tree(given), rest)
        return (whole, held(state)) if takes_state else whole

    mode = _equinox_mode(model)
    return Adapted("equinox", type(model).__name__, values, kept, layers, mode, JaxMachine(call, build))


def _kept(state: Any) -> tuple[Callable[[Named], Any], Named]:
    """The State of equinox as named arrays, and back."""
    leaves, structure = jax.tree.flatten(state)
    values = {f"state.{place}": leaf for place, leaf in enumerate(leaves)}
    return lambda named: jax.tree.unflatten(structure, list(named.values())), values


def _equinox_mode(model: eqx.Module) -> Mode:
    """The mode its layers are in; equinox makes them in training mode."""
    flags = [flag for _, part in _walk(model, "") if isinstance(flag := getattr(part, "inference", None), bool)]
    return "eval" if not flags or all(flags) else "train"


def _walk(part: Any, name: str) -> list[tuple[str, eqx.Module]]:
    """Every module inside a module, with its path."""
    below = lambda key: f"{name}.{key}" if name else str(key)
    found: list[tuple[str, eqx.Module]] = []
    if isinstance(part, eqx.Module) and not isinstance(part, eqx.nn.StateIndex):
        found.append((name, part))
        for key, value in vars(part).items():
            found += _walk(value, below(key))
    elif isinstance(part, dict):
        for key, value in part.items():
            found += _walk(value, below(key))
    elif isinstance(part, list | tuple):
        for place, value in enumerate(part):
            found += _walk(value, below(place))
    return found


def _parts(model: eqx.Module) -> tuple[tuple[str, eqx.Module], ...]:
    """The modules that can be called and hold none that can: the layers."""
    every = [(name, part) for name, part in _walk(model, "") if callable(part)]
    return tuple(
        (name, part)
        for name, part in every
        if not any(other != name and (other.startswith(f"{name}.") or not name) for other, _ in every)
    )


def _marked(whole: eqx.Module, parts: tuple[tuple[str, eqx.Module], ...]) -> eqx.Module:
    """The model with its layers replaced by ones that mark what they return."""

    def replaced(part: Any, name: str) -> Any:
        below = lambda key: f"{name}.{key}" if name else str(key)
        if name in dict(parts) and isinstance(part, eqx.Module):
            return _seen(part, name)
        if isinstance(part, eqx.Module):
            copy = object.__new__(type(part))
            for key, value in vars(part).items():
                object.__setattr__(copy, key, replaced(value, below(key)))
            return copy
        if isinstance(part, dict):
            return {key: replaced(value, below(key)) for key, value in part.items()}
        if isinstance(part, list | tuple) and not hasattr(part, "_fields"):
            return type(part)(replaced(value, below(place)) for place, value in enumerate(part))
        return part

    return replaced(whole, "")


def _seen(part: eqx.Module, name: str) -> eqx.Module:
    """A copy whose class differs in its call alone, so that what asks for the class still finds it."""
    kind: Any = type(part)
    call = lambda self, *args, **kwargs: mark(kind.__call__(self, *args, **kwargs), name)
    copy = object.__new__(type(kind)(kind.__name__, (kind,), {"__call__": call, "__module__": kind.__module__}))
    for key, value in vars(part).items():
        object.__setattr__(copy, key, value)
    return copy
