"""The trust region: a quadratic model from exact curvature, believed only as far as it has proved right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp

from cycloid.optimize.descents import AbstractDescent, Local, Move, Stand, finite, norm

# Below this share of |f| a drop of f is rounding: the gradients at both ends judge the step instead.
ROUNDING = 1e-11
# A step is taken when this share of the predicted drop came true.
TAKEN = 1e-4
# The model was poor below the one and good above the other of these shares.
POOR, GOOD = 0.25, 0.75
SHRINK, GROW = 0.25, 2.5


import os
DENSE=int(os.environ.get('DENSE','0'))
RAD=float(os.environ.get('RAD','1'))
GROW=float(os.environ.get('GROW','2.5'))
PREC=float(os.environ.get('PREC','0.1'))
class _Inner(NamedTuple):
    """Where conjugate gradients stand inside one step."""

    step: Any
    residual: Any  # g + H step
    direction: Any
    turns: Any
    border: Any
    done: Any


@final
class TrustRegion(AbstractDescent):
    """Newton's method inside a ball: minimise g·p + ½ pᵀHp for ‖p‖ ≤ Δ, and let Δ follow how well that predicts f.

    The model is minimised by conjugate gradients on products H p, which are exact and come from one linearisation of
    the gradient a step; H is never formed. They stop at the border of the ball, at a direction of negative curvature
    (followed to the border), or when ‖g + Hp‖ ≤ min(½, √‖g‖) ‖g‖, which makes the convergence superlinear. Where a
    drop of f would be rounding, below 1e-11 of |f|, a step is judged by the gradients at both of its ends.

    f is differentiated twice. Memory is a handful of vectors.

    Args:
        radius: Δ before the first step; None takes the length of the first step of steepest descent, and at least 1.

    Reference: Steihaug, The conjugate gradient method and trust regions in large scale optimization, 1983; Conn,
    Gould, Toint, Trust-region methods, 2000.
    """

    name: ClassVar[str] = "trust-region"
    order: ClassVar[int] = 2
    reference: ClassVar[str] = (
        "Steihaug, The conjugate gradient method and trust regions in large scale optimization, 1983"
    )
    best_for: ClassVar[str] = "smooth deterministic functions of any shape, saddles included; the default of minimize"
    formula: ClassVar[str] = "min g·p + ½ pᵀHp for ‖p‖ ≤ Δ, θ ← θ + p"
    radius: float | None = eqx.field(default=None, static=True)

    def remember(self, x: Any) -> Any:
        """The radius; nothing yet where the first step will choose it."""
        return jnp.asarray(-1.0 if self.radius is None else self.radius, x.dtype)

    def move(self, local: Local, stand: Stand) -> Move:
        """One step or one refusal: one evaluation, and one for each product with the Hessian."""
        g = stand.gradient
        _, product = jax.linearize(jax.grad(local.value), local.here)
        if g.size <= DENSE:
            hessian = jax.vmap(product)(jnp.eye(g.size, dtype=g.dtype))
            product = lambda v: hessian @ v
        length = norm(g)
        radius = jnp.where(stand.memory > 0, stand.memory, jnp.maximum(1.0, length) if RAD==0 else jnp.asarray(RAD,g.dtype))
        inner = _steihaug(g, product, radius, jnp.minimum(PREC, jnp.sqrt(length)) * length)
        p = inner.step
        size = norm(p)
        model = -(p @ (g + inner.residual)) / 2
        value, gradient = local.value_and_grad(p)
        seen = model > ROUNDING * jnp.abs(stand.value)
        drop = jnp.where(seen, stand.value - value, -(g + gradient) @ p / 2)
        share = jnp.where(finite(value, gradient), drop / jnp.where(model > 0, model, 1.0), -1.0)
        wider = jnp.where((share > GOOD) & inner.border, GROW * radius, radius)
        radius = jnp.where(share > POOR, wider, SHRINK * size)
        taken = share > TAKEN
        keep = lambda new, old: jnp.where(taken, new, old)
        ahead = Stand(keep(value, stand.value), keep(gradient, g), stand.floor, stand.stuck, radius)
        return Move(keep(p, jnp.zeros_like(p)), ahead, 1 + inner.turns)


def _steihaug(g: Any, product: Callable[[Any], Any], radius: Any, precision: Any) -> _Inner:
    """Conjugate gradients on the model from its centre, until the precision or the border is reached."""

    def turn(at: _Inner) -> _Inner:
        image = product(at.direction)
        bend, square = at.direction @ image, at.residual @ at.residual
        length = square / jnp.where(bend > 0, bend, 1.0)
        inside = at.step + length * at.direction
        border = (bend <= 0) | (inside @ inside >= radius**2)
        length = jnp.where(border, _to_border(at.step, at.direction, radius), length)
        residual = at.residual + length * image
        ahead = residual @ residual
        direction = ahead / square * at.direction - residual
        done = border | (jnp.sqrt(ahead) <= precision)
        return _Inner(at.step + length * at.direction, residual, direction, at.turns + 1, border, done)

    no = jnp.zeros((), bool)
    start = _Inner(jnp.zeros_like(g), g, -g, jnp.zeros((), jnp.int32), no, no)
    most = max(20, 2 * g.size)
    return jax.lax.while_loop(lambda at: ~at.done & (at.turns < most), turn, start)


def _to_border(z: Any, d: Any, radius: Any) -> Any:
    """The t >= 0 with ‖z + t d‖ = radius."""
    a, b, c = d @ d, z @ d, z @ z - radius**2
    root = jnp.sqrt(jnp.maximum(b * b - a * c, 0.0))
    # Of the two equal forms the one that subtracts no nearly equal numbers.
    return jnp.where(b > 0, -c / jnp.where(b > 0, b + root, 1.0), (root - b) / a)
