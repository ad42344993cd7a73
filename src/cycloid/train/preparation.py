"""Data made ready for training, and the preparation that makes new rows ready in the same way."""

from __future__ import annotations

import os
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cycloid.learn.feeds import Rows
from cycloid.train.metrics import predicted


@final
class Preparation(eqx.Module):
    """From rows as they come to inputs of a model, and from its outputs to answers; learned from training rows.

    It works in float64 whatever the model's dtype: a column far from zero keeps its digits until it is centred.

    Attributes:
        columns: how each column of the table enters.
        features: names of the inputs.
        center: subtracted from each input.
        scale: by which it is divided then.
        target: name of the target.
        target_center: subtracted from the target of a regression.
        target_scale: by which it is divided then.
        classes: labels in the order of the class numbers; None for a regression.
    """

    columns: tuple[Any, ...] = eqx.field(static=True)
    features: tuple[str, ...] = eqx.field(static=True)
    center: Float[np.ndarray, " d"]
    scale: Float[np.ndarray, " d"]
    target: str = eqx.field(static=True)
    target_center: float
    target_scale: float
    classes: tuple[Any, ...] | None = eqx.field(static=True)

    def inputs(self, rows: Any) -> Float[Array, "n d"]:
        """Rows (a DataFrame, a list of dicts, or an array in the order of `columns`) as inputs of the model.

        Raises:
            ValueError: when a column is missing or a cell is of the wrong kind.
        """
        import pandas as pd

        if isinstance(rows, dict):
            rows = [rows]
        names = [column.name for column in self.columns]
        if isinstance(rows, (np.ndarray, jax.Array)):
            if rows.ndim != 2 or rows.shape[1] != len(names):
                raise ValueError(f"rows have the {len(names)} columns {', '.join(names)}; the shape was {rows.shape}.")
            rows = pd.DataFrame(np.asarray(rows), columns=names)
        frame = pd.DataFrame(rows)
        absent = [name for name in names if name not in frame]
        if absent:
            raise ValueError(f"the rows lack the columns {', '.join(absent)}.")
        return self.scaled(self.encode(frame))

    def encode(self, frame: Any) -> np.ndarray:
        """The features of a DataFrame before scaling, in float64."""
        return np.concatenate([column.encode(frame[column.name]) for column in self.columns], axis=1)

    def scaled(self, raw: np.ndarray) -> Float[Array, "n d"]:
        """(raw − center) / scale."""
        return jnp.asarray((raw - self.center) / self.scale, jnp.result_type(float))

    def scale_target(self, y: np.ndarray) -> Array:
        """Targets as the model learns them."""
        if self.classes is not None:
            return jnp.asarray(y, jnp.int32)
        return jnp.asarray((y - self.target_center) / self.target_scale, jnp.result_type(float))

    def unscaled(self, outputs: Any) -> Any:
        """Outputs in the unit of the target; logits stay as they are."""
        if self.classes is not None:
            return outputs
        return np.asarray(outputs, float) * self.target_scale + self.target_center

    def answers(self, outputs: Any) -> Any:
        """Numbers in the unit of the target, or class labels."""
        if self.classes is None:
            return self.unscaled(outputs)
        return np.array(self.classes)[predicted(np.asarray(outputs, float))]


@final
class Data(eqx.Module):
    """A data set made ready: three parts, what was learned from the training one, and the report.

    Attributes:
        name: of the source.
        task: "regression", "binary" or "multiclass".
        train: the rows trained on; x standardised, y standardised or class numbers.
        validation: rows for choosing and stopping; None without them.
        test: rows for the final metric alone; None without them.
        preparation: how rows become inputs.
        report: each choice that was made, a sentence each.
    """

    name: str = eqx.field(static=True)
    task: str = eqx.field(static=True)
    train: Rows
    validation: Rows | None
    test: Rows | None
    preparation: Preparation
    report: tuple[str, ...] = eqx.field(static=True)

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the inputs of a model."""
        return self.preparation.features

    @property
    def target(self) -> str:
        """Name of the target."""
        return self.preparation.target

    @property
    def classes(self) -> tuple[Any, ...] | None:
        """Class labels; None for a regression."""
        return self.preparation.classes

    def transform(self, rows: Any) -> Float[Array, "n d"]:
        """New rows as inputs of a model trained on this data."""
        return self.preparation.inputs(rows)

    def describe(self) -> str:
        """The report as one text."""
        return "\n".join(self.report)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the prepared data to one file; `Data.load` reads it."""
        from cycloid.core.storage import save

        save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Data:
        """Read what `save` wrote."""
        from cycloid.core.storage import load

        found = load(path)
        if not isinstance(found, cls):
            raise ValueError(f"{os.fspath(path)} holds no prepared data.")
        return found
