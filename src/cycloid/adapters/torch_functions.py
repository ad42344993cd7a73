"""Functions of PyTorch's tensors as functions of JAX's arrays, differentiated by `torch.func` on their own side."""

from __future__ import annotations

import functools
import re
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, final

import jax
import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from cycloid.adapters.torch_cures import explained
from cycloid.adapters.torch_tensors import array, from_numpy, short_dtype, tensor, to_numpy, torch_dtype, whole_numbers

Tensors = tuple[Any, ...]
Function = Callable[..., Tensors]

# Up to so many bytes of parameters and batch the graph of a gradient is kept between products with the Hessian.
KEPT = 2**28
# A module is lent other weights while it runs: one call at a time, whichever thread XLA calls from.
_ONE_AT_A_TIME = threading.RLock()


class Ways:
    """How a function lets itself be differentiated; found out when a way fails.

    Attributes:
        forward: by forward mode; else J v is the derivative in u of uᵀ J, pulled back along v.
        transforms: by `torch.func`; else by `torch.autograd`, which asks less of functions of the user's own.
    """

    def __init__(self) -> None:
        self.forward = self.transforms = True

    def narrowed(self, error: Exception) -> bool:
        """Whether another way is left after this error."""
        text = str(error)
        if self.transforms and re.search(
            r"setup_context|functorch|vmap|captured Tensor|data_ptr|saved_tensors|data pointer", text
        ):
            self.transforms = self.forward = False
            return True
        if self.forward and re.search(r"forward (mode )?AD|forward-mode|jvp", text):
            self.forward = False
            return True
        return False


@final
class TorchFunction:
    """A pure function of tensors with a tuple of tensors, as `cycloid.adapters.crossing` wants it.

    Args:
        function: (*tensors) -> tuple of tensors.
        device: where it computes.
        of: what it is, for messages.
        ways: shared by a function and its derivatives.
    """

    def __init__(self, function: Function, device: Any = "cpu", of: str = "the model", ways: Ways | None = None):
        self.function, self.device, self.of = function, torch.device(device), of
        self.is_first = ways is None  # no derivative of another
        self.ways = ways or Ways()
        self._pulled_of: tuple[TorchFunction, tuple[int, ...], int] | None = None
        self._shortcut: Callable[[list[Any]], Tensors | None] | None = None  # to the same numbers, not differentiable
        self._shapes: dict[tuple[Any, ...], list[Any]] = {}
        self._made: dict[Any, TorchFunction] = {}

    def __call__(self, arrays: Sequence[Any]) -> list[jax.Array]:
        values = _each(array, self._called([tensor(each, self.device) for each in arrays]))
        self._shapes[_key(arrays)] = [jax.ShapeDtypeStruct(value.shape, value.dtype) for value in values]
        return values

    def on_host(self, arrays: Sequence[Any]) -> list[np.ndarray]:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*not writable.*")  # nor is it written
            tensors = [from_numpy(each, self.device) for each in arrays]
        return _each(to_numpy, self._called(tensors))

    def shapes(self, avals: Sequence[Any]) -> list[Any]:
        key = _key(avals)
        if key not in self._shapes:
            self._shapes[key] = self._shaped(avals)
        return self._shapes[key]

    def pushed(self, wrt: tuple[int, ...]) -> TorchFunction:
        made = self._derived(("pushed", wrt), lambda *given: _pushed(self, wrt, given))
        if self._pulled_of is not None and self._pulled_of[1] == wrt and made._shortcut is None:
            base, _, count = self._pulled_of
            made._shortcut = HessianProducts(base.function, wrt, count)
        return made

    def pulled(self, wrt: tuple[int, ...], count: int) -> TorchFunction:
        made = self._derived(("pulled", wrt), lambda *given: _pulled(self, wrt, given, count))
        made._pulled_of = (self, wrt, count)
        if self.is_first:
            made._shortcut = lambda given: _gradient(self.function, wrt, given, count)
        return made

    def _derived(self, key: Any, function: Function) -> TorchFunction:
        if key not in self._made:
            self._made[key] = TorchFunction(function, self.device, self.of, self.ways)
        return self._made[key]

    def _called(self, tensors: list[Any]) -> list[Any]:
        with _ONE_AT_A_TIME, _settled():
            while True:
                try:
                    made = self._shortcut(tensors) if self._shortcut is not None else None
                    made = self.function(*tensors) if made is None else made
                    return [each.detach() for each in made]
                except (RuntimeError, NotImplementedError) as error:
                    if not self.ways.narrowed(error):
                        raise explained(error, self.of) from error

    def _shaped(self, avals: Sequence[Any]) -> list[Any]:
        """By a run on zeros that take no memory. (Tensors without numbers would load PyTorch's compiler first.)"""
        zeros = [torch.zeros((), dtype=torch_dtype(each.dtype), device=self.device) for each in avals]
        given = [whole_numbers(zero).expand(each.shape) for zero, each in zip(zeros, avals, strict=True)]
        return [jax.ShapeDtypeStruct(tuple(each.shape), short_dtype(each.dtype)) for each in self._called(given)]


