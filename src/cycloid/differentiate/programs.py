"""A derivative compiled: its arguments parted into arrays, which are traced, and settings, which are built in."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jax.core import Tracer

# Settings (integers, texts, functions among the arguments) that each get a program of their own.
SETTINGS = 8

# Types of arguments that are traced as they are: floats, and the array types met so far.
PLAIN: set[type] = {float}

_ARRAYS = (jax.Array, np.ndarray, np.generic)


class Program:
    """One derivative of one function, compiled for each structure of its arguments.

    Args:
        run: the derivative as a function of (args, kwargs).
        name: for messages.
        hesitant: whether the first call runs uncompiled: a function made anew in a loop is seldom called twice.
    """

    __slots__ = ("__weakref__", "forms", "hesitant", "name", "plain", "ready", "refused", "run", "said", "variants")

    def __init__(self, run: Callable[[tuple, dict], Any], name: str, hesitant: bool = False):
        self.run, self.name, self.hesitant = run, name, hesitant
        self.ready, self.refused, self.said = False, False, False  # ready: the plain form has served once
        self.plain = jax.jit(_named(lambda *args, **kwargs: Mixed.of(run(args, kwargs)), name))
        self.forms: dict[Hashable, tuple[bool, ...] | None] = {}
        self.variants: dict[Hashable, Callable[..., Any]] = {}

    def __call__(self, args: tuple, kwargs: dict, directly: Callable[[], Any]) -> Any:
        """The derivative by a compiled program where there can be one; else, and with tracers, `directly`."""
        leaves, structure = jax.tree.flatten((args, kwargs))
        moving = self._moving((structure, tuple(map(type, leaves))), args, kwargs)
        if moving is None or self.refused or self.hesitant:
            self.hesitant = self.hesitant and moving is None
            return directly()
        settings = tuple(None if moves else (type(leaf), leaf) for moves, leaf in zip(moving, leaves, strict=True))
        program = self._variant(structure, settings)
        if program is None:
            return directly()
        try:
            if program is self.plain:
                result = program(*args, **kwargs)
                self.ready = True
            else:
                result = program([leaf for moves, leaf in zip(moving, leaves, strict=True) if moves])
            return result.whole() if isinstance(result, Mixed) else result
        except Exception as error:  # whatever it was, the uncompiled call has the last word
            reason = _reason(error)
        self.variants.pop((structure, settings), None)
        result = directly()
        self.refused, self.ready = True, False
        self._say(reason)
        return result

    def _moving(self, form: Hashable, args: tuple, kwargs: dict) -> tuple[bool, ...] | None:
        """Of each leaf whether the program traces it; None for tracers, and for a structure without hash."""
        try:
            if form not in self.forms:
                self.forms[form] = None if is_traced((args, kwargs)) else tuple(_are_arrays((args, kwargs)))
        except TypeError:
            return None
        return self.forms[form]

    def _variant(self, structure: Any, settings: tuple) -> Callable[..., Any] | None:
        """The program with these settings built in; None when there are too many already, or they have no hash."""
        if not any(settings):
            return self.plain
        key = (structure, settings)
        try:
            program = self.variants.get(key)
        except TypeError:
            return None
        if program is None:
            if len(self.variants) == SETTINGS:
                self._say(f"it came with {SETTINGS} different settings: pass numbers that change as floats or arrays")
                return None
            program = self.variants[key] = jax.jit(_named(self._rebuilding(structure, settings), self.name))
        return program

    def _rebuilding(self, structure: Any, settings: tuple) -> Callable[[list[Any]], Any]:
        run = self.run

        def rebuilt(arrays: list[Any]) -> Any:
            moving = iter(arrays)
            leaves = [next(moving) if setting is None else setting[1] for setting in settings]
            args, kwargs = jax.tree.unflatten(structure, leaves)
            return Mixed.of(run(args, kwargs))

        return rebuilt

    def _say(self, reason: str) -> None:
        if not self.said:
            self.said = True
            warnings.warn(f"{self.name} runs uncompiled, a hundred times more slowly: {reason}.", stacklevel=5)


def _named(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    function.__name__ = function.__qualname__ = name
    return function


def _reason(error: Exception) -> str:
    if isinstance(error, jax.errors.TracerBoolConversionError):
        return "it branches on a value; jnp.where or jax.lax.cond in place of `if` would let it be compiled"
    return str(error).partition("\n")[0].strip().removesuffix(".") or type(error).__name__


class Mixed(eqx.Module):
    """An output of which some leaves are no arrays, which a compiled program cannot hand back."""

    arrays: list[Any]
    rest: Any = eqx.field(static=True)

    @classmethod
    def of(cls, tree: Any) -> Any:
        """The tree itself when all its leaves are arrays."""
        leaves, structure = jax.tree.flatten(tree)
        flags = [eqx.is_array(leaf) for leaf in leaves]
        if all(flags):
            return tree
        others = [None if is_array else leaf for leaf, is_array in zip(leaves, flags, strict=True)]
        return cls([leaf for leaf, is_array in zip(leaves, flags, strict=True) if is_array], (structure, flags, others))

    def whole(self) -> Any:
        structure, flags, others = self.rest
        arrays = iter(self.arrays)
        leaves = [next(arrays) if is_array else other for is_array, other in zip(flags, others, strict=True)]
        return jax.tree.unflatten(structure, leaves)


# --- arguments ----------------------------------------------------------------------------------------------------


def is_plain(tree: Any) -> bool:
    """Whether the tree is made of dicts, lists and tuples, and holds floats and arrays alone; other trees are False."""
    kind = type(tree)
    if kind is dict:
        tree = tree.values()
    elif kind is not tuple and kind is not list:
        return kind in PLAIN
    for leaf in tree:  # noqa: SIM110 (a generator would take twice the time)
        if type(leaf) not in PLAIN and not is_plain(leaf):
            return False
    return True


def is_traced(tree: Any) -> bool:
    """Whether a tracer is among the leaves; array types met for the first time are noted as plain."""
    traced = False
    for leaf in jax.tree.leaves(tree):
        if isinstance(leaf, Tracer):
            traced = True
        elif isinstance(leaf, _ARRAYS):
            PLAIN.add(type(leaf))
    return traced


def is_module(node: Any) -> bool:
    return isinstance(node, eqx.Module)


def _are_arrays(tree: Any) -> list[bool]:
    """Of each leaf, whether it is an array, or a float outside modules: in a module a float is a setting."""
    flags: list[bool] = []
    for node in jax.tree.leaves(tree, is_leaf=is_module):
        if is_module(node):
            flags += [isinstance(leaf, _ARRAYS) for leaf in jax.tree.leaves(node)]
        else:
            flags.append(isinstance(node, _ARRAYS) or type(node) is float)
    return flags
