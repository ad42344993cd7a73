"""Where to begin when nobody says: many starts of all magnitudes, short walks from each, and the best of them."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from cycloid.core.tolerance import Tolerance
from cycloid.optimize.curve_models import Data, Model, read_start
from cycloid.optimize.levenberg_marquardt import LevenbergMarquardt
from cycloid.optimize.residuals import squares
from cycloid.optimize.walks import Settings

STARTS = 64
STEPS = 100
# Magnitudes from 10^-3 to 10^3; the first quarter of the starts is positive, since most constants are.
DECADES = 3.0


def best_start(curve: Model, data: Data, key: Any = None) -> Any:
    """The parameters with the least sum of squares among short walks from `STARTS` points.

    Raises:
        ValueError: when the model is finite at none of them.
    """
    if curve.names is None:
        raise ValueError("start= is needed for model(x, parameters): its shape is that of the parameters.")
    dims = len(curve.names)
    shift = jnp.zeros(2 * dims) if key is None else jax.random.uniform(key, (2 * dims,))
    points = spread_points(STARTS, 2 * dims, shift)
    size = 10.0 ** (DECADES * (2 * points[:, :dims] - 1))
    positive = (points[:, dims:] < 0.6) | (jnp.arange(STARTS)[:, None] < STARTS // 4)
    starts = jnp.where(positive, size, -size).astype(data.y.dtype)
    values, heights = _walked(curve, starts, data)
    heights = np.where(np.isfinite(np.asarray(heights)), np.asarray(heights), np.inf)
    best = int(np.argmin(heights))
    if not np.isfinite(heights[best]):
        raise ValueError(
            f"the model is finite at none of {STARTS} starts: pass start= with a value for {', '.join(curve.names)}."
        )
    return read_start(curve, {name: values[name][best] for name in curve.names})


def spread_points(count: int, dims: int, shift: Any) -> Any:
    """`count` points that fill the unit cube evenly, shape (count, dims): multiples of powers of one irrational number.

    Reference: Roberts, The unreasonable effectiveness of quasirandom sequences, 2018.
    """
    phi = 2.0
    for _ in range(64):  # the root of φ^(d+1) = φ + 1
        phi = (1 + phi) ** (1 / (dims + 1))
    steps = phi ** -jnp.arange(1.0, dims + 1)
    return (0.5 + shift + jnp.arange(1.0, count + 1)[:, None] * steps) % 1.0


@eqx.filter_jit
def _walked(curve: Model, starts: Any, data: Data) -> tuple[Any, Any]:
    """(parameters, ½ Σ w r²) after a short walk from each start."""
    names = curve.names or ()
    loose = float(jnp.finfo(data.y.dtype).eps) ** 0.25
    settings = Settings(Tolerance(loose, loose), STEPS, False, False)
    roots = jnp.sqrt(data.weights)

    def walk(start: Any) -> tuple[Any, Any]:
        residual = lambda p: roots * (jnp.broadcast_to(curve(data.x, p), data.y.shape) - data.y)
        found = squares(residual, dict(zip(names, start)), LevenbergMarquardt(), settings)
        return found.value, found.objective

    return jax.vmap(walk)(starts)
