"""Critical points on the map of their function: each kind its sign, the constraint as a line, multipliers as arrows."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import plotly.graph_objects as go

from cycloid.core.functions import as_objective
from cycloid.core.numerals import numeral
from cycloid.differentiate.critical import as_corner, as_equation
from cycloid.differentiate.critical_results import CriticalPoints
from cycloid.differentiate.stationary import OfVector, as_vector_function
from cycloid.figures.draw import canvas, curve, label
from cycloid.figures.registry import register
from cycloid.figures.tangents import title_of
from cycloid.figures.theme import mixed, palette

GRID, LEVELS, FINE = 161, 22, 801
# Kind -> (colour, symbol, size): signs that differ in shape too, for those who see no colours.
SIGNS = {
    "minimum": ("accent", "circle", 12),
    "maximum": ("warm", "triangle-up", 14),
    "saddle": ("gold", "x", 11),
    "degenerate": ("purple", "diamond", 12),
}


@register(CriticalPoints)
def draw_critical_points(result: CriticalPoints, *, dark: bool = False) -> Any:
    """The points on the contours of f for two variables, on its curve for one, else by their values."""
    dims = len(result.names)
    asked = result.question
    title = "Critical points" if asked is None else label(title_of(asked.function))
    told = label(result.sentence).replace(". Proven: there are", ".<br>Proven: there are").replace(". Not", ".<br>Not")
    fig = canvas(title, told, dark=dark, height=680 if dims == 2 else 460)
    fig.update_layout(margin={"t": 118, "b": 110 if dims == 2 else 56})
    if dims == 1:
        _line(fig, result, dark)
    elif dims == 2:
        _map(fig, result, dark)
    else:
        _ranks(fig, result, dark)
    return fig


def _function(result: CriticalPoints, constraint: bool = False) -> OfVector | None:
    """f, or g, of vectors; None when the result has lost its question or there is no constraint."""
    asked = result.question
    if asked is None or (constraint and asked.arguments["constraint"] is None):
        return None
    like = as_corner(asked.arguments["lower"])
    f = as_objective(asked.function, like)
    if constraint:
        f = as_objective(as_equation(asked.arguments["constraint"], f), like)
    return as_vector_function(f, like)


def _marks(fig: Any, result: CriticalPoints, x: Any, y: Any, dark: bool) -> None:
    """A trace for each kind, named with its count."""
    c, kinds = palette(dark), np.asarray(result.kind.name, dtype=object) if result.count else np.zeros(0)
    table = result.to_pandas()
    rise = lambda row: [f"λ = {numeral(row['multiplier'], 4, typeset=True)}"] if "multiplier" in row else []
    for kind, (colour, symbol, size) in SIGNS.items():
        mine = kinds == kind
        if not mine.any():
            continue
        told = [
            "<br>".join([f"<b>{kind}</b>", *(f"{label(n)} = {numeral(row[n], 6, typeset=True)}" for n in result.names),
                         f"f = {numeral(row['objective'], 6, typeset=True)}",
                         *rise(row)])
            for _, row in table[mine].iterrows()
        ]  # fmt: skip
        fig.add_trace(go.Scatter(
            x=np.asarray(x)[mine], y=np.asarray(y)[mine], mode="markers", name=f"{kind} ({int(mine.sum())})",
            marker={"symbol": symbol, "size": size, "color": c[colour], "line": {"width": 1.5, "color": c["sheet"]}},
            text=told, hovertemplate="%{text}<extra></extra>", cliponaxis=False,
        ))  # fmt: skip


# --- two variables --------------------------------------------------------------------------------------------------


def _map(fig: Any, result: CriticalPoints, dark: bool) -> None:
    c = palette(dark)
    low, high = np.asarray(result.lower, float), np.asarray(result.upper, float)
    sides = [np.linspace(a, b, GRID) for a, b in zip(low, high)]
    grid = np.stack(np.meshgrid(*sides), axis=-1).reshape(-1, 2)
    f, g = _function(result), _function(result, constraint=True)
    if f is not None:
        _contours(fig, sides, _values(f, grid), dark)
    if g is not None:
        asked = result.question
        _level_line(
            fig, sides, _values(g, grid), label(title_of(asked.arguments["constraint"])) if asked else "g = 0", c
        )
    for k, each in enumerate(result.continua):
        points = np.asarray(each.points)
        fig.add_trace(go.Scatter(
            x=points[:, 0], y=points[:, 1], mode="markers", name="curve of critical points", showlegend=k == 0,
            marker={"size": 4, "color": c["purple"]}, hovertemplate="%{x:.5g}, %{y:.5g}<extra></extra>",
        ))  # fmt: skip
    if g is not None and f is not None and result.count:
        _arrows(fig, result, f, g, dark)
    points = np.asarray(result.points)
    _marks(fig, result, points[:, 0], points[:, 1], dark)
    _extremes(fig, result, dark)
    pad = 0.02 * (high - low)
    fig.update_xaxes(title=label(result.names[0]), range=[low[0] - pad[0], high[0] + pad[0]], showgrid=False)
    fig.update_yaxes(title=label(result.names[1]), range=[low[1] - pad[1], high[1] + pad[1]], showgrid=False)
    if 1 / 3 < (high[1] - low[1]) / (high[0] - low[0]) < 3:
        fig.update_yaxes(scaleanchor="x", constrain="domain")
        fig.update_xaxes(constrain="domain")


def _contours(fig: Any, sides: list[np.ndarray], z: np.ndarray, dark: bool) -> None:
    """Contours at quantiles of the heights: as many in a flat valley as on a steep wall."""
    c = palette(dark)
    z = np.where(np.isfinite(z), z, np.nan).reshape(GRID, GRID)
    ordered = np.sort(z[np.isfinite(z)])
    heights, ranks = _steps(ordered)
    rank, ticks = np.interp(z, heights, ranks), [0.0, 0.25, 0.5, 0.75, 1.0]
    texts = [numeral(v, 3, typeset=True) for v in np.interp(ticks, ranks, heights)]
    shades = [[0.0, mixed(c["accent"], c["paper"], 0.72)], [0.5, c["sheet"]], [1.0, mixed(c["warm"], c["paper"], 0.72)]]
    fig.add_trace(go.Contour(
        x=sides[0], y=sides[1], z=rank, customdata=z, colorscale=shades, showlegend=False, name="f",
        contours={"start": 0.0, "end": 1.0, "size": 1 / LEVELS},
        line={"color": mixed(c["muted"], c["paper"], 0.55), "width": 0.7},
        hovertemplate="%{x:.4g}, %{y:.4g}: %{customdata:.5g}<extra></extra>",
        colorbar={"tickvals": ticks, "ticktext": texts, "orientation": "h", "x": 0.5, "xanchor": "center", "y": -0.14,
                  "yanchor": "top", "outlinewidth": 0, "thickness": 9, "len": 0.5},
    ))  # fmt: skip


def _steps(ordered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Heights and their ranks between 0 and 1, halfway between counting places and measuring heights."""
    place = np.linspace(0, 1, len(ordered))
    height = (ordered - ordered[0]) / ((ordered[-1] - ordered[0]) or 1.0)
    kept = np.unique(ordered, return_index=True)[1]
    return ordered[kept], (0.75 * place + 0.25 * height)[kept]


