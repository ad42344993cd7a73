"""The training loop on the host: chunks dispatched ahead, records read, and the decision whether to go on."""

from __future__ import annotations

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from cycloid.core.parallel import on_every_device, on_one_device
from cycloid.learn import checkpoints, divergence
from cycloid.learn.chain import unpack
from cycloid.learn.networks import layer_names
from cycloid.learn.plans import Outcome, Plan, Progress, stack
from cycloid.learn.steps import Probes, Recipe, Training, advance, measure_step

# While one chunk is read the next is already running, which keeps one more copy of the weights and the method's
# memory. Above this many bytes a chunk is long and the copy dear, so it is read first.
AHEAD_BYTES = 2**28


@dataclasses.dataclass(frozen=True)
class Chunk:
    """A dispatched chunk: where it began, what it read, and what it will have made."""

    before: Training
    feed: Any
    start: int
    plain: int
    recorded: bool
    after: Training
    record: Any
    losses: Any

    @property
    def end(self) -> int:
        """Steps made when it is done."""
        return self.start + self.plain + 1


class Loop:
    """One training run.

    Args:
        recipe: what is compiled.
        model: where to begin.
        method: an `AbstractGradientMethod` or an `AbstractCurvatureMethod`.
        source: of the batches.
        probes: rows on which losses are watched.
        plan: when to look and to stop.
    """

    def __init__(self, recipe: Recipe, model: Any, method: Any, source: Any, probes: Probes, plan: Plan):
        self.recipe, self.source, self.probes, self.plan = recipe, source, probes, plan
        params, self.static = eqx.partition(model, eqx.is_inexact_array)
        self.layers = layer_names(model)
        placed = on_every_device((jax.tree.map(_traced_rate, method), params, method.init(params)), recipe.mesh)
        self.method, params, memory = placed
        source.place(lambda rows: on_every_device(rows, recipe.mesh))
        self.outcome = Outcome(Training(params, memory), best=params)

    def run(self) -> Outcome:
        """Train until a reason to stop."""
        self._resume()
        out = self.outcome
        pending = None if out.status else self._dispatch(out.state, out.step)
        if pending is None and not out.status:
            self._end()
        while pending is not None:
            ahead = self._dispatch(pending.after, pending.end) if self._may_run_ahead() else None
            self._read(pending)
            if pending.recorded:
                self._keep(last=bool(out.status))
            if out.status:
                break
            pending = ahead or self._dispatch(out.state, out.step)
            if pending is None:
                self._end()
        return out

    def model(self, params: Any) -> Any:
        """The model with these parameters."""
        return eqx.combine(on_one_device(params, self.recipe.mesh), self.static)

    def _dispatch(self, state: Training, step: int) -> Chunk | None:
        """Start the chunk after `step`; None when there is none."""
        if step >= self.plan.max_steps:
            return None
        wanted = self.plan.boundary(step, self.recipe.length) - step
        fed = self.source.feed(step, wanted, self.recipe.length)
        if fed is None:
            return None
        feed, count = fed
        recorded = self.plan.records(step + count) or count < wanted  # the last of a stream is recorded too
        return Chunk(state, feed, step, count - 1, recorded, *self._run(state, feed, count - 1))

    def _run(self, state: Training, feed: Any, plain: int) -> tuple[Training, Any, Any]:
        """(state, record, losses) of a chunk from `state` on."""
        asked = (self.recipe, self.static, self.method, state, feed)
        if self.recipe.accumulate == 1:
            return advance(*asked, self.probes, np.asarray(plain, np.int32))
        after, witness, losses = advance(*asked, None, np.asarray(plain, np.int32))
        seen = on_one_device(witness, self.recipe.mesh)
        return after, measure_step(self.recipe, self.static, seen, self.probes), losses

    def _read(self, chunk: Chunk) -> None:
        """Wait for a chunk, take it into the outcome, and set the status when there is a reason to stop."""
        out = self.outcome
        record, losses = unpack(chunk.record), np.asarray(chunk.losses)[: chunk.plain + 1]
        first_loss = float(out.rows[0]["loss"] if out.rows else losses[0])
        row = {"step": chunk.end, **record}
        if not divergence.is_sound(record, losses, first_loss):
            self._fail(chunk, record, losses, first_loss)
            out.rows.append(row)
            self._report(row)
            return
        out.state, out.step = chunk.after, chunk.end
        if not chunk.recorded:
            return
        out.rows.append(row)
        watched = float(record.get("validation_loss", record["train_loss"]))
        if watched < out.best_loss:
            out.best, out.best_step, out.best_loss = chunk.after.params, chunk.end, watched
        self._decide(record)
        if not self._report(row) and not out.status:
            out.status = "cancelled"

    def _decide(self, record: dict[str, Any]) -> None:
        out, plan = self.outcome, self.plan
        first = float(out.rows[0]["gradient_norm"])
        if not plan.tolerance.is_zero and record["gradient_norm"] <= plan.tolerance.allowed(first):
            out.status = "converged"
        elif plan.patience is not None and out.step - out.best_step >= plan.patience:
            out.status = "stopped_early"
        elif out.step >= plan.max_steps:
            self._end()

    def _end(self) -> None:
        out = self.outcome
        out.status = "all_steps" if self.plan.tolerance.is_zero else "max_steps"
        if out.step < self.plan.max_steps:
            out.explanation = f"The batches ended after {out.step} of {self.plan.max_steps} steps."

    def _fail(self, chunk: Chunk, record: dict[str, Any], losses: np.ndarray, first_loss: float) -> None:
        """Explain a chunk that went wrong, and keep the last weights that gave a finite loss."""
        again = lambda plain: self._run(chunk.before, chunk.feed, plain)
        failure = divergence.explain(
            record,
            losses,
            first_loss=first_loss,
            steps_before=chunk.start,
            layers=self.layers,
            learning_rate=_as_number(self.method),
            record_at=lambda plain: unpack(again(plain)[1]),
        )
        out, steps = self.outcome, failure.finite_steps
        out.state = chunk.before if steps == 0 else again(steps - 1)[0]
        out.step = chunk.start + steps
        out.status, out.explanation = failure.name, failure.explanation

    def _report(self, row: dict[str, Any]) -> bool:
        """Tell the callback; False when it asks to stop."""
        if self.plan.callback is None:
            return True
        out = self.outcome
        record = {name: np.asarray(value).tolist() for name, value in row.items()}
        params = out.state.params
        return (
            self.plan.callback(Progress(row["step"], self.plan.max_steps, record, lambda: self.model(params)))
            is not False
        )

    def _may_run_ahead(self) -> bool:
        size = sum(leaf.nbytes for leaf in jax.tree.leaves(self.outcome.state) if eqx.is_array(leaf))
        return size < AHEAD_BYTES

    def _keep(self, last: bool) -> None:
        """Write the checkpoint when one is due; a run that broke off leaves the last good one."""
        plan, out = self.plan, self.outcome
        if plan.checkpoint is None or out.status in ("nonfinite", "diverged"):
            return
        before = int(out.rows[-2]["step"]) if len(out.rows) > 1 else 0
        if not last and before // plan.checkpoint_every == out.step // plan.checkpoint_every:
            return
        ended = out.status if out.status in ("converged", "stopped_early") else ""
        content = {
            "step": out.step,
            "best_step": out.best_step,
            "best_loss": out.best_loss,
            "status": ended,
            "history": stack(out.rows),
        }
        checkpoints.write(plan.checkpoint, plan.identity, content, {"state": out.state, "best": out.best})

    def _resume(self) -> None:
        plan, out = self.plan, self.outcome
        if plan.checkpoint is None or not plan.resume:
            return
        found = checkpoints.read(plan.checkpoint, plan.identity, {"state": out.state, "best": out.best})
        if found is None:
            return
        content, trees = found
        out.state, out.best = on_every_device((trees["state"], trees["best"]), self.recipe.mesh)
        out.step, out.best_step, out.best_loss = content["step"], content["best_step"], content["best_loss"]
        ended = content["status"]
        out.status = "" if ended == "stopped_early" and plan.patience is None else ended
        history = content["history"]
        out.rows = [{name: column[i] for name, column in history.items()} for i in range(len(history["step"]))]
        self.source.skip(out.step)


def _traced_rate(leaf: Any) -> Any:
    """Numbers as arrays, so that another learning rate does not compile again."""
    return jnp.asarray(leaf) if isinstance(leaf, float) else leaf


def _as_number(method: Any) -> float | None:
    found: Any = getattr(method, "learning_rate", None)
    return float(found) if eqx.is_array(found) and found.ndim == 0 else None
