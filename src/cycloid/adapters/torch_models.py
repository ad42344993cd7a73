"""Modules of PyTorch through the door: run by `torch.func.functional_call`, weights and inputs crossing in place."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, final

import jax
import jax.numpy as jnp
import torch

from cycloid.adapters.crossing import call
from cycloid.adapters.models import Adapted, Layer, Mode, Named, Ran
from cycloid.adapters.recognition import as_arrays
from cycloid.adapters.torch_functions import TorchFunction
from cycloid.adapters.torch_tensors import array

# Functions of one model that are kept: a way to run it, or a loss, each.
MOST = 32


def entered(framework: str, model: torch.nn.Module, parameters: Any, state: Any, batched: bool) -> Adapted:
    """The module through the door."""
    if parameters is not None or state is not None:
        raise TypeError("adapt: a module of PyTorch holds its own parameters and buffers: pass the module alone.")
    model = getattr(model, "_orig_mod", model)  # what torch.compile wraps
    _check(model)
    trained = {name: value for name, value in model.named_parameters() if value.requires_grad}
    still = {name: value for name, value in model.named_parameters() if not value.requires_grad}
    held = {**still, **dict(model.named_buffers())}
    machine = TorchMachine(model, tuple(trained), tuple(held), _device(model))
    return Adapted(
        framework, type(model).__name__, {name: array(value) for name, value in trained.items()},
        {name: array(value) for name, value in held.items()}, _layers(model), "train" if model.training else "eval",
        machine, "torch.func",
    )  # fmt: skip


def _check(model: torch.nn.Module) -> None:
    if isinstance(model, torch.jit.ScriptModule):
        raise TypeError("adapt: a scripted module has no weights that can be lent: pass the module it was made from.")
    lazy = [name for name, value in model.named_parameters() if isinstance(value, torch.nn.UninitializedParameter)]
    if lazy:
        raise ValueError(f"adapt: {', '.join(lazy[:3])} have no shape yet: run one batch through the model first.")
    if any(value.is_meta for value in model.parameters()):
        raise ValueError("adapt: the model is on the meta device and has no numbers: load its weights first.")


def _device(model: torch.nn.Module) -> torch.device:
    found = {value.device for value in [*model.parameters(), *model.buffers()]}
    if len(found) > 1:
        named = ", ".join(sorted(map(str, found)))
        raise ValueError(f"adapt: the model lies on several devices ({named}): put it on one, model.to(device).")
    return found.pop() if found else torch.device("cpu")


def _layers(model: torch.nn.Module) -> tuple[Layer, ...]:
    """The modules without modules inside, and those with parameters of their own."""
    shown = dict(model.named_parameters())
    found = []
    for name, part in model.named_modules():
        path = f"{name}." if name else ""
        own = tuple(path + each for each, _ in part.named_parameters(recurse=False) if path + each in shown)
        kept = tuple(path + each for each, _ in part.named_buffers(recurse=False))
        if own or next(part.children(), None) is None:
            trained = tuple(each for each in own if shown[each].requires_grad)
            still = tuple(each for each in own if not shown[each].requires_grad)
            found.append(Layer(name, type(part).__name__, trained, still + kept))
    return tuple(found)


@final
@dataclass(frozen=True, eq=False)
class TorchMachine:
    """A module that is lent parameters and buffers.

    Args:
        model: the user's module, left as it was after every call.
        trained: names of its parameters.
        held: names of its buffers and frozen parameters.
        device: where it lies.
    """

    model: torch.nn.Module
    trained: tuple[str, ...]
    held: tuple[str, ...]
    device: torch.device
    functions: dict[Any, _Built] = field(default_factory=dict)

    def run(self, parameters: Named, state: Named, inputs: Any, mode: Mode, key: Any, watched: bool) -> Ran:
        leaves, structure = jax.tree.flatten(as_arrays(inputs))
        built = self._built(("run", mode, watched, structure), lambda: self._running(mode, watched, structure))
        ran = built(*self._flat(parameters, state), *leaves, _seed(key))
        return Ran(ran.outputs, {**state, **ran.state}, dict(ran.layers))

    def objective(self, loss: Callable[..., Any], mode: Mode) -> Callable[..., Any]:
        def objective(parameters: Named, batch: tuple[Any, Any], state: Named, key: Any) -> Any:
            leaves, structure = jax.tree.flatten(as_arrays(tuple(batch)))
            given = (*self._flat(parameters, state), *leaves, _seed(key))
            built = self._built(("loss", loss, mode, structure), lambda: self._losing(loss, mode, structure))
            if isinstance(loss, torch.nn.Module) or built.of_torch(given):
                return built(*given)
            inputs, targets = jax.tree.unflatten(structure, leaves)
            return loss(self.run(parameters, state, inputs, mode, key, False).outputs, targets)

        return objective

    def rebuilt(self, parameters: Named, state: Named) -> torch.nn.Module:
        model = copy.deepcopy(self.model)
        numbers = {**dict(model.named_parameters()), **dict(model.named_buffers())}
        with torch.no_grad():
            for name, value in {**parameters, **state}.items():
                numbers[name].copy_(torch.from_dlpack(jnp.asarray(value)))
        return model

    def _flat(self, parameters: Named, state: Named) -> list[Any]:
        return [*(parameters[name] for name in self.trained), *(state[name] for name in self.held)]

    def _built(self, key: Any, make: Callable[[], Callable[..., Any]]) -> _Built:
        """One function for each way of calling, so that it is compiled once."""
        if key not in self.functions:
            if len(self.functions) >= MOST:  # losses written anew at every call are not kept for ever
                del self.functions[next(iter(self.functions))]
            self.functions[key] = _Built(make(), self.device, f"{type(self.model).__name__} of torch")
        return self.functions[key]

    def _running(self, mode: Mode, watched: bool, structure: Any) -> Callable[..., Any]:
        """(*parameters, *state, *inputs, seed) -> Ran."""
        buffers = self._buffers()

        def running(*given: Any) -> Ran:
            numbers, inputs, seed = self._parted(given, structure)
            with _lent(self.model, mode, seed), _watched(self.model, watched) as seen:
                outputs = _called(self.model, numbers, inputs)
            after = {name: numbers[name] for name in buffers} if mode == "train" else {}
            return Ran(_plain(outputs), after, seen)

        return running

    def _losing(self, loss: Callable[..., Any], mode: Mode, structure: Any) -> Callable[..., Any]:
        """(*parameters, *state, *inputs, *targets, seed) -> the loss."""

        def losing(*given: Any) -> Any:
            numbers, (inputs, targets), seed = self._parted(given, structure)
            with _lent(self.model, mode, seed):
                return loss(_called(self.model, numbers, inputs), targets)

        return losing

    def _parted(self, given: tuple[Any, ...], structure: Any) -> tuple[Named, Any, Any]:
        """Numbers by name, the batch, the seed. Buffers are copies: BatchNorm writes its running mean in place."""
        names = (*self.trained, *self.held)
        numbers = dict(zip(names, given, strict=False))
        numbers |= {name: numbers[name].clone() for name in self._buffers()}
        return numbers, jax.tree.unflatten(structure, given[len(names) : -1]), given[-1]

    def _buffers(self) -> list[str]:
        named = dict(self.model.named_buffers())
        return [name for name in self.held if name in named]


@final
class _Built:
    """A function of tensors with a pytree of them, as a function of JAX's arrays."""

    def __init__(self, function: Callable[..., Any], device: torch.device, of: str):
        self.structure: Any = None
        self.is_of_torch: bool | None = None

        def flat(*tensors: Any) -> tuple[Any, ...]:
            leaves, self.structure = jax.tree.flatten(function(*tensors))
            return tuple(torch.as_tensor(leaf) for leaf in leaves)

        self.foreign = TorchFunction(flat, device, of)

    def __call__(self, *given: Any) -> Any:
        values = call(self.foreign, *given)
        return jax.tree.unflatten(self.structure, values)

    def of_torch(self, given: tuple[Any, ...]) -> bool:
        """Whether it can be computed with tensors; a loss written for JAX cannot."""
        if self.is_of_torch is None:
            try:
                self.foreign.shapes([jax.typeof(jnp.asarray(each)) for each in given])
                self.is_of_torch = True
            except (TypeError, AttributeError) as error:
                if "torch" not in str(error).lower() and "Tensor" not in str(error):
                    raise
                self.is_of_torch = False
        return self.is_of_torch


