"""The part of an array that a term needs: its entries at the rows of the term, by slices where strides allow it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cycloid.differentiate.sparse.maps import IndexMap, arranged, constant, digits, linear, row_major


def view(array: Any, index: IndexMap, extents: Sequence[int], shape: Sequence[int]) -> Any:
    """array.ravel()[index(i)] for i in a box, with length 1 along the axes on which it does not depend.

    Args:
        array: of `shape`, or with axes of length 1 (or fewer axes) in place of those along which it is constant.
        index: flat positions in an array of `shape`.
        extents: the box.
        shape: the shape that positions refer to.
    """
    axes = len(extents)
    array = array.reshape((1,) * (len(shape) - array.ndim) + array.shape)
    live = [axis for axis, size in enumerate(array.shape) if size != 1]
    if not live:
        return array.reshape((1,) * axes)
    coordinates = digits(index, extents, shape)
    if coordinates is None and index.table is None and len(live) == len(shape):
        found = _regrouped(array, index, extents)
        if found is not None:
            return found
    if coordinates is None:
        rows = np.unravel_index(index.short(extents), tuple(shape))
        return _gathered(array, [_listed(rows[axis]) for axis in live], [array.shape[axis] for axis in live], extents)
    coordinates = [coordinates[axis] for axis in live]
    sizes = [array.shape[axis] for axis in live]
    array = array.reshape(sizes)
    return (
        _sliced(array, coordinates, extents) if _separate(coordinates) else _mixed(array, coordinates, sizes, extents)
    )


def _separate(coordinates: Sequence[IndexMap]) -> bool:
    """Whether each axis of the array is run through by at most one axis of the box, and each of those by one alone."""
    used = [coordinate.actives() for coordinate in coordinates]
    flat = [axis for axes in used for axis in axes]
    simple = all(coordinate.table is None for coordinate in coordinates)
    return simple and all(len(axes) <= 1 for axes in used) and len(flat) == len(set(flat))


def _sliced(array: Any, coordinates: Sequence[IndexMap], extents: Sequence[int]) -> Any:
    window, order = [], {}
    for place, coordinate in enumerate(coordinates):
        live = coordinate.actives()
        if not live:
            window.append(slice(coordinate.offset, coordinate.offset + 1))
            continue
        (axis,) = live
        order[axis] = place
        stride, last = coordinate.strides[axis], coordinate.offset + coordinate.strides[axis] * (extents[axis] - 1)
        low, high = min(coordinate.offset, last), max(coordinate.offset, last)
        window.append(slice(low, high + 1, abs(stride)))
    if any(
        part != slice(0, size) and part != slice(0, size, 1) for part, size in zip(window, array.shape, strict=True)
    ):
        array = array[tuple(window)]
    backward = [place for axis, place in order.items() if coordinates[place].strides[axis] < 0]
    if backward:
        array = np.flip(array, tuple(backward)) if isinstance(array, np.ndarray) else jax.lax.rev(array, backward)
    return arranged(array, [order.get(axis) for axis in range(len(extents))])


def _mixed(array: Any, coordinates: Sequence[IndexMap], sizes: Sequence[int], extents: Sequence[int]) -> Any:
    """Several axes of the box in one axis of the array, or one in several (a diagonal)."""
    flat = linear(coordinates, sizes, len(extents))
    found = _regrouped(array, flat, extents) if flat.table is None else None
    return _gathered(array, coordinates, sizes, extents) if found is None else found


def _regrouped(array: Any, index: IndexMap, extents: Sequence[int]) -> Any:
    """The array seen in another shape, in which the strides of the map are axes; None where there is none."""
    size = math.prod(array.shape)
    steps = sorted({abs(stride) for stride in index.strides if stride}, reverse=True)
    if not steps:
        return None
    bounds, shape = [size, *steps, 1], []
    for above, below in itertools.pairwise(bounds):
        if above % below:
            return None
        shape.append(above // below)
    coordinates = digits(index, extents, shape)
    if coordinates is None or not _separate(coordinates):
        return None
    return _sliced(array.reshape(shape), coordinates, extents)


def _listed(values: np.ndarray) -> IndexMap:
    return IndexMap(0, (0,) * values.ndim, values)


def _gathered(array: Any, coordinates: Sequence[IndexMap], sizes: Sequence[int], extents: Sequence[int]) -> Any:
    total = constant(0, len(extents))
    for coordinate, step in zip(coordinates, row_major(sizes), strict=True):
        total = total.add(coordinate.times(step))
    flat = array.reshape(-1)
    if isinstance(flat, np.ndarray):
        return flat[total.short(extents)]
    return flat.at[positions(total, extents)].get(mode="promise_in_bounds")


def positions(index: IndexMap, extents: Sequence[int], whole: bool = False) -> Any:
    """The values of a map as an array of the running program: counted there, not stored, unless the map has a table.

    Args:
        index: the map.
        extents: its box.
        whole: False for length 1 along the axes on which it does not depend.
    """
    shape = [extent if whole or index.active(axis) else 1 for axis, extent in enumerate(extents)]
    total = jnp.asarray(index.offset, jnp.int32)
    for axis, stride in enumerate(index.strides):
        if stride and shape[axis] > 1:
            total = total + jax.lax.broadcasted_iota(jnp.int32, shape, axis) * jnp.asarray(stride, jnp.int32)
    if index.table is not None:
        total = total + jnp.asarray(index.table, jnp.int32)
    return jnp.broadcast_to(total, shape)
