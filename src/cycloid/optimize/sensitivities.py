"""How a minimiser answers to what the function closes over: the implicit function theorem."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from cycloid.optimize.constraints import Box
from cycloid.optimize.curvature_products import reverse_alone

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
    jaxpr, shape = jax.make_jaxpr(value, return_shape=True)(start)
    if box is None and reverse_alone(value, start, jaxpr.jaxpr):
        return _by_reverse(value, start, walk)
    dtype = shape.dtype
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


def _by_reverse(
    value: Callable[[Any], Any], start: Any, walk: Callable[[Any], tuple[Any, Any, Any]]
) -> tuple[Any, Any, Any]:  # fmt: skip
    """The same for reverse mode alone: with u = H⁻¹ (x̄ + v̄ ∇f) the cotangent of p is v̄ ∂ₚf − ∂ₚ(∇f·u)."""
    f, inside = jax.closure_convert(value, start)
    go, around = jax.closure_convert(walk, start)

    @jax.custom_vjp
    def solved(start: Any, inside: Any, around: Any) -> Any:
        return go(start, *around)

    def forward(start: Any, inside: Any, around: Any) -> Any:
        found = solved(start, inside, around)
        return found, (found[0], start, inside, around)

    def backward(kept: Any, cotangents: Any) -> Any:
        x, start, inside, around = kept
        slope = lambda y: jax.grad(f)(y, *inside)
        along = lambda y, u, inside: _dot(jax.grad(f)(y, *inside), u)
        right = jax.tree.map(lambda a, b: a + cotangents[1].astype(b.dtype) * b, cotangents[0], slope(x))
        flat, unravel = ravel_pytree(right)
        product = lambda u: ravel_pytree(jax.grad(along)(x, unravel(u), inside))[0]
        u = unravel(_solve_symmetric(product, flat))
        bent = jax.grad(along, argnums=2)(x, u, inside)
        moved = jax.grad(lambda inside: f(x, *inside))(inside)
        pulled = jax.tree.map(lambda a, b: cotangents[1].astype(a.dtype) * a - b, moved, bent)
        return jax.tree.map(jnp.zeros_like, start), pulled, jax.tree.map(jnp.zeros_like, around)

    solved.defvjp(forward, backward)
    return solved(start, inside, around)


def _dot(a: Any, b: Any) -> Any:
    return sum(jnp.vdot(x, y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


def _as_float(leaf: Any) -> Any:
    """Integers pass through custom_root as floats, for it gives them tangents of the wrong type."""
    return leaf if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf.astype(float)


def _solve_tangent(linear: Callable[[Any], Any], right: tuple[Any, Any], *, symmetric: bool) -> tuple[Any, Any]:
    """Solve H dx = b and dv − ∇f·dx = c, where `linear` is (dx, dv) -> (H dx, dv − ∇f·dx)."""
    b, c = right
    flat, unravel = ravel_pytree(b)
    zero = jnp.zeros_like(c)
    hvp = lambda dx: ravel_pytree(linear((unravel(dx), zero))[0])[0]
    if symmetric:
        solution = _solve_symmetric(hvp, flat)
    else:
        solution = jnp.linalg.solve(jax.vmap(hvp, out_axes=1)(jnp.eye(flat.size, dtype=flat.dtype)), flat)
    dx = unravel(solution)
    return dx, c - linear((dx, zero))[1]


def _solve_symmetric(product: Callable[[Any], Any], right: Any) -> Any:
    """H⁻¹ b: densely for few parameters, from products alone for many."""
    if right.size <= DENSE:
        return jnp.linalg.solve(jax.vmap(product)(jnp.eye(right.size, dtype=right.dtype)), right)
    precision = 10 * float(jnp.finfo(right.dtype).eps) ** 0.75
    conjugate = lambda matrix, b: jax.scipy.sparse.linalg.cg(matrix, b, tol=precision)[0]
    # Wrapped once more, for the transpose of cg alone fails in reverse mode here.
    return jax.lax.custom_linear_solve(product, right, conjugate, symmetric=True)
