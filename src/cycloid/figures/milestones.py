"""How many steps each method needs to each target: the curves, and the counts beside those of the baseline."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from cycloid.core.numerals import numeral
from cycloid.figures.draw import band, curve, label, panels
from cycloid.figures.registry import register
from cycloid.figures.theme import colour_of, palette
from cycloid.optimize.goals import Milestones
from cycloid.optimize.standings import median


@register(Milestones)
def milestones_figure(
    found: Milestones, *, view: str = "steps", title: str = "Steps to a target", dark: bool = False
) -> Any:
    """Draw milestones: on the left the objective, on the right how many times fewer evaluations than the baseline.

    The curves are medians over the seeds at the rate tuned for the last target, the bands reach from the best seed to
    the worst, and the dotted lines are the targets. On the right the lines are the intervals of the medians.

    Args:
        found: from `cy.optimize.milestones`.
        view: "steps", or "time" where it was asked with `timed=True`: the same curves over seconds.
        title: above the panels; "" for none.
        dark: the dark theme.

    Raises:
        ValueError: when the view is neither, or no times were measured.
    """
    paces = found.protocol.get("seconds_per_evaluation")
    if view not in ("steps", "time") or (view == "time" and paces is None):
        raise ValueError('view= is "steps", or "time" for milestones asked with timed=True.')
    first = found.protocol["baseline"]
    words = f"{found.protocol['seeds']} seeds; every learning rate tuned for every target on other seeds"
    fig = panels(
        1, 2, dark=dark, titles=("Objective", f"Times fewer evaluations than {label(first)}"), title=title,
        subtitle=words if title else "", column_widths=[0.58, 0.42], horizontal_spacing=0.13, height=460,
    )  # fmt: skip
    _falls(fig, found, paces if view == "time" else None, dark)
    _times(fig, found, first, dark)
    return fig


def _falls(fig: Any, found: Milestones, paces: dict[str, float] | None, dark: bool) -> None:
    at, c = {"row": 1, "col": 1}, palette(dark)
    every = found.protocol["every"]
    for name, runs in found.runs.items():
        runs = np.where(np.isfinite(runs), runs, np.nan)[:, ::every]
        with np.errstate(all="ignore"):
            middle = np.apply_along_axis(median, 0, runs)
        x = np.arange(runs.shape[1]) * every * (1.0 if paces is None else paces[name])
        colour = colour_of(name, dark)
        band(fig, x, np.nanmin(runs, 0), np.nanmax(runs, 0), name, colour, at=at)
        curve(
            fig,
            x,
            np.where(np.isfinite(middle), middle, np.nan),
            name,
            colour,
            at=at,
            hovertemplate="%{x:.4g}: %{y:.4g}",
        )
    for target in dict.fromkeys(found.value["target"]):
        fig.add_hline(y=target, line={"color": c["muted"], "width": 1, "dash": "dot"}, **at)
    # What happens below the last target was not asked.
    low = min(found.value["target"])
    high = max(float(np.median(runs[:, 0])) for runs in found.runs.values())
    if low > 0 and high > 2 * low:
        dense = "D2" if high < 100 * low else 1
        fig.update_yaxes(type="log", range=[np.log10(low) - 0.15, np.log10(high) + 0.1], dtick=dense, **at)
    fig.update_xaxes(title="evaluations" if paces is None else "seconds", **at)


def _times(fig: Any, found: Milestones, first: str, dark: bool) -> None:
    at, c = {"row": 1, "col": 2}, palette(dark)
    table = [dict(zip(found.value, row)) for row in zip(*found.value.values())]
    others = [name for name in found.runs if name != first]
    goals = [f"to {numeral(goal, 3)}" for goal in dict.fromkeys(found.value["target"])]
    widest = max([line["high"] for line in table if np.isfinite(line["high"])] + [1.0])
    for k, name in enumerate(others):
        own = [line for line in table if line["method"] == name]
        y = np.arange(len(own)) + 0.22 * (k - (len(others) - 1) / 2)
        middle = np.array([line["times"] for line in own])
        low = np.array([line["low"] for line in own])
        high = np.minimum([line["high"] for line in own], 1.15 * widest)
        fig.add_trace(
            go.Scatter(
                x=middle, y=y, mode="markers", name=label(name), legendgroup=label(name), showlegend=False,
                marker={"color": colour_of(name, dark), "size": 10},
                error_x={"array": high - middle, "arrayminus": middle - low, "width": 0, "thickness": 2},
                hovertemplate="%{x:.3g} times fewer<extra>" + label(name) + "</extra>",
            ),
            **at,
        )  # fmt: skip
    fig.add_vline(x=1.0, line={"color": c["muted"], "width": 1, "dash": "dot"}, **at)
    fig.update_xaxes(title="times", rangemode="tozero", **at)
    fig.update_yaxes(tickvals=list(range(len(goals))), ticktext=goals, autorange="reversed", showgrid=False, **at)
