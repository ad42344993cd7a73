"""The observer of a PyTorch loop: it waits for the next step to record, and turns what it saw into a row."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from cycloid.train.watch_calls import begin_call, mode_of
from cycloid.train.watch_examination import examine
from cycloid.train.watch_layers import kind_of
from cycloid.train.watch_losses import Loss
from cycloid.train.watch_nonfinite import hunt
from cycloid.train.watch_parameters import Parameters, facts_of, rate_of
from cycloid.train.watch_windows import Window, callable_parts, divide, fetch

if TYPE_CHECKING:
    from cycloid.train.watching import Watch

# Share of the loop's time that our own part of records may take, at every k-th step: 0.3 k^-0.7 is 6 % for every tenth
# and 1.2 % for every hundredth; what listening adds to the loop's own part comes to it. From the tenth of these steps
# on a record that comes too soon leaves out what needs the loss again.
ALLOWED, POWER, LEAST = 0.3, -0.7, 10
FRUGAL = "To stay within"  # how the note on it begins
SAME = 1e-4  # relative: two losses of the same batch and weights that differ by more are not of one function


class Observer:
    """Hooks on the optimizers, and on the model while a step is recorded.

    Args:
        watch: whose record is filled.
        model: the module.
        optimizers: all that move it.
        replay: whether the loss may be computed again.
    """

    def __init__(self, watch: Watch, model: torch.nn.Module, optimizers: list[torch.optim.Optimizer], replay: bool):
        self.watch, self.model, self.optimizers, self.replay = watch, model, optimizers, replay
        self.parameters = Parameters(model, optimizers)
        self.window: Window | None = None
        self.last: Window | None = None  # the newest that was read
        self.loss: Loss | None = None
        self._gradients: tuple[list[torch.Tensor], list[torch.Tensor]] | None = None  # at the record before, and norms
        self.found_nonfinite = False
        self._versions: list[int] = []
        self._parts = callable_parts(model)
        self._stepped: set[int] = set()
        self._handles = []
        for optimizer in optimizers:
            self._handles.append(optimizer.register_step_pre_hook(self._busy(self._before_step)))
            self._handles.append(optimizer.register_step_post_hook(self._busy(self._after_step)))
        self._handles.append(model.register_forward_pre_hook(self._remember, with_kwargs=True))
        self._newest: tuple[Any, Any] | None = None  # what the model was called with last
        self._at_work = False  # while the model is called by us and not by the loop
        self._own, self._began, self._spared = 0.0, time.perf_counter(), 0
        self._probed, self._opening = False, self.loss
        self._judged: set[str] = set()  # layers that were in training mode when the loop judged the model
        self._probe = _smallest(self.parameters)
        watch.recording.note(framework="torch", **facts_of(optimizers[0]), **self.parameters.facts())
        self._arm()

    def detach(self) -> None:
        """Take every hook away."""
        for handle in self._handles:
            handle.remove()
        self._handles = []
        if self.window is not None:
            self.window.close()
            self.window = None

    # -- the optimizer's hooks ----------------------------------------------------------------------------------------

    def _arm(self) -> None:
        """Listen to the coming step."""
        self.window = Window(self.model, self.parameters, self._parts)
        self._stepped, self.loss = set(), None
        self.window.open()

    def _before_step(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        if self.window is None:
            self._glance()
            return
        first = not self._stepped
        closure = len(args) > 1 or kwargs.get("closure") is not None
        if not closure:
            self.window.close()
        if first:
            self.window.before_step()
            if not closure:
                self._begin(self.window)

    def _after_step(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        watch = self.watch
        if self.window is not None:
            self._stepped.add(id(optimizer))
            if len(self._stepped) < len(self.optimizers):
                return
            self.window.close()
            self._read(self.window)
            self.last, self.window = self.window, None
        elif optimizer is not self.optimizers[-1]:
            return
        watch.step += 1
        if watch.records(watch.step):
            self._arm()

    def _remember(self, model: torch.nn.Module, args: Any, kwargs: Any) -> None:
        """Between records: hold on to the newest inputs, in case their loss turns out to be NaN."""
        if torch.is_grad_enabled():
            self._newest = (args, kwargs)
        elif model.training and not self._at_work:
            parts = model.named_modules()
            self._judged |= {n for n, part in parts if part.training and kind_of(part) in ("batch norm", "dropout")}

    def _busy(self, function: Callable[..., None]) -> Callable[..., None]:
        """The function, marked as ours while it runs."""

        def run(*args: Any, **kwargs: Any) -> None:
            self._at_work, began = True, time.perf_counter()
            try:
                function(*args, **kwargs)
            finally:
                self._at_work = False
                self._own += time.perf_counter() - began

        return run

    def _hurries(self) -> bool:
        """Whether records have taken more than their share of the time, so that this one must be short."""
        every = self.watch.every
        if every < LEAST or self.watch.step < LEAST * every:
            return False
        return self._own > ALLOWED * every**POWER * (time.perf_counter() - self._began)

    def _glance(self) -> None:
        """Between records: is the smallest of the gradients finite? The weights still are when it first is not."""
        gradient = self._probe.grad if self._probe is not None else None
        if self.found_nonfinite or gradient is None or not gradient.is_cpu or math.isfinite(gradient.sum().item()):
            return
        last = self.last
        window = Window(self.model, self.parameters, self._parts)
        if self._newest is not None:
            window.calls = [begin_call(self.model, *self._newest)]
        if last is not None and len(last.calls) == 1 and window.calls:
            window.assume(last)
        self._hunt(window)

    # -- reading ------------------------------------------------------------------------------------------------------

    def _begin(self, window: Window) -> None:
        """Before the update, while the weights are those of the gradient: what must be looked at now."""
        self.loss = window.find_loss()
        recording = self.watch.recording
        count = len(recording.rows)
        if not self.found_nonfinite and not window.is_finite():
            self._hunt(window)
        elif self.replay and count & (count - 1) == 0 and not self._hurries():
            # At the records 0, 1, 2, 4, 8 ... a closer look is taken.
            if count == 0:
                self._try(window)
            self._look(window, probe=self.watch.step >= LEAST * self.watch.every)

    def _try(self, window: Window) -> None:
        """Does the loss computed again agree with the loop's own?"""
        with torch.no_grad():
            seen, found = window.loss(), window.replay()
        if seen is None or found is None:
            return
        first, again = float(seen), float(found[0])
        if math.isfinite(first) and abs(again - first) > (SAME + 8 * window.rounding()) * max(abs(first), abs(again)):
            self.replay = False
            self._note(
                f"The model gave the loss {again:.6g} for the batch and weights for which the loop had {first:.6g}, so "
                f"it holds chance or memory of its own: the actual change of the loss is left out."
            )

    def _look(self, window: Window, probe: bool = True) -> None:
        """A closer look; what goes wrong in it is a remark, and never the end of the user's loop."""
        facts = self.watch.recording.facts
        first, probe = "layers" not in facts, probe and not self._probed
        if first:
            self._opening = self.loss
        loss = (
            self._opening if probe else self.loss
        )  # what the loss does shows best at predictions of an untrained model
        self._probed |= probe
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the loop's own call gave them
                self.watch.recording.note(**examine(window, self.parameters, loss, first=first, probe=probe))
        except Exception as error:
            self._note(f"A closer look at the model failed: {type(error).__name__}: {error}")

    def _hunt(self, window: Window) -> None:
        """Find the operation that made the first NaN or infinity."""
        self.found_nonfinite = True
        try:
            self.watch.recording.note(**hunt(window, self.parameters, self.watch.step))
        except Exception as error:
            self._note(f"The search for the NaN failed: {type(error).__name__}: {error}")
        self.watch.recording.flush()

    def _note(self, sentence: str) -> None:
        known = [note for note in self.watch.recording.facts.get("notes", ()) if not note.startswith(FRUGAL)]
        self.watch.recording.note(notes=tuple(dict.fromkeys((*known, sentence))))

    def look_again(self) -> None:
        """The closer look at the newest recorded step, with the weights as they are now."""
        last = self.last
        if last is not None and last.calls and self.replay and not self.found_nonfinite:
            call = last.calls[-1]
            with mode_of(call.module, call.training):  # the loop may have gone on to evaluate
                self._busy(self._look)(last)
        rows = self.watch.recording.rows
        if rows and math.isfinite(rows[0]["loss"]):
            self.watch.recording.note(initial_loss=rows[0]["loss"])
        if self._spared:
            limit = ALLOWED * self.watch.every**POWER
            self._note(
                f"{FRUGAL} {limit:.1%} of the loop's time, {self._spared} of {len(self.watch.recording.rows)} records "
                f"leave out the actual change of the loss."
            )
        layers = self.watch.recording.facts.get("layers", ())
        if layers:
            self.watch.recording.note(evaluation_mode_training=np.array([name in self._judged for name in layers]))

    def _read(self, window: Window) -> None:
        """The row of a recorded step."""
        if self.loss is None:
            self.loss = window.find_loss()
        hurries = self._hurries()
        self._spared += hurries
        groups = window.numbers(None if hurries else self._previous())
        seen, scale = window.loss(), window.scale()
        groups |= {"loss": [] if seen is None else [seen], "scale": [] if scale is None else [scale]}
        groups |= {} if hurries else self._again(window)
        row = chain(fetch(groups), self.parameters, window.live, window.rounding())
        count = len(self.watch.recording.rows)
        if self.replay and not hurries and count & (count - 1) == 0 and math.isnan(row["line_minimum"]):
            row["line_minimum"] = self._reach(window, row)
        row |= {"step": self.watch.step, "learning_rate": rate_of(self.optimizers[0])}
        if self.loss is not None and self.loss.target.numel():  # how batches differ tells whether rows are shuffled
            target = self.loss.target.detach().double()
            row["batch_target_mean"] = float(target.mean())
            row["batch_target_deviation"] = float(target.std(unbiased=False))
        self._gradients = window.used, window.used_norms  # compared with the next record's; no copy is made
        self._versions = [g._version for g in window.used]
        self.watch.recording.add(row)
        if window.calls and all(call.module is self.model for call in window.calls):
            self._parts = [self.model]  # its parts are not called one by one

    def _reach(self, window: Window, row: dict[str, Any]) -> float:
        """The minimum along the update, found from further away: one step alone bends less than the loss is rounded."""
        predicted, loss = row["predicted_change"], row["loss"]
        if not predicted < 0:
            return math.nan
        for factor in (30.0, 1e3, 3e4, 1e6):
            found = window.ahead(factor)
            if found is None or not math.isfinite(float(found)):
                return math.nan
            change = float(found) - loss
            nearest = line_minimum(factor * predicted, change, window.rounding() * abs(loss))
            if not math.isnan(nearest):
                return factor * nearest
        return math.nan

    def _again(self, window: Window) -> dict[str, list[torch.Tensor]]:
        """Loss and metric for the weights after the update, and the metric before."""
        loss = self.loss
        wanted = [] if loss is None else [loss.prediction]
        with torch.no_grad():
            found = window.replay(*wanted) if self.replay else None
        if found is None:
            return {}
        groups = {"after": found[:1]}
        if loss is None:
            return groups
        pairs = [loss.metric(prediction) for prediction in (loss.prediction.detach(), found[1])]
        for name, pair in zip(("metric_before", "metric"), pairs):
            if pair is not None:
                groups[name] = [pair[1]]
                self.watch.recording.note(metric_name=pair[0], metric_better="higher")
        return groups

    def _previous(self) -> tuple[list[torch.Tensor], list[torch.Tensor]] | None:
        """Gradients and their norms at the record before, unless the loop has written over them since."""
        kept = self._gradients
        return kept if kept and [g._version for g in kept[0]] == self._versions else None


