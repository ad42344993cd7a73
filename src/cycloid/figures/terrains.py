"""The terrain of a function of two variables: a surface, its map with the steepest way down, and the trails on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import plotly.graph_objects as go

from cycloid.core.functions import as_function, as_objective
from cycloid.core.numerals import numeral
from cycloid.figures.draw import label, panels
from cycloid.figures.tangents import title_of
from cycloid.figures.theme import colour_of, mixed, palette

SURFACE, ARROWS, LEVELS = 81, 13, 14
# The box of the surface: its height beside sides of 1.15, and how far away and how steeply the eye looks at it.
TALL, AWAY, STEEP = 0.58, 1.55, 1.4
SLATE = "#43526e"


def terrain(
    f: Any, lower: Any, upper: Any, *, trails: Mapping[str, Any] | None = None, minima: Any = None,
    names: Sequence[str] | None = None, height: str = "auto", title: str | None = None, dark: bool = False,
) -> Any:  # fmt: skip
    """Draw f over a rectangle: on the left the surface, on the right its contours, −∇f as arrows, and the trails.

    Args:
        f: a point of shape (2,) -> number, or a formula of two variables or its text.
        lower, upper: opposite corners, two numbers each.
        trails: points walked through, shape (steps, 2), by the name of the walker; its colour is its name's.
        minima: known answers, shape (k, 2), marked with a ring.
        names: of the two variables; by default the formula's, else x and y.
        height: "linear", "log" (of the height above the lowest point, for a deep valley), or "auto".
        title: by default the formula.
        dark: the dark theme.

    Returns:
        A plotly figure.

    Raises:
        ValueError: when a corner is not two numbers, or lower is not below upper.

    Cost:
        About 6600 evaluations of f and 170 of its gradient, each set at once.

    Example:
        >>> fig = terrain("(1-x)^2 + 100*(y-x^2)^2", [-2, -1], [2, 3], trails={"Adam": [[-1.2, 1.0], [-1.1, 1.1]]})
        >>> [trace.name for trace in fig.data if trace.name == "Adam"][0]
        'Adam'
    """
    low, high = (np.asarray(corner, float) for corner in (lower, upper))
    if low.shape != (2,) or high.shape != (2,) or not np.all(low < high):
        raise ValueError(f"lower and upper are two corners such as [-2, -1] and [2, 3]; they were {lower} and {upper}.")
    if height not in ("auto", "linear", "log"):
        raise ValueError(f'height is "auto", "linear" or "log"; it was {height!r}.')
    function = as_objective(f, np.zeros(2))
    labels = [label(n) for n in (names or getattr(as_function(f), "variables", None) or ("x", "y"))]
    sides = [np.linspace(a, b, SURFACE) for a, b in zip(low, high)]
    points = np.stack(np.meshgrid(*sides), axis=-1)
    z = _values(function, points.reshape(-1, 2)).reshape(SURFACE, SURFACE)
    z = np.where(np.isfinite(z), z, np.nan)  # what is not finite is a hole in the ground
    scale = Height(z, height)

    fig = panels(
        1, 2, dark=dark, specs=[[{"type": "scene"}, {"type": "xy"}]], column_widths=[0.52, 0.48],
        horizontal_spacing=0.07, title=label(title_of(f) if title is None else title), height=500,
        subtitle="colour is height; arrows point the steepest way down" + scale.remark,
    )  # fmt: skip
    fig.update_layout(legend={"x": 0.55, "y": 1.01}, margin={"l": 8, "b": 48})
    _surface(fig, sides, z, scale, labels, dark)
    walked = [np.asarray(trail, float) for trail in (trails or {}).values()]
    eye = best_view(scale(z), [(trail - low) / (high - low) for trail in walked if np.ndim(trail) == 2])
    fig.update_layout(scene_camera={"eye": eye, "center": {"x": 0, "y": 0, "z": -0.08}})
    _map(fig, sides, z, scale, labels, low, high, dark)
    _arrows(fig, function, low, high, palette(dark))
    for name, trail in (trails or {}).items():
        _trail(fig, name, np.asarray(trail, float), function, scale, low, high, dark)
    if minima is not None and np.size(minima):
        _rings(fig, np.asarray(minima, float).reshape(-1, 2), dark)
    return fig


class Height:
    """How height is drawn: as it is, or logarithmically above the lowest point when most of it lies in a valley."""

    def __init__(self, z: np.ndarray, choice: str):
        finite = z[np.isfinite(z)]
        if finite.size == 0:
            raise ValueError("the function is finite nowhere in this rectangle.")
        self.low, self.high = float(finite.min()), float(finite.max())
        middle = float(np.median(finite)) - self.low
        self.log = choice == "log" or (choice == "auto" and 0 < middle < 0.12 * (self.high - self.low))
        # Below `floor` the logarithm turns linear, so that the bottom itself is a finite depth.
        self.floor = max(float(np.quantile(finite - self.low, 0.05)), 1e-6 * (self.high - self.low), 1e-300)
        self.remark = "; height on a logarithmic scale" if self.log else ""

    def __call__(self, z: Any) -> np.ndarray:
        """The drawn height of a value."""
        z = np.asarray(z, float)
        return np.log10(1.0 + np.maximum(z - self.low, 0.0) / self.floor) if self.log else z

    def marks(self, count: int = 5) -> tuple[list[float], list[str]]:
        """Drawn heights and the values written beside them."""
        if not self.log:
            values = np.linspace(self.low, self.high, count)
        else:
            values = self.low + self.floor * (10.0 ** np.linspace(0, float(self(self.high)), count) - 1.0)
        return [float(self(v)) for v in values], [numeral(v, 2 if self.log else 3, typeset=True) for v in values]


def _shades(dark: bool) -> list[list[Any]]:
    """Slate, not a colour of the house: on it every method's trail stands out. Deep is dark, in both themes."""
    c = palette(dark)
    if dark:
        return [[0.0, c["sunken"]], [0.4, mixed(c["paper"], c["ink"], 0.16)], [1.0, mixed(c["paper"], c["ink"], 0.42)]]
    return [[0.0, mixed(SLATE, c["paper"], 0.12)], [0.35, mixed(SLATE, c["paper"], 0.6)], [1.0, c["sheet"]]]


