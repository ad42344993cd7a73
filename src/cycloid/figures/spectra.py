"""A spectrum of curvature: its largest eigenvalues one by one, and where all the others lie."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from cycloid.core.numerals import numeral
from cycloid.differentiate.curvature import Spectrum
from cycloid.differentiate.densities import Density
from cycloid.figures.draw import panels
from cycloid.figures.registry import register
from cycloid.figures.theme import palette

# Bars of the density.
BINS = 48


@register(Spectrum)
def spectrum_figure(result: Spectrum, *, title: str = "Curvature of the loss", dark: bool = False) -> Any:
    """Draw a spectrum: on the left each eigenvalue found, with its residual; on the right the share of all of them.

    Blue curves upward (the loss rises on both sides), warm downward (it falls: a way down that is left).

    Args:
        result: from `cy.differentiate.spectrum`.
        title: above the panels; "" for none.
        dark: the dark theme.

    Raises:
        ValueError: for a batch of spectra.
    """
    if np.ndim(result.status.code):
        raise ValueError("this is a batch: draw one member, jax.tree.map(lambda leaf: leaf[0], result).")
    density = result.density
    shown = density is not None
    titles = ("The largest, one by one", f"All {result.parameters:,}, by share")[: 1 + shown]
    fig = panels(
        1, len(titles), titles=titles, dark=dark, title=title, subtitle=_sentence(result) if title else "",
        horizontal_spacing=0.14, height=440, layout={"showlegend": False, "bargap": 0.25},
    )  # fmt: skip
    _bars(fig, result, dark)
    if density is not None:
        _density(fig, density, dark)
    return fig


def _sentence(result: Spectrum) -> str:
    """The sharpness in words: what it forbids."""
    values = np.asarray(result.value, float)
    words = f"{result.parameters:,} parameters"
    if values.size and values.max() > 0:
        top = values.max()
        limit = numeral(2 / top, 3)
        words += f"; sharpness {numeral(top, 3)}: gradient descent is unstable above a learning rate of {limit}"
    falling = int(np.sum(values < -np.asarray(result.error)))
    if falling:
        words += f"; {falling} of the {values.size} largest curve downward"
    return words


def _bars(fig: Any, result: Spectrum, dark: bool) -> None:
    c, values = palette(dark), np.asarray(result.value, float)
    order = np.argsort(-values)
    values, errors = values[order], np.asarray(result.error, float)[order]
    fig.add_trace(
        go.Bar(
            x=np.arange(1, values.size + 1), y=values,
            marker_color=[c["accent"] if v >= 0 else c["warm"] for v in values],
            error_y={"array": errors, "color": c["muted"], "thickness": 1, "width": 3},
            hovertemplate="%{x}: %{y:.4g}<extra></extra>",
        ),
        row=1, col=1,
    )  # fmt: skip
    fig.update_xaxes(title_text="place, from the largest", row=1, col=1)
    fig.update_yaxes(title_text="eigenvalue, with its residual", row=1, col=1)
    fig.add_hline(y=0.0, line={"color": c["muted"], "width": 1}, row=1, col=1)


def _density(fig: Any, density: Density, dark: bool) -> None:
    """Shares of the parameters by eigenvalue, on a logarithmic axis: the few far out are what matters."""
    c = palette(dark)
    nodes, weights = np.asarray(density.nodes, float), np.asarray(density.weights, float)
    low, high = min(nodes.min(), 0.0), max(nodes.max(), 0.0)
    if low == high:
        low, high = low - 1.0, high + 1.0
    # An edge lies at zero, so that no bar holds eigenvalues of both signs.
    width = (high - low) / BINS
    edges = np.arange(np.floor(low / width), np.ceil(high / width) + 1) * width
    shares = np.histogram(nodes, edges, weights=weights)[0] / weights.sum()
    middles = (edges[1:] + edges[:-1]) / 2
    least = 10.0 ** np.floor(np.log10(max(shares[shares > 0].min(), 1e-12)))
    keep = shares > 0
    fig.add_trace(
        go.Bar(
            x=middles[keep], y=shares[keep], width=width * 0.94,
            marker_color=[c["accent"] if m >= 0 else c["warm"] for m in middles[keep]],
            hovertemplate="near %{x:.3g}: %{y:.2g} of all<extra></extra>",
        ),
        row=1, col=2,
    )  # fmt: skip
    fig.update_xaxes(title_text="eigenvalue", row=1, col=2)
    fig.update_yaxes(
        title_text="share of all eigenvalues", type="log", range=[np.log10(least), 0.1],
        dtick=1 if least > 1e-4 else 2, row=1, col=2,
    )  # fmt: skip
