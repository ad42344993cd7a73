"""The report of an inspection: findings first, then everything that was measured, printed, as data, as an exit code."""

from __future__ import annotations

import json
from html import escape
from typing import Any, final

import equinox as eqx
import numpy as np
from jaxtyping import ArrayLike, Float, Int

from cycloid.core.results import ErrorKind, Result, Status
from cycloid.train.evidence import Evidence
from cycloid.train.findings import Finding, exit_code
from cycloid.train.hardware import Cost
from cycloid.train.input_effects import Effects
from cycloid.train.jacobian_chain import Reach

MARKS = {"error": "✗", "warning": "!", "note": "·"}


@final
class Report(Result):
    """A model, a batch and a loss, opened.

    Attributes:
        value: the findings, causes before consequences; empty for a healthy model.
        error: NaN; each finding has its own confidence.
        error_kind: "none".
        evaluations: gradients and losses of the whole batch that were taken.
        status: how the inspection ended.
        evidence: every number that the findings rest on.
        model: the name of its class.
        framework: that it is of.
        size: how many numbers its parameters are.
        class_losses: mean loss of the examples of each class, by label; empty for a regression.
        reaches: the Jacobian from the inputs to each layer.
        effects: of each input on the loss, or None.
        cost: of one step on this machine, or None.
        notes: what was sampled or left out.
    """

    value: tuple[Finding, ...]
    error: Float[ArrayLike, ""]
    error_kind: ErrorKind
    evaluations: Int[ArrayLike, ""]
    status: Status
    evidence: Evidence = eqx.field(static=True)
    model: str = eqx.field(static=True)
    framework: str = eqx.field(static=True)
    size: int = eqx.field(static=True)
    class_losses: dict[str, float]
    reaches: tuple[Reach, ...]
    effects: Effects | None
    cost: Cost | None
    notes: tuple[str, ...] = eqx.field(static=True, default=())

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The same as `value`."""
        return self.value

    @property
    def exit_code(self) -> int:
        """For scripts: 0 for nothing above a note, 1 for warnings, 2 for errors."""
        return exit_code(self.value)

    @property
    def verdict(self) -> str:
        """One sentence: the first cause, or that nothing was found."""
        if not self.value:
            return "Nothing was found wrong."
        first = self.value[0]
        further = len(self.value) - 1
        more = f" {further} more finding{'s' if further > 1 else ''} below." if further else ""
        return f"{first.fault[0].upper()}{first.fault[1:]}: {first.evidence}{more}"

    def __str__(self) -> str:
        lines = [f"{self.model} ({self.framework}, {self.size:,} parameters). {self.verdict}", ""]
        for place, finding in enumerate(self.value, start=1):
            where = f" [{finding.layer}]" if finding.layer else ""
            lines.append(f"{place}. {MARKS[finding.severity]} {finding.fault}{where} ({finding.confidence:.0%} sure)")
            lines.append(f"   seen   {finding.evidence}")
            lines.append(f"   cause  {finding.cause}")
            lines.append(f"   cure   {finding.cure}")
            if finding.because:
                lines.append(f"   after  {', '.join(finding.because)}")
        return "\n".join([*lines, *self.notes])

    def to_dict(self) -> dict[str, Any]:
        """Plain data: the verdict, findings, what was measured, and the exit code."""
        from cycloid.core.storage import plain

        return {
            "verdict": self.verdict,
            "exit_code": self.exit_code,
            "findings": [finding.to_dict() for finding in self.value],
            "model": {"name": self.model, "framework": self.framework, "parameters": self.size},
            "evidence": plain(self.evidence.known()),
            "class_losses": self.class_losses,
            "jacobians": [plain(reach._asdict()) for reach in self.reaches],
            "inputs": None if self.effects is None else plain(self.effects._asdict()),
            "cost": None if self.cost is None else plain(self.cost._asdict()),
            "notes": list(self.notes),
        }

    def to_json(self) -> str:
        """The plain data as JSON text; what is not finite as null."""
        return json.dumps(self.to_dict(), allow_nan=False)

    def _repr_html_(self) -> str:
        """For a notebook: verdict and findings; `cycloid.figures.write_inspection` draws the whole."""
        rows = "".join(
            f"<tr><td>{escape(f.fault)}</td><td>{escape(f.evidence)}</td><td>{escape(f.cure)}</td></tr>"
            for f in self.value
        )
        table = f"<table><tr><th>fault</th><th>seen</th><th>cure</th></tr>{rows}</table>" if rows else ""
        return f"<p><strong>{escape(self.verdict)}</strong></p>{table}"


def report_of(evidence: Evidence, model: str) -> Report:
    """The report of a run that was recorded: what the rules read in it, without a model to try anything on.

    Args:
        evidence: of the run.
        model: what it is called.
    """
    from cycloid.train.diagnosis import read

    sizes = 0 if evidence.parameter_sizes is None else int(np.sum(evidence.parameter_sizes))
    return Report(
        value=read(evidence), error=np.float64(np.nan), error_kind=ErrorKind.named("none"), evaluations=np.int64(0),
        status=Status.named("all_steps"), evidence=evidence, model=model, framework=evidence.framework or "unknown",
        size=sizes, class_losses={}, reaches=(), effects=None, cost=None, notes=evidence.notes,
    )  # fmt: skip


def alignment(evidence: Evidence) -> list[dict[str, Any]]:
    """The alignment table: what goes in, what every layer gives, what the loss is given and what it expects."""
    shape = lambda s: "" if s is None else " x ".join(map(str, s))
    number = lambda v: float("nan") if v is None else float(v)
    e = evidence
    rows = [
        {"place": "inputs", "kind": "", "shape": shape(e.input_shape), "dtype": e.input_dtype or "",
         "scale": number(e.input_scale), "low": number(e.input_low), "high": number(e.input_high)}
    ]  # fmt: skip
    for i, name in enumerate(e.layers or ()):
        at = lambda table, i=i: float("nan") if table is None else float(np.asarray(table)[i])
        rows.append(
            {"place": name, "kind": (e.layer_kinds or ())[i], "shape": (e.layer_shapes or ())[i],
             "dtype": (e.layer_dtypes or ())[i], "scale": at(e.output_scale), "low": at(e.output_low),
             "high": at(e.output_high)}
        )  # fmt: skip
    size = lambda mean, spread: float("nan") if mean is None or spread is None else float(np.hypot(mean, spread))
    expects = f"{e.loss_name or 'the loss'}" + (f" expects {e.loss_expects}" if e.loss_expects else "")
    rows.append(
        {"place": "predictions", "kind": expects, "shape": shape(e.prediction_shape), "dtype": e.prediction_dtype or "",
         "scale": size(e.prediction_mean, e.prediction_deviation), "low": number(e.prediction_low),
         "high": number(e.prediction_high)}
    )  # fmt: skip
    rows.append(
        {"place": "targets", "kind": e.task or "", "shape": shape(e.target_shape), "dtype": e.target_dtype or "",
         "scale": size(e.target_mean, e.target_deviation), "low": number(e.target_low), "high": number(e.target_high)}
    )  # fmt: skip
    return rows
