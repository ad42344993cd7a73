"""A model examined on one batch, whatever framework made it: layer by layer, and what its loss does with it."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from cycloid.adapters.models import Adapted
from cycloid.learn.losses import LOSSES, AbstractLoss, as_loss
from cycloid.train.data_evidence import task_of
from cycloid.train.evidence import Evidence
from cycloid.train.loss_probes import probe_loss

KINDS = {
    "linear": "linear", "affine": "linear", "dense": "linear", "conv": "conv", "batchnorm": "batch norm",
    "layernorm": "layer norm", "groupnorm": "group norm", "dropout": "dropout", "relu": "relu", "tanh": "tanh",
    "sigmoid": "sigmoid", "logsoftmax": "log softmax", "softmax": "softmax", "embed": "embedding",
    "attention": "attention", "flatten": "reshape", "pool": "pool",
}  # fmt: skip
FLAT = 0.01  # of the largest slope of a sigmoid or tanh: below it a unit is saturated
EXPECTS = {"cross_entropy": "logits", "mse": "values", "mae": "values", "huber": "values"}


class Judge(NamedTuple):
    """A loss as (outputs, targets) -> number, with what is known of it.

    Attributes:
        of: the function.
        name: in words.
        expects: "logits", "values", or None where that is not known.
        examples: (outputs, targets) -> the loss of each, or None.
    """

    of: Callable[[Any, Any], Any]
    name: str
    expects: str | None
    examples: Callable[[Any, Any], Any] | None


def judge(loss: Any, task: str) -> Judge:
    """A loss of any form: a name, a loss of Cycloid, loss(outputs, targets), or loss(model, batch).

    Of the last the model is replaced by the identity and the inputs by the outputs, which is the same loss as long as
    it asks the model for nothing but its outputs.
    """
    if loss is None:
        loss = "mse" if task == "regression" else "cross_entropy"
    chosen = as_loss(loss) if isinstance(loss, (str, type, AbstractLoss)) else loss
    if isinstance(chosen, AbstractLoss):
        examples = lambda p, y: chosen.examples(jnp.asarray(p), jnp.asarray(y))
        mean = lambda p, y: jnp.mean(examples(p, y))
        return Judge(mean, chosen.name.replace("_", " "), EXPECTS.get(chosen.name), examples)
    if not callable(chosen):
        raise TypeError(f"loss= is a name ({', '.join(LOSSES)}) or a function; it was a {type(loss).__name__}.")
    name = getattr(chosen, "__name__", type(chosen).__name__).replace("_", " ")
    if _of_model_and_batch(chosen):
        return Judge(lambda p, y: chosen(lambda output: output, (jnp.asarray(p), jnp.asarray(y))), name, None, None)
    return Judge(chosen, name, None, None)


def examine(adapted: Adapted, x: Any, y: Any, loss: Any = None, task: str | None = None) -> Evidence:
    """Everything a batch shows of a model before any step.

    Args:
        adapted: the model through the door.
        x: inputs, shape (n, ...).
        y: targets, shape (n, ...).
        loss: as `judge` takes it.
        task: of the targets; by their values when None.
    """
    targets = np.asarray(y)
    task = task or task_of(targets.reshape(len(targets), -1)[:, 0])
    own = judge(loss, task)
    table = layer_table(adapted, x)
    outputs = np.asarray(applied(adapted)(adapted.parameters, x))
    ask = asked(own, adapted)
    as_number = lambda p, t: float(np.asarray(ask(p, t)))
    seen = probe_loss(as_number, outputs, targets).known()
    seen |= {"loss_name": own.name, "task": task, "batch_size": len(targets), "framework": adapted.framework}
    if own.expects is not None:
        seen["loss_expects"] = own.expects
    elif seen.get("row_shift_change", 1.0) < 1e-3:
        seen["loss_expects"] = "logits"
    seen["initial_loss"] = seen.get("batch_loss")
    seen |= constant_loss(targets, task, seen) | input_facts(x)
    each = example_losses(own, outputs, targets, ask)
    if each is not None:
        seen |= {"example_losses": each, "worst_examples": np.argsort(-each)[:10]}
    return Evidence.of({**table, **seen, **_coupling(adapted, x)})


def applied(adapted: Adapted) -> Callable[..., Any]:
    """Its `apply`, compiled where it is JAX's own."""
    return jax.jit(adapted.apply) if adapted.path == "jax" else adapted.apply


def layer_table(adapted: Adapted, x: Any, *, last: bool = False) -> dict[str, Any]:
    """Statistics of every layer's output on a batch; with `last` those of a later look alone."""
    outputs = adapted.outputs(adapted.parameters, x)
    kinds = {layer.name: layer.kind for layer in adapted.layers}
    rows = [_statistics(np.asarray(value), kinds.get(name, "")) for name, value in outputs.items()]
    if last:
        return {"dead_share_last": np.array([row["dead_share"] for row in rows])} if rows else {}
    if not rows:
        return {}
    text = {"layer_kinds": "kind", "layer_shapes": "shape", "layer_dtypes": "dtype"}
    numbers = [name for name in rows[0] if name not in text.values()]
    return {
        "layers": tuple(outputs),
        **{field: tuple(row[name] for row in rows) for field, name in text.items()},
        **{name: np.array([row[name] for row in rows]) for name in numbers},
    }


