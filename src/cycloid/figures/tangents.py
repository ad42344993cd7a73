"""A function of one number over its derivatives, with the tangent at a point."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cycloid.core.functions import as_function
from cycloid.core.numerals import numeral
from cycloid.figures.draw import calm_range, curve, dots, label, panels
from cycloid.figures.theme import SERIF, faded, palette

PRIMES = ("f", "f ′", "f ″", "f ‴")
ROLES = ("accent", "warm", "green", "purple", "gold", "teal")


def function(
    f: Any,
    lower: float,
    upper: float,
    *,
    order: int = 2,
    at: float | None = None,
    points: int = 401,
    dark: bool = False,
) -> Any:
    """Draw f and its derivatives up to `order` one above the other, zeros of the slope joined through them all.

    Args:
        f: number -> number: a callable that JAX traces, a formula or its text.
        lower, upper: the ends of the x axis.
        order: the last derivative drawn, 0 to 5.
        at: where the tangent touches; None draws none.
        points: how many evaluations of f and of each derivative.
        dark: the dark theme.

    Returns:
        A plotly figure with order + 1 panels.

    Raises:
        ValueError: when lower is not below upper, or the order is out of range.

    Example:
        >>> fig = function("x^3 + 2x + 1", -2, 3, order=1, at=2.0)
        >>> [trace.name for trace in fig.data][:3]
        ['f', 'f ′', 'tangent at 2, slope 14']
    """
    if not lower < upper:
        raise ValueError(f"lower is below upper; they were {lower} and {upper}.")
    if not 0 <= order < len(ROLES):
        raise ValueError(f"order is from 0 to {len(ROLES) - 1}; it was {order}.")
    c = palette(dark)
    g = as_function(f)
    x = np.linspace(lower, upper, points)
    ladder = [g]
    for _ in range(order):
        ladder.append(jax.grad(_real(ladder[-1])))
    values = [_along(h, x) for h in ladder]

    fig = panels(
        order + 1, 1, dark=dark, title=label(title_of(f)), shared_xaxes=True, vertical_spacing=0.3 / (order + 3),
        row_heights=[1.9] + [1.0] * order, height=250 + 130 * order, layout={"showlegend": False},
    )  # fmt: skip
    for row, y in enumerate(values, start=1):
        where = {"row": row, "col": 1}
        colour = c[ROLES[row - 1]]
        curve(fig, *_broken_at_poles(x, y), _prime(row - 1), colour, at=where, width=2.5 if row == 1 else 2)
        fig.update_yaxes(range=calm_range(y), nticks=6 if row == 1 else 4, **where)
        _panel_name(fig, _prime(row - 1), colour, row)
        if row > 1:
            fig.add_hline(y=0, line={"color": c["muted"], "width": 1}, row=row, col=1)
    if order >= 1:
        _critical(fig, _zeros(x, values[1]), c)
    if at is not None:
        _tangent(fig, ladder, x, at, c, calm_range(values[0]))
        right = at < lower + 0.4 * (upper - lower)
        for row in range(2, order + 2):
            _height(fig, ladder[row - 1], at, row, c, right)
        _note(fig, at, float(g(jnp.asarray(float(at)))), f"slope {numeral(_slope(g, at), 6, True)}", c, 1, right)
    fig.update_xaxes(range=[lower, upper])
    fig.update_xaxes(title=label(_variable(f)), row=order + 1, col=1)
    return fig


def _slope(g: Any, at: float) -> float:
    return float(jax.grad(_real(g))(jnp.asarray(float(at))))


def _broken_at_poles(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The curve with a gap where it jumps across zero against its own direction, as 1/x and tan do at their poles."""
    with np.errstate(invalid="ignore"):
        step = np.diff(y)
        before, jump, after = step[:-2], step[1:-1], step[2:]
        against = (before * jump < 0) & (jump * after < 0)
        long = np.abs(jump) > np.maximum(np.abs(before), np.abs(after))  # wherever in its cell a simple pole stands
        sides = (y[:-3] * y[1:-2] > 0) & (y[1:-2] * y[2:-1] < 0) & (y[2:-1] * y[3:] > 0)
        at = np.flatnonzero(against & long & sides) + 2
    return np.insert(x, at, (x[at - 1] + x[at]) / 2), np.insert(y, at, np.nan)


