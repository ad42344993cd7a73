"""A loss landscape: its surface, its contours, and the trails of optimizers on both."""

from __future__ import annotations

from typing import Any

import numpy as np

from cycloid.core.numerals import numeral
from cycloid.figures.registry import register
from cycloid.figures.terrains import terrain
from cycloid.train.landscapes import Landscape

TITLES = {
    "random": "Loss round the parameters, along filter-normalised directions",
    "hessian": "Loss along the two directions of largest curvature",
    "trajectory": "Loss over the principal plane of the trails",
    "given": "Loss over a plane of the parameters",
}


@register(Landscape)
def landscape_figure(result: Landscape, *, height: str = "auto", title: str | None = None, dark: bool = False) -> Any:
    """Draw a landscape: on the left the surface, on the right its contours, the trails on both, a ring at the middle.

    Args:
        result: from `cy.train.landscape`.
        height: "linear", "log" (above the lowest point), or "auto".
        title: by default what the plane is.
        dark: the dark theme.
    """
    sides = np.asarray(result.sides, float)
    fig = terrain(
        result.at, sides[:, 0], sides[:, -1], trails=result.trails or None, minima=np.zeros((1, 2)),
        names=_axes(result), height=height, title=TITLES[result.kind] if title is None else title, dark=dark,
    )  # fmt: skip
    fig.for_each_trace(lambda trace: trace.update(name="the parameters"), selector={"name": "exact answer"})
    short = [name.partition(",")[0] for name in _axes(result)]  # along the edges of the box there is room for little
    small = [{"text": name, "font": {"size": 11}} for name in short]
    fig.update_layout(scene={"xaxis_title": small[0], "yaxis_title": small[1]}, margin_b=64)
    if fig.layout.title.text:  # what the plane does not show is said under the title
        fig.layout.title.subtitle.text += _sentence(result)
    return fig


def _axes(result: Landscape) -> tuple[str, str]:
    facts = np.asarray(result.facts, float)
    if not np.all(np.isfinite(facts)):
        return result.names
    if result.kind == "hessian":
        return (f"along λ₁ = {numeral(facts[0], 3)}", f"along λ₂ = {numeral(facts[1], 3)}")
    return (f"direction 1, {facts[0]:.0%} of the movement", f"direction 2, {facts[1]:.0%}")


def _sentence(result: Landscape) -> str:
    hidden = {name: 1 - share for name, share in result.seen.items() if 1 - share > 0.02}
    if not hidden:
        return ""
    return "; off the plane: " + ", ".join(f"{name} {share:.0%} of its movement" for name, share in hidden.items())
