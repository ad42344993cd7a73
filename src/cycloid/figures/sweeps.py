"""A sweep over learning rates: where each of them ends, and the limit that the curvature predicts."""

from __future__ import annotations

from typing import Any

import numpy as np

from cycloid.core.numerals import numeral
from cycloid.figures.contests import in_words, is_sweep, of_rate, standings
from cycloid.figures.draw import canvas, curve, label, log_axis
from cycloid.figures.theme import palette
from cycloid.optimize.races import Race

# Runs that end higher or lower than so many times the height of the start are drawn there.
HIGHEST, LOWEST = 1e3, 1e-30
# From this ratio of the largest rate to the smallest on, their axis is logarithmic.
WIDE = 40


def sweep_figure(race: Race, *, limit: Any = None, title: str = "", dark: bool = False) -> Any:
    """The objective that each learning rate reaches, with the interval of its median.

    Args:
        race: from `cy.optimize.sweep`.
        limit: the predicted limit, drawn as a line: a number such as 2/λmax, or the result of `cy.optimize.stability`.
        title: above the figure; "" for none.
        dark: the dark theme.

    Raises:
        ValueError: when it is no sweep.
    """
    if not is_sweep(race):
        raise ValueError('view="rates" is of a sweep: one method at several learning rates.')
    c, table = palette(dark), sorted(standings(race), key=lambda line: line["learning_rate"])
    rates = np.array([line["learning_rate"] for line in table], float)
    ends = np.array([[line["objective"], line["low"], line["high"]] for line in table], float)
    begun = float(np.median([runs[:, 0] for runs in race.runs.values()]))
    positive = bool(np.nanmin(ends) >= 0)
    top, floor = begun + (HIGHEST - 1) * abs(begun), LOWEST * begun if positive else -np.inf
    middle, low, high = np.clip(np.where(np.isnan(ends), np.inf, ends), floor, top).T
    name = table[0]["method"]
    words = f"{label(name)}, {label(in_words(race))}"
    fig = canvas(title, words if title else "", dark=dark, height=460, showlegend=False)
    curve(fig, rates, middle, name, c["muted"], width=1)
    curve(
        fig, rates, middle, "objective reached", c["accent"], mode="markers",
        marker={"size": 9, "color": [of_rate(line, table, dark) for line in table],
                "symbol": np.where(middle < top, "circle", "triangle-up")},
        error_y={"array": high - middle, "arrayminus": middle - low, "width": 0, "thickness": 2, "color": c["muted"]},
        hovertemplate="rate %{x:.4g}: %{y:.4g}",
    )  # fmt: skip
    fig.add_hline(y=begun, line={"color": c["muted"], "width": 1, "dash": "dot"})
    wide = rates.max() > WIDE * rates.min()
    fig.update_xaxes(
        title="learning rate η",
        **(log_axis(rates.min() / 1.15, rates.max() * 1.15) if wide else {"range": [0.0, 1.03 * rates.max()]}),
    )
    heights = log_axis(max(low.min(), LOWEST * begun) / 5, min(high.max(), top) * 5) if positive else {}
    fig.update_yaxes(title="objective reached", **heights)
    height = np.log10(begun) if positive else begun  # on a logarithmic axis an annotation stands at the exponent
    fig.add_annotation(x=0.0, xref="paper", y=height, text="the start", xanchor="left", xshift=6, yshift=9)
    if limit is not None:
        value = float(np.asarray(getattr(limit, "value", limit)))
        fig.add_vline(x=value, line={"color": c["ink"], "width": 1, "dash": "dot"})
        fig.add_annotation(
            x=np.log10(value) if wide else value, y=1.0, yref="paper", text=f"2/λmax = {numeral(value, 4)}",
            xanchor="right", xshift=-6, font={"color": c["ink"]},
        )  # fmt: skip
    return fig
