"""Jacobians and Hessians, the matrices of first and of second derivatives."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from cycloid.core.functions import as_function
from cycloid.differentiate.arguments import real_value, restrict
from cycloid.differentiate.derived import Derived
from cycloid.differentiate.products import gradient_of
from cycloid.differentiate.second_order import matrix

Function = Callable[..., Any]

MODES = ("auto", "forward", "reverse")


def jacobian(F: Function | str, mode: str = "auto") -> Function:
    """The Jacobian matrix J_ij = ∂F_i/∂x_j of a function of several values.

    Args:
        F: the function: callable, formula or text; its value and its first argument may be arrays or pytrees.
        mode: "forward" (one column of J a pass), "reverse" (one row a pass), or "auto": forward when x has no more
            numbers than F(x), reverse otherwise; the shape of F(x) is found by tracing once.

    Returns:
        A function called like F. For arrays the answer has shape F(x).shape + x.shape; for pytrees it has the structure
        of F(x), and in each leaf that of x. Further arguments are handed on to F.

    Raises:
        ValueError: for another mode.
        TypeError: when x holds nothing to differentiate, or F(x) no real numbers.

    Transformations: jit, vmap, grad. Cost: about min(numbers in x, numbers in F(x)) evaluations of F, made at once.

    Example:
        >>> import jax.numpy as jnp
        >>> from cycloid.differentiate import jacobian
        >>> jacobian(lambda x: jnp.array([x[0] * x[1], x[1] ** 2]))(jnp.array([2.0, 3.0])).tolist()
        [[3.0, 2.0], [0.0, 6.0]]
    """
    if mode not in MODES:
        raise ValueError(f"jacobian: mode is one of {', '.join(MODES)}; it was {mode!r}.")
    return Derived("jacobian", _jacobian, as_function(F, "F"), (mode,))


def _jacobian(function: Function, mode: str, args: tuple, kwargs: dict) -> Any:
    restricted, point = restrict(function, args, kwargs, None, "jacobian")
    checked = lambda x: real_value(restricted(x), "jacobian")
    forward = mode == "forward" or (mode == "auto" and _prefers_forward(checked, point))
    return (jax.jacfwd if forward else jax.jacrev)(checked)(point)


def _prefers_forward(function: Function, point: Any) -> bool:
    inputs = _numbers(point)
    return inputs == 1 or inputs <= _numbers(jax.eval_shape(function, point))


def _numbers(tree: Any) -> int:
    return sum(math.prod(jnp.shape(leaf)) for leaf in jax.tree.leaves(tree))


def hessian(f: Function | str) -> Function:
    """The matrix of second derivatives H_ij = ∂²f/∂x_i∂x_j of a function with one real value.

    Forward mode over reverse mode: one gradient, and one product with each direction of the basis, all at once. Where
    a function's own rule (`jax.custom_vjp`) forbids forward mode, reverse over reverse.

    Args:
        f: the function: callable, formula or text; its first argument may be an array or a pytree.

    Returns:
        A function called like f. For an array x the answer has shape x.shape + x.shape; for a pytree the structure of
        x, and in each leaf that of x again. A formula takes its variables as `grad` does.

    Raises:
        TypeError: when the value is not one real number, or there is nothing to differentiate.

    Transformations: jit, vmap, grad. Cost: up to 4 n evaluations of f for n numbers in x, and n² numbers of memory; for
    many parameters use `hvp`.

    Example:
        >>> import jax.numpy as jnp
        >>> from cycloid.differentiate import hessian
        >>> hessian("x^2*y + y^3")(jnp.array([1.0, 2.0])).tolist()
        [[4.0, 2.0], [2.0, 12.0]]
    """
    return Derived("hessian", _hessian, as_function(f))


def _hessian(function: Function, args: tuple, kwargs: dict) -> Any:
    restricted, point = restrict(function, args, kwargs, None, "hessian")
    return matrix(gradient_of(restricted, "hessian"), point, "auto", "hessian")
