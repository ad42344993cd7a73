"""`rehearse`: some steps of training on the user's own data, every one of them recorded, to see what is wrong."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import PRNGKeyArray

from cycloid.adapters import adapt
from cycloid.train.evidence import Evidence
from cycloid.train.examination import applied, asked, examine, judge, layer_table
from cycloid.train.recorder import Recorder

EVALUATIONS = 6


def rehearse(
    model: Any,
    data: Any,
    *,
    loss: Any = None,
    method: Any = None,
    max_steps: int = 60,
    batch_size: int = 64,
    key: PRNGKeyArray | None = None,
) -> Evidence:
    """Train a copy of a model for a few steps and record the whole chain of each.

    Args:
        model: of any framework that `cycloid.adapters.adapt` takes; it is left as it is.
        data: (x, y), (x, y, x_validation, y_validation) or what `cy.train.load` returns.
        loss: a name, loss(outputs, targets) or loss(model, batch); by the targets when None.
        method: an optax transformation, or a learning rate for Adam; Adam(1e-3) when None.
        max_steps: how many.
        batch_size: rows a step, drawn anew each epoch.
        key: for the order of the rows; `jax.random.key(0)` when None, so that the same call gives the same answer.

    Returns:
        `Evidence` by step, layer, parameter, and held out where validation rows are given.

    Cost:
        Two gradients and one loss a step, and a forward pass at six moments.
    """
    from cycloid.train.diagnosis import as_parts

    x, y, x_held, y_held, _ = as_parts(data)
    adapted = adapt(model).in_mode("train")
    x, y = np.asarray(x), np.asarray(y)
    first = slice(0, min(len(x), max(batch_size, 64)))
    seen = examine(adapted.in_mode("eval"), x[first], y[first], loss)
    own = judge(loss, seen.task or "other")
    objective = adapted.objective(own.of)
    rule = optax.adam(method or 1e-3) if method is None or isinstance(method, float) else method
    recorder = Recorder(adapted, lambda parameters, batch: objective(parameters, batch), seen.task or "other")
    parameters: Any = dict(adapted.parameters)
    memory = rule.init(parameters)
    held = None if x_held is None else (np.asarray(x_held), np.asarray(y_held))
    moments = set(np.linspace(0, max_steps - 1, EVALUATIONS).round().astype(int).tolist())
    evaluations: list[dict[str, float]] = []

    def advance(parameters: Any, memory: Any, batch: Any) -> tuple[Any, Any, Any]:
        used = jax.grad(objective)(parameters, batch)
        change, memory = rule.update(used, memory, parameters)
        return used, optax.apply_updates(parameters, change), memory

    advance = jax.jit(advance) if adapted.path == "jax" else advance
    still, ask = applied(adapted.in_mode("eval")), asked(own, adapted)
    for step, rows in enumerate(_batches(len(x), batch_size, max_steps, key)):
        batch = (jnp.asarray(x[rows]), jnp.asarray(y[rows]))
        used, after, memory = advance(parameters, memory, batch)
        rate = method if isinstance(method, float) else 1e-3 if method is None else float("nan")
        recorder.record(step, parameters, after, used, batch, rate)
        parameters = after
        if step in moments:
            parts = {"train": (x[:500], y[:500])} | ({} if held is None else {"validation": held})
            evaluations.append({"step": step} | evaluate(still, parameters, parts, ask, seen.task or "other"))
    trained = adapted.in_mode("eval")
    late = layer_table(_with(trained, parameters), x[first], last=True)
    facts = {"batch_size": min(batch_size, len(x)), "train_rows": len(x), **late, **evaluation_table(evaluations)}
    if held is not None:
        facts["validation_rows"] = len(held[0])
    facts |= metric_of(seen.task or "other")
    return seen.merge(recorder.evidence(**facts))


def evaluate(still: Any, parameters: Any, parts: dict[str, Any], ask: Any, task: str) -> dict[str, float]:
    """Loss and metric on each part, in evaluation mode."""
    found = {}
    for name, (x, y) in parts.items():
        outputs = np.asarray(still(parameters, x))
        found[f"{name}_loss"] = float(np.asarray(ask(outputs, y)))
        if metric_of(task):
            found[f"{name}_metric"] = metric(outputs, np.asarray(y), task)
    return found


def metric(outputs: np.ndarray, y: np.ndarray, task: str) -> float:
    """Accuracy of classes, R² of numbers."""
    if task == "regression":
        p, t = outputs.reshape(len(outputs), -1)[:, 0], y.reshape(len(y), -1)[:, 0].astype(float)
        return float(1 - np.mean((p - t) ** 2) / max(float(np.var(t)), 1e-300))
    flat = outputs.reshape(len(outputs), -1)
    named = flat.argmax(axis=1) if flat.shape[1] > 1 else (flat[:, 0] > 0).astype(int)
    return float(np.mean(named == y.reshape(len(y), -1)[:, 0]))


def metric_of(task: str) -> dict[str, str]:
    """What `metric` is called for a task."""
    names = {"regression": "r2", "binary": "accuracy", "multiclass": "accuracy"}
    return {"metric_name": names[task], "metric_better": "higher"} if task in names else {}


def evaluation_table(evaluations: list[dict[str, float]]) -> dict[str, np.ndarray]:
    """Fields of `Evidence` along the evaluations."""
    if not evaluations:
        return {}
    table = {name: np.array([row[name] for row in evaluations]) for name in evaluations[0]}
    return {"evaluation_step": table.pop("step"), **table}


def _batches(rows: int, size: int, steps: int, key: PRNGKeyArray | None) -> Any:
    """Numbers of the rows of each batch, epochs shuffled anew."""
    seed = 0 if key is None else int(jax.random.randint(key, (), 0, 2**31 - 1))
    rng, size = np.random.default_rng(seed), min(size, rows)
    order = np.zeros(0, int)
    for _ in range(steps):
        if len(order) < size:
            order = rng.permutation(rows)
        yield order[:size]
        order = order[size:]


def _with(adapted: Any, parameters: Any) -> Any:
    return dataclasses.replace(adapted, parameters=dict(parameters))
