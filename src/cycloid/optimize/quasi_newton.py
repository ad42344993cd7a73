"""Quasi-Newton methods: curvature learnt from the gradients on the way, as a matrix or as the last few steps."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp

from cycloid.optimize.descents import AbstractDescent, Local, Move, Stand, dot, norm
from cycloid.optimize.line_searches import Found, Spot, wolfe

# |f′(a)| ≤ 0.9 |f′(0)|: a unit step is good enough as soon as the curvature is known.
CURVATURE = 0.9
# A pair (s, y) is learnt from when s·y exceeds this share of ‖s‖ ‖y‖; below it the matrix would lose its definiteness.
SAFE = 1e-10


class _Matrix(NamedTuple):
    inverse: Any
    count: Any  # pairs learnt since the last restart


class _Pairs(NamedTuple):
    steps: Any  # rows s, the newest last; zero where there is none yet
    changes: Any  # rows y
    upper: Any  # the inverse of R, the upper triangle of the products s·y
    diagonal: Any  # s·y
    gram: Any  # the products y·y
    scale: Any
    count: Any


@final
class BFGS(AbstractDescent):
    """Broyden, Fletcher, Goldfarb and Shanno: a matrix B ≈ H⁻¹ learnt from steps s and changes of gradient y.

    θ ← θ − a B g, with a from a search that meets the strong Wolfe conditions, and
    B ← (I − ρ s yᵀ) B (I − ρ y sᵀ) + ρ s sᵀ, ρ = 1/(s·y). The first pair scales B by s·y/(y·y). A pair whose s·y is
    not safely positive is not learnt from. When a search finds nothing lower, B starts afresh from steepest descent.

    Memory is n² numbers: for more than some thousand parameters take `LBFGS`.

    Reference: Broyden, The convergence of a class of double-rank minimization algorithms, 1970; Fletcher 1970;
    Goldfarb 1970; Shanno 1970; Nocedal, Wright, Numerical optimization, 2006, algorithm 6.1.
    """

    name: ClassVar[str] = "bfgs"
    reference: ClassVar[str] = "Broyden, The convergence of a class of double-rank minimization algorithms, 1970"
    best_for: ClassVar[str] = "smooth functions of up to some hundred parameters where second derivatives are dear"
    formula: ClassVar[str] = "B ← (I − ρ s yᵀ) B (I − ρ y sᵀ) + ρ s sᵀ, θ ← θ − a B g"

    def remember(self, x: Any) -> Any:
        """The identity, and that nothing has been learnt."""
        return _Matrix(jnp.eye(x.size, dtype=x.dtype), jnp.zeros((), jnp.int32))

    def move(self, local: Local, stand: Stand) -> Move:
        """One search; each trial costs one evaluation."""
        known: _Matrix = stand.memory
        direction = -dot(known.inverse, stand.gradient)
        found, direction = search(local, stand, direction, known.count == 0, CURVATURE)
        step, change = found.spot.at * direction, found.spot.gradient - stand.gradient
        learnt = _learn(known, step, change)
        fresh = self.remember(local.x)
        memory = jax.tree.map(lambda new, old: jnp.where(found.good, new, old), learnt, fresh)
        return arrive(stand, found, step, memory, known.count == 0)


def _learn(known: _Matrix, s: Any, y: Any) -> _Matrix:
    curvature = dot(s, y)
    safe = curvature > SAFE * norm(s) * norm(y)
    rho = jnp.where(safe, 1 / jnp.where(safe, curvature, 1.0), 0.0)
    first = safe & (known.count == 0)
    start = jnp.where(first, curvature / jnp.where(first, dot(y, y), 1.0), 1.0)
    inverse = start * known.inverse
    image = dot(inverse, y)
    # The product multiplied out: two outer products in place of two products of matrices.
    cross = jnp.outer(s, image)
    inverse = inverse - rho * (cross + cross.T) + rho * (1 + rho * dot(y, image)) * jnp.outer(s, s)
    return _Matrix(inverse, known.count + safe.astype(jnp.int32))


@final
class LBFGS(AbstractDescent):
    """BFGS with limited memory: B is not stored but applied, from the last few pairs (s, y).

    Memory is 2 · `memory` vectors, and a step costs as many dot products beside the search, so that it serves for
    millions of parameters.

    Args:
        memory: how many pairs; 5 to 20 are usual.

    Reference: Nocedal, Updating quasi-Newton matrices with limited storage, 1980; Liu, Nocedal, On the limited memory
    BFGS method for large scale optimization, 1989.
    """

    name: ClassVar[str] = "lbfgs"
    reference: ClassVar[str] = "Nocedal, Updating quasi-Newton matrices with limited storage, 1980"
    best_for: ClassVar[str] = "smooth deterministic functions of many parameters; the default of minimize above 5000"
    formula: ClassVar[str] = "θ ← θ − a B g, B from the last pairs (s, y)"
    # 8 × 8 numbers of 8 bytes are the largest buffer up to which XLA runs a loop's parts one after another on a CPU;
    # with larger ones it hands each to a pool of threads, which made a step in two variables 2.5 times as dear.
    memory: int = eqx.field(default=8, static=True)

    def __check_init__(self) -> None:
        if isinstance(self.memory, bool) or not isinstance(self.memory, int) or self.memory < 1:
            raise ValueError(f"memory= is an integer of at least 1; it was {self.memory!r}.")

    def remember(self, x: Any) -> Any:
        """Empty rows."""
        m = self.memory
        rows, square = jnp.zeros((m, x.size), x.dtype), jnp.zeros((m, m), x.dtype)
        return _Pairs(rows, rows, square, square[0], square, jnp.ones((), x.dtype), jnp.zeros((), jnp.int32))

    def move(self, local: Local, stand: Stand) -> Move:
        """One search; each trial costs one evaluation."""
        known: _Pairs = stand.memory
        direction = -_apply(known, stand.gradient)
        found, direction = search(local, stand, direction, known.count == 0, CURVATURE)
        step, change = found.spot.at * direction, found.spot.gradient - stand.gradient
        learnt = _keep(known, step, change)
        memory = jax.tree.map(lambda new, old: jnp.where(found.good, new, old), learnt, self.remember(local.x))
        return arrive(stand, found, step, memory, known.count == 0)


def _apply(known: _Pairs, g: Any) -> Any:
    """B g through the compact form of Byrd, Nocedal and Schnabel: four products with the rows, none one by one."""
    inner = dot(known.upper, dot(known.steps, g))
    outer = known.diagonal * inner + known.scale * (dot(known.gram, inner) - dot(known.changes, g))
    back = dot(known.steps.T, dot(known.upper.T, outer))
    return known.scale * (g - dot(known.changes.T, inner)) + back


def _keep(known: _Pairs, s: Any, y: Any) -> _Pairs:
    """The pairs with a new one in place of the oldest; the same ones when it is not safe to learn from."""
    curvature = dot(s, y)
    safe = curvature > SAFE * norm(s) * norm(y)
    one = jnp.where(safe, curvature, 1.0)
    steps, changes = _pushed(known.steps, s), _pushed(known.changes, y)
    # R grows by a column and loses its oldest row: the inverse of what stays is a block of the inverse there was.
    column = -dot(known.upper, dot(known.steps, y)) / one
    newest = jnp.arange(known.diagonal.size) == known.diagonal.size - 1
    upper = _bordered(known.upper, column[1:], jnp.where(newest, 1 / one, 0.0))
    cross = dot(changes, y)
    gram = _bordered(known.gram, cross[:-1], cross)
    scale = one / jnp.where(safe, dot(y, y), 1.0)
    learnt = _Pairs(steps, changes, upper, _pushed(known.diagonal, one), gram, scale, known.count + 1)
    return jax.tree.map(lambda new, old: jnp.where(safe, new, old), learnt, known)


def _bordered(square: Any, column: Any, row: Any) -> Any:
    """A matrix without its first row and column, with a new last one; pieces put together, for a scatter is a loop."""
    return jnp.concatenate([jnp.concatenate([square[1:, 1:], column[:, None]], axis=1), row[None]])


def _pushed(rows: Any, new: Any) -> Any:
    return jnp.concatenate([rows[1:], new[None]])


def search(local: Local, stand: Stand, direction: Any, fresh: Any, curvature: float) -> tuple[Found, Any]:
    """(what was found, the direction searched): down `direction`, or down the gradient where that points up.

    The first trial is a full step; while nothing has been learnt, a step that changes no parameter by more than 1.
    """
    g = stand.gradient
    slope = dot(g, direction)
    downhill = slope < 0
    direction = jnp.where(downhill, direction, -g)
    slope = jnp.where(downhill, slope, -dot(g, g))
    gentle = jnp.minimum(1.0, 1 / jnp.maximum(jnp.max(jnp.abs(g)), jnp.finfo(g.dtype).tiny))
    first = jnp.where(fresh | ~downhill, gentle, 1.0)
    start = Spot(jnp.zeros_like(slope), stand.value, slope, g)
    return wolfe(local.value_and_grad, start, direction, first, curvature=curvature), direction


def arrive(stand: Stand, found: Found, step: Any, memory: Any, plain: Any) -> Move:
    """The move to what a search found; stuck when even steepest descent (`plain`) found nothing lower."""
    ahead = Stand(found.spot.value, found.spot.gradient, stand.floor, ~found.good & plain, memory)
    return Move(step, ahead, found.trials)
