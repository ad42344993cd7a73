"""What each input does to the loss: its slope, and beside it what is lost when the input is shuffled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

MOST = 48  # inputs that are shuffled; the steepest of them


class Effects(NamedTuple):
    """Of each input, by name.

    Attributes:
        names: of the inputs.
        slopes: root mean square over examples of ∂ℓ/∂x, times the input's deviation.
        permuted: rise of the mean loss when the input is shuffled over the batch; NaN where it was not tried.
        note: how many were tried.
    """

    names: tuple[str, ...]
    slopes: np.ndarray
    permuted: np.ndarray
    note: str


def input_effects(objective: Callable[..., Any], parameters: Any, x: Any, y: Any, names: Any, compiled: bool) -> Any:
    """Slopes by one gradient with respect to the inputs, importance by one loss for each shuffled input.

    Args:
        objective: (parameters, (x, y)) -> loss.
        parameters: by name.
        x: inputs, shape (n, ...), of floating point.
        y: targets.
        names: of the inputs, or None.
        compiled: whether the objective can be compiled by JAX.

    Returns:
        `Effects`, or None for inputs that are no numbers.

    Reference: Breiman, Random forests, 2001, section 10 (permutation).
    """
    values = np.asarray(x)
    if values.dtype.kind != "f" or values.ndim < 2 or not np.isfinite(values).all():
        return None
    wrap = jax.jit if compiled else (lambda function: function)
    loss = wrap(lambda moved: objective(parameters, (moved, jnp.asarray(y))))
    slopes = np.asarray(wrap(jax.grad(loss))(jnp.asarray(values)), float).reshape(len(values), -1) * len(values)
    flat = values.reshape(len(values), -1)
    sized = np.sqrt(np.mean(slopes**2, axis=0)) * flat.std(axis=0)
    permuted, base = np.full(flat.shape[1], np.nan), float(loss(jnp.asarray(values)))
    order, tried = np.random.default_rng(0).permutation(len(flat)), np.argsort(-sized)[:MOST]
    for place in tried:
        shuffled = flat.copy()
        shuffled[:, place] = flat[order, place]
        permuted[place] = float(loss(jnp.asarray(shuffled.reshape(values.shape)))) - base
    titles = tuple(names) if names is not None and len(names) == flat.shape[1] else _places(values.shape[1:])
    note = (
        "" if len(tried) == flat.shape[1] else f"{len(tried)} of {flat.shape[1]:,} inputs, the steepest, were shuffled."
    )
    return Effects(titles, sized, permuted, note)


def _places(shape: tuple[int, ...]) -> tuple[str, ...]:
    """Inputs by their place: "input 3", "input 1, 2"."""
    return tuple("input " + ", ".join(map(str, np.unravel_index(i, shape))) for i in range(int(np.prod(shape))))
