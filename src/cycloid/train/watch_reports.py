"""The verdict on a watched loop as text: the chain at some of its steps, and what is wrong."""

from __future__ import annotations

import dataclasses
import json
import math
import textwrap
from typing import Any

import numpy as np

from cycloid.train.evidence import Evidence
from cycloid.train.findings import Finding, exit_code
from cycloid.train.recordings import Recording

WIDTH = 110
ROWS = 8  # of the chain that are shown
# column of the record -> its head
COLUMNS = {
    "step": "step",
    "loss": "batch loss",
    "gradient_norm": "|gradient|",
    "predicted_change": "predicted",
    "actual_change": "actual",
    "ratio": "ratio",
    "cosine": "cosine",
    "largest_ratio": "update/weight",
    "metric": "metric",
}
LEGEND = (
    "predicted = gradient · update, what the gradient promised; actual = change of the loss on the same batch; "
    "update/weight: of the layer where it is largest."
)


@dataclasses.dataclass(frozen=True, repr=False)
class WatchReport:
    """What a watched loop has shown.

    Attributes:
        findings: what is wrong, causes before consequences; none for a healthy run.
        evidence: the numbers that the rules have read.
        history: the chain, one array a quantity with a row for each recorded step.
    """

    findings: tuple[Finding, ...]
    evidence: Evidence
    history: dict[str, np.ndarray]

    @classmethod
    def of(cls, evidence: Evidence, recording: Recording) -> WatchReport:
        """Read evidence by every rule."""
        from cycloid.train.diagnosis import read

        return cls(read(evidence), evidence, recording.columns())

    @property
    def verdict(self) -> str:
        """One sentence."""
        errors = [finding for finding in self.findings if finding.severity != "note"]
        if not len(self.history.get("step", ())):
            return "No step was seen: the optimizer's step() has not been called since watch(...)."
        if not errors:
            return f"Nothing wrong was found in {int(self.history['step'][-1]) + 1} steps."
        first, others = errors[0], len(errors) - 1
        more = f", and {others} more" if others else ""
        return f"{first.fault[0].upper()}{first.fault[1:]}{f' ({first.layer})' if first.layer else ''}{more}."

    @property
    def exit_code(self) -> int:
        """For scripts: 0 without findings above a note, 1 with warnings, 2 with errors."""
        return exit_code(self.findings)

    def to_json(self) -> str:
        """Verdict, findings and chain as JSON text; what is not finite is null."""
        plain = {name: _plain(column) for name, column in self.history.items()}
        findings = [finding.to_dict() for finding in self.findings]
        return json.dumps({"verdict": self.verdict, "findings": findings, "history": plain})

    def __repr__(self) -> str:
        return f"WatchReport({self.verdict})"

    def __str__(self) -> str:
        parts = [_head(self.evidence), _chain(self.history, self.evidence), f"Verdict: {self.verdict}"]
        parts += [_told(i + 1, finding) for i, finding in enumerate(self.findings)]
        parts += [textwrap.fill(f"Note: {note}", WIDTH) for note in self.evidence.notes]
        return "\n\n".join(part for part in parts if part)


def _head(e: Evidence) -> str:
    """What was trained with what."""
    known = [
        {None: "", "custom": "a loss written by hand"}.get(e.loss_name, f"{e.loss_name} loss"),
        e.optimizer or "",
        f"batches of {e.batch_size}" if e.batch_size else "",
    ]  # fmt: skip
    if e.parameter_sizes is not None:
        known.append(f"{int(e.parameter_sizes.sum()):,} parameters in {len(e.parameter_sizes)} arrays")
    return "Watched: " + ", ".join(word for word in known if word)


def _chain(history: dict[str, np.ndarray], e: Evidence) -> str:
    """The table of some recorded steps, from the first to the last."""
    steps = history.get("step", ())
    if not len(steps):
        return ""
    rows = np.unique(np.round(np.geomspace(1, len(steps), min(ROWS, len(steps)))).astype(int) - 1)
    updates, weights = history["update_norms"], history["weight_norms"]
    ratios = np.divide(updates, weights, out=np.zeros_like(updates), where=weights > 0)
    table = {**history, "largest_ratio": ratios.max(axis=1, initial=0.0)}
    names = [n for n in COLUMNS if n in table and np.isfinite(np.asarray(table[n], float)).any()]
    heads = [e.metric_name or "metric" if name == "metric" else COLUMNS[name] for name in names]
    widths = [6 if name == "step" else max(11, len(head) + 2) for name, head in zip(names, heads)]
    lines = ["".join(head.rjust(width) for head, width in zip(heads, widths)), "─" * sum(widths)]
    for row in rows:
        cells = [f"{int(table[n][row])}" if n == "step" else _number(float(table[n][row])) for n in names]
        lines.append("".join(cell.rjust(width) for cell, width in zip(cells, widths)))
    return "\n".join([*lines, "", textwrap.fill(LEGEND, WIDTH)])


def _told(number: int, finding: Finding) -> str:
    """A finding in lines of its own."""
    where = f" in {finding.layer}" if finding.layer else ""
    head = f"{number}. {finding.fault}{where}  [{finding.severity}, confidence {finding.confidence:.0%}]"
    lines = {
        "seen": f"{finding.evidence} (indicator {_number(finding.value)}, threshold {_number(finding.threshold)})",
        "cause": finding.cause,
        "cure": finding.cure,
    }
    if finding.because:
        lines["follows"] = f"from {', '.join(finding.because)}"
    folded = [
        textwrap.fill(text, WIDTH, initial_indent=f"   {name:<8}", subsequent_indent=" " * 11)
        for name, text in lines.items()
    ]
    return "\n".join([head, *folded])


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.4g}"


def _plain(column: Any) -> Any:
    if isinstance(column, float):
        return column if math.isfinite(column) else None
    return [_plain(value) for value in np.asarray(column).tolist()] if np.ndim(column) else column
