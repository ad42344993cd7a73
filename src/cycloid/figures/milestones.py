"""How many steps each method needs to each target: the curves, and the counts beside those of the baseline."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from cycloid.core.numerals import numeral
from cycloid.figures.contests import clock, thinned
from cycloid.figures.draw import band, curve, label, log_axis, panels
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
    the worst, and the dotted lines are the targets. On the right the lines are the intervals of the medians; where
    one of the two never arrived the ratio lies outside, and an arrow points to it.

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
    first, seeds = found.protocol["baseline"], found.protocol["seeds"]
    words = f"{seeds} seed{'s' if seeds > 1 else ''}; learning rates: {found.protocol['tuning']}"
    fig = panels(
        1, 2, dark=dark, titles=("Objective", f"Times fewer evaluations than {label(first)}"), title=title,
        subtitle=label(words) if title else "", column_widths=[0.58, 0.42], horizontal_spacing=0.13, height=480,
        layout={"margin": {"l": 64, "r": 24, "t": 128 if title else 72, "b": 52}, "legend": {"y": 1.085}},
    )  # fmt: skip
    _falls(fig, found, paces if view == "time" else None, dark)
    _times(fig, found, first, dark)
    return fig


def _falls(fig: Any, found: Milestones, paces: dict[str, float] | None, dark: bool) -> None:
    at, c = {"row": 1, "col": 1}, palette(dark)
    every, targets = found.protocol["every"], list(dict.fromkeys(found.value["target"]))
    arrivals = {name: median(counts[-1]) for name, counts in found.counts.items()}
    ends = {}
    for name, runs in found.runs.items():
        steps = thinned(runs.shape[1], every)
        runs = np.where(np.isfinite(runs), runs, np.nan)[:, steps]
        with np.errstate(all="ignore"):
            middle = np.apply_along_axis(median, 0, runs)
        pace = 1.0 if paces is None else paces[name]
        ends[name] = min(arrivals[name] * 1.25, steps[-1]) * pace
        colour = colour_of(name, dark)
        band(fig, steps * pace, np.nanmin(runs, 0), np.nanmax(runs, 0), name, colour, at=at)
        middle = np.where(np.isfinite(middle), middle, np.nan)
        curve(fig, steps * pace, middle, name, colour, at=at, hovertemplate="%{x:.4g}: %{y:.4g}")
    for target in targets:
        fig.add_hline(y=target, line={"color": c["muted"], "width": 1, "dash": "dot"}, **at)
    # What happens below the last target, or after the last arrival, was not asked.
    low, high = min(targets), max(float(np.median(runs[:, 0])) for runs in found.runs.values())
    if low > 0 and high > 2 * low:
        fig.update_yaxes(**log_axis(low * 10**-0.15, high * 10**0.1), **at)
    latest = max(ends.values())
    scale, unit = (1.0, "evaluations") if paces is None else clock(latest)
    if scale != 1.0:
        fig.for_each_trace(lambda trace: trace.update(x=np.asarray(trace.x) * scale), **at)
    fig.update_xaxes(title=unit, range=[0, latest * scale], **at)


def _times(fig: Any, found: Milestones, first: str, dark: bool) -> None:
    at, c = {"row": 1, "col": 2}, palette(dark)
    table = [dict(zip(found.value, row)) for row in zip(*found.value.values())]
    others = [name for name in found.runs if name != first]
    goals = [f"to {numeral(goal, 3)}" for goal in dict.fromkeys(found.value["target"])]
    known = [v for line in table for v in (line["times"], line["low"], line["high"]) if np.isfinite(v) and v > 0]
    low, high = min([*known, 0.8]) / 1.25, max([*known, 2.0]) * 1.25
    for k, name in enumerate(others):
        own = [line for line in table if line["method"] == name]
        y = np.arange(len(own)) + 0.22 * (k - (len(others) - 1) / 2)
        ends = np.array([[line["times"], line["low"], line["high"]] for line in own]).T
        middle, left, right = np.clip(ends, low, high)
        symbols = np.where(ends[0] >= high, "triangle-right", np.where(ends[0] <= low, "triangle-left", "circle"))
        fig.add_trace(
            go.Scatter(
                x=middle, y=y, mode="markers", name=label(name), legendgroup=label(name), showlegend=False,
                marker={"color": colour_of(name, dark), "size": 10, "symbol": symbols}, cliponaxis=False,
                error_x={"array": right - middle, "arrayminus": middle - left, "width": 0, "thickness": 2},
                hovertemplate="%{text}<extra>" + label(name) + "</extra>",
                text=[_in_words(value, name, first) for value in ends[0]],
            ),
            **at,
        )  # fmt: skip
        for value, height in zip(ends[0], y):
            if not 0 < value < np.inf:
                fig.add_annotation(
                    x=1.0 if value == np.inf else 0.0, xref="x2 domain", y=height, yref="y2",
                    xshift=-14 if value == np.inf else 14, xanchor="right" if value == np.inf else "left",
                    text=_in_words(value, name, first),
                    font={"size": 11, "color": colour_of(name, dark)},
                )  # fmt: skip
    fig.add_vline(x=1.0, line={"color": c["muted"], "width": 1, "dash": "dot"}, **at)
    fig.update_xaxes(title="times", **log_axis(low, high), **at)
    tall = [len(goals) - 0.5, -0.5]
    fig.update_yaxes(tickvals=list(range(len(goals))), ticktext=goals, range=tall, showgrid=False, **at)


def _in_words(times: float, name: str, first: str) -> str:
    if np.isnan(times):
        return f"neither {label(name)} nor {label(first)} arrived"
    if not 0 < times < np.inf:
        return f"{label(first if times else name)} never arrived"
    return f"{numeral(times, 3)} times fewer"
