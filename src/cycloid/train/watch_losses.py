"""Which loss a loop computes: found among the operations between the model's outputs and backward."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch

from cycloid.train.watch_tape import Operation, Tape

# function -> (its name in words, what it takes as predictions)
KNOWN = {
    "cross_entropy": ("cross entropy", "logits"),
    "nll_loss": ("negative log likelihood", "log probabilities"),
    "mse_loss": ("mse", "values"),
    "l1_loss": ("mae", "values"),
    "smooth_l1_loss": ("smooth l1", "values"),
    "huber_loss": ("huber", "values"),
    "binary_cross_entropy": ("binary cross entropy", "probabilities"),
    "binary_cross_entropy_with_logits": ("binary cross entropy", "logits"),
    "soft_margin_loss": ("soft margin", "logits"),
    "multi_margin_loss": ("multi margin", "logits"),
    "kl_div": ("kl divergence", "log probabilities"),
    "poisson_nll_loss": ("poisson", "values"),
}
_DIFFERENCES = ("sub", "rsub")
# How a mean of squares or of distances is written by hand: what may follow the difference of prediction and target.
_BY_HAND = {
    "mse": ({"pow", "square", "mul"}, {"mean"}),
    "mae": ({"abs"}, {"mean"}),
}


@dataclasses.dataclass
class Loss:
    """The loss of one step.

    Attributes:
        name: in words; "custom" for what is none of the known ones.
        expects: what it takes as predictions; None where that is not known.
        prediction: what it was given as prediction.
        target: what it was given as target.
        function: the name of the function, "" for one written by hand.
        tape: that saw it.
        root: what backward was called on.
    """

    name: str
    expects: str | None
    prediction: torch.Tensor
    target: torch.Tensor
    function: str
    tape: Tape
    root: torch.Tensor

    @property
    def task(self) -> str:
        """ "multiclass", "binary", "regression" or "other"."""
        if self.function in ("cross_entropy", "nll_loss", "multi_margin_loss"):
            return "multiclass"
        if "binary_cross_entropy" in self.function or self.function == "soft_margin_loss":
            return "binary"
        return "regression" if self.target.is_floating_point() and self.expects == "values" else "other"

    def of(self, prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor | None:
        """The loss of other predictions and targets, by the loop's own operations."""
        known = {id(self.prediction): prediction, id(self.target): target}
        with torch.no_grad():
            found = self.tape.replay(known, [self.root])
        return None if found is None else found[0]

    def metric(self, prediction: torch.Tensor) -> tuple[str, torch.Tensor] | None:
        """Accuracy or R² of predictions for the targets of this step."""
        target = self.target
        if self.task == "multiclass" and not target.is_floating_point() and prediction.ndim > 1:
            return "accuracy", (prediction.argmax(1) == target).double().mean()
        if self.task == "binary" and prediction.shape == target.shape:
            middle = 0.5 if self.expects == "probabilities" else 0.0
            return "accuracy", ((prediction > middle) == (target > 0.5)).double().mean()
        if self.task == "regression" and prediction.numel() == target.numel():
            target = target.reshape(-1).double()
            left = (prediction.reshape(-1).double() - target).square().sum()
            return "r2", 1 - left / (target - target.mean()).square().sum()
        return None


def find_loss(tape: Tape, outputs: list[torch.Tensor], root: torch.Tensor | None) -> Loss | None:
    """The loss among the operations of a tape: one that is known by name, or the first difference with a target."""
    if root is None:
        return None
    for operation in reversed(tape.operations):
        if operation.name in KNOWN:
            prediction, target = _pair(operation)
            if prediction is not None and target is not None:
                return Loss(*KNOWN[operation.name], prediction, target, operation.name, tape, root)
    made = {id(tensor) for tensor in outputs}
    for operation in tape.operations:
        made |= {id(operation.result)} if _depends(operation, made) else set()
        tensors = [t for t in operation.args if isinstance(t, torch.Tensor)]
        if len(tensors) < 2 or operation.name not in (*_DIFFERENCES, "mul", "gather"):
            continue
        ours, theirs = ([t for t in tensors if (id(t) in made) is flag] for flag in (True, False))
        if ours and theirs and not theirs[0].requires_grad and theirs[0].ndim:
            name = _by_hand(tape, operation)
            return Loss(name, "values" if name in _BY_HAND else None, ours[0], theirs[0], "", tape, root)
    return None


def _depends(operation: Operation, made: set[int]) -> bool:
    return any(id(arg) in made for arg in operation.args)


def _pair(operation: Operation) -> tuple[Any, Any]:
    """(prediction, target) of a loss function of PyTorch, given by place or by name."""
    names = ("input", "target")
    given = [operation.args[i] if i < len(operation.args) else operation.kwargs.get(names[i]) for i in (0, 1)]
    return (given[0], given[1]) if all(isinstance(tensor, torch.Tensor) for tensor in given) else (None, None)


def _by_hand(tape: Tape, difference: Operation) -> str:
    """The name of a loss whose first operation is a difference."""
    after = {operation.name for operation in tape.operations[tape.operations.index(difference) + 1 :]}
    if difference.name not in _DIFFERENCES:
        return "custom"
    for name, (middle, end) in _BY_HAND.items():
        if after & middle and after & end and not after - middle - end:
            return name
    return "custom"
