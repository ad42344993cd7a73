"""An estimate as it settles: the mean of the first probes with its interval, over how many there are."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
from scipy import stats

from cycloid.core.numerals import numeral
from cycloid.differentiate.estimates import Estimate
from cycloid.figures.draw import band, calm_range, curve, exact, label, panels
from cycloid.figures.registry import register
from cycloid.figures.tangents import title_of
from cycloid.figures.theme import palette

# From so many probes on the interval is sure to be in view: with fewer it is often too wide to show the rest.
SETTLED = 8
# Bars of the histogram, at most.
BINS = 40


@register(Estimate)
def draw_estimate(
    result: Estimate, *, level: float = 0.95, truth: float | None = None, title: str | None = None, dark: bool = False
) -> Any:
    """Draw an estimate: the mean of the first probes with its interval as a band, and how the probes are spread.

    Args:
        result: of `laplacian(u, method="hutchinson", …)`, for one number.
        level: of the interval, by Student's quantile.
        truth: the exact value, where it is known: a thin line.
        title: above the figure; by default what was asked, "" for none.
        dark: the dark theme.

    Raises:
        ValueError: for an array of estimates, or a level outside (0, 1).
    """
    values = np.asarray(result.replicates, float)
    if values.ndim != 1:
        raise ValueError(
            f"an estimate of shape {values.shape[:-1]} holds several numbers: draw one of them, "
            "jax.tree.map(lambda leaf: leaf[0], result)."
        )
    low, high = (float(end) for end in result.interval(level))
    c, count = palette(dark), values.size
    heading = _title(result) if title is None else title
    mean = numeral(float(np.asarray(result.value)), 5)
    said = f"{mean}; {level:.0%} interval {numeral(low, 5)} to {numeral(high, 5)}, from {count} probes"
    fig = panels(
        1, 2, titles=["The mean so far, with its interval", "The probes vᵀ H v"], dark=dark, title=heading,
        subtitle=said if heading else "", column_widths=[0.66, 0.34], horizontal_spacing=0.12, height=440,
        layout={"showlegend": False, "bargap": 0.06},
    )  # fmt: skip
    left, right = {"row": 1, "col": 1}, {"row": 1, "col": 2}
    places = np.arange(1, count + 1)
    means, half = np.cumsum(values) / places, _half_widths(values, level)
    band(fig, places[1:], (means - half)[1:], (means + half)[1:], "mean", c["accent"], at=left)
    curve(fig, places, means, "mean", c["accent"], width=2.4, at=left,
          hovertemplate="mean of %{x}: %{y:.5g}<extra></extra>")  # fmt: skip
    if truth is not None:
        exact(fig, truth, "exact", dark=dark, at=left)
    seen = slice(min(SETTLED, count) - 1, None)
    edges = [(means - half)[seen], (means + half)[seen], means[seen], *([] if truth is None else [[truth]])]
    powers = 10 ** np.arange(int(np.log10(count)) + 1)
    fig.update_xaxes(
        title_text="probes", type="log", range=[0, np.log10(count)], tickvals=powers, **left,
        ticktext=[f"{power:,}" for power in powers],
    )  # fmt: skip
    fig.update_yaxes(title_text="estimate", range=calm_range(np.concatenate(edges)), **left)
    fig.add_trace(
        go.Histogram(x=values, nbinsx=BINS, marker_color=c["accent"], hovertemplate="%{x}: %{y}<extra></extra>"),
        **right,
    )
    fig.update_xaxes(title_text="value of a probe", **right)
    fig.update_yaxes(title_text="how many", **right)
    return fig


def _half_widths(values: np.ndarray, level: float) -> np.ndarray:
    """Of the interval round the mean of the first values; infinite for one."""
    counts = np.arange(1, values.size + 1)
    means = np.cumsum(values) / counts
    # Welford's sums: differences of large squares would cancel.
    before = np.concatenate([[0.0], means[:-1]])
    squares = np.cumsum((values - before) * (values - means))
    degrees = np.maximum(counts - 1, 1)
    half = stats.t.ppf(0.5 + level / 2, degrees) * np.sqrt(squares / degrees / counts)
    return np.where(counts > 1, half, np.inf)


def _title(result: Estimate) -> str:
    asked = result.question
    return "Laplacian, estimated" if asked is None else f"Laplacian of {label(title_of(asked.function))}, estimated"
