"""Metrics on unseen rows, each a function of sums over rows, so that one resampling serves them all.

A metric is finish(Σᵢ wᵢ sᵢ) with sᵢ the statistics of row i and wᵢ how often the row is counted: once each for the
value itself, as drawn for a bootstrap replicate. Models are compared on the same draws.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from cycloid.learn.runs import Metric

# Replicates of the bootstrap: 2000 put the ends of a 95 % interval within about a tenth of its half-width. More rows
# than these draws allow for get fewer replicates, but never under 200.
REPLICATES, DRAWS, BLOCK = 2_000, 40_000_000, 400_000


class Measure(NamedTuple):
    """How a metric is computed.

    Attributes:
        name: "r2", "rmse", "mae", "accuracy", "f1", "log_loss".
        title: as written in tables.
        better: "higher" or "lower".
        formula: in plain text.
        statistics: (outputs, targets) -> one row of numbers an example.
        finish: sums of them, on the last axis -> the metric.
    """

    name: str
    title: str
    better: str
    formula: str
    statistics: Callable[[np.ndarray, np.ndarray], np.ndarray]
    finish: Callable[[np.ndarray], np.ndarray]


def _squared(output: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Squared residual, then 1, y and y² of each target, centred so that no digits are lost."""
    flat, target = output.reshape(len(y), -1), y.reshape(len(y), -1)
    centred = target - target.mean(0)
    residual = np.square(flat - target).mean(1, keepdims=True)
    ones = np.ones((len(y), 1))
    return np.concatenate([residual, ones, centred, np.square(centred)], axis=1)


def _r2(sums: np.ndarray) -> np.ndarray:
    outputs = (sums.shape[-1] - 2) // 2
    count, first, second = sums[..., 1:2], sums[..., 2 : 2 + outputs], sums[..., 2 + outputs :]
    spread = (second - np.square(first) / count).mean(-1)
    return _quotient(spread - sums[..., 0], spread)


def _rmse(sums: np.ndarray) -> np.ndarray:
    return np.sqrt(sums[..., 0] / sums[..., 1])


def _absolute(output: np.ndarray, y: np.ndarray) -> np.ndarray:
    flat = np.abs(output.reshape(len(y), -1) - y.reshape(len(y), -1)).mean(1, keepdims=True)
    return np.concatenate([flat, np.ones((len(y), 1))], axis=1)


def _mean(sums: np.ndarray) -> np.ndarray:
    return sums[..., 0] / sums[..., 1]


