"""Jacobians, Hessians, and products with them that never form the matrix."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from cycloid.core.functions import as_function
from cycloid.differentiate.arguments import direction, real_value, restrict, scalar_value
from cycloid.differentiate.derived import Derived

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

    Forward mode over reverse mode: one gradient, and one product with each direction of the basis, all at once.

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
    return jax.jacfwd(_gradient(restricted, "hessian"))(point)


def _gradient(function: Function, caller: str) -> Function:
    return jax.grad(lambda x: scalar_value(function(x), caller))


def hvp(f: Function | str) -> Function:
    """Products H(x) v of the Hessian of f with a direction, without the matrix.

    The derivative of the gradient along v: forward mode over reverse mode.

    Args:
        f: the function with one real value: callable, formula or text.

    Returns:
        product(x, v, *args, **kwargs) with x the point, v a direction shaped like the parameters of x, and the rest
        handed on to f. Without v it evaluates the gradient at x once and returns the linear function v ↦ H(x) v: use
        that for many products at one point (conjugate gradients, Lanczos).

    Raises:
        ValueError: when v has not the shape of x.
        TypeError: when the value is not one real number, or x holds nothing to differentiate.

    Transformations: jit, vmap, grad. Cost: about 2 gradients; with v left out about 1.7 for each product.

    Example:
        >>> import jax.numpy as jnp
        >>> from cycloid.differentiate import hvp
        >>> f = lambda x: x[0] ** 2 * x[1] + x[1] ** 3
        >>> x = jnp.array([1.0, 2.0])
        >>> hvp(f)(x, jnp.array([1.0, 0.0])).tolist()
        [4.0, 2.0]
        >>> product = hvp(f)(x)
        >>> product(jnp.array([0.0, 1.0])).tolist()
        [2.0, 12.0]

    Reference: B. A. Pearlmutter, Fast exact multiplication by the Hessian, Neural Computation 6, 1994.
    """
    return Derived("hvp", _hvp, as_function(f))


def _hvp(function: Function, args: tuple, kwargs: dict) -> Any:
    x, v, rest = _point_and_direction(args, "hvp")
    restricted, point = restrict(function, (x, *rest), kwargs, None, "hvp")
    gradient = _gradient(restricted, "hvp")
    if v is None:
        linear = jax.linearize(gradient, point)[1]
        return lambda v: linear(direction(v, point, "hvp", function))
    return jax.jvp(gradient, (point,), (direction(v, point, "hvp", function),))[1]


def _point_and_direction(args: tuple, caller: str) -> tuple[Any, Any, tuple]:
    if not args:
        raise TypeError(f"{caller} is called with the point x and the direction v: {caller}(f)(x, v).")
    return args[0], args[1] if len(args) > 1 else None, args[2:]


def ggnvp(loss: Function | str, model: Function) -> Function:
    """Products G v with the generalised Gauss-Newton matrix of loss(model(params)).

    G = Jᵀ H J with J the Jacobian of `model` at params and H the Hessian of `loss` at the model's outputs. It is the
    Hessian without the curvature of the model itself, and positive semidefinite where the loss is convex.

    Args:
        loss: from the outputs to one real number.
        model: from the parameters (any pytree) to the outputs (an array or a pytree); bind the inputs outside:
            `lambda params: network(params, x)`.

    Returns:
        product(params, v) with v shaped like the parameters; product(params) evaluates model and loss once and returns
        the linear function v ↦ G v, for many products at one point.

    Raises:
        ValueError: when v has not the shape of the parameters.
        TypeError: when the loss is not one real number, or there is nothing to differentiate.

    Transformations: jit, vmap, grad. Cost: about 1.5 gradients of loss(model(params)); with v left out
    about 1.1 for each product.

    Example:
        >>> import jax.numpy as jnp
        >>> from cycloid.differentiate import ggnvp
        >>> X, y = jnp.array([[1.0, 1.0], [1.0, 2.0]]), jnp.array([1.0, 2.0])
        >>> product = ggnvp(lambda out: jnp.sum((out - y) ** 2), lambda w: X @ w)
        >>> product(jnp.zeros(2), jnp.array([1.0, 0.0])).tolist()
        [4.0, 6.0]

    Reference: N. N. Schraudolph, Fast curvature matrix-vector products, Neural Computation 14, 2002.
    """
    return Derived("ggnvp", _ggnvp, as_function(model, "model"), (as_function(loss, "loss"),))


def _ggnvp(model: Function, loss: Function, args: tuple, kwargs: dict) -> Any:
    x, v, rest = _point_and_direction(args, "ggnvp")
    restricted, point = restrict(model, (x, *rest), kwargs, None, "ggnvp")
    outputs, push = jax.linearize(lambda p: real_value(restricted(p), "ggnvp"), point)
    pull = jax.linear_transpose(push, point)
    curvature = jax.linearize(_gradient(loss, "ggnvp"), outputs)[1]

    def product(v: Any) -> Any:
        return pull(curvature(push(direction(v, point, "ggnvp", model))))[0]

    return product if v is None else product(v)
