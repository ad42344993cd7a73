"""What a loop does between two updates: which modules it calls with what, and on what it calls backward."""

from __future__ import annotations

import contextlib
import dataclasses
import weakref
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import torch

from cycloid.train.watch_tape import autocast_of, tensors_of


@dataclasses.dataclass
class Call:
    """One call of the model by the loop, with all that is needed to make it again.

    Attributes:
        module: the model, or the part of it that was called.
        args, kwargs: what it was called with.
        output: what it returned.
        training: of the module and each of its parts, whether it was in training mode.
        chance: states of the random generators before the call.
        autocast: (device, dtype) where mixed precision was on.
    """

    module: torch.nn.Module
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    training: list[bool]
    chance: tuple[torch.Tensor | None, torch.Tensor | None]
    autocast: tuple[str, torch.dtype] | None
    output: Any = None

    def again(self, *args: Any, training: list[bool] | None = None, **kwargs: Any) -> list[torch.Tensor]:
        """The tensors of the output for the weights as they are now; buffers and chance are left alone.

        Args:
            *args: inputs.
            training: modes, one for each part; as they are now when None.
            **kwargs: inputs by name.
        """
        buffers = {name: buffer.clone() for name, buffer in self.module.named_buffers()}
        mixed = contextlib.nullcontext() if self.autocast is None else torch.autocast(*self.autocast)
        modes = contextlib.nullcontext() if training is None else mode_of(self.module, training)
        with chance_of(self.chance), mixed, modes:
            if not buffers:
                return tensors_of(self.module(*args, **kwargs))
            return tensors_of(torch.func.functional_call(self.module, buffers, args, kwargs))

    def inputs(self) -> list[torch.Tensor]:
        """The tensors it was called with."""
        return tensors_of((self.args, self.kwargs))


def begin_call(module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
    """A call that is about to be made."""
    device = next((tensor.device.type for tensor in module.parameters()), "cpu")
    return Call(
        module, args, kwargs, [part.training for part in module.modules()], _chance(device), autocast_of(device)
    )


def _chance(device: str) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    return torch.get_rng_state(), torch.cuda.get_rng_state() if device == "cuda" else None


@contextlib.contextmanager
def chance_of(states: tuple[torch.Tensor | None, torch.Tensor | None]) -> Iterator[None]:
    """Random numbers as they were; the loop's own come afterwards as if nothing had been drawn."""
    now = _chance("cuda" if states[1] is not None else "cpu")
    _restore(states)
    try:
        yield
    finally:
        _restore(now)


def _restore(states: tuple[torch.Tensor | None, torch.Tensor | None]) -> None:
    host, device = states
    if host is not None:
        torch.set_rng_state(host)
    if device is not None:
        torch.cuda.set_rng_state(device)


@contextlib.contextmanager
def mode_of(module: torch.nn.Module, training: list[bool]) -> Iterator[None]:
    """Every part of a module in training or evaluation mode, as it is told, for a while."""
    parts = list(module.modules())
    now = [part.training for part in parts]
    if now == training:
        yield
        return
    for part, flag in zip(parts, training):
        part.training = flag
    try:
        yield
    finally:
        for part, flag in zip(parts, now):
            part.training = flag


class Listener(Protocol):
    """Who wants to know of calls of backward."""

    def before_backward(self, roots: list[torch.Tensor]) -> None:
        """Called with what backward is called on."""

    def after_backward(self, roots: list[torch.Tensor]) -> None:
        """Called when the gradients are there."""


class Backward:
    """Tells listeners of calls of backward, by standing before `torch.autograd.backward` while there are any."""

    def __init__(self) -> None:
        self.listeners: list[weakref.ref[Listener]] = []  # a watch that nobody holds any more is not kept alive
        self._original: Callable[..., Any] = torch.autograd.backward

    def add(self, listener: Listener) -> None:
        """Tell it from now on."""
        if not self.listeners:
            self._original = torch.autograd.backward
            torch.autograd.backward = self._told
        self.listeners.append(weakref.ref(listener, self._gone))

    def remove(self, listener: Listener) -> None:
        """Tell it no more."""
        self._keep([kept for kept in self.listeners if kept() not in (listener, None)])

    def _gone(self, _: Any) -> None:
        self._keep([kept for kept in self.listeners if kept() is not None])

    def _keep(self, listeners: list[weakref.ref[Listener]]) -> None:
        if self.listeners and not listeners:
            torch.autograd.backward = self._original
        self.listeners = listeners

    def _told(self, tensors: Any, *args: Any, **kwargs: Any) -> None:
        roots = [tensors] if isinstance(tensors, torch.Tensor) else list(tensors)
        listeners = [listener for kept in self.listeners if (listener := kept()) is not None]
        for listener in listeners:
            listener.before_backward(roots)
        self._original(tensors, *args, **kwargs)
        for listener in listeners:
            listener.after_backward(roots)


BACKWARD = Backward()
