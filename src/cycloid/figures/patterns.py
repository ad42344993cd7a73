"""Where a sparse matrix may differ from zero: a plan, a pattern, or a matrix with its values.

Small matrices are drawn cell by cell with the names of rows and columns. Of large ones the left panel shows how full
each part is, the right one a corner cell by cell. Cells that are computed together have one colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
import plotly.graph_objects as go
from jax.experimental.sparse import BCOO

from cycloid.core.numerals import numeral
from cycloid.differentiate.sparse import Pattern, Plan, names
from cycloid.figures.draw import canvas, label, panels
from cycloid.figures.registry import register
from cycloid.figures.theme import diverging, palette, shades

# Drawn whole, cell by cell, up to this many rows and columns; with names up to so many.
WHOLE, NAMED = 48, 26
# Cells along each side of the picture of a large matrix, and of its detail.
FINE, DETAIL = 160, 24
# Colours that tell apart what is computed together; more of them come round again.
_CYCLE = ("accent", "warm", "green", "purple", "gold", "teal", "rose", "earth")


@register(Plan)
def planned(plan: Plan, *, dark: bool = False) -> Any:
    """Draw the pattern of a plan; one colour for the entries of one map, or of one product.

    Args:
        plan: from `cy.differentiate.plan`.
        dark: the dark theme.

    Returns:
        A plotly figure: every entry with the names of its row and column, or, of a large matrix, how full each part
        is beside a corner entry by entry.
    """
    indices, groups, word = plan.layout.indices(), None, "entries"
    if plan.path == "maps":
        groups, word = np.repeat(np.arange(plan.maps), [block.size for block in plan.layout.blocks]), "map"
    elif plan.classes is not None:
        groups, word = plan.classes[indices[:, int(plan.mode != "reverse")]], "colour"
    how = f"{_count(plan.maps, 'map')}" if plan.path == "maps" else f"{_count(plan.colours, 'product')}"
    path = "in full" if plan.path == "dense" else f"by {plan.path}"
    subtitle = f"{_filled(plan.nonzeros, plan.shape)} {path}, {plan.mode} mode: {how}"
    tags = tuple(
        names(tree, root) if sum(np.prod(leaf.shape) for leaf in jax.tree.leaves(tree)) <= 100_000 else None
        for tree, root in zip(plan.trees, ("x" if plan.operator == "hessian" else "F", "x"), strict=True)
    )
    return _drawn(
        f"{plan.operator.title()}, {_size(plan.shape)}", subtitle, plan.shape, indices, groups, word, tags, dark
    )


@register(Pattern)
def pattern(found: Pattern, *, rows: Sequence[str] = (), columns: Sequence[str] = (), dark: bool = False) -> Any:
    """Draw which entries of a matrix may differ from zero.

    Args:
        found: from `cy.differentiate.pattern_of`.
        rows: the names of the rows, as `cy.differentiate.names` makes them.
        columns: the names of the columns; by default those of the rows where there are as many.
        dark: the dark theme.
    """
    shape = found.shape or (int(found.rows.max(initial=-1)) + 1, int(found.columns.max(initial=-1)) + 1)
    tags = _tags(shape, rows, columns)
    return _drawn(f"Pattern, {_size(shape)}", _filled(found.nonzeros, shape), shape, found.indices, None, "entries",
                  tags, dark)  # fmt: skip


@register(BCOO)
def matrix(found: BCOO, *, rows: Sequence[str] = (), columns: Sequence[str] = (), dark: bool = False) -> Any:
    """Draw a sparse matrix with its values: blue below zero, warm above; of a large one the size of its entries.

    Args:
        found: what a Jacobian or Hessian with a pattern gives.
        rows: the names of the rows, as `cy.differentiate.names` makes them.
        columns: the names of the columns; by default those of the rows where there are as many.
        dark: the dark theme.
    """
    if found.ndim != 2 or found.n_batch or found.n_dense:
        raise TypeError(f"figure draws a sparse matrix of two axes; this one has the shape {found.shape}.")
    shape, at, values = (found.shape[0], found.shape[1]), np.asarray(found.indices), np.asarray(found.data, float)
    inside = (at < shape).all(axis=1)  # a BCOO may be padded with entries beyond its shape
    at, values = at[inside], values[inside]
    title, subtitle = f"Matrix, {_size(shape)}", f"{_filled(len(values), shape)}"
    fig, where, window = _frame(title, subtitle, shape, at, "largest |value|", dark)
    if window is not None:
        size = np.log10(np.maximum(_binned(at, shape, np.abs(values), np.maximum), 1e-300))
        size[size <= -300] = np.nan
        _heat(fig, size, shape, shades(dark), {"row": 1, "col": 1}, "largest |value| in a part", dark, power=True)
    low, high = window or ((0, 0), shape)
    cells = np.full((high[0] - low[0], high[1] - low[1]), np.nan)
    here = ((at >= low) & (at < high)).all(axis=1)
    for (row, column), value in zip(at[here] - np.asarray(low), values[here], strict=True):
        cells[row, column] = value if np.isnan(cells[row, column]) else cells[row, column] + value
    tags = _tags(shape, rows, columns)
    most = float(np.nanmax(np.abs(cells), initial=0.0)) or 1.0
    _cells(fig, cells, low, tags, "value", diverging(dark), where, zmin=-most, zmax=most, showscale=True,
           colorbar=_bar(dark))  # fmt: skip
    return fig


# --- the picture --------------------------------------------------------------------------------------------------


def _drawn(
    title: str, subtitle: str, shape: tuple[int, int], at: np.ndarray, groups: np.ndarray | None, word: str,
    tags: tuple[Sequence[str] | None, ...], dark: bool,
) -> Any:  # fmt: skip
    fig, where, window = _frame(title, subtitle, shape, at, "how full each part is", dark)
    if window is not None:
        full = _binned(at, shape, np.ones(len(at)), np.add) / _room(shape)
        with np.errstate(divide="ignore"):
            full = np.log10(full)
        full[~np.isfinite(full)] = np.nan
        _heat(fig, full, shape, shades(dark), {"row": 1, "col": 1}, "part of it that may differ from zero", dark)
    low, high = window or ((0, 0), shape)
    here = ((at >= low) & (at < high)).all(axis=1)
    owner = np.zeros(len(at), int) if groups is None else groups
    c = palette(dark)
    present = np.unique(owner[here])
    for group in present:
        cells = np.full((high[0] - low[0], high[1] - low[1]), np.nan)
        rows, columns = (at[here & (owner == group)] - np.asarray(low)).T
        cells[rows, columns] = 1.0
        name = word if groups is None else f"{word} {group + 1}"
        colour = c[_CYCLE[int(group) % len(_CYCLE)]]
        listed = groups is not None and 1 < len(present) <= 12
        _cells(fig, cells, low, tags, name, [[0.0, colour], [1.0, colour]], where, zmin=0, zmax=1, showscale=False,
               showlegend=listed)  # fmt: skip
    if len(present) > len(_CYCLE) and groups is not None:
        fig.layout.title.subtitle.text += f" ({len(_CYCLE)} colours, coming round again)"
    return fig


def _frame(
    title: str, subtitle: str, shape: tuple[int, int], at: np.ndarray, told: str, dark: bool
) -> tuple[Any, dict, Any]:
    """An empty figure, the place of the cells in it, and the corner they show; None where they show everything."""
    if max(shape) <= WHOLE:
        unit = 22 if max(shape) <= NAMED else 14
        width, height = max(560, 230 + unit * shape[1]), 200 + unit * max(shape[0], 6)
        fig = canvas(title, subtitle, dark=dark, height=height, width=width)
        _square(fig, "", (0, 0), shape, dark)
        return fig, {}, None
    low, high = _corner(shape, at)
    titles = (f"The whole matrix: {told}", f"Rows {low[0]} to {high[0] - 1}, columns {low[1]} to {high[1] - 1}")
    fig = panels(1, 2, titles=titles, title=title, subtitle=subtitle, dark=dark, height=560, horizontal_spacing=0.16)
    _square(fig, "", (0, 0), shape, dark)
    _square(fig, "2", low, high, dark)
    fig.update_layout(legend={"y": -0.12, "yanchor": "top", "x": 1.0, "xanchor": "right"}, margin={"t": 128, "b": 90})
    return fig, {"row": 1, "col": 2}, (low, high)


def _corner(shape: tuple[int, int], at: np.ndarray) -> tuple[tuple[int, int], tuple[int, int]]:
    """The first rows, and the window of columns that holds most of what they have."""
    tall, wide = min(DETAIL, shape[0]), min(DETAIL, shape[1])
    columns = np.sort(at[at[:, 0] < tall][:, 1])
    ends = np.searchsorted(columns, columns + wide)
    best = int(columns[np.argmax(ends - np.arange(columns.size))]) if columns.size else 0
    left = min(best, shape[1] - wide)
    return (0, left), (tall, left + wide)


def _square(fig: Any, axis: str, low: Sequence[int], high: Sequence[int], dark: bool) -> None:
    """A frame round the matrix, row 0 on top; cells are squares unless the matrix is far from square."""
    frame = {"showgrid": False, "ticks": "", "showline": True, "mirror": True, "linecolor": palette(dark)["rule"],
             "tickformat": ",d"}  # fmt: skip
    fig.update_layout({
        f"yaxis{axis}": {**frame, "range": [high[0] - 0.5, low[0] - 0.5], "title": "row", "nticks": 8},
        f"xaxis{axis}": {**frame, "range": [low[1] - 0.5, high[1] - 0.5], "title": "column", "nticks": 6},
    })  # fmt: skip
    sides = [last - first for first, last in zip(low, high, strict=True)]
    if max(sides) <= 4 * min(sides):
        fig.update_layout({
            f"yaxis{axis}": {"scaleanchor": f"x{axis}", "constrain": "domain", "constraintoward": "top"},
            f"xaxis{axis}": {"constrain": "domain", "constraintoward": "left"},
        })  # fmt: skip


def _cells(
    fig: Any, cells: np.ndarray, low: Sequence[int], tags: Sequence[Sequence[str] | None], name: str, scale: Any,
    where: dict[str, Any], **style: Any,
) -> None:  # fmt: skip
    """One cell an entry, with the names of its row and column under the pointer and, when they are few, beside it."""
    sides = [np.arange(n) + start for n, start in zip(cells.shape, low, strict=True)]
    words = [[label(tag[k] if tag else k) for k in side] for tag, side in zip(tags, sides, strict=True)]
    fig.add_trace(
        go.Heatmap(
            x=sides[1], y=sides[0], z=cells, colorscale=scale, xgap=1, ygap=1, name=label(name), hoverongaps=False,
            customdata=[[f"{row}, {column}" for column in words[1]] for row in words[0]],
            hovertemplate="%{customdata}" + (": %{z:.6g}" if name == "value" else "") + f"<extra>{label(name)}</extra>",
            **style,
        ),
        **where,
    )  # fmt: skip
    for update, side, tag, word in zip((fig.update_yaxes, fig.update_xaxes), sides, tags, words, strict=True):
        if tag and len(side) <= NAMED:
            update(tickvals=side, ticktext=word, tickfont={"size": 11}, title="", **where)


def _heat(
    fig: Any, heat: np.ndarray, shape: tuple[int, int], scale: Any, where: dict[str, Any], name: str, dark: bool,
    power: bool = False,
) -> None:  # fmt: skip
    """A large matrix in parts, on a logarithmic scale."""
    steps = [size / n for size, n in zip(shape, heat.shape, strict=True)]
    y, x = ((np.arange(n) + 0.5) * step - 0.5 for n, step in zip(heat.shape, steps, strict=True))
    finite = heat[np.isfinite(heat)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    differ, marks = high > low, np.linspace(low, high, min(4, 1 + int((high - low) / 0.3)))[::-1]
    low = low - 1.0  # the least that is there is still seen on the paper
    texts = [numeral(10**m, 2, typeset=True) if power else _percent(10**m) for m in marks]
    fig.add_trace(
        go.Heatmap(
            x=x, y=y, z=heat, customdata=10**heat, colorscale=scale, zmin=low, zmax=high, name=name, hoverongaps=False,
            showscale=differ,
            hovertemplate="rows near %{y:.0f}, columns near %{x:.0f}: %{customdata:.3g}<extra>" + name + "</extra>",
            colorbar={**_bar(dark), "tickvals": marks, "ticktext": texts,
                      "x": fig.get_subplot(1, 1).xaxis.domain[1] + 0.005},
        ),
        **where,
    )  # fmt: skip


def _bar(dark: bool) -> dict[str, Any]:
    muted = palette(dark)["muted"]
    return {"thickness": 10, "len": 0.9, "outlinewidth": 0, "ticks": "", "tickfont": {"size": 11, "color": muted}}


def _grid(shape: tuple[int, int]) -> tuple[int, int]:
    return min(shape[0], FINE), min(shape[1], FINE)


def _room(shape: tuple[int, int]) -> np.ndarray:
    """How many entries each part of the picture stands for."""
    rows, columns = (
        np.bincount(np.arange(size) * n // size, minlength=n) for size, n in zip(shape, _grid(shape), strict=True)
    )
    return np.outer(rows, columns)


def _binned(at: np.ndarray, shape: tuple[int, int], weights: np.ndarray, combine: np.ufunc) -> np.ndarray:
    grid = _grid(shape)
    rows, columns = (at[:, k].astype(np.int64) * grid[k] // shape[k] for k in (0, 1))
    out = np.zeros(grid)
    combine.at(out, (rows, columns), weights)
    return out


# --- words --------------------------------------------------------------------------------------------------------


def _tags(shape: tuple[int, int], rows: Sequence[str], columns: Sequence[str]) -> tuple[Any, Any]:
    columns = columns or (rows if len(rows) == shape[1] else ())
    for side, given, size in (("rows", rows, shape[0]), ("columns", columns, shape[1])):
        if len(given) not in (0, size):
            raise ValueError(f"figure: {len(given)} names for {size} {side}; pass one a {side[:-1]}.")
    return (list(rows) or None, list(columns) or None)


def _count(number: int, word: str) -> str:
    return f"{_grouped(number)} {word}" + ("" if number == 1 else "s")


def _size(shape: tuple[int, int]) -> str:
    return f"{_grouped(shape[0])} × {_grouped(shape[1])}"


def _grouped(number: int) -> str:
    return f"{number:,}".replace(",", "\u202f")


def _filled(nonzeros: int, shape: tuple[int, int]) -> str:
    return f"{_grouped(nonzeros)} entries ({_percent(nonzeros / max(1, shape[0] * shape[1]))})"


def _percent(part: float) -> str:
    return f"{numeral(100 * part, 2, typeset=True)} %"
