"""A closer look at one recorded step: layers, units, examples, the loss function; made rarely, by trying again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from cycloid.train.loss_probes import describe, probe_loss
from cycloid.train.watch_calls import Call
from cycloid.train.watch_layers import Pass, table
from cycloid.train.watch_losses import KNOWN, Loss
from cycloid.train.watch_parameters import Parameters
from cycloid.train.watch_windows import Window

MOST_UNITS = 256  # of one layer, compared pair by pair
MOST_EXAMPLES = 256  # whose losses are taken one by one


def examine(window: Window, parameters: Parameters, loss: Loss | None, *, first: bool, probe: bool) -> dict[str, Any]:
    """Fields of `Evidence` that do not run along the steps.

    Args:
        window: a step that was recorded; its calls are made again with the weights as they are now.
        parameters: of the model.
        loss: of the step.
        first: whether this is the first look; later ones tell only what changes.
        probe: whether the loss function and the model are tried on changed batches, which is dear and done once.
    """
    if not window.calls:
        return {}
    found, gradients = _layers(window, parameters, first)
    if first:
        found |= _units(parameters, gradients) | _inputs(window.calls[-1])
        found |= _targets(loss)
    if loss is not None:
        found |= _predictions(loss, probe)
    return found | (_modes(window.calls[-1]) if probe else {})


def _layers(window: Window, parameters: Parameters, first: bool) -> tuple[dict[str, Any], list[Any]]:
    """The table of layers by a forward and a backward pass, and the gradient of each trained parameter."""
    names = {module: name or type(window.model).__name__ for name, module in window.model.named_modules()}
    trained = parameters.trained()
    gradients: Sequence[Any] = [None] * len(trained)
    with torch.enable_grad():
        with Pass(window.model, names) as looked:
            found = window.replay()
            if found is None:  # the loss cannot be computed again, the model can
                for call in window.calls:
                    call.again(*call.args, **call.kwargs)
        if found is not None and found[0].requires_grad and trained:
            gradients = torch.autograd.grad(found[0], trained, allow_unused=True)
    layers = {seen.name: seen for seen in looked.layers}  # of several calls in one step the last
    return table(list(layers.values()), last=not first), list(gradients)


def _units(parameters: Parameters, gradients: list[Any]) -> dict[str, Any]:
    """Mean |cosine| between the units of each layer: of their weights, and of their gradients."""
    trained = parameters.trained()
    found = {}
    for name, tensors in (("unit_weight_cosine", trained), ("unit_gradient_cosine", gradients)):
        numbers = [np.nan if t is None else _alike(t.detach()) for t in tensors]
        row = parameters.row(parameters.places(trained), numbers, missing=np.nan)
        if not np.isnan(row).all():
            found[name] = row
    return found


def _alike(weight: torch.Tensor) -> float:
    """Mean |cosine| between rows, off the diagonal; rows of zeros are left out."""
    if weight.ndim < 2 or weight.is_sparse:
        return float("nan")
    rows = weight.reshape(weight.shape[0], -1)[:MOST_UNITS].float()
    rows = rows[rows.norm(dim=1) > 0]
    if len(rows) < 2 or rows.shape[1] < 3:  # in two dimensions any two are alike
        return float("nan")
    rows = rows / rows.norm(dim=1, keepdim=True)
    table = (rows @ rows.T).abs()
    return float((table.sum() - table.diagonal().sum()) / (len(rows) * (len(rows) - 1)))


def _inputs(call: Call) -> dict[str, Any]:
    """Shape, dtype and scale of the model's first input."""
    tensors = call.inputs()
    if not tensors:
        return {}
    x = tensors[0].detach()
    found: dict[str, Any] = {"input_shape": tuple(x.shape), "input_dtype": str(x.dtype).removeprefix("torch.")}
    if not x.is_floating_point() or x.ndim == 0 or x.numel() == 0:
        return found
    values = x.double().cpu().reshape(len(x), -1)
    finite = torch.isfinite(values)
    found["nonfinite_inputs"] = float(1 - finite.double().mean())
    values = torch.where(finite, values, torch.zeros_like(values))
    low, high = torch.aminmax(values)
    return found | {
        "feature_mean": values.mean(0).numpy(),
        "feature_scale": values.square().mean(0).sqrt().numpy(),
        "input_scale": float(values.square().mean().sqrt()),
        "input_low": float(low),
        "input_high": float(high),
    }


