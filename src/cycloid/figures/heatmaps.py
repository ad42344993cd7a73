"""Layers over steps as heat: how strong each layer's gradient is, and how far each update moves its weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from cycloid.core.numerals import numeral
from cycloid.figures.draw import label, panels
from cycloid.figures.theme import palette, shades
from cycloid.learn.runs import Run


def layers(run: Run, *, title: str = "Layer by layer", dark: bool = False) -> Any:
    """Draw the gradient norm and the update-to-weight ratio of every parameter array over the steps.

    Args:
        run: from `cy.train.fit`.
        title: above the panels; "" for none.
        dark: the dark theme.

    Returns:
        A plotly figure of two heat maps, log10 of `history["layer_gradient_norms"]` and of `history["update_ratios"]`;
        under the pointer the values themselves.
    """
    rows = len(run.layers)
    fig = panels(
        1, 2, dark=dark, titles=("Gradient norm ‖∇L‖", "Update ‖Δw‖ / weight ‖w‖"), title=title,
        shared_yaxes=True, horizontal_spacing=0.13, height=150 + (50 if title else 0) + max(110, 26 * rows),
    )  # fmt: skip
    for column, (key, name, colour) in enumerate(
        (("layer_gradient_norms", "gradient norm", "accent"), ("update_ratios", "update / weight", "warm")), start=1
    ):
        values = np.asarray(run.history[key], float).T
        with np.errstate(divide="ignore", invalid="ignore"):
            heat = np.log10(values)
        heat[~np.isfinite(heat)] = np.nan
        at, texts = _decades(heat)
        fig.add_trace(
            go.Heatmap(
                x=run.history["step"], y=[label(name) for name in run.layers], z=heat, customdata=values, name=name,
                colorscale=shades(dark, middle=colour), xgap=0, ygap=2,
                hovertemplate="%{y}, step %{x}: %{customdata:.3g}<extra>" + name + "</extra>",
                colorbar={
                    "tickvals": at, "ticktext": texts, "thickness": 10, "len": 1.0, "outlinewidth": 0, "ticks": "",
                    "x": fig.get_subplot(1, column).xaxis.domain[1] + 0.005,
                    "tickfont": {"size": 11, "color": palette(dark)["muted"]},
                },
            ),
            row=1, col=column,
        )  # fmt: skip
    fig.update_xaxes(title="step", showline=False)
    fig.update_yaxes(autorange="reversed", showgrid=False, ticks="", ticklabelstandoff=6, type="category")
    return fig


def _decades(heat: np.ndarray) -> tuple[list[float], list[str]]:
    """Marks of a logarithmic colour bar: whole powers of ten, or the ends where there is none between."""
    finite = heat[np.isfinite(heat)]
    if finite.size == 0:
        return [], []
    low, high = float(finite.min()), float(finite.max())
    powers = list(range(int(np.ceil(low)), int(np.floor(high)) + 1))
    if len(powers) >= 2:
        powers = powers[:: max(1, len(powers) // 5)]
        return [float(p) for p in powers], [f"10<sup>{p}</sup>".replace("-", "−") for p in powers]
    return [low, high], [numeral(10**low, 2, typeset=True), numeral(10**high, 2, typeset=True)]