def _each(convert: Callable[[Any], Any], tensors: list[Any]) -> list[Any]:
    """All converted, each let go of at once: a gradient that had to be copied is not held twice."""
    tensors.reverse()
    return [convert(tensors.pop()) for _ in range(len(tensors))]


@functools.cache
def _load_forward_mode() -> None:
    """PyTorch compiles the rules of its forward mode at the first use, with warnings about its own ways."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.func.jvp(torch.sin, (torch.ones(()),), (torch.ones(()),))


def _key(arrays: Sequence[Any]) -> tuple[Any, ...]:
    return tuple((tuple(each.shape), str(each.dtype)) for each in arrays)


@contextmanager
def _settled() -> Iterator[None]:
    """Plain kernels: of the fused ones for attention none has a second derivative."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


# --- derivatives ----------------------------------------------------------------------------------------------------


def _at(function: Function, wrt: tuple[int, ...], args: Tensors) -> Function:
    """The real values as a function of some of the arguments."""

    def of_some(*some: Any) -> Tensors:
        full = list(args)
        for place, each in zip(wrt, some, strict=True):
            full[place] = each
        return tuple(value for value in function(*full) if value.is_floating_point() or value.is_complex())

    return of_some


def _pulled(of: TorchFunction, wrt: tuple[int, ...], given: Tensors, count: int) -> Tensors:
    """uᵀ J: (*args, *cotangents) -> cotangents."""
    args, cotangents = given[:count], given[count:]
    restricted, some = _at(of.function, wrt, args), tuple(args[place] for place in wrt)
    return _vjp(restricted, some, cotangents, of.ways, of.is_first)


def _vjp(function: Function, point: Tensors, cotangents: Tensors, ways: Ways, must: bool = False) -> Tensors:
    """uᵀ J at a point; `must`: that nothing depends on the point is an error, not a zero."""
    if ways.transforms:
        pull: Any = torch.func.vjp(function, *point)[1]
        return tuple(pull(tuple(cotangents)))
    # Nested, the inner graph must hang on to the outer one: what already is in a graph stays in it.
    with torch.enable_grad():
        held = tuple(each if each.requires_grad else each.detach().requires_grad_() for each in point)
        values = function(*held)
        pairs = [(value, back) for value, back in zip(values, cotangents, strict=True) if value.requires_grad]
        if not must:
            _refuse_detours(values)
        if not pairs:
            if must:
                raise RuntimeError("the function does not require grad and does not have a grad_fn")
            return tuple(torch.zeros_like(each) for each in point)
        return torch.autograd.grad(
            [value for value, _ in pairs], held, [back for _, back in pairs], create_graph=True,
            allow_unused=True, materialize_grads=True,
        )  # fmt: skip


