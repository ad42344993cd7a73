"""The chain of one step: where the loss comes from, the gradient, what the update did, what became of the metric."""

from __future__ import annotations

import math
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from cycloid.learn.feeds import Rows


@final
class Packed(eqx.Module):
    """A record as one vector, so that the host fetches one array and not twenty.

    Attributes:
        values: all its numbers, one quantity after another.
        layout: name and shape of each quantity.
    """

    values: Any
    layout: tuple[tuple[str, tuple[int, ...]], ...] = eqx.field(static=True)


# Rows of a probe evaluated at once: above this many, memory would grow with the probe.
BLOCK = 4096


def measure(objective: Any, witness: Any, probes: Any) -> dict[str, Any]:
    """All that is recorded of a witnessed step from `before` to `after` on a batch.

    With g the gradient ∇L on the batch and Δw = after − before:

        predicted_change = g · Δw,      actual_change = L(w + Δw) − L(w) on the same batch,
        ratio = actual / predicted,     cosine = g · (−Δw) / (|g| |Δw|),
        update_ratios = |Δw| / |w| for each parameter array.

    The actual change is summed from the changes of the single examples, which loses fewer digits than subtracting
    two means. Ratios with a zero below the line are NaN. A method of curvature adds what it has to tell: its damping,
    its conjugate gradients, how much of the promise of its quadratic model was kept.
    """
    before, after, loss, gradient, batch, notes = witness
    delta = jax.tree.map(jnp.subtract, after, before)
    norms, steps, sizes = (_norms(tree) for tree in (gradient, delta, before))
    total, length = (jnp.sqrt(jnp.sum(jnp.square(part))) for part in (norms, steps))
    slope = sum(jnp.vdot(g, d) for g, d in zip(jax.tree.leaves(gradient), jax.tree.leaves(delta), strict=True))
    examples, moved = (objective.examples(params, batch) for params in (before, after))
    actual = jnp.mean(moved - examples) + _penalty_change(objective, before, after)
    record = {
        "loss": loss,
        "loss_after": loss + actual,
        "gradient_norm": total,
        "layer_gradient_norms": norms,
        "update_norm": length,
        "update_ratios": _divide(steps, sizes),
        "predicted_change": slope,
        "actual_change": actual,
        "ratio": _divide(actual, slope),
        "cosine": _divide(-slope, total * length),
        **notes,
    }
    if objective.recipe.groups:
        record["group_shares"] = _shares(examples, batch.groups, objective.recipe.groups)
    return {**record, **_watch(objective, before, after, probes)}


def pack(record: dict[str, Any]) -> Packed:
    """The record as one vector."""
    layout = tuple((name, jnp.shape(value)) for name, value in record.items())
    return Packed(jnp.concatenate([jnp.ravel(value) for value in record.values()]), layout)


def unpack(packed: Packed) -> dict[str, np.ndarray]:
    """The record on the host, waiting for it where it is still computed."""
    values = np.asarray(packed.values)
    ends = np.cumsum([math.prod(shape) for _, shape in packed.layout])[:-1]
    parts = zip(packed.layout, np.split(values, ends), strict=True)
    return {name: part.reshape(shape) for (name, shape), part in parts}


def _watch(objective: Any, before: Any, after: Any, probes: Any) -> dict[str, Any]:
    """Losses on the probes after the step, by group on the training one, and the metric before and after."""
    score, groups = objective.recipe.score, objective.recipe.groups
    train, validation = probes.train, probes.validation
    result, losses = _evaluate(objective, after, train)
    record = {"train_loss": jnp.mean(losses)}
    if groups:
        record["group_losses"] = _group_means(losses, train.groups, groups)
    if validation is not None:
        result, losses = _evaluate(objective, after, validation)
        record["validation_loss"] = jnp.mean(losses)
    if score is not None:
        held = train if validation is None else validation
        record["metric_before"] = score(_evaluate(objective, before, held)[0], held.y)
        record["metric"] = score(result, held.y)
    return record


def _evaluate(objective: Any, params: Any, rows: Rows) -> tuple[Any, Any]:
    """(outputs, losses of the examples) on the rows of a probe, in blocks when they are many."""
    if not objective.by_example:
        result = None if objective.recipe.score is None else objective.outputs(params, rows.x)
        return result, objective.examples(params, rows)

    def both(part: Rows) -> tuple[Any, Any]:
        result = objective.outputs(params, part.x)
        return result, objective.recipe.loss.examples(result, part.y)

    if rows.count <= BLOCK:
        return both(rows)
    whole = rows.count - rows.count % BLOCK
    folded = jax.tree.map(lambda a: a[:whole].reshape(-1, BLOCK, *a.shape[1:]), rows)
    blocks = jax.tree.map(lambda a: a.reshape(whole, *a.shape[2:]), jax.lax.map(both, folded))
    if whole == rows.count:
        return blocks
    rest = both(jax.tree.map(lambda a: a[whole:], rows))
    return jax.tree.map(lambda a, b: jnp.concatenate([a, b]), blocks, rest)


def _norms(tree: Any) -> Any:
    """The Euclidean norm of each array."""
    return jnp.stack([jnp.sqrt(jnp.sum(jnp.square(leaf))) for leaf in jax.tree.leaves(tree)])


def _penalty_change(objective: Any, before: Any, after: Any) -> Any:
    """l2 Σ (w₊² − w²), each term as (w₊ − w)(w₊ + w)."""
    pairs = zip(objective.penalty(before), objective.penalty(after), strict=True)
    return sum((objective.recipe.loss.l2 * jnp.vdot(b - a, b + a) for a, b in pairs), start=0.0)


def _shares(examples: Any, groups: Any, count: int) -> Any:
    """The part of the batch's loss that each group of its examples brings; the parts add up to 1."""
    return _divide(jax.ops.segment_sum(examples, groups, count), jnp.sum(examples))


def _group_means(losses: Any, groups: Any, count: int) -> Any:
    members = jax.ops.segment_sum(jnp.ones_like(losses), groups, count)
    return _divide(jax.ops.segment_sum(losses, groups, count), members)


def _divide(above: Any, below: Any) -> Any:
    zero = below == 0
    return jnp.where(zero, jnp.nan, above / jnp.where(zero, 1.0, below))
