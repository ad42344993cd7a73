"""Methods that know where they stand: value and gradient are found on arrival, so that no step is made in vain."""

from __future__ import annotations

import abc
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from cycloid.optimize.methods import AbstractMethod, Info, Objective, apply_update, split

# Up to so many products a sum is cheaper than a call.
SHORT = 256


class Stand(NamedTuple):
    """Where a descent stands.

    Attributes:
        value: f there.
        gradient: its gradient, flat.
        floor: the part of the gradient that is rounding alone, as far as the method can tell; else 0.
        stuck: True when the method knows no way further down.
        memory: what the method itself remembers.
    """

    value: Any
    gradient: Any
    floor: Any
    stuck: Any
    memory: Any


class Move(NamedTuple):
    """A step as a method proposes it: the flat update, where it leads, and what it cost."""

    update: Any
    stand: Stand
    evaluations: Any


class _Lazy(NamedTuple):
    """The state of `init`: nothing is known until the first step has seen the objective."""

    stand: Stand
    fresh: Any


class Local:
    """An objective as a function of a flat displacement from the point at hand.

    Args:
        objective: f.
        params: the point.
    """

    def __init__(self, objective: Objective, params: Any):
        parameters, rest = split(params)
        flat, unravel = ravel_pytree(parameters)
        self.dtype = jnp.promote_types(flat.dtype, jnp.float32)  # linear algebra has no half precision
        self.x = flat.astype(self.dtype)
        self.as_update = lambda step: unravel(step.astype(flat.dtype))
        # The very sum that the walk makes of point and update, so that both see the same bits.
        self.value = lambda step: objective.value(
            eqx.combine(apply_update(parameters, self.as_update(step)), rest)
        ).astype(self.dtype)

    def value_and_grad(self, step: Any) -> tuple[Any, Any]:
        """f and its gradient after a displacement."""
        return jax.value_and_grad(self.value)(step)

    @property
    def here(self) -> Any:
        """The displacement that stays."""
        return jnp.zeros_like(self.x)

    @property
    def zero(self) -> Any:
        """A scalar zero of the right kind."""
        return jnp.zeros((), self.dtype)


class AbstractDescent(AbstractMethod):
    """A method that carries value and gradient of its point from step to step.

    A driver calls `begin` once and then `advance`; `init` and `step` put the two behind the interface of all methods.
    """

    @abc.abstractmethod
    def remember(self, x: Any) -> Any:
        """The memory before the first step; x is the flat point."""

    @abc.abstractmethod
    def move(self, local: Local, stand: Stand) -> Move:
        """One step down from `stand`, which is where `local` has its origin."""

    def begin(self, objective: Objective, params: Any) -> Stand:
        """Look at the start: one evaluation."""
        local = Local(objective, params)
        value, gradient = local.value_and_grad(local.here)
        return Stand(value, gradient, local.zero, jnp.zeros((), bool), self.remember(local.x))

    def advance(self, objective: Objective, params: Any, stand: Stand) -> tuple[Any, Stand, Any]:
        """(update, where it leads, evaluations)."""
        local = Local(objective, params)
        move = self.move(local, stand)
        return local.as_update(move.update), move.stand, move.evaluations

    def init(self, params: Any) -> Any:
        """Nothing known yet; the first step looks."""
        empty = Objective(lambda x: jnp.zeros(()))
        local = Local(empty, params)
        stand = Stand(local.zero, local.here, local.zero, jnp.zeros((), bool), self.remember(local.x))
        return _Lazy(stand, jnp.ones((), bool))

    def step(self, objective: Objective, params: Any, state: Any) -> tuple[Any, Any, Info]:
        """One step; the first one looks at the start as well, for one evaluation more."""
        stand = jax.lax.cond(state.fresh, lambda: self.begin(objective, params), lambda: state.stand)
        update, ahead, evaluations = self.advance(objective, params, stand)
        gradient = Local(objective, params).as_update(stand.gradient)
        cost = evaluations + jnp.where(state.fresh, 1, 0)
        return update, _Lazy(ahead, jnp.zeros((), bool)), Info(stand.value, gradient, cost.astype(jnp.int32))


def dot(a: Any, b: Any) -> Any:
    """a · b along the last axis of a: a product of vectors, or of a matrix with a vector.

    Written as a sum where it is short: XLA joins that to the operations around it, where a product of matrices stays a
    call of its own.
    """
    return jnp.sum(a * b, axis=-1) if a.size <= SHORT else a @ b


def norm(v: Any) -> Any:
    """The Euclidean length."""
    return jnp.sqrt(dot(v, v))


def finite(value: Any, gradient: Any) -> Any:
    """Whether a point may be stood on."""
    return jnp.isfinite(value) & jnp.all(jnp.isfinite(gradient))