def _targets(loss: Loss | None) -> dict[str, Any]:
    """What the loss is, and the share of each class."""
    if loss is None:
        return {}
    found: dict[str, Any] = {"loss_name": loss.name, "loss_expects": loss.expects, "task": loss.task}
    target = loss.target.detach()
    found["batch_size"] = int(target.shape[0]) if target.ndim else 1
    if target.is_floating_point():
        found["nonfinite_targets"] = float(1 - torch.isfinite(target).double().mean())
    elif loss.task == "multiclass" and loss.prediction.ndim > 1 and int(target.min()) >= 0:
        found["class_counts"] = torch.bincount(target.reshape(-1), minlength=loss.prediction.shape[1]).cpu().numpy()
    return found


def _predictions(loss: Loss, probe: bool) -> dict[str, Any]:
    """What the loss function does with its predictions, and each example's loss."""
    prediction, target = loss.prediction.detach().float().cpu().numpy(), loss.target.detach().cpu().numpy()
    if not probe:
        return {name: value for name, value in describe(prediction, target).known().items() if "prediction" in name}
    like = lambda array, tensor: torch.as_tensor(array).to(tensor.device, tensor.dtype)

    def ask(p: np.ndarray, y: np.ndarray) -> float:
        value = loss.of(like(p, loss.prediction), like(y, loss.target))
        return float("nan") if value is None else float(value)

    found = probe_loss(ask, prediction, target).known()
    each = _each(loss)
    if each is not None:
        found |= {"example_losses": each, "worst_examples": np.argsort(-each)[:10]}
    constant = _constant(loss, target)
    return found | ({} if constant is None else {"constant_loss": constant})


def _each(loss: Loss) -> np.ndarray | None:
    """The loss of each example by itself."""
    prediction, target = loss.prediction.detach(), loss.target
    if not prediction.ndim or not target.ndim or len(prediction) != len(target):
        return None
    operation = next((o for o in loss.tape.operations if o.name == loss.function), None)
    if operation is not None and loss.function in KNOWN:
        with torch.no_grad():
            table = operation.function(*operation.args[:2], **{**operation.kwargs, "reduction": "none"})
        return table.detach().double().reshape(len(table), -1).mean(1).cpu().numpy() if table.ndim else None
    rows = range(min(len(prediction), MOST_EXAMPLES))
    values = [loss.of(prediction[i : i + 1], target[i : i + 1]) for i in rows]
    known = [float(v) for v in values if v is not None]
    return np.array(known) if len(known) == len(prediction) else None


def _constant(loss: Loss, target: np.ndarray) -> float | None:
    """The loss of the best constant prediction: the entropy of the classes, or the spread of the numbers."""
    if loss.task in ("multiclass", "binary"):
        shares = (
            np.unique(target, return_counts=True)[1] / target.size
            if loss.task == "multiclass"
            else np.array([target.mean(), 1 - target.mean()])
        )
        shares = shares[shares > 0]
        return float(-(shares * np.log(shares)).sum())
    if loss.name == "mse":
        return float(np.var(target))
    return float(np.abs(target - np.median(target)).mean()) if loss.name == "mae" else None


def _modes(call: Call) -> dict[str, Any]:
    """What evaluation mode changes, and whether an example's prediction depends on the others of its batch."""
    inputs = call.inputs()
    if not inputs or not call.args or not isinstance(call.args[0], torch.Tensor) or len(call.args[0]) < 3:
        return {}
    x = call.args[0]
    others = x.roll(1, 0).clone()
    others[0] = x[0]
    still = [False] * len(call.training)
    with torch.no_grad():
        ask = lambda x, mode: call.again(x, *call.args[1:], training=mode, **call.kwargs)
        trained, calm, moved = ask(x, call.training), ask(x, still), ask(others, still)
    if not calm or not calm[0].is_floating_point() or not calm[0].ndim or len(calm[0]) != len(x):
        return {}
    size = calm[0].float().std() + 1e-12
    return {
        "evaluation_difference": float((trained[0] - calm[0]).float().norm() / (calm[0].float().norm() + 1e-12)),
        "coupling": float((moved[0][0] - calm[0][0]).float().abs().max() / size),
    }
