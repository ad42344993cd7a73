"""The parameters of a PyTorch model as a loop trains them: names, kinds, owners, and which optimizer moves which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

_NORMS = ("BatchNorm", "LayerNorm", "GroupNorm", "InstanceNorm", "RMSNorm")


class Parameters:
    """The parameters of a model, tied ones once, in the order in which their modules were made.

    Args:
        model: the module.
        optimizers: all that move it.
    """

    def __init__(self, model: torch.nn.Module, optimizers: Sequence[torch.optim.Optimizer]):
        named = list(model.named_parameters())
        self.names = tuple(name for name, _ in named)
        self.tensors = [tensor for _, tensor in named]
        self.layers = tuple(name.rpartition(".")[0] or type(model).__name__ for name in self.names)
        self.kinds = tuple(_kind(model, name, tensor) for name, tensor in named)
        self.place = {id(tensor): i for i, tensor in enumerate(self.tensors)}
        self.trained_places = [i for i, tensor in enumerate(self.tensors) if tensor.requires_grad]
        groups = [(group, tensor) for opt in optimizers for group in opt.param_groups for tensor in group["params"]]
        self.updated = [tensor for _, tensor in groups if id(tensor) in self.place]
        self.foreign = [tensor for _, tensor in groups if id(tensor) not in self.place]
        self.decay = np.zeros(len(named))
        self.in_optimizer = np.zeros(len(named), bool)
        for group, tensor in groups:
            if id(tensor) in self.place:
                self.in_optimizer[self.place[id(tensor)]] = True
                self.decay[self.place[id(tensor)]] = float(group.get("weight_decay") or 0.0)

    def facts(self) -> dict[str, Any]:
        """The fields of `Evidence` with a parameter axis that do not change from step to step."""
        return {
            "parameters": self.names,
            "parameter_kinds": self.kinds,
            "parameter_layers": self.layers,
            "parameter_sizes": np.array([tensor.numel() for tensor in self.tensors]),
            "parameter_dtypes": tuple(str(tensor.dtype).removeprefix("torch.") for tensor in self.tensors),
            "in_optimizer": self.in_optimizer,
            "trainable": np.array([tensor.requires_grad for tensor in self.tensors]),
            "weight_decay": self.decay,
        }

    def trained(self) -> list[torch.Tensor]:
        """Those that ask for a gradient."""
        return [self.tensors[i] for i in self.trained_places]

    def places(self, tensors: Sequence[torch.Tensor]) -> list[int]:
        """Where some of the parameters stand on the axis of all."""
        return [self.place[id(tensor)] for tensor in tensors]

    def row(self, places: Sequence[int], numbers: Any, missing: float = 0.0) -> np.ndarray:
        """Numbers of some parameters, laid out along the axis of all."""
        row = np.full(len(self.tensors), missing)
        row[places] = numbers
        return row


def facts_of(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Name and momentum of an optimizer, as `Evidence` has them."""
    group = optimizer.param_groups[0]
    betas = group.get("betas")
    momentum = betas[0] if betas else group.get("momentum")
    return {"optimizer": type(optimizer).__name__, "momentum": None if momentum is None else float(momentum)}


def rate_of(optimizer: torch.optim.Optimizer) -> float:
    """The learning rate of the first group as it is now."""
    return float(optimizer.param_groups[0].get("lr", float("nan")))


def _kind(model: torch.nn.Module, name: str, tensor: torch.Tensor) -> str:
    owner = model.get_submodule(name.rpartition(".")[0])
    if any(word in type(owner).__name__ for word in _NORMS):
        return "norm"
    if "Embedding" in type(owner).__name__:
        return "embedding"
    return "bias" if "bias" in name.rpartition(".")[2] or tensor.ndim == 1 else "weight"
