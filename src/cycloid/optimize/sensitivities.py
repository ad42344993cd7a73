"""How a minimiser answers to what the function closes over: the implicit function theorem."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from cycloid.optimize.constraints import Box

# Up to this many parameters the Hessian is formed and solved densely, beyond it conjugate gradients see it through
# products alone.
DENSE = 64


def implicitly(
    value: Callable[[Any], Any], start: Any, walk: Callable[[Any], tuple[Any, Any, Any]], box: Box | None = None
) -> tuple[Any, Any, Any]:
    """`walk(start)`, differentiable in whatever `value` closes over.

    The walk ends at a root (x, v) of the two equations ∇f(x) = 0 and v = f(x). With p for what f closes over,
    dx = −H⁻¹ ∂ₚ∇f dp and dv = ∂ₚf dp + ∇f·dx. The walk itself is not differentiated, so it may loop as it likes.

    Args:
        value: f, parameters -> scalar.
        start: the parameters, a pytree of floating-point arrays.
        walk: start -> (x, f(x), anything else of arrays).
        box: bounds on x, a vector; then the root is one of x − clip(x − ∇f(x)), which holds numbers at their bounds.

    Returns:
        What the walk returned; the third part has zero derivative.
    """
    dtype = jax.eval_shape(value, start).dtype
    kinds: list[Any] = []

    def residual(point: tuple[Any, Any]) -> tuple[Any, Any]:
        x, v = point
        fx, gradient = jax.value_and_grad(value)(x)
        return gradient if box is None else x - box.clip(x - gradient), v - fx

    def solve(_: Any, point: tuple[Any, Any]) -> tuple[tuple[Any, Any], Any]:
        x, v, rest = walk(point[0])
        leaves, structure = jax.tree.flatten(rest)
        kinds[:] = [leaf.dtype for leaf in leaves]
        return (x, v.astype(dtype)), jax.tree.unflatten(structure, [_as_float(leaf) for leaf in leaves])

    tangent = lambda linear, right: _solve_tangent(linear, right, symmetric=box is None)
    (x, v), rest = jax.lax.custom_root(residual, (start, jnp.zeros((), dtype)), solve, tangent, has_aux=True)
    leaves, structure = jax.tree.flatten(rest)
    return x, v, jax.tree.unflatten(structure, [leaf.astype(kind) for leaf, kind in zip(leaves, kinds, strict=True)])


def _as_float(leaf: Any) -> Any:
    """Integers pass through custom_root as floats, for it gives them tangents of the wrong type."""
    return leaf if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf.astype(float)


def _solve_tangent(linear: Callable[[Any], Any], right: tuple[Any, Any], *, symmetric: bool) -> tuple[Any, Any]:
    """Solve H dx = b and dv − ∇f·dx = c, where `linear` is (dx, dv) -> (H dx, dv − ∇f·dx)."""
    b, c = right
    flat, unravel = ravel_pytree(b)
    zero = jnp.zeros_like(c)
    hvp = lambda dx: ravel_pytree(linear((unravel(dx), zero))[0])[0]
    if flat.size <= DENSE or not symmetric:
        hessian = jax.vmap(hvp, out_axes=1)(jnp.eye(flat.size, dtype=flat.dtype))
        solution = jnp.linalg.solve(hessian, flat)
    else:
        precision = 10 * float(jnp.finfo(flat.dtype).eps) ** 0.75
        conjugate = lambda matrix, right: jax.scipy.sparse.linalg.cg(matrix, right, tol=precision)[0]
        # Wrapped once more, for the transpose of cg alone fails in reverse mode here.
        solution = jax.lax.custom_linear_solve(hvp, flat, conjugate, symmetric=True)
    dx = unravel(solution)
    return dx, c - linear((dx, zero))[1]
