"""One recorded step of a PyTorch loop: from the call of the model to the update, and what the update did."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from cycloid.train.watch_calls import BACKWARD, Call, begin_call
from cycloid.train.watch_losses import Loss, find_loss
from cycloid.train.watch_parameters import Parameters
from cycloid.train.watch_tape import Tape, tensors_of

Tensors = list[torch.Tensor]


class Window:
    """Everything that is seen of one step; made before it, read and thrown away after it.

    Args:
        model: the module that is watched.
        parameters: of it.
        parts: what the loop may call: the model, and its parts where those are called one by one.
    """

    def __init__(self, model: torch.nn.Module, parameters: Parameters, parts: Sequence[torch.nn.Module]):
        self.model, self.parts = model, parts
        self.calls: list[Call] = []
        self.losses: Tensors = []  # what backward was called on, without graph
        self.tape = Tape()
        self.trained = parameters.trained()
        self.before: Tensors = []  # the weights before the update
        self.live: Tensors = []  # the parameters that have a gradient when the optimizer comes
        self.used: Tensors = []  # their gradients as the optimizer takes them
        self.used_norms: Tensors = []
        self.raw_norms: Tensors = []  # of the gradients of the loss, before they were clipped or unscaled
        self.fresh_norms: Tensors = []  # of this batch's part, where older gradients were still there
        self.fresh_known = False
        self.inside_step = False
        self._handles: list[Any] = []
        self._depth = 0
        self._roots: Tensors = []
        self._calls_seen = 0
        self._before_backward: tuple[list[Any], Tensors] = ([], [])
        self._cleared = False

    # -- seeing -------------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Listen to the model's calls and to backward."""
        for module in self.parts:
            self._handles.append(module.register_forward_pre_hook(self._enter, with_kwargs=True))
            self._handles.append(module.register_forward_hook(self._leave, with_kwargs=True, always_call=True))
        BACKWARD.add(self)

    def close(self) -> None:
        """Listen no more."""
        for handle in self._handles:
            handle.remove()
        self._handles = []
        BACKWARD.remove(self)
        self.tape.sleep()

    def _enter(self, module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._depth += 1
        if self._depth == 1 and torch.is_grad_enabled():
            self.tape.sleep()
            self.calls.append(begin_call(module, args, kwargs))

    def _leave(self, module: torch.nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        self._depth = max(0, self._depth - 1)
        if self._depth == 0 and torch.is_grad_enabled() and self.calls:
            call = self.calls[-1]
            call.output = output
            self.tape.add_call(call.again, call.args, call.kwargs, output)
            self.tape.wake()

    def before_backward(self, roots: Tensors) -> None:
        """Backward is about to be called on `roots`."""
        self.tape.sleep()
        gradients = [dense(t.grad) for t in self.trained if t.grad is not None]
        marks = [(id(g), g._version) for g in gradients]
        norm = float(_stacked(norms(gradients)).sum()) if gradients else 0.0
        older = [] if norm == 0 or self._cleared else [g.clone() for g in gradients]
        self._before_backward = (marks, older)
        if norm == 0:  # cleared: what was seen before has nothing to do with the coming update
            self._cleared = True
            self.losses, self._roots = [], []
            self.calls, self._calls_seen = self.calls[self._calls_seen :], 0

    def after_backward(self, roots: Tensors) -> None:
        """Backward has added to the gradients; if not to ours, this was somebody else's."""
        gradients = [(t, dense(t.grad)) for t in self.trained if t.grad is not None]
        marks, older = self._before_backward
        if [(id(g), g._version) for _, g in gradients] == marks or not gradients:
            return
        self._calls_seen = len(self.calls)
        self._roots += [root for root in roots if root.numel() == 1]
        self.losses += [self.tape.value(root).detach() for root in roots if root.numel() == 1]
        self.raw_norms = norms([g for _, g in gradients])
        if older and len(older) == len(gradients):
            self.fresh_norms = norms([g - o for (_, g), o in zip(gradients, older)])
        self.fresh_known = True
        if self.inside_step:  # a closure: later calls of it stand at other weights
            self.live, self.used = [t for t, _ in gradients], [dense(g).clone() for _, g in gradients]
            self.used_norms = norms(self.used)
            self.close()

    def before_step(self) -> None:
        """The optimizer is about to move the weights."""
        self.inside_step = True
        if not self.before:
            self.before = [t.detach().clone() for t in self.trained]
        self.live = [t for t in self.trained if t.grad is not None]
        self.used = [dense(t.grad) for t in self.live if t.grad is not None]
        self.used_norms = norms(self.used)

    def assume(self, other: Window) -> None:
        """Take it that this step's loss is computed as that of another step was, from the output of its one call."""
        self._roots = other._roots
        self.tape.operations = [
            dataclasses.replace(o, function=self.calls[0].again, args=self.calls[0].args, kwargs=self.calls[0].kwargs)
            if o.function == other.calls[0].again
            else o
            for o in other.tape.operations
        ]

    # -- reading ------------------------------------------------------------------------------------------------------

    def replay(self, *also: torch.Tensor) -> Tensors | None:
        """The loss, and what else is wanted, for the weights as they are now; None where that cannot be done.

        Args:
            *also: further tensors that the loop made of the model's outputs, such as what its loss was given.
        """
        if not self._roots or not self.tape.complete:
            return None
        made = self.tape.replay({}, [*self._roots, *also])
        if made is None:
            return None
        losses, others = made[: len(self._roots)], made[len(self._roots) :]
        return [sum(losses[1:], losses[0]), *others]

    def ahead(self, factor: float) -> torch.Tensor | None:
        """The loss at w + factor Δw; the weights are put back as they are."""
        now = [t.detach().clone() for t in self.trained]
        with torch.no_grad():
            for t, old, new in zip(self.trained, self.before, now):
                t.copy_(old + factor * (new - old))
            found = self.replay()
            for t, new in zip(self.trained, now):
                t.copy_(new)
        return None if found is None else found[0]

    @property
    def root(self) -> torch.Tensor | None:
        """What backward was called on last."""
        return self._roots[-1] if self._roots else None

    def is_finite(self) -> bool:
        """Whether loss and gradients are; on a GPU this waits for them."""
        total = _stacked(self.used_norms).sum() if self.used_norms else torch.zeros(())
        return math.isfinite(sum(float(loss) for loss in self.losses) + float(total))

    def find_loss(self) -> Loss | None:
        """The loss function that this step's loop has used."""
        return find_loss(self.tape, [t for call in self.calls for t in tensors_of(call.output)], self.root)

    def rounding(self) -> float:
        """Relative rounding of the loss: of the lowest precision in which it was computed."""
        kinds = [call.autocast[1] for call in self.calls if call.autocast] + [loss.dtype for loss in self.losses]
        return max((torch.finfo(kind).eps for kind in kinds if kind.is_floating_point), default=0.0)

    def scale(self) -> torch.Tensor | None:
        """The factor of a gradient scaler."""
        return None if self.root is None else self.tape.scale(self.root)

    def loss(self) -> torch.Tensor | None:
        """The sum of what backward was called on; None when that was not seen."""
        return sum(self.losses[1:], self.losses[0]) if self.losses else None

    def numbers(self, previous: tuple[Tensors, Tensors] | None) -> dict[str, Tensors]:
        """The chain of this step, as scalars on the device: read them with `fetch`.

        Args:
            previous: the gradients at the record before, and their norms.
        """
        old = dict(zip(map(id, self.trained), self.before))
        moved = foreach("sub")([t.detach() for t in self.live], [old[id(t)] for t in self.live])
        count = len(self.live)
        found = {
            "gradient_norms": self.used_norms,
            "raw": self.raw_norms if len(self.raw_norms) == count else [],
            "fresh": self.fresh_norms if len(self.fresh_norms) == count else [],
            "update_norms": norms(moved),
            "weight_norms": norms(self.before),
            "slopes": [torch.dot(g.flatten(), d.flatten().to(g.dtype)) for g, d in zip(self.used, moved)],
        }
        if previous is not None and len(previous[0]) == count:
            found["turns"] = [torch.dot(g.flatten(), p.flatten()) for g, p in zip(self.used, previous[0])]
            found["previous"] = previous[1]
        return found


def norms(tensors: Sequence[torch.Tensor]) -> Tensors:
    """Euclidean norms, in at least single precision; of dense tensors."""
    if not tensors:
        return []
    low = tensors[0].dtype in (torch.float16, torch.bfloat16)
    return list(foreach("norm")(tensors, 2, torch.float32) if low else foreach("norm")(tensors))


def foreach(name: str) -> Any:
    """A function of PyTorch over many tensors at once, as its own optimizers use it."""
    return getattr(torch, f"_foreach_{name}")


def fetch(groups: dict[str, Tensors]) -> dict[str, np.ndarray]:
    """Scalars on the device as arrays on the host, in one transfer; those of a group are of one dtype and device."""
    known = {name: _stacked(tensors) for name, tensors in groups.items() if tensors}
    if not known:
        return {name: np.zeros(0) for name in groups}
    home = next(iter(known.values())).device
    exact = torch.float32 if home.type == "mps" else torch.float64
    values = torch.cat([group.to(home, exact) for group in known.values()]).cpu().numpy()
    ends = np.cumsum([len(groups[name]) for name in known])
    found = {name: values[end - len(groups[name]) : end] for name, end in zip(known, ends)}
    return {name: found.get(name, np.zeros(0)) for name in groups}


def _stacked(scalars: Tensors) -> torch.Tensor:
    """Scalars as one vector; of several dtypes or devices in a model of mixed parts, taken to those of the first."""
    first = scalars[0]
    alike = all(s.dtype == first.dtype and s.device == first.device for s in scalars)
    return torch.stack(scalars if alike else [s.to(first) for s in scalars]).reshape(-1)


def dense(tensor: torch.Tensor) -> torch.Tensor:
    """A sparse gradient, of an embedding, written out."""
    return tensor.to_dense() if tensor.is_sparse else tensor


def divide(above: float, below: float) -> float:
    """NaN where there is nothing to divide by."""
    return above / below if below and math.isfinite(below) else math.nan


def callable_parts(model: torch.nn.Module) -> list[torch.nn.Module]:
    """The model, and the parts that a loop may call one by one; a list of modules is never called itself."""
    parts = [model]
    for child in model.children():
        holder = isinstance(child, (torch.nn.ModuleList, torch.nn.ModuleDict))
        parts += list(child.children()) if holder else [child]
    return list(dict.fromkeys(parts))
