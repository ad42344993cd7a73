"""The one place that speaks of meshes: chunks streamed over devices, with the same bits on every mesh."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec


def enable_all_cores(cores: int | None = None) -> int:
    """Give JAX one host device for each processor core, so that sweeps and races train a network on every core.

    Call it first in a program, like `enable_x64`: JAX counts its devices when it makes its first array. Programs
    that name no mesh still run on the first device alone. It is `XLA_FLAGS=--xla_force_host_platform_device_count`
    without the environment.

    Args:
        cores: how many devices; by default as many as this process may use.

    Returns:
        How many host devices there are.

    Raises:
        RuntimeError: when JAX has started already, with another number of devices.
        ValueError: when `cores` is below 1.

    Example:
        >>> enable_all_cores(jax.device_count())  # nothing to change
        1
    """
    wanted = len(os.sched_getaffinity(0)) if cores is None and hasattr(os, "sched_getaffinity") else cores
    wanted = (os.cpu_count() or 1) if wanted is None else wanted
    if wanted < 1:
        raise ValueError(f"cores= is at least 1; it was {wanted}.")
    try:
        jax.config.update("jax_num_cpu_devices", wanted)
    except RuntimeError as error:
        there = jax.local_device_count("cpu")
        if there != wanted:
            raise RuntimeError(
                f"JAX has started with {there} host device{'s' if there > 1 else ''}: call cy.enable_all_cores() "
                f"before the first array is made."
            ) from error
    return wanted


def as_mesh(mesh: Mesh | None) -> Mesh | None:
    """The mesh rebuilt with automatic axes: on the explicit ones of `jax.make_mesh`, reshape and slicing raise.

    Raises:
        TypeError: when it is no `jax.sharding.Mesh`.
    """
    if mesh is None:
        return None
    if not isinstance(mesh, Mesh):
        raise TypeError(
            f'mesh= is a jax.sharding.Mesh, such as jax.make_mesh((8,), ("batch",)); it was a {type(mesh).__name__}.'
        )
    return Mesh(mesh.devices, mesh.axis_names)


def device_count(mesh: Mesh | None) -> int:
    """How many devices a call with this mesh runs on."""
    return 1 if mesh is None else int(np.size(mesh.devices))


def check_key(key: Any, purpose: str) -> Any:
    """The key, or TypeError saying what it is needed for.

    Raises:
        TypeError: when it is missing or is not a single typed key.
    """
    if key is None:
        raise TypeError(f"{purpose} needs chance: pass key=jax.random.key(0).")
    if not (isinstance(key, jax.Array) and jnp.issubdtype(key.dtype, jax.dtypes.prng_key) and key.ndim == 0):
        raise TypeError(f"key= is one typed key, jax.random.key(0); it was a {type(key).__name__}.")
    return key


def map_chunks(function: Callable[[Any], Any], chunks: Any, *, mesh: Mesh | None = None) -> Any:
    """`function` over the leading axis of `chunks`, each device taking an equal share, results in index order.

    A chunk is computed by the same program on whichever device it falls, so the stacked result holds the
    same bits for every mesh. What does not divide is padded with copies of the first chunk and cut off again.

    Args:
        function: one chunk -> pytree of arrays.
        chunks: pytree of arrays with a common leading axis.
        mesh: the devices; None for one.

    Returns:
        The results stacked on a leading axis, replicated on every device.
    """
    mesh = as_mesh(mesh)
    if mesh is None or device_count(mesh) == 1:
        return jax.lax.map(function, chunks)
    count = jax.tree.leaves(chunks)[0].shape[0]
    devices = device_count(mesh)
    pad = -count % devices
    padded = jax.tree.map(lambda c: jnp.concatenate([c, jnp.repeat(c[:1], pad, axis=0)]) if pad else c, chunks)
    axes = tuple(mesh.axis_names)

    def share(part: Any) -> Any:
        done = jax.lax.map(function, part)
        return jax.tree.map(lambda leaf: jax.lax.all_gather(leaf, axes, axis=0, tiled=True), done)

    run = jax.shard_map(share, mesh=mesh, in_specs=PartitionSpec(axes), out_specs=PartitionSpec(), check_vma=False)
    return jax.tree.map(lambda leaf: leaf[:count], run(padded))


def on_every_device(tree: Any, mesh: Mesh | None) -> Any:
    """A copy of each array on every device of the mesh, so that a program is compiled for one placement only."""
    if mesh is None:
        return tree
    return jax.device_put(tree, NamedSharding(mesh, PartitionSpec()))


def on_one_device(tree: Any, mesh: Mesh | None) -> Any:
    """What a program on a mesh has computed alike on every device, as the arrays of its first device, uncopied."""
    if mesh is None:
        return tree
    return jax.tree.map(lambda leaf: leaf.addressable_data(0) if isinstance(leaf, jax.Array) else leaf, tree)


def sum_in_order(stacked: Any) -> Any:
    """The sum over the leading axis, first to last: a fixed order, hence fixed bits."""

    def add(total: Any, row: Any) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, total, row), None

    first = jax.tree.map(lambda leaf: leaf[0], stacked)
    rest = jax.tree.map(lambda leaf: leaf[1:], stacked)
    return jax.lax.scan(add, first, rest)[0]


def stream(
    function: Callable[[Any, Any], Any],
    *,
    chunks: int,
    key: Any,
    mesh: Mesh | None = None,
    combine: Callable[[Any, Any], Any],
) -> Any:
    """Fold `combine` over `function(key_i, i)` for i = 0 ... chunks-1 without ever holding all the results.

    Chunk i has the key `fold_in(key, i)` whatever the mesh; rounds of one chunk a device are gathered and
    combined in index order, so the answer has the same bits on every mesh and memory does not grow with chunks.

    Args:
        function: (key, index) -> pytree of arrays, the summary of one chunk.
        chunks: how many, at least one.
        key: a typed key.
        mesh: the devices; None for one.
        combine: (summary so far, next summary) -> summary.
    """
    if chunks < 1:
        raise ValueError(f"chunks is at least 1; it was {chunks}.")
    devices = device_count(mesh)
    one = lambda i: function(jax.random.fold_in(key, i), i)
    rounds = -(-chunks // devices)
    shapes = jax.eval_shape(one, jnp.zeros((), jnp.int32))
    start = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)

    def turn(total: Any, round_index: Any) -> tuple[Any, None]:
        index = round_index * devices + jnp.arange(devices, dtype=jnp.int32)
        summaries = map_chunks(one, index, mesh=mesh)

        def fold(total: Any, item: tuple[Any, Any]) -> tuple[Any, None]:
            i, summary = item
            merged = combine(total, summary)
            keep = lambda m, s, t: jnp.where(i >= chunks, t, jnp.where(i == 0, s, m))
            return jax.tree.map(keep, merged, summary, total), None

        return jax.lax.scan(fold, total, (index, summaries))[0], None

    return jax.lax.scan(turn, start, jnp.arange(rounds, dtype=jnp.int32))[0]
