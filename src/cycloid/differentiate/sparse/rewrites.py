"""Rules for operations that are sums of others: they are written out, and the walk goes through what is written."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cycloid.differentiate.sparse.control import unrolled
from cycloid.differentiate.sparse.slots import Slot, Unsupported

# A running sum is a product with a triangular matrix; its derivative has half the entries of one.
LONGEST_SUM = 2048
# Taps of a convolution, each a shifted product.
MOST_TAPS = 343

Rewrite = Callable[[dict[str, Any], Sequence[Slot]], Callable[..., Any]]


def running_sum(params: dict[str, Any], slots: Sequence[Slot]) -> Callable[..., Any]:
    """cumsum as a product with a triangular matrix of ones, known, so that only its entries count."""
    axis, length = params["axis"], slots[0].shape[params["axis"]]
    if length > LONGEST_SUM:
        raise Unsupported(f"a running sum over {length} entries, which depend on each other by half their pairs")
    ones = np.tri(length, dtype=slots[0].dtype)
    matrix = ones if params["reverse"] else ones.T  # entry (k, j) is 1 where j sums up k

    def summed(x: Any) -> Any:
        product = jax.lax.dot_general(x, matrix, (((axis,), (0,)), ((), ())))
        return jnp.moveaxis(product, -1, axis)

    return summed


def convolution(params: dict[str, Any], slots: Sequence[Slot]) -> Callable[..., Any]:
    """A convolution as a sum over its taps: a shifted part of the signal times one matrix of channels."""
    numbers, groups = params["dimension_numbers"], params["feature_group_count"]
    taps = [slots[1].shape[axis] for axis in numbers.rhs_spec[2:]]
    if params["batch_group_count"] != 1 or math.prod(taps) > MOST_TAPS:
        raise Unsupported(f"a convolution with {math.prod(taps)} taps")

    def convolved(signal: Any, kernel: Any) -> Any:
        signal = jnp.transpose(signal, numbers.lhs_spec)
        kernel = jnp.transpose(kernel, numbers.rhs_spec)
        zero = jnp.zeros((), signal.dtype)
        margins = [
            (int(low), int(high), int(d) - 1) for (low, high), d in zip(params["padding"], params["lhs_dilation"])
        ]
        signal = jax.lax.pad(signal, zero, [(0, 0, 0), (0, 0, 0), *margins])
        steps, apart = params["window_strides"], params["rhs_dilation"]
        reach = [(tap - 1) * gap + 1 for tap, gap in zip(taps, apart)]
        out = [(size - r) // step + 1 for size, r, step in zip(signal.shape[2:], reach, steps)]
        batch, channels, outputs = signal.shape[0], kernel.shape[1], kernel.shape[0]
        total = None
        for tap in itertools.product(*map(range, taps)):
            start = [k * gap for k, gap in zip(tap, apart)]
            limit = [s + (n - 1) * step + 1 for s, n, step in zip(start, out, steps)]
            part = jax.lax.slice(signal, [0, 0, *start], [*signal.shape[:2], *limit], [1, 1, *steps])
            part = part.reshape(batch, groups, channels, *out)
            weights = kernel[(slice(None), slice(None), *tap)].reshape(groups, outputs // groups, channels)
            product = jnp.einsum("bgc...,goc->bgo...", part, weights).reshape(batch, outputs, *out)
            total = product if total is None else total + product
        assert total is not None
        inverse = [numbers.out_spec.index(axis) for axis in range(len(numbers.out_spec))]
        return jnp.transpose(total, inverse)

    return convolved


REWRITES: dict[str, Rewrite] = {"cumsum": running_sum, "conv_general_dilated": convolution, "scan": unrolled}
