"""`figure`: the picture of a result, whatever kind of result it is."""

from __future__ import annotations

from typing import Any

from cycloid.core.registry import Registry

REGISTRY = Registry(
    "draw",
    {
        "cycloid.differentiate.sparse": ("cycloid.figures.patterns",),
        "jax.experimental.sparse": ("cycloid.figures.patterns",),
        "cycloid.optimize": (
            "cycloid.figures.walks",
            "cycloid.figures.contests",
            "cycloid.figures.milestones",
            "cycloid.figures.stability",
            "cycloid.figures.fits",
            "cycloid.figures.searches",
        ),
        "cycloid.differentiate": (
            "cycloid.figures.expansions",
            "cycloid.figures.maps",
            "cycloid.figures.paths",
            "cycloid.figures.critical",
            "cycloid.figures.sensitivities",
            "cycloid.figures.gradients",
            "cycloid.figures.frameworks",
            "cycloid.figures.spectra",
            "cycloid.figures.estimates",
        ),
        "cycloid.explain": ("cycloid.figures.explaining",),
        "cycloid.learn": ("cycloid.figures.chains",),
        "cycloid.train": (
            "cycloid.figures.comparisons",
            "cycloid.figures.decisions",
            "cycloid.figures.inspections",
            "cycloid.figures.landscapes",
            "cycloid.figures.watches",
        ),
    },
)
register = REGISTRY.register


def figure(result: Any, **options: Any) -> Any:
    """Draw a result.

    Args:
        result: what a driver returned: a `Minimum`, a `Race`, a `Run`, a `Comparison`.
        **options: `dark=True` for the dark theme, and those of the figure at hand.

    Returns:
        A plotly `Figure`: `.show()` it, change it, or `cycloid.figures.save(fig, "figure.html")` (.png, .svg).

    Raises:
        TypeError: when results of this type have no figure; the message lists those that have.
    """
    return REGISTRY.find(result)(result, **options)
