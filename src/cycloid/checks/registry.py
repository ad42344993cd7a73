"""`check`: an answer checked by an independent method, whatever kind of result it is."""

from __future__ import annotations

from typing import Any

from cycloid.checks.cards import Card
from cycloid.core.registry import Registry
from cycloid.core.results import Question, Result

REGISTRY = Registry(
    "check",
    {
        "cycloid.optimize": (
            "cycloid.checks.descent",
            "cycloid.checks.contests",
            "cycloid.checks.milestones",
            "cycloid.checks.stability",
            "cycloid.checks.fits",
            "cycloid.checks.equations",
        ),
        "cycloid.differentiate": (
            "cycloid.checks.expansions",
            "cycloid.checks.maps",
            "cycloid.checks.critical",
            "cycloid.checks.sensitivities",
            "cycloid.checks.gradients",
            "cycloid.checks.frameworks",
            "cycloid.checks.curvature",
            "cycloid.checks.estimates",
        ),
        "cycloid.explain": ("cycloid.checks.explaining",),
        "cycloid.learn": ("cycloid.checks.training",),
        "cycloid.train": (
            "cycloid.checks.training",
            "cycloid.checks.decisions",
            "cycloid.checks.inspections",
            "cycloid.checks.landscapes",
        ),
    },
)
register = REGISTRY.register


def check(result: Result, question: Any = None) -> Card:
    """Check an answer by a method independent of the one that gave it.

    Args:
        result: what a driver returned: a `Minimum`, a `Race`, a `Run`, a `Comparison`.
        question: what was asked, for a result that came out of jit, vmap or grad and has lost it: a `Question`,
            or the function alone where nothing more is needed.

    Returns:
        A card: the claim, the method and the second method, both values, how far they differ, how far they may,
        and the verdict "agrees", "disagrees" or "cannot be checked".

    Raises:
        ValueError: when the result has lost its question and none is given.
        TypeError: when results of this type cannot be checked; the message lists those that can.

    Cost:
        Stated on the card: tens of evaluations of the function for a small problem.

    Example:
        >>> import cycloid as cy
        >>> result = cy.optimize.minimize(lambda x: ((x - 3) ** 2).sum(), [0.0, 0.0], method=cy.optimize.Adam(0.1),
        ...                               max_steps=1000, tol=1e-4)
        >>> cy.check(result).verdict
        'agrees'
    """
    second = REGISTRY.find(result)
    asked = _as_question(question) or getattr(result, "question", None)
    if asked is None:
        raise ValueError(
            f"this {type(result).__name__} no longer knows what was asked (it has passed through a transformation "
            f"or a file): call cy.check(result, question=…) with the function that was asked about."
        )
    return second(result, asked)


def _as_question(question: Any) -> Question | None:
    if question is None or isinstance(question, Question):
        return question
    return Question(question, {})
