"""Verification: `check(result)` gives a card signed by an independent method; `claims` measures what is often said."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_NAMES = {
    "check": "cycloid.checks.registry",
    "register": "cycloid.checks.registry",
    "Card": "cycloid.checks.cards",
    "compare": "cycloid.checks.cards",
    "derivative": "cycloid.checks.operators",
    "gradient": "cycloid.checks.operators",
}

__all__ = ["Card", "check", "claims", "compare", "derivative", "gradient", "register"]

if TYPE_CHECKING:
    from cycloid.checks import claims
    from cycloid.checks.cards import Card, compare
    from cycloid.checks.operators import derivative, gradient
    from cycloid.checks.registry import check, register


def __getattr__(name: str) -> Any:
    if name == "claims":
        return importlib.import_module("cycloid.checks.claims")
    if name not in _NAMES:
        raise AttributeError(f"cycloid.checks has no {name!r}; it has {', '.join(__all__)}.")
    value = getattr(importlib.import_module(_NAMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
