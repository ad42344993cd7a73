"""A gradient held against slopes found without it, direction by direction; what is wrong stands out."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from cycloid.differentiate.gradient_checks import GradientCheck
from cycloid.figures.draw import label, panels
from cycloid.figures.registry import register
from cycloid.figures.theme import palette

# Directions that are drawn: the worst come first.
MOST = 24


@register(GradientCheck)
def gradient_figure(result: GradientCheck, *, title: str = "", dark: bool = False) -> Any:
    """Draw a check of a gradient: both slopes of each direction, and their distance beside the allowed one.

    Args:
        result: what `check_gradient` found.
        title: above the panels; by default the verdict.
        dark: the dark theme.
    """
    c = palette(dark)
    claimed, found, allowed = (np.asarray(a, float) for a in (result.claimed, result.found, result.allowed))
    apart = np.abs(claimed - found)
    order = np.argsort(-np.nan_to_num(apart / np.maximum(allowed, 1e-300), nan=np.inf))[:MOST][::-1]
    names = [f"{result.directions[i]} " + "​" * k for k, i in enumerate(order)]  # equal words, rows of their own
    wrong = ~(apart <= allowed) if result.verdict == "disagrees" else np.zeros(len(apart), bool)
    height = 190 + 26 * len(order)
    told = result.findings[0].sentence if result.findings else result.method
    fig = panels(
        1, 2, titles=("The slope, claimed and found", "How far apart, and how far allowed"), dark=dark,
        title=title or f"{result.verdict}: the gradient of {label(result.of)}", subtitle=label(_short(told)),
        height=height, column_widths=[0.55, 0.45], horizontal_spacing=0.06, shared_yaxes=True,
        layout={"margin": {"l": 64, "r": 24, "t": 140, "b": 52}},
    )  # fmt: skip
    _rods(fig, names, claimed[order], found[order], wrong[order], c)
    _distances(fig, names, apart[order], allowed[order], wrong[order], c)
    fig.update_yaxes(
        type="category",
        categoryorder="array",
        categoryarray=names,
        showgrid=False,
        ticks="",
        tickfont={"size": 12, "color": c["ink"]},
    )
    fig.update_xaxes(title="slope", zeroline=True, zerolinecolor=c["rule"], showgrid=True, row=1, col=1)
    fig.update_xaxes(type="log", title="difference", showgrid=True, dtick=4, row=1, col=2)
    return fig.update_layout(legend={"yref": "container", "y": 1 - 74 / height, "yanchor": "top"})


def _short(text: str) -> str:
    """As much of a sentence as fits under a title."""
    return text if len(text) <= 130 else text[:127].rsplit(" ", 1)[0] + " …"


def _rods(fig: Any, names: list[str], claimed: Any, found: Any, wrong: Any, c: dict[str, str]) -> None:
    for name, a, b, bad in zip(names, claimed, found, wrong):
        if bad and np.isfinite(a):
            line = {"color": c["warm"], "width": 2}
            fig.add_trace(go.Scatter(x=[a, b], y=[name, name], mode="lines", line=line, showlegend=False,
                                     hoverinfo="skip"), row=1, col=1)  # fmt: skip
    dot = {"size": 7, "color": c["ink"], "line": {"width": 0}}
    fig.add_trace(go.Scatter(x=found, y=names, mode="markers", name="found without it", marker=dot), row=1, col=1)
    ring = {"size": 13, "symbol": "circle-open", "line": {"width": 2},
            "color": [c["warm"] if bad else c["green"] for bad in wrong]}  # fmt: skip
    fig.add_trace(
        go.Scatter(x=claimed, y=names, mode="markers", name="claimed by the gradient", marker=ring), row=1, col=1
    )


def _distances(fig: Any, names: list[str], apart: Any, allowed: Any, wrong: Any, c: dict[str, str]) -> None:
    least = float(np.min(allowed[allowed > 0], initial=1e-12)) * 1e-10
    shown = np.maximum(np.where(np.isfinite(apart), apart, np.nan), least)
    dot = {"size": 9, "color": [c["warm"] if bad else c["green"] for bad in wrong], "line": {"width": 0}}
    zero = ["exactly 0" if a == 0 else f"{a:.2g}" for a in apart]
    fig.add_trace(
        go.Scatter(x=shown, y=names, mode="markers+text", name="difference", marker=dot, showlegend=False,
                   text=["0" if a == 0 else "" for a in apart], textposition="middle right", customdata=zero,
                   hovertemplate="%{y}: %{customdata}<extra></extra>"),
        row=1, col=2,
    )  # fmt: skip
    tick = {"size": 14, "symbol": "line-ns-open", "color": c["muted"], "line": {"width": 2}}
    fig.add_trace(go.Scatter(x=allowed, y=names, mode="markers", name="allowed", marker=tick), row=1, col=2)
