"""Live records of loops that others run: callbacks for Lightning's Trainer, for Keras' `fit`, and for Cycloid's own."""

from __future__ import annotations

import importlib
import math
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from cycloid.train.recordings import Recording

Path = str | os.PathLike[str]


def watch_lightning(record: Path, *, every: int = 10) -> Any:
    """A callback for Lightning: `Trainer(callbacks=[cy.train.watch_lightning("run")])`.

    The module is watched as `cy.train.watch` does it, with its own optimizers; what is logged in validation under
    names that begin with "val" goes beside it. `callback.watch.report()` tells the verdict.

    Args:
        record: the file to keep.
        every: steps between two records.

    Raises:
        ImportError: when neither lightning nor pytorch_lightning is installed.
    """
    module = _first("lightning.pytorch", "pytorch_lightning")
    from cycloid.train.watching import Watch, watch

    class Recorder(module.Callback):
        watch: Watch | None = None

        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            self.watch = watch(pl_module, trainer.optimizers, every=every, record=record)

        def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
            metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
            held = {name: value for name, value in metrics.items() if name.startswith("val")}
            if self.watch is not None and held:
                loss = next((name for name in held if name.endswith("loss")), None)
                self.watch.log(**{"validation_loss" if name == loss else name: held[name] for name in held})

        def on_train_end(self, trainer: Any, pl_module: Any) -> None:
            if self.watch is not None:
                self.watch.close()

    return Recorder()


def watch_keras(record: Path, *, every: int = 10) -> Any:
    """A callback for Keras: `model.fit(x, y, callbacks=[cy.train.watch_keras("run")])`.

    Keras shows a callback its weights and its running loss, not its gradients: recorded are the loss, the learning
    rate, |Δw| and |w| of each array of weights, and at the end of an epoch what was measured on validation rows.
    `callback.recording.evidence()` is what `cy.train.diagnose` reads.

    Args:
        record: the file to keep.
        every: steps between two records; on the JAX backend a record waits for the step to end.

    Raises:
        ImportError: when Keras is not installed.
    """
    keras = _first("keras")

    class Recorder(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.recording = Recording(record, framework="keras")
            self._step, self._before = 0, []
            self._told: list[dict[str, float]] = []

        def on_train_begin(self, logs: Any = None) -> None:
            self.recording.note(**_of_keras(self.model))

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            if self._step % every == 0:
                self._before = _arrays(self.model)

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if self._step % every == 0:
                after = _arrays(self.model)
                norms = lambda arrays: np.array([float(np.linalg.norm(a)) for a in arrays])
                row = {"step": self._step, "loss": float((logs or {}).get("loss", math.nan))}
                row |= {"weight_norms": norms(self._before), "learning_rate": _rate(self.model)}
                row["update_norms"] = norms([b - a for a, b in zip(self._before, after)])
                self.recording.add(row)
            self._step += 1

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            _tell(self.recording, self._told, self._step, logs or {})

        def on_train_end(self, logs: Any = None) -> None:
            self.recording.close()

    return Recorder()


def watch_fit(record: Path) -> Callable[[Any], None]:
    """A callback for Cycloid's own: `cy.train.fit(model, data, callback=cy.train.watch_fit("run"), key=key)`.

    What `fit` records at every `record_every`-th step goes into the file while the run goes on, so that it can be
    opened by `cycloid inspect` before it ends, or after it was killed.

    Args:
        record: the file to keep.
    """
    recording = Recording(record, framework="jax")
    told: list[dict[str, float]] = []

    def keep(progress: Any) -> None:
        seen = progress.record
        ratios = np.asarray(seen["update_ratios"], float)
        # Of the weights the ratio alone is told: weights of norm one stand for them, and a zero weight has no ratio.
        row = {name: value for name, value in seen.items() if not name.startswith(("layer", "group", "update_r"))}
        row |= {"step": progress.step - 1, "gradient_norms": np.asarray(seen["layer_gradient_norms"], float)}
        row |= {"update_norms": np.nan_to_num(ratios), "weight_norms": np.isfinite(ratios).astype(float)}
        if not recording.rows:
            from cycloid.learn.networks import layer_names

            recording.note(parameters=layer_names(progress.model))
        names = {"train_loss": "loss", "validation_loss": "val_loss"}
        _tell(recording, told, progress.step, {names[n]: seen[n] for n in names if n in seen})
        recording.add({name: value for name, value in row.items() if name not in names})
        if progress.step >= progress.max_steps:
            recording.close()

    return keep


def _first(*names: str) -> Any:
    """The first of some modules that is installed."""
    for name in names:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    package = names[0].partition(".")[0]
    raise ImportError(f"{package} is not installed: pip install {package}.")


def _tell(recording: Recording, told: list[dict[str, float]], step: int, logs: dict[str, Any]) -> None:
    """An evaluation, by the names that Keras uses, as fields of `Evidence`."""
    names = [name for name in logs if name != "loss" and not name.startswith("val_")]
    metric = next((name for name in names if f"val_{name}" in logs), None)
    fields = {"train_loss": "loss", "validation_loss": "val_loss"}
    if metric is not None:
        fields |= {"train_metric": metric, "validation_metric": f"val_{metric}"}
        recording.note(metric_name=metric)
    told.append({field: float(logs[name]) for field, name in fields.items() if name in logs} | {"step": step})
    columns = {field: np.array([entry.get(field, math.nan) for entry in told]) for field in fields}
    recording.note(evaluation_step=np.array([entry["step"] for entry in told]), **columns)


def _of_keras(model: Any) -> dict[str, Any]:
    """Fields of `Evidence` that a Keras model tells of itself."""
    weights = model.trainable_weights
    kinds = ["bias" if w.name in ("bias", "beta") else "norm" if w.name == "gamma" else "weight" for w in weights]
    return {
        "parameters": tuple(getattr(w, "path", w.name) for w in weights),
        "parameter_kinds": tuple("embedding" if w.name == "embeddings" else k for w, k in zip(weights, kinds)),
        "parameter_sizes": np.array([int(np.prod(w.shape)) for w in weights]),
        "loss_name": _loss_name(model.loss),
        "optimizer": type(model.optimizer).__name__,
    }


def _loss_name(loss: Any) -> str:
    name = loss if isinstance(loss, str) else getattr(loss, "name", getattr(loss, "__name__", "custom"))
    return str(name).replace("_", " ")


def _arrays(model: Any) -> list[np.ndarray]:
    return [_host(weight) for weight in model.trainable_weights]


def _host(weight: Any) -> np.ndarray:
    """A variable's array on the host; the variable itself would be converted by a way that NumPy 2 warns of."""
    return np.asarray(importlib.import_module("keras").ops.convert_to_numpy(getattr(weight, "value", weight)), float)


def _rate(model: Any) -> float:
    return float(_host(model.optimizer.learning_rate))
