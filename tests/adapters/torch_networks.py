"""Small networks of PyTorch of every kind that the door must take."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F


class Squared(torch.autograd.Function):
    """x², in the style that `torch.func` takes; its backward can be differentiated."""

    @staticmethod
    def forward(x: Any) -> Any:
        return x * x

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(inputs[0])

    @staticmethod
    def backward(ctx: Any, back: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        return 2 * ctx.saved_tensors[0] * back


class OldSquared(torch.autograd.Function):
    """x², in the style from before `torch.func`."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, back: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        return 2 * ctx.saved_tensors[0] * back


class OnceSquared(torch.autograd.Function):
    """x², whose backward may not be differentiated."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, back: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        return 2 * ctx.saved_tensors[0] * back


class Custom(nn.Module):
    def __init__(self, function: Any):
        super().__init__()
        self.first, self.last, self.function = nn.Linear(3, 4), nn.Linear(4, 2), function

    def forward(self, x: Any) -> Any:
        return self.last(self.function.apply(self.first(x)))


class Tied(nn.Module):
    """One weight that is read twice, under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.inwards, self.outwards = nn.Embedding(5, 3), nn.Linear(3, 5, bias=False)
        self.outwards.weight = self.inwards.weight

    def forward(self, tokens: Any) -> Any:
        return self.outwards(torch.tanh(self.inwards(tokens)).mean(1))


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.attend = nn.Embedding(6, 4), nn.MultiheadAttention(4, 2, batch_first=True)
        self.norm, self.last = nn.LayerNorm(4), nn.Linear(4, 2)

    def forward(self, tokens: Any) -> Any:
        h = self.embed(tokens)
        h = self.norm(h + self.attend(h, h, h, need_weights=False)[0])
        return self.last(h.mean(1))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gates, self.last = nn.GRU(2, 3, batch_first=True), nn.Linear(3, 2)

    def forward(self, x: Any) -> Any:
        return self.last(self.gates(x)[0][:, -1])


class Fused(nn.Module):
    """Attention by the fused kernel, which has no second derivative of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.each, self.last = nn.Linear(2, 6), nn.Linear(2, 2)

    def forward(self, x: Any) -> Any:
        q, k, v = self.each(x).chunk(3, dim=-1)
        return self.last(F.scaled_dot_product_attention(q, k, v).mean(1))


def _tokens(classes: int) -> torch.Tensor:
    return torch.randint(0, classes, (4, 3), generator=torch.Generator().manual_seed(2))


def _rows(*shape: int) -> torch.Tensor:
    return torch.randn(4, *shape, generator=torch.Generator().manual_seed(1))


def made(name: str) -> tuple[nn.Module, torch.Tensor]:
    """A network by name, and a batch of four examples for it."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        conv = nn.Sequential(
            nn.Conv2d(1, 2, 3), nn.GroupNorm(1, 2), nn.GELU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(2, 2)
        )
        normed = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 2))
        networks = {
            "conv": (conv, _rows(1, 4, 4)),
            "batch norm": (normed, _rows(3)),
            "batch norm, eval": (normed.eval() if name == "batch norm, eval" else normed, _rows(3)),
            "tied": (Tied(), _tokens(5)),
            "attention": (Attention(), _tokens(6)),
            "fused attention": (Fused(), _rows(3, 2)),
            "recurrent": (Recurrent(), _rows(3, 2)),
            "custom": (Custom(Squared), _rows(3)),
            "custom, old style": (Custom(OldSquared), _rows(3)),
        }
        return networks[name]


NAMES = ("conv", "batch norm", "batch norm, eval", "tied", "attention", "fused attention", "recurrent", "custom",
         "custom, old style")  # fmt: skip
