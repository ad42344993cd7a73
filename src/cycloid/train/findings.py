"""Findings: what is wrong with a training run, in words and numbers, the cause before its consequences."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

SEVERITIES = ("note", "warning", "error")  # a remark | will cost quality | the run is worthless as it is

# Every fault that can be named, in the order in which they are looked at: a fault may cause those after it in the list,
# never one before it. NaN is first because every comparison with it is false.
FAULTS: dict[str, str] = {
    "not a number": "a NaN or an infinity has appeared: nothing after it can be trusted",
    "precision overflow": "numbers grow beyond what their dtype can hold",
    "targets broadcast against predictions": "shapes (n, 1) and (n,) make an n by n table of differences",
    "softmax over the wrong axis": "probabilities sum to one over the batch instead of over the classes",
    "double softmax": "the loss takes logits and applies a softmax itself; it was given probabilities",
    "wrong sign of the loss": "descending this loss makes the predictions worse",
    "wrong reduction of the loss": "the loss is a sum over the batch where a mean is meant, or averages the wrong axis",
    "leaked rows": "validation rows are also in the training set",
    "leaked feature": "one input gives the target away",
    "shuffled labels": "inputs and targets do not belong together",
    "label noise": "a share of the labels is wrong",
    "raw inputs": "inputs are not normalised",
    "raw targets": "targets are far from zero, or of another scale than the model's outputs",
    "data order not shuffled": "batches follow the order of the file",
    "class imbalance": "one class is so frequent that always naming it looks good",
    "parameter missing from the optimizer": "a parameter gets a gradient and is never updated",
    "gradients not cleared": "gradients of earlier batches are added to this one's",
    "detached layer": "no gradient reaches a layer",
    "batch norm in the wrong mode": "running statistics where the batch's belong, or the reverse",
    "symmetric initialisation": "units of a layer start equal and stay equal",
    "dead units": "rectifiers that are zero for every example",
    "vanishing gradient": "the signal shrinks from layer to layer on its way back",
    "exploding gradient": "the signal grows from layer to layer on its way back",
    "weight decay on biases": "biases and norm scales are pulled to zero",
    "learning rate too high": "steps overshoot",
    "learning rate too low": "steps are far shorter than the loss allows",
    "overfitting": "the model fits training rows better than unseen ones",
    "underfitting": "the model does not fit its own training rows",
    "metric does not follow the loss": "the loss falls and the metric does not improve",
}


@dataclasses.dataclass(frozen=True)
class Finding:
    """One fault, with what shows it.

    Attributes:
        fault: a name in `FAULTS`.
        severity: "error", "warning" or "note".
        evidence: what was seen, a sentence with its numbers.
        value: the indicator, the number that was compared.
        threshold: what it was compared with.
        cause: why this happens, in words.
        cure: what to do, with numbers and, where there is one, the line of code.
        confidence: between 0 and 1, that this fault is there.
        layer: the layer or parameter concerned, or None for the whole.
        step: the recorded step at which it was first seen, or None.
        because: faults found too, of which this one is a consequence; they are listed before it.
        reference: where the indicator comes from.
    """

    fault: str
    severity: str
    evidence: str
    value: float
    threshold: float
    cause: str
    cure: str
    confidence: float
    layer: str | None = None
    step: int | None = None
    because: tuple[str, ...] = ()
    reference: str = ""

    def __post_init__(self) -> None:
        if self.fault not in FAULTS:
            raise ValueError(f"no fault is called {self.fault!r}; there are {', '.join(FAULTS)}.")
        if self.severity not in SEVERITIES:
            raise ValueError(f"severity is one of {', '.join(SEVERITIES)}; it was {self.severity!r}.")
        if not 0.0 <= self.confidence <= 1.0:
            raise ValueError(f"confidence is between 0 and 1; it was {self.confidence}.")

    def __str__(self) -> str:
        where = f" ({self.layer})" if self.layer else ""
        follows = f" It follows from: {', '.join(self.because)}." if self.because else ""
        return f"{self.fault}{where}: {self.evidence}{follows} Cure: {self.cure}"

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return dataclasses.asdict(self) | {"because": list(self.because)}


def order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Findings with causes before consequences; among equals the more confident first.

    Example:
        >>> high = Finding("learning rate too high", "error", "", 0.3, 0.12, "", "", 0.9)
        >>> raw = Finding("raw inputs", "warning", "", 40.0, 4.0, "", "", 0.9)
        >>> [finding.fault for finding in order([high, raw])]
        ['raw inputs', 'learning rate too high']
    """
    ranks = {fault: rank for rank, fault in enumerate(FAULTS)}
    return tuple(sorted(findings, key=lambda f: (ranks[f.fault], -f.confidence)))


def exit_code(findings: Sequence[Finding]) -> int:
    """For scripts: 0 without findings above a note, 1 with warnings, 2 with errors."""
    return max((SEVERITIES.index(finding.severity) for finding in findings), default=0)
