"""The same derivatives by several frameworks: what a call takes in each, and how far they differ."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from cycloid.differentiate.frameworks import Agreement
from cycloid.figures.draw import label, panels
from cycloid.figures.registry import register
from cycloid.figures.theme import palette

_COLOURS = {"value": "muted", "gradient": "accent", "jacobian": "accent", "hessian": "warm"}
# A distance of exactly zero has no place on a logarithmic axis: it is drawn here.
_ZERO = 1e-18


@register(Agreement)
def agreement_figure(result: Agreement, *, title: str = "", dark: bool = False) -> Any:
    """Draw a comparison of frameworks: seconds of a warm call (dots) and of the first (rings), and the differences.

    Args:
        result: what `cy.compare` found.
        title: above the panels; by default the conclusion.
        dark: the dark theme.
    """
    c = palette(dark)
    ways, names = list(result.ways)[::-1], list(result.disagreement)
    verdict = "One answer" if result.agrees else "They disagree"
    gone = "; ".join(f"{name} is not installed" for name in result.missing)
    height = 250 + 44 * max(len(ways), len(names))
    fig = panels(
        1, 2, titles=("Seconds a call: warm ●, first ○", "Largest difference between two"), dark=dark,
        title=title or f"{verdict}: {label(result.of)}", subtitle=label(gone or ", ".join(result.ways)),
        height=height, column_widths=[0.6, 0.4], horizontal_spacing=0.16,
        layout={"margin": {"l": 64, "r": 40, "t": 140, "b": 56}},
    )  # fmt: skip
    for name in names:
        colour = c[_COLOURS[name]]
        for kind, at in (("first", 0), ("warm", 1)):
            marker = {"size": 12 if kind == "warm" else 10, "color": colour, "line": {"width": 2 if at == 0 else 0},
                      "symbol": "circle" if kind == "warm" else "circle-open"}  # fmt: skip
            seconds = [result.seconds[way][name][at] for way in ways]
            fig.add_trace(
                go.Scatter(x=seconds, y=ways, mode="markers", name=name, marker=marker, legendgroup=name,
                           showlegend=kind == "warm",
                           hovertemplate=f"{name}, {kind}: %{{x:.2g}} s<extra>%{{y}}</extra>"),
                row=1, col=1,
            )  # fmt: skip
    _differences(fig, result, names, c)
    fig.update_yaxes(type="category", showgrid=True, ticks="", tickfont={"size": 13, "color": c["ink"]})
    fig.update_xaxes(type="log", title="seconds", dtick=1, showgrid=False, row=1, col=1)
    fig.update_xaxes(type="log", title="difference", dtick=3, range=[-18.6, None], row=1, col=2)
    return fig.update_layout(legend={"yref": "container", "y": 1 - 74 / height, "yanchor": "top"})


def _differences(fig: Any, result: Agreement, names: list[str], c: dict[str, str]) -> None:
    names = names[::-1]
    apart = np.array([result.disagreement[name] for name in names], float)
    allowed = np.array([result.allowed[name] for name in names], float)
    good = [c["green"] if a <= b else c["warm"] for a, b in zip(apart, allowed)]
    for name, a, colour in zip(names, np.maximum(apart, _ZERO), good):
        line = {"color": colour, "width": 3}
        fig.add_trace(go.Scatter(x=[_ZERO, a], y=[name, name], mode="lines", line=line, showlegend=False,
                                 hoverinfo="skip"), row=1, col=2)  # fmt: skip
    text = ["exactly 0" if a == 0 else f"{a:.1e}" for a in apart]
    fig.add_trace(
        go.Scatter(x=np.maximum(apart, _ZERO), y=names, mode="markers+text", text=text, textposition="bottom center",
                   textfont={"size": 12, "color": c["muted"]}, showlegend=False, hoverinfo="skip", cliponaxis=False,
                   marker={"size": 9, "color": good, "line": {"width": 0}}),
        row=1, col=2,
    )  # fmt: skip
    tick = {"size": 16, "symbol": "line-ns-open", "color": c["muted"], "line": {"width": 2}}
    fig.add_trace(go.Scatter(x=allowed, y=names, mode="markers", name="allowed", marker=tick), row=1, col=2)
