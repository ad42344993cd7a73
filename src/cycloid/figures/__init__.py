"""Numbers to pictures: `figure(result)` for every result, figures of functions and terrains, the training report."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_NAMES = {
    "figure": "cycloid.figures.registry",
    "register": "cycloid.figures.registry",
    "function": "cycloid.figures.tangents",
    "terrain": "cycloid.figures.terrains",
    "save": "cycloid.figures.images",
    "export": "cycloid.figures.images",
    "to_html": "cycloid.figures.images",
    "write_report": "cycloid.figures.report",
}

__all__ = ["export", "figure", "function", "register", "save", "terrain", "to_html", "write_report"]

if TYPE_CHECKING:
    from cycloid.figures.images import export, save, to_html
    from cycloid.figures.registry import figure, register
    from cycloid.figures.report import write_report
    from cycloid.figures.tangents import function
    from cycloid.figures.terrains import terrain


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"cycloid.figures has no {name!r}; it has {', '.join(__all__)}.")
    value = getattr(importlib.import_module(_NAMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