def _smallest(parameters: Parameters) -> torch.Tensor | None:
    """The smallest parameter that is trained; a NaN in the loss reaches them all."""
    trained = [t for t in parameters.updated if t.requires_grad and not t.is_sparse]
    return min(trained, key=lambda t: t.numel(), default=None)


def chain(
    numbers: dict[str, np.ndarray], parameters: Parameters, gradients: list[torch.Tensor], rounding: float
) -> dict[str, Any]:
    """The row of a step from its scalars: fields of `Evidence`, and the further columns of `Run.history`.

    Args:
        numbers: from `Window.numbers`, with "loss", "after", "scale" where they are known.
        parameters: of the model.
        gradients: those parameters that had one.
        rounding: of the loss, relative.
    """
    live = parameters.places(gradients)
    one = lambda name: float(numbers[name][0]) if len(numbers.get(name, ())) else math.nan
    used, raw, fresh = numbers["gradient_norms"], numbers["raw"], numbers["fresh"]
    # What the loop did to the gradients between backward and step (clipping, a scaler) is undone, array by array.
    scale = one("scale") if len(numbers.get("scale", ())) else 1.0
    raw = raw / scale if len(raw) else used
    undo = np.divide(raw, used, out=np.ones_like(raw), where=used > 0)
    gradient, update = float(np.linalg.norm(raw)), float(np.linalg.norm(numbers["update_norms"]))
    predicted = float(np.sum(numbers["slopes"] * undo)) if len(live) else math.nan
    loss, after = one("loss"), one("after")
    actual = after - loss
    straight = predicted / (gradient * update) if gradient * update > 0 else math.nan
    return {
        "loss": loss,
        "loss_after": after,
        "gradient_norm": gradient,
        "predicted_change": predicted,
        "actual_change": actual,
        "ratio": divide(actual, predicted),
        "cosine": -straight,
        "line_minimum": line_minimum(predicted, actual, rounding * abs(loss)),
        "gradient_cosine": _turn(numbers, used),
        "update_norm": update,
        "clip": divide(float(np.linalg.norm(used)), gradient),
        "gradient_norms": parameters.row(live, used),
        "fresh_gradient_norms": parameters.row(live, fresh / scale if len(fresh) else raw),
        "missing_gradients": parameters.row(live, 0.0, missing=1.0) > 0,
        "update_norms": parameters.row(live, numbers["update_norms"]),
        "weight_norms": parameters.row(parameters.trained_places, numbers["weight_norms"]),
        **{name: one(name) for name in ("metric_before", "metric") if len(numbers.get(name, ()))},
    }


def line_minimum(predicted: float, actual: float, rounding: float) -> float:
    """Where along the update the parabola through L(0), its slope g·Δw, and L(Δw) is lowest, in updates.

    φ(t) = predicted t + (actual − predicted) t² has its minimum at predicted / (2 (predicted − actual)); NaN where it
    bends downwards, or by less than eight times the rounding of the loss.
    """
    bend = actual - predicted
    if not bend > 8 * rounding:
        return math.nan
    return -predicted / (2 * bend)


def _turn(numbers: dict[str, np.ndarray], used: np.ndarray) -> float:
    """The cosine between this gradient and that of the record before."""
    if not len(numbers.get("turns", ())):
        return math.nan
    return divide(float(numbers["turns"].sum()), float(np.linalg.norm(used) * np.linalg.norm(numbers["previous"])))
