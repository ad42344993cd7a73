"""What a training step costs on this machine: time forward, backward and for the update, memory, examples a second."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

REPEATS = 5


class Cost(NamedTuple):
    """Of one training step.

    Attributes:
        device: where it ran.
        forward, backward, update: seconds of each part, the median of several steps.
        examples_per_second: of the whole step.
        parameter_bytes: of the parameters alone.
        state_bytes: of parameters, gradients and the optimizer's memory together.
    """

    device: str
    forward: float
    backward: float
    update: float
    examples_per_second: float
    parameter_bytes: int
    state_bytes: int


def cost_of_step(
    objective: Callable[..., Any], parameters: Any, batch: Any, rule: Any, rows: int, compiled: bool
) -> Cost:
    """Time the parts of a step, each warm; the backward pass is the gradient less the forward pass.

    Args:
        objective: (parameters, batch) -> loss.
        parameters: by name.
        batch: (inputs, targets).
        rule: an optax transformation.
        rows: examples in the batch.
        compiled: whether the objective can be compiled by JAX.
    """
    wrap = jax.jit if compiled else (lambda function: function)
    forward, both = wrap(objective), wrap(jax.value_and_grad(objective))
    memory = rule.init(parameters)
    change = jax.jit(lambda gradient, memory, parameters: rule.update(gradient, memory, parameters))
    gradient = both(parameters, batch)[1]
    ahead = _seconds(lambda: forward(parameters, batch))
    whole = _seconds(lambda: both(parameters, batch))
    step = _seconds(lambda: change(gradient, memory, parameters))
    held = _bytes(parameters)
    total = max(whole, ahead) + step
    return Cost(
        str(jax.devices()[0].platform), ahead, max(whole - ahead, 0.0), step, rows / total if total > 0 else np.nan,
        held, 2 * held + _bytes(memory),
    )  # fmt: skip


def _seconds(function: Callable[[], Any]) -> float:
    jax.block_until_ready(function())
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        jax.block_until_ready(function())
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def _bytes(tree: Any) -> int:
    return int(sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree) if hasattr(leaf, "dtype")))
