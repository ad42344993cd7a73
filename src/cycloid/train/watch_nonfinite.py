"""Where a NaN or an infinity came from: the first operation of a PyTorch model, loss or backward pass that made one."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self

import torch
from torch.overrides import TorchFunctionMode, resolve_name

from cycloid.train.watch_calls import Call
from cycloid.train.watch_parameters import Parameters
from cycloid.train.watch_tape import tensors_of
from cycloid.train.watch_windows import Window

# Functions that write infinities on purpose, such as a mask of attention scores.
_ON_PURPOSE = ("masked_fill", "masked_fill_", "full", "full_like", "new_full", "fill_", "where", "__setitem__")
_QUIET = ("__get__", "isnan", "isinf", "isfinite", "detach", "item", "tolist")


class _Named(TorchFunctionMode):
    """A mode that knows which module of a model is at work."""

    def __init__(self, model: torch.nn.Module):
        super().__init__()
        self.found: dict[str, str] | None = None
        self._modules = {module: name or type(model).__name__ for name, module in model.named_modules()}
        self._stack: list[str] = []
        self._handles: list[Any] = []

    def __enter__(self) -> Self:
        for module, name in self._modules.items():
            push = lambda _m, _a, name=name: self._stack.append(name)
            pop = lambda _m, _a, _o: self._stack.pop() if self._stack else None
            self._handles.append(module.register_forward_pre_hook(push))
            self._handles.append(module.register_forward_hook(_told(pop), always_call=True))
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        for handle in self._handles:
            handle.remove()

    def layer(self) -> str:
        """The innermost module at work, "" between them."""
        return self._stack[-1] if self._stack else ""


class Hunt(_Named):
    """Looks at the result of every operation inside `with`, and names the first that is not finite."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        given = [t for t in tensors_of((args, kwargs)) if t.is_floating_point()]
        before = None if self.found or name in _QUIET else [t.detach().clone() for t in given]
        result = func(*args, **kwargs)
        if before is not None and (kind := _bad(tensors_of(result))):
            inherited = _bad(before) == "nan" or (kind == "infinity" and (_bad(before) or name in _ON_PURPOSE))
            if not inherited:
                self.found = {
                    "first_nonfinite": _sentence(func, before, args, kind, self.layer()),
                    "first_nonfinite_kind": kind,
                    "first_nonfinite_layer": self.layer(),
                }
        return result


def hunt(window: Window, parameters: Parameters, step: int) -> dict[str, Any]:
    """Fields of `Evidence` on the first operation that made a NaN or an infinity; empty when nothing did.

    Args:
        window: a step whose loss or gradient is not finite; the weights are those before its update.
        parameters: of the model.
        step: its number.
    """
    at = {"first_nonfinite_step": step}
    call = window.calls[-1] if window.calls else None
    weights = [n for n, t in zip(parameters.names, parameters.tensors) if _bad([t.detach()])]
    if weights:
        kind = _bad([t.detach() for t in parameters.tensors]) or "nan"
        return at | _place("parameters", f"the weights hold {_word(kind)} already: {weights[0]}", kind, weights[0])
    if call is None:
        return at | _place("gradient", "the gradients are not finite", "nan", "")
    loss = window.find_loss()
    for place, tensors in (("inputs", call.inputs()), ("targets", [] if loss is None else [loss.target])):
        if kind := _bad(tensors):
            share = max(1 - float(torch.isfinite(t).double().mean()) for t in tensors if t.is_floating_point())
            return at | _place(place, f"the {place} of the batch hold {_word(kind)} ({share:.1%} of them)", kind, "")
    return at | (_forward(window, call) or _backward(window, parameters))


def _forward(window: Window, call: Call) -> dict[str, Any] | None:
    """In the model, or from there to the loss."""
    with torch.no_grad(), _quietly(), Hunt(window.model) as looked:
        made = window.replay() or call.again(*call.args, **call.kwargs)
    if looked.found is None or not _bad(made):
        return None
    if looked.found["first_nonfinite_layer"]:
        return {**looked.found, "first_nonfinite_place": "forward"}
    return {**looked.found, "first_nonfinite_layer": "the loss", "first_nonfinite_place": "loss"}


