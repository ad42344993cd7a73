"""The limit of the learning rate at a minimum, and a run of descent at the edge of stability."""

from __future__ import annotations

from typing import Any

import numpy as np

from cycloid.core.numerals import numeral
from cycloid.figures.draw import canvas, curve, dots, exact, panels
from cycloid.figures.registry import register
from cycloid.figures.theme import palette
from cycloid.optimize.step_limits import Edge, Stability


@register(Stability)
def stability_figure(found: Stability, *, title: str = "How long may a step be?", dark: bool = False) -> Any:
    """By what factor a step multiplies the distance from the minimum, over the learning rate.

    Args:
        found: from `cy.optimize.stability`.
        title: above the figure; "" for none.
        dark: the dark theme.
    """
    c = palette(dark)
    rates, growth = np.asarray(found.rates), np.asarray(found.growth)
    stable = growth <= 1
    limit, measured = float(np.asarray(found.value)), float(np.asarray(found.measured))
    words = f"predicted limit 2/λmax = {numeral(limit, 5)}, measured {numeral(measured, 5)}"
    fig = canvas(title, words if title else "", dark=dark, height=430, showlegend=False)
    curve(fig, rates, growth, "growth of the error in a step", c["muted"], width=1)
    for keep, colour, name in ((stable, c["green"], "comes closer"), (~stable, c["warm"], "goes away")):
        dots(fig, rates[keep], growth[keep], name, colour, size=7, hovertemplate="rate %{x:.5g}: × %{y:.5g} a step")
    exact(fig, 1.0, "", dark=dark)
    fig.add_vline(x=limit, line={"color": c["ink"], "width": 1, "dash": "dot"})
    fig.add_annotation(  # on a logarithmic axis an annotation stands at the exponent
        x=np.log10(limit), y=1.0, yref="paper", text="2/λmax", xanchor="right", xshift=-6, font={"color": c["ink"]}
    )
    for keep, colour, name, place in (
        (stable, c["green"], "comes closer", 0.02),
        (~stable, c["warm"], "goes away", 0.9),
    ):
        if keep.any():
            fig.add_annotation(
                x=place, xref="paper", y=0.02 if place < 0.5 else 0.94, yref="paper", text=name,
                xanchor="left" if place < 0.5 else "right", font={"color": colour, "size": 14},
            )  # fmt: skip
    ends = [float(np.log10(rates.min())) - 0.05, float(np.log10(rates.max())) + 0.05]
    fig.update_xaxes(title="learning rate η", type="log", range=ends, dtick="D2")
    return fig.update_yaxes(title="error after a step / before")


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
        1, 2, dark=dark, titles=("Sharpness × η/2", "Loss"), title=title, subtitle=words if title else "", height=420,
        horizontal_spacing=0.12, layout={"showlegend": False},
    )  # fmt: skip
    left, right = {"row": 1, "col": 1}, {"row": 1, "col": 2}
    curve(fig, steps, ratio, "sharpness × η/2", c["accent"], at=left, mode="lines+markers", marker={"size": 4},
          hovertemplate="step %{x}: %{y:.3f}")  # fmt: skip
    exact(fig, 1.0, "the limit of the theory of small steps", dark=dark, at=left)
    curve(fig, steps, loss, "loss", c["warm"], at=right, hovertemplate="step %{x}: %{y:.4g}")
    fig.update_yaxes(range=[0, 1.12 * float(np.nanmax([*ratio, 1.0]))], **left)
    fig.update_yaxes(type="log" if np.nanmin(loss) > 0 else "linear", exponentformat="power", dtick=1, **right)
    return fig.update_xaxes(title="step")
