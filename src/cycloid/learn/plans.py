"""What a training loop is told, what it tells, and how far it has come."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from cycloid.core.tolerance import Tolerance
from cycloid.learn.steps import Training


@dataclasses.dataclass(frozen=True)
class Plan:
    """When to look, when to stop, what to keep.

    Args:
        max_steps: the most steps.
        record_every: steps between two records; the first and the last step are recorded too.
        patience: stop when the validation loss has not improved for this many steps, and return the best model.
        tolerance: stop when the gradient norm has fallen to atol + rtol * its first value.
        callback: called with `Progress` after each record; what it returns False to stops the run.
        checkpoint: path of the checkpoint, or None.
        checkpoint_every: steps between two checkpoints, rounded up to a record.
        resume: whether an existing checkpoint is gone on from.
        identity: of the run, for its checkpoint.
    """

    max_steps: int
    record_every: int
    patience: int | None = None
    tolerance: Tolerance = Tolerance(0.0, 0.0)  # noqa: RUF009
    callback: Callable[[Any], Any] | None = None
    checkpoint: str | os.PathLike[str] | None = None
    checkpoint_every: int = 1
    resume: bool = True
    identity: dict[str, str] = dataclasses.field(default_factory=dict)

    def boundary(self, step: int, longest: int) -> int:
        """Where the chunk after `step` ends: at the next recorded step, or sooner when it may not be that long."""
        following = 1 if step == 0 else (step // self.record_every + 1) * self.record_every
        return min(following, step + longest, self.max_steps)

    def records(self, step: int) -> bool:
        """True for the first step, each `record_every`-th and the last."""
        return step == 1 or step % self.record_every == 0 or step == self.max_steps


@dataclasses.dataclass(frozen=True)
class Progress:
    """What a callback sees.

    Attributes:
        step: steps made so far.
        max_steps: the most there will be.
        record: the chain of this step as plain floats and lists, named as in `Run.history`.
    """

    step: int
    max_steps: int
    record: dict[str, Any]
    _model: Callable[[], Any]

    @property
    def model(self) -> Any:
        """The model after this step."""
        return self._model()


@dataclasses.dataclass
class Outcome:
    """How far training has come.

    Attributes:
        state: weights and the method's memory after `step` steps.
        step: steps made.
        rows: the records, one dict of arrays each, with their step.
        best: the parameters with the lowest validation loss (training loss without validation rows).
        best_step: after how many steps that was.
        best_loss: that loss.
        status: name of the status, "" while training goes on.
        explanation: a sentence in numbers where there is something to explain.
    """

    state: Training
    step: int = 0
    rows: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    best: Any = None
    best_step: int = 0
    best_loss: float = math.inf
    status: str = ""
    explanation: str = ""


def stack(rows: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    """The records as one array a column."""
    return {name: np.stack([np.asarray(row[name]) for row in rows]) for name in rows[0]} if rows else {}
