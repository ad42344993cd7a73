"""One door for models: parameters by name, a pure function of them, layers by name, whatever framework made them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, Protocol, final

Mode = Literal["train", "eval"]
Named = dict[str, Any]


class Layer(NamedTuple):
    """A part of a model that has a name of its own.

    Args:
        name: its path, as the framework writes it: "features.0", "blocks.1.norm".
        kind: its class: "Linear", "BatchNorm1d".
        parameters: the names of its own parameters in `Adapted.parameters`.
        state: the names of its own entries in `Adapted.state`, such as running means.
    """

    name: str
    kind: str
    parameters: tuple[str, ...] = ()
    state: tuple[str, ...] = ()


class Ran(NamedTuple):
    """What one run of a model gives.

    Args:
        outputs: of the model.
        state: after the run; what the run does not change is handed back as it came.
        layers: layer -> its output, in the order of use; empty unless asked for.
    """

    outputs: Any
    state: Named
    layers: Named


class Machine(Protocol):
    """How one framework runs its model; pure."""

    def run(self, parameters: Named, state: Named, inputs: Any, mode: Mode, key: Any, watched: bool) -> Ran:
        """The model on a batch; `watched` asks for the layers' outputs."""
        ...

    def objective(self, loss: Callable[..., Any], mode: Mode) -> Callable[..., Any]:
        """(parameters, batch, state, key) -> the loss of the outputs."""
        ...

    def rebuilt(self, parameters: Named, state: Named) -> Any:
        """A model of the framework with these numbers in it."""
        ...


@final
@dataclass(frozen=True, eq=False, repr=False)
class Adapted:
    """A model of any framework as numbers by name and a pure function of them.

    The arrays lie in the memory of the framework's own where it allows that (PyTorch and JAX on a CPU or one GPU): they
    are read, never written. After the framework has trained its model on, adapt it anew.

    Attributes:
        framework: "torch", "keras", "flax.nnx", "flax.linen", "equinox", "haiku" or "jax" (a plain function).
        name: the model's class.
        parameters: name -> array, what is trained: a pytree to differentiate. Tied weights are one entry.
        state: name -> array, what a run may change and no gradient does: running means, counts.
        layers: its parts that do the work, in the order they are written.
        mode: "train" (dropout drops, BatchNorm takes the batch's own mean) or "eval".
        path: what differentiates it: "torch.func" or "jax".
    """

    framework: str
    name: str
    parameters: Named
    state: Named
    layers: tuple[Layer, ...]
    mode: Mode
    machine: Machine
    path: str = "jax"

    def apply(self, parameters: Named, inputs: Any, state: Named | None = None, *, key: Any = None) -> Any:
        """The outputs for a batch: pure, and differentiable in parameters and inputs to any order.

        Args:
            parameters: as `self.parameters`.
            inputs: a batch, examples along the first axis; a tuple where the model takes several.
            state: as `self.state`, which is the default.
            key: for dropout in mode "train"; without one the same units drop at every call.
        """
        return self._run(parameters, inputs, state, key, False).outputs

    def step(self, parameters: Named, inputs: Any, state: Named | None = None, *, key: Any = None) -> tuple[Any, Named]:
        """The outputs, and the state after the run: in mode "train" BatchNorm has moved its running mean."""
        ran = self._run(parameters, inputs, state, key, False)
        return ran.outputs, ran.state

    def outputs(self, parameters: Named, inputs: Any, state: Named | None = None, *, key: Any = None) -> Named:
        """layer -> its output for a batch, in the order of use."""
        return self._run(parameters, inputs, state, key, True).layers

    def objective(self, loss: Callable[..., Any]) -> Callable[..., Any]:
        """The loss as a function of the parameters: objective(parameters, batch, state=None, key=None), one number.

        Args:
            loss: (outputs, targets) -> one number, of the model's own framework (`torch.nn.CrossEntropyLoss()`) or of
                JAX. In the model's own framework model and loss are differentiated together.

        The batch is (inputs, targets).
        """
        function = self.machine.objective(loss, self.mode)

        def objective(parameters: Named, batch: tuple[Any, Any], state: Named | None = None, key: Any = None) -> Any:
            return function(parameters, batch, self.state if state is None else state, key)

        return objective

    def in_mode(self, mode: Mode) -> Adapted:
        """The same model in mode "train" or "eval"; the user's own model is left as it is."""
        if mode not in ("train", "eval"):
            raise ValueError(f'in_mode: the mode is "train" or "eval"; it was {mode!r}.')
        return replace(self, mode=mode)

    def rebuilt(self, parameters: Named, state: Named | None = None) -> Any:
        """A model of its own framework with other numbers in it; the user's own is left as it is."""
        return self.machine.rebuilt(parameters, self.state if state is None else state)

    @property
    def size(self) -> int:
        """How many numbers the parameters are."""
        return sum(int(value.size) for value in self.parameters.values())

    def __repr__(self) -> str:
        return (
            f"Adapted({self.name} of {self.framework}: {self.size:,} parameters in {len(self.parameters)} arrays, "
            f"{len(self.layers)} layers, mode {self.mode})"
        )

    def _run(self, parameters: Named, inputs: Any, state: Named | None, key: Any, watched: bool) -> Ran:
        state = self.state if state is None else state
        _same_names(parameters, self.parameters)
        return self.machine.run(dict(parameters), dict(state), inputs, self.mode, key, watched)


def _same_names(given: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    if not isinstance(given, Mapping) or given.keys() != own.keys():
        came = ", ".join(list(given)[:4]) if isinstance(given, Mapping) else type(given).__name__
        raise ValueError(
            f"this model's parameters are a dict of {', '.join(list(own)[:4])}{' …' if len(own) > 4 else ''}; "
            f"it was {came}: start from adapted.parameters."
        )
