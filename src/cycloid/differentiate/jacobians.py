"""Jacobians and Hessians, the matrices of first and of second derivatives."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from cycloid.core.functions import as_function
from cycloid.differentiate.arguments import real_value, restrict
from cycloid.differentiate.derived import Derived
from cycloid.differentiate.products import gradient_of
from cycloid.differentiate.second_order import blocked_forward, check_mode, matrix, traced_once
from cycloid.differentiate.sparse import matrix_operator, refuse_too_large

Function = Callable[..., Any]

MODES = ("auto", "forward", "reverse")


def jacobian(
    F: Function | str,
    mode: str = "auto",
    pattern: Any = None,
    *,
    argnums: int | Sequence[int] | None = None,
    memory: float | None = None,
    mesh: Mesh | None = None,
) -> Function:
    """The Jacobian matrix J_ij = ∂F_i/∂x_j of a function of several values.

    Args:
        F: the function: callable, formula or text; its value and its first argument may be arrays or pytrees.
        mode: "forward" (one column of J a pass), "reverse" (one row a pass), or "auto": forward when x has no more
            numbers than F(x) and no function has a reverse rule alone (`jax.custom_vjp`), reverse otherwise; the shape
            of F(x) is found by tracing once.
        pattern: None for a dense answer; "auto" for a sparse one, whose pattern is found and proven; or a pattern: a
            matrix of truth values, a BCOO or SciPy matrix, or a list of (row, column). A pattern that lacks a non-zero
            makes others wrong.
        argnums: the positional argument(s) to differentiate; by default the first, and every variable of a formula.
        memory: bytes that may be used, by default half of what is free: products are made in chunks that fit, and an
            answer that does not is refused before anything is computed.
        mesh: devices that share the work of a sparse answer; its bits do not depend on how many they are.

    Returns:
        A function called like F. For arrays the answer has shape F(x).shape + x.shape; for pytrees it has the structure
        of F(x), and in each leaf that of x. Further arguments are handed on to F. With a pattern the answer is a
        jax.experimental.sparse.BCOO of shape (numbers in F(x), numbers in x), each entry once, in an order that is the
        same at every call; `blocks`, `named` and `names` lead back to pytrees, `plan` says how it is computed.

    Raises:
        ValueError: for another mode, a pattern of another shape, an answer beyond the memory.
        TypeError: when x holds nothing to differentiate, or F(x) no real numbers; when a function with a reverse rule
            alone blocks forward mode (the message names it and its line).

    Transformations: jit, vmap, grad. Cost: about min(numbers in x, numbers in F(x)) evaluations of F, made at once;
    with a pattern about as many operations as F has, times the non-zeros in a row.

    Example:
        >>> import jax.numpy as jnp
        >>> from cycloid.differentiate import jacobian
        >>> jacobian(lambda x: jnp.array([x[0] * x[1], x[1] ** 2]))(jnp.array([2.0, 3.0])).tolist()
        [[3.0, 2.0], [0.0, 6.0]]
        >>> jacobian(lambda x: x[1:] - x[:-1] ** 2, pattern="auto")(jnp.array([1.0, 2.0, 3.0])).todense().tolist()
        [[-2.0, 1.0, 0.0], [0.0, -4.0, 1.0]]
    """
    if mode not in MODES:
        raise ValueError(f"jacobian: mode is one of {', '.join(MODES)}; it was {mode!r}.")
    if not (pattern is None and memory is None and mesh is None):
        return matrix_operator("jacobian", as_function(F, "F"), pattern, mode, argnums, memory, mesh)
    places = argnums if argnums is None or isinstance(argnums, int) else tuple(argnums)
    return Derived("jacobian", _jacobian, as_function(F, "F"), (mode, places))


def _jacobian(function: Function, mode: str, argnums: Any, args: tuple, kwargs: dict) -> Any:
    restricted, point = restrict(function, args, kwargs, argnums, "jacobian")
    checked = lambda x: real_value(restricted(x), "jacobian")
    refuse_too_large("jacobian", _numbers(jax.eval_shape(checked, point)), _numbers(point))
    forward = mode == "forward" or (mode == "auto" and _prefers_forward(checked, point))
    if forward:
        checked, blocking = traced_once(checked, point)
        if blocking and mode == "forward":
            raise blocked_forward(blocking, "jacobian")
        forward = not blocking
    return (jax.jacfwd if forward else jax.jacrev)(checked)(point)


def _prefers_forward(function: Function, point: Any) -> bool:
    inputs = _numbers(point)
    return inputs == 1 or inputs <= _numbers(jax.eval_shape(function, point))


def _numbers(tree: Any) -> int:
    return sum(math.prod(jnp.shape(leaf)) for leaf in jax.tree.leaves(tree))


def hessian(
    f: Function | str,
    pattern: Any = None,
    *,
    mode: str = "auto",
    argnums: int | Sequence[int] | None = None,
    memory: float | None = None,
    mesh: Mesh | None = None,
) -> Function:
    """The matrix of second derivatives H_ij = ∂²f/∂x_i∂x_j of a function with one real value.

    Forward mode over reverse mode: one gradient, and one product with each direction of the basis, all at once. Where
    a function's own rule (`jax.custom_vjp`) forbids forward mode, reverse over reverse.

    Args:
        f: the function: callable, formula or text; its first argument may be an array or a pytree.
        pattern: None for a dense answer; "auto" for a sparse one, whose pattern is found and proven; or a pattern, as
            for `jacobian`.
        mode: the outer mode of a dense answer: "forward"; "reverse" (reverse over reverse), which asks f for reverse
            rules alone (`jax.custom_vjp`); "auto": forward, and reverse where a rule forbids it.
        argnums: the positional argument(s) to differentiate; by default the first, and every variable of a formula.
        memory: bytes that may be used, as for `jacobian`.
        mesh: devices that share the work, as for `jacobian`.

    Returns:
        A function called like f. For an array x the answer has shape x.shape + x.shape; for a pytree the structure of
        x, and in each leaf that of x again. A formula takes its variables as `grad` does. With a pattern the answer is
        a jax.experimental.sparse.BCOO with a row and a column for each number of x, symmetric to the last bit.

    Raises:
        TypeError: when the value is not one real number, or there is nothing to differentiate; when a rule of a
            function's own blocks the mode (the message names the function, its line, and what to choose).
        ValueError: for another mode, a pattern of another shape, an answer beyond the memory.

    Transformations: jit, vmap, grad. Cost: up to 4 n evaluations of f for n numbers in x, and n² numbers of memory;
    with a pattern about as many operations as a gradient has, times the non-zeros in a row. For many parameters use
    `hvp`.

    Example:
        >>> import jax.numpy as jnp
        >>> from cycloid.differentiate import hessian
        >>> hessian("x^2*y + y^3")(jnp.array([1.0, 2.0])).tolist()
        [[4.0, 2.0], [2.0, 12.0]]
        >>> H = hessian(lambda x: jnp.sum((x[1:] - x[:-1]) ** 2), pattern="auto")(jnp.zeros(1000))
        >>> H.shape, H.nse
        ((1000, 1000), 2998)
    """
    if not (pattern is None and memory is None and mesh is None):
        return matrix_operator("hessian", as_function(f), pattern, "auto", argnums, memory, mesh)
    places = argnums if argnums is None or isinstance(argnums, int) else tuple(argnums)
    return Derived("hessian", _hessian, as_function(f), (check_mode(mode, "hessian"), places))


def _hessian(function: Function, mode: str, argnums: Any, args: tuple, kwargs: dict) -> Any:
    restricted, point = restrict(function, args, kwargs, argnums, "hessian")
    refuse_too_large("hessian", _numbers(point), _numbers(point))
    return matrix(gradient_of(restricted, "hessian"), point, mode, "hessian")
