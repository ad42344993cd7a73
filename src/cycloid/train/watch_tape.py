"""From a model's outputs to the loss: every operation of a loop's own code, kept so that it can be computed again."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

Tensors = dict[int, torch.Tensor]
MOST_OPERATIONS = 2_000  # in the loss of one step: beyond it the tape is given up, not the step


@dataclasses.dataclass
class Operation:
    """One call of a PyTorch function on something that depends on the weights."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    result: Any
    repeatable: bool
    autocast: Any

    @property
    def name(self) -> str:
        """Its name, without the underscores of operators."""
        return getattr(self.function, "__name__", "operation").strip("_")

    def again(self, known: Tensors) -> Any:
        """Compute it with other tensors in place of those that are known."""
        if any(isinstance(arg, (list, tuple, dict)) for arg in (*self.args, *self.kwargs.values())):
            args, kwargs = pytree.tree_map(lambda leaf: known.get(id(leaf), leaf), (self.args, self.kwargs))
        else:
            args = tuple(known.get(id(arg), arg) for arg in self.args)
            kwargs = {name: known.get(id(arg), arg) for name, arg in self.kwargs.items()}
        with contextlib.nullcontext() if self.autocast is None else torch.autocast(*self.autocast):
            return self.function(*args, **kwargs)


def autocast_of(device: str) -> tuple[str, torch.dtype] | None:
    """(device, dtype) of the mixed precision that is on, or None."""
    return (device, torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else None


def tensors_in(*trees: Any) -> list[torch.Tensor]:
    """The tensors in these, looked for in lists, tuples and dicts too."""
    found = []
    for tree in trees:
        if isinstance(tree, torch.Tensor):
            found.append(tree)
        elif isinstance(tree, (list, tuple, dict)):
            found += [leaf for leaf in pytree.tree_leaves(tree) if isinstance(leaf, torch.Tensor)]
    return found


def tensors_of(tree: Any) -> list[torch.Tensor]:
    """The same, and of a plain object those that are its attributes: a model's output may be of a class of its own."""
    found = tensors_in(tree)
    return found or [leaf for leaf in getattr(tree, "__dict__", {}).values() if isinstance(leaf, torch.Tensor)]


def _called_by(file: str) -> bool:
    """Whether a function of this file called the operation that is being added."""
    frame = sys._getframe(2)
    for _ in range(8):
        if frame is None or frame.f_code.co_filename.endswith(file):
            return frame is not None
        frame = frame.f_back
    return False


class Tape(TorchFunctionMode):
    """Sees what a loop does with a model's outputs, from the model's return to the call of backward.

    A mode lies on a stack that user code may use as well (`with torch.device(...)` is one): it is pushed and popped
    only where it is on top, and otherwise left where it is, asleep.
    """

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[Operation] = []
        self.known: set[int] = set()
        self.scaled: dict[int, int] = {}  # what a gradient scaler made -> what it was made of
        self._kept: list[Any] = []  # so that the numbers that name tensors are not given out again
        self._awake = False
        self._entered = False
        self.complete = True

    def follow(self, tree: Any) -> None:
        """From now on these tensors, and what is made of them, are of interest."""
        leaves = tensors_in(tree)
        self._kept.extend(leaves)
        self.known.update(map(id, leaves))

    def wake(self) -> None:
        """Begin to listen."""
        if self._entered:
            self._awake = True
        elif torch._C._len_torch_function_stack() == 0:
            self.__enter__()
            self._entered = self._awake = True
        else:
            self.complete = False  # another mode is at work: its order of leaving is not ours to disturb

    def sleep(self) -> None:
        """Stop listening, and leave the stack where that can be done."""
        self._awake = False
        depth = torch._C._len_torch_function_stack()
        if self._entered and depth and torch._C._get_function_stack_at(depth - 1) is self:
            self.__exit__(None, None, None)
            self._entered = False

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if not self._awake:
            return func(*args, **kwargs)
        leaves = tensors_in(*args, *kwargs.values())
        if not any(id(leaf) in self.known or (leaf.is_leaf and leaf.requires_grad) for leaf in leaves):
            return func(*args, **kwargs)
        repeatable = self._is_repeatable(func, args)
        result = func(*args, **kwargs)
        if tensors_in(result):
            self._add(Operation(func, args, kwargs, result, repeatable, autocast_of(leaves[0].device.type)))
        return result

    def _add(self, operation: Operation) -> None:
        if len(self.operations) >= MOST_OPERATIONS:
            self.complete = False
            return
        # GradScaler.scale multiplies the loss by a power of two; what is of interest is the loss.
        if _called_by("grad_scaler.py"):
            self.scaled[id(operation.result)] = id(operation.args[0])
        self.operations.append(operation)
        self.follow(operation.result)

    def add_call(self, again: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        """A call of the model: `again` makes it once more and returns the tensors of its output."""
        self._add(Operation(again, args, kwargs, tensors_of(output), True, None))

    def _is_repeatable(self, func: Callable[..., Any], args: tuple[Any, ...]) -> bool:
        """False for `total += loss`, a running total of the loop's own: to compute it again would add twice."""
        name = getattr(func, "__name__", "")
        in_place = name == "__setitem__" or name.startswith("__i") or (name.endswith("_") and not name.endswith("__"))
        return not (in_place and args and isinstance(args[0], torch.Tensor) and id(args[0]) not in self.known)

    def replay(self, known: Tensors, wanted: list[torch.Tensor]) -> list[torch.Tensor] | None:
        """The wanted tensors, computed again with others in place of some.

        Args:
            known: `id` of a tensor of the first time -> the tensor to take instead.
            wanted: tensors of the first time.

        Returns:
            One tensor for each; None when one of them was not made by what the tape has seen.
        """
        known = dict(known)
        needed = self._needed(known, [self.unscaled(tensor) for tensor in wanted])
        if not all(operation.repeatable for operation in needed):
            return None
        for operation in needed:
            made = operation.again(known)
            known |= {id(old): new for old, new in zip(tensors_in(operation.result), tensors_in(made))}
        found = [known.get(self.unscaled(tensor)) for tensor in wanted]
        return None if any(tensor is None for tensor in found) else found  # pyright: ignore[reportReturnType]

    def unscaled(self, tensor: torch.Tensor) -> int:
        """`id` of the loss that a gradient scaler was given, for what it made; of the tensor itself otherwise."""
        return self.scaled.get(id(tensor), id(tensor))

    def value(self, tensor: torch.Tensor) -> torch.Tensor:
        """The tensor, or the loss that a gradient scaler made it of."""
        name = self.unscaled(tensor)
        return next((leaf for leaf in self._kept if id(leaf) == name), tensor) if name != id(tensor) else tensor

    def scale(self, tensor: torch.Tensor) -> torch.Tensor | None:
        """By what a gradient scaler multiplied the loss, where this tensor is its product."""
        if id(tensor) not in self.scaled:
            return None
        factors = (op.args[1] for op in self.operations if op.result is tensor and len(op.args) > 1)
        return next((factor for factor in factors if isinstance(factor, torch.Tensor)), None)

    def _needed(self, known: Tensors, wanted: list[int]) -> list[Operation]:
        """The operations that lead to what is wanted and are not known, in order."""
        missing, chosen = set(wanted) - set(known), []
        for operation in reversed(self.operations):
            if any(id(tensor) in missing for tensor in tensors_in(operation.result)):
                chosen.append(operation)
                used = tensors_in(*operation.args, *operation.kwargs.values())
                missing |= {id(tensor) for tensor in used} - known.keys()
        return chosen[::-1]

    def clear(self) -> None:
        """Forget all."""
        self.sleep()
        self.operations, self.known, self.scaled, self._kept = [], set(), {}, []
        self.complete = True
