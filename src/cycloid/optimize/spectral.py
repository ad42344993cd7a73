"""The spectral gradient method: a step length read off the last two gradients, safe by a non-monotone search."""

from typing import Any, ClassVar, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from cycloid.core.tolerance import working_dtype
from cycloid.optimize.methods import AbstractMethod, Info, Objective, apply_update, split

# Armijo's constant, the shortening of a refused step and the number of refusals, as in Raydan's paper.
DECREASE = 1e-4
SHORTEN = 0.5
REFUSALS = 30
# The longest and shortest step lengths that two gradients may suggest.
LONGEST, SHORTEST = 1e10, 1e-10


class _Point(NamedTuple):
    value: Any
    gradient: Any


class _Memory(NamedTuple):
    point: _Point  # at the parameters the next step starts from
    length: Any  # the step length to try first
    recent: Any  # the last values of the objective
    count: Any  # steps made


class _Trial(NamedTuple):
    length: Any
    update: Any
    point: _Point
    tried: Any
    accepted: Any


@final
class BarzilaiBorwein(AbstractMethod):
    """Gradient descent that finds its own step length: θ ← θ − α g with α = sᵀs/sᵀy and sᵀy/yᵀy in turn.

    s and y are the last changes of the parameters and of the gradient, so 1/α lies among the curvatures met: a
    method of first order with a little knowledge of the second. It needs no learning rate. The objective may rise
    now and then; a step is shortened until f falls below the largest of the last `memory` values. Meant for
    deterministic functions: on mini-batches the noise enters y.

    Args:
        memory: how many past values a new one is compared with; 1 makes every step go down.

    Reference: Barzilai, Borwein, Two-point step size gradient methods, 1988; Raydan, The Barzilai and Borwein
    gradient method for the large scale unconstrained minimization problem, 1997.
    """

    name: ClassVar[str] = "barzilai-borwein"
    reference: ClassVar[str] = "Barzilai, Borwein, Two-point step size gradient methods, 1988; Raydan 1997"
    best_for: ClassVar[str] = "smooth deterministic functions of very many parameters, without any tuning"
    formula: ClassVar[str] = "α = sᵀs/sᵀy or sᵀy/yᵀy, θ ← θ − α g"
    memory: int = eqx.field(default=10, static=True)

    def __check_init__(self) -> None:
        if isinstance(self.memory, bool) or not isinstance(self.memory, int) or self.memory < 1:
            raise ValueError(f"memory= is an integer of at least 1; it was {self.memory!r}.")

    def init(self, params: Any) -> Any:
        """Room for the last point and its values."""
        parameters = split(params)[0]
        dtype = working_dtype(parameters)
        zero = jnp.zeros((), dtype)
        nothing = jnp.full(self.memory, -jnp.inf, dtype)
        return _Memory(_Point(zero, jax.tree.map(jnp.zeros_like, parameters)), zero, nothing, jnp.zeros((), jnp.int32))

    def step(self, objective: Objective, params: Any, state: Any) -> tuple[Any, Any, Info]:
        """One accepted step; each trial costs one value with its gradient, the first step one more."""
        dtype = state.recent.dtype
        evaluate = lambda x: _evaluate(objective, x, dtype)
        fresh = state.count == 0
        here = jax.lax.cond(fresh, lambda: evaluate(params), lambda: state.point)
        square = _dot(here.gradient, here.gradient)
        first = 1 / jnp.maximum(optax.tree.norm(here.gradient, ord=jnp.inf), SHORTEST).astype(dtype)
        recent = state.recent.at[state.count % self.memory].set(here.value)
        ceiling = jnp.max(recent)
        ceiling = ceiling + 10 * jnp.finfo(dtype).eps * jnp.abs(ceiling)  # rounding is no rise

        def attempt(length: Any, tried: Any) -> _Trial:
            update = jax.tree.map(lambda g: -length.astype(g.dtype) * g, here.gradient)
            point = evaluate(apply_update(params, update))
            good = _finite(point) & (point.value <= ceiling - DECREASE * length * square)
            return _Trial(length, update, point, tried + 1, good)

        begin = _Trial(
            jnp.where(fresh, first, state.length) / SHORTEN,
            here.gradient,
            here,
            jnp.zeros((), jnp.int32),
            jnp.zeros((), bool),
        )
        refused = lambda t: ~t.accepted & (t.tried < REFUSALS)
        trial = jax.lax.while_loop(refused, lambda t: attempt(t.length * SHORTEN, t.tried), begin)
        chosen = jax.tree.map(lambda t: jnp.where(trial.accepted, t, jnp.zeros_like(t)), trial.update)
        point = jax.tree.map(lambda t, h: jnp.where(trial.accepted, t, h), trial.point, here)
        length = _next_length(trial, here, chosen, state.count)
        memory = _Memory(point, length, recent, state.count + 1)
        return chosen, memory, Info(here.value, here.gradient, trial.tried + jnp.where(fresh, 1, 0))


def _evaluate(objective: Objective, x: Any, dtype: Any) -> _Point:
    value, gradient = objective.value_and_grad(x)
    return _Point(jnp.asarray(value, dtype), gradient)


def _next_length(trial: _Trial, here: _Point, update: Any, count: Any) -> Any:
    """The two lengths in turn; where the curvature is not positive, twice the last one."""
    change = jax.tree.map(jnp.subtract, trial.point.gradient, here.gradient)
    curvature = _dot(update, change)
    bends = curvature > 0
    safe = jnp.where(bends, curvature, 1.0)
    long = _dot(update, update) / safe
    short = safe / jnp.where(bends, _dot(change, change), 1.0)
    length = jnp.where(bends, jnp.where(count % 2 == 0, long, short), 2 * trial.length)
    return jnp.clip(length, SHORTEST, LONGEST).astype(trial.length.dtype)


def _dot(a: Any, b: Any) -> Any:
    return sum(jnp.vdot(x, y).real for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


def _finite(point: _Point) -> Any:
    fine = jnp.isfinite(point.value)
    for leaf in jax.tree.leaves(point.gradient):
        fine &= jnp.all(jnp.isfinite(leaf))
    return fine
