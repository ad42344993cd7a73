"""A matrix drawn up before it is computed: the program of its values, and where each of them lies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core as jex
from jax.sharding import Mesh

from cycloid.core.parallel import map_chunks
from cycloid.differentiate.sparse.assembly import Assembled, Layout, assembled
from cycloid.differentiate.sparse.keeping import kept
from cycloid.differentiate.sparse.linear import Linear
from cycloid.differentiate.sparse.propagation import Effort, walk

# With a mesh the values are computed in so many parts, whatever the mesh, so that their bits do not depend on it.
SHARES = 8


@dataclass(frozen=True, eq=False)
class Draft:
    """A matrix that has been drawn up.

    Args:
        program: from (moving constants, arrays) to the values.
        moving: those constants.
        layout: where the values lie.
        dtype: of the values.
        effort: what computing them takes, where they are computed entry by entry.
        classes: the colour of each column (of each row, in reverse mode), where there are colours.
    """

    program: jex.ClosedJaxpr
    moving: tuple[Any, ...]
    layout: Layout
    dtype: Any
    effort: Effort
    classes: np.ndarray | None = None

    def values(self, arrays: Sequence[Any]) -> Any:
        """The values at these arrays, in the running program."""
        return jex.jaxpr_as_fun(self.program)(*self.moving, *arrays)[0]


def drawn(linear: Linear, compute: Callable[[Linear, Sequence[Any]], Any]) -> tuple[jex.ClosedJaxpr, tuple[Any, ...]]:
    """The program of `compute(linear, arrays)`, traced now and run later, and the constants to pass to it."""
    moving = linear.moving
    shapes = [jax.ShapeDtypeStruct(const.shape, const.dtype) for const in moving]
    run = lambda moving, arrays: compute(linear.with_moving(moving), arrays)
    return kept(jax.make_jaxpr(run)(shapes, linear.arrays)), moving


def by_maps(linear: Linear, symmetric: bool, mesh: Mesh | None) -> Draft:
    """The matrix by sparse forward mode through its program.

    Raises:
        Unsupported: when the walk cannot go through.
    """
    found: dict[str, Any] = {}

    def matrix(linear: Linear, arrays: Sequence[Any]) -> Assembled:
        outputs, effort = walk(linear.jaxpr, linear.consts, arrays, linear.directions)
        whole = assembled(outputs, linear.columns, symmetric, linear.reverse)
        found.update(layout=whole.layout, dtype=whole.dtype, effort=effort)
        return whole

    def compute(linear: Linear, arrays: Sequence[Any]) -> Any:
        whole = matrix(linear, arrays)
        if mesh is None or whole.layout.nonzeros < SHARES:
            return whole.values()
        return _shared(lambda: matrix(linear, arrays), whole.layout.nonzeros, mesh)

    program, moving = drawn(linear, compute)
    return Draft(program, moving, found["layout"], found["dtype"], found["effort"])


def _shared(matrix: Callable[[], Assembled], total: int, mesh: Mesh) -> Any:
    """The values in equal shares, each computed by itself on whichever device it falls."""
    length = -(-total // SHARES)

    def share(number: int) -> Any:
        whole = matrix()
        low, high, start = number * length, min(total, (number + 1) * length), 0
        pieces = [jnp.zeros((0,), whole.dtype)]
        for part in whole.parts:
            begin, end = max(low - start, 0), min(high - start, part.shape[0])
            if begin < end:
                pieces.append(part[begin:end])
            start += part.shape[0]
        lacking = length - sum(piece.shape[0] for piece in pieces)
        return jnp.concatenate([*pieces, jnp.zeros((lacking,), whole.dtype)])

    branches = [lambda number=number: share(number) for number in range(SHARES)]
    shares = map_chunks(lambda i: jax.lax.switch(i, branches), jnp.arange(SHARES), mesh=mesh)
    return shares.reshape(-1)[:total]
