"""Nonlinear conjugate gradients: a direction that does not undo the last one, from two vectors of memory."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple, final

import jax
import jax.numpy as jnp

from cycloid.optimize.descents import AbstractDescent, Local, Move, Stand, dot, norm
from cycloid.optimize.line_searches import Spot, wolfe
from cycloid.optimize.quasi_newton import arrive

# The directions stay conjugate only along nearly exact searches.
CURVATURE = 0.1
# β is at least −1/(‖d‖ min(ETA, ‖g‖)), as in the paper.
ETA = 0.01


class _Last(NamedTuple):
    direction: Any
    length: Any  # the slope of the last search times its step
    count: Any


@final
class ConjugateGradient(AbstractDescent):
    """Conjugate gradients by Hager and Zhang: d ← −g + β d, θ ← θ + a d.

    β = (y − 2 d ‖y‖²/(d·y))·g / (d·y) with y the change of the gradient, and at least −1/(‖d‖ min(0.01, ‖g‖)), which
    keeps every d a direction of descent. a comes from a search to |f′(a)| ≤ 0.1 |f′(0)|. On a quadratic of n variables
    and with exact searches it ends after n steps.

    Reference: Hager, Zhang, A new conjugate gradient method with guaranteed descent and an efficient line search, 2005;
    Hestenes, Stiefel, Methods of conjugate gradients for solving linear systems, 1952.
    """

    name: ClassVar[str] = "conjugate-gradient"
    reference: ClassVar[str] = (
        "Hager, Zhang, A new conjugate gradient method with guaranteed descent and an efficient line search, 2005"
    )
    best_for: ClassVar[str] = "very many parameters with little memory, and functions close to quadratic"
    formula: ClassVar[str] = "d ← −g + β d, θ ← θ + a d"

    def remember(self, x: Any) -> Any:
        """No direction yet."""
        return _Last(jnp.zeros_like(x), jnp.zeros((), x.dtype), jnp.zeros((), jnp.int32))

    def move(self, local: Local, stand: Stand) -> Move:
        """One search; each trial costs one evaluation."""
        last: _Last = stand.memory
        g = stand.gradient
        fresh = last.count == 0
        direction = jnp.where(fresh, -g, last.direction)
        slope = dot(g, direction)
        tiny = jnp.finfo(g.dtype).tiny
        gentle = jnp.minimum(1.0, 1 / jnp.maximum(jnp.max(jnp.abs(g)), tiny))
        # As long as the last step in terms of the drop it promises.
        first = jnp.where(fresh, gentle, last.length / jnp.minimum(slope, -tiny))
        start = Spot(jnp.zeros_like(slope), stand.value, slope, g)
        found = wolfe(local.value_and_grad, start, direction, first, curvature=CURVATURE)
        ahead = _Last(_turned(direction, g, found.spot.gradient), found.spot.at * slope, last.count + 1)
        downhill = found.good & (dot(ahead.direction, found.spot.gradient) < 0)
        memory = jax.tree.map(lambda new, old: jnp.where(downhill, new, old), ahead, self.remember(g))
        return arrive(stand, found, found.spot.at * direction, memory, fresh)


def _turned(direction: Any, before: Any, gradient: Any) -> Any:
    """The next direction."""
    change = gradient - before
    bend = dot(direction, change)
    sure = jnp.where(bend > 0, bend, 1.0)
    beta = dot(change - 2 * direction * dot(change, change) / sure, gradient) / sure
    tiny = jnp.finfo(gradient.dtype).tiny
    least = -1 / jnp.maximum(norm(direction) * jnp.minimum(ETA, norm(gradient)), tiny)
    return jnp.where(bend > 0, jnp.maximum(beta, least), 0.0) * direction - gradient
