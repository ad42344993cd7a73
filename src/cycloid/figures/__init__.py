"""Numbers to pictures: `figure(result)` for every result, figures of functions and terrains, the training report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cycloid.core.laziness import exports

_NAMES = {
    "figure": "cycloid.figures.registry",
    "register": "cycloid.figures.registry",
    "function": "cycloid.figures.tangents",
    "gradient": "cycloid.figures.slopes",
    "performance_profile": "cycloid.figures.performance_profiles",
    "terrain": "cycloid.figures.terrains",
    "save": "cycloid.figures.images",
    "export": "cycloid.figures.images",
    "to_html": "cycloid.figures.images",
    "write_inspection": "cycloid.figures.inspection_page",
    "write_report": "cycloid.figures.report",
}

__all__ = [
    "export",
    "figure",
    "function",
    "gradient",
    "performance_profile",
    "register",
    "save",
    "terrain",
    "to_html",
    "write_inspection",
    "write_report",
]

if TYPE_CHECKING:
    from cycloid.figures.images import export, save, to_html
    from cycloid.figures.inspection_page import write_inspection
    from cycloid.figures.performance_profiles import performance_profile
    from cycloid.figures.registry import figure, register
    from cycloid.figures.report import write_report
    from cycloid.figures.slopes import gradient
    from cycloid.figures.tangents import function
    from cycloid.figures.terrains import terrain

__getattr__, __dir__ = exports(__name__, _NAMES)