def _panel_name(fig: Any, text: str, colour: str, row: int) -> None:
    axis = "" if row == 1 else str(row)
    fig.add_annotation(
        x=0, y=1, xref=f"x{axis} domain", yref=f"y{axis} domain", text=f"<i>{text}</i>", showarrow=False,
        xanchor="left", yanchor="bottom", xshift=2, font={"family": SERIF, "size": 16, "color": colour},
    )  # fmt: skip


def _critical(fig: Any, zeros: list[float], c: dict[str, str]) -> None:
    """Thin lines through all panels where the slope is zero, the first one named."""
    for zero in zeros:
        fig.add_vline(x=zero, line={"color": c["muted"], "width": 1, "dash": "dot"}, row="all", col=1)
    if zeros:
        fig.add_annotation(
            x=zeros[0], y=1, yref="y domain", text="<i>f ′</i> = 0", showarrow=False, yanchor="bottom",
            xanchor="center", font={"family": SERIF, "size": 13, "color": c["muted"]},
        )  # fmt: skip


def _height(fig: Any, h: Any, at: float, row: int, c: dict[str, str], right: bool) -> None:
    """The value of one derivative at the point: a dot and its number."""
    height = float(h(jnp.asarray(float(at))))
    text = f"{_prime(row - 1)}({numeral(at, typeset=True)}) = {numeral(height, 6, True)}"
    dots(fig, at, height, text, c[ROLES[row - 1]], at={"row": row, "col": 1},
         hovertemplate="%{fullData.name}<extra></extra>")  # fmt: skip
    _note(fig, at, height, text, c, row, right)


def _tangent(fig: Any, ladder: list[Any], x: np.ndarray, at: float, c: dict[str, str], box: Any) -> None:
    height, slope = float(ladder[0](jnp.asarray(float(at)))), _slope(ladder[0], at)
    line = height + slope * (x - at)
    inside = (line >= box[0]) & (line <= box[1]) if box else np.ones(x.size, bool)
    name = f"tangent at {numeral(at)}, slope {numeral(slope, 6)}"
    curve(fig, x[inside], line[inside], name, c["warm"], at={"row": 1, "col": 1}, width=1.5)
    dots(fig, at, height, f"f({numeral(at)}) = {numeral(height, 6)}", c["warm"], at={"row": 1, "col": 1})


def _note(fig: Any, x: float, y: float, text: str, c: dict[str, str], row: int, right: bool) -> None:
    """A few words beside a point, on the side where there is room."""
    fig.add_annotation(
        x=x, y=y, text=text, showarrow=False, xanchor="left" if right else "right", xshift=10 if right else -10,
        yshift=10, font={"size": 13, "color": c["ink"]}, bgcolor=faded(c["paper"], 0.75), borderpad=1, row=row, col=1,
    )  # fmt: skip


def _real(h: Any) -> Any:
    return lambda x: jnp.asarray(h(x)).reshape(())


def _along(h: Any, x: np.ndarray) -> np.ndarray:
    """h at each x: at once, or one after another for a function with Python branches."""
    try:
        return np.asarray(jax.vmap(_real(h))(jnp.asarray(x)), float)
    except jax.errors.ConcretizationTypeError:
        return np.asarray([h(v) for v in jnp.asarray(x)], float)


def _zeros(x: np.ndarray, y: np.ndarray, most: int = 12) -> list[float]:
    """Where y changes sign without a jump, by linear interpolation; none when there are too many to help."""
    with np.errstate(invalid="ignore", divide="ignore"):
        cross = (y[:-1] * y[1:] < 0) & (np.abs(y[1:] - y[:-1]) < 0.5 * np.nanmax(np.abs(y)))
        at = x[:-1] - y[:-1] * (x[1:] - x[:-1]) / (y[1:] - y[:-1])
    zeros = sorted([*at[cross], *x[y == 0]])
    return [float(z) for z in zeros] if len(zeros) <= most else []


def _prime(order: int) -> str:
    return PRIMES[order] if order < len(PRIMES) else f"f<sup>({order})</sup>"


def title_of(f: Any) -> str:
    """A formula as it was typed, a function by its name."""
    name = f if isinstance(f, str) else getattr(f, "text", None) or getattr(f, "__name__", "f")
    return "f" if name == "<lambda>" else name


def _variable(f: Any) -> str:
    names = getattr(as_function(f), "variables", None)
    return names[0] if names else "x"
