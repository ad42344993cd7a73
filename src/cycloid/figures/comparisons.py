"""Several training runs side by side: their losses over the steps, and where each metric ended, with its interval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go

from cycloid.figures.draw import Place, curve, label, logarithmic, panels
from cycloid.figures.registry import register
from cycloid.figures.sentences import metric_name
from cycloid.figures.theme import colour_of, palette
from cycloid.learn.runs import Run
from cycloid.train.comparisons import Comparison


def methods(runs: Mapping[str, Run], *, title: str = "The methods side by side", dark: bool = False) -> Any:
    """Draw the validation loss (else the training loss) of each run, and its first metric with the interval.

    Args:
        runs: by the name of the method; its colour is its name's.
        title: above the panels; "" for none.
        dark: the dark theme.

    Raises:
        ValueError: when there is no run.
    """
    if not runs:
        raise ValueError("methods draws at least one run.")
    left = "Loss on validation rows" if _all_have(runs) else "Loss on training rows"
    fig = panels(
        1, 2, dark=dark, titles=(left, "At the end"),
        title=title, column_widths=[0.62, 0.38], horizontal_spacing=0.12, height=400 if title else 360,
    )  # fmt: skip
    key = "validation_loss" if _all_have(runs) else "train_loss"
    left, right = {"row": 1, "col": 1}, {"row": 1, "col": 2}
    for name, run in runs.items():
        curve(fig, run.history["step"], run.history[key], name, colour_of(name, dark), at=left)
    logarithmic(fig, [run.history[key] for run in runs.values()], left)
    fig.update_xaxes(title="step", **left)
    fig.update_layout(showlegend=False)
    _whiskers(fig, runs, dark, right)
    return fig


@register(Comparison)
def comparison_figure(found: Comparison, *, title: str = "The methods side by side", dark: bool = False) -> Any:
    """Draw what `cy.compare` found: `methods` of its runs, with its conclusion under the title.

    Args:
        found: the comparison.
        title: above the panels; "" for none.
        dark: the dark theme.
    """
    fig = methods(found.runs, title=title, dark=dark)
    if title:
        fig.update_layout(title_subtitle_text=label(found.sentence), margin_t=96, height=430)
    return fig


def _all_have(runs: Mapping[str, Run]) -> bool:
    return all("validation_loss" in run.history for run in runs.values())


def _whiskers(fig: Any, runs: Mapping[str, Run], dark: bool, at: Place) -> None:
    """One dot with its interval for each run, best on top, the trivial rival as a thin line."""
    scored = {name: run.metric for name, run in runs.items() if run.metric is not None}
    if not scored:
        return
    metric = next(iter(scored.values()))
    order = sorted(scored, key=lambda name: scored[name].value, reverse=metric.better == "lower")
    for name in order:
        m = scored[name]
        fig.add_trace(
            go.Scatter(
                x=[m.value], y=[label(name)], mode="markers", name=label(name),
                marker={"color": colour_of(name, dark), "size": 9, "line": {"width": 0}},
                error_x={"type": "data", "symmetric": False, "array": [m.high - m.value],
                         "arrayminus": [m.value - m.low], "color": colour_of(name, dark), "thickness": 2, "width": 0},
                hovertemplate=f"{label(name)}: %{{x:.4g}} ({m.low:.4g} to {m.high:.4g})<extra></extra>",
            ),
            **at,
        )  # fmt: skip
    verdict = next((run.verdict for run in runs.values() if run.verdict is not None), None)
    if verdict is not None and np.isfinite(verdict.baseline_value):
        muted = palette(dark)["muted"]
        fig.add_vline(x=verdict.baseline_value, line={"color": muted, "width": 1, "dash": "dot"}, **at)
        fig.add_annotation(
            x=verdict.baseline_value, y=0, yref="y2 domain", text=label(verdict.baseline), xanchor="left",
            yanchor="bottom", xshift=4, showarrow=False, font={"size": 11, "color": muted}, **at,
        )  # fmt: skip
    fig.update_xaxes(
        title=f"{metric_name(metric.name)} on {metric.part} rows, {metric.better} is better", showgrid=True, **at
    )
    fig.update_yaxes(
        type="category",
        showgrid=False,
        ticks="",
        ticklabelstandoff=8,
        tickfont={"size": 13, "color": palette(dark)["ink"]},
        **at,
    )