def _surface(fig: Any, sides: list[Any], z: Any, scale: Height, labels: list[str], dark: bool) -> None:
    c = palette(dark)
    drawn = scale(z)
    lines = {"show": True, "color": mixed(c["muted"], c["paper"], 0.35), "width": 1}
    bottom, top = float(np.nanmin(drawn)), float(np.nanmax(drawn))
    fig.add_trace(
        go.Surface(
            x=sides[0], y=sides[1], z=drawn, customdata=z, showscale=False, colorscale=_shades(dark),
            contours={"z": {**lines, "start": bottom, "end": top, "size": (top - bottom) / LEVELS or 1.0}},
            lighting={"ambient": 0.78, "diffuse": 0.35, "specular": 0.04, "roughness": 0.9},
            hovertemplate=f"{labels[0]} %{{x:.4g}}, {labels[1]} %{{y:.4g}}: %{{customdata:.5g}}<extra></extra>",
        ),
        row=1, col=1,
    )  # fmt: skip
    at, texts = scale.marks()
    fig.update_layout(
        scene={
            "xaxis_title": labels[0], "yaxis_title": labels[1],
            "zaxis": {"title": "", "tickvals": at, "ticktext": texts},
            "aspectmode": "manual", "aspectratio": {"x": 1.15, "y": 1.15, "z": TALL},
        }
    )  # fmt: skip


