"""What the history of a `Run` says to the rules of the diagnosis."""

from __future__ import annotations

from typing import Any

import numpy as np

from cycloid.learn.runs import Run
from cycloid.train.evidence import Evidence


def evidence_of_run(run: Run) -> Evidence:
    """The chain of a run as evidence, with what its data says where the run still knows it."""
    history = {name: np.asarray(column, float) for name, column in run.history.items()}
    seen: dict[str, Any] = {"framework": "jax", "task": run.task, "loss_name": run.loss.replace("_", " ")}
    seen |= {"optimizer": run.method, "parameters": run.layers, "parameter_kinds": _kinds(run.layers)}
    if history:
        seen |= _steps(history) | _evaluations(history, run)
    own = Evidence.of(seen)
    asked = run.question
    if asked is None or "data" not in asked.arguments:
        return own
    from cycloid.train.data_evidence import probe_data
    from cycloid.train.diagnosis import as_parts

    data = asked.arguments["data"]
    if not isinstance(data, tuple) and not hasattr(data, "train"):
        return own
    held = asked.arguments.get("validation")
    parts = as_parts((*data, *held) if isinstance(data, tuple) and held is not None else data)
    return probe_data(*parts[:4], names=parts[4]).merge(own)


def _kinds(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple("bias" if name.split()[-1] in ("bias", "b") else "weight" for name in names)


def _steps(history: dict[str, np.ndarray]) -> dict[str, Any]:
    same = ("step", "loss", "gradient_norm", "predicted_change", "actual_change")
    found: dict[str, Any] = {name: history[name] for name in same if name in history}
    found["step"] = found["step"].astype(int)
    found["gradient_norms"] = history["layer_gradient_norms"]
    ratios = history["update_ratios"]
    # the ratio is all that was kept: weights of norm one stand for the weights, and a zero weight has no ratio
    found["weight_norms"] = np.where(np.isfinite(ratios), 1.0, 0.0)
    found["update_norms"] = np.nan_to_num(ratios)
    bend = history["actual_change"] - history["predicted_change"]
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = -history["predicted_change"] / (2 * bend)
    found["line_minimum"] = np.where((bend > 0) & (history["predicted_change"] < 0), reach, np.nan)
    return found


def _evaluations(history: dict[str, np.ndarray], run: Run) -> dict[str, Any]:
    found: dict[str, Any] = {"evaluation_step": history["step"].astype(int), "train_loss": history["train_loss"]}
    if "validation_loss" in history:
        found["validation_loss"] = history["validation_loss"]
        if "metric" in history and run.task in ("regression", "binary", "multiclass"):
            found["validation_metric"] = history["metric"]
            name = "r2" if run.task == "regression" else "accuracy"
            found |= {"metric_name": name, "metric_better": "higher"}
    if run.metric is not None:
        found["validation_rows"] = run.metric.rows
    return found
