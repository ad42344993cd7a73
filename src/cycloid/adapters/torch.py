"""PyTorch: formulas as functions of its tensors, and its derivatives by `torch.func` and by autograd."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.autograd import functional

Function = Callable[..., Any]


def _gamma(x: Any) -> Any:
    """By its logarithm; between the poles on the left its sign alternates."""
    sign = torch.where((x < 0) & (torch.remainder(torch.floor(x), 2) == 1), -1.0, 1.0)
    return sign * torch.exp(torch.lgamma(x))


OPERATIONS: dict[str, Function] = {
    "like": lambda value, x: value if isinstance(value, torch.Tensor) else torch.as_tensor(value, dtype=x.dtype),
    "stack": torch.stack,
    "add": operator.add,
    "mul": operator.mul,
    "neg": operator.neg,
    "div": operator.truediv,
    "pow": torch.pow,
    "power": torch.pow,
    "mod": torch.remainder,
    **{name: getattr(torch, name) for name in ("exp", "log", "log2", "log10", "sqrt", "sin", "cos", "tan")},
    **{name: getattr(torch, name) for name in ("asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh")},
    **{name: getattr(torch, name) for name in ("asinh", "acosh", "atanh", "abs", "sign", "floor", "ceil")},
    **{name: getattr(torch, name) for name in ("sigmoid", "relu", "erf", "erfc", "lgamma", "digamma", "polygamma")},
    "cbrt": lambda x: torch.sign(x) * torch.abs(x) ** (1.0 / 3.0),
    "cot": lambda x: 1.0 / torch.tan(x),
    "sec": lambda x: 1.0 / torch.cos(x),
    "csc": lambda x: 1.0 / torch.sin(x),
    "heaviside": lambda x: 0.5 * (1.0 + torch.sign(x)),
    "softplus": lambda x: torch.logaddexp(x, torch.zeros_like(x)),
    "gamma": _gamma,
    "factorial": lambda x: _gamma(x + 1.0),
    "max": torch.maximum,
    "min": torch.minimum,
    "lt": torch.lt,
    "le": torch.le,
    "gt": torch.gt,
    "ge": torch.ge,
    "eq": torch.eq,
    "ne": torch.ne,
    "and": torch.logical_and,
    "or": torch.logical_or,
    "not": torch.logical_not,
    "where": torch.where,
}


def tensor(x: np.ndarray) -> Any:
    """NumPy's array as a tensor of the same numbers."""
    return torch.tensor(x)


def array(value: Any) -> np.ndarray:
    """A tensor as NumPy's array."""
    return value.detach().numpy()


def _gradient(f: Function) -> Function:
    def gradient(x: Any) -> Any:
        x = x.detach().requires_grad_()
        return torch.autograd.grad(f(x), x)[0]

    return gradient


def _jacobian(f: Function) -> Function:
    def jacobian(x: Any) -> Any:
        forward = x.numel() <= f(x).numel()
        return (torch.func.jacfwd if forward else torch.func.jacrev)(f)(x)

    return jacobian


# way -> operator -> from a function to its derivative
WAYS: dict[str, dict[str, Callable[[Function], Function]]] = {
    "torch.func": {
        "value": lambda f: f,
        "gradient": torch.func.grad,
        "jacobian": _jacobian,
        "hessian": torch.func.hessian,
    },
    "torch.autograd": {
        "value": lambda f: f,
        "gradient": _gradient,
        "jacobian": lambda f: lambda x: functional.jacobian(f, x),
        "hessian": lambda f: lambda x: functional.hessian(f, x),
    },
}

# PyTorch loads the rules of its forward mode at the first use, which takes seconds: that is loading, not a first call.
torch.func.hessian(lambda x: x**2)(torch.ones(()))
