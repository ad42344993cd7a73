"""Claims about the world that no computation here can settle: said so, with what it would take."""

from __future__ import annotations

from cycloid.checks.claims import UNCHECKED, Measured, claim


@claim(
    "gradient-share",
    "92 % of machine learning models use gradient-based optimization.",
    source="a guide to calculus for AI",
    branch="surveys",
)
def gradient_share() -> Measured:
    """A census, not a computation."""
    return Measured(
        float("nan"), float("nan"), float("nan"), UNCHECKED,
        "The figure is a survey's: it would need a list of all models, or a random sample of them with its size and "
        "date, and a rule for what counts as a model. None comes with the claim, and no computation can "
        "stand in for one.",
        "%",
    )  # fmt: skip
