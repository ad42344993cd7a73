"""Where the batches of a chunk of steps come from: rows kept on the device, all rows each time, or a stream."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, Int, PRNGKeyArray

from cycloid.learn.batches import rows_in_order


@final
class Rows(eqx.Module):
    """Examples: x and y with a common leading axis, and the group each one belongs to.

    Args:
        x: inputs, shape (n, ...).
        y: targets, shape (n, ...).
        groups: a small integer an example (its class, or the quartile of its target); None without groups.
    """

    x: Any
    y: Any
    groups: Any = None

    @property
    def count(self) -> int:
        """n, the number of examples."""
        return jax.tree.leaves(self.x)[0].shape[0]

    def take(self, index: Any) -> Rows:
        """The examples with these numbers, which must lie in range."""
        return jax.tree.map(lambda a: a.at[index].get(mode="promise_in_bounds"), self)


@final
class Shuffled(eqx.Module):
    """Mini-batches of rows kept on the device, by epochs shuffled with a key.

    Args:
        rows: all of them.
        key: for the orders.
        epoch: in which the chunk begins.
        offset: the position inside that epoch.
    """

    rows: Rows
    key: PRNGKeyArray
    epoch: Int[ArrayLike, ""]
    offset: Int[ArrayLike, ""]

    def batches(self, size: int, count: int) -> Callable[[Any], Rows]:
        """index of the step in the chunk -> its batch, for `count` batches of `size` rows."""
        order = rows_in_order(self.key, self.epoch, self.offset, size * count, self.rows.count).reshape(count, size)
        return lambda i: self.rows.take(order[i])


@final
class Whole(eqx.Module):
    """The whole data at every step.

    Args:
        rows: all of them.
    """

    rows: Rows

    def batches(self, size: int, count: int) -> Callable[[Any], Rows]:
        """index of the step in the chunk -> all rows."""
        return lambda i: self.rows


@final
class Streamed(eqx.Module):
    """Batches that came from an iterator, stacked on a leading axis.

    Args:
        rows: arrays of shape (batches, size, ...).
    """

    rows: Rows

    def batches(self, size: int, count: int) -> Callable[[Any], Rows]:
        """index of the step in the chunk -> the batch with this number."""
        return lambda i: jax.tree.map(lambda a: a[i], self.rows)


class ResidentSource:
    """Feeds of rows kept on the device.

    Args:
        rows: the training examples.
        batch_size: rows a step; all of them when it is at least their number.
        key: for the order of the rows; None with whole batches.
    """

    def __init__(self, rows: Rows, batch_size: int, key: PRNGKeyArray | None):
        whole = batch_size >= rows.count
        if key is None and not whole:
            raise TypeError("mini-batches are drawn by chance: pass key=jax.random.key(0), or batch_size=None.")
        self.rows, self.key = rows, None if whole else key
        self.batch_size = rows.count if whole else batch_size

    def feed(self, step: int, count: int, length: int) -> tuple[Shuffled | Whole, int]:
        """What the `count` steps after `step` read, and their number; a chunk is compiled for `length`."""
        if self.key is None:
            return Whole(self.rows), count
        epoch, offset = divmod(step * self.batch_size, self.rows.count)
        return Shuffled(self.rows, self.key, np.asarray(epoch, np.int32), np.asarray(offset, np.int32)), count

    def place(self, put: Callable[[Any], Any]) -> None:
        """Move the rows to where the steps run."""
        self.rows = put(self.rows)

    def skip(self, steps: int) -> None:
        """Nothing to do: the place in the sequence is a number."""


class StreamSource:
    """Feeds of batches (x, y) from an iterable, or from a function that returns one for each pass over the data.

    Every batch has the shape of the first; a shorter one at the end of a pass is left out and counted in `left_out`.

    Args:
        batches: an iterable of (x, y), or a function without arguments that returns one.
    """

    def __init__(self, batches: Any):
        self._source = batches
        self._iterator: Iterator[Any] = iter(())
        self._passes = 0
        self._convert: Callable[[Rows], Rows] = lambda rows: rows
        self._put: Callable[[Any], Any] = lambda rows: rows
        self.left_out = 0
        self.first = _as_rows(self._raw())
        self.batch_size = self.first.count
        self._ready: list[Rows] = [self.first]

    def interpret(self, convert: Callable[[Rows], Rows]) -> None:
        """Let every batch, the first included, pass through `convert` (dtypes, groups) from now on."""
        self._convert = convert
        self.first = convert(self.first)
        self._ready = [self.first]

    def feed(self, step: int, count: int, length: int) -> tuple[Streamed, int] | None:
        """The next batches, at most `count`, padded to `length`; None when the stream has ended."""
        taken: list[Rows] = []
        while len(taken) < count and (batch := self._next()) is not None:
            taken.append(batch)
        if not taken:
            return None
        padded = taken + [taken[-1]] * (length - len(taken))
        stacked = jax.tree.map(lambda *leaves: jnp.asarray(np.stack(leaves)), *padded)
        return Streamed(self._put(stacked)), len(taken)

    def place(self, put: Callable[[Any], Any]) -> None:
        """Move every chunk of batches to where the steps run."""
        self._put = put

    def skip(self, steps: int) -> None:
        """Pass over the batches that an interrupted run has seen."""
        for _ in range(steps):
            self._next()

    def _next(self) -> Rows | None:
        if self._ready:
            return self._ready.pop()
        while (raw := self._raw()) is not None:
            batch = self._convert(_as_rows(raw))
            shapes, expected = (jax.tree.map(np.shape, b) for b in (batch, self.first))
            if shapes == expected:
                return batch
            if batch.count > self.batch_size:
                raise ValueError(
                    f"a batch of {batch.count} rows came after one of {self.batch_size}: let every batch of the "
                    f"iterator have the same number of rows (a shorter last one is left out)."
                )
            self.left_out += 1
        return None

    def _raw(self) -> Any:
        """The next (x, y), beginning another pass when one is over; None when there is no other pass."""
        for _ in range(2):
            for item in self._iterator:
                return item
            again = self._open()
            if again is None:
                return None
            self._iterator = again
        return None

    def _open(self) -> Iterator[Any] | None:
        source = self._source() if callable(self._source) else self._source
        self._passes += 1
        if self._passes > 1 and not callable(self._source) and isinstance(source, Iterator):
            return None
        if not isinstance(source, Iterable):
            raise TypeError(f"a stream of batches is an iterable of (x, y); it was a {type(source).__name__}.")
        return iter(source)


def _as_rows(raw: Any) -> Rows:
    if raw is None:
        raise ValueError("the iterator of batches is empty: let it yield pairs (x, y) of arrays.")
    if not (isinstance(raw, (tuple, list)) and len(raw) == 2):
        raise TypeError(f"the iterator yields pairs (x, y) of arrays; it yielded a {type(raw).__name__}.")
    x, y = (jax.tree.map(_as_float, part) for part in raw)
    return Rows(x, y)


def _as_float(leaf: Any) -> np.ndarray:
    """A NumPy array, floats in the default float of JAX."""
    array = np.asarray(leaf)
    return array.astype(jnp.result_type(float)) if array.dtype.kind == "f" else array
