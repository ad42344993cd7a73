"""The zoo's set-ups in PyTorch: an ordinary loop, watched from outside as a user's would be."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from cycloid.train.evidence import Evidence
from cycloid.train.faults import Setup
from cycloid.train.rehearsals import metric, metric_of
from cycloid.train.watching import watch
from cycloid.train.zoo_batches import EVALUATIONS, batches, misjudged


class Cut(nn.Module):
    """Lets the values pass and no gradient."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.detach()


class Stretch(nn.Module):
    """Multiplies, as an attention without its 1/√d does; a norm after it would hide it."""

    def __init__(self, factor: float):
        super().__init__()
        self.factor = factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * (5 * self.factor / float(x.detach().abs().max().clamp(min=1e-6)))


class Last(nn.Module):
    """What stands after the last layer."""

    def __init__(self, s: Setup):
        super().__init__()
        self.setup = s

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        s = self.setup
        if s.hole == "log":
            x = x + 1e-3 * torch.log((x - x[:1]).abs())  # log of 0 for the first example
        elif s.hole == "root":
            x = x + torch.sqrt(x - x.mean() - 0.1)
        if s.ending == "softmax":
            x = torch.softmax(x, dim=1)
        elif s.ending == "softmax over the batch":
            x = torch.softmax(x, dim=0)
        elif s.ending == "log softmax over the batch":
            x = torch.log_softmax(x, dim=0)
        elif s.ending == "sigmoid":
            x = torch.sigmoid(x)
        return x if s.task == "multiclass" or s.column else x.squeeze(-1)


def build(s: Setup) -> nn.Sequential:
    """The model of a set-up."""
    torch.manual_seed(s.seed % (1 << 31))
    parts: list[nn.Module] = []
    width = s.x.shape[1]
    if s.conv:
        parts += [nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten()]
        width = 8 * 6 * 6
    parts += [nn.Linear(width, width), Stretch(s.half)] if s.half else []
    act = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}[s.activation]
    for place, size in enumerate(s.widths, start=1):
        parts.append(nn.Linear(width, size))
        parts += [nn.BatchNorm1d(size)] if s.norm else []
        parts.append(act())
        parts += [Cut()] if s.cut == place else []
        width = size
    parts += [nn.Linear(width, s.outputs), Last(s)]
    model = nn.Sequential(*parts)
    _start(model, s)
    return model


def _start(model: nn.Sequential, s: Setup) -> None:
    """He's or LeCun's weights, times the gain; or equal ones."""
    layers = [part for part in model if isinstance(part, (nn.Linear, nn.Conv2d))]
    with torch.no_grad():
        for i, layer in enumerate(layers):
            inputs = layer.weight[0].numel()
            scale = math.sqrt((2.0 if s.activation == "relu" and i < len(layers) - 1 else 1.0) / inputs)
            gain = s.gain if s.activation != "sigmoid" else 1.0
            layer.weight.normal_(0.0, gain * scale)
            if s.alike is not None and i < len(layers) - 1:
                layer.weight.copy_(scale * (1 + s.alike * torch.randn_like(layer.weight)))
            if layer.bias is not None:
                layer.bias.fill_(s.bias if i < len(layers) - 1 else 0.0)


def loss_of(s: Setup, p: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The loss of a set-up."""
    if s.task == "multiclass":
        if s.ending == "log softmax over the batch":
            return s.sign * functional.nll_loss(p, y, reduction=s.reduction)
        return s.sign * functional.cross_entropy(p, y, reduction=s.reduction)
    if s.task == "binary":
        p = p if p.ndim == 1 else p.squeeze(-1)
        return s.sign * functional.binary_cross_entropy_with_logits(p, y, reduction=s.reduction)
    return s.sign * functional.mse_loss(p, y, reduction=s.reduction)


def _optimizer(model: nn.Sequential, s: Setup) -> torch.optim.Optimizer:
    layers = [part for part in model if list(part.parameters(recurse=False))]
    left_out = math.ceil(s.missing * (len(layers) - 1)) if s.missing else 0
    known = [p for layer in layers[left_out:] for p in layer.parameters(recurse=False)]
    heavy = [p for p in known if p.ndim > 1 or s.decay_biases]
    light = [p for p in known if p.ndim <= 1 and not s.decay_biases]
    groups: Any = [{"params": heavy, "weight_decay": s.decay}]
    groups += [{"params": light, "weight_decay": 0.0}] if light else []
    return (torch.optim.AdamW if s.rule == "adam" else torch.optim.SGD)(groups, lr=s.rate)


def trained(s: Setup) -> Evidence:
    """Train, and return what was seen."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch warns of broadcasting, which is one of the faults
        return _trained(s)


def _trained(s: Setup) -> Evidence:
    torch.set_num_threads(1)
    model = build(s)
    optimizer = _optimizer(model, s)
    y_type = torch.float32 if s.task != "multiclass" else torch.int64
    x, y = torch.as_tensor(s.x), torch.as_tensor(s.y).to(y_type)
    parts = {"train": (s.x[:400], s.y[:400]), "validation": (s.x_held, s.y_held)}
    watched = watch(model, optimizer, every=max(1, s.steps // 30))
    moments = set(np.linspace(0, s.steps - 1, EVALUATIONS).round().astype(int).tolist())
    held: list[torch.Tensor] = []
    for step, rows in enumerate(batches(s)):
        model.train(s.mode != "still in training")
        if held and s.carry:
            for p, g in zip(model.parameters(), held, strict=True):
                p.grad = s.carry * g
        else:
            optimizer.zero_grad()
        p = _forward(model, x[rows], s)
        loss = loss_of(s, p.float(), y[rows])
        loss.backward()
        held = (
            [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in model.parameters()] if s.carry else []
        )
        optimizer.step()
        if step in moments:
            model.train(s.mode == "training while judged")
            with torch.no_grad():
                numbers = {}
                for name, (a, b) in parts.items():
                    out = model(torch.as_tensor(a))
                    target = torch.as_tensor(b).to(y_type)
                    numbers[f"{name}_loss"] = float(loss_of(s, out, target))
                    numbers[f"{name}_metric"] = metric(misjudged(s, out.numpy()), b, s.task)
            watched.log(**numbers)
    facts = {"batch_size": s.batch, "train_rows": len(s.x), "validation_rows": len(s.x_held), **metric_of(s.task)}
    return watched.evidence().merge(Evidence.of(facts))


def _forward(model: nn.Sequential, x: torch.Tensor, s: Setup) -> torch.Tensor:
    if not s.half:
        return model(x)
    with torch.autocast("cpu", dtype=torch.float16):
        return model(x)
