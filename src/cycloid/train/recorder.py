"""A recorder of training steps in JAX: it is told the parameters before and after, and keeps the chain as evidence."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cycloid.adapters.models import Adapted
from cycloid.train.evidence import Evidence

MOST_UNITS = 256  # of one layer, compared pair by pair


class Recorder:
    """Records steps of any loop that trains `adapted.parameters`.

    Args:
        adapted: the model through the door.
        objective: (parameters, batch) -> loss, a batch being (inputs, targets).
        task: of the targets, for what is kept of each batch.
    """

    def __init__(self, adapted: Adapted, objective: Callable[[Any, Any], Any], task: str = "other") -> None:
        self.adapted, self.task = adapted, task
        self.names = tuple(adapted.parameters)
        self.rows: list[dict[str, Any]] = []
        self._last: Any = None
        self._measure = jax.jit(_measure(objective)) if adapted.path == "jax" else _measure(objective)

    def record(self, step: int, before: Any, after: Any, used: Any, batch: Any, rate: float = float("nan")) -> None:
        """One step.

        Args:
            step: its number, from zero.
            before: parameters by name.
            after: the update made of them.
            used: the gradient that the update was made from, by name; None where an array has none.
            batch: (inputs, targets).
            rate: the learning rate.
        """
        missing = [used.get(name) is None for name in self.names]
        used = {name: jnp.zeros_like(before[name]) if used.get(name) is None else used[name] for name in self.names}
        last = used if self._last is None else self._last
        seen, fresh = self._measure(before, after, used, last, batch)
        seen = jax.device_get(seen)
        columns = {name: np.array([seen[name][key] for key in self.names]) for name in TABLES}
        single = {name: float(value) for name, value in seen.items() if name not in TABLES}
        if self._last is None:
            single["gradient_cosine"] = float("nan")
            self.first = (dict(before), fresh)
        self._last = used
        self.rows.append(
            {"step": step, "learning_rate": rate, "missing_gradients": np.array(missing), **single, **columns}
            | _of_batch(batch, self.task)
        )

    def evidence(self, **facts: Any) -> Evidence:
        """What was recorded, and facts known from elsewhere."""
        names = [name for name in (self.rows or [{}])[0] if name != "batch_targets"]
        table = {name: np.array([row[name] for row in self.rows]) for name in names} | class_shares(self.rows)
        own = {"framework": self.adapted.framework, **parameter_facts(self.adapted), **table}
        if self.rows:
            own |= unit_cosines(self.adapted, *self.first)
        return Evidence.of(own | facts)


TABLES = ("gradient_norms", "fresh_gradient_norms", "zero_gradients", "update_norms", "weight_norms")


def _measure(objective: Callable[[Any, Any], Any]) -> Callable[..., tuple[dict[str, Any], Any]]:
    def measure(before: Any, after: Any, used: Any, last: Any, batch: Any) -> tuple[dict[str, Any], Any]:
        loss, fresh = jax.value_and_grad(objective)(before, batch)
        delta = jax.tree.map(jnp.subtract, after, before)
        norm = lambda tree: {name: jnp.linalg.norm(jnp.ravel(leaf)) for name, leaf in tree.items()}
        dot = lambda a, b: sum(jnp.vdot(a[name], b[name]) for name in a)
        length = lambda tree: jnp.sqrt(dot(tree, tree))
        predicted = dot(fresh, delta)
        actual = objective(after, batch) - loss
        bend = actual - predicted
        below = length(used) * length(last)
        return {
            "loss": loss,
            "predicted_change": predicted,
            "actual_change": actual,
            "line_minimum": jnp.where((bend > 0) & (predicted < 0), -predicted / (2 * bend), jnp.nan),
            "gradient_norm": length(used),
            "gradient_cosine": jnp.where(below > 0, dot(used, last) / below, jnp.nan),
            "gradient_norms": norm(used),
            "fresh_gradient_norms": norm(fresh),
            "zero_gradients": {name: jnp.mean(leaf == 0) for name, leaf in used.items()},
            "update_norms": norm(delta),
            "weight_norms": norm(before),
        }, fresh

    return measure


def parameter_facts(adapted: Adapted) -> dict[str, Any]:
    """Names, kinds, layers, sizes and dtypes of the parameters."""
    homes = {name: layer.name for layer in adapted.layers for name in layer.parameters}
    return {
        "parameters": tuple(adapted.parameters),
        "parameter_kinds": tuple(kind_of(name, value, adapted) for name, value in adapted.parameters.items()),
        "parameter_layers": tuple(homes.get(name, name.rpartition(".")[0]) for name in adapted.parameters),
        "parameter_sizes": np.array([value.size for value in adapted.parameters.values()]),
        "parameter_dtypes": tuple(str(value.dtype) for value in adapted.parameters.values()),
    }


def kind_of(name: str, value: Any, adapted: Adapted) -> str:
    """ "weight", "bias", "norm" or "embedding", by layer, shape and name."""
    kinds = {each: layer.kind for layer in adapted.layers for each in layer.parameters}
    layer, last = kinds.get(name, "").lower(), name.rpartition(".")[2].lower()
    if "norm" in layer or "norm" in name.lower():
        return "norm"
    if "embed" in layer or "embed" in last:
        return "embedding"
    if value.ndim >= 2 and last not in ("bias", "b"):
        return "weight"
    return "weight" if last in ("weight", "w", "kernel") else "bias"


def unit_cosines(adapted: Adapted, parameters: Any, gradients: Any) -> dict[str, np.ndarray]:
    """Mean |cosine| between the units of each weight array: of their weights, and of their gradients."""
    layers = {each: layer.kind for layer in adapted.layers for each in layer.parameters}

    def alike(name: str, value: Any) -> float:
        table = np.asarray(value, float)
        if table.ndim < 2 or not np.isfinite(table).all():
            return float("nan")
        last = adapted.framework not in ("torch", "equinox") or layers.get(name) == "Affine"
        units = np.moveaxis(table, -1, 0) if last else table
        rows = units.reshape(len(units), -1)[:MOST_UNITS]
        return _mean_cosine(rows) if rows.shape[1] >= 3 else float("nan")

    return {
        "unit_weight_cosine": np.array([alike(name, parameters[name]) for name in adapted.parameters]),
        "unit_gradient_cosine": np.array([alike(name, gradients[name]) for name in adapted.parameters]),
    }


def _mean_cosine(rows: np.ndarray) -> float:
    norms = np.linalg.norm(rows, axis=1)
    rows = rows[norms > 0] / norms[norms > 0, None]
    if len(rows) < 2:
        return float("nan")
    table = np.abs(rows @ rows.T)
    return float((table.sum() - np.trace(table)) / (len(rows) * (len(rows) - 1)))


def _of_batch(batch: Any, task: str) -> dict[str, Any]:
    """What is kept of a batch: its classes or its mean, and a number by which it is known again."""
    x, y = (np.asarray(part) for part in batch)
    found: dict[str, Any] = {
        "batch_fingerprints": zlib.crc32(np.ascontiguousarray(x).tobytes()),
        "batch_target_mean": float(y.mean()), "batch_target_deviation": float(y.std()),
    }  # fmt: skip
    return found | ({"batch_targets": y.ravel()} if task in ("binary", "multiclass") else {})


def class_shares(rows: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    """(step, class) shares of the targets that the batches held."""
    if not rows or "batch_targets" not in rows[0]:
        return {}
    labels = np.unique(np.concatenate([row["batch_targets"] for row in rows]))
    return {"batch_class_shares": np.array([[np.mean(row["batch_targets"] == c) for c in labels] for row in rows])}
