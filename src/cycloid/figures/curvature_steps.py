"""What a method of curvature tells of its steps: its damping, its conjugate gradients, what was kept of its promise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cycloid.figures.draw import Place, curve, dots, logarithmic
from cycloid.figures.theme import palette
from cycloid.optimize.damped_systems import GOOD, POOR

TITLES = {
    "damping": "Damping λ",
    "cg_iterations": "Turns of conjugate gradients",
    "reduction_ratio": "What was kept of the promise",
}
# The share drawn at most: a step that brought ten times what was promised would flatten all others.
SHARE = 2.0


def told(notes: Mapping[str, Any]) -> list[str]:
    """The notes that can be drawn, in their order."""
    return [name for name in TITLES if name in notes and np.any(np.isfinite(np.asarray(notes[name], float)))]


def cells(counts: Sequence[int]) -> list[list[dict[str, int] | None]]:
    """Panels for a grid of six columns: in each row so many of equal width, 1, 2 or 3."""
    return [[{"colspan": 6 // n} if i % (6 // n) == 0 else None for i in range(6)] for n in counts]


def places(row: int, count: int) -> list[Place]:
    """Where the panels of a row are."""
    return [{"row": row, "col": 1 + i * (6 // count)} for i in range(count)]


def note_panels(fig: Any, steps: Any, notes: Mapping[str, Any], at: Sequence[Place], *, dark: bool = False) -> None:
    """Draw the notes, each in its panel.

    Args:
        fig: with a panel for each of `told(notes)`.
        steps: numbers of the steps.
        notes: by name, a number a step.
        at: the panels.
        dark: the dark theme.
    """
    draw = {"damping": _damping, "cg_iterations": _turns, "reduction_ratio": _share}
    own = {name: np.asarray(notes[name], float) for name in told(notes)}
    if "cg_iterations" in own:  # steps of the method it began with have none of all this
        began = own["cg_iterations"] == 0
        own = {name: np.where(began, np.nan, column) for name, column in own.items()}
    for (name, column), place in zip(own.items(), at, strict=True):
        draw[name](fig, np.asarray(steps, float), column, dark, place)


def _damping(fig: Any, steps: np.ndarray, values: np.ndarray, dark: bool, at: Place) -> None:
    curve(fig, steps, values, "λ", palette(dark)["purple"], at=at, showlegend=False)
    logarithmic(fig, [values], at)
    fig.update_yaxes(title="λ", **at)


def _turns(fig: Any, steps: np.ndarray, values: np.ndarray, dark: bool, at: Place) -> None:
    curve(fig, steps, values, "turns", palette(dark)["teal"], at=at, showlegend=False)
    most = float(np.nanmax(values))
    fig.update_yaxes(title="products a step", range=[0, 1.08 * most], **at)


def _share(fig: Any, steps: np.ndarray, values: np.ndarray, dark: bool, at: Place) -> None:
    """Fall over promised fall; between the two lines λ stays, below it grows, above it shrinks."""
    c = palette(dark)
    shown = np.clip(values, -0.1, SHARE)
    cut = np.isfinite(values) & (shown != values)
    hover = {"customdata": values, "hovertemplate": "step %{x}: %{customdata:.3g}<extra>fall / promise</extra>"}
    marker = {"symbol": np.where(cut, np.where(values > 0, "triangle-up", "triangle-down"), "circle").tolist()}
    dots(fig, steps, shown, "fall / promise", c["green"], at=at, size=6, showlegend=False, marker=marker, **hover)
    low, high = -0.3, max(1.45, 1.2 * float(np.nanmax(shown)))
    axis = fig.get_subplot(at["row"], at["col"]).xaxis.plotly_name.replace("axis", "")
    below, above = (POOR, "below ¼: λ grows", low, "bottom"), (GOOD, "above ¾: λ shrinks", high, "top")
    for level, word, edge, anchor in (below, above):
        fig.add_hline(y=level, line={"color": c["muted"], "width": 1, "dash": "dot"}, **at)
        fig.add_annotation(
            x=0, xref=f"{axis} domain", y=edge, text=word, font={"size": 11, "color": c["muted"]}, showarrow=False,
            xanchor="left", yanchor=anchor, **at,
        )  # fmt: skip
    fig.update_yaxes(title="fall / promise", range=[low, high], **at)