def _backward(window: Window, parameters: Parameters) -> dict[str, Any]:
    """In the backward pass: the operation into whose inputs the first gradient came back that is not finite."""
    nothing = _place("gradient", "the gradient is not finite although the loss is", "nan", "")
    with _quietly(), torch.enable_grad(), Return(window.model) as looked:
        found = window.replay()
    if found is None or not found[0].requires_grad:
        return nothing
    with _quietly():
        torch.autograd.grad(found[0], parameters.trained(), allow_unused=True)
    return nothing if looked.found is None else {**looked.found, "first_nonfinite_place": "gradient"}


class Return(_Named):
    """Watches what comes back through every operation inside `with`, and names the first that is not finite."""

    def __init__(self, model: torch.nn.Module):
        super().__init__(model)
        self._users: dict[int, tuple[str, str, float]] = {}
        self._kept: list[torch.Tensor] = []  # so that the numbers that name tensors are not given out again

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        made = tensors_of(result)
        if not made or not any(t.requires_grad for t in made):
            return result
        name, layer = _plain(resolve_name(func) or getattr(func, "__name__", "")), self.layer()
        for tensor in tensors_of((args, kwargs)):
            if tensor.requires_grad and id(tensor) not in self._users:
                nearest = float(tensor.detach().abs().min()) if tensor.numel() else 0.0
                self._users[id(tensor)] = (name, layer, nearest)
                self._kept.append(tensor)
                tensor.register_hook(self._check(id(tensor)))
        return result

    def _check(self, key: int) -> Callable[[torch.Tensor], None]:
        def check(gradient: torch.Tensor) -> None:
            kind = _bad([gradient])
            if kind and self.found is None:
                name, layer, nearest = self._users[key]
                where = f" in layer {layer}" if layer else " between the model's output and the loss"
                what = "infinite" if kind == "infinity" else "not a number"
                sentence = (
                    f"the derivative of {name}{where} is {what}: its input comes as near to zero as {nearest:.3g}"
                )
                self.found = _place("gradient", sentence, kind, layer)

        return check


def _place(place: str, sentence: str, kind: str, layer: str) -> dict[str, Any]:
    return {
        "first_nonfinite": sentence,
        "first_nonfinite_kind": kind,
        "first_nonfinite_layer": layer,
        "first_nonfinite_place": place,
    }


def _bad(tensors: Sequence[Any]) -> str:
    """ "nan", "infinity", or "" when all is finite."""
    kind = ""
    for tensor in tensors:
        if not isinstance(tensor, torch.Tensor) or not tensor.is_floating_point() or not tensor.numel():
            continue
        if bool(torch.isnan(tensor).any()):
            return "nan"
        if bool(torch.isinf(tensor).any()):
            kind = "infinity"
    return kind


def _sentence(
    func: Callable[..., Any], given: Sequence[torch.Tensor], args: tuple[Any, ...], kind: str, layer: str
) -> str:
    """Such as "log of 0 in layer head"."""
    name = _plain(resolve_name(func) or getattr(func, "__name__", "an operation"))
    where = f" in layer {layer}" if layer else " between the model's output and the loss"
    first = given[0] if given else torch.zeros(1)
    low, high = (float(v) for v in torch.aminmax(first)) if first.numel() else (0.0, 0.0)
    if name in ("log", "log2", "log10", "log1p", "sqrt", "rsqrt"):
        return f"{name} of {low:.3g}{where}"
    if name in ("div", "truediv", "reciprocal", "rtruediv"):
        below = given[1] if len(given) > 1 else torch.as_tensor(args[1] if len(args) > 1 else first)
        return f"division by {float(below.abs().min()):.3g}{where}"
    if name in ("exp", "expm1", "cosh", "sinh"):
        return f"{name} of {high:.4g} overflows {_dtype(first)}{where}"
    if name == "pow":
        return f"a power of {low:.3g}{where}"
    verb = "overflows " + _dtype(first) if kind == "infinity" else "gives a NaN"
    return f"{name} {verb}{where}, on numbers from {low:.3g} to {high:.3g}"


def _plain(name: str) -> str:
    """`torch.Tensor.__truediv__` as "truediv", `LogBackward0` as "log"."""
    return name.rpartition(".")[2].strip("_").lower()


def _word(kind: str) -> str:
    return "NaN" if kind == "nan" else "infinities"


def _dtype(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _told(pop: Callable[..., Any]) -> Callable[..., None]:
    """A hook may return a new output; this one returns nothing."""

    def hook(module: Any, args: Any, output: Any) -> None:
        pop(module, args, output)

    return hook


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """PyTorch's own warnings were given when the loop did the same."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
