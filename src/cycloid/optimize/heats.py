"""One method at many learning rates from many starts, all in one compiled program: what races and sweeps run.

On a graphics card all members are batched by vmap. On a processor that pays for tiny functions only: matrix products
of a batch of networks take no fewer instructions than one network after another, and lose the cache. There the
members go one after another on each device, and the devices (one a core, see `cy.enable_all_cores`) share them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int, Key

from cycloid.core.parallel import device_count, map_chunks
from cycloid.core.tolerance import working_dtype
from cycloid.optimize.methods import AbstractMethod, Objective, apply_update, split
from cycloid.optimize.points import scalar_function

# Fewest parameters for which members go one after another on a processor; below, one step of one member is so short
# that the loop itself would be what takes the time.
ALONE = 256

# Draws that measure a stochastic objective when the caller gives no score.
DRAWS = 16


class Course(NamedTuple):
    """What all runs of a contest share.

    Attributes:
        function: f(x), or f(x, key) where `stochastic`.
        stochastic: whether f takes a key.
        score: x -> scalar, the measure that decides; None takes f itself, or its mean over fixed draws.
        budget: evaluations for each run.
        every: steps between two readings of the score; readings are not charged.
    """

    function: Callable[..., Any]
    stochastic: bool
    score: Callable[[Any], Any] | None
    budget: int
    every: int

    @property
    def free(self) -> bool:
        """Whether the measure is the value that comes with the gradient, and is known at every evaluation."""
        return self.score is None and not self.stochastic


class Readings(NamedTuple):
    """What one run showed: `objective[i]` is the measure at the point reached with `evaluations[i]` evaluations."""

    objective: Float[Array, "*batch records"]
    evaluations: Int[Array, "*batch records"]


class _Runner(NamedTuple):
    x: Any
    memory: Any
    used: Any
    turn: Any


def is_stochastic(f: Any) -> bool:
    """Whether f asks for a key: f(x, key).

    Raises:
        TypeError: when it asks for anything else beside x.
    """
    try:
        parameters = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):
        return False
    takes = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    required = [p.name for p in parameters if p.default is inspect.Parameter.empty and p.kind in takes]
    if len(required) == 2 and required[1] == "key":
        return True
    if len(required) > 1:
        raise TypeError(
            f"f takes one point, f(x), or a point and a key, f(x, key); it asks for {', '.join(required)}: gather the "
            f"variables in one array or dict."
        )
    return False


def run_all(
    course: Course,
    methods: AbstractMethod,
    starts: Any,
    keys: Key[Array, " seeds"],
    draw_key: Key[Array, ""],
    mesh: Mesh | None,
) -> Readings:
    """Every learning rate from every start: readings with the axes (rate, seed, record).

    Args:
        course: what is run.
        methods: one method whose leaves (the learning rate) have the axis (rate,).
        starts: points with the leading axis (seed,).
        keys: one a seed, for a stochastic f: the same batches for all methods and rates.
        draw_key: for the draws that measure a stochastic f.
        mesh: the devices that share the members, each one member after another; None batches them all on one.
    """
    if mesh is None:
        return _all_at_once(course, methods, starts, keys, draw_key)
    needed = mesh.devices.ravel()[: _count(methods) * keys.shape[0]]  # a device without a member would run a copy
    return _in_turn(course, methods, starts, keys, draw_key, Mesh(needed, ("members",)))


def crew(start: Any) -> Mesh | None:
    """The devices that share the members of a contest from such a start; None for a batch on one device."""
    if jax.default_backend() != "cpu" or sum(leaf.size for leaf in jax.tree.leaves(split(start)[0])) < ALONE:
        return None
    return Mesh(np.array(jax.devices()), ("members",))


def crew_in_words(mesh: Mesh | None) -> str:
    """How the members are run, for the protocol."""
    if mesh is None:
        return "all at once in one batch (vmap)"
    count = device_count(mesh)
    return "one after another in one program" if count == 1 else f"one after another on each of {count} devices"


@eqx.filter_jit
def _all_at_once(course: Course, methods: Any, starts: Any, keys: Any, draw_key: Any) -> Readings:
    parameters, rest = split(starts)
    one = lambda method, start, key: _run(course, method, start, rest, key, draw_key)
    return jax.vmap(jax.vmap(one, (None, 0, 0)), (0, None, None), axis_size=_count(methods))(methods, parameters, keys)


@eqx.filter_jit
def _in_turn(course: Course, methods: Any, starts: Any, keys: Any, draw_key: Any, mesh: Mesh) -> Readings:
    parameters, rest = split(starts)
    rates, seeds = _count(methods), keys.shape[0]
    rate, seed = (index.ravel() for index in np.indices((rates, seeds)))
    members = (
        jax.tree.map(lambda leaf: leaf[rate], methods),
        jax.tree.map(lambda leaf: leaf[seed], parameters),
        keys[seed],
        jnp.repeat(draw_key[None], rates * seeds),
    )
    one = lambda member: _run(course, member[0], member[1], rest, member[2], member[3])
    readings = map_chunks(one, members, mesh=mesh)
    return jax.tree.map(lambda leaf: leaf.reshape(rates, seeds, *leaf.shape[1:]), readings)


def _count(methods: Any) -> int:
    """How many learning rates; a method without one runs once."""
    return max((leaf.shape[0] for leaf in jax.tree.leaves(methods)), default=1)


def _run(course: Course, method: AbstractMethod, start: Any, rest: Any, key: Any, draw_key: Any) -> Readings:
    measure = _measure(course, rest, draw_key)
    dtype = working_dtype(start)

    def step(runner: _Runner) -> tuple[_Runner, Any]:
        update, memory, info = method.step(_objective(course, rest, key, runner.turn), runner.x, runner.memory)
        after = runner.used + info.evaluations
        fits = after <= course.budget  # a step that would overdraw the budget is not made, its evaluations are lost
        keep = lambda new, old: jnp.where(fits, new, old)
        x = jax.tree.map(keep, apply_update(runner.x, update), runner.x)
        memory = jax.tree.map(keep, memory, runner.memory)
        return _Runner(x, memory, jnp.minimum(after, course.budget), runner.turn + 1), info.value.astype(dtype)

    def record(runner: _Runner, _: None) -> tuple[_Runner, Readings]:
        used = runner.used
        if course.free:
            runner, value = step(runner)
        else:
            value = measure(runner.x).astype(dtype)
            runner, _ = jax.lax.scan(lambda r, _: (step(r)[0], None), runner, None, length=course.every)
        return runner, Readings(value, used)

    zero = jnp.zeros((), jnp.int32)
    records = course.budget if course.free else -(-course.budget // course.every)
    runner, rows = jax.lax.scan(record, _Runner(start, method.init(start), zero, zero), None, length=records)
    last = Readings(measure(runner.x).astype(dtype), runner.used)
    return jax.tree.map(lambda many, one: jnp.concatenate([many, one[None]]), rows, last)


def _objective(course: Course, rest: Any, key: Any, turn: Any) -> Objective:
    function = scalar_function(course.function)
    if course.stochastic:
        batch = jax.random.fold_in(key, turn)
        return Objective(lambda p: scalar_function(lambda x: course.function(x, batch))(eqx.combine(p, rest)))
    return Objective(lambda p: function(eqx.combine(p, rest)))


def _measure(course: Course, rest: Any, draw_key: Any) -> Callable[[Any], Any]:
    if course.score is not None or not course.stochastic:
        score = scalar_function(course.score or course.function)
        return lambda p: score(eqx.combine(p, rest))
    draws = jax.random.split(draw_key, DRAWS)
    return lambda p: jnp.mean(jax.lax.map(lambda k: course.function(eqx.combine(p, rest), k), draws))
