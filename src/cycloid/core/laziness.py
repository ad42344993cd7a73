"""Packages whose names load when they are first used (PEP 562)."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def exports(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` for a package that imports a module when one of its names is asked for.

    Args:
        package: `__name__` of the package.
        homes: name -> the module that has it; a package's own submodule is its own home.

    Example:
        >>> load, names = exports("cycloid.core", {"formula": "cycloid.core.formulas"})
        >>> load("formula")("x^2").text, names()
        ('x^2', ['formula'])
    """

    def load(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"{package} has no {name!r}; it has {', '.join(sorted(homes))}.")
        module = importlib.import_module(homes[name])
        value = module if homes[name] == f"{package}.{name}" else getattr(module, name)
        setattr(sys.modules[package], name, value)
        return value

    return load, lambda: sorted(homes)
