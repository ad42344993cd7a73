"""A fitted curve: the data, the curve, where it and new data may lie, and below what it leaves over."""

from __future__ import annotations

from typing import Any

import numpy as np

from cycloid.core.numerals import numeral
from cycloid.figures.draw import band, curve, dots, label, panels
from cycloid.figures.registry import register
from cycloid.figures.theme import faded, palette
from cycloid.optimize.curve_fitting import Fit

POINTS = 300
MARGIN = 0.04


@register(Fit)
def fit_figure(result: Fit, *, question: Any = None, level: float = 0.95, dark: bool = False, **options: Any) -> Any:
    """Draw a fit: above the data with the curve and its bands, below the residuals.

    Of several columns of data the fitted values take the place of x, and the bands fall away.

    Args:
        result: from `cy.optimize.fit_curve`.
        question: what was asked, for a result that has lost it.
        level: of the bands.
        dark: the dark theme.
        **options: of the layout.

    Raises:
        ValueError: when the result holds a batch, or no longer knows its data.
    """
    if np.ndim(result.status.code):
        raise ValueError("this Fit holds a batch: draw one member, jax.tree.map(lambda leaf: leaf[0], result).")
    asked = question if question is not None else result.question
    if asked is None or "x" not in asked.arguments:
        raise ValueError("this fit no longer knows its data: pass question=fit.question, kept from the plain call.")
    y = np.asarray(result.fitted) + np.asarray(result.residuals)
    name, x = _single(asked)
    c = palette(dark)
    legend = {"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 1.0, "xanchor": "right"}
    fig = panels(
        2, 1, dark=dark, height=600, title=label(_text(asked.function)), subtitle=label(_subtitle(result, level)),
        row_heights=[0.68, 0.32], vertical_spacing=0.09, shared_xaxes=True,
        layout={"legend": legend, **options},
    )  # fmt: skip
    top, below = {"row": 1, "col": 1}, {"row": 2, "col": 1}
    if x is None:
        x, name = np.asarray(result.fitted), "fitted"
        ends = np.array([min(y.min(), x.min()), max(y.max(), x.max())])
        curve(fig, ends, ends, "observed = fitted", c["accent"], at=top)
    else:
        _curve_and_bands(fig, result, asked, x, level, c, top)
    dots(fig, x, y, "data", c["ink"], at=top, size=6, marker={"opacity": 0.75})
    _residuals(fig, result, x, c, below)
    fig.update_yaxes(title="observed" if name == "fitted" else "y", **top)
    fig.update_yaxes(title="residual", **below)
    fig.update_xaxes(title=label(name), **below)
    return fig


def _single(asked: Any) -> tuple[str, np.ndarray | None]:
    """(name, values) of the one column of data, or no values where there are several."""
    x = asked.arguments["x"]
    if isinstance(x, dict):
        used = getattr(asked.function, "variables", None)
        if used is None and isinstance(asked.function, str):
            from cycloid.core.formulas import formula

            used = formula(asked.function).variables
        columns = {name: np.asarray(column, float) for name, column in x.items() if used is None or name in used}
        return next(iter(columns.items())) if len(columns) == 1 else ("fitted", None)
    values = np.asarray(x, float)
    return ("x", values) if values.ndim == 1 else ("fitted", None)


def _curve_and_bands(fig: Any, result: Fit, asked: Any, x: np.ndarray, level: float, c: Any, at: Any) -> None:
    margin = MARGIN * (x.max() - x.min() or 1.0)
    grid = np.linspace(x.min() - (margin if x.min() < 0 else min(margin, x.min())), x.max() + margin, POINTS)
    given = asked.arguments["x"]
    where = {next(iter(given)): grid} if isinstance(given, dict) and len(given) == 1 else grid
    if isinstance(given, dict) and len(given) > 1:
        where = {_single(asked)[0]: grid}
    line = c["accent"]
    for kind in ("prediction", "mean"):
        low, high = result.band(where, level, kind=kind, model=asked.function)
        if np.all(np.isfinite(np.asarray(low))):
            band(fig, grid, low, high, f"{kind} band", line, at=at)
            words = "a new observation" if kind == "prediction" else "the curve"
            shade = faded(line, 0.16 if kind == "prediction" else 0.36)
            fig.data[-1].update(showlegend=True, name=f"{level:.0%} for {words}", fillcolor=shade)
    curve(fig, grid, np.asarray(result.predict(where, model=asked.function)), "fitted curve", line, at=at)


def _residuals(fig: Any, result: Fit, x: np.ndarray, c: Any, at: Any) -> None:
    left = np.asarray(result.residuals)
    sd = float(np.asarray(result.residual_sd))
    if np.isfinite(sd):
        ends = np.array([x.min(), x.max()])
        band(fig, ends, [-2 * sd, -2 * sd], [2 * sd, 2 * sd], "± 2 s", c["muted"], at=at)
        fig.data[-1].update(showlegend=True, name="residuals within ± 2 s")
    fig.add_hline(y=0, line={"color": c["muted"], "width": 1}, **at)
    dots(fig, x, left, "residuals", c["warm"], at=at, size=6)
    fig.data[-1].update(showlegend=False)


def _text(function: Any) -> str:
    if isinstance(function, str):
        return function
    return getattr(function, "text", None) or getattr(function, "__name__", "fitted curve")


def _subtitle(result: Fit, level: float) -> str:
    if not result.status.ok:
        return str(result.status.message)
    rows = result.table(level)
    shown = [f"{row['name']} = {numeral(row['value'], 4)} ± {numeral(row['standard_error'], 2)}" for row in rows[:4]]
    more = f" and {len(rows) - 4} more" if len(rows) > 4 else ""
    return f"{', '.join(shown)}{more} (standard errors); s = {numeral(float(np.asarray(result.residual_sd)), 3)}"
