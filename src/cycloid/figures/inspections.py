"""Pictures of an inspection: layers against statistics as heat, the steps, the chain of Jacobians, the inputs."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go

from cycloid.core.numerals import numeral
from cycloid.figures.draw import canvas, curve, label, panels
from cycloid.figures.registry import register
from cycloid.figures.theme import diverging, palette, shades
from cycloid.train.evidence import Evidence
from cycloid.train.inspections import Report


class Statistic(NamedTuple):
    """One column of the heatmap.

    Attributes:
        title: over the column.
        low, high: between them it is healthy; low 0 means that it cannot be too small.
        share: whether it is a share, whose distance is counted linearly.
    """

    title: str
    low: float
    high: float
    share: bool = False


# The healthy ranges are those beyond which the rules of the diagnosis begin to look; docs/inspector.md tells why.
STATISTICS = {
    "scale": Statistic("output<br>scale", 0.05, 10.0),
    "factor": Statistic("signal gain<br>in this layer", 0.3, 3.0),
    "dead": Statistic("dead<br>units", 0.0, 0.3, True),
    "saturated": Statistic("saturated<br>values", 0.0, 0.5, True),
    "gradient": Statistic("gradient,<br>over the last's", 0.003, 30.0),
    "update": Statistic("update /<br>weight", 3e-5, 0.05),
    "units": Statistic("units alike<br>(|cosine|)", 0.0, 0.8, True),
}
DEEPEST = 60  # layers drawn; of more, evenly many are left out


@register(Report)
def inspection(report: Report, *, title: str = "Layer by layer", dark: bool = False) -> Any:
    """Draw the layers of an inspected model against what was measured of them.

    Args:
        report: from `cy.train.inspect`.
        title: above the picture; "" for none.
        dark: the dark theme.

    Returns:
        A plotly heatmap: white is healthy, blue too small, orange too large; the number stands in its cell.
    """
    rows, columns = layer_statistics(report)
    names = [name for name in STATISTICS if any(math.isfinite(row.get(name, math.nan)) for row in columns)]
    table = np.array([[row.get(name, math.nan) for name in names] for row in columns], float)
    table = table.reshape(len(rows), len(names))
    colours = np.array([[_distance(v, STATISTICS[n]) for v, n in zip(row, names)] for row in table])
    texts = [[_cell(v, STATISTICS[n]) for v, n in zip(row, names)] for row in table]
    fig = canvas(title, dark=dark, height=120 + (40 if title else 0) + 34 * max(2, len(rows)))
    fig.add_trace(
        go.Heatmap(
            z=colours.reshape(len(rows), len(names)), x=[STATISTICS[n].title for n in names],
            y=[label(row) for row in rows], text=texts, texttemplate="%{text}", zmin=-2, zmax=2, xgap=3, ygap=3,
            colorscale=diverging(dark), hovertemplate="%{y}: %{text}<extra>%{x}</extra>", hoverongaps=False,
            textfont={"size": 12, "color": palette(dark)["ink"]},
            colorbar={
                "tickvals": [-2, 0, 2], "ticktext": ["far too small", "healthy", "far too large"], "thickness": 10,
                "outlinewidth": 0, "ticks": "", "tickfont": {"size": 11, "color": palette(dark)["muted"]},
            },
        )
    )  # fmt: skip
    fig.update_xaxes(side="top", showline=False, ticks="", showgrid=False)
    fig.update_yaxes(autorange="reversed", showgrid=False, ticks="", ticklabelstandoff=6, type="category")
    return fig.update_layout(margin={"t": 110 if title else 62, "b": 16})


def layer_statistics(report: Report) -> tuple[list[str], list[dict[str, float]]]:
    """(names, statistics of each) of the layers in the order of the forward pass."""
    e = report.evidence
    reaches = {reach.layer: reach.factor for reach in report.reaches}
    by_layer = _of_parameters(e)
    names = list(e.layers or dict.fromkeys(e.parameter_layers or ()))
    kinds = dict(zip(e.layers or (), e.layer_kinds or ()))
    if len(names) > DEEPEST:
        names = [names[i] for i in np.unique(np.linspace(0, len(names) - 1, DEEPEST).round().astype(int))]
    places = {name: i for i, name in enumerate(e.layers or ())}
    rows = []
    for name in names:
        at = lambda table, name=name: (
            float(np.asarray(table)[places[name]]) if table is not None and name in places else math.nan
        )
        dead = np.nanmax([at(e.dead_share), at(e.dead_share_last), -1.0])
        row = {"scale": at(e.output_scale), "saturated": at(e.saturated_share), "factor": reaches.get(name, math.nan)}
        row["dead"] = float(dead) if dead >= 0 else math.nan
        rows.append(row | by_layer.get(name, {}))
    shown = [f"{name}  {kinds[name]}" if kinds.get(name) and kinds[name] not in name else name for name in names]
    return shown, rows


def steps(report: Report, *, title: str = "Step by step", dark: bool = False) -> Any:
    """Draw the loss, how far each step could have gone, and the turning of the gradient, over the rehearsed steps."""
    e = report.evidence
    fig = panels(
        1, 3, dark=dark, title=title, height=300,
        titles=("Loss of the batch", "Lowest loss along the step, in steps", "Cosine with the gradient before"),
    )  # fmt: skip
    at = [{"row": 1, "col": i} for i in (1, 2, 3)]
    c = palette(dark)
    x = np.asarray(e.step)
    for place, table, name, colour in zip(
        at, (e.loss, e.line_minimum, e.gradient_cosine), ("loss", "line minimum", "cosine"), ("accent", "warm", "green")
    ):
        if table is not None:
            curve(fig, x, np.asarray(table, float), name, c[colour], at=place, showlegend=False, mode="lines+markers")
    if e.line_minimum is not None and np.isfinite(e.line_minimum).any():
        fig.update_yaxes(type="log", row=1, col=2)
        fig.add_hline(y=1.0, line={"color": c["muted"], "width": 1, "dash": "dot"}, row=1, col=2)
    fig.update_yaxes(range=[-1.05, 1.05], row=1, col=3)
    return fig.update_xaxes(title="step")


def jacobians(report: Report, *, title: str = "The chain of Jacobians", dark: bool = False) -> Any:
    """Draw the singular values of ∂(layer)/∂(inputs), and the typical stretch, along the depth."""
    c = palette(dark)
    fig = canvas(title, dark=dark, height=340)
    names = [label(reach.layer) for reach in report.reaches]
    for quantile, name, dash in ((0.0, "largest", "solid"), (0.5, "median", "dash"), (1.0, "smallest", "dot")):
        values = [_at(reach.singular, quantile) for reach in report.reaches]
        curve(fig, names, values, f"{name} singular value", c["muted"], mode="lines+markers", width=1.4, dash=dash)
    curve(fig, names, [r.gain for r in report.reaches], "typical stretch", c["accent"], mode="lines+markers", width=3)
    fig.update_yaxes(type="log", title="stretch of a change of the inputs", exponentformat="power")
    return fig.update_xaxes(type="category")


def inputs(report: Report, *, title: str = "The inputs", dark: bool = False, most: int = 16) -> Any:
    """Draw the inputs with the largest effect on the loss: by slope, and by shuffling them."""
    effects = report.effects
    if effects is None:
        raise ValueError("this report has no effects of inputs: they are no numbers, or the model is too large.")
    c = palette(dark)
    top = np.argsort(-effects.slopes)[:most][::-1]
    fig = panels(
        1, 2, dark=dark, title=title, shared_yaxes=True, height=150 + 22 * len(top),
        titles=("Slope of the loss, in deviations", "Rise of the loss when shuffled"),
    )  # fmt: skip
    names = [label(effects.names[i]) for i in top]
    for place, values, colour in ((1, effects.slopes, "accent"), (2, effects.permuted, "warm")):
        bar = go.Bar(x=values[top], y=names, orientation="h", marker={"color": c[colour]}, showlegend=False)
        fig.add_trace(bar, row=1, col=place)
    fig.update_yaxes(type="category", showgrid=False)
    return fig.update_layout(bargap=0.35)


def examples(report: Report, *, title: str = "Example by example", dark: bool = False) -> Any:
    """Draw the loss of every example, sorted: few that carry it all, or all alike."""
    each = report.evidence.example_losses
    if each is None:
        raise ValueError("this report has no losses of single examples.")
    c = palette(dark)
    values = np.sort(np.asarray(each, float))[::-1]
    share = np.cumsum(values) / values.sum() if values.sum() > 0 else np.linspace(0, 1, len(values))
    half = int(np.searchsorted(share, 0.5)) + 1
    fig = canvas(title, dark=dark, height=280)
    colours = [c["warm"] if i < half else mixed_quiet(dark) for i in range(len(values))]
    fig.add_trace(go.Bar(x=np.arange(1, len(values) + 1), y=values, marker={"color": colours}, showlegend=False))
    fig.update_xaxes(title=f"examples, largest loss first: {half} of {len(values)} carry half of it")
    return fig.update_yaxes(title="loss").update_layout(bargap=0.0)


def mixed_quiet(dark: bool) -> str:
    """A quiet colour for what is not spoken of."""
    return str(shades(dark)[1][1]) if dark else palette(dark)["rule"]


def _of_parameters(e: Evidence) -> dict[str, dict[str, float]]:
    """Gradient over the last weight's, update over weight, likeness of units: by layer, of its weights."""
    if not e.parameters or e.parameter_layers is None:
        return {}
    kinds = e.parameter_kinds or ("weight",) * len(e.parameters)
    places = [i for i, kind in enumerate(kinds) if kind == "weight"]
    sizes = np.ones(len(e.parameters)) if e.parameter_sizes is None else np.sqrt(np.asarray(e.parameter_sizes, float))
    early = None if e.gradient_norms is None else np.nan_to_num(np.asarray(e.gradient_norms, float)[:3])
    strength = None if early is None else np.median(early, axis=0) / sizes
    found: dict[str, dict[str, float]] = {}
    for i in places:
        row: dict[str, float] = {}
        if strength is not None and strength[places[-1]] > 0:
            row["gradient"] = float(strength[i] / strength[places[-1]])
        if e.update_norms is not None and e.weight_norms is not None:
            updates, weights = (np.asarray(t, float)[:, i] for t in (e.update_norms, e.weight_norms))
            known = (weights > 0) & np.isfinite(updates)
            row["update"] = float(np.median(updates[known] / weights[known])) if known.any() else math.nan
        if e.unit_weight_cosine is not None:
            row["units"] = float(e.unit_weight_cosine[i])
        found[e.parameter_layers[i]] = row
    return found


def _distance(value: float, statistic: Statistic) -> float:
    """How far a value lies outside its healthy range, in decades, −2 to 2; NaN where it is unknown."""
    if not math.isfinite(value):
        return math.nan
    if statistic.share:
        return float(np.clip(2 * (value - statistic.high) / (1 - statistic.high), 0, 2))
    if value > statistic.high:
        return float(np.clip(0.4 + math.log10(value / statistic.high), 0, 2))
    if value < statistic.low:
        return -2.0 if value <= 0 else float(np.clip(-0.4 + math.log10(value / statistic.low), -2, 0))
    return 0.0


def _cell(value: float, statistic: Statistic) -> str:
    if not math.isfinite(value):
        return ""
    return f"{value:.0%}" if statistic.share and statistic.title.startswith(("dead", "sat")) else numeral(value, 2)


def _at(values: np.ndarray, quantile: float) -> float:
    """One of sorted values, largest first; NaN for what is zero but for rounding."""
    found = float(values[round(quantile * (len(values) - 1))])
    return found if found > 1e-7 * float(values[0]) else math.nan
