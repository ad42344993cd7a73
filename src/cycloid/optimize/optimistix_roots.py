"""Roots by the steps of optimistix's root finders, ended by our test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp

from cycloid.core.loops import iterate
from cycloid.core.tolerance import Tolerance
from cycloid.optimize.optimistix_solvers import Optimistix, Steps, place_of
from cycloid.optimize.root_finding import Found, root_status
from cycloid.optimize.tangents import value_and_jacobian


class _Root(NamedTuple):
    x: Any
    state: Any
    norm: Any
    error: Any
    turns: Any
    met: Any
    stuck: Any
    finite: Any


def root_by_optimistix(
    method: Optimistix, F: Callable[[Any], Any], x: Any, tolerance: Tolerance, max_steps: int
) -> Found:
    """A root by the steps of a solver, ended by the same test as our own Newton steps.

    Cost: two evaluations a step: the solver's, and ours with the Jacobian for the test.

    Raises:
        TypeError: when it is another kind of solver.
    """
    import optimistix

    if not isinstance(method.solver, optimistix.AbstractRootFinder):
        raise TypeError(f"{type(method.solver).__name__} is no root finder: {place_of(method.solver)}")
    steps = Steps(method.solver, F, x)

    def look(x: Any) -> tuple[Any, Any, Any, Any]:
        value, jacobian = value_and_jacobian(F, x)
        finite = jnp.all(jnp.isfinite(value)) & jnp.all(jnp.isfinite(jacobian))
        met = finite & jnp.all(jnp.abs(value) <= tolerance.allowed(jnp.abs(jacobian) @ jnp.abs(x)))
        return jnp.max(jnp.abs(value)), jnp.max(jnp.abs(jnp.linalg.solve(jacobian, value))), met, finite

    def turn(walk: _Root) -> _Root:
        x, state, failed = steps.step(walk.x, walk.state)
        norm, error, met, finite = look(x)
        return _Root(x, state, norm, error, walk.turns + 1, met, failed & ~met, finite)

    none, no = jnp.zeros((), jnp.int32), jnp.zeros((), bool)
    norm, error, met, finite = look(x)
    begin = _Root(x, steps.begin, norm, error, none, met, no, finite)
    done = lambda walk: walk.met | walk.stuck | ~walk.finite
    walk, _, trace = iterate(turn, begin, max_steps=max_steps, done=done, record=lambda walk: walk.norm)
    status = root_status(walk.met, walk.finite, walk.stuck)
    trace = jnp.concatenate([norm[None], trace])
    return Found(walk.x, walk.norm, walk.error, 1 + 2 * walk.turns, walk.turns, status, trace)
