"""Many learning rates trained at once, from the same start on the same batches."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from cycloid.core.parallel import map_chunks
from cycloid.learn.feeds import Rows
from cycloid.learn.steps import Objective, Recipe, Training, make_step


def sweep(recipe: Recipe, model: Any, method: Any, source: Any, watched: Rows, max_steps: int) -> np.ndarray:
    """The loss on the watched rows after `max_steps` steps, for each learning rate of a method.

    Args:
        recipe: loss, batch size, precision.
        model: where all of them begin.
        method: an `AbstractGradientMethod` or `AbstractCurvatureMethod` whose learning rate is an array of shape (k,).
        source: of the batches; each is used by all k.
        watched: the rows judged by.
        max_steps: how many steps.

    Returns:
        Shape (k,); infinite where training ran away.
    """
    params, static = eqx.partition(model, eqx.is_inexact_array)
    states = jax.vmap(lambda m: Training(params, m.init(params)))(method)
    step = 0
    while step < max_steps:
        fed = source.feed(step, min(recipe.length, max_steps - step), recipe.length)
        if fed is None:
            break
        feed, count = fed
        states = _advance_all(recipe, static, method, states, feed, jnp.int32(count))
        step += count
    losses = np.asarray(_losses(recipe, static, states.params, watched), float)
    return np.where(np.isfinite(losses), losses, np.inf)


@eqx.filter_jit
def _advance_all(recipe: Recipe, static: Any, methods: Any, states: Training, feed: Any, count: Any) -> Training:
    objective = Objective(recipe, static)
    batch_at = feed.batches(recipe.batch_size, recipe.length)

    def one(pair: tuple[Any, Training]) -> Training:
        method, state = pair

        def step(i: Any, state: Training) -> Training:
            return make_step(objective, method, state, batch_at(i))[0]

        return jax.lax.fori_loop(0, count, step, state)

    return _over_members(one, (methods, states))


@eqx.filter_jit
def _losses(recipe: Recipe, static: Any, params: Any, watched: Rows) -> Any:
    objective = Objective(recipe, static)
    return _over_members(lambda member: jnp.mean(objective.examples(member, watched)), params)


def _over_members(function: Any, members: Any) -> Any:
    """All at once where matrix products are batched well; on a processor one after another in one program, which
    was measured to be as fast for small nets and faster from two layers of 64 on, and on all its devices if there
    are several (`cy.enable_all_cores`)."""
    if jax.default_backend() == "cpu":
        return map_chunks(function, members, mesh=Mesh(np.array(jax.devices()), ("members",)))
    return jax.vmap(function)(members)