def best_view(drawn: np.ndarray, trails: Sequence[np.ndarray] = ()) -> dict[str, float]:
    """Where to stand so that hills hide least of what matters: the trails, else the low ground.

    From each of sixteen sides, rays run from the points to the eye; a point counts when its ray clears the ground.

    Args:
        drawn: heights on a square grid, rows along y.
        trails: points walked through, in units of the rectangle's sides.
    """
    ground = (drawn - np.nanmin(drawn)) / (np.nanmax(drawn) - np.nanmin(drawn) or 1.0)
    last = len(drawn) - 1
    low = np.argwhere(ground <= np.nanquantile(ground, 0.25))[:: max(1, last // 8), ::-1] / last
    points = np.concatenate([low[:0], *[_paced(trail) for trail in trails]])
    points = points[np.all((points >= 0) & (points <= 1), axis=1)] if len(points) else low

    def height(at: np.ndarray) -> np.ndarray:
        inside = np.all((at >= 0) & (at <= 1), axis=-1)
        i, j = (np.clip(np.rint(at[..., k] * last), 0, last).astype(int) for k in (1, 0))
        return np.where(inside, ground[i, j], -1.0)

    def seen(angle: float) -> float:
        way = np.array([np.cos(angle), np.sin(angle)])
        far = np.linspace(0.02, 1.4, 60)
        rise = STEEP / AWAY * 1.15 / TALL
        over = height(points)[:, None] + 0.04 + far * rise - height(points[:, None] + far[None, :, None] * way)
        return float(np.mean(np.nanmin(over, axis=1) > 0))

    # A corner view shows both axes best: among equals the one from the front left wins.
    angles = 2 * np.pi * (np.arange(16) + 0.5) / 16
    best = max(angles, key=lambda a: (round(seen(a), 2), np.cos(a - 1.3 * np.pi)))
    return {"x": AWAY * float(np.cos(best)), "y": AWAY * float(np.sin(best)), "z": STEEP}


def _paced(trail: np.ndarray, count: int = 60) -> np.ndarray:
    """Points at equal distances along a trail: a slow stretch weighs no more than a fast one."""
    trail = trail[np.all(np.isfinite(trail), axis=1)]
    run = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(trail, axis=0), axis=1))])
    return np.stack([np.interp(np.linspace(0, run[-1], count), run, trail[:, k]) for k in range(2)], axis=1)


def _map(fig: Any, sides: list[Any], z: Any, scale: Height, labels: list[str], low: Any, high: Any, dark: bool) -> None:
    c = palette(dark)
    drawn = scale(z)
    bottom, top = float(np.nanmin(drawn)), float(np.nanmax(drawn))
    fig.add_trace(
        go.Contour(
            x=sides[0], y=sides[1], z=drawn, customdata=z, showscale=False, colorscale=_shades(dark), showlegend=False,
            contours={"start": bottom, "end": top, "size": (top - bottom) / LEVELS or 1.0},
            line={"color": mixed(c["muted"], c["paper"], 0.45), "width": 0.7},
            hovertemplate=f"{labels[0]} %{{x:.4g}}, {labels[1]} %{{y:.4g}}: %{{customdata:.5g}}<extra></extra>",
        ),
        row=1, col=2,
    )  # fmt: skip
    fig.update_xaxes(title=labels[0], range=[low[0], high[0]], row=1, col=2)
    fig.update_yaxes(title=labels[1], range=[low[1], high[1]], showgrid=False, row=1, col=2)
    width, tall = high - low
    if 1 / 3 < tall / width < 3:  # equal scales: then the arrows stand square on the contours, as they should
        fig.update_yaxes(scaleanchor="x", constrain="domain", row=1, col=2)
        fig.update_xaxes(constrain="domain", row=1, col=2)


