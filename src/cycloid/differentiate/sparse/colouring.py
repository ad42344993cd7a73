"""Columns (or rows) that share no row are computed in one product: colouring, for what the walk cannot go through.

The pattern is proven by asdex, which follows index sets through the program of the derivative; its colourings, star
colouring for a symmetric matrix among them, say which columns go together. The products are of one program, in which
all that does not depend on the direction is computed once.

Reference: A. H. Gebremedhin, F. Manne and A. Pothen, What color is your Jacobian?, SIAM Review 47, 2005.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from cycloid.core.parallel import map_chunks
from cycloid.differentiate.sparse.assembly import Block, Layout
from cycloid.differentiate.sparse.drafts import SHARES, Draft, drawn
from cycloid.differentiate.sparse.keeping import marked
from cycloid.differentiate.sparse.linear import Linear
from cycloid.differentiate.sparse.maps import IndexMap
from cycloid.differentiate.sparse.patterns import Pattern
from cycloid.differentiate.sparse.propagation import Effort
from cycloid.differentiate.sparse.slots import Unsupported


@dataclass(frozen=True, eq=False)
class Products:
    """How the products are made.

    Args:
        colours: how many products.
        chunk: how many at once.
        mesh: the devices.
    """

    colours: int
    chunk: int
    mesh: Mesh | None

    @property
    def chunks(self) -> int:
        return -(-self.colours // max(1, self.chunk))

    def bytes(self, linear: Linear) -> int:
        """Memory held beside the answer: all products, and the numbers of those that are made at once."""
        whole = self.chunks * self.chunk * sum(out.size for out in linear.outputs)
        return 8 * (whole + self.chunk * linear.size())


def proven_pattern(linear: Linear) -> Pattern:
    """The pattern of the matrix, by index sets through its program.

    Raises:
        Unsupported: when asdex has no rule for an operation.
    """
    import asdex

    moving = linear.moving
    fixed, given = len(moving), len(moving) + len(linear.arrays)

    def program(*values: Any) -> list[Any]:
        return linear.with_moving(values[:fixed])(values[fixed:given], values[given:])

    places = tuple(range(given, given + len(linear.directions)))
    try:
        samples: list[Any] = [np.zeros(a.shape, a.dtype) for a in (*moving, *linear.arrays, *linear.directions)]
        found = asdex.jacobian_sparsity(program, *samples, argnums=places)
    except Exception as error:  # an operation without a rule, or one that its rule does not expect
        raise Unsupported(str(error).partition(". ")[0]) from error
    rows, columns = np.asarray(found.rows), np.asarray(found.cols)
    return Pattern(columns, rows, linear.shape) if linear.reverse else Pattern(rows, columns, linear.shape)


def coloured(linear: Linear, pattern: Pattern, symmetric: bool) -> Any:
    """asdex's colouring of a pattern for the products of this program."""
    import asdex

    known = asdex.SparsityPattern.from_coo(pattern.rows, pattern.columns, linear.shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", asdex.DenseColoringWarning)
        if symmetric:
            return asdex.hessian_coloring_from_sparsity(known)
        return asdex.jacobian_coloring_from_sparsity(known, mode="rev" if linear.reverse else "fwd")


def by_colours(linear: Linear, pattern: Pattern, colouring: Any, symmetric: bool, products: Products) -> Draft:
    """The matrix by products with sums of columns that share no row."""
    import asdex

    classes = np.asarray(colouring.colors)

    def compute(linear: Linear, arrays: Sequence[Any]) -> Any:
        compressed = _products(linear, arrays, lambda number: classes == number, products)
        return asdex.decompress_data(marked(compressed) if symmetric else compressed, colouring)

    line = IndexMap(0, (0,), pattern.rows.astype(np.int64)), IndexMap(0, (0,), pattern.columns.astype(np.int64))
    blocks = (Block((pattern.nonzeros,), *line),) if pattern.nonzeros else ()
    return _draft(linear, compute, Layout(linear.shape, blocks, pattern.nonzeros), products.colours, classes)


def entire(linear: Linear, symmetric: bool, products: Products) -> Draft:
    """The matrix with all its entries, one product for each column (each row, for a reverse program)."""
    rows, columns = linear.shape

    def compute(linear: Linear, arrays: Sequence[Any]) -> Any:
        whole = _products(linear, arrays, lambda number: jnp.arange(linear.columns) == number, products)
        if symmetric:
            whole = marked(whole)
            return (0.5 * (whole + whole.T)).reshape(-1)
        return (whole if linear.reverse else whole.T).reshape(-1)

    block = Block((rows, columns), IndexMap(0, (1, 0)), IndexMap(0, (0, 1)))
    return _draft(linear, compute, Layout(linear.shape, (block,) if rows * columns else (), 0), products.colours)


def _draft(
    linear: Linear,
    compute: Callable[[Linear, Sequence[Any]], Any],
    layout: Layout,
    colours: int,
    classes: np.ndarray | None = None,
) -> Draft:
    dtype = jnp.result_type(*[out.dtype for out in linear.outputs]) if linear.outputs else jnp.result_type(float)
    if not layout.nonzeros:
        compute = lambda linear, arrays: jnp.zeros((0,), dtype)
    program, moving = drawn(linear, compute)
    return Draft(program, moving, layout, dtype, Effort(0, colours * linear.size(), linear.size()), classes)


def _products(linear: Linear, arrays: Sequence[Any], seed: Callable[[Any], Any], products: Products) -> Any:
    """The products with every seed, one a row."""
    cuts = np.cumsum([0, *(int(np.prod(d.shape, dtype=np.int64)) for d in linear.directions)])

    def product(number: Any) -> Any:
        whole = seed(number)
        parts = [
            whole[low:high].reshape(d.shape).astype(d.dtype)
            for low, high, d in zip(cuts[:-1], cuts[1:], linear.directions, strict=True)
        ]
        outputs = linear(arrays, parts)
        return jnp.concatenate([jnp.ravel(out) for out in outputs])

    if products.mesh is None and products.chunks == 1:
        return jax.vmap(product)(jnp.arange(products.colours))
    numbers = jnp.arange(products.chunks * products.chunk).reshape(products.chunks, products.chunk)
    done = map_chunks(jax.vmap(product), numbers, mesh=products.mesh)
    return done.reshape(-1, done.shape[-1])[: products.colours]


def parted(colours: int, linear: Linear, memory: int, mesh: Mesh | None) -> Products:
    """As many products at once as fit into the memory left; with a mesh in shares that do not depend on it."""
    left = memory - 8 * colours * sum(out.size for out in linear.outputs)
    chunk = max(1, min(colours, left // (8 * linear.size())))
    if mesh is not None:
        chunk = min(chunk, max(1, -(-colours // SHARES)))
    return Products(colours, int(chunk), mesh)
