"""Cycloid: the calculus of AI, computed, checked, explained and drawn.

Branches load when they are named, so that `import cycloid` costs nothing:

    import cycloid as cy

    cy.enable_x64()
    cy.differentiate.derivative("x^3 + 2x + 1")(2.0)       # 14.0

Every answer takes five verbs: compute it by its branch's function, `cy.check` it by an independent method,
explain it, `cy.figure` it, and run the same call sharded with `mesh=`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cycloid.core.laziness import exports

__version__ = "0.1.0"

_BRANCHES = ("checks", "differentiate", "explain", "figures", "lab", "learn", "optimize", "problems", "train")

_VERBS = {
    "check": "cycloid.checks",
    "compare": "cycloid.differentiate.frameworks",
    "figure": "cycloid.figures",
    "race": "cycloid.optimize",
    "formula": "cycloid.core.formulas",
    "enable_all_cores": "cycloid.core.parallel",
    "enable_x64": "cycloid.core.tolerance",
    "ConvergenceError": "cycloid.core.results",
    "Result": "cycloid.core.results",
    "Status": "cycloid.core.results",
    "Tolerance": "cycloid.core.tolerance",
}

__all__ = ["__version__", *_BRANCHES, *_VERBS]  # pyright: ignore[reportUnsupportedDunderAll]

if TYPE_CHECKING:
    from cycloid import checks, differentiate, explain, figures, lab, learn, optimize, problems, train
    from cycloid.checks import check
    from cycloid.core.formulas import formula
    from cycloid.core.parallel import enable_all_cores
    from cycloid.core.results import ConvergenceError, Result, Status
    from cycloid.core.tolerance import Tolerance, enable_x64
    from cycloid.differentiate.frameworks import compare
    from cycloid.figures import figure
    from cycloid.optimize import race

_HOMES = {**_VERBS, **{name: f"cycloid.{name}" for name in _BRANCHES}}
__getattr__, __dir__ = exports(__name__, _HOMES)