def _seed(key: Any) -> Any:
    return jnp.zeros((), jnp.int32) if key is None else jax.random.randint(key, (), 0, 2**31 - 1, jnp.int32)


def _called(model: torch.nn.Module, numbers: Named, inputs: Any) -> Any:
    if isinstance(inputs, Mapping):
        return torch.func.functional_call(model, numbers, (), dict(inputs))
    return torch.func.functional_call(model, numbers, inputs if isinstance(inputs, tuple) else (inputs,))


def _plain(outputs: Any) -> Any:
    """A record of outputs (as of large language models) as a dict."""
    return {**outputs} if isinstance(outputs, Mapping) else outputs


@contextmanager
def _lent(model: torch.nn.Module, mode: Mode, seed: Any) -> Iterator[None]:
    """The module in a mode, with chance from a seed; everything is put back.

    In the mode it is in already it stays as it is: a user may have left some layers in the other one.
    """
    before = [(part, part.training) for part in model.modules()]
    if model.training != (mode == "train"):
        model.train(mode == "train")
    try:
        if not any(part.training for part in model.modules()):
            yield
        else:
            with torch.random.fork_rng():
                torch.manual_seed(int(seed))
                yield
    finally:
        for part, training in before:
            part.training = training


@contextmanager
def _watched(model: torch.nn.Module, wanted: bool) -> Iterator[OrderedDict[str, Any]]:
    """layer -> its output, in the order of use."""
    seen: OrderedDict[str, Any] = OrderedDict()
    if not wanted:
        yield seen
        return
    parts, hooks = dict(model.named_modules()), []
    for layer in _layers(model):

        def kept(part: Any, inputs: Any, output: Any, name: str = layer.name) -> None:
            first = next((each for each in jax.tree.leaves(output) if isinstance(each, torch.Tensor)), None)
            if first is not None:
                seen.pop(name, None)
                seen[name] = first

        hooks.append(parts[layer.name].register_forward_hook(kept))
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()
