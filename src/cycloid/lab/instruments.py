"""The registry of instruments: one entry here, one ES module and one stylesheet under ``widgets/``.

A module exports ``mount(root)``, draws itself into the element it is given and talks to the server by ``fetch``.
The shell gives every instrument its page, its place in the navigation and the security headers.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Instrument:
    """One page of the lab: ``/{slug}`` mounts ``widgets/{slug}.js`` dressed by ``widgets/{slug}.css``."""

    slug: str
    title: str
    summary: str

    @property
    def module(self) -> str:
        """Address of the ES module that exports ``mount``."""
        return f"/widgets/{self.slug}.js"

    @property
    def stylesheet(self) -> str:
        """Address of the instrument's own stylesheet."""
        return f"/widgets/{self.slug}.css"


INSTRUMENTS = (
    Instrument("terrain", "Terrain", "A mountain, a ball, and one question: which way is steepest down?"),
    Instrument(
        "jacobian", "Jacobian", "A square, its image under a map, and one question: how much bigger does it get?"
    ),
    Instrument("race", "Race", "Six ways down a valley, a bet, and one question: who is down first?"),
    Instrument(
        "training", "Training chain", "Watch a model learn: loss, gradient, update, and the metric on unseen data."
    ),
)
