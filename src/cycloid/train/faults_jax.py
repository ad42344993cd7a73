"""The zoo's set-ups in JAX: equinox models, a plain loop, each step told to a `Recorder`."""

from __future__ import annotations

import functools
import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from cycloid.adapters import adapt
from cycloid.train.evidence import Evidence
from cycloid.train.examination import applied, examine, layer_table
from cycloid.train.faults import Setup
from cycloid.train.recorder import Recorder
from cycloid.train.rehearsals import evaluation_table, metric, metric_of
from cycloid.train.zoo_batches import EVALUATIONS, batches, misjudged

EVERY = 5  # steps between two records


def build(s: Setup) -> Any:
    """The model of a set-up: linear layers, norms and activations in a row, called on one example."""
    rng = s.rng(3)
    parts: list[Any] = []
    width = s.x.shape[1]
    if s.conv:
        parts += [eqx.nn.Lambda(_picture), _drawn(eqx.nn.Conv2d(1, 8, 3, key=_key(rng)), rng, s, False)]
        parts += [eqx.nn.Lambda(jax.nn.relu), eqx.nn.Lambda(jnp.ravel)]
        width = 8 * 6 * 6
    act = {"relu": jax.nn.relu, "tanh": jnp.tanh, "sigmoid": jax.nn.sigmoid}[s.activation]
    for place, size in enumerate(s.widths, start=1):
        parts.append(_drawn(eqx.nn.Linear(width, size, key=_key(rng)), rng, s, False))
        parts += [eqx.nn.LayerNorm(size)] if s.norm else []
        parts.append(eqx.nn.Lambda(act))
        parts += [eqx.nn.Lambda(jax.lax.stop_gradient)] if s.cut == place else []
        width = size
    parts.append(_drawn(eqx.nn.Linear(width, s.outputs, key=_key(rng)), rng, s, True))
    if s.ending in ("softmax", "sigmoid"):
        parts.append(eqx.nn.Lambda({"softmax": jax.nn.softmax, "sigmoid": jax.nn.sigmoid}[s.ending]))
    return eqx.nn.Sequential(parts)


def trained(s: Setup) -> Evidence:
    """Train, and return what was seen."""
    adapted = adapt(build(s))
    loss = functools.partial(_loss, s.task, s.sign, s.reduction, s.column, s.ending, s.hole)
    function = adapted.objective(loss)
    y_type = np.int32 if s.task == "multiclass" else np.float32
    x, y = s.x, s.y.astype(y_type)
    first = slice(0, min(len(x), 64))
    seen = examine(adapted, x[first], y[first], loss, s.task)
    recorder = Recorder(adapted, lambda parameters, batch: function(parameters, batch), s.task)
    decay = _decay(s, adapted)
    rule = optax.scale_by_adam() if s.rule == "adam" else optax.identity()

    @jax.jit
    def advance(parameters: Any, memory: Any, held: Any, batch: Any, rate: Any) -> Any:
        fresh = jax.grad(function)(parameters, batch)
        used: Any = {name: g + s.carry * held[name] for name, g in fresh.items()}
        moves: Any = rule.update(used, memory, parameters)
        change, memory = moves
        after = {n: p - rate * (change[n] + decay[n] * p) for n, p in parameters.items()}
        return used, after, memory

    parameters: Any = dict(adapted.parameters)
    memory, held = rule.init(parameters), jax.tree.map(jnp.zeros_like, parameters)
    moments = set(np.linspace(0, s.steps - 1, EVALUATIONS).round().astype(int).tolist())
    parts = {"train": (s.x[:400], s.y[:400]), "validation": (s.x_held, s.y_held)}
    still, evaluations = applied(adapted), []
    for step, rows in enumerate(batches(s)):
        batch = (jnp.asarray(x[rows]), jnp.asarray(y[rows]))
        used, after, memory = advance(parameters, memory, held, batch, s.rate)
        if step % EVERY == 0:
            recorder.record(step, parameters, after, used, batch, s.rate)
        parameters, held = after, used
        if step in moments:
            evaluations.append({"step": step} | _evaluated(s, still, parameters, parts, loss, y_type))
    late = layer_table(_moved(adapted, parameters), x[first], last=True)
    facts = {"batch_size": s.batch, "train_rows": len(x), "validation_rows": len(s.x_held), **metric_of(s.task)}
    facts |= {"weight_decay": np.array(list(decay.values()))} if s.decay else {}
    return seen.merge(recorder.evidence(**facts, **late, **evaluation_table(evaluations)))


def _loss(
    task: str, sign: float, reduction: str, column: bool, ending: str | None, hole: str | None, p: Any, y: Any
) -> Any:
    """The loss of a set-up, of a batch of outputs."""
    if hole == "log":
        p = p + 1e-3 * jnp.log(jnp.abs(p - p[:1]))
    elif hole == "root":
        p = p + jnp.sqrt(p - p.mean() - 0.1)
    collect = jnp.sum if reduction == "sum" else jnp.mean
    if task == "multiclass":
        if ending == "softmax over the batch":
            p = jax.nn.softmax(p, axis=0)
        logs = jax.nn.log_softmax(p, axis=0 if ending == "log softmax over the batch" else 1)
        return -sign * collect(jnp.take_along_axis(logs, y[:, None].astype(int), axis=1))
    p = p if column or p.ndim == y.ndim else p[..., 0]
    if task == "binary":
        return sign * collect(jnp.logaddexp(0.0, p) - y * p)
    return sign * collect((p - y) ** 2)


def _evaluated(s: Setup, still: Any, parameters: Any, parts: Any, loss: Any, y_type: Any) -> dict[str, float]:
    found = {}
    for name, (x, y) in parts.items():
        outputs = np.asarray(still(parameters, x))
        found[f"{name}_loss"] = float(loss(jnp.asarray(outputs), jnp.asarray(y.astype(y_type))))
        found[f"{name}_metric"] = metric(misjudged(s, outputs), y, s.task)
    return found


def _drawn(layer: Any, rng: np.random.Generator, s: Setup, last: bool) -> Any:
    """He's or LeCun's weights, times the gain; or equal ones."""
    shape = layer.weight.shape
    scale = math.sqrt((2.0 if s.activation == "relu" and not last else 1.0) / math.prod(shape[1:]))
    weight = (s.gain if s.activation != "sigmoid" else 1.0) * scale * rng.normal(size=shape)
    if s.alike is not None and not last:
        weight = scale * (1 + s.alike * rng.normal(size=shape))
    bias = np.full(layer.bias.shape, 0.0 if last else s.bias)
    both = (jnp.asarray(weight, jnp.float32), jnp.asarray(bias, jnp.float32))
    return eqx.tree_at(lambda part: (part.weight, part.bias), layer, both)


def _decay(s: Setup, adapted: Any) -> dict[str, float]:
    return {n: s.decay if p.ndim > 1 or s.decay_biases else 0.0 for n, p in adapted.parameters.items()}


def _moved(adapted: Any, parameters: Any) -> Any:
    import dataclasses

    return dataclasses.replace(adapted, parameters=dict(parameters))


def _picture(x: Any) -> Any:
    return x.reshape(1, 8, 8)


def _key(rng: np.random.Generator) -> Any:
    return jax.random.key(int(rng.integers(1 << 30)))
