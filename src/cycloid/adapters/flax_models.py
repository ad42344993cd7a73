"""Modules of flax: nnx, which holds its numbers, and linen, whose numbers `init` returned."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen, nnx  # pyright: ignore[reportMissingImports]

from cycloid.adapters.jax_models import JaxMachine, Names, grouped, named
from cycloid.adapters.marks import mark
from cycloid.adapters.models import Adapted, Layer, Mode, Named


def entered(framework: str, model: Any, parameters: Any, state: Any, batched: bool) -> Adapted:
    """The module through the door."""
    if framework == "flax.nnx":
        if parameters is not None or state is not None:
            raise TypeError("adapt: a module of flax.nnx holds its own numbers: pass the module alone.")
        return _nnx(model)
    if not isinstance(parameters, Mapping) or "params" not in parameters:
        raise TypeError(
            "adapt: a module of flax.linen keeps its numbers apart: pass what init returned, "
            'adapt(model, variables), with variables["params"].'
        )
    return _linen(model, parameters)


def _rows(inputs: Any) -> tuple[Any, ...]:
    return inputs if isinstance(inputs, tuple) else (inputs,)


# --- linen ----------------------------------------------------------------------------------------------------------


def _linen(model: Any, variables: Mapping[str, Any]) -> Adapted:
    names, values = named(variables["params"])
    held, kept = named({name: tree for name, tree in variables.items() if name != "params"})
    asked = inspect.signature(type(model).__call__).parameters

    def call(given: Named, state: Named, inputs: Any, mode: Mode, key: Any, watched: bool) -> tuple[Any, Named]:
        numbers = {"params": names.tree(given), **held.tree(state)}
        flags = {name: value for name, value in _flags(mode).items() if name in asked}
        key = jax.random.key(0) if key is None else key
        changing = [name for name in numbers if name != "params"] if mode == "train" else []
        with linen.intercept_methods(_marking) if watched else nullcontext():
            made = model.apply(numbers, *_rows(inputs), **flags, rngs={"dropout": key}, mutable=changing or False)
        return (made[0], {**state, **held.named(made[1])}) if changing else (made, state)

    build = lambda given, state: {"params": names.tree(given), **held.tree(state)}
    return Adapted("flax.linen", type(model).__name__, values, kept, grouped(values), "eval", JaxMachine(call, build))


def _flags(mode: Mode) -> dict[str, bool]:
    """The arguments by which models of linen are told the mode."""
    train = mode == "train"
    return {"train": train, "training": train, "is_training": train, "deterministic": not train,
            "use_running_average": not train}  # fmt: skip


def _marking(function: Any, args: Any, kwargs: Any, context: Any) -> Any:
    made = function(*args, **kwargs)
    if context.method_name != "__call__" or not context.module.path:
        return made
    return mark(made, ".".join(context.module.path))


# --- nnx ------------------------------------------------------------------------------------------------------------


def _nnx(model: Any) -> Adapted:
    graph, chosen, rest = nnx.split(model, nnx.Param, ...)
    names, values = _named(chosen)
    held, kept = _named(rest)
    parts = [(_path(path), part) for path, part in nnx.iter_modules(model)]
    layers = [(name, part) for name, part in parts if name and callable(part) and not _inner(name, parts)]

    def call(given: Named, state: Named, inputs: Any, mode: Mode, key: Any, watched: bool) -> tuple[Any, Named]:
        whole = nnx.merge(graph, names.tree(given), held.tree(state if key is None else _seeded(state, key)))
        (whole.train if mode == "train" else whole.eval)()
        if watched:
            _watch(whole, {name for name, _ in layers})
        outputs = whole(*_rows(inputs))
        return outputs, held.named(nnx.state(whole, nnx.Not(nnx.Param)))

    def build(given: Named, state: Named) -> Any:
        return nnx.merge(graph, names.tree(given), held.tree(state))

    shown = tuple(
        Layer(
            name, type(part).__name__, tuple(each for each in values if each.rpartition(".")[0] == name),
            tuple(each for each in kept if each.startswith(f"{name}.")),
        )
        for name, part in layers
    )  # fmt: skip
    machine = JaxMachine(call, build)
    return Adapted("flax.nnx", type(model).__name__, values, kept, shown, _mode(parts), machine)


def _named(state: Any) -> tuple[Names, Named]:
    """Numbers by the path of their variable."""
    names, values = named(state)
    short = tuple(name.removesuffix(".value") for name in names.names)
    return Names(short, names.structure), dict(zip(short, values.values(), strict=True))


def _path(path: tuple[Any, ...]) -> str:
    return ".".join(map(str, path))


def _inner(name: str, parts: list[tuple[str, Any]]) -> bool:
    """Whether modules that can be called lie inside it."""
    return any(other.startswith(f"{name}.") and callable(part) for other, part in parts)


def _mode(parts: list[tuple[str, Any]]) -> Mode:
    flags = [getattr(part, flag, None) for _, part in parts for flag in ("deterministic", "use_running_average")]
    flags = [flag for flag in flags if isinstance(flag, bool)]
    return "eval" if all(flags) else "train"


def _seeded(state: Named, key: Any) -> Named:
    """The keys of its generators of chance from one key."""
    places = [name for name, value in state.items() if jnp.issubdtype(value.dtype, jax.dtypes.prng_key)]
    return {**state, **{name: jax.random.fold_in(key, at) for at, name in enumerate(places)}}


def _watch(whole: Any, wanted: set[str]) -> None:
    """The layers of a model made for one run mark what they return: of a class that differs in that alone."""
    for path, part in nnx.iter_modules(whole):
        if (name := _path(path)) in wanted:
            kind: Any = type(part)
            call = lambda self, *args, kind=kind, name=name, **kwargs: mark(kind.__call__(self, *args, **kwargs), name)
            object.__setattr__(part, "__class__", type(kind)(kind.__name__, (kind,), {"__call__": call}))
