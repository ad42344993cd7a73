"""How a search for a root went: what was left of the equations after each step."""

from __future__ import annotations

from typing import Any

import numpy as np

from cycloid.core.numerals import numeral
from cycloid.figures.draw import canvas, curve, exact, label
from cycloid.figures.registry import register
from cycloid.figures.theme import palette
from cycloid.optimize.roots import Root


@register(Root)
def root_figure(result: Root, *, question: Any = None, dark: bool = False, **options: Any) -> Any:
    """Draw the largest entry of F over the steps, on a logarithmic axis.

    Args:
        result: from `cy.optimize.root` or `fixed_point`.
        question: what was asked, for the title of a result that has lost it.
        dark: the dark theme.
        **options: of the layout.

    Raises:
        ValueError: when the result holds a batch.
    """
    if np.ndim(result.status.code):
        raise ValueError("this Root holds a batch: draw one member, jax.tree.map(lambda leaf: leaf[0], result).")
    asked = question if question is not None else result.question
    left = np.asarray(result.trace, float)[: int(np.asarray(result.steps)) + 1]
    method = str(getattr(asked, "method", None) or "search")
    c = palette(dark)
    words = (
        f"{numeral(int(np.asarray(result.steps)))} steps, {numeral(int(np.asarray(result.evaluations)))} evaluations"
    )
    fig = canvas(
        label(f"{method}: what is left of the equations"), label(f"{words}. {result.status.message}"), dark=dark,
        **{"showlegend": False, **options},
    )  # fmt: skip
    shown = np.where(left > 0, left, np.nan)  # an exact zero has no place on a logarithmic axis
    curve(fig, np.arange(len(left)), shown, "largest entry", c["accent"], mode="lines+markers")
    if np.any(left == 0) and np.any(left > 0):
        exact(fig, float(np.log10(np.nanmin(shown))), "the next is exactly zero", dark=dark)
    fig.update_yaxes(type="log", title="largest entry of F")
    fig.update_xaxes(title="step", dtick=max(1, len(left) // 10))
    return fig