def _level_line(fig: Any, sides: list[np.ndarray], z: np.ndarray, name: str, c: dict[str, str]) -> None:
    """The curve g = 0."""
    fig.add_trace(go.Contour(
        x=sides[0], y=sides[1], z=z.reshape(GRID, GRID), showscale=False, name="constraint", hoverinfo="skip",
        contours={"start": 0.0, "end": 0.0, "size": 1.0, "coloring": "none"}, showlegend=False,
        line={"color": c["ink"], "width": 2.5},
    ))  # fmt: skip
    fig.add_trace(go.Scatter(x=[None], y=[None], mode="lines", name=name, line={"color": c["ink"], "width": 2.5}))


def _arrows(fig: Any, result: CriticalPoints, f: OfVector, g: OfVector, dark: bool) -> None:
    """∇f at each point, which a constrained optimum turns straight across the constraint, with λ beside its head."""
    c = palette(dark)
    points = jnp.asarray(result.points)
    slopes = np.asarray(jax.vmap(jax.grad(f))(points), float)
    steep = np.linalg.norm(slopes, axis=1)
    span = 0.13 * float(np.min(np.asarray(result.upper) - np.asarray(result.lower)))
    longest = steep.max() or 1.0
    for x, slope, size, rise in zip(np.asarray(points), slopes, steep, np.asarray(result.multiplier)):
        if size <= 1e-9 * longest:
            continue
        head = x + span * (0.5 + 0.5 * size / longest) * slope / size
        fig.add_annotation(
            x=head[0],
            y=head[1],
            ax=x[0],
            ay=x[1],
            xref="x",
            yref="y",
            axref="x",
            ayref="y",
            showarrow=True,
            text="",
            arrowhead=2,
            arrowsize=1.2,
            arrowwidth=2,
            arrowcolor=c["green"],
        )
        fig.add_annotation(
            x=head[0], y=head[1], text=f"λ = {numeral(rise, 3, typeset=True)}", showarrow=False, opacity=0.95,
            xshift=int(30 * slope[0] / size), yshift=int(14 * slope[1] / size + 2), bgcolor=c["paper"],
            font={"color": c["green"], "size": 13},
        )  # fmt: skip
    fig.add_trace(go.Scatter(
        x=[None], y=[None], mode="lines", name="∇f = λ ∇g", line={"color": c["green"], "width": 2},
    ))  # fmt: skip


