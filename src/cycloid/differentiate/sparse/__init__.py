"""Sparse Jacobians and Hessians without a pattern from the user: what `jacobian` and `hessian` do with pattern="auto".

maps, views            entries told by offset and strides; the part of an array that they need
terms, merging         boxes of entries with their derivatives, added up where they tell of the same
rules ... propagation  one rule an operation; the walk through the program of the derivative
assembly ... symmetry  from terms to a matrix: no entry twice, one triangle mirrored
keeping                what is computed once, and what a compiler may compute again
colouring              products with sums of columns, for what the walk cannot go through
plans, planning        what is asked for; which path, and why
answers                programs compiled once for each function and shape
named                  the same numbers as pytrees, and with names
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jax.sharding import Mesh

from cycloid.core.functions import Traceable, as_function
from cycloid.core.parallel import as_mesh
from cycloid.differentiate.derived import Derived
from cycloid.differentiate.sparse.answers import Wanted, sparse_matrix
from cycloid.differentiate.sparse.named import as_matrix, blocks, named, names
from cycloid.differentiate.sparse.patterns import Pattern, given_pattern
from cycloid.differentiate.sparse.plans import Plan, Request, refuse_too_large

Function = Callable[..., Any]


def matrix_operator(
    operator: str,
    function: Function | str,
    pattern: Any,
    mode: str = "auto",
    argnums: int | Sequence[int] | None = None,
    memory: float | None = None,
    mesh: Mesh | None = None,
) -> Derived:
    """The operator `jacobian` or `hessian` whose matrix is sparse, or (pattern=None) dense and computed in chunks.

    Raises:
        TypeError: for a pattern, a memory or a mesh that is none.
        ValueError: for a memory that is not positive, another word than "auto".
    """
    if isinstance(pattern, str) and pattern != "auto":
        raise ValueError(f'{operator}: pattern="auto" finds the pattern; {pattern!r} is no other way to ask for it.')
    if memory is not None and (isinstance(memory, bool) or not isinstance(memory, int | float)):
        raise TypeError(f"{operator}: memory is a number of bytes, such as 2e9; it was {memory!r}.")
    if memory is not None and not memory > 0:
        raise ValueError(f"{operator}: memory is a positive number of bytes; it was {memory}.")
    found = None if pattern is None or isinstance(pattern, str) else given_pattern(pattern, operator)
    places = argnums if argnums is None or isinstance(argnums, int) else tuple(argnums)
    budget = None if memory is None else int(memory)
    request = Request(operator, found, mode, places, budget, as_mesh(mesh), dense=pattern is None)
    return Derived(operator, sparse_matrix, as_function(function), (Wanted(request),), compiled=False)


def plan(F: Function | str, *args: Any, order: int = 1, **kwargs: Any) -> Plan:
    """How a derivative would be computed, and why: nothing is compiled or evaluated.

    Args:
        F: an operator, `jacobian(f, pattern="auto")` or `hessian(f, pattern="auto")`, or a dense one; or a function,
            whose sparse Jacobian (Hessian, with order 2) is then meant.
        args: the arguments it would be called with, or `jax.ShapeDtypeStruct` in place of any of their arrays.
        order: 1 or 2, where F is a function.
        kwargs: arguments by name.

    Returns:
        Plan: path ("maps", "colouring" or "dense"), mode, reason, shape, nonzeros, maps, colours, chunks, memory in
        bytes and cost in evaluations of F; printed as a sentence. `.pattern` holds the entries; `cycloid.figure` draws
        them.

    Raises:
        ValueError: when the answer would not fit into the memory; for another order.

    Example:
        >>> import jax.numpy as jnp
        >>> from cycloid.differentiate import plan
        >>> found = plan(lambda x: x[1:] - x[:-1] ** 2, jnp.ones(1000))
        >>> found.path, found.shape, found.nonzeros, found.maps
        ('maps', (999, 1000), 1998, 2)
    """
    wanted, function = _wanted(F, order)
    variant, _ = wanted.programs(function).of(function, wanted.request, args, kwargs)
    return variant.plan


def pattern_of(F: Function | str, *args: Any, order: int = 1, **kwargs: Any) -> Pattern:
    """Which entries of a Jacobian or Hessian may differ from zero; a proof, valid for all values of the arguments.

    Args:
        F: an operator or a function, as for `plan`.
        args: the arguments it would be called with.
        order: 1 for the Jacobian, 2 for the Hessian, where F is a function.
        kwargs: arguments by name.

    Returns:
        Pattern: `rows`, `columns`, `indices` of shape (nonzeros, 2), `shape`, `density`; may be handed to `pattern=`.

    Example:
        >>> import jax.numpy as jnp
        >>> from cycloid.differentiate import pattern_of
        >>> pattern_of(lambda x: x[1:] - x[:-1], jnp.ones(3)).indices.tolist()
        [[0, 0], [0, 1], [1, 1], [1, 2]]
    """
    wanted, function = _wanted(F, order)
    variant, _ = wanted.programs(function).of(function, wanted.request, args, kwargs)
    return variant.plan.pattern


def _wanted(F: Function | str, order: int) -> tuple[Wanted, Function]:
    operator = F.function if isinstance(F, Traceable) else F
    if isinstance(operator, Derived) and operator.operator in ("jacobian", "hessian"):
        if isinstance(operator.options[0], Wanted):
            return operator.options[0], operator.function
        *modes, argnums = operator.options  # of `jacobian` and `hessian` with dense answers
        mode = modes[0] if modes else "auto"
        made = matrix_operator(operator.operator, operator.function, None, mode, argnums)
        return made.options[0], made.function
    if order not in (1, 2):
        raise ValueError(f"order is 1 for the Jacobian or 2 for the Hessian; it was {order!r}.")
    made = matrix_operator(("jacobian", "hessian")[order - 1], F, "auto")
    return made.options[0], made.function


__all__ = [
    "Pattern",
    "Plan",
    "as_matrix",
    "blocks",
    "matrix_operator",
    "named",
    "names",
    "pattern_of",
    "plan",
    "refuse_too_large",
]
