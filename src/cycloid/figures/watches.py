"""A watched PyTorch loop: its loss, what its steps promised and did, and how far each layer moved."""

from __future__ import annotations

from typing import Any

import numpy as np

from cycloid.figures.draw import curve, dots, panels
from cycloid.figures.registry import register
from cycloid.figures.theme import palette, shades
from cycloid.train.watch_reports import WatchReport


@register(WatchReport)
def watch_figure(report: WatchReport, *, title: str = "A training loop, opened", dark: bool = False) -> Any:
    """Three panels: the loss, predicted against actual change of the loss, update/weight by parameter.

    Args:
        report: from `watch.report()`.
        title: above the figure; "" for none.
        dark: the dark theme.
    """
    if not len(report.history.get("step", ())):
        raise ValueError("no step was seen: there is nothing to draw before the first optimizer.step().")
    c, history = palette(dark), report.history
    names = ("Loss of the batch", "Change of the loss in a step", "Update / weight, log₁₀")
    fig = panels(
        1, 3, dark=dark, titles=names, title=title, subtitle=report.verdict if title else "", height=430,
        horizontal_spacing=0.15, column_widths=[0.27, 0.27, 0.46], layout={"showlegend": False},
    )  # fmt: skip
    steps = history["step"]
    one, two, three = ({"row": 1, "col": place} for place in (1, 2, 3))
    curve(fig, steps, history["loss"], "loss", c["accent"], at=one, mode="lines+markers", marker={"size": 5},
          hovertemplate="step %{x}: %{y:.4g}")  # fmt: skip
    predicted, actual = history["predicted_change"], history["actual_change"]
    known = np.isfinite(predicted) & np.isfinite(actual)
    ends = [min([*predicted[known], *actual[known], 0.0]), max([*predicted[known], *actual[known], 0.0])]
    curve(fig, ends, ends, "as promised", c["muted"], at=two, width=1)
    dots(fig, predicted[known], actual[known], "steps", c["warm"], at=two, size=7,
         hovertemplate="promised %{x:.3g}, done %{y:.3g}")  # fmt: skip
    updates, weights = history["update_norms"], history["weight_norms"]
    ratios = np.divide(updates, weights, out=np.full(updates.shape, np.nan), where=(weights > 0) & (updates > 0))
    parameters = list(report.evidence.parameters or [str(i) for i in range(ratios.shape[1])])
    fig.add_heatmap(
        z=np.log10(ratios).T, x=[str(int(step)) for step in steps], y=parameters, colorscale=shades(dark),
        colorbar={"thickness": 10, "outlinewidth": 0}, hovertemplate="%{y}, step %{x}: 10^%{z:.2f}<extra></extra>",
        **three,
    )  # fmt: skip
    fig.update_xaxes(title="step", **one).update_xaxes(title="promised: ∇L·Δw", **two)
    fig.update_xaxes(title="step", type="category", **three)
    fig.update_yaxes(title="done: L(w + Δw) − L(w)", title_standoff=4, **two)
    return fig.update_yaxes(autorange="reversed", **three)
