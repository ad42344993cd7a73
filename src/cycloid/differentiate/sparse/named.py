"""Matrices of derivatives and the pytrees they belong to: names for rows and columns, blocks for leaves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.sparse import BCOO

# A table with more rows or columns than this is no longer read.
READABLE = 1000


def names(tree: Any, root: str = "x") -> list[str]:
    """A name for every number of a pytree, in the order of the rows and columns of a derivative.

    Args:
        tree: arrays and numbers in any pytree; other leaves are passed over.
        root: how a leaf is called that has no name of its own.

    Example:
        >>> names({"bias": 0.5, "weights": np.zeros((1, 2))})
        ['bias', 'weights[0, 0]', 'weights[0, 1]']
        >>> names(np.zeros(2), root="u")
        ['u[0]', 'u[1]']
    """
    found = []
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        if not _counts(leaf):
            continue
        name = _name(path, root)
        shape = _shape(leaf)
        if not shape:
            found.append(name)
        found += [f"{name}[{', '.join(map(str, at))}]" for at in np.ndindex(*shape) if shape]
    return found


def _counts(leaf: Any) -> bool:
    dtype = getattr(leaf, "dtype", None)
    return isinstance(leaf, float) or (dtype is not None and jnp.issubdtype(dtype, jnp.floating))


def _name(path: Sequence[Any], root: str) -> str:
    text = ""
    for key in path:
        if isinstance(key, jax.tree_util.GetAttrKey):
            text += f".{key.name}"
        elif isinstance(key, jax.tree_util.DictKey) and isinstance(key.key, str):
            text += f".{key.key}"
        else:
            text += jax.tree_util.keystr((key,))
    return text[1:] if text.startswith(".") else root + text


def named(matrix: Any, rows: Any, columns: Any = None, long: bool = False) -> Any:
    """A matrix of derivatives as a table with names: a Hessian one can read.

    Args:
        matrix: a BCOO or an array of two axes, as `jacobian` and `hessian` return it for a flat point.
        rows: the value F(x) that the rows belong to (the point x, for a Hessian); any pytree.
        columns: the point x that the columns belong to; by default the same as rows.
        long: True for one line an entry (row, column, value), those that are stored alone, largest first.

    Returns:
        pandas.DataFrame.

    Raises:
        ValueError: when the names do not count the rows and columns, or the table has over 1,000 of them.

    Example:
        >>> H = np.array([[2.0, 1.0], [1.0, 0.0]])
        >>> print(named(H, {"reach": 1.0, "depth": 2.0}))
               depth  reach
        depth    2.0    1.0
        reach    1.0    0.0
    """
    import pandas as pd

    down, across = names(rows, "f" if columns is not None else "x"), names(rows if columns is None else columns)
    if matrix.shape != (len(down), len(across)):
        raise ValueError(
            f"named: the matrix has the shape {matrix.shape}; rows and columns name {len(down)} and {len(across)} "
            "numbers."
        )
    if long:
        row, column, value = _entries(matrix)
        order = np.argsort(-np.abs(value), kind="stable")
        cells = {
            "row": [down[k] for k in row[order]],
            "column": [across[k] for k in column[order]],
            "value": value[order],
        }
        return pd.DataFrame(cells)
    if max(matrix.shape) > READABLE:
        raise ValueError(
            f"named: a table of {matrix.shape[0]} by {matrix.shape[1]} is not readable: long=True lists its entries."
        )
    whole = np.asarray(matrix.todense() if isinstance(matrix, BCOO) else matrix)
    return pd.DataFrame(whole, index=pd.Index(down), columns=pd.Index(across))


def _entries(matrix: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if isinstance(matrix, BCOO):
        indices = np.asarray(matrix.indices)
        return indices[:, 0], indices[:, 1], np.asarray(matrix.data)
    whole = np.asarray(matrix)
    row, column = np.nonzero(whole)
    return row, column, whole[row, column]


def blocks(matrix: Any, rows: Any, columns: Any = None) -> Any:
    """A matrix of derivatives as a pytree of blocks: the derivative of each leaf of rows by each leaf of columns.

    Args:
        matrix: a BCOO or an array of two axes.
        rows: the pytree that the rows belong to (the point x, for a Hessian).
        columns: the pytree that the columns belong to; by default the same.

    Returns:
        The structure of rows, and in each leaf that of columns. Blocks of an array have the shape of the leaf of rows
        followed by that of columns; blocks of a BCOO are BCOO matrices, one row and column a number.

    Raises:
        ValueError: when rows and columns do not hold as many numbers as the matrix.

    Example:
        >>> H = blocks(np.arange(9.0).reshape(3, 3), {"a": np.zeros(2), "b": 0.0})
        >>> H["a"]["b"].tolist(), H["b"]["a"].tolist()
        ([2.0, 5.0], [6.0, 7.0])
    """
    columns = rows if columns is None else columns
    down, across = _cuts(rows), _cuts(columns)
    if matrix.shape != (down[-1], across[-1]):
        raise ValueError(
            f"blocks: the matrix has the shape {matrix.shape}; rows and columns hold {down[-1]} and {across[-1]} "
            "numbers."
        )
    tall, wide = jax.tree.leaves(rows), jax.tree.leaves(columns)
    parts = []
    for leaf, low, high in zip(tall, down[:-1], down[1:], strict=True):
        line = [
            _block(matrix, (low, high), (left, right), _shape(leaf), _shape(other))
            for other, left, right in zip(wide, across[:-1], across[1:], strict=True)
        ]
        parts.append(jax.tree.unflatten(jax.tree.structure(columns), line))
    return jax.tree.unflatten(jax.tree.structure(rows), parts)


def _cuts(tree: Any) -> list[int]:
    return [0, *np.cumsum([int(np.prod(_shape(leaf), dtype=np.int64)) for leaf in jax.tree.leaves(tree)]).tolist()]


def _shape(leaf: Any) -> tuple[int, ...]:
    return tuple(leaf.shape) if hasattr(leaf, "shape") else np.shape(leaf)


def _block(matrix: Any, rows: tuple[int, int], columns: tuple[int, int], tall: tuple, wide: tuple) -> Any:
    if not isinstance(matrix, BCOO):
        return jnp.asarray(matrix)[slice(*rows), slice(*columns)].reshape(*tall, *wide)
    indices = np.asarray(matrix.indices)
    low, high = np.array([rows[0], columns[0]]), np.array([rows[1], columns[1]])
    kept = np.flatnonzero(((indices >= low) & (indices < high)).all(axis=1))
    shape = (rows[1] - rows[0], columns[1] - columns[0])
    return BCOO(
        (matrix.data[kept], jnp.asarray(indices[kept] - low)), shape=shape, unique_indices=matrix.unique_indices
    )


def as_matrix(tree: Any, rows: Any, columns: Any = None) -> jax.Array:
    """Undo `blocks` for arrays: the matrix of a derivative that has the form of pytrees, as `jacobian` returns it.

    Args:
        tree: the derivative; for a Hessian of a pytree, blocks by row and by column.
        rows: a pytree with the shapes of the function's values (of its point, for a Hessian).
        columns: the same of its point; by default that of the rows.

    Raises:
        ValueError: when the blocks are not as many as rows and columns ask for.

    Example:
        >>> point = {"a": np.zeros(2), "b": 0.0}
        >>> as_matrix(blocks(np.arange(9.0).reshape(3, 3), point), point).tolist()
        [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0], [6.0, 7.0, 8.0]]
    """
    columns = rows if columns is None else columns
    tall = [int(np.prod(_shape(leaf), dtype=np.int64)) for leaf in jax.tree.leaves(rows)]
    wide = [int(np.prod(_shape(leaf), dtype=np.int64)) for leaf in jax.tree.leaves(columns)]
    leaves = jax.tree.leaves(tree)
    if len(leaves) != len(tall) * len(wide):
        raise ValueError(
            f"as_matrix: {len(tall)} leaves by {len(wide)} make other than the {len(leaves)} blocks given."
        )
    given = iter(leaves)
    lines = [[jnp.reshape(next(given), (height, width)) for width in wide] for height in tall]
    return jnp.block(lines)
