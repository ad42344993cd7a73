"""What an explanation is: steps, each with its rule and its numerical check, and the result of the last one."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, final

import numpy as np
from jaxtyping import ArrayLike, Float, Int

from cycloid.core.formulas import Formula
from cycloid.core.results import ErrorKind, Question, Result, Status
from cycloid.core.syntax import Node

AGREES, DISAGREES, KINK, UNCHECKED = "agrees", "disagrees", "kink", "cannot be checked"


class Ending(Status):
    """How an explanation ended: the statuses of every result, and two more."""

    sentences: ClassVar[tuple[tuple[str, str], ...]] = (
        *Status.sentences,
        (
            "no_formula",
            "Give bounds=(a, b) for the integral as a number, or expand the integrand by cy.explain.taylor.",
        ),
        (
            "no_value",
            "There is no finite value at this point: it is a pole, or lies outside the domain of the formula or on its "
            "edge. Choose a point beside it.",
        ),
        (
            "no_integral",
            "There is no finite integral between these bounds. Choose bounds on one side of the pole, or within the "
            "domain of the formula.",
        ),
        (
            "kink",
            "The two sides have different slopes at this point: it is a kink, and the function has no derivative "
            "there. The value given is a convention. Choose a point beside it.",
        ),
        (
            "disputed",
            "A numerical check disagrees with a step, which is marked in the steps: the point may lie on a kink, on "
            "a jump, or where this precision does not reach. Move the point, or call cy.enable_x64().",
        ),
    )


@dataclasses.dataclass(frozen=True)
class Check:
    """A statement tried by a method that shares no step with the one that made it.

    Attributes:
        method: how it was tried.
        points: where: name and values of each variable; empty for a check at the point of the question.
        value: what the step says there.
        second: what the method says.
        disagreement: the largest difference.
        allowance: how large it may be.
        verdict: "agrees", "disagrees", "kink" (the two sides have different slopes) or "cannot be checked".
        note: a sentence, where there is something to say.
    """

    method: str
    points: tuple[tuple[str, tuple[float, ...]], ...]
    value: tuple[float, ...]
    second: tuple[float, ...]
    disagreement: float
    allowance: float
    verdict: str
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The plain data that `to_json` writes."""
        return {**dataclasses.asdict(self), "points": {name: list(values) for name, values in self.points}}


@dataclasses.dataclass(frozen=True)
class Step:
    """One line of a derivation.

    Attributes:
        kind: what is done to `given`: "derivative", "integral", "equality" or "value".
        rule: the name of the rule.
        law: the rule in general, as text; `law_latex` in LaTeX.
        given: what the rule is applied to.
        applied: what the rule gives, before anything is collected; None where that is the result.
        result: what comes of it, as short as it can be written.
        variable: with respect to which.
        where: what the letters of the law stand for here.
        steps: the steps that this one needs.
        check: the numerical check of this line, or None where nothing is claimed.
        note: a sentence.
    """

    kind: str
    rule: str
    law: str
    law_latex: str
    given: Node
    result: Node
    variable: str = ""
    where: tuple[tuple[str, Node], ...] = ()
    steps: tuple[Step, ...] = ()
    check: Check | None = None
    note: str = ""
    applied: Node | None = None

    def walk(self) -> Iterator[Step]:
        """This step and all below it, parents first."""
        yield self
        for step in self.steps:
            yield from step.walk()

    def to_dict(self) -> dict[str, Any]:
        """The plain data that `to_json` writes."""
        from cycloid.core.typesetting import as_text

        return {
            "kind": self.kind,
            "rule": self.rule,
            "law": self.law,
            "given": as_text(self.given),
            "applied": None if self.applied is None else as_text(self.applied),
            "result": as_text(self.result),
            "variable": self.variable,
            "where": {name: as_text(tree) for name, tree in self.where},
            "check": None if self.check is None else self.check.to_dict(),
            "note": self.note,
            "steps": [step.to_dict() for step in self.steps],
        }


