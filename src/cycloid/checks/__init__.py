"""Verification: `check(result)` gives a card signed by an independent method; `claims` measures what is often said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cycloid.core.laziness import exports

_NAMES = {
    "check": "cycloid.checks.registry",
    "claims": "cycloid.checks.claims",
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

__getattr__, __dir__ = exports(__name__, _NAMES)
