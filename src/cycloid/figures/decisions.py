"""A threshold drawn: what every threshold costs, and whether the probabilities say what happens."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from cycloid.core.numerals import numeral
from cycloid.figures.draw import band, curve, dots, panels
from cycloid.figures.registry import register
from cycloid.figures.theme import palette
from cycloid.train.decisions import Decision


@register(Decision)
def draw_decision(result: Decision, *, unit: str = "", dark: bool = False) -> Any:
    """Draw a decision: the mean cost of every threshold with its interval, and predicted against observed shares.

    Args:
        result: of `cy.train.choose_threshold`.
        unit: of the costs.
        dark: the dark theme.

    Returns:
        A plotly figure.
    """
    c, tail = palette(dark), f" {unit}" if unit else ""
    half = result.saving("threshold 0.5")
    said = (
        f"act from {numeral(result.value, 3)} on: {numeral(result.cost, 3)}{tail} a row, {numeral(half.saved, 3)} less "
        f"than at one half ({result.level:.0%} interval {numeral(half.low, 3)} to {numeral(half.high, 3)})"
    )
    fig = panels(
        1, 2, titles=["Mean cost of each threshold", "Predicted and observed"], dark=dark,
        title="What a threshold costs",
        subtitle=said, column_widths=[0.62, 0.38], horizontal_spacing=0.11, height=470, layout={"showlegend": False},
    )  # fmt: skip
    _costs(fig, result, c, tail, {"row": 1, "col": 1})
    _calibration(fig, result, c, {"row": 1, "col": 2})
    return fig


def _costs(fig: Any, result: Decision, c: dict[str, str], tail: str, at: Any) -> None:
    t, costs = np.asarray(result.thresholds), np.asarray(result.costs)
    band(fig, t, result.low, result.high, "cost", c["accent"], at=at)
    curve(fig, t, costs, "cost", c["accent"], width=2.4, at=at)
    chosen, cost = float(np.asarray(result.value)), float(np.asarray(result.cost))
    fig.add_vline(x=chosen, line={"color": c["warm"], "width": 1.5, "dash": "dot"}, **at)
    half = result.saving("threshold 0.5").cost
    marks = [(chosen, cost, "by cost", c["warm"]), (0.5, half, "one half", c["ink"]),
             (0.0, result.saving("act on all").cost, "act on all", c["ink"]),
             (1.0, result.saving("act on nobody").cost, "act on nobody", c["ink"])]  # fmt: skip
    for x, y, name, colour in marks:
        dots(fig, x, y, name, colour, size=9, at=at)
        side = "left" if x < 0.5 else "right"
        fig.add_annotation(
            x=x, y=y, text=name, showarrow=False, xanchor=side, yanchor="top" if name == "by cost" else "bottom",
            xshift=6 if side == "left" else -6, yshift=-8 if name == "by cost" else 6,
            font={"size": 12, "color": colour}, **at,
        )  # fmt: skip
    fig.update_xaxes(title="threshold", range=[-0.03, 1.03], **at)
    fig.update_yaxes(title=f"cost a row{tail and ',' + tail}", **at)


def _calibration(fig: Any, result: Decision, c: dict[str, str], at: Any) -> None:
    rows = result.calibration
    predicted, observed = (np.array([getattr(b, name) for b in rows]) for name in ("predicted", "observed"))
    top = 1.08 * max(float(predicted.max()), max(b.high for b in rows))
    curve(fig, [0, top], [0, top], "calibrated", c["muted"], width=1, dash="dot", at=at)
    ends = [np.array([getattr(b, name) for b in rows]) for name in ("low", "high")]
    fig.add_trace(go.Scatter(
        x=predicted, y=observed, mode="markers", name="observed", marker={"size": 8, "color": c["green"]},
        error_y={"type": "data", "symmetric": False, "array": ends[1] - observed, "arrayminus": observed - ends[0],
                 "color": c["green"], "thickness": 1.4, "width": 0},
    ), **at)  # fmt: skip
    fig.update_xaxes(title="probability said", range=[0, top], **at)
    fig.update_yaxes(title="share in which it came", range=[0, top], **at)
