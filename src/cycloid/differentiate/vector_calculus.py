"""Divergence and curl of vector fields, by forward mode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from cycloid.core.functions import as_function
from cycloid.differentiate.arguments import real_value, restrict
from cycloid.differentiate.derived import Derived

Function = Callable[..., Any]

AT_ONCE = 128  # directions carried together: more save little time and cost memory


def divergence(F: Function) -> Function:
    """The divergence ∇·F = Σ_i ∂F_i/∂x_i of a vector field.

    Args:
        F: from a point to a vector of the same length: arrays of shape (d,), or pytrees of one structure; a list or
            tuple of d numbers will do as the vector.

    Returns:
        A function called like F; further arguments are handed on.

    Raises:
        ValueError: when F(x) has not as many numbers as x, or the point has more than one axis.
        TypeError: when the point holds nothing to differentiate.

    Transformations: jit, vmap, grad. Cost: up to 2 d evaluations of F, 128 axes at once.

    Example:
        >>> import jax.numpy as jnp
        >>> from cycloid.differentiate import divergence
        >>> float(divergence(lambda p: jnp.array([p[0] ** 2, p[0] * p[1]]))(jnp.array([3.0, 1.0])))
        9.0
    """
    return Derived("divergence", _divergence, as_function(F, "F"))


def _divergence(function: Function, args: tuple, kwargs: dict) -> Any:
    field, point = flat_field(function, args, kwargs, "divergence")

    def flat(x: Any) -> Any:
        value = ravel_pytree(field(x))[0]
        if value.size != point.size:
            raise ValueError(
                f"divergence: the field has {value.size} components at a point of {point.size} coordinates; the two "
                "counts must be equal."
            )
        return value

    return _sum_over_axes(lambda axis: jnp.vdot(axis, jax.jvp(flat, (point,), (axis,))[1]), point)


def curl(F: Function) -> Function:
    """The curl of a vector field in two or three dimensions.

    In the plane the number ∂F₂/∂x₁ − ∂F₁/∂x₂; in space the vector
    (∂F₃/∂x₂ − ∂F₂/∂x₃, ∂F₁/∂x₃ − ∂F₃/∂x₁, ∂F₂/∂x₁ − ∂F₁/∂x₂).

    Args:
        F: from a point of shape (2,) or (3,) to as many numbers (an array, a list or a tuple).

    Returns:
        A function called like F, whose value is a number in the plane, an array of shape (3,) in space.

    Raises:
        ValueError: for any other number of coordinates or components.
        TypeError: when the point holds nothing to differentiate.

    Transformations: jit, vmap, grad. Cost: about 4 evaluations of F in the plane, 6 in space.

    Example:
        >>> import jax.numpy as jnp
        >>> from cycloid.differentiate import curl
        >>> float(curl(lambda p: jnp.array([-p[1], p[0]]))(jnp.array([1.0, 2.0])))
        2.0
        >>> curl(lambda p: jnp.array([0.0, 0.0, p[0] * p[1]]))(jnp.array([1.0, 2.0, 3.0])).tolist()
        [1.0, -2.0, 0.0]
    """
    return Derived("curl", _curl, as_function(F, "F"))


def _curl(function: Function, args: tuple, kwargs: dict) -> Any:
    field, point = flat_field(function, args, kwargs, "curl")
    if point.size not in (2, 3):
        raise ValueError(
            f"curl is defined here for 2 and 3 coordinates; the point has {point.size}. In other dimensions take the "
            "antisymmetric part of the jacobian."
        )
    J = jax.jacfwd(lambda x: ravel_pytree(field(x))[0])(point)
    if J.shape[0] != point.size:
        raise ValueError(f"curl: the field has {J.shape[0]} components at a point of {point.size} coordinates.")
    if point.size == 2:
        return J[1, 0] - J[0, 1]
    return jnp.stack([J[2, 1] - J[1, 2], J[0, 2] - J[2, 0], J[1, 0] - J[0, 1]])


def flat_field(function: Function, args: tuple, kwargs: dict, caller: str) -> tuple[Function, Any]:
    """The field as a function of one vector of coordinates, and that vector."""
    restricted, point = restrict(function, args, kwargs, None, caller)
    for leaf in jax.tree.leaves(point):
        if jnp.ndim(leaf) > 1:
            raise ValueError(
                f"{caller} takes one point, an array of shape (d,); its shape was {jnp.shape(leaf)}. For a batch of "
                f"points use jax.vmap({caller}(f))."
            )
    flat, restore = ravel_pytree(point)
    return lambda x: real_value(restricted(restore(x)), caller), flat


def _sum_over_axes(term: Callable[[Any], Any], point: Any) -> Any:
    """Σ_k term(e_k) over the unit vectors of the space, `AT_ONCE` of them together."""
    d = point.size
    if d <= AT_ONCE:
        terms = jax.vmap(term)(jnp.eye(d, dtype=point.dtype))
    else:
        axis = lambda k: jnp.zeros_like(point).at[k].set(1)
        terms = jax.lax.map(lambda k: term(axis(k)), jnp.arange(d), batch_size=AT_ONCE)
    return jax.tree.map(lambda leaf: jnp.sum(leaf, axis=0), terms)
