"""`diagnose`: from what was seen of a training run to what is wrong with it, the cause before its consequences."""

from __future__ import annotations

import dataclasses
from typing import Any

from cycloid.train.evidence import Evidence
from cycloid.train.findings import Finding, order
from cycloid.train.rules import RULES

# fault -> faults that it brings about. A finding that one before it explains is kept, and says so.
CONSEQUENCES: dict[str, tuple[str, ...]] = {
    "not a number": (),
    "targets broadcast against predictions": ("underfitting", "metric does not follow the loss"),
    "softmax over the wrong axis": ("underfitting", "metric does not follow the loss", "wrong sign of the loss"),
    "double softmax": ("learning rate too low", "underfitting", "vanishing gradient"),
    "wrong sign of the loss": ("learning rate too high", "underfitting", "exploding gradient", "not a number"),
    "wrong reduction of the loss": ("learning rate too high", "dead units", "exploding gradient"),
    "shuffled labels": ("overfitting", "metric does not follow the loss", "underfitting"),
    "label noise": ("overfitting", "underfitting"),
    "leaked rows": (),
    "raw inputs": ("exploding gradient", "learning rate too high", "dead units", "vanishing gradient", "underfitting"),
    "raw targets": ("exploding gradient", "learning rate too high", "learning rate too low", "underfitting"),
    "data order not shuffled": ("overfitting", "underfitting", "metric does not follow the loss"),
    "class imbalance": ("metric does not follow the loss",),
    "parameter missing from the optimizer": ("underfitting",),
    "gradients not cleared": ("learning rate too high", "dead units"),
    "detached layer": ("underfitting",),
    "batch norm in the wrong mode": ("overfitting", "metric does not follow the loss", "underfitting"),
    "symmetric initialisation": ("underfitting", "vanishing gradient", "exploding gradient"),
    "dead units": ("underfitting", "vanishing gradient"),
    "vanishing gradient": ("learning rate too low", "underfitting"),
    "exploding gradient": ("learning rate too high", "dead units", "underfitting"),
    "learning rate too high": ("dead units", "underfitting", "metric does not follow the loss"),
    "learning rate too low": ("underfitting",),
    "overfitting": ("metric does not follow the loss",),
}  # fmt: skip


def diagnose(subject: Any, data: Any = None, **options: Any) -> tuple[Finding, ...]:
    """Say what is wrong with a training run, and what to do about it.

    Every rule of `cycloid.train.rules.RULES` is asked; a rule whose numbers were not measured says nothing. Findings
    stand with causes before consequences; NaN is tested for before any number is compared.

    Args:
        subject: an `Evidence`; a watch (`cy.train.watch`) or its report; a `Run` of `cy.train.fit`; or a model, which
            is then rehearsed on `data` for some steps.
        data: (x, y), (x, y, x_validation, y_validation) or what `cy.train.load` returns; adds what the data says by
            itself to any subject.
        **options: for a model, those of `cy.train.rehearse`: loss=, method=, max_steps=, batch_size=, key=.

    Returns:
        Findings, none for a healthy run.

    Raises:
        TypeError: when the subject is none of these.

    Example:
        >>> import numpy as np
        >>> seen = Evidence(prediction_shape=(32, 1), target_shape=(32,), task="regression")
        >>> diagnose(seen)[0].fault
        'targets broadcast against predictions'

    Reference: Humbatova, Jahangirova, Bavota et al., Taxonomy of real faults in deep learning systems, 2020.
    """
    return read(gather(subject, data, **options))


def read(evidence: Evidence) -> tuple[Finding, ...]:
    """The findings that evidence gives, ordered, each with the findings it follows from."""
    found = order(finding for rule in RULES for finding in rule.find(evidence))
    names = {finding.fault for finding in found}
    causes = lambda fault: tuple(cause for cause in names if fault in CONSEQUENCES.get(cause, ()))
    marked = [dataclasses.replace(f, because=tuple(sorted(causes(f.fault)))) for f in found]
    first = [f for f in marked if not f.because]
    return tuple(first + [f for f in marked if f.because])


def gather(subject: Any, data: Any = None, **options: Any) -> Evidence:
    """Evidence on whatever `diagnose` takes."""
    seen = _own(subject, data, **options)
    if data is None:
        return seen
    from cycloid.train.data_evidence import probe_data

    parts = as_parts(data)
    told = probe_data(*parts[:4], names=parts[4])
    return told.merge(seen).replace(class_counts=told.class_counts)  # of all rows, not of one batch


def as_parts(data: Any) -> tuple[Any, Any, Any, Any, Any]:
    """(x, y, x_validation, y_validation, names) of data in any of the forms that `diagnose` takes."""
    if hasattr(data, "train") and hasattr(data, "preparation"):
        held = data.validation if data.validation is not None else data.test
        pair = (None, None) if held is None else (held.x, held.y)
        return data.train.x, data.train.y, pair[0], pair[1], data.features
    if isinstance(data, (tuple, list)) and len(data) in (2, 4):
        held = (None, None) if len(data) == 2 else (data[2], data[3])
        return data[0], data[1], held[0], held[1], None
    raise TypeError(
        f"data is (x, y), (x, y, x_validation, y_validation) or what cy.train.load returns; it was a "
        f"{type(data).__name__}."
    )


def _own(subject: Any, data: Any, **options: Any) -> Evidence:
    if isinstance(subject, Evidence):
        return subject
    evidence = getattr(subject, "evidence", None)
    if callable(evidence):
        evidence = evidence()
    if isinstance(evidence, Evidence):
        return evidence
    if hasattr(subject, "history") and hasattr(subject, "layers"):
        from cycloid.train.run_evidence import evidence_of_run

        return evidence_of_run(subject)
    if callable(subject) and data is not None:
        from cycloid.train.rehearsals import rehearse

        return rehearse(subject, data, **options)
    raise TypeError(
        f"diagnose takes Evidence, a watch, a Run, or a model with data=; it was a {type(subject).__name__}"
        + (" without data=." if callable(subject) else ".")
    )
