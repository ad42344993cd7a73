"""The walk itself: evaluate, look whether to stop, step; one bounded loop that tells how it ended."""

from __future__ import annotations

from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import ArrayLike, Float

from cycloid.core.loops import iterate
from cycloid.core.results import Status
from cycloid.core.tolerance import Tolerance, working_dtype
from cycloid.optimize.descents import AbstractDescent, Stand
from cycloid.optimize.methods import AbstractMethod, Objective, apply_update

# The objective has diverged when it has risen by this many times 1 + |value at the start|.
FAR = 1e8
# It has no minimum when it has fallen so far that the value at the start is rounding beside it.
BOTTOMLESS = 1e16
# Steps in a row that change no parameter before the walk counts as stalled; a warm-up or an accumulation of
# gradients may well pause for a few.
PAUSE = 32


@final
class Trace(eqx.Module):
    """The walk, one row a point: row 0 is the start, row k the point after k steps.

    Under jit and vmap all have the length max_steps + 1, NaN in rows never reached; a plain call cuts those off.

    Attributes:
        objective: f at each point.
        gradient_norm: the largest absolute entry of the gradient there.
        step_norm: the length of the step that led there; 0 in row 0.
        path: the points themselves, a pytree like x0 with a leading axis, or None when they were not kept.
        notes: by name what the method told of the step away from each point (the last of them was not made): its
            damping, say. Empty for most methods.
    """

    objective: Float[ArrayLike, "... points"]
    gradient_norm: Float[ArrayLike, "... points"]
    step_norm: Float[ArrayLike, "... points"]
    path: Any = None
    notes: dict[str, Any] = eqx.field(default_factory=dict)


class Settings(NamedTuple):
    """When to stop and what to keep."""

    tolerance: Tolerance
    max_steps: int
    trace: bool
    path: bool


class Walk(NamedTuple):
    """Where a walk stands."""

    x: Any
    update: Any  # what the method wants to do next
    memory: Any  # the method's state
    objective: Any
    gradient_norm: Any
    step_norm: Any
    start: Any  # the objective at the first point
    turns: Any
    evaluations: Any
    paused: Any  # turns in a row that changed nothing
    met: Any  # the tolerance was met here
    stopped: Any


def walk_from(objective: Objective, start: Any, method: AbstractMethod, settings: Settings) -> tuple[Any, Any, Any]:
    """(the parameters reached, f there, (the walk's last state, its trace))."""
    zero, none, no = jnp.zeros((), working_dtype(start)), jnp.zeros((), jnp.int32), jnp.zeros((), bool)
    still = jax.tree.map(jnp.zeros_like, start)
    begin = Walk(start, still, None, zero, zero, zero, zero, none, none, none, no, no)
    looks_first = isinstance(method, AbstractDescent)
    if isinstance(method, AbstractDescent):
        begin = _stand(begin, start, still, method.begin(objective, start), 1, settings.tolerance)
        turn = lambda walk: _descend(walk, objective, method, settings.tolerance)
    else:
        begin = begin._replace(memory=method.init(start))
        turn = lambda walk: _turn(walk, objective, method, settings.tolerance)
    record = (lambda walk: _row(walk, method, settings.path)) if settings.trace else None
    walk, _, rows = iterate(
        turn,
        begin,
        max_steps=settings.max_steps + (0 if looks_first else 1),
        done=None if settings.tolerance.is_zero else lambda walk: walk.stopped,
        record=record,
    )
    if record is not None and looks_first:
        rows = jax.tree.map(lambda first, rest: jnp.concatenate([first[None], rest]), record(begin), rows)
    brief = walk._replace(x=None, update=None, memory=None)
    return walk.x, walk.objective, (brief, Trace(*rows) if settings.trace else None)


def _turn(walk: Walk, objective: Objective, method: AbstractMethod, tolerance: Tolerance) -> Walk:
    """Go where the last turn pointed, evaluate there, and decide whether to stay."""
    x = apply_update(walk.x, walk.update)
    update, memory, info = method.step(objective, x, walk.memory)
    norm = optax.tree.norm(info.gradient, ord=jnp.inf)
    here = _arrive(walk, x, walk.update, info.value, norm, info.evaluations, tolerance)
    return here._replace(update=update, memory=memory)


def _descend(walk: Walk, objective: Objective, method: AbstractDescent, tolerance: Tolerance) -> Walk:
    """The same for a method that knows where its step leads: nothing is pointed to that may not be needed."""
    update, stand, evaluations = method.advance(objective, walk.x, walk.memory)
    return _stand(walk, apply_update(walk.x, update), update, stand, evaluations, tolerance)


def _stand(walk: Walk, x: Any, update: Any, stand: Stand, evaluations: Any, tolerance: Tolerance) -> Walk:
    norm = jnp.max(jnp.abs(stand.gradient))
    here = _arrive(walk, x, update, stand.value, norm, evaluations, tolerance, stand.floor)
    paused = jnp.where(stand.stuck, PAUSE, here.paused)
    return here._replace(memory=stand, paused=paused, stopped=here.stopped | stand.stuck)


def _arrive(
    walk: Walk, x: Any, update: Any, value: Any, norm: Any, evaluations: Any, tolerance: Tolerance, floor: Any = 0.0
) -> Walk:
    """The walk at its next point, and whether it ends there."""
    value = value.astype(walk.objective.dtype)
    norm = norm.astype(walk.gradient_norm.dtype)
    start = jnp.where(walk.turns == 0, value, walk.start)
    moved = ~eqx.tree_equal(x, walk.x)
    paused = jnp.where(moved | (walk.turns == 0), 0, walk.paused + 1)
    now = walk._replace(
        x=x,
        objective=value,
        gradient_norm=norm,
        step_norm=optax.tree.norm(update).astype(walk.step_norm.dtype),
        start=start,
        turns=walk.turns + 1,
        evaluations=walk.evaluations + evaluations,
        paused=paused,
    )
    scale = value / jnp.maximum(1.0, optax.tree.norm(x, ord=jnp.inf))
    met = jnp.isfinite(value) & (norm <= tolerance.allowed(scale) + floor)
    return now._replace(met=met, stopped=met | _lost(now) | (paused >= PAUSE))


def _lost(walk: Walk) -> Any:
    return _nonfinite(walk) | _risen(walk) | _fallen(walk)


def _risen(walk: Walk) -> Any:
    return walk.objective - walk.start > FAR * (1 + jnp.abs(walk.start))


def _fallen(walk: Walk) -> Any:
    return walk.start - walk.objective > BOTTOMLESS * (1 + jnp.abs(walk.start))


def _nonfinite(walk: Walk) -> Any:
    return ~(jnp.isfinite(walk.objective) & jnp.isfinite(walk.gradient_norm))


def ending(walk: Walk, settings: Settings) -> Status:
    """Nonfinite, diverged and unbounded before all else; then converged, stalled, out of steps."""
    if settings.tolerance.is_zero:
        status = Status.named("all_steps")
    else:
        stalled = Status.where(walk.paused >= PAUSE, Status.named("stalled"), Status.named("max_steps"))
        status = Status.where(walk.met, Status.named("converged"), stalled)
    status = Status.where(_fallen(walk), Status.named("unbounded"), status)
    status = Status.where(_risen(walk), Status.named("diverged"), status)
    return Status.where(_nonfinite(walk), Status.named("nonfinite"), status)


def _row(walk: Walk, method: AbstractMethod, path: bool) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
    notes = method.notes(walk.memory)
    return walk.objective, walk.gradient_norm, walk.step_norm, walk.x if path else None, notes
