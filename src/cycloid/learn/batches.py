"""Which rows each step sees: epochs shuffled by a key, drawn on the device, at a place that is a number.

Row numbers are not shuffled in memory. A small keyed cipher permutes 0 ... n−1, so the row at any position of any
epoch costs the same few integer operations, nothing of length n is kept, and training goes on from step k by asking
for the rows from position k · batch_size on.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Int, PRNGKeyArray

ROUNDS = 6  # of the cipher; after 4 neighbouring rows are already far apart


def rows_in_order(
    key: PRNGKeyArray, epoch: Int[ArrayLike, ""], offset: Int[ArrayLike, ""], count: int, rows: int
) -> Int[Array, " count"]:
    """The rows at `count` consecutive positions of an endless sequence of shuffled epochs.

    Position p = offset ... offset + count − 1 of the sequence that starts with `epoch` falls into epoch
    epoch + p // rows, whose order is a permutation of its own: each row comes once an epoch.

    Args:
        key: a typed key.
        epoch: number of the epoch in which the positions begin.
        offset: the first position inside it, below `rows`.
        count: how many, fixed when compiled.
        rows: n, fixed when compiled.

    Reference: Black, Rogaway, Ciphers with arbitrary finite domains, 2002: a Feistel network on a × b ≥ n with
        cycle walking.
    """
    if rows == 1:
        return jnp.zeros(count, jnp.int32)
    position = jnp.asarray(offset, jnp.int32) + jnp.arange(count, dtype=jnp.int32)
    spans = count // rows + 2
    epochs = jnp.asarray(epoch, jnp.int32) + jnp.arange(spans, dtype=jnp.int32)
    keys = jax.vmap(lambda e: jax.random.bits(jax.random.fold_in(key, e), (ROUNDS,), jnp.uint32))(epochs)
    which = position // rows
    return _permute(keys[which].T, (position % rows).astype(jnp.uint32), rows).astype(jnp.int32)


def _permute(round_keys: Array, value: Array, rows: int) -> Array:
    """A permutation of 0 ... rows−1 applied to `value`; round_keys has shape (ROUNDS, values)."""
    a = math.isqrt(rows - 1) + 1
    b = -(-rows // a)

    def once(value: Array) -> Array:
        left, right = value // jnp.uint32(b), value % jnp.uint32(b)
        for turn in range(0, ROUNDS, 2):
            left = _shifted(left, _mix(right, round_keys[turn]), a)
            right = _shifted(right, _mix(left, round_keys[turn + 1]), b)
        return left * jnp.uint32(b) + right

    # a·b exceeds n by less than a: a value outside is permuted again until it falls inside, still one to one.
    return jax.lax.while_loop(lambda v: jnp.any(v >= rows), lambda v: jnp.where(v >= rows, once(v), v), once(value))


def _shifted(value: Array, noise: Array, size: int) -> Array:
    """value + (noise scaled to 0 ... size−1) modulo size, without a division; size is at most 2¹⁶."""
    total = value + ((noise >> 16) * jnp.uint32(size) >> 16)
    return jnp.where(total >= size, total - jnp.uint32(size), total)


def _mix(value: Array, key: Array) -> Array:
    """Scatter the bits of value and key; the constants are those of MurmurHash3's finalizer."""
    h = value * jnp.uint32(0x9E3779B9) + key
    h = (h ^ (h >> 16)) * jnp.uint32(0x85EBCA6B)
    h = (h ^ (h >> 13)) * jnp.uint32(0xC2B2AE35)
    return h ^ (h >> 16)
