"""A network as a row of layers, and backpropagation through it as data: the textbook's formulas and their numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from cycloid.explain.derivations import Check
from cycloid.explain.graphs import LISTED, Size, kept, size_of
from cycloid.learn.networks import ACTIVATIONS, MLP, Affine


@dataclass(frozen=True)
class Block:
    """An affine map and what is applied to its output, entry by entry.

    Attributes:
        label: how the model reaches the affine map: "layers[0]".
        weight, bias: of the map; the bias may be None.
        rows: whether the weight holds one row for each input (x·W), not one for each output (W·x).
        activation: the function behind it, and its name.
        name: of the activation; "identity" where there is none.
        scalar: whether the output is a number, not an array of one.
    """

    label: str
    weight: Any
    bias: Any
    rows: bool
    activation: Callable[[Any], Any]
    name: str
    scalar: bool = False

    @property
    def matrix(self) -> Any:
        """The weight with one row for each input and one column for each output."""
        weight = self.weight if self.rows else self.weight.T
        return weight[:, None] if weight.ndim == 1 else weight


def blocks_of(model: Any) -> list[Block] | None:
    """The layers of a model that is a row of affine maps and activations; None for any other."""
    if isinstance(model, MLP):
        function = ACTIVATIONS[model.activation][0]
        last = len(model.layers) - 1
        return [
            _affine(layer, f"layers[{i}]", *((_identity, "identity") if i == last else (function, model.activation)))
            for i, layer in enumerate(model.layers)
        ]
    if isinstance(model, Affine):
        return [_affine(model, "", _identity, "identity")]
    if isinstance(model, eqx.nn.Linear):
        return _rowed([("", model)])
    if isinstance(model, eqx.nn.MLP):
        return _equinox_mlp(model)
    if isinstance(model, eqx.nn.Sequential):
        return _rowed([(f"layers[{i}]", layer) for i, layer in enumerate(model.layers)])
    return None


def _identity(z: Any) -> Any:
    return z


def _affine(layer: Affine, label: str, function: Callable[[Any], Any], name: str) -> Block:
    return Block(label, layer.weight, layer.bias, True, function, name, scalar=layer.weight.ndim == 1)


def _equinox_mlp(model: eqx.nn.MLP) -> list[Block] | None:
    if getattr(model, "scan", False) or any(
        eqx.is_array(a) for a in jax.tree.leaves((model.activation, model.final_activation))
    ):
        return None  # learnt activations and scanned layers are explained step by step
    row: list[tuple[str, Any]] = []
    for i, layer in enumerate(model.layers):
        row += [
            (f"layers[{i}]", layer),
            ("", model.final_activation if i == len(model.layers) - 1 else model.activation),
        ]
    return _rowed(row)


def _rowed(row: list[tuple[str, Any]]) -> list[Block] | None:
    """Linear maps, each followed by one activation or none."""
    blocks: list[Block] = []
    for label, part in row:
        if isinstance(part, eqx.nn.Linear):
            scalar = part.out_features == "scalar"
            if part.in_features == "scalar":
                return None
            blocks.append(Block(label, part.weight, part.bias, False, _identity, "identity", scalar))
            continue
        function = part.fn if isinstance(part, eqx.nn.Lambda) else part
        if isinstance(part, eqx.nn.Identity) or (
            getattr(function, "__name__", "") == "<lambda>" and _is_identity(function)
        ):
            continue
        known = callable(function) and not isinstance(function, eqx.Module)
        if not blocks or blocks[-1].name != "identity" or not known:
            return None
        name = getattr(function, "__name__", type(function).__name__)
        blocks[-1] = dataclasses.replace(
            blocks[-1], activation=function, name="a lambda" if name == "<lambda>" else name.strip("_")
        )
    return blocks or None


def _is_identity(function: Callable[[Any], Any]) -> bool:
    probe = jnp.array([-1.5, 0.25, 3.0])
    try:
        return bool(jnp.array_equal(function(probe), probe))
    except Exception:  # a function that does not take an array is no identity
        return False


def shifted(blocks: list[Block]) -> Callable[[Any], Any]:
    """The row of layers as a function of one example and of shifts, which are added before each activation.

    The slope of the loss with respect to the shift of a layer is that layer's δ.
    """

    def run(pair: tuple[Any, list[Any]]) -> Any:
        x, shifts = pair
        for block, shift in zip(blocks, shifts, strict=True):
            z = x @ block.matrix
            if block.bias is not None:
                z = z + jnp.ravel(block.bias)
            x = block.activation(z + shift)
        return x[0] if blocks[-1].scalar else x

    return run


# -- what is shown -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Table:
    """A matrix of the explanation: the entries where they are few, and the size in any case."""

    shape: tuple[int, ...]
    entries: Any
    size: Size | None


def table_of(array: Any) -> Table:
    """A matrix as it is kept."""
    plain = np.asarray(array)
    return Table(tuple(plain.shape), kept(plain), size_of(plain))


@dataclass(frozen=True)
class Line:
    """One equation of the textbook and what it comes to: left = right.

    Attributes:
        left, right: as text, with Unicode superscripts for the layer.
        latex: the whole equation.
        table: its numbers.
        checks: by other means.
    """

    left: str
    right: str
    latex: str
    table: Table
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True)
class Layer:
    """Backpropagation through one layer.

    Attributes:
        number: from 1.
        label: how the model reaches it.
        inputs, outputs: how many.
        activation: its name.
        law: its formula and derivative, as text.
        forward: the lines of the forward pass.
        backward: δ, then the slopes of the parameters.
    """

    number: int
    label: str
    inputs: int
    outputs: int
    activation: str
    law: str
    forward: tuple[Line, ...]
    backward: tuple[Line, ...]


@dataclass(frozen=True)
class Network:
    """Backpropagation through a network, layer by layer.

    Attributes:
        name: of the model's class.
        loss: its name and formula.
        value: of the loss on the batch.
        examples: how many.
        layers: first to last.
    """

    name: str
    loss: str
    value: float
    examples: int
    layers: tuple[Layer, ...]

    @property
    def steps(self) -> tuple[Layer, ...]:
        """The layers."""
        return self.layers

    @property
    def checks(self) -> list[Check]:
        """Every check."""
        return [check for layer in self.layers for line in (*layer.forward, *layer.backward) for check in line.checks]

    def to_dict(self) -> dict[str, Any]:
        """The plain data that `to_json` writes; matrices of more than 16 entries by their size."""
        return {
            "network": self.name,
            "loss": self.loss,
            "loss_value": self.value,
            "examples": self.examples,
            "layers": [
                {
                    **{
                        f.name: getattr(layer, f.name)
                        for f in dataclasses.fields(layer)
                        if f.name not in ("forward", "backward")
                    },
                    "forward": [_line(line) for line in layer.forward],
                    "backward": [_line(line) for line in layer.backward],
                }
                for layer in self.layers
            ],
        }


def _line(line: Line) -> dict[str, Any]:
    few = line.table.entries is not None and np.size(line.table.entries) <= LISTED
    return {
        "equation": f"{line.left} = {line.right}",
        "latex": line.latex,
        "shape": list(line.table.shape),
        "entries": line.table.entries if few else None,
        "size": None if line.table.size is None else dataclasses.asdict(line.table.size),
        "checks": [check.to_dict() for check in line.checks],
    }