def _extremes(fig: Any, result: CriticalPoints, dark: bool) -> None:
    """A ring round the lowest and a square round the highest place of the whole box."""
    ink = palette(dark)["ink"]
    where = "of the box" if result.multiplier is None else "along the constraint"
    for word, extreme, sign in (("lowest", result.lowest, "circle-open"), ("highest", result.highest, "square-open")):
        if extreme is None:
            continue
        x = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(extreme.point)])
        name = f"{word} {where}"
        fig.add_trace(go.Scatter(
            x=x[:1], y=x[1:2] if x.size > 1 else [float(np.asarray(extreme.objective))], mode="markers", name=name,
            marker={"symbol": sign, "size": 21, "color": ink, "line": {"width": 1.6, "color": ink}}, cliponaxis=False,
            hovertemplate=f"{name}: {numeral(extreme.objective, 6, typeset=True)} ({extreme.place})<extra></extra>",
        ))  # fmt: skip


# --- one variable, and many -----------------------------------------------------------------------------------------


def _line(fig: Any, result: CriticalPoints, dark: bool) -> None:
    f = _function(result)
    if f is not None:
        x = np.linspace(float(result.lower[0]), float(result.upper[0]), FINE)  # type: ignore[index]
        curve(fig, x, _values(f, x[:, None]), "f", palette(dark)["ink"], hoverinfo="skip")
    _marks(fig, result, np.asarray(result.points)[:, 0], result.objective, dark)
    _extremes(fig, result, dark)
    fig.update_xaxes(title=label(result.names[0]))
    fig.update_yaxes(title="f")


def _ranks(fig: Any, result: CriticalPoints, dark: bool) -> None:
    """The points in the order of their values: what can be drawn in any number of variables."""
    order = np.argsort(np.argsort(np.asarray(result.objective)))
    _marks(fig, result, order + 1, result.objective, dark)
    fig.update_xaxes(title="rank by value", dtick=max(1, len(order) // 12))
    fig.update_yaxes(title="f")


def _values(f: OfVector, points: np.ndarray) -> np.ndarray:
    return np.asarray(jax.vmap(f)(jnp.asarray(points)), float)
