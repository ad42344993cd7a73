"""The result of training: the model, the chain of every recorded step, metrics with intervals, and a verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, final

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, Float, Int

from cycloid.core.results import ErrorKind, Result, Status

if TYPE_CHECKING:
    import pandas


class Metric(NamedTuple):
    """A number on data that training has not seen, with its interval.

    Attributes:
        name: "r2", "rmse", "accuracy" ...
        value: on the rows as they are.
        low: lower end of the interval.
        high: upper end.
        level: its coverage, 0.95.
        method: how the interval was found.
        rows: how many rows it was measured on.
        part: "test", "validation" or "train".
        better: "higher" or "lower".
    """

    name: str
    value: float
    low: float
    high: float
    level: float
    method: str
    rows: int
    part: str
    better: str

    def __str__(self) -> str:
        return f"{self.name} {self.value:.4g} ({self.level:.0%} interval {self.low:.4g} to {self.high:.4g})"


class Verdict(NamedTuple):
    """Did training improve the metric on unseen data, beyond noise?

    Attributes:
        improved: "yes", "no" or "unclear".
        sentence: the answer in words, with its numbers.
        metric: the metric judged by.
        gain: trained minus untrained (sign turned where lower is better, so that positive is an improvement).
        gain_low: lower end of its interval.
        gain_high: upper end.
        baseline: the trivial rival, such as "the mean of the training targets".
        baseline_value: its metric.
        lead: trained minus baseline, positive for an improvement.
        lead_low: lower end of its interval.
        lead_high: upper end.
        level: coverage of the two intervals.
        remarks: further sentences: overfitting, an earlier best step, no unseen rows.
    """

    improved: str
    sentence: str
    metric: str
    gain: float
    gain_low: float
    gain_high: float
    baseline: str
    baseline_value: float
    lead: float
    lead_low: float
    lead_high: float
    level: float
    remarks: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join([self.sentence, *self.remarks])


class Link(NamedTuple):
    """One line of the chain of a step.

    Attributes:
        question: which of the four questions it answers.
        quantity: its name in words.
        value: the number.
        meaning: what the number says.
    """

    question: str
    quantity: str
    value: float
    meaning: str


@final
class Run(Result):
    """A training run.

    Attributes:
        value: the trained model, a callable on one example.
        error: half the width of the interval of the first metric.
        error_kind: "estimate".
        evaluations: gradients of the loss that were taken, one a step.
        status: how training ended.
        history: the chain, one array a quantity with a row for each recorded step.
        metrics: by name, on unseen rows, with intervals.
        verdict: whether the first metric improved, beyond noise.
        layers: names of the parameter arrays: the columns of `layer_gradient_norms` and `update_ratios`.
        groups: names of the groups of examples: the columns of `group_losses` and `group_shares`.
        best_step: the step after which the validation loss was lowest.
        steps: steps made.
        task: "regression", "binary", "multiclass" or "other".
        loss: its name.
        loss_formula: its formula.
        method: name of the optimization method.
        report: what was done to the data, and remarks on the run, sentence by sentence.
        explanation: a sentence in numbers when the run ended badly or early.
        preparation: turns raw rows into inputs of the model and outputs into answers; None for plain arrays.
    """

    value: Any
    error: Float[ArrayLike, ""]
    error_kind: ErrorKind
    evaluations: Int[ArrayLike, ""]
    status: Status
    history: dict[str, np.ndarray]
    metrics: dict[str, Metric]
    verdict: Verdict | None
    layers: tuple[str, ...] = eqx.field(static=True)
    groups: tuple[str, ...] = eqx.field(static=True)
    best_step: int = eqx.field(static=True)
    steps: int = eqx.field(static=True)
    task: str = eqx.field(static=True)
    loss: str = eqx.field(static=True)
    loss_formula: str = eqx.field(static=True)
    method: str = eqx.field(static=True)
    report: tuple[str, ...] = eqx.field(static=True)
    explanation: str = eqx.field(static=True, default="")
    preparation: Any = None

    @property
    def metric(self) -> Metric | None:
        """The metric that the verdict is about, the first one."""
        return next(iter(self.metrics.values()), None)

    def interval(self, level: float = 0.95) -> tuple[Any, Any]:
        """The interval of the first metric.

        Args:
            level: its coverage; the one at which it was taken, 0.95.

        Raises:
            ValueError: for another level, or a run without metrics.
        """
        if self.metric is None or level != self.metric.level:
            known = "no metric" if self.metric is None else f"an interval of level {self.metric.level}"
            raise ValueError(f"this run has {known}; level was {level}.")
        return self.metric.low, self.metric.high

    @property
    def recorded(self) -> list[int]:
        """The steps whose chain was recorded."""
        return [int(step) for step in self.history.get("step", ())]

    def predict(self, rows: Any) -> Any:
        """Answers in the target's own unit, or class labels, for rows as they come.

        Args:
            rows: a DataFrame with the columns of the training data, a list of dicts, or an array with those columns
                in their order; for a run on plain arrays, an array like x.
        """
        if self.preparation is None:
            return self.raw(jnp.asarray(rows))
        return self.preparation.answers(self.raw(self.preparation.inputs(rows)))

    def raw(self, x: Any) -> Any:
        """The model's outputs for prepared inputs x, shape (n, ...): a logit for classes, scaled targets otherwise."""
        from cycloid.learn.losses import outputs

        return outputs(self.value, x)

    def chain(self, step: int | None = None) -> list[Link]:
        """The chain of one recorded step, line by line.

        Args:
            step: one of `recorded`; the last by default.

        Raises:
            ValueError: when that step was not recorded; the message names the nearest that was.
        """
        from cycloid.learn.reading import links

        steps = self.recorded
        step = steps[-1] if step is None else step
        if step not in steps:
            nearest = min(steps, key=lambda s: abs(s - step))
            raise ValueError(f"step {step} was not recorded; the nearest that was is {nearest}.")
        row = {name: column[steps.index(step)] for name, column in self.history.items()}
        return links(row, self.layers, self.groups, self.loss_formula, self.metric.name if self.metric else "metric")

    def to_pandas(self) -> pandas.DataFrame:
        """The history as a table, a row for each recorded step, one column a layer or group."""
        import pandas

        table: dict[str, Any] = {}
        for name, column in self.history.items():
            if column.ndim == 1:
                table[name] = column
                continue
            labels = self.groups if name.startswith("group") else self.layers
            table |= {f"{name}: {label}": column[:, i] for i, label in enumerate(labels)}
        return pandas.DataFrame(table).set_index("step")
