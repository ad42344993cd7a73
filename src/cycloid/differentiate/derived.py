"""The function that an operator returns."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cycloid.core.formulas import Formula
from cycloid.core.functions import Traceable

SAME_ARGUMENTS = ("derivative", "partial")


@dataclass(frozen=True, slots=True, weakref_slot=True, repr=False, eq=False)
class Derived:
    """What an operator made of a function: callable, traced by JAX like any other.

    Two of them are equal when the same operator made them from equal functions, so that `jax.jit` compiles the
    derivative of one formula once, however often the operator is applied to it, as long as one of them is kept.
    """

    operator: str
    rule: Callable[..., Any]
    function: Callable[..., Any]
    options: tuple[Any, ...] = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.rule(self.function, *self.options, args, kwargs)

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
