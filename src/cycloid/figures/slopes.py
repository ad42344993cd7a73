"""The gradient at a point: every slope as a bar, and with one or two variables the ground it belongs to."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import plotly.graph_objects as go

from cycloid.core.formulas import Formula, formula
from cycloid.core.numerals import numeral
from cycloid.figures.draw import canvas, label
from cycloid.figures.tangents import function
from cycloid.figures.terrains import terrain
from cycloid.figures.theme import palette


def gradient(f: Any, point: Any, *, dark: bool = False) -> Any:
    """Draw ∇f at a point.

    One variable gives the curve with its tangent, two give the terrain with an arrow of steepest ascent (its length is
    for the eye: an eighth of the picture), more give one bar for each slope, the largest at the top.

    Args:
        f: a formula or its text.
        point: a value for each variable, by name or in the formula's order.
        dark: the dark theme.

    Returns:
        A plotly figure.

    Raises:
        ValueError: when the point does not give every variable its value.

    Cost:
        One gradient, and with two variables a terrain.

    Example:
        >>> fig = gradient("x*y*z", {"x": 1.0, "y": 2.0, "z": 3.0})
        >>> fig.data[0].y, [float(slope) for slope in fig.data[0].x]
        (('∂f/∂z', '∂f/∂y', '∂f/∂x'), [2.0, 3.0, 6.0])
    """
    g = f if isinstance(f, Formula) else formula(f)
    x = _vector(g, point)
    slopes = np.asarray(jax.grad(g.of_vector)(x))
    if x.size == 1:
        span = max(2.0, abs(float(x[0])))
        return function(g, float(x[0]) - span, float(x[0]) + span, at=float(x[0]))
    where = ", ".join(f"{name} = {numeral(float(v))}" for name, v in zip(g.variables, x, strict=True))
    title = f"∇f = ({', '.join(numeral(float(s)) for s in slopes)}) at {where}".replace("-", "−")
    if x.size == 2:
        span = np.maximum(1.5, np.abs(x))
        arrow = _arrow(x, slopes, span)
        return terrain(g, x - span, x + span, trails={"steepest ascent": arrow}, title=title, dark=dark)
    order = np.argsort(np.abs(slopes), kind="stable")
    c = palette(dark)
    fig = canvas(
        label(title), label(f"f = {g.text}"), dark=dark, height=160 + 34 * x.size, showlegend=False,
        margin={"l": 90, "r": 40, "t": 96, "b": 60},
    )  # fmt: skip
    fig.add_trace(
        go.Bar(
            x=slopes[order], y=[f"∂f/∂{g.variables[i]}" for i in order], orientation="h", width=0.6,
            marker={"color": [c["accent"] if slopes[i] >= 0 else c["muted"] for i in order]},
            text=[numeral(float(slopes[i])).replace("-", "−") for i in order], textposition="auto", cliponaxis=False,
        )
    )  # fmt: skip
    return fig.update_xaxes(title="change of f for one unit of the variable", zeroline=True)


def _vector(f: Formula, point: Any) -> np.ndarray:
    """The point in the formula's order."""
    given = [point[name] for name in f.variables if name in point] if isinstance(point, dict) else point
    x = np.atleast_1d(np.asarray(given, float))
    if x.shape != (len(f.variables),) or (isinstance(point, dict) and len(point) != x.size):
        raise ValueError(f"the point gives {', '.join(f.variables)} a value each; it was {point}.")
    return x


def _arrow(x: np.ndarray, slopes: np.ndarray, span: np.ndarray) -> np.ndarray:
    """From the point along the gradient, an eighth of the picture long; the point alone where there is no slope."""
    length = float(np.linalg.norm(slopes / span))
    ends = [x] if length == 0 or not np.isfinite(length) else [x, x + slopes / length * 0.25 / span.max() * span.min()]
    return np.stack(ends)
