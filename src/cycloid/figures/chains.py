"""The chain of a training run in four panels: loss, gradient, update, metric."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np

from cycloid.core.numerals import numeral
from cycloid.figures.curvature_steps import TITLES, cells, note_panels, places, told
from cycloid.figures.draw import Place, band, calm_range, curve, dots, exact, label, logarithmic, panels
from cycloid.figures.registry import register
from cycloid.figures.sentences import metric_name
from cycloid.figures.theme import faded, mixed, palette
from cycloid.learn.reading import QUESTIONS
from cycloid.learn.runs import Run

# Letters of the sans serif at 13 pixels that fit on a line of the subtitle.
LINE = 120
# And on the rest of a panel's legend, beside the training and validation rows.
LEGEND = 30
# Above so many parameter arrays their curves would be a tangle; `heatmaps.layers` shows them.
ARRAYS = 24


@register(Run)
def run_figure(run: Run, *, title: str | None = None, dark: bool = False) -> Any:
    """Draw the chain of a run: where the loss comes from, the gradient, what each update did, what the metric did.

    Of a method of curvature a third row shows what it told: damping, conjugate gradients, what was kept of the promise.

    Args:
        run: from `cy.train.fit`.
        title: above the panels; by default the method with the verdict under it; "" for none.
        dark: the dark theme.

    Returns:
        A plotly figure of four panels or more over the steps. What it draws are the columns of `run.history` as they
        are.
    """
    words = str(run.verdict) if run.verdict is not None else run.status.message
    heading, under = _heading(run) if title is None else title, words if title is None else ""
    lines = textwrap.wrap(under, LINE)
    notes = told(run.history)
    rows = 3 if notes else 2
    fig = panels(
        rows, 6, dark=dark, titles=[*QUESTIONS, *(TITLES[name] for name in notes)], title=label(heading),
        subtitle="<br>".join(map(label, lines)), specs=cells([2, 2, len(notes)][:rows]), horizontal_spacing=0.11,
        vertical_spacing=0.25 if rows == 2 else 0.14, height=620 + (rows - 2) * 300 + 18 * len(lines),
        layout={"margin": {"l": 64, "r": 24, "t": (120 if heading else 60) + 18 * len(lines), "b": 56}},
    )  # fmt: skip
    for note in fig.layout.annotations[: len(QUESTIONS)]:
        note.yshift = 25  # the legend of a panel stands between its question and its curves
    loss_panel(fig, run, dark, {"row": 1, "col": 1})
    gradient_panel(fig, run, dark, {"row": 1, "col": 4})
    update_panel(fig, run, dark, {"row": 2, "col": 1})
    metric_panel(fig, run, dark, {"row": 2, "col": 4})
    note_panels(fig, run.history["step"], run.history, places(3, len(notes)), dark=dark)
    for row, col, which in ((1, 1, "legend"), (1, 4, "legend2"), (2, 1, "legend3"), (2, 4, "legend4")):
        _own_legend(fig, row, col, which)
    last = float(run.history["step"][-1])
    fig.update_xaxes(range=[-0.01 * last, 1.01 * last])
    fig.update_xaxes(title="step", row=rows)
    return fig


def _heading(run: Run) -> str:
    return f"{run.method}, {numeral(run.steps)} steps on {run.loss.replace('_', ' ')}"


def loss_panel(fig: Any, run: Run, dark: bool, at: Place) -> None:
    """Losses on training and validation rows, and of each group of examples."""
    c, history = palette(dark), run.history
    curve(fig, history["step"], history["train_loss"], "training rows", c["accent"], at=at)
    if "validation_loss" in history:
        curve(fig, history["step"], history["validation_loss"], "validation rows", c["warm"], at=at)
        if 0 < run.best_step < run.steps:
            fig.add_vline(x=run.best_step, line={"color": c["muted"], "width": 1, "dash": "dot"}, **at)
            _best_step(fig, run, c["muted"], at)
    groups = run.groups if "group_losses" in history else ()
    _many(fig, run, history["group_losses"] if groups else None, groups, "each group", dark, at)
    logarithmic(fig, [history[k] for k in ("train_loss", "validation_loss") if k in history], at)
    fig.update_yaxes(title="loss", **at)


def _best_step(fig: Any, run: Run, colour: str, at: Place) -> None:
    """Where the validation loss was lowest, named on the side where there is room."""
    left = run.best_step > run.steps / 2
    fig.add_annotation(
        x=run.best_step, y=1, yref="y domain", text=f"lowest at {run.best_step}", showarrow=False, yanchor="top",
        xanchor="right" if left else "left", xshift=-4 if left else 4, font={"size": 11, "color": colour}, **at,
    )  # fmt: skip


def gradient_panel(fig: Any, run: Run, dark: bool, at: Place) -> None:
    """The norm of the gradient, whole and by parameter array."""
    c, history = palette(dark), run.history
    several = run.layers if 1 < len(run.layers) <= ARRAYS else ()
    _many(fig, run, history["layer_gradient_norms"], several, "each parameter array", dark, at)
    curve(fig, history["step"], history["gradient_norm"], "all parameters", c["ink"], at=at)
    logarithmic(fig, [history["gradient_norm"]], at)
    fig.update_yaxes(title="‖∇L‖", **at)


def update_panel(fig: Any, run: Run, dark: bool, at: Place) -> None:
    """What the gradient promised, −∇L·Δw, and how far the loss on the same batch really fell."""
    c, history = palette(dark), run.history
    step, actual = history["step"], np.asarray(history["actual_change"], float)
    promised = -np.asarray(history["predicted_change"], float)
    promised = np.where(promised > 0, promised, np.nan)  # a logarithmic axis has no place for a promised rise: a gap
    curve(fig, step, promised, "promised, −∇L·Δw", c["muted"], at=at, width=1.5)
    rose = actual > 0
    hover = "step %{x}: %{y:.3g}<extra>%{fullData.name}</extra>"
    dots(fig, step[~rose], -actual[~rose], "actual fall", c["green"], at=at, size=5, hovertemplate=hover)
    if rose.any():
        ring = {"symbol": "circle-open", "line": {"width": 1.5, "color": c["warm"]}}
        dots(fig, step[rose], actual[rose], "rose instead", c["warm"], at=at, size=6, marker=ring, hovertemplate=hover)
    fig.update_yaxes(title="fall of the batch's loss", type="log", dtick=1, **at)


def metric_panel(fig: Any, run: Run, dark: bool, at: Place) -> None:
    """The metric on the rows watched, the interval of the final one, and the trivial rival."""
    c, history, metric = palette(dark), run.history, run.metric
    if metric is None or "metric" not in history:
        fig.add_annotation(
            text="no metric was asked for", x=0.5, y=0.5, xref="x4 domain", yref="y4 domain", showarrow=False
        )
        return
    watched = "validation rows" if "validation_loss" in history else "training rows"
    ends, name = [history["step"][0], history["step"][-1]], f"{metric.part} rows at the end, {metric.level:.0%}"
    band(fig, ends, [metric.low] * 2, [metric.high] * 2, name, c["green"], at=at)
    curve(fig, ends, [metric.value] * 2, name, c["green"], at=at, width=1.5)
    curve(fig, history["step"], history["metric"], watched, c["warm"] if watched[0] == "v" else c["accent"], at=at)
    if run.verdict is not None and np.isfinite(run.verdict.baseline_value):
        exact(fig, run.verdict.baseline_value, label(run.verdict.baseline), dark=dark, at=at)
    seen = [*np.asarray(history["metric"], float), metric.low, metric.high]
    if run.verdict is not None:
        seen.append(run.verdict.baseline_value)
    fig.update_yaxes(title=f"{metric_name(metric.name)}, {metric.better} is better", range=calm_range(seen), **at)


def _many(fig: Any, run: Run, columns: Any, names: Any, together: str, dark: bool, at: Place) -> None:
    """Several thin curves, from teal for the first to purple for the last; under one name where the legend is short."""
    c = palette(dark)
    named = sum(map(len, names)) + 6 * len(names) <= LEGEND
    for i, name in enumerate(names):
        colour = faded(mixed(c["teal"], c["purple"], i / max(1, len(names) - 1)), 0.7)
        curve(fig, run.history["step"], columns[:, i], name, colour, at=at, width=1, showlegend=named)
    if len(names) and not named:
        curve(fig, [None], [None], together, mixed(c["teal"], c["purple"], 0.5), at=at, width=1)


def _own_legend(fig: Any, row: int, col: int, name: str) -> None:
    """The legend of one panel, on a line of its own above the curves."""
    subplot = fig.get_subplot(row, col)
    fig.update_layout({name: {
        "x": subplot.xaxis.domain[0], "xanchor": "left", "y": subplot.yaxis.domain[1] + 0.005, "yanchor": "bottom",
        "orientation": "h", "bgcolor": "rgba(0,0,0,0)", "font": {"size": 11}, "tracegroupgap": 0, "itemsizing": "trace",
    }})  # fmt: skip
    axis = subplot.xaxis.plotly_name.replace("axis", "")
    fig.for_each_trace(lambda t: t.update(legend=name), selector={"xaxis": axis})