@final
class Derivation(Result):
    """An explanation: the steps that lead to a result, each with its rule and its numerical check.

    Attributes:
        value: the result of the last step: a number where a point was given, the gradient for code, else a formula.
        error: the largest disagreement that a check found; NaN where nothing could be checked.
        error_kind: "estimate", or "none".
        evaluations: how often the function was computed for the checks, each point counted.
        status: `converged` when no check disagrees.
        kind: "derivative", "antiderivative", "taylor", "chain" or "backpropagation".
        heading: the question in words.
        formula: the result as a formula, or None for code.
        evidence: the steps: a tuple of `Step`, the `Graph` of a computation, or the `Network` of its layers.
        notes: sentences that a reader should know.
    """

    value: Any
    error: Float[ArrayLike, "..."]
    error_kind: ErrorKind
    evaluations: Int[ArrayLike, "..."]
    status: Status
    kind: str
    heading: str
    formula: Formula | None
    evidence: Any
    notes: tuple[str, ...] = ()

    @property
    def steps(self) -> Any:
        """The steps, first to last: `Step`s of algebra, `Operation`s of code, `Layer`s of a network."""
        return self.evidence if isinstance(self.evidence, tuple) else self.evidence.steps

    @property
    def checks(self) -> list[Check]:
        """Every numerical check that was made."""
        if isinstance(self.evidence, tuple):
            return [step.check for top in self.evidence for step in top.walk() if step.check is not None]
        return list(self.evidence.checks)

    @property
    def text(self) -> str:
        """The explanation for a terminal."""
        from cycloid.explain.rendering.terminal import as_text

        return as_text(self)

    @property
    def html(self) -> str:
        """The explanation as an HTML fragment that needs nothing else; every text in it is escaped."""
        from cycloid.explain.rendering.pages import as_html

        return as_html(self)

    @property
    def latex(self) -> str:
        """The explanation in LaTeX, for a document with amsmath."""
        from cycloid.explain.rendering.papers import as_latex

        return as_latex(self)

    def to_dict(self) -> dict[str, Any]:
        """The plain data that `to_json` writes."""
        from cycloid.core.storage import plain

        value = self.value.text if isinstance(self.value, Formula) else plain(self.value)
        steps = [step.to_dict() for step in self.evidence] if isinstance(self.evidence, tuple) else None
        return {
            "kind": self.kind,
            "heading": self.heading,
            "value": value,
            "formula": None if self.formula is None else self.formula.text,
            "error": plain(float(np.asarray(self.error))),
            "error_kind": self.error_kind.name,
            "evaluations": int(np.asarray(self.evaluations)),
            "status": self.status.name,
            "message": self.status.message,
            "notes": list(self.notes),
            "checks": summary(self.checks),
            **({"steps": steps} if steps is not None else self.evidence.to_dict()),  # pyright: ignore
        }

    def to_json(self) -> str:
        """The explanation as JSON text, valid under the strictest reader."""
        from cycloid.core.storage import plain

        return json.dumps(plain(self.to_dict()), allow_nan=False)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<Derivation: {self.heading}, {len(self.steps)} steps, {self.status.name}>"

    def _repr_html_(self) -> str:
        return self.html


def summary(checks: Sequence[Check]) -> dict[str, int]:
    """How many checks came to each verdict."""
    return {
        verdict: count
        for verdict in (AGREES, DISAGREES, KINK, UNCHECKED)
        if (count := sum(check.verdict == verdict for check in checks))
    }


def concluded(
    kind: str,
    heading: str,
    value: Any,
    evidence: Any,
    *,
    checks: Sequence[Check],
    evaluations: int,
    formula: Formula | None = None,
    notes: Sequence[str] = (),
    status: str | None = None,
    question: Question | None = None,
) -> Derivation:
    """The derivation with its error and status read off the checks."""
    known = [check.disagreement for check in checks if check.verdict != UNCHECKED and math.isfinite(check.disagreement)]
    verdicts = {check.verdict for check in checks}
    if status is None:
        status = "kink" if KINK in verdicts else "disputed" if DISAGREES in verdicts else "converged"
    result = Derivation(
        value=value,
        error=np.float64(max(known) if known else math.nan),
        error_kind=ErrorKind.named("estimate" if known else "none"),
        evaluations=np.int64(evaluations),
        status=Ending.named(status),
        kind=kind,
        heading=heading,
        formula=formula,
        evidence=evidence,
        notes=tuple(notes),
    )
    return result.asked(question)
