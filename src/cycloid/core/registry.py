"""A verb over many types: the right function for a result, in a module that loads when first needed."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


class Registry:
    """Functions by the type of their first argument.

    Args:
        verb: what the functions do to a result, as said in messages: "check", "draw".
        rooms: branch package -> modules whose import registers the functions for that branch's types. They
            are imported the first time a result of the branch comes, so that a verb costs what it is used for.

    Example:
        >>> words = Registry("spell", {})
        >>> @words.register(int)
        ... def spell(n):
        ...     return f"the number {n}"
        >>> words.find(True)(True)
        'the number True'
    """

    def __init__(self, verb: str, rooms: Mapping[str, Sequence[str]]):
        self.verb = verb
        self._rooms = dict(rooms)
        self._functions: dict[type, Callable[..., Any]] = {}

    def register(self, *kinds: type) -> Callable[[F], F]:
        """Decorator: this function serves results of these types and of their subclasses.

        Raises:
            ValueError: when another function has the type already.
        """

        def keep(function: F) -> F:
            for kind in kinds:
                before = self._functions.setdefault(kind, function)
                if before.__qualname__ != function.__qualname__:
                    raise ValueError(f"{kind.__name__} has a function already: {before.__qualname__}.")
                self._functions[kind] = function
            return function

        return keep

    def find(self, subject: Any) -> Callable[..., Any]:
        """The function for this subject.

        Raises:
            TypeError: when there is none; the message lists the types there are.
        """
        for kind in type(subject).__mro__:
            self._enter(kind.__module__)
            if kind in self._functions:
                return self._functions[kind]
        raise TypeError(
            f"there is no way to {self.verb} a {type(subject).__name__}; what can be: {', '.join(self.known())}."
        )

    def known(self) -> list[str]:
        """The names of all the types served, every branch's room opened."""
        for rooms in self._rooms.values():
            for room in rooms:
                importlib.import_module(room)
        return sorted(kind.__name__ for kind in self._functions)

    def _enter(self, module: str) -> None:
        for branch, rooms in self._rooms.items():
            if module == branch or module.startswith(f"{branch}."):
                for room in rooms:
                    importlib.import_module(room)
