"""The limit of the learning rate at a minimum, and a run of descent at the edge of stability."""

from __future__ import annotations

from typing import Any

import numpy as np

from cycloid.core.numerals import numeral
from cycloid.figures.draw import canvas, curve, dots, log_axis, panels
from cycloid.figures.registry import register
from cycloid.figures.theme import palette
from cycloid.optimize.step_limits import Edge, Stability

# The rates drawn reach so many times as far as the limit.
SHOWN = 1.6


@register(Stability)
def stability_figure(found: Stability, *, title: str = "How long may a step be?", dark: bool = False) -> Any:
    """By what factor a step multiplies the distance from the minimum, over the learning rate.

    The dots are measured. The thin line is the factor along the sharpest direction, which decides above the limit;
    below it a flatter direction does, along which the walk is slower.

    Args:
        found: from `cy.optimize.stability`.
        title: above the figure; "" for none.
        dark: the dark theme.
    """
    c = palette(dark)
    rates, growth = np.asarray(found.rates), np.asarray(found.growth)
    limit, measured = float(np.asarray(found.value)), float(np.asarray(found.measured))
    words = f"predicted limit 2/λmax = {numeral(limit, 5)}, measured {numeral(measured, 5)}"
    fig = canvas(title, words if title else "", dark=dark, height=440, showlegend=False)
    x = np.linspace(0, SHOWN * limit, 241)
    curve(fig, x, np.abs(1 - 2 * x / limit), "|1 − η λmax|", c["muted"], width=1)
    seen = rates <= SHOWN * limit
    for keep, colour, name in ((growth <= 1, c["green"], "comes closer"), (growth > 1, c["warm"], "goes away")):
        dots(fig, rates[keep & seen], growth[keep & seen], name, colour, size=7,
             hovertemplate="rate %{x:.5g}: × %{y:.5g} a step")  # fmt: skip
    fig.add_hline(y=1.0, line={"color": c["muted"], "width": 1, "dash": "dot"})
    fig.add_vline(x=limit, line={"color": c["ink"], "width": 1, "dash": "dot"})
    top = 1.05 * (2 * SHOWN - 1)
    for x_, y, text, colour, side in (
        (limit, 0.97 * top, "2/λmax", c["ink"], "right"),
        (0.04 * limit, 1.12, "comes closer", c["green"], "left"),
        (1.16 * limit, 1.12, "goes away", c["warm"], "left"),
        (0.5 * limit, 0.7, "the sharpest direction alone: |1 − η λmax|", c["muted"], "center"),
    ):
        shift = {"left": 6, "right": -6}.get(side, 0)
        fig.add_annotation(x=x_, y=y, text=text, font={"color": colour}, xanchor=side, xshift=shift)
    fig.update_xaxes(title="learning rate η", range=[0, SHOWN * limit])
    return fig.update_yaxes(title="distance after a step / before", range=[0, top])


@register(Edge)
def edge_figure(run: Edge, *, title: str = "Training at the edge of stability", dark: bool = False) -> Any:
    """Sharpness times half the learning rate, and the loss, over the steps.

    Args:
        run: from `cy.optimize.edge_of_stability`.
        title: above the figure; "" for none.
        dark: the dark theme.
    """
    c = palette(dark)
    steps, ratio, loss = (np.asarray(column) for column in (run.steps, run.ratio, run.loss))
    mean, spread = float(np.asarray(run.value)), float(np.asarray(run.error))
    words = f"η = {numeral(run.learning_rate, 3)}; over the last quarter {mean:.3f} ± {spread:.3f}"
    fig = panels(
        1, 2, dark=dark, titles=("Sharpness × η/2, and the limit 1", "Loss"), title=title,
        subtitle=words if title else "", height=420, horizontal_spacing=0.12, layout={"showlegend": False},
    )  # fmt: skip
    left, right = {"row": 1, "col": 1}, {"row": 1, "col": 2}
    curve(fig, steps, ratio, "sharpness × η/2", c["accent"], at=left, mode="lines+markers", marker={"size": 4},
          hovertemplate="step %{x}: %{y:.3f}")  # fmt: skip
    fig.add_hline(y=1.0, line={"color": c["ink"], "width": 1, "dash": "dot"}, **left)
    curve(fig, steps, loss, "loss", c["warm"], at=right, hovertemplate="step %{x}: %{y:.4g}")
    fig.update_yaxes(range=[0, 1.12 * float(np.nanmax([*ratio, 1.0]))], **left)
    fine = loss[np.isfinite(loss)]
    if fine.size and fine.min() > 0:
        fig.update_yaxes(**log_axis(fine.min() / 1.15, fine.max() * 1.15), **right)
    return fig.update_xaxes(title="step", range=[0, float(steps[-1])])