def _correct(logits: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.stack([predicted(logits) == y, np.ones(len(y))], axis=1).astype(float)


def _counts(logits: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Hits, predictions and members of each class that F1 is taken over: class 1 of two, all of several."""
    several = logits.ndim == 2 and logits.shape[1] > 2
    classes = np.arange(logits.shape[1]) if several else np.array([1])
    said, true = predicted(logits)[:, None] == classes, y[:, None] == classes
    return np.concatenate([said & true, said, true], axis=1).astype(float)


def _f1(sums: np.ndarray) -> np.ndarray:
    hits, said, true = np.split(sums, 3, axis=-1)
    return np.where(said + true > 0, 2 * hits / np.maximum(said + true, 1e-300), 0.0).mean(-1)


def _surprise(logits: np.ndarray, y: np.ndarray) -> np.ndarray:
    if logits.ndim == 2 and logits.shape[1] > 1:
        top = logits.max(1, keepdims=True)
        total = np.log(np.exp(logits - top).sum(1)) + top[:, 0]
        loss = total - logits[np.arange(len(y)), y.astype(int)]
    else:
        z = logits.reshape(len(y))
        loss = np.logaddexp(0.0, z) - y * z
    return np.stack([loss, np.ones(len(y))], axis=1)


def predicted(logits: np.ndarray) -> np.ndarray:
    """The class with the largest probability; of two classes with one logit, 1 where it is positive."""
    if logits.ndim == 2 and logits.shape[1] > 1:
        return logits.argmax(1)
    return (logits.reshape(len(logits)) > 0).astype(int)


METRICS: dict[str, Measure] = {
    m.name: m
    for m in (
        Measure("r2", "R²", "higher", "1 − Σ(y − ŷ)² / Σ(y − ȳ)²", _squared, _r2),
        Measure("rmse", "RMSE", "lower", "√ mean (y − ŷ)²", _squared, _rmse),
        Measure("mae", "MAE", "lower", "mean |y − ŷ|", _absolute, _mean),
        Measure("accuracy", "accuracy", "higher", "share of rows whose class is right", _correct, _mean),
        Measure("f1", "F1", "higher", "2 hits / (predicted + true), the mean over several classes", _counts, _f1),
        Measure("log_loss", "log-loss", "lower", "mean −log p(y)", _surprise, _mean),
    )
}
BY_TASK = {
    "regression": ("r2", "rmse", "mae"),
    "binary": ("accuracy", "f1", "log_loss"),
    "multiclass": ("accuracy", "f1", "log_loss"),
    "other": (),
}


def choose(names: Any, task: str) -> list[Measure]:
    """The measures of a task, or those named, the first being the one judged by.

    Raises:
        ValueError: when a name is unknown or belongs to another task.
    """
    allowed = BY_TASK[task]
    wanted = allowed if names is None else (names,) if isinstance(names, str) else tuple(names)
    for name in wanted:
        if name not in allowed:
            raise ValueError(f"the metric {name!r} is not for {task}; there are {', '.join(allowed) or 'none'}.")
    return [METRICS[name] for name in wanted]


def live(task: str) -> Callable[[Any, Any], Any] | None:
    """The first metric of a task as a function that runs inside the compiled step; None when there is none."""
    return {"regression": _live_r2, "binary": _live_accuracy, "multiclass": _live_accuracy}.get(task)


def _live_r2(output: Any, y: Any) -> Any:
    output = output.reshape(y.shape)
    spread = jnp.sum(jnp.square(y - jnp.mean(y, axis=0)))
    return jnp.where(spread > 0, 1 - jnp.sum(jnp.square(y - output)) / spread, jnp.nan)


def _live_accuracy(logits: Any, y: Any) -> Any:
    several = logits.ndim == 2 and logits.shape[1] > 1
    said = jnp.argmax(logits, axis=1) if several else (logits.reshape(y.shape) > 0).astype(y.dtype)
    return jnp.mean((said == y).astype(logits.dtype))


def sums(measure: Measure, output: Any, y: Any) -> np.ndarray:
    """The statistics of each row, in float64."""
    return measure.statistics(np.asarray(output, float), np.asarray(y, float))


def replicate(key: PRNGKeyArray, tables: list[np.ndarray]) -> list[np.ndarray]:
    """Bootstrap sums: rows drawn with replacement, the same draws for every table.

    Args:
        key: fixes the draws.
        tables: statistics of shape (rows, columns), with rows in common.

    Returns:
        For each table, an array of shape (replicates, columns).

    Reference: Efron, Bootstrap methods: another look at the jackknife, 1979.
    """
    rows = len(tables[0])
    stacked = np.concatenate(tables, axis=1)
    random = np.random.default_rng(np.asarray(jax.random.key_data(key)).ravel())
    draws = int(np.clip(DRAWS // max(rows, 1), 200, REPLICATES))
    block = max(1, BLOCK // max(rows, 1))
    drawn = np.concatenate([_draw(random, stacked, min(block, draws - i)) for i in range(0, draws, block)])
    return np.split(drawn, np.cumsum([t.shape[1] for t in tables])[:-1], axis=1)


def _draw(random: np.random.Generator, stacked: np.ndarray, draws: int) -> np.ndarray:
    """`draws` replicates at once: how often each row was drawn, times the statistics."""
    rows = len(stacked)
    picked = random.integers(0, rows, (draws, rows)) + rows * np.arange(draws)[:, None]
    counts = np.bincount(picked.ravel(), minlength=draws * rows).reshape(draws, rows)
    return counts.astype(float) @ stacked


def measure_all(
    measures: list[Measure], output: Any, y: Any, *, key: PRNGKeyArray, part: str, level: float = 0.95
) -> dict[str, Metric]:
    """Each metric with its interval: Wilson's for the accuracy, the percentile bootstrap for the others.

    Args:
        measures: which.
        output: of the model, in the target's unit or as logits.
        y: the targets.
        key: for the bootstrap.
        part: the rows' part, "test" and so on.
        level: of the intervals.
    """
    if not measures:
        return {}
    tables = [sums(m, output, y) for m in measures]
    drawn = replicate(key, tables)
    found = {}
    for m, table, draws in zip(measures, tables, drawn, strict=True):
        value = float(m.finish(table.sum(0)))
        low, high, method = _interval(m, table, draws, level)
        found[m.name] = Metric(m.name, value, low, high, level, method, len(table), part, m.better)
    return found


def _interval(measure: Measure, table: np.ndarray, draws: np.ndarray, level: float) -> tuple[float, float, str]:
    if measure.name == "accuracy":
        return (*wilson(float(table[:, 0].sum()), len(table), level), "Wilson's score interval")
    return (*percentiles(measure.finish(draws), level), f"percentile bootstrap, {len(draws)} replicates")


def percentiles(values: np.ndarray, level: float) -> tuple[float, float]:
    """The middle part of bootstrap values; NaN when fewer than half of them are finite."""
    values = values[np.isfinite(values)]
    if len(values) == 0:
        return float("nan"), float("nan")
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def wilson(hits: float, rows: int, level: float) -> tuple[float, float]:
    """The score interval of a proportion, right also near 0 and 1 and for few rows.

    Args:
        hits: how many rows were right.
        rows: of how many.
        level: the coverage.

    Example:
        >>> [round(end, 4) for end in wilson(8, 10, 0.95)]
        [0.4902, 0.9433]

    Reference: Wilson, Probable inference, the law of succession, and statistical inference, 1927.
    """
    from scipy import stats

    z = float(stats.norm.ppf(0.5 + level / 2))
    share = hits / rows
    centre = (share + z**2 / (2 * rows)) / (1 + z**2 / rows)
    half = z / (1 + z**2 / rows) * np.sqrt(share * (1 - share) / rows + z**2 / (4 * rows**2))
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def _quotient(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    safe = np.where(below > 0, below, 1.0)
    return np.where(below > 0, above / safe, np.nan)
