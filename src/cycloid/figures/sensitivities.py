"""Sensitivity to each input: elasticities as a tornado, and shares of the variance with their intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from cycloid.core.numerals import numeral
from cycloid.differentiate.sensitivities import Sensitivity
from cycloid.figures.draw import label, panels
from cycloid.figures.registry import register
from cycloid.figures.tangents import title_of
from cycloid.figures.theme import palette

# The inputs with the longest bars are shown, so many at most.
SHOWN = 20


@register(Sensitivity)
def draw_sensitivity(result: Sensitivity, *, dark: bool = False) -> Any:
    """On the left what one per cent of each input does, on the right what share of the variance it makes."""
    table = result.to_pandas()
    shared = result.replicates is not None
    weight = table["total"] if shared else table["elasticity"].abs()
    table = table.loc[weight.fillna(-1).sort_values().index[-SHOWN:]]
    titles = ["1 % more of it changes the result by, in %"]
    titles += ["share of the variance over the ranges"] if shared else []
    asked = result.question
    fig = panels(
        1, 2 if shared else 1, titles=titles, dark=dark, shared_yaxes=True, horizontal_spacing=0.06,
        title="Sensitivity" if asked is None else label(title_of(asked.function)), subtitle=_lines(result.sentence),
        height=230 + 46 * len(table), layout={"barmode": "group", "bargap": 0.35, "margin": {"t": 150, "b": 48}},
    )  # fmt: skip
    _tornado(fig, table, dark)
    if shared:
        _shares(fig, table, dark)
    fig.update_layout(legend={"x": 0.53, "y": -0.16, "yanchor": "top"})
    return fig


def _lines(sentence: str) -> str:
    """Each sentence on a line of its own."""
    return label(sentence).replace(". Over", ".<br>Over")


def _tornado(fig: Any, table: Any, dark: bool) -> None:
    c = palette(dark)
    sizes = table["elasticity"].to_numpy(float)
    fig.add_trace(
        go.Bar(
            x=sizes, y=[label(n) for n in table.index], orientation="h", name="elasticity", showlegend=False, width=0.5,
            marker={"color": np.where(sizes >= 0, c["green"], c["warm"]).tolist()},
            text=[numeral(v, 3, typeset=True) for v in sizes], textposition="outside", cliponaxis=False,
            customdata=table["partial"],
            hovertemplate="%{y}: elasticity %{x:.4g}, ∂f/∂%{y} = %{customdata:.5g}<extra></extra>",
        ),
        row=1, col=1,
    )  # fmt: skip
    most = float(np.nanmax(np.abs(sizes))) if np.isfinite(sizes).any() else 1.0
    low = -1.25 * most if np.nanmin(sizes, initial=0.0) < 0 else 0.0
    high = 1.25 * most if np.nanmax(sizes, initial=0.0) > 0 else 0.0
    fig.update_xaxes(range=[low, high or 0.1], zeroline=True, zerolinecolor=c["muted"], zerolinewidth=1, row=1, col=1)
    fig.update_yaxes(showgrid=False, row=1, col=1)


def _shares(fig: Any, table: Any, dark: bool) -> None:
    c = palette(dark)
    rows = [label(n) for n in table.index]
    for name, column, colour in (("with its interactions", "total", c["accent"]), ("alone", "first", c["gold"])):
        values = table[column].to_numpy(float)
        fig.add_trace(
            go.Bar(
                x=values, y=rows, orientation="h", name=name, marker={"color": colour},
                error_x={"array": table[f"{column} high"] - values, "color": c["ink"], "thickness": 1.2, "width": 4},
                hovertemplate=f"%{{y}} {name}: %{{x:.4f}}<extra></extra>",
            ),
            row=1, col=2,
        )  # fmt: skip
    top = float(np.nanmax(table[["total high", "first high"]].to_numpy(float)))
    fig.update_xaxes(range=[0, max(1.0, 1.02 * top)] if top > 0.5 else [0, 1.15 * top], tickformat=".0%", row=1, col=2)
    fig.update_layout(legend={"traceorder": "reversed"})