def _arrows(fig: Any, function: Callable[[Any], Any], low: Any, high: Any, c: dict[str, str]) -> None:
    """Unit arrows along −∇f on a coarse grid; where the slope is zero there is none."""
    inner = [np.linspace(a, b, ARROWS + 2)[1:-1] for a, b in zip(low, high)]
    feet = np.stack(np.meshgrid(*inner), axis=-1).reshape(-1, 2)
    slope = np.asarray(jax.vmap(jax.grad(lambda p: jnp.asarray(function(p)).reshape(())))(jnp.asarray(feet)), float)
    steep = np.linalg.norm(slope, axis=1)
    keep = np.isfinite(steep) & (steep > 1e-9 * np.nanmax(np.where(np.isfinite(steep), steep, 0.0)))
    span = 0.55 * (high - low).min() / (ARROWS + 1)
    feet, way = feet[keep], -span * slope[keep] / steep[keep, None]
    ends = np.stack([feet - way / 2, feet + way / 2, np.full_like(feet, np.nan)], axis=1).reshape(-1, 2)
    heads = np.tile([0, 5, 0], len(feet))
    fig.add_trace(
        go.Scatter(
            x=ends[:, 0], y=ends[:, 1], mode="lines+markers", showlegend=False, hoverinfo="skip", name="−∇f",
            line={"color": c["muted"], "width": 1}, opacity=0.55,
            marker={
                "symbol": "arrow", "angleref": "previous", "size": heads, "color": c["muted"], "opacity": 1,
                "line": {"width": 0},
            },
        ),
        row=1, col=2,
    )  # fmt: skip


def _trail(
    fig: Any, name: str, trail: np.ndarray, function: Any, scale: Height, low: Any, high: Any, dark: bool
) -> None:
    """The same walk on the map and, a hair above the ground, on the surface."""
    trail = trail[np.all(np.isfinite(trail), axis=1)]
    if trail.ndim != 2 or trail.shape[1] != 2 or not len(trail):
        return
    colour = colour_of(name, dark)
    fig.add_trace(
        go.Scatter(
            x=trail[:, 0], y=trail[:, 1], mode="lines+markers", name=label(name), legendgroup=label(name),
            line={"color": colour, "width": 2.2, "simplify": False},
            marker={
                "size": _beads(len(trail)), "color": colour, "opacity": 1,
                "line": {"width": [0.0] * (len(trail) - 1) + [1.5], "color": palette(dark)["sheet"]},
            },
        ),
        row=1, col=2,
    )  # fmt: skip
    inside = np.all((trail >= low) & (trail <= high), axis=1)
    on = np.where(inside[:, None], trail, np.nan)
    lift = 0.012 * float(scale(scale.high) - scale(scale.low))
    ground = np.where(inside, scale(_values(function, trail)) + lift, np.nan)
    fig.add_trace(
        go.Scatter3d(
            x=on[:, 0], y=on[:, 1], z=ground, mode="lines", showlegend=False, legendgroup=label(name), name=label(name),
            line={"color": colour, "width": 6}, hoverinfo="name",
        ),
        row=1, col=1,
    )  # fmt: skip


def _beads(steps: int) -> list[float]:
    """Sizes of the marks along a trail: each step while there are few, then only the ends; the last one largest."""
    small = 4.0 if steps <= 60 else 0.0
    return [7.0, *[small] * (steps - 2), 10.0][-steps:]


def _rings(fig: Any, minima: np.ndarray, dark: bool) -> None:
    ink = palette(dark)["ink"]
    fig.add_trace(
        go.Scatter(
            x=minima[:, 0], y=minima[:, 1], mode="markers", name="exact answer", hoverinfo="name",
            marker={"symbol": "circle-open", "size": 15, "color": ink, "line": {"width": 1.5, "color": ink}},
        ),
        row=1, col=2,
    )  # fmt: skip


def _values(function: Callable[[Any], Any], points: np.ndarray) -> np.ndarray:
    return np.asarray(jax.vmap(lambda p: jnp.asarray(function(p)).reshape(()))(jnp.asarray(points)), float)
