"""Performance profiles: of how many problems a method is within a factor of the best, for every factor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cycloid.figures.draw import canvas, curve, label
from cycloid.figures.theme import colour_of, palette

# Solvers from these are dotted, ours are whole lines.
ELSEWHERE = ("scipy", "optimistix", "optax")
# The names of more methods than this stand beside the picture, in one column.
BESIDE = 5


def ratios(costs: Mapping[str, Sequence[float]]) -> dict[str, np.ndarray]:
    """What each method paid over the least that any paid, problem by problem; inf where it failed.

    Args:
        costs: method -> one positive cost a problem, in the same order for all; NaN or inf where it was not solved.

    Raises:
        ValueError: when there is no method, the lengths differ, or a cost is not positive.

    Example:
        >>> {name: row.tolist() for name, row in ratios({"a": [1.0, 4.0], "b": [2.0, float("nan")]}).items()}
        {'a': [1.0, 1.0], 'b': [2.0, inf]}
    """
    rows = {name: np.asarray(row, float) for name, row in costs.items()}
    if not rows or len({row.shape for row in rows.values()}) != 1 or next(iter(rows.values())).ndim != 1:
        raise ValueError("costs= holds one row of numbers for each method, all over the same problems.")
    table = np.stack(list(rows.values()))
    table = np.where(np.isnan(table), np.inf, table)
    if np.any(table <= 0):
        raise ValueError("a cost is positive: seconds or evaluations; NaN stands for a problem that was not solved.")
    best = table.min(axis=0)
    with np.errstate(invalid="ignore"):
        paid = np.where(np.isfinite(table), table / best, np.inf)
    return dict(zip(rows, paid))


def performance_profile(
    costs: Mapping[str, Sequence[float]],
    *,
    cost: str = "evaluations",
    title: str = "Performance profile",
    dark: bool = False,
) -> Any:
    """Draw ρ(τ), the share of problems that a method solves at a cost of at most τ times the least of all.

    At τ = 1 it is how often the method is the best, far to the right how often it succeeds at all; a curve that lies
    higher is better. A problem that nobody solves counts against all. Solvers from elsewhere are dotted.

    Args:
        costs: method -> one positive cost a problem; NaN or inf where it was not solved.
        cost: what is counted, for the axis.
        title: above the picture; "" for none.
        dark: the dark theme.

    Returns:
        A plotly `Figure`.

    Raises:
        ValueError: as `ratios`.

    Example:
        >>> performance_profile({"a": [10, 40, 7], "b": [20, 30, float("nan")]}).data[0].name
        'a'

    Reference: Dolan, Moré, Benchmarking optimization software with performance profiles, 2002.
    """
    paid = ratios(costs)
    finite = [ratio for row in paid.values() for ratio in row[np.isfinite(row)]]
    last = 1.25 * max([2.0, *finite])
    count = len(next(iter(paid.values())))
    words = f"{count} problems; at the left edge: how often it costs least, at the right: how often it succeeds"
    fig = canvas(title, label(words) if title else "", dark=dark)
    for name, row in sorted(paid.items(), key=lambda pair: -np.mean(np.isfinite(pair[1]))):
        steps = np.sort(row[np.isfinite(row)])
        x = np.concatenate([[1.0], steps, [last]])
        y = np.concatenate([[0.0], np.arange(1, steps.size + 1), [steps.size]]) / count
        shown = np.searchsorted(steps, 1.0, side="right") / count
        x, y = np.concatenate([[1.0], x[x > 1.0]]), np.concatenate([[shown], y[x > 1.0]])
        words = "within %{x:.3g} times the best: %{y:.0%}"
        dash = "dot" if name.partition("-")[0] in ELSEWHERE else "solid"
        curve(fig, x, y, name, colour_of(name, dark), hovertemplate=words, dash=dash)
        fig.data[-1].line.shape = "hv"
    if len(paid) > BESIDE:
        fig.update_layout(legend={"orientation": "v", "x": 1.02, "y": 1.0, "yanchor": "top"}, margin={"r": 190})
    c = palette(dark)
    fig.update_xaxes(
        type="log", title=f"{label(cost)}, in multiples of the least of all", range=[0.0, float(np.log10(last))],
        tickvals=[1, 2, 5, 10, 20, 50, 100, 1000], gridcolor=c["rule"],
    )  # fmt: skip
    fig.update_yaxes(title="share of problems solved", range=[0.0, 1.03], tickformat=".0%")
    return fig
