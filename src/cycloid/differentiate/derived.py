"""The function that an operator returns: compiled when called plainly, itself traced under a transformation."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from cycloid.core.formulas import Formula
from cycloid.core.functions import Traceable
from cycloid.differentiate.keepers import hashable, holds_arrays, keeper, kept
from cycloid.differentiate.programs import PLAIN, Mixed, Program, is_plain

SAME_ARGUMENTS = ("derivative", "partial")


@dataclass(frozen=True, slots=True, weakref_slot=True, repr=False, eq=False)
class Derived:
    """What an operator made of a function: callable, traced by JAX like any other.

    Two of them are equal when the same operator made them from equal functions. Called plainly it runs a program that
    is compiled once for each function object (for formulas: each text) and each shape; called with tracers it is the
    bare rule, so that nothing of this is seen under `jax.jit`, `jax.vmap` or `jax.grad`.

    Args:
        operator: its name.
        rule: rule(function, *options, args, kwargs), the derivative.
        function: what is differentiated.
        options: of the operator.
        compiled: False where the rule compiles for itself.
        costly: True where even one call is worth compiling: otherwise a function made anew in a loop waits for its
            second call.
    """

    operator: str
    rule: Callable[..., Any]
    function: Callable[..., Any]
    options: tuple[Any, ...] = ()
    compiled: bool = True
    costly: bool = False
    recipe: Recipe | None = field(default=None, init=False)
    program: Program | None = field(default=None, init=False)
    fast: Callable[..., Any] | None = field(default=None, init=False)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        fast = self.fast
        if fast is not None and not kwargs:
            for arg in args:
                if type(arg) not in PLAIN and not is_plain(arg):
                    break
            else:
                try:
                    result = fast(*args)
                except Exception:  # told again, in full, by the slow way
                    object.__setattr__(self, "fast", None)
                else:
                    return result.whole() if type(result) is Mixed else result
        return self._slowly(args, kwargs)

    def _slowly(self, args: tuple, kwargs: dict) -> Any:
        directly = lambda: self.rule(self.function, *self.options, args, kwargs)
        if not self.compiled:
            return directly()
        recipe, program = self.recipe, self.program
        if recipe is None or program is None:
            recipe = recipe_of(self)
            object.__setattr__(self, "recipe", recipe)
            program = _program(self, recipe)
            object.__setattr__(self, "program", program)
        result = program((*recipe.arrays, *args), kwargs, directly)
        if program.ready and not recipe.arrays:
            object.__setattr__(self, "fast", program.plain)
        return result

    def _key(self) -> Any:
        key = (self.operator, self.function, self.options)
        try:
            hash(key)
        except TypeError:  # a module that holds arrays has no hash: what is made of it equals itself alone
            return id(self)
        return key

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Derived) and self._key() == other._key())

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        told = "".join(f", {option!r}" for option in self.options)
        return f"{self.operator}({name_of(self.function)}{told})"


# --- programs -------------------------------------------------------------------------------------------------------


# Stands for an option that holds arrays: they are arguments of the program, so that new ones are no new program.
_TRACED = object()


class Recipe(NamedTuple):
    """A derivative taken apart: the user's function, the operators above it, the arrays that both hold."""

    root: Any
    layers: tuple[tuple[str, Callable[..., Any], tuple[Any, ...]], ...]  # the innermost first
    arrays: tuple[Any, ...]


def recipe_of(derived: Derived) -> Recipe:
    layers, arrays, node = [], [], derived
    while isinstance(node, Derived | Traceable):
        if isinstance(node, Derived):
            bound = [hashable(option) for option in node.options]
            arrays = [o for o, fixed in zip(node.options, bound, strict=True) if not fixed] + arrays
            options = tuple(o if fixed else _TRACED for o, fixed in zip(node.options, bound, strict=True))
            layers.append((node.operator, node.rule, options))
        node = node.function
    return Recipe(node, tuple(layers[::-1]), (node, *arrays) if holds_arrays(node) else tuple(arrays))


def _program(derived: Derived, recipe: Recipe) -> Program:
    """The program of this derivative, shared by all `Derived` that equal it while the function lives."""
    name = repr(derived) if isinstance(recipe.root, Formula) else f"{derived.operator} of {name_of(recipe.root)}"
    layers, keeping = recipe.layers, keeper(recipe.root)
    if holds_arrays(recipe.root):
        run = lambda args, kwargs: _run(args[0], layers, args[1:], kwargs)
    else:
        find = keeping.find
        run = lambda args, kwargs: _run(find(), layers, args, kwargs)
    return kept(keeping, layers, lambda hesitant: Program(run, name, hesitant and not derived.costly))


def _run(root: Any, layers: tuple, args: tuple, kwargs: dict) -> Any:
    """The derivative at the last of `args`, those that stand for `_TRACED` options coming before."""
    function = root if isinstance(root, Formula) else Traceable(root)
    for depth, (operator, rule, options) in enumerate(layers):
        count = sum(option is _TRACED for option in options)
        arrays, args = iter(args[:count]), args[count:]
        options = tuple(next(arrays) if option is _TRACED else option for option in options)
        if depth == len(layers) - 1:
            return rule(function, *options, args, kwargs)
        function = Traceable(Derived(operator, rule, function, options))
    raise AssertionError("a derivative has an operator")


# --- names ----------------------------------------------------------------------------------------------------------


def origin(function: Callable[..., Any]) -> Callable[..., Any]:
    """The user's own function under derivatives by `derivative` and `partial`, which keep its arguments."""
    while isinstance(function, Traceable) or (isinstance(function, Derived) and function.operator in SAME_ARGUMENTS):
        function = function.function
    return function


def argument_names(function: Callable[..., Any]) -> tuple[list[str], dict[str, Any], bool]:
    """Of a function: the names of its arguments, their defaults, and whether it takes any other name."""
    own = origin(function)
    if isinstance(own, Formula):
        return list(own.variables), {}, False
    try:
        found = inspect.signature(own).parameters.values()
    except (TypeError, ValueError):
        return [], {}, True
    named = [p for p in found if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    defaults = {p.name: p.default for p in named if p.default is not p.empty}
    return [p.name for p in named], defaults, any(p.kind is p.VAR_KEYWORD for p in found)


def name_of(function: Callable[..., Any]) -> str:
    """How messages call a function."""
    if isinstance(function, Formula | Derived):
        return str(function) if isinstance(function, Formula) else repr(function)
    return getattr(function, "__name__", None) or type(function).__name__
