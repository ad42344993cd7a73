"""Maps as pictures: a square and its image, the parallelogram of the Jacobian, a change that ripples to the outputs."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from cycloid.core.numerals import numeral
from cycloid.core.results import Question
from cycloid.differentiate import JacobianMap, Ripple
from cycloid.differentiate.vector_maps import at_each, flat_map, subject_of
from cycloid.figures.draw import canvas, curve, dots, label, panels
from cycloid.figures.registry import register
from cycloid.figures.theme import diverging, faded, palette

LINES, POINTS = 9, 61  # of the grid in the square, and on each of its lines


@register(JacobianMap)
def draw_map(result: JacobianMap, *, side: float | None = None, dark: bool = False) -> Any:
    """Draw the Jacobian as a map.

    Args:
        result: of `cy.differentiate.jacobian_map`.
        side: of the square round the point; by default a quarter of the size of the point, at least 0.5.
        dark: the dark theme.

    Returns:
        A plotly figure: of a map of the plane a square with its grid, its true image, and the parallelogram that J
        makes of it; of other maps J as a table of colours beside its singular values.
    """
    plane = np.shape(result.value) == (2, 2) and result.question is not None
    return _square(result, result.question, side, dark) if plane and result.question else _matrix(result, dark)


def _square(result: JacobianMap, question: Question, side: float | None, dark: bool) -> Any:
    c = palette(dark)
    subject = subject_of(question.function, question.arguments["x"])
    x, y0 = np.asarray(result.point, float), np.asarray(result.image, float)
    J = np.asarray(result.value, float)
    h = side if side is not None else max(0.5, 0.25 * float(np.abs(x).max()))
    names = [label(name) for name in (*result.input_names, *result.output_names)]
    fig = panels(
        1, 2, dark=dark, titles=["a square", "its image"], horizontal_spacing=0.13, height=560, title=_title(result),
        subtitle=_said(result),
        layout={"legend": {"y": -0.16, "yanchor": "top"}, "margin": {"l": 64, "r": 24, "t": 116, "b": 92}},
    )  # fmt: skip
    left, right = {"row": 1, "col": 1}, {"row": 1, "col": 2}
    F = flat_map(subject.function)
    image = lambda points: np.asarray(at_each(F, jnp.asarray(points, subject.point.dtype)), float)
    for line in _grid(x, h):
        thin = {"width": 1, "showlegend": False, "hoverinfo": "skip"}
        _trace(fig, line, "grid", faded(c["accent"], 0.35), at=left, **thin)
        _trace(fig, image(line), "grid", faded(c["accent"], 0.35), at=right, **thin)
    edge = _edge(x, h)
    filled = {"fill": "toself", "fillcolor": faded(c["accent"], 0.10), "width": 2.4}
    _trace(fig, edge, "square", c["accent"], at=left, showlegend=False, **filled)
    _trace(fig, image(edge), "true image", c["accent"], at=right, **filled)
    _trace(fig, y0 + (edge - x) @ J.T, "what J makes of it", c["warm"], at=right, width=2.4, dash="dash")
    _axes_of_stretch(fig, result, h, c)
    dots(fig, x[0], x[1], "point", c["ink"], at=left, showlegend=False)
    dots(fig, y0[0], y0[1], "its image", c["ink"], at=right, showlegend=False)
    shown = np.concatenate([image(edge), y0 + (edge - x) @ J.T])
    for place, (across, up), anchor, spots in ((left, names[:2], "x", edge), (right, names[2:], "x2", shown)):
        (wide, high), room = (
            np.stack([spots.min(axis=0), spots.max(axis=0)], 1),
            0.04 * float(np.ptp(spots, axis=0).max()),
        )
        fig.update_xaxes(
            title=across, showgrid=False, constrain="domain", range=[wide[0] - room, wide[1] + room], **place
        )
        fig.update_yaxes(
            title=up, scaleanchor=anchor, scaleratio=1, showgrid=False, constrain="domain",
            range=[high[0] - room, high[1] + room], **place,
        )  # fmt: skip
    return fig


def _trace(fig: Any, points: np.ndarray, name: str, colour: str, **style: Any) -> None:
    """A line through points of the plane, one a row."""
    curve(fig, points[:, 0], points[:, 1], name, colour, **style)


def _title(result: JacobianMap) -> str:
    scale, sign = numeral(result.scale, 4, True), float(result.orientation)
    turned = ", and turns them over" if sign < 0 else ""
    return f"Areas grow by a factor of {scale}{turned}" if sign else "The map flattens: areas vanish"


def _said(result: JacobianMap) -> str:
    stretches = " and ".join(numeral(s, 4, True) for s in np.asarray(result.singular_values))
    return f"det J = {numeral(result.determinant, 4, True)} · stretches σ = {stretches}"


def _grid(x: np.ndarray, h: float) -> list[np.ndarray]:
    """The lines of a grid in the square of side h round x, each as points."""
    s = np.linspace(-h / 2, h / 2, POINTS)
    return [
        x + np.stack([s, np.full_like(s, v)] if across else [np.full_like(s, v), s], 1)
        for across in (True, False)
        for v in np.linspace(-h / 2, h / 2, LINES)[1:-1]
    ]


def _edge(x: np.ndarray, h: float) -> np.ndarray:
    """The edge of the square, closed, in many points."""
    s = np.linspace(-h / 2, h / 2, POINTS)
    end = np.full_like(s, h / 2)
    return x + np.concatenate([np.stack(p, 1) for p in ((s, -end), (end, s), (-s, end), (-end, -s))])


def _axes_of_stretch(fig: Any, result: JacobianMap, h: float, c: dict[str, str]) -> None:
    """The directions that J stretches most and least, as arrows of half a side, and where they go."""
    x, y0 = np.asarray(result.point, float), np.asarray(result.image, float)
    V, U, sigma = (np.asarray(v, float) for v in (result.inputs, result.outputs, result.singular_values))
    for k, role in ((0, "green"), (1, "purple")):
        name = f"stretched by σ{'₁₂'[k]} = {numeral(sigma[k], 4, True)}"
        for column, (start, step) in enumerate(((x, V[:, k]), (y0, sigma[k] * U[:, k])), start=1):
            ends = np.stack([start, start + 0.5 * h * step])
            _trace(
                fig, ends, name, c[role], at={"row": 1, "col": column}, width=3, mode="lines+markers",
                showlegend=column == 2, marker={"symbol": ["circle", "arrow"], "size": [0, 13], "angleref": "previous"},
            )  # fmt: skip


def _matrix(result: JacobianMap, dark: bool) -> Any:
    """J as a table of colours, and its singular values."""
    import plotly.graph_objects as go

    c, J = palette(dark), np.asarray(result.value, float)
    m, n = J.shape
    fig = panels(
        1, 2, dark=dark, title=f"A Jacobian of {m} outputs and {n} inputs", height=max(320, 150 + 26 * m),
        subtitle=f"volumes grow by {numeral(result.scale, 4, True)} · condition {numeral(result.condition, 3, True)}",
        titles=["J: a row is the gradient of an output", "stretches σ"], column_widths=[2.2, 1],
        horizontal_spacing=0.12, layout={"showlegend": False},
    )  # fmt: skip
    names = [[label(name) for name in group] for group in (result.input_names, result.output_names)]
    most = float(np.abs(J).max()) or 1.0
    text = [[numeral(v, 3, True) for v in row] for row in J] if m * n <= 150 else None
    fig.add_trace(
        go.Heatmap(
            z=J, x=names[0], y=names[1], colorscale=diverging(dark), zmin=-most, zmax=most, text=text, xgap=1, ygap=1,
            showscale=text is None, texttemplate="%{text}" if text else None,
            hovertemplate="∂%{y}/∂%{x} = %{z:.4g}<extra></extra>",
        ), row=1, col=1,
    )  # fmt: skip
    sigma = np.asarray(result.singular_values, float)
    fig.add_trace(
        go.Bar(x=[f"σ<sub>{k + 1}</sub>" for k in range(sigma.size)], y=sigma, marker={"color": c["accent"]}, width=0.5,
               text=[numeral(s, 3, True) for s in sigma] if sigma.size <= 12 else None, textposition="outside",
               cliponaxis=False), row=1, col=2,
    )  # fmt: skip
    fig.update_yaxes(autorange="reversed", showgrid=False, row=1, col=1)
    fig.update_yaxes(rangemode="tozero", row=1, col=2)
    return fig


@register(Ripple)
def draw_ripple(result: Ripple, *, dark: bool = False) -> Any:
    """Draw how a change ripples: for each output the true change, the linear one, and the share of each input.

    Args:
        result: of `cy.differentiate.ripple`.
        dark: the dark theme.

    Returns:
        A plotly figure of horizontal bars, the output that changes most on top.
    """
    import plotly.graph_objects as go

    c = palette(dark)
    order = np.argsort(np.abs(np.asarray(result.change)), kind="stable")[-20:]
    names = [label(result.output_names[i]) for i in order]
    moved = [
        f"{label(name)} {'+' if d > 0 else '−'} {numeral(abs(d), 4, True)}"
        for name, d in zip(result.input_names, np.asarray(result.step), strict=True)
        if d
    ]
    fig = canvas(
        f"When {', '.join(moved[:4])}{' …' if len(moved) > 4 else ''}",
        "how much each output changes: what the Jacobian promises, and what happens", dark=dark,
        height=240 + 58 * len(order), barmode="group", bargap=0.35, margin={"l": 64, "r": 24, "t": 120, "b": 52},
    )  # fmt: skip
    rows = (
        (result.change, "what happens: F(x + dx) − F(x)", "accent"),
        (result.value, "what J promises: J dx", "warm"),
    )
    for values, name, role in rows:
        bars = np.asarray(values, float)[order]
        fig.add_trace(go.Bar(
            y=names, x=bars, name=name, orientation="h", marker={"color": c[role]}, cliponaxis=False,
            text=[numeral(v, 4, True) for v in bars], textposition="outside", textfont={"color": c["ink"], "size": 12},
        ))  # fmt: skip
    ends = np.concatenate([np.asarray(result.change)[order], np.asarray(result.value)[order], [0.0]]).astype(float)
    room = 0.16 * (float(np.ptp(ends)) or 1.0)
    low, high = float(ends.min()), float(ends.max())
    fig.update_xaxes(range=[low - (room if low < 0 else 0), high + (room if high > 0 else 0)], title="change")
    fig.update_yaxes(showgrid=False)
    fig.add_vline(x=0, line={"color": c["muted"], "width": 1})
    return fig
