"""From the end of training to a `Run`: the model kept, metrics on unseen rows, the verdict, remarks."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from cycloid.core.results import ErrorKind, Status
from cycloid.learn.feeds import Rows
from cycloid.learn.loops import Loop
from cycloid.learn.losses import AbstractLoss, outputs
from cycloid.learn.plans import Outcome, stack
from cycloid.learn.runs import Metric, Run, Verdict
from cycloid.learn.steps import Probes
from cycloid.train.examples import Examples
from cycloid.train.metrics import Measure, measure_all
from cycloid.train.verdicts import judge, remarks_on

BLOCK = 4096  # rows evaluated at once


def conclude_run(
    outcome: Outcome, loop: Loop, start: Any, examples: Examples, measures: list[Measure], *, key: PRNGKeyArray
) -> Run:
    """The run that an outcome amounts to.

    Args:
        outcome: of the training loop.
        loop: that made it.
        start: the model before training.
        examples: trained on and kept apart.
        measures: the metrics wanted, the first being judged by.
        key: for bootstrap intervals.
    """
    kept_best = loop.plan.patience is not None and outcome.best_step > 0
    model = loop.model(outcome.best if kept_best else outcome.state.params)
    history = stack(outcome.rows)
    remarks = remarks_on(history, best_step=outcome.best_step, kept_best=kept_best)
    metrics, verdict = _assess(model, start, examples, measures, remarks, key)
    first = next(iter(metrics.values()), None)
    loss = loop.recipe.loss
    known = isinstance(loss, AbstractLoss)
    return Run(
        value=model,
        error=jnp.asarray(np.nan if first is None else (first.high - first.low) / 2),
        error_kind=ErrorKind.named("none" if first is None else "estimate"),
        evaluations=jnp.asarray(outcome.step),
        status=Status.named(outcome.status),
        history=history,
        metrics=metrics,
        verdict=verdict,
        layers=tuple(loop.layers),
        groups=examples.groups,
        best_step=outcome.best_step,
        steps=outcome.step,
        task=examples.task,
        loss=loss.name if known else getattr(loss, "__name__", type(loss).__name__),
        loss_formula=loss.formula if known else "loss(model, batch)",
        method=loop.method.name,
        report=(*examples.report, *_probe_notes(loop.probes, examples)),
        explanation=outcome.explanation,
        preparation=examples.preparation,
    )


def _assess(
    model: Any, start: Any, examples: Examples, measures: list[Measure], remarks: tuple[str, ...], key: PRNGKeyArray
) -> tuple[dict[str, Metric], Verdict | None]:
    """Metrics and verdict on the rows kept apart, in the target's own unit."""
    if not measures:
        return {}, None
    part, rows = examples.held_out()
    y = np.asarray(examples.unscaled(rows.y), float)
    trained, untrained = (np.asarray(examples.unscaled(evaluate(m, rows.x)), float) for m in (model, start))
    rival, name = _baseline(examples, y, trained)
    metrics = measure_all(measures, trained, y, key=jax.random.fold_in(key, 0), part=part)
    verdict = judge(
        measures[0],
        trained,
        untrained,
        rival,
        y,
        key=jax.random.fold_in(key, 1),
        part=part,
        baseline_name=name,
        remarks=remarks,
    )
    return metrics, verdict


def evaluate(model: Any, x: Any) -> np.ndarray:
    """The model's outputs on all rows, in blocks of one compiled size."""
    count = jax.tree.leaves(x)[0].shape[0]
    blocks = []
    for begin in range(0, count, BLOCK):
        part = jax.tree.map(lambda a, b=begin: a[b : b + BLOCK], x)
        missing = min(BLOCK, count) - jax.tree.leaves(part)[0].shape[0]
        padded = jax.tree.map(lambda a, m=missing: jnp.concatenate([a, jnp.repeat(a[:1], m, 0)]) if m else a, part)
        blocks.append(np.asarray(_forward(model, padded))[: min(BLOCK, count) - missing])
    return np.concatenate(blocks)


_forward = eqx.filter_jit(outputs)


def _baseline(examples: Examples, y: np.ndarray, trained: np.ndarray) -> tuple[np.ndarray, str]:
    """What a model without inputs would answer: the mean of the training targets, or how frequent each class is."""
    target = np.asarray(examples.unscaled(examples.train.y), float)
    if examples.task == "regression":
        return np.broadcast_to(target.mean(0), y.shape), "the mean of the training targets"
    labels = examples.classes or ()
    shares = np.bincount(target.astype(int), minlength=len(labels)) / len(target)
    logs = np.log(np.maximum(shares, 1e-12))
    name = f"always answering {labels[int(shares.argmax())]}"
    if trained.ndim == 1 or trained.shape[1] == 1:
        return np.full(len(y), logs[1] - logs[0]), name
    return np.broadcast_to(logs, (len(y), len(logs))), name


def _probe_notes(probes: Probes, examples: Examples) -> tuple[str, ...]:
    """Which rows the curves were taken on, where it was not all of them."""
    found = []
    parts: list[tuple[str, Rows | None, Rows | None]] = [
        ("training", probes.train, examples.train),
        ("validation", probes.validation, examples.validation),
    ]
    for name, watched, rows in parts:
        if watched is not None and rows is not None and watched.count < rows.count:
            found.append(f"The {name} curves are taken on {watched.count} of {rows.count} rows, the same all along.")
    if examples.stream is not None:
        found.append(f"The training curves are taken on the first batch of the stream, {probes.train.count} rows.")
        if examples.stream.left_out:
            found.append(f"{examples.stream.left_out} shorter batches at the end of a pass were left out.")
    return tuple(found)
