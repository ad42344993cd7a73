"""Cycloid: the calculus of AI, computed, checked, explained and drawn.

Branches load when they are named, so that `import cycloid` costs nothing:

    import cycloid as cy

    cy.enable_x64()
    cy.differentiate.derivative("x^3 + 2x + 1")(2.0)       # 14.0

Every answer takes five verbs: compute it by its branch's function, `cy.check` it by an independent method,
explain it, `cy.figure` it, and run the same call sharded with `mesh=`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_BRANCHES = ("checks", "differentiate", "explain", "figures", "lab", "learn", "optimize", "problems", "train")

# name -> (module, attribute)
_VERBS = {
    "check": ("cycloid.checks", "check"),
    "figure": ("cycloid.figures", "figure"),
    "race": ("cycloid.optimize", "race"),
    "formula": ("cycloid.core.formulas", "formula"),
    "enable_x64": ("cycloid.core.tolerance", "enable_x64"),
    "ConvergenceError": ("cycloid.core.results", "ConvergenceError"),
    "Result": ("cycloid.core.results", "Result"),
    "Status": ("cycloid.core.results", "Status"),
    "Tolerance": ("cycloid.core.tolerance", "Tolerance"),
}

__all__ = ["__version__", *_BRANCHES, *_VERBS]  # pyright: ignore[reportUnsupportedDunderAll]

if TYPE_CHECKING:
    from cycloid import checks, differentiate, explain, figures, lab, learn, optimize, problems, train
    from cycloid.checks import check
    from cycloid.core.formulas import formula
    from cycloid.core.results import ConvergenceError, Result, Status
    from cycloid.core.tolerance import Tolerance, enable_x64
    from cycloid.figures import figure
    from cycloid.optimize import race


def __getattr__(name: str) -> Any:
    if name in _VERBS:
        module, attribute = _VERBS[name]
        value = getattr(importlib.import_module(module), attribute)
    elif name in _BRANCHES:
        value = importlib.import_module(f"cycloid.{name}")
    else:
        raise AttributeError(f"cycloid has no {name!r}; it has {', '.join(sorted([*_BRANCHES, *_VERBS]))}.")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*_BRANCHES, *_VERBS, "__version__"])
