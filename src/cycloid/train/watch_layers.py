"""One pass through a PyTorch model, layer by layer: what comes out forward, and what comes back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

from cycloid.train.watch_tape import tensors_of

# Classes by the start of their name, in words; the first that fits.
KINDS = {
    "Linear": "linear", "NonDynamicallyQuantizableLinear": "linear", "Bilinear": "bilinear", "Conv": "conv",
    "LazyConv": "conv", "LazyLinear": "linear", "BatchNorm": "batch norm", "SyncBatchNorm": "batch norm",
    "LayerNorm": "layer norm", "GroupNorm": "group norm", "InstanceNorm": "instance norm", "RMSNorm": "rms norm",
    "Dropout": "dropout", "AlphaDropout": "dropout", "ReLU6": "relu", "ReLU": "relu", "LeakyReLU": "leaky relu",
    "Tanh": "tanh", "Sigmoid": "sigmoid", "GELU": "gelu", "SiLU": "silu", "ELU": "elu", "Softmax": "softmax",
    "LogSoftmax": "log softmax", "MultiheadAttention": "attention", "Embedding": "embedding", "LSTM": "recurrent",
    "GRU": "recurrent", "RNN": "recurrent", "Flatten": "reshape", "Unflatten": "reshape", "MaxPool": "pool",
    "AvgPool": "pool", "AdaptiveAvgPool": "pool", "AdaptiveMaxPool": "pool",
}  # fmt: skip
# Functions that are layers of their own where a model calls them itself.
FUNCTIONS = {
    "relu": "relu", "relu_": "relu", "tanh": "tanh", "sigmoid": "sigmoid", "softmax": "softmax",
    "log_softmax": "log softmax", "gelu": "gelu", "silu": "silu", "leaky_relu": "leaky relu", "elu": "elu",
    "dropout": "dropout", "clamp": "clamp",
}  # fmt: skip
SLOPES = {"tanh": lambda y: 1 - y**2, "sigmoid": lambda y: 4 * y * (1 - y)}  # by their outputs, largest 1
FLAT = 0.01  # of the largest slope: below it a unit is saturated


@dataclasses.dataclass
class Seen:
    """One layer in one pass; numbers stay on the device until they are read."""

    name: str
    kind: str
    training: bool
    shape: tuple[int, ...] = ()
    dtype: str = ""
    numbers: dict[str, torch.Tensor] = dataclasses.field(default_factory=dict)


class Pass(TorchFunctionMode):
    """Follows a forward pass; hooks on the layers' outputs tell what comes back.

    Args:
        model: the module that will be called inside `with`.
        names: of all modules of the watched model.
    """

    def __init__(self, model: torch.nn.Module, names: dict[torch.nn.Module, str]):
        super().__init__()
        self.layers: list[Seen] = []
        self._model, self._names = model, names
        self._inside = 0
        self._handles: list[Any] = []
        self._wide = False  # whether the newest layer with weights was a convolution: its units are channels

    def __enter__(self) -> Pass:
        for module in self._model.modules():
            if is_layer(module):
                self._handles.append(module.register_forward_pre_hook(self._before))
                self._handles.append(module.register_forward_hook(self._after, always_call=True))
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        for handle in self._handles:
            handle.remove()

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        kind = FUNCTIONS.get(getattr(func, "__name__", ""))
        if kind and not self._inside and isinstance(result, torch.Tensor) and result.is_floating_point():
            before = self.layers[-1].name if self.layers else "the input"
            self._see(f"{kind} after {before}", kind, True, args, result)
        return result

    def _before(self, module: torch.nn.Module, args: Any) -> None:
        self._inside += 1

    def _after(self, module: torch.nn.Module, args: Any, output: Any) -> None:
        self._inside = max(0, self._inside - 1)
        found = [t for t in tensors_of(output) if t.is_floating_point()]
        if found and not self._inside:
            kind = kind_of(module)
            self._wide = kind == "conv" if kind in ("conv", "linear", "attention", "embedding") else self._wide
            self._see(self._names.get(module, type(module).__name__), kind, module.training, args, found[0])

    def _see(self, name: str, kind: str, training: bool, args: Any, output: torch.Tensor) -> None:
        values = output.detach()
        seen = Seen(name, kind, training, tuple(values.shape), str(values.dtype).removeprefix("torch."))
        if values.numel():
            seen.numbers |= measure(values, kind, self._wide)
        self.layers.append(seen)
        if output.requires_grad:
            output.register_hook(_keep_norm(seen, "signal_norms"))
        for tensor in tensors_of(args)[:1]:
            if tensor.requires_grad:
                tensor.register_hook(_keep_norm(seen, "input_signal_norms"))


def is_layer(module: torch.nn.Module) -> bool:
    """A module without parts, or one that is a layer although it has parts."""
    return not any(True for _ in module.children()) or kind_of(module) == "attention"


def kind_of(module: torch.nn.Module) -> str:
    """What it is, in words."""
    name = type(module).__name__
    fits = (kind for start, kind in KINDS.items() if name.startswith(start))
    return next(fits, name.lower())


def measure(values: torch.Tensor, kind: str, wide: bool) -> dict[str, torch.Tensor]:
    """Statistics of a layer's output, as scalars on the device; of its finite values."""
    exact = values.float() if values.dtype in (torch.float16, torch.bfloat16) else values
    finite = torch.isfinite(exact)
    kept = torch.where(finite, exact, torch.zeros_like(exact))
    low, high = torch.aminmax(kept)
    numbers = {
        "output_mean": kept.mean(),
        "output_scale": kept.square().mean().sqrt(),
        "output_low": low,
        "output_high": high,
        "nonfinite_share": 1 - finite.double().mean(),
    }
    if kind == "relu" and exact.ndim > 1:
        axis = 1 if exact.ndim in (2, 4, 5) or wide else exact.ndim - 1
        others = [i for i in range(exact.ndim) if i != axis]
        numbers["dead_share"] = (exact.abs().amax(dim=others) == 0).double().mean()
    if kind in SLOPES:
        numbers["saturated_share"] = (SLOPES[kind](exact) < FLAT).double().mean()
    return numbers


def _keep_norm(seen: Seen, name: str) -> Callable[[torch.Tensor], None]:
    def keep(gradient: torch.Tensor) -> None:
        seen.numbers[name] = gradient.detach().float().norm()

    return keep


def table(layers: list[Seen], last: bool = False) -> dict[str, Any]:
    """Fields of `Evidence` with a layer axis; `last` gives those of a later pass alone."""
    if not layers:
        return {}
    names = ("dead_share",) if last else (
        "output_mean", "output_scale", "output_low", "output_high", "dead_share", "saturated_share",
        "nonfinite_share", "signal_norms", "input_signal_norms",
    )  # fmt: skip
    columns = {name: np.array([float(s.numbers.get(name, np.nan)) for s in layers]) for name in names}
    known = {name: column for name, column in columns.items() if not np.isnan(column).all()}
    if last:
        return {"dead_share_last": known["dead_share"]} if known else {}
    return {
        "layers": tuple(s.name for s in layers),
        "layer_kinds": tuple(s.kind for s in layers),
        "layer_shapes": tuple(" x ".join(map(str, s.shape)) for s in layers),
        "layer_dtypes": tuple(s.dtype for s in layers),
        "training_mode": np.array([s.training for s in layers]),
        **known,
    }
