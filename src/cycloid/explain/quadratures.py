"""Numbers for integrals: SciPy's adaptive quadrature, a second rule beside it, and the search for poles in between."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from cycloid.core.syntax import Node
from cycloid.explain import probing

_PANELS, _NODES = 400, 8
_GRID, _ZOOMS = 4099, 6


def _function(tree: Node, variable: str) -> Callable[[Any], Any]:
    return lambda x: np.real(probing.evaluate(tree, {variable: np.asarray(x, float)})) + 0.0 * np.asarray(x, float)


def quadrature(tree: Node, variable: str, ends: tuple[float, float]) -> tuple[float, float, int, str]:
    """(integral, error estimate, evaluations, warning or "") by SciPy's quad.

    Reference: R. Piessens and others, QUADPACK, 1983.
    """
    from scipy.integrate import quad

    at = _function(tree, variable)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        value, error, info, *more = quad(lambda x: _finite(float(at(x))), *ends, limit=200, full_output=1)
    words = str(more[0]) if more else str(caught[0].message) if caught else ""
    return float(value), float(error), int(info.get("neval", 0)), " ".join(words.split()).partition(".")[0].lower()


def _finite(height: float) -> float:
    """The height, 0 at a point where there is none: one point has no area, and QUADPACK cannot bear a NaN."""
    return height if math.isfinite(height) else 0.0


def is_real(tree: Node, variable: str, ends: tuple[float, float]) -> bool:
    """Whether f has real values between the bounds, single points left out."""
    low, high = sorted(max(-1e3, min(1e3, x)) for x in ends)
    heights = _function(tree, variable)(low + (high - low) * probing.spread(257, 1)[:, 0])
    return bool(np.mean(np.isnan(heights)) < 0.02)


def gauss(tree: Node, variable: str, ends: tuple[float, float]) -> float:
    """The integral by Gauss-Legendre on 400 panels; an infinite bound is brought to a finite one by x = t/(1 − t²)."""
    at = _function(tree, variable)
    if all(map(math.isfinite, ends)):
        return _panels(at, *ends)

    def mapped(t: Any) -> Any:
        with np.errstate(all="ignore"):
            value = at(t / (1.0 - t * t)) * (1.0 + t * t) / (1.0 - t * t) ** 2
        return np.where(np.isfinite(value), value, 0.0)

    return _panels(mapped, *(_place(x) for x in ends))


def _place(x: float) -> float:
    """The t with x = t/(1 − t²)."""
    if math.isinf(x):
        return math.copysign(1.0, x)
    return 0.0 if x == 0 else (math.sqrt(1.0 + 4.0 * x * x) - 1.0) / (2.0 * x)


def _panels(at: Callable[[Any], Any], low: float, high: float) -> float:
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    edges = np.linspace(low, high, _PANELS + 1)
    half = np.diff(edges) / 2
    x = (edges[:-1] + half)[:, None] + half[:, None] * nodes
    return float(np.sum(at(x.ravel()).reshape(x.shape) * weights * half[:, None]))


def singularity(tree: Node, variable: str, ends: tuple[float, float]) -> float | None:
    """Where between the bounds f grows at least like 1/|x − x₀|, so that it has no integral; None where it does not.

    The largest |f| on a grid is approached by zooming in; the growth of |f| towards it gives the exponent.
    """
    at = _function(tree, variable)
    bottom, top = sorted(max(-1e3, min(1e3, x)) for x in ends)
    width, low, high, x0 = top - bottom, bottom, top, bottom
    for _ in range(_ZOOMS):
        x = low + (high - low) * (np.arange(_GRID) + 0.5) / _GRID
        with np.errstate(all="ignore"):
            heights = np.abs(at(x))
        heights[np.isnan(heights)] = 0.0
        x0, step = float(x[int(np.argmax(heights))]), (high - low) / _GRID
        low, high = max(x0 - 20 * step, bottom), min(x0 + 20 * step, top)
    away = width * 10.0 ** -np.arange(3.0, 9.0)
    with np.errstate(all="ignore"):
        sides = np.abs(
            [np.where((x0 + s * away > bottom) & (x0 + s * away < top), at(x0 + s * away), 0.0) for s in (1, -1)]
        )
    near = np.nanmax(np.where(np.isfinite(sides), sides, 0.0), axis=0)
    if not near[0] > 0 or near[-1] < 100 * near[0]:
        return None
    exponent = float(np.log(near[-1] / near[2]) / np.log(away[2] / away[-1]))
    return (0.0 if abs(x0) < 1e-9 * width else x0) if exponent > 0.97 else None
