"""The trust region: a quadratic model from exact curvature, believed only as far as it has proved right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp

from cycloid.optimize.curvature_products import curvature
from cycloid.optimize.descents import AbstractDescent, Local, Move, Stand, dot, norm

# Below this share of |f| a drop of f is rounding: the gradients at both ends judge the step instead.
ROUNDING = 1e-11
# A step is taken when this share of the predicted drop came true.
TAKEN = 1e-4
# The model was poor below the one and good above the other of these shares.
POOR, GOOD = 0.25, 0.75
SHRINK, GROW = 0.25, 2.5
# The inner residual is at most this share of the gradient, and falls with its root.
PRECISION = 0.03
# The first radius, in lengths of the first step of steepest descent.
FIRST = 2.0
# A gradient is rounding when moving every parameter by this many eps of itself changes it as much.
ULPS = 4.0


class _Inner(NamedTuple):
    """Where conjugate gradients stand inside one step."""

    step: Any
    residual: Any  # g + H step
    direction: Any
    square: Any  # residual · residual
    far: Any  # step · step
    skew: Any  # step · direction
    long: Any  # direction · direction
    radius: Any
    turns: Any
    border: Any
    done: Any


@final
class TrustRegion(AbstractDescent):
    """Newton's method inside a ball: minimise g·p + ½ pᵀHp for ‖p‖ ≤ Δ, and let Δ follow how well that predicts f.

    The model is minimised by conjugate gradients on products H p, which are exact and come from one linearisation of
    the gradient a step; H is never formed. They stop at the border of the ball, at a direction of negative curvature
    (followed to the border), or when ‖g + Hp‖ ≤ min(0.03, √‖g‖) ‖g‖, which makes the convergence superlinear. Where a
    drop of f would be rounding, below 1e-11 of |f|, a step is judged by the gradients at both of its ends; there a
    gradient is as good as zero that moving every parameter by 4 eps of itself, 4 eps ‖Hθ‖, would change as much.

    f is differentiated twice. Memory is a handful of vectors.

    Args:
        radius: Δ before the first step; None takes twice the length of the first step of steepest descent to where
            the model is least, and at least 1.

    Reference: Steihaug, The conjugate gradient method and trust regions in large scale optimization, 1983; Conn,
    Gould, Toint, Trust-region methods, 2000.
    """

    name: ClassVar[str] = "trust-region"
    order: ClassVar[int] = 2
    reference: ClassVar[str] = (
        "Steihaug, The conjugate gradient method and trust regions in large scale optimization, 1983"
    )
    best_for: ClassVar[str] = "smooth functions, saddles included; the default of minimize up to 5000 parameters"
    formula: ClassVar[str] = "min g·p + ½ pᵀHp for ‖p‖ ≤ Δ, θ ← θ + p"
    radius: float | None = eqx.field(default=None, static=True)

    def remember(self, x: Any) -> Any:
        """The radius; nothing yet where the first step will choose it."""
        return jnp.asarray(-1.0 if self.radius is None else self.radius, x.dtype)

    def move(self, local: Local, stand: Stand) -> Move:
        """One step or one refusal: one evaluation, and one for each product with the Hessian."""
        g = stand.gradient
        product = curvature(local.value, local.here)
        length = norm(g)
        inner = _steihaug(g, product, stand.memory, jnp.minimum(PRECISION, jnp.sqrt(length)) * length)
        p, radius = inner.step, inner.radius
        model = -dot(p, g + inner.residual) / 2
        value, gradient = local.value_and_grad(p)
        seen = model > ROUNDING * jnp.abs(stand.value)
        drop = jnp.where(seen, stand.value - value, -dot(g + gradient, p) / 2)
        sound = jnp.isfinite(value) & jnp.isfinite(jnp.max(jnp.abs(gradient)))
        share = jnp.where(sound, drop / jnp.where(model > 0, model, 1.0), -1.0)
        wider = jnp.where((share > GOOD) & inner.border, GROW * radius, radius)
        radius = jnp.where(share > POOR, wider, SHRINK * jnp.sqrt(inner.far))
        taken = share > TAKEN
        keep = lambda new, old: jnp.where(taken, new, old)
        floor = jax.lax.cond(seen, lambda: local.zero, lambda: _rounding(product, local.x))
        ahead = Stand(keep(value, stand.value), keep(gradient, g), floor, stand.stuck, radius)
        return Move(keep(p, local.here), ahead, 1 + inner.turns + jnp.where(seen, 0, 1))


def _rounding(product: Callable[[Any], Any], x: Any) -> Any:
    """How much the gradient changes when every parameter moves by a few ulps of itself."""
    return ULPS * jnp.finfo(x.dtype).eps * jnp.max(jnp.abs(product(x)))


def _steihaug(g: Any, product: Callable[[Any], Any], radius: Any, precision: Any) -> _Inner:
    """Conjugate gradients on the model from its centre, until the precision or the border is reached."""

    def turn(at: _Inner) -> _Inner:
        image = product(at.direction)
        bend = dot(at.direction, image)
        length = at.square / jnp.where(bend > 0, bend, 1.0)
        # A radius not yet chosen is the length of the first step downhill, where the curvature gives it one.
        cauchy = jnp.where(bend > 0, length * jnp.sqrt(at.square), 0.0)
        radius = jnp.where(at.radius > 0, at.radius, jnp.maximum(1.0, FIRST * cauchy))
        reach = at.far + length * (2 * at.skew + length * at.long)
        border = (bend <= 0) | (reach >= radius**2)
        length = jnp.where(border, _to_border(at, radius), length)
        far = jnp.where(border, radius**2, reach)
        residual = at.residual + length * image
        square = dot(residual, residual)
        turned = square / at.square
        return _Inner(
            step=at.step + length * at.direction,
            residual=residual,
            direction=turned * at.direction - residual,
            square=square,
            far=far,
            # The step stays at right angles to the residual, so that these products need no vectors.
            skew=turned * (at.skew + length * at.long),
            long=square + turned**2 * at.long,
            radius=radius,
            turns=at.turns + 1,
            border=border,
            done=border | (square <= precision**2),
        )

    no, square = jnp.zeros((), bool), dot(g, g)
    zero = jnp.zeros_like(square)
    start = _Inner(jnp.zeros_like(g), g, -g, square, zero, zero, square, radius, jnp.zeros((), jnp.int32), no, no)
    most = max(20, 2 * g.size)
    return jax.lax.while_loop(lambda at: ~at.done & (at.turns < most), turn, start)


def _to_border(at: _Inner, radius: Any) -> Any:
    """The t >= 0 with ‖step + t direction‖ = radius."""
    a, b, c = at.long, at.skew, at.far - radius**2
    root = jnp.sqrt(jnp.maximum(b * b - a * c, 0.0))
    # Of the two equal forms the one that subtracts no nearly equal numbers.
    return jnp.where(b > 0, -c / jnp.where(b > 0, b + root, 1.0), (root - b) / a)
