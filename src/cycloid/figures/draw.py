"""The strokes of all figures: an error is a band, evaluations are ticks, the exact answer is a thin line."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go
import plotly.io as pio
from plotly.subplots import make_subplots

from cycloid.core.numerals import numeral
from cycloid.figures.theme import SERIF, faded, palette, template

for _name, _dark in (("cycloid", False), ("cycloid-dark", True)):
    pio.templates[_name] = go.layout.Template(template(_dark))


# Where in a grid of panels: {"row": 1, "col": 2}. Plotly's annotations know only some of the arguments it takes.
Place = dict[str, Any]


def label(text: Any) -> str:
    """A user's text as plotly shows it: letters only, no markup; `<b>` in a column's name stays `<b>`."""
    return escape(str(text), quote=False)


def canvas(title: str = "", subtitle: str = "", *, dark: bool = False, height: int = 460, **layout: Any) -> Any:
    """An empty figure in the house style."""
    return styled(go.Figure(), title, subtitle, dark=dark, height=height, **layout)


def panels(
    rows: int, columns: int, *, titles: Sequence[str] = (), dark: bool = False, title: str = "", subtitle: str = "",
    height: int = 460, layout: dict[str, Any] | None = None, **grid: Any,
) -> Any:  # fmt: skip
    """A grid of panels in the house style, each with its small serif title on the left."""
    fig: Any = make_subplots(rows=rows, cols=columns, subplot_titles=list(titles) or None, **grid)
    c = palette(dark)
    for note in fig.layout.annotations:
        note.update(font={"family": SERIF, "size": 15, "color": c["ink"]}, xanchor="left")
    _left_align(fig)
    return styled(fig, title, subtitle, dark=dark, height=height, **(layout or {}))


def _left_align(fig: Any) -> None:
    """Panel titles stand at the left end of their panel, where reading begins."""
    domains = [axis.domain for axis in fig.select_xaxes() if axis.domain is not None]
    domains += [scene.domain.x for scene in fig.select_scenes() if scene.domain.x is not None]
    for note in fig.layout.annotations:
        middle = note.x
        home = min(domains, key=lambda d: abs((d[0] + d[1]) / 2 - middle))
        note.x = home[0]


def styled(
    fig: Any, title: str = "", subtitle: str = "", *, dark: bool = False, height: int = 460, **layout: Any
) -> Any:
    """The template, the title line and the height."""
    heading = {"text": title, "subtitle": {"text": subtitle}} if title else {}
    top = 96 if title and subtitle else 64 if title else 40
    margin = {"l": 64, "r": 24, "t": top, "b": 52}
    return fig.update_layout(
        template="cycloid-dark" if dark else "cycloid", title=heading, height=height, **{"margin": margin, **layout}
    )


def curve(fig: Any, x: Any, y: Any, name: str, colour: str, *, at: Place | None = None, **style: Any) -> None:
    """A line, called by its name in the legend and under the pointer."""
    # Left to itself plotly drops points of a smooth curve, and in print its corners show.
    line = {"color": colour, "width": style.pop("width", 2), "dash": style.pop("dash", "solid"), "simplify": False}
    style.setdefault("mode", "lines")
    fig.add_trace(
        go.Scatter(x=np.asarray(x), y=np.asarray(y), name=label(name), line=line, legendgroup=label(name), **style),
        **(at or {}),
    )


def band(fig: Any, x: Any, low: Any, high: Any, name: str, colour: str, *, at: Place | None = None) -> None:
    """The error: a pale band from low to high, one closed outline per unbroken stretch."""
    x, low, high = (np.asarray(v, float) for v in (x, low, high))
    keep = np.isfinite(x) & np.isfinite(low) & np.isfinite(high)
    x, low, high = x[keep], low[keep], high[keep]
    fig.add_trace(
        go.Scatter(
            x=np.concatenate([x, x[::-1]]), y=np.concatenate([high, low[::-1]]), fill="toself", mode="lines",
            fillcolor=faded(colour, 0.16), line={"width": 0}, hoverinfo="skip", showlegend=False,
            legendgroup=label(name), name=label(f"{name}, interval"),
        ),
        **(at or {}),
    )  # fmt: skip


def exact(fig: Any, y: float, text: str, *, dark: bool = False, at: Place | None = None) -> None:
    """The exact answer: a thin line with its name at the right end."""
    c = palette(dark)
    fig.add_hline(
        y=y, line={"color": c["muted"], "width": 1, "dash": "dot"}, annotation={
            "text": text, "font": {"size": 11, "color": c["muted"]}, "xanchor": "right", "yanchor": "bottom",
        }, annotation_position="top right", **(at or {}),
    )  # fmt: skip


def dots(fig: Any, x: Any, y: Any, name: str, colour: str, *, at: Place | None = None, **style: Any) -> None:
    """Points."""
    marker = {"color": colour, "size": style.pop("size", 8), "line": {"width": 0}, **style.pop("marker", {})}
    fig.add_trace(
        go.Scatter(x=np.atleast_1d(x), y=np.atleast_1d(y), mode="markers", name=label(name), marker=marker, **style),
        **(at or {}),
    )


def ticks(fig: Any, x: Any, *, dark: bool = False, axis: str = "x") -> None:
    """Evaluations: one short tick each along the foot of the figure."""
    fig.add_trace(
        go.Scatter(
            x=np.asarray(x), y=np.zeros(np.size(x)), yaxis="y9", xaxis=axis, mode="markers", showlegend=False,
            marker={"symbol": "line-ns-open", "size": 9, "color": palette(dark)["muted"], "line": {"width": 1}},
            hoverinfo="skip", name="evaluations",
        )
    )  # fmt: skip
    fig.update_layout(yaxis9={"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True})


def calm_range(values: Any, margin: float = 0.06) -> tuple[float, float] | None:
    """A range for an axis that a pole does not blow up: all of it when it is tame, else the middle nine tenths.

    Returns:
        (low, high), or None when nothing is finite.
    """
    finite = np.asarray(values, float)
    finite = finite[np.isfinite(finite)]
    if finite.size == 0:
        return None
    low, high = finite.min(), finite.max()
    inner_low, inner_high = np.quantile(finite, [0.05, 0.95])
    inner = max(inner_high - inner_low, 1e-12 * max(abs(low), abs(high), 1e-300))
    if high - low > 12 * inner:
        low, high = max(low, inner_low - inner), min(high, inner_high + inner)
    pad = margin * (high - low) or margin * max(abs(high), 1.0)
    return low - pad, high + pad


def logarithmic(fig: Any, columns: list[Any], at: Place, ratio: float = 20.0) -> None:
    """A logarithmic axis where the values are positive and span more than `ratio`."""
    values = np.concatenate([np.ravel(c) for c in columns]).astype(float)
    values = values[np.isfinite(values)]
    if values.size and values.min() > 0 and values.max() > ratio * values.min():
        fig.update_yaxes(type="log", dtick=1, **at)


# Where the decades of a logarithmic axis are marked, by how many it has.
_STEMS = ((0.9, (1, 1.5, 2, 3, 4, 5, 7)), (2.5, (1, 2, 5)), (4.0, (1, 3)), (np.inf, (1,)))


def log_axis(low: float, high: float) -> dict[str, Any]:
    """What makes an axis logarithmic from low to high: round marks, the more in each decade the fewer decades it has.

    Example:
        >>> log_axis(0.3, 12)["ticktext"], log_axis(1e-3, 1e3)["ticktext"][:3]
        (['0.5', '1', '2', '5', '10'], ['0.001', '0.01', '0.1'])
    """
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    span = np.log10(high / low)
    stems = next(chosen for most, chosen in _STEMS if span < most)
    marks = [float(f"{stem}e{decade}") for decade in decades for stem in stems]
    slack = 1 + 1e-9
    marks = [mark for mark in marks if low / slack <= mark <= high * slack]
    kept = marks[:: 1 + len(marks) // 10]
    return {
        "type": "log", "range": [float(np.log10(low)), float(np.log10(high))], "tickvals": kept,
        "ticktext": [numeral(mark, typeset=True).removeprefix("1 × ") for mark in kept],
    }  # fmt: skip
