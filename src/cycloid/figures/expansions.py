"""Taylor polynomials as pictures: f and polynomials of growing order, with the band in which f is known to lie."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from cycloid.core.numerals import numeral
from cycloid.differentiate import Expansion
from cycloid.differentiate.taylor_expansions import function_of
from cycloid.differentiate.vector_maps import at_each
from cycloid.figures.draw import band, calm_range, curve, dots, label, panels
from cycloid.figures.registry import register
from cycloid.figures.tangents import title_of
from cycloid.figures.theme import faded, mixed, palette, shades

_POINTS, _GRID = 601, 81
_LINES = 5  # polynomials drawn, the last one included
MARGIN = {"l": 64, "r": 24, "t": 124, "b": 52}  # room for the legend under the subtitle


@register(Expansion)
def draw_expansion(result: Expansion, *, dark: bool = False) -> Any:
    """Draw a Taylor polynomial against its function.

    Args:
        result: of `cy.differentiate.taylor`, of one or two variables.
        dark: the dark theme.

    Returns:
        A plotly figure: of one variable f, polynomials of growing order and the band of the remainder, above the
        distance of each from f; of two variables f and p as contour lines over their distance.

    Raises:
        ValueError: when the result has more than two variables, or no longer knows its function.
    """
    if result.question is None:
        raise ValueError("this expansion no longer knows its function: draw it before saving it, or expand anew.")
    f, x0 = result.question.function, result.question.arguments["x0"]
    g = function_of(f, x0)
    if result.value.powers is None:
        return _line(result, g, title_of(f), dark)
    if len(result.value.variables) == 2:
        return _plane(result, g, title_of(f), dark)
    names = ", ".join(result.value.variables)
    raise ValueError(f"a figure shows an expansion in one or two variables; this one has {names}.")


def _said(result: Expansion) -> str:
    kind = {"bound": "at most", "estimate": "about"}.get(result.error_kind.name)
    radius = numeral(result.radius, 3, True)
    return f"within {radius} of the centre |f − p| is {kind} {numeral(result.error, 3, True)}" if kind else ""


# --- one variable -------------------------------------------------------------------------------------------------


def _line(result: Expansion, g: Any, name: str, dark: bool) -> Any:
    c, p = palette(dark), result.value
    centre, radius = float(p.centre), float(result.radius)
    x = np.linspace(centre - 2.2 * radius, centre + 2.2 * radius, _POINTS)
    y = np.asarray(at_each(g, jnp.asarray(x)), float)
    fig = panels(
        2, 1, dark=dark, title=f"{label(name)} and its Taylor polynomials", subtitle=_said(result), shared_xaxes=True,
        vertical_spacing=0.07, row_heights=[1.6, 1.0], height=640, layout={"margin": MARGIN},
    )  # fmt: skip
    top, low = {"row": 1, "col": 1}, {"row": 2, "col": 1}
    inside = np.abs(x - centre) <= radius * (1 + 1e-12)
    orders = _orders(p)
    best = np.asarray(p(jnp.asarray(x)), float)
    if np.isfinite(float(np.asarray(result.error))):
        share = (np.abs(x[inside] - centre) / radius) ** (p.order + 1) if result.error_kind.name == "bound" else 1.0
        error = float(np.asarray(result.error)) * share
        band(fig, x[inside], best[inside] - error, best[inside] + error, "remainder", c["warm"], at=top)
    span = calm_range(y)
    for k, order in enumerate(orders):
        colour = mixed(c["rule"], c["warm"], (k + 1.5) / (len(orders) + 0.5))
        values = np.asarray(p.up_to(order, jnp.asarray(x)), float)
        wide = 2.4 if order == orders[-1] else 1.6
        curve(fig, x, _clipped(values, span), f"order {order}", colour, at=top, width=wide)
        gap = np.abs(y - values)
        curve(fig, x, np.where(gap > 0, gap, np.nan), f"order {order}", colour, at=low, width=wide, showlegend=False)
    curve(fig, x, y, "f", c["accent"], at=top, width=2.6)
    dots(fig, centre, float(p.coefficient(0)), "centre", c["accent"], at=top, size=10, showlegend=False)
    _claim(fig, result, x[inside], c, low)
    _edges(fig, result, c)
    fig.update_yaxes(range=span, **top)
    floor = max(float(np.nanmax(np.abs(y), initial=1e-300)) * 2e-16, 1e-300)
    high = np.nanmax(np.abs(y - np.asarray(p.up_to(orders[0], jnp.asarray(x)), float)), initial=1.0)
    bottom = np.log10(max(floor, 1e-17 * high))
    fig.update_yaxes(
        title="distance from f",
        type="log",
        range=[bottom, np.log10(high) + 0.5],
        nticks=6,
        exponentformat="power",
        **low,
    )
    fig.update_xaxes(range=[x[0], x[-1]])
    fig.update_xaxes(title=label(p.variables[0]), **low)
    return fig


def _orders(p: Any) -> list[int]:
    """The orders drawn: those whose coefficient is not zero, at most five, the last one always."""
    c = np.asarray(p.coefficients)
    grown = [k for k in range(p.order + 1) if c[k] != 0] or [0]
    if len(grown) <= _LINES:
        return grown
    return [grown[round(i * (len(grown) - 1) / (_LINES - 1))] for i in range(_LINES)]


def _clipped(values: np.ndarray, span: tuple[float, float] | None) -> np.ndarray:
    """Without what is far outside the window, where a steep polynomial would only make a huge file."""
    if span is None:
        return values
    low, high = span
    return np.where((values > low - 3 * (high - low)) & (values < high + 3 * (high - low)), values, np.nan)


def _claim(fig: Any, result: Expansion, x: np.ndarray, c: dict[str, str], at: Any) -> None:
    """The remainder that is claimed, as a dotted line over the radius: a bound falls towards the centre."""
    error, centre = float(np.asarray(result.error)), float(result.value.centre)
    if not np.isfinite(error):
        return
    kind = result.error_kind.name
    share = (np.abs(x - centre) / float(result.radius)) ** (result.order + 1) if kind == "bound" else np.ones_like(x)
    claimed = np.where(share > 0, error * share, np.nan)
    name = "bound" if kind == "bound" else "estimate"
    curve(fig, x, claimed, name, c["ink"], at=at, width=1.5, dash="dot")


def _edges(fig: Any, result: Expansion, c: dict[str, str]) -> None:
    """Where the remainder is claimed, and beyond what distance the series does not converge."""
    centre, radius, far = (float(v) for v in (result.value.centre, result.radius, result.convergence))
    for x in (centre - radius, centre + radius):
        for row in (1, 2):
            fig.add_vline(x=x, line={"color": c["muted"], "width": 1, "dash": "dot"}, row=row, col=1)
    if far < 2.1 * radius:
        for side in (-1, 1):
            ends = sorted((centre + side * far, centre + side * 2.2 * radius))
            fig.add_vrect(x0=ends[0], x1=ends[1], fillcolor=faded(c["muted"], 0.10), line_width=0, row="all", col=1)
        fig.add_annotation(
            x=centre + 2.2 * radius, y=0.0, yref="y domain", text="the series diverges", showarrow=False,
            xanchor="right", yanchor="bottom", xshift=-4, yshift=2, font={"size": 11, "color": c["muted"]},
        )  # fmt: skip


# --- two variables ------------------------------------------------------------------------------------------------


def _plane(result: Expansion, g: Any, name: str, dark: bool) -> Any:
    import plotly.graph_objects as go

    c, p = palette(dark), result.value
    centre, radius = np.asarray(p.centre, float), float(result.radius)
    u = np.linspace(-1.6, 1.6, _GRID) * radius
    x, y = centre[0] + u, centre[1] + u
    grid = jnp.asarray(np.stack(np.meshgrid(x, y, indexing="xy"), -1).reshape(-1, 2))
    f = np.asarray(at_each(g, grid), float).reshape(_GRID, _GRID)
    q = np.asarray(p(grid), float).reshape(_GRID, _GRID)
    fig = panels(
        1, 1, dark=dark, title=f"{label(name)} and its polynomial of order {p.order}", subtitle=_said(result),
        height=620, layout={"margin": MARGIN},
    )  # fmt: skip
    gap = np.abs(f - q)
    fig.add_trace(go.Heatmap(
        x=x, y=y, z=gap, colorscale=shades(dark, middle="gold"), name="distance",
        hovertemplate="%{z:.2g}<extra></extra>", zmin=0.0, zmax=float(np.nanquantile(gap, 0.97)) or 1.0,
        zsmooth="best", opacity=0.75, colorbar={
            "title": {"text": "distance |f − p|", "side": "right", "font": {"size": 12}}, "thickness": 10,
            "outlinewidth": 0, "tickfont": {"size": 11, "color": c["muted"]},
        },
    ))  # fmt: skip
    span = calm_range(f) or (0.0, 1.0)
    lines = {"start": span[0], "end": span[1], "size": (span[1] - span[0]) / 9, "coloring": "none"}
    for z, title, colour, style in ((f, "f", c["accent"], "solid"), (q, "p", c["warm"], "dash")):
        fig.add_trace(go.Contour(
            x=x, y=y, z=z, contours=lines, line={"color": colour, "width": 2, "dash": style}, name=title,
            showscale=False, showlegend=True, hoverinfo="skip",
        ))  # fmt: skip
    a, b = centre
    fig.add_shape(
        type="rect", x0=a - radius, x1=a + radius, y0=b - radius, y1=b + radius,
        line={"color": c["ink"], "width": 1, "dash": "dot"},
    )  # fmt: skip
    dots(fig, a, b, "centre", c["ink"], showlegend=False)
    fig.update_xaxes(title=label(p.variables[0]), range=[x[0], x[-1]])
    fig.update_yaxes(title=label(p.variables[1]), range=[y[0], y[-1]], showgrid=False)
    return fig
