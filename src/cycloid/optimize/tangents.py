"""A residual and the tangent plane of its values, taken apart by QR and SVD so that no condition number is squared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from cycloid.optimize.constraints import Box

# Turns of the iteration for λ; three or four are the rule, and a step of another length does no harm.
SECULAR_TURNS = 20
# A step may miss the radius by this share: Moré 1978, section 5.
LENGTH_ERROR = 0.1


class Tangent(NamedTuple):
    """r(x + δ) ≈ r + J δ in scaled steps z = D δ, with J D⁻¹ = U diag(s) Vᵀ.

    Attributes:
        residual: r at x, shape (m,).
        jacobian: J there, shape (m, n).
        gradient: Jᵀ r, shape (n,).
        scale: the diagonal of D, the longest each column of J has been so far.
        singular: s, largest first.
        right: V, shape (n, k).
        image: Uᵀ r, the part of r that a step can remove.
        rank: how many of s stand above rounding.
        rounding: how long the part of r is that rounding made, as far as x being rounded tells: eps ‖ |J| |x| ‖.
        room: how far x may move, (lower − x, upper − x); None where nothing bounds it. Columns of J of numbers that
            are held at a bound are zero.
    """

    residual: Any
    jacobian: Any
    gradient: Any
    scale: Any
    singular: Any
    right: Any
    image: Any
    rank: Any
    rounding: Any
    room: tuple[Any, Any] | None = None

    @property
    def objective(self) -> Any:
        """½ ‖r‖²."""
        return self.residual @ self.residual / 2

    @property
    def live(self) -> Any:
        """Which singular values are not rounding."""
        return jnp.arange(self.singular.size) < self.rank

    @property
    def offset(self) -> Any:
        """The share of ‖r‖ that lies in the tangent plane: 0 at a stationary point, whatever units x has."""
        size = jnp.linalg.norm(self.residual)
        return jnp.where(size > 0, jnp.linalg.norm(jnp.where(self.live, self.image, 0)) / _or_one(size), 0.0)

    @property
    def noise(self) -> Any:
        """How far rounding may move ½ ‖r‖²."""
        size = jnp.linalg.norm(self.residual)
        return size * (self.rounding + jnp.finfo(size.dtype).eps * size)

    def inside(self, step: Any) -> Any:
        """A step cut off where its numbers meet their bounds."""
        return step if self.room is None else jnp.clip(step, *self.room)

    def full(self) -> Any:
        """The Gauss-Newton step as z, the shortest where several remove as much."""
        return -self.right @ jnp.where(self.live, self.image / jnp.where(self.live, self.singular, 1), 0)

    def damped(self, damping: Any, image: Any = None) -> Any:
        """z that minimises ‖r + J D⁻¹ z‖² + λ ‖z‖², from Uᵀ r or another image."""
        s, image = self.singular, self.image if image is None else image
        return -self.right @ (s * image / _or_one(s**2 + damping))

    def within(self, radius: Any) -> tuple[Any, Any]:
        """(z, λ): the step that the linear model likes best among those with ‖z‖ <= radius."""
        newton = self.full()
        inside = jnp.linalg.norm(newton) <= radius
        damping = jnp.where(inside, 0.0, damping_for(self.singular, self.image, radius))
        return jnp.where(inside, newton, self.damped(damping)), damping


def tangent(residual: Callable[[Any], Any], x: Any, scale: Any) -> Tangent:
    """The tangent of `residual` at x; `scale` is the D so far, zero at the start."""
    return tangent_of(*value_and_jacobian(residual, x), x, scale)


def tangent_of(r: Any, jacobian: Any, x: Any, scale: Any, box: Box | None = None) -> Tangent:
    """The tangent from r and J at x, among the numbers that no bound holds.

    The triangle of a QR factorisation of (J D⁻¹, r) holds all that m rows say, and its singular values are those of
    J D⁻¹ to rounding, where the eigenvalues of JᵀJ would have lost half of their digits.
    """
    fine = jnp.all(jnp.isfinite(r)) & jnp.all(jnp.isfinite(jacobian))
    columns = jnp.linalg.norm(jnp.where(fine, jacobian, 0.0), axis=0)
    scale = jnp.maximum(scale, columns)
    scale = jnp.where(scale > 0, scale, 1.0)
    room = None
    if box is not None:
        room = (box.lower - x, box.upper - x)
        jacobian = jnp.where(box.holds(x, r @ jacobian), 0.0, jacobian)
    matrix, target = jnp.where(fine, jacobian, 0.0) / scale, jnp.where(fine, r, 0.0)
    n = x.size
    if r.size > n + 1:
        triangle = jnp.linalg.qr(jnp.column_stack([matrix, target]), mode="r")
        matrix, target = triangle[:, :n], triangle[:, n]
    u, s, vt = jnp.linalg.svd(matrix, full_matrices=False)
    rank = jnp.sum(s > jnp.finfo(x.dtype).eps * max(r.size, n) * s[0])
    rounding = jnp.finfo(x.dtype).eps * jnp.linalg.norm(jnp.abs(jacobian) @ jnp.abs(x))
    return Tangent(r, jacobian, r @ jacobian, scale, s, vt.T, u.T @ target, rank, rounding, room)


def value_and_jacobian(residual: Callable[[Any], Any], x: Any) -> tuple[Any, Any]:
    """(r, J), column by column for tall J and row by row for wide ones."""
    rows = jax.eval_shape(residual, x).size
    if x.size <= rows:
        r, push = jax.linearize(residual, x)
        return r, jax.vmap(push, out_axes=1)(jnp.eye(x.size, dtype=x.dtype))
    r, pull = jax.vjp(residual, x)
    return r, jax.vmap(lambda row: pull(row)[0])(jnp.eye(rows, dtype=r.dtype))


def damping_for(s: Any, image: Any, radius: Any) -> Any:
    """λ > 0 with ‖z(λ)‖ = radius to a tenth, where z(λ)ᵢ = sᵢ bᵢ / (sᵢ² + λ).

    Newton's iteration on 1/radius − 1/‖z(λ)‖, which is almost straight, kept inside a bracket: from the left it never
    overshoots, and ‖z(λ)‖ <= ‖s b‖ / λ bounds λ from above.

    Reference: Moré, The Levenberg-Marquardt algorithm: implementation and theory, 1978, section 5.
    """
    top = jnp.linalg.norm(s * image) / radius

    def turn(carry: tuple[Any, Any, Any, Any]) -> tuple[Any, Any, Any, Any]:
        damping, low, high, count = carry
        size, slope = _length(s, image, damping)
        long = size > radius
        low, high = jnp.where(long, damping, low), jnp.where(long, high, damping)
        better = damping - (size - radius) / radius * size / jnp.where(slope < 0, slope, -1.0)
        safe = (better > low) & (better < high) & jnp.isfinite(better) & (slope < 0)
        middle = jnp.maximum(1e-3 * high, jnp.sqrt(low * high))
        return jnp.where(safe, better, middle), low, high, count + 1

    def unfinished(carry: tuple[Any, Any, Any, Any]) -> Any:
        damping, _, _, count = carry
        size, _ = _length(s, image, damping)
        return (jnp.abs(size - radius) > LENGTH_ERROR * radius) & (count < SECULAR_TURNS)

    zero = jnp.zeros((), s.dtype)
    damping, *_ = jax.lax.while_loop(unfinished, turn, (1e-3 * top, zero, top, jnp.zeros((), jnp.int32)))
    return damping


def _length(s: Any, image: Any, damping: Any) -> tuple[Any, Any]:
    """‖z(λ)‖ and its derivative."""
    total = _or_one(s**2 + damping)
    z = s * image / total
    size = jnp.linalg.norm(z)
    return size, -jnp.sum(z**2 / total) / _or_one(size)


def _or_one(number: Any) -> Any:
    return jnp.where(number > 0, number, 1.0)
