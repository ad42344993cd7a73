"""`watch`: the chain loss → gradient → update → metric of a PyTorch loop as it is, seen from outside it."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cycloid.train.recordings import Recording

if TYPE_CHECKING:
    import torch

    from cycloid.train.evidence import Evidence
    from cycloid.train.watch_reports import WatchReport

EVALUATED = ("train_loss", "validation_loss", "train_metric", "validation_metric")


def watch(
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer | Sequence[torch.optim.Optimizer],
    *,
    every: int = 10,
    record: str | os.PathLike[str] | None = None,
    replay: bool = True,
) -> Watch:
    """Watch a PyTorch training loop: call it before the loop, and change nothing in it.

        watch = cy.train.watch(model, optimizer)
        for x, y in loader:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
        watch.report()

    At recorded steps it sees the model's inputs and outputs, the operations from there to the loss, the gradients as
    backward leaves them and as the optimizer takes them, and the update Δw; with g = ∇L on the batch

        predicted change = g · Δw,      actual change = L(w + Δw) − L(w) on the same batch,

    the latter by computing the loss again from the model's inputs, with the same random numbers; buffers (running
    means) and the random stream of the loop are left as they were. Between recorded steps it counts.

    Args:
        model: what is trained: any module, or a compiled one.
        optimizer: one, or all that move the model.
        every: steps between two records; the steps 0, 1, 2, 4, 8 ... up to `every` are recorded too.
        record: a file to keep the record in, opened by `cycloid inspect FILE` at any time, also after a kill.
        replay: whether the loss may be computed again; False leaves out the actual change, and what is found by
            trying the model on the batch once more.

    Returns:
        The `Watch`: `report()`, `evidence()`, `log(...)`, `close()`.

    Raises:
        TypeError, ValueError: for a wrong call.

    Cost:
        At a recorded step one forward pass, a copy of the weights, and a few sums over them; see docs/pytorch.md.
        JAX is not loaded.
    """
    return Watch(model, optimizer, every=every, record=record, replay=replay)


class Watch:
    """A watched training loop; made by `watch`, whose arguments it takes.

    Attributes:
        recording: what was seen, row by row.
        every: steps between two records.
        step: updates made so far.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        optimizer: torch.optim.Optimizer | Sequence[torch.optim.Optimizer],
        *,
        every: int = 10,
        record: str | os.PathLike[str] | None = None,
        replay: bool = True,
    ):
        from cycloid.train.watch_loops import Observer

        optimizers = _check(model, optimizer, every)
        self.every, self.step = every, 0
        self.recording = Recording(record)
        self._evaluations: list[dict[str, float]] = []
        self._observer = Observer(self, model, optimizers, replay)

    def records(self, step: int) -> bool:
        """Whether the update of this number is recorded: 0, 1, 2, 4, 8 ... and every `every`-th."""
        return step % self.every == 0 or (step < self.every and step & (step - 1) == 0)

    def log(self, **numbers: float) -> None:
        """Add numbers of your own to the run as it stands.

        Args:
            **numbers: by name; train_loss, validation_loss, train_metric and validation_metric (taken in evaluation
                mode) are read by the diagnosis, all others are kept beside the record.
        """
        entry = {name: float(value) for name, value in numbers.items()}
        self._evaluations.append({"step": self.step, **entry})
        told = [evaluation for evaluation in self._evaluations if set(evaluation) & set(EVALUATED)]
        if told:
            table = {name: np.array([e.get(name, math.nan) for e in told]) for name in EVALUATED}
            if np.isnan(table["train_loss"]).all():
                table["train_loss"] = np.array([self._recent_loss(e["step"]) for e in told])
            kept = {name: column for name, column in table.items() if not np.isnan(column).all()}
            for name in set(EVALUATED) - set(kept):  # it has become NaN throughout
                self.recording.facts.pop(name, None)
            self.recording.note(evaluation_step=np.array([e["step"] for e in told]), **kept)
        others = {name: value for name, value in entry.items() if name not in EVALUATED}
        if others and self.recording.rows:
            self.recording.rows[-1] |= others

    def evidence(self) -> Evidence:
        """What was seen, as plain numbers by name; see `cy.train.Evidence`."""
        self._observer.look_again()
        return self.recording.evidence()

    def report(self, quiet: bool = False) -> WatchReport:
        """The verdict: the chain, what is wrong, why and what to do.

        Args:
            quiet: return it without printing it.
        """
        from cycloid.train.watch_reports import WatchReport

        found = WatchReport.of(self.evidence(), self.recording)
        self.recording.flush()
        if not quiet:
            print(found)
        return found

    def close(self) -> None:
        """Stop watching: every hook is taken away, the file is written; what was seen stays."""
        self._observer.detach()
        self.recording.close()

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *ignored: object) -> None:
        self.close()

    def _recent_loss(self, step: float) -> float:
        """Mean of the recorded batch losses before a step, the last eight: the training loss where none was told."""
        losses = [row["loss"] for row in self.recording.rows if row["step"] <= step][-8:]
        return float(np.mean(losses)) if losses else math.nan


def _check(model: Any, optimizer: Any, every: Any) -> list[torch.optim.Optimizer]:
    """The optimizers as a list, or a TypeError that says what was expected."""
    import torch

    if not isinstance(model, torch.nn.Module):
        raise TypeError(f"watch(model, optimizer) takes a torch.nn.Module; the model was a {type(model).__name__}.")
    optimizers = list(optimizer) if isinstance(optimizer, (list, tuple)) else [optimizer]
    for one in optimizers:
        if not isinstance(one, torch.optim.Optimizer):
            raise TypeError(f"watch(model, optimizer) takes a torch.optim.Optimizer; it was a {type(one).__name__}.")
    if not optimizers:
        raise ValueError("watch(model, optimizer) needs an optimizer; the list was empty.")
    if isinstance(every, bool) or not isinstance(every, int) or every < 1:
        raise ValueError(f"every= is a positive integer; it was {every!r}.")
    return optimizers
