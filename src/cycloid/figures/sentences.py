"""A training run in four sentences, one for each question of the chain, every number from its history."""

from __future__ import annotations

import numpy as np

from cycloid.core.numerals import interval, numeral
from cycloid.learn.reading import QUESTIONS
from cycloid.learn.runs import Metric, Run

NAMES = {"r2": "R²", "rmse": "RMSE", "mae": "MAE", "accuracy": "accuracy", "f1": "F1", "log_loss": "log-loss"}


def metric_name(name: str) -> str:
    """A metric as written in print.

    Example:
        >>> metric_name("r2"), metric_name("log_loss")
        ('R²', 'log-loss')
    """
    return NAMES.get(name, name.replace("_", " "))


def metric_words(metric: Metric, unit: str = "", digits: int = 3) -> str:
    """A metric with its unit and interval: "RMSE 54.1 (95% interval 48.6 to 59.5)"."""
    ends = interval(metric.low, metric.high, unit, digits, typeset=True)
    value = f"{numeral(metric.value, digits, typeset=True)} {unit}".rstrip()
    return f"{metric_name(metric.name)} {value} ({metric.level:.0%} interval {ends})"


def chain_sentences(run: Run) -> list[tuple[str, str]]:
    """(question, answer) for the four questions; of a run that broke off before its first record, nothing."""
    if not run.history:
        return []
    answers = (_loss_sentence(run), _gradient_sentence(run), _update_sentence(run), _metric_sentence(run))
    return [(question, answer) for question, answer in zip(QUESTIONS, answers) if answer]


def _n(x: float, digits: int = 3) -> str:
    return numeral(float(x), digits, typeset=True)


def _loss_sentence(run: Run) -> str:
    history = run.history
    first, last = history["train_loss"][0], history["train_loss"][-1]
    text = f"The loss is {run.loss_formula}. On training rows it went from {_n(first)} to {_n(last)}"
    if "validation_loss" in history:
        losses = history["validation_loss"]
        low = f", lowest {_n(np.nanmin(losses))} after step {run.best_step}" if np.isfinite(losses).any() else ""
        text += f", on validation rows from {_n(losses[0])} to {_n(losses[-1])}{low}"
    if "group_losses" in history and len(run.groups) > 1:
        ends = np.asarray(history["group_losses"][-1], float)
        if np.isfinite(ends).any():
            worst = int(np.nanargmax(ends))
            text += f". At the end the group {run.groups[worst]} costs most, {_n(ends[worst])} an example"
    return text + "."


def _gradient_sentence(run: Run) -> str:
    history = run.history
    norms = np.asarray(history["layer_gradient_norms"][-1], float)
    text = (
        f"The gradient is taken with respect to the weights, {len(run.layers)} parameter array"
        f"{'s' if len(run.layers) > 1 else ''}. Its length went from {_n(history['gradient_norm'][0])} at the first "
        f"step to {_n(history['gradient_norm'][-1])} at the last"
    )
    total = float(np.sum(norms**2))
    if len(run.layers) > 1 and np.isfinite(total) and total > 0:
        strongest = int(np.argmax(norms))
        share = 100 * norms[strongest] ** 2 / total
        text += f", where {run.layers[strongest]} holds {share:.0f}% of its square"
    return text + "."


def _update_sentence(run: Run) -> str:
    ratio = np.asarray(run.history["ratio"], float)
    ratio = ratio[np.isfinite(ratio)]
    if not len(ratio):
        return ""
    cosine = np.nanmedian(np.asarray(run.history["cosine"], float))
    rose = int((np.asarray(run.history["actual_change"], float) > 0).sum())
    count = len(run.history["step"])
    return (
        f"At {count} recorded steps {run.method} moved the weights at a cosine of {_n(cosine, 2)} (median) to the "
        f"steepest way down; of the fall of the loss that the gradient promised, −∇L·Δw, the same batch delivered "
        f"{100 * np.median(ratio):.0f}% (median), and at {rose} of the {count} steps its loss rose instead."
    )


def _metric_sentence(run: Run) -> str:
    metric, verdict = run.metric, run.verdict
    if metric is None or verdict is None:
        return ""
    sign = 1.0 if metric.better == "higher" else -1.0
    before = metric.value - sign * verdict.gain
    return (
        f"{metric_words(metric)} on {metric.rows} {metric.part} rows, where the untrained model has {_n(before)} and "
        f"{verdict.baseline} {_n(verdict.baseline_value)}: {_answer(verdict.improved)}."
    )


def _answer(improved: str) -> str:
    return {
        "yes": "it improved, beyond what chance explains",
        "no": "it did not improve",
        "unclear": "whether it improved is unclear",
    }[improved]