def _gradient(function: Function, wrt: tuple[int, ...], given: Sequence[Any], count: int) -> Tensors:
    """uᵀ J where no further derivative follows: the graph is let go of at once, with what it holds."""
    with torch.enable_grad():
        held = tuple(given[place].detach().requires_grad_() for place in wrt)
        values = _at(function, wrt, tuple(given[:count]))(*held)
    pairs = [(value, back) for value, back in zip(values, given[count:], strict=True) if value.requires_grad]
    if not pairs:
        raise RuntimeError("the function does not require grad and does not have a grad_fn")
    backs = [back for _, back in pairs]
    return torch.autograd.grad([value for value, _ in pairs], held, backs, allow_unused=True, materialize_grads=True)


def _refuse_detours(values: Tensors) -> None:
    """PyTorch cuts the graph, without a word, where a backward is marked once_differentiable: it is looked for."""
    waiting, met = [value.grad_fn for value in values if value.grad_fn is not None], set()
    while waiting:
        node = waiting.pop()
        if node in met:
            continue
        met.add(node)
        if node.name().endswith("Error"):
            raise RuntimeError("trying to differentiate twice a function that was marked with @once_differentiable")
        waiting += [after for after, _ in node.next_functions if after is not None]


def _pushed(of: TorchFunction, wrt: tuple[int, ...], given: Tensors) -> Tensors:
    """J v: (*args, *tangents) -> tangents."""
    args, tangents = given[: len(given) - len(wrt)], given[len(given) - len(wrt) :]
    restricted, some = _at(of.function, wrt, args), tuple(args[place] for place in wrt)
    if of.ways.forward:
        _load_forward_mode()
        return tuple(torch.func.jvp(restricted, some, tangents)[1])
    # u ↦ uᵀ J is linear: its own transpose, taken anywhere, is v ↦ J v.
    with torch.no_grad():
        anywhere = tuple(torch.zeros_like(value) for value in restricted(*some))
    return _vjp(lambda *u: _vjp(restricted, some, u, of.ways, of.is_first), anywhere, tangents, of.ways)


@final
class HessianProducts:
    """Products with the Hessian of a function with one value: its gradient's graph, kept while the point is the same.

    The Hessian is symmetric, so that a tangent may be pulled back instead of pushed. Keeping saves the gradient itself
    at every product, about a third of the work.

    Args:
        function: (*tensors) -> (value,).
        wrt: the places of the parameters among the tensors.
        count: how many tensors.
    """

    def __init__(self, function: Function, wrt: tuple[int, ...], count: int):
        self.function, self.wrt, self.count = function, wrt, count
        self._point: Tensors = ()
        self._gradient: Tensors = ()

    def __call__(self, given: Sequence[Any]) -> Tensors | None:
        """The products at (*args, cotangent, *tangents); None where a point is too large to be kept, or for several
        values."""
        split = len(given) - len(self.wrt)
        point, along = tuple(given[:split]), given[split:]
        if split != self.count + 1 or point[-1].ndim:
            return None
        if sum(each.numel() * each.element_size() for each in point) > KEPT:
            return None
        same = len(point) == len(self._point) and all(map(torch.equal, point, self._point))
        if not same and not self._moved(point):
            return None
        held = [self._point[place] for place in self.wrt]
        pairs = [(slope, v) for slope, v in zip(self._gradient, along, strict=True) if slope.requires_grad]
        if not pairs:
            return tuple(torch.zeros_like(each) for each in held)
        return torch.autograd.grad(
            [slope for slope, _ in pairs], held, [v for _, v in pairs], retain_graph=True, allow_unused=True,
            materialize_grads=True,
        )  # fmt: skip

    def _moved(self, point: Tensors) -> bool:
        """The graph of the gradient at another point, whose numbers are copied: XLA's memory is lent for one call."""
        self._point, self._gradient = (), ()
        with torch.enable_grad():
            own = [each.clone() for each in point]
            for place in self.wrt:
                own[place].requires_grad_()
            values = self.function(*own[:-1])
            if len(values) != 1 or values[0].ndim or not values[0].requires_grad:
                return False
            gradient = torch.autograd.grad(
                values[0], [own[place] for place in self.wrt], own[-1], create_graph=True, allow_unused=True,
                materialize_grads=True,
            )  # fmt: skip
        _refuse_detours(gradient)
        self._point, self._gradient = tuple(own), tuple(gradient)
        return True