def _statistics(values: np.ndarray, kind: str) -> dict[str, Any]:
    exact = values.astype(float)
    finite = np.isfinite(exact)
    kept = np.where(finite, exact, 0.0)
    kind = words(kind, kept)
    row: dict[str, Any] = {
        "kind": kind, "shape": " x ".join(map(str, values.shape)), "dtype": str(values.dtype),
        "output_mean": kept.mean(), "output_scale": math.sqrt(float(np.mean(kept**2))), "output_low": kept.min(),
        "output_high": kept.max(), "nonfinite_share": 1 - finite.mean(), "dead_share": np.nan,
        "saturated_share": np.nan,
    }  # fmt: skip
    if kind == "relu" and kept.ndim > 1:
        axis = kept.ndim - 1 if kept.ndim < 4 else 1  # channels come first in a picture of equinox and torch
        others = tuple(i for i in range(kept.ndim) if i != axis)
        row["dead_share"] = float(np.mean(np.abs(kept).max(axis=others) == 0))
    if kind in ("tanh", "sigmoid"):
        slope = 1 - kept**2 if kind == "tanh" else 4 * kept * (1 - kept)
        row["saturated_share"] = float(np.mean(slope < FLAT))
    return row


def words(kind: str, values: np.ndarray) -> str:
    """A layer's kind in words; of a plain function by what it returns."""
    stem = kind.lower().replace("_", "")
    known = next((word for start, word in KINDS.items() if start in stem), None)
    if known is not None or not values.size:
        return known or stem
    low, high = float(values.min()), float(values.max())
    if low == 0 and np.mean(values == 0) > 0.02:
        return "relu"
    if low >= 0 and high <= 1:
        sums = values.reshape(len(values), -1).sum(axis=1)
        return "softmax" if np.allclose(sums, 1, atol=1e-3) else "sigmoid"
    return "tanh" if low >= -1 and high <= 1 and max(-low, high) > 0.5 else stem or "function"


def constant_loss(y: np.ndarray, task: str, seen: dict[str, Any]) -> dict[str, Any]:
    """The loss of the best constant prediction, where the loss is one whose constant is known."""
    if task in ("binary", "multiclass"):
        counts = np.unique(y, return_counts=True)[1]
        shares = counts / counts.sum()
        return {"constant_loss": float(-(shares * np.log(shares)).sum()), "class_counts": counts}
    t = y.astype(float)
    return {"constant_loss": float(np.var(t))} if seen.get("loss_name") in ("mse", "mean squared error", None) else {}


def input_facts(x: Any) -> dict[str, Any]:
    """Shape, dtype and scale of the inputs."""
    values = np.asarray(jax.tree.leaves(x)[0])
    found: dict[str, Any] = {"input_shape": values.shape, "input_dtype": str(values.dtype)}
    if values.dtype.kind != "f" or not values.size:
        return found
    flat = values.reshape(len(values), -1).astype(float)
    finite = np.isfinite(flat)
    kept = np.where(finite, flat, 0.0)
    return found | {
        "nonfinite_inputs": float(1 - finite.mean()), "feature_mean": kept.mean(axis=0),
        "feature_scale": np.sqrt(np.mean(kept**2, axis=0)), "input_scale": float(np.sqrt(np.mean(kept**2))),
        "input_low": float(kept.min()), "input_high": float(kept.max()),
    }  # fmt: skip


def example_losses(own: Judge, outputs: np.ndarray, targets: np.ndarray, ask: Any) -> np.ndarray | None:
    """The loss of each example, or None where the loss cannot be asked so."""
    if own.examples is not None and len(outputs) == len(targets):
        return np.asarray(jax.jit(own.examples)(outputs, targets), float)
    try:
        each = [float(np.asarray(ask(outputs[i : i + 1], targets[i : i + 1]))) for i in range(min(len(outputs), 256))]
    except Exception:  # a user's loss may want more than one example
        return None
    return np.array(each) if len(each) == len(targets) and np.isfinite(each).all() else None


def asked(own: Judge, adapted: Adapted) -> Callable[[Any, Any], Any]:
    """The loss of arrays, also where it is one of PyTorch and takes tensors."""
    if adapted.framework != "torch" or own.examples is not None:
        compiled = jax.jit(own.of)

        def fast(p: Any, y: Any) -> Any:
            try:
                return compiled(p, y)
            except jax.errors.JAXTypeError:  # it looks at numbers and cannot be traced
                return own.of(jnp.asarray(p), jnp.asarray(y))

        return fast

    def ask(p: Any, y: Any) -> Any:
        import torch

        try:
            return own.of(torch.as_tensor(np.array(p)), torch.as_tensor(np.array(y))).detach().numpy()
        except TypeError:
            return own.of(jnp.asarray(p), jnp.asarray(y))

    return ask


def _coupling(adapted: Adapted, x: Any) -> dict[str, Any]:
    """Whether the first example's prediction, in evaluation mode, feels the others of its batch."""
    values = np.asarray(jax.tree.leaves(x)[0])
    if isinstance(x, (tuple, list, dict)) or len(values) < 3:
        return {}
    others = np.roll(values, 1, axis=0).copy()
    others[0] = values[0]
    calmly = applied(adapted.in_mode("eval"))
    calm, moved = (np.asarray(calmly(adapted.parameters, each), float) for each in (values, others))
    if calm.ndim == 0 or len(calm) != len(values):
        return {}
    found = {"coupling": float(np.abs(moved[0] - calm[0]).max() / (calm.std() + 1e-12))}
    trained = np.asarray(applied(adapted.in_mode("train"))(adapted.parameters, values), float)
    change = np.linalg.norm(trained - calm) / (np.linalg.norm(calm) + 1e-12)
    return found | {"evaluation_difference": float(change)}


def _of_model_and_batch(function: Callable[..., Any]) -> bool:
    """Whether a loss takes (model, batch), by the names of its arguments."""
    try:
        names = [p.name for p in inspect.signature(function).parameters.values()]
    except (TypeError, ValueError):
        return False
    return len(names) >= 2 and (names[0] in ("model", "net", "network", "params") or names[1] in ("batch", "data"))
