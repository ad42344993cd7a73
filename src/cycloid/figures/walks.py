"""The walk of one method to a minimum: on its terrain for two variables, on its curve for one, else by its numbers."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from cycloid.core.functions import as_function, as_objective
from cycloid.core.numerals import numeral
from cycloid.figures.curvature_steps import TITLES, cells, note_panels, places, told
from cycloid.figures.draw import curve, dots, label, panels, ticks
from cycloid.figures.registry import register
from cycloid.figures.tangents import function
from cycloid.figures.terrains import terrain
from cycloid.figures.theme import colour_of, palette
from cycloid.optimize.drivers import Minimum

# How much is shown beyond the walk itself, as a share of its extent.
MARGIN = 0.35


@register(Minimum)
def minimum_figure(
    result: Minimum, *, question: Any = None, lower: Any = None, upper: Any = None, dark: bool = False, **options: Any
) -> Any:
    """Draw where a method walked.

    With one or two variables and the path kept: the function itself with the walk on it. Otherwise, and when the
    result no longer knows its question: the objective and the gradient norm over the steps.

    Args:
        result: from `cy.optimize.minimize`.
        question: the function asked about, for a result that has lost its question.
        lower, upper: corners of what is shown; by default the walk with a margin.
        dark: the dark theme.
        **options: those of `figures.terrain`.

    Raises:
        ValueError: when the result holds a batch, or neither path nor trace was kept.
    """
    if np.ndim(result.status.code):
        raise ValueError("this Minimum holds a batch: draw one member, jax.tree.map(lambda leaf: leaf[0], result).")
    asked = result.question
    f = question if question is not None else asked.function if asked is not None else None
    path = path_of(result)
    name = str(getattr(getattr(asked, "method", None), "name", "walk"))
    squares = asked is not None and bool(asked.arguments.get("squares"))  # f is a residual, no height
    if f is None or path is None or path.shape[1] > 2 or squares:
        return _numbers(result, name, dark)
    low, high = window(path, lower, upper)
    if path.shape[1] == 1:
        return _on_a_curve(f, path[:, 0], float(low[0]), float(high[0]), name, dark)
    objective = as_objective(f, result.value)
    _, unravel = _ravel(result.value)
    names = _names(f, result.value)
    title = f if isinstance(f, str) else getattr(f, "text", None) or f"{name} on its way"
    options = {"trails": {name: path}, "names": names, "title": title, **options}
    return terrain(lambda x: objective(unravel(x)), low, high, dark=dark, **options)


def path_of(result: Minimum) -> np.ndarray | None:
    """The points walked through as rows, without those never reached; None where they were not kept."""
    if result.trace is None or result.trace.path is None:
        return None
    leaves = [np.asarray(leaf, float) for leaf in jax.tree.leaves(result.trace.path)]
    rows = np.concatenate([leaf.reshape(len(leaf), -1) for leaf in leaves], axis=1)
    return rows[np.all(np.isfinite(rows), axis=1)]


def _ravel(value: Any) -> Any:
    from jax.flatten_util import ravel_pytree

    return ravel_pytree(value)


def _names(f: Any, value: Any) -> list[str] | None:
    if isinstance(value, dict):
        return [str(key) for key in sorted(value)]
    names = getattr(as_function(f), "variables", None)
    return list(names) if names else None


def window(path: np.ndarray, lower: Any, upper: Any) -> tuple[np.ndarray, np.ndarray]:
    """The walk with a margin, neither side shorter than half of the other, and never a point."""
    low, high = path.min(axis=0), path.max(axis=0)
    span = high - low
    span = np.maximum(span, 0.5 * span.max())
    span = np.where(span > 0, span, np.maximum(np.abs(high), 1.0))
    middle = (low + high) / 2
    low, high = middle - (0.5 + MARGIN) * span, middle + (0.5 + MARGIN) * span
    return (
        low if lower is None else np.atleast_1d(np.asarray(lower, float)),
        high if upper is None else np.atleast_1d(np.asarray(upper, float)),
    )


def _on_a_curve(f: Any, path: np.ndarray, low: float, high: float, name: str, dark: bool) -> Any:
    objective = as_objective(f, np.zeros(()))
    fig = function(lambda x: objective(x), low, high, order=1, dark=dark)
    muted = palette(dark)["muted"]  # the walk has the colour of its method, the function has none
    fig.data[0].line.color = fig.layout.annotations[0].font.color = muted
    heights = [float(np.asarray(objective(x)).ravel()[0]) for x in path[:200]]
    colour = colour_of(name, dark)
    ticks(fig, path, dark=dark)
    curve(fig, path[:200], heights, name, colour, at={"row": 1, "col": 1}, mode="lines+markers", width=1)
    dots(fig, path[-1], heights[-1], f"{name}, end", colour, at={"row": 1, "col": 1}, size=11)
    if isinstance(f, str) or getattr(f, "text", None):
        fig.update_layout(title_text=label(f if isinstance(f, str) else f.text))
    return fig


def _numbers(result: Minimum, name: str, dark: bool) -> Any:
    """Objective and gradient norm over the steps, and under them what the method told of each."""
    if result.trace is None:
        raise ValueError(
            "nothing of this walk was kept: call minimize(..., trace=True); inside bounds and constraints nothing is."
        )
    c, steps = palette(dark), int(np.asarray(result.steps))
    notes = {note: np.asarray(column)[:steps] for note, column in result.trace.notes.items()}  # the last was not made
    more = told(notes)
    fig = panels(
        2 if more else 1, 6, dark=dark, height=680 if more else 400, specs=cells([2, len(more)][: 2 if more else 1]),
        titles=("Objective", "Largest entry of the gradient", *(TITLES[note] for note in more)),
        title=label(f"{name}, {numeral(steps)} steps"), subtitle=label(result.status.message),
        horizontal_spacing=0.12, vertical_spacing=0.2, layout={"showlegend": False},
    )  # fmt: skip
    note_panels(fig, np.arange(1, steps + 1), notes, places(2, len(more)), dark=dark)
    for column, (values, colour) in zip(
        (1, 4), ((result.trace.objective, colour_of(name, dark)), (result.trace.gradient_norm, c["warm"])), strict=True
    ):
        values = np.asarray(values, float)
        kept = np.isfinite(values)
        at = {"row": 1, "col": column}
        curve(fig, np.flatnonzero(kept), values[kept], name, colour, at=at)
        seen = values[kept]
        if seen.size and seen.min() > 0 and seen.max() > 20 * seen.min():
            fig.update_yaxes(type="log", **at)
    fig.update_xaxes(title="step")
    return fig
