"""From terms to a matrix: which entries there are, where each lies, and the vector of their values.

Boxes told by strides are written out as they are, one after the other. What may overlap is listed entry by entry,
sorted, and its duplicates added, so that every entry of the answer stands there once. Of a symmetric matrix one
triangle is computed and mirrored, so that the answer is symmetric to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax.numpy as jnp
import numpy as np

from cycloid.differentiate.sparse.absorbing import absorbed
from cycloid.differentiate.sparse.keeping import marked
from cycloid.differentiate.sparse.listing import Listing, listed
from cycloid.differentiate.sparse.maps import IndexMap
from cycloid.differentiate.sparse.merging import merged, parted
from cycloid.differentiate.sparse.overlaps import may_meet, may_repeat
from cycloid.differentiate.sparse.slots import Slot
from cycloid.differentiate.sparse.symmetry import Half, evened, halves
from cycloid.differentiate.sparse.terms import spread
from cycloid.differentiate.sparse.views import positions


@dataclass(frozen=True, eq=False)
class Block:
    """Entries row(i), column(i) for i in a box.

    Args:
        extents: the box, read in row-major order.
        row: the rows.
        column: the columns.
    """

    extents: tuple[int, ...]
    row: IndexMap
    column: IndexMap

    @property
    def size(self) -> int:
        return int(np.prod(self.extents, dtype=np.int64))


@dataclass(frozen=True, eq=False)
class Layout:
    """Where each value of the matrix lies.

    Args:
        shape: of the matrix.
        blocks: its entries, in the order of the values.
        listed: how many of them are listed one by one.
    """

    shape: tuple[int, int]
    blocks: tuple[Block, ...]
    listed: int

    @property
    def nonzeros(self) -> int:
        return sum(block.size for block in self.blocks)

    def indices(self) -> np.ndarray:
        """Row and column of every entry, as known now."""
        out, start = np.empty((self.nonzeros, 2), np.int32), 0
        for block in self.blocks:
            window = out[start : start + block.size]
            window[:, 0] = block.row.values(block.extents).reshape(-1)
            window[:, 1] = block.column.values(block.extents).reshape(-1)
            start += block.size
        return out

    def traced_indices(self) -> Any:
        """The same as an array that the running program counts out, with nothing stored that strides can tell."""
        if not self.blocks:
            return jnp.zeros((0, 2), jnp.int32)
        both = [
            jnp.stack(
                [positions(index, block.extents, whole=True).reshape(-1) for index in (block.row, block.column)], -1
            )
            for block in self.blocks
        ]
        return jnp.concatenate(both)


@dataclass(frozen=True, eq=False)
class Assembled:
    """A matrix as parts of its values, and its layout.

    Args:
        parts: flat arrays; the values are these, one after the other.
        layout: where they lie.
    """

    parts: tuple[Any, ...]
    layout: Layout
    dtype: Any

    def values(self) -> Any:
        """All values in one array."""
        if not self.parts:
            return jnp.zeros((0,), self.dtype)
        return self.parts[0] if len(self.parts) == 1 else jnp.concatenate(self.parts)


def assembled(outputs: Sequence[Slot], columns: int, symmetric: bool, transposed: bool = False) -> Assembled:
    """The matrix whose rows are the entries of the outputs, one after the other.

    Args:
        outputs: what the walk found.
        columns: how many columns there are.
        symmetric: whether the matrix is known to be symmetric.
        transposed: whether its rows and columns are to be exchanged.
    """
    terms, rows = [], 0
    for slot in outputs:
        terms += [replace(term, row=term.row.plus(rows)) for term in slot.terms or []]
        rows += slot.size
    if transposed:
        terms = [replace(term, row=term.column, column=term.row) for term in terms]
    shape = (columns, rows) if transposed else (rows, columns)
    dtype = jnp.result_type(*[slot.dtype for slot in outputs]) if outputs else jnp.result_type(float)
    terms = absorbed(parted(merged(terms)))
    items = halves(terms) if symmetric else [Half(term) for term in terms]
    parts: list[Any] = []
    blocks: list[Block] = []
    mirrored: list[tuple[Any, Block]] = []
    together, alone = _grouped(items)
    for half in alone:
        term = evened(half.term) if half.even else half.term
        part = spread(term.coefficient, term.extents).reshape(-1)
        part = jnp.asarray(part, dtype) if part.dtype == dtype else part.astype(dtype)
        part = marked(part) if half.mirror else part
        parts.append(part)
        blocks.append(Block(term.extents, term.row, term.column))
        if half.mirror:
            mirrored.append((part, Block(term.extents, term.column, term.row)))
    count = 0
    for listing in [listed(together, shape, dtype, symmetric)] if together else []:
        count += _append(listing, parts, blocks, mirrored)
    parts += [part for part, _ in mirrored]
    blocks += [block for _, block in mirrored]
    return Assembled(tuple(parts), Layout(shape, tuple(blocks), count), dtype)


def _append(listing: Listing, parts: list, blocks: list, mirrored: list) -> int:
    """Add what is listed; returns how many entries that is, mirrored ones included."""
    count = 0
    for part, rows, columns, mirror in listing:
        own, other = (IndexMap(0, (0,), np.asarray(index, np.int64)) for index in (rows, columns))
        part = marked(part) if mirror else part
        parts.append(part)
        blocks.append(Block((len(rows),), own, other))
        if mirror:
            mirrored.append((part, Block((len(rows),), other, own)))
        count += len(rows) * (1 + mirror)
    return count


def _grouped(items: Sequence[Half]) -> tuple[list[Half], list[Half]]:
    """Those that may share an entry with another (or hold one twice), and those that are proven not to."""
    doubtful = {k for k, half in enumerate(items) if half.crossing or may_repeat(half.term)}
    for k, half in enumerate(items):
        for j in range(k):
            if not (k in doubtful and j in doubtful) and _may_meet(half, items[j]):
                doubtful |= {j, k}
    return [items[k] for k in sorted(doubtful)], [half for k, half in enumerate(items) if k not in doubtful]


def _may_meet(a: Half, b: Half) -> bool:
    if may_meet(a.term, b.term):
        return True
    return (a.crossing or b.crossing) and may_meet(a.term.mirrored(), b.term)
