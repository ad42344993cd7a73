"""The chain rule as a picture: the tree from t through the inner functions to z, with the numbers on its branches."""

from __future__ import annotations

from typing import Any

import numpy as np

from cycloid.core.formulas import Formula
from cycloid.core.functions import as_function
from cycloid.core.numerals import numeral
from cycloid.differentiate import TotalDerivative
from cycloid.figures.draw import canvas, curve, label
from cycloid.figures.registry import register
from cycloid.figures.theme import SERIF, faded, palette

ROLES = ("accent", "warm", "green", "purple", "gold", "teal", "rose", "earth")


@register(TotalDerivative)
def draw_total(result: TotalDerivative, *, dark: bool = False) -> Any:
    """Draw a total derivative.

    Args:
        result: of `cy.differentiate.total_derivative`.
        dark: the dark theme.

    Returns:
        A plotly figure: at one t the tree of the chain rule with the number of every branch; for an array of t the
        term of each path and their sum over t.
    """
    return _tree(result, dark) if np.ndim(result.t) == 0 else _terms(result, dark)


def _tree(result: TotalDerivative, dark: bool) -> Any:
    c, paths = palette(dark), result.paths
    count = len(paths)
    terms = " + ".join(numeral(path.product, 4, True) for path in paths).replace("+ −", "− ")
    fig = canvas(
        "The chain rule, path by path", f"dz/dt = {terms} = {numeral(result.value, 6, True)}", dark=dark,
        height=190 + 96 * count, showlegend=False, margin={"l": 24, "r": 24, "t": 96, "b": 24},
    )  # fmt: skip
    heights = [(count - 1) / 2 - i for i in range(count)]
    for path, y, role, value in zip(paths, heights, _roles(count), np.asarray(result.inner), strict=True):
        _branch(fig, (0.0, 0.0), (1.0, y), f"d{path.name}/dt = {numeral(path.rate, 4, True)}", c[role], c)
        _branch(fig, (1.0, y), (2.0, 0.0), f"∂z/∂{path.name} = {numeral(path.slope, 4, True)}", c[role], c)
        _node(fig, 1.0, y, f"<i>{label(path.name)}</i> = {numeral(value, 4, True)}", c[role], c)
        _node(
            fig, 2.75, y, f"{numeral(path.slope, 4, True)} · {numeral(path.rate, 4, True)} = "
            f"<b>{numeral(path.product, 4, True)}</b>", None, c, colour=c[role],
        )  # fmt: skip
    _node(fig, 0.0, 0.0, f"<i>t</i> = {numeral(result.t, 4, True)}", c["ink"], c)
    _node(fig, 2.0, 0.0, f"<i>z</i> = {numeral(result.height, 4, True)}", c["ink"], c)
    _heading(fig, result, heights[0], c)
    fig.update_xaxes(visible=False, range=[-0.35, 3.25], fixedrange=True)
    fig.update_yaxes(visible=False, range=[heights[-1] - 0.6, heights[0] + 0.95], fixedrange=True)
    return fig


def _roles(count: int) -> list[str]:
    return [ROLES[i % len(ROLES)] for i in range(count)]


def _heading(fig: Any, result: TotalDerivative, top: float, c: dict[str, str]) -> None:
    """What z is, and over the last column what stands in it."""
    words = [(2.75, "what each path brings")]
    if result.question is not None:
        outer = as_function(result.question.function)
        if isinstance(outer, Formula):
            words.append((1.0, f"z = {label(outer.text)}"))
    for x, text in words:
        fig.add_annotation(x=x, y=top + 0.72, text=text, showarrow=False, font={"size": 12, "color": c["muted"]})


def _branch(
    fig: Any, start: tuple[float, float], end: tuple[float, float], text: str, colour: str, c: dict[str, str]
) -> None:
    """A curved branch with its number in the middle."""
    t = np.linspace(0, 1, 40)
    smooth = t * t * (3 - 2 * t)
    x, y = start[0] + (end[0] - start[0]) * t, start[1] + (end[1] - start[1]) * smooth
    curve(fig, x, y, text, faded(colour, 0.75), width=2.2, hoverinfo="skip")
    fig.add_annotation(
        x=x[20], y=y[20], text=label(text), showarrow=False, font={"size": 12, "color": colour}, bgcolor=c["paper"],
        borderpad=3,
    )  # fmt: skip


def _node(
    fig: Any, x: float, y: float, text: str, border: str | None, c: dict[str, str], colour: str | None = None
) -> None:
    frame = {} if border is None else {"bordercolor": border, "borderwidth": 1.5, "borderpad": 7, "bgcolor": c["sheet"]}
    fig.add_annotation(
        x=x, y=y, text=text, showarrow=False, font={"size": 14, "family": SERIF, "color": colour or c["ink"]}, **frame
    )


def _terms(result: TotalDerivative, dark: bool) -> Any:
    """The term of each path over t, and their sum."""
    c = palette(dark)
    t = np.ravel(np.asarray(result.t))
    order = np.argsort(t)
    fig = canvas("The chain rule, path by path", "the term of each path, and their sum dz/dt", dark=dark, height=440)
    fig.add_hline(y=0, line={"color": c["muted"], "width": 1})
    products = np.asarray(result.products).reshape(len(result.names), -1)
    for name, row, role in zip(result.names, products, _roles(len(result.names)), strict=True):
        curve(fig, t[order], row[order], f"∂z/∂{name} · d{name}/dt", c[role], width=1.8)
    curve(fig, t[order], np.ravel(np.asarray(result.value))[order], "dz/dt", c["ink"], width=2.8)
    fig.update_xaxes(title="t")
    return fig
