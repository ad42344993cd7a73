"""Methods on one problem by the CPU clock: runs in chunks of steps, and learning rates tuned by successive halving."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from cycloid.optimize import apply_update
from cycloid.problems import SlowDescent

# Points of a run that are kept for pictures.
MARKS = 40


class Spot(NamedTuple):
    """Where a run stands."""

    params: Any
    state: Any
    steps: int = 0
    seconds: float = 0.0
    least: float = math.inf
    hit: int | None = None  # steps to the target
    marks: tuple[tuple[float, float], ...] = ()


class Runner:
    """Runs methods on a problem; time is that of the process, without compilation and without reading the loss.

    Args:
        problem: to be solved.
        batch: rows a step; None for all.
        chunk: steps between two looks at the loss over all rows.
    """

    def __init__(self, problem: SlowDescent, batch: int | None, chunk: int):
        self.problem, self.batch, self.chunk = problem, batch, chunk
        self.loss = jax.jit(problem.objective().value)

    def begin(self, method: Any, seed: int) -> Spot:
        """The start, with the program compiled."""
        params = self.problem.start(jax.random.key(seed))
        spot = Spot(params, traced(method).init(params))
        jax.block_until_ready(self._steps(traced(method), spot.params, spot.state, jax.random.key(0), 0))
        return spot

    def walk(self, method: Any, seed: int, spot: Spot, enough: Callable[[Spot], bool]) -> Spot:
        """The run from `spot` on, chunk by chunk, until the target is met, the loss not finite, or it is enough."""
        key, starter = jax.random.key(1000 + seed), getattr(method, "start_steps", 0)
        ready, target = traced(method), self.problem.target
        while spot.hit is None and not enough(spot):
            count = min(500, starter - spot.steps) if spot.steps < starter else self.chunk
            at = jax.block_until_ready(jax.random.fold_in(key, spot.steps))
            began = time.process_time()
            params, state = jax.block_until_ready(self._steps(ready, spot.params, spot.state, at, count))
            seconds, steps = spot.seconds + time.process_time() - began, spot.steps + count
            loss = float(self.loss(params))
            spot = Spot(params, state, steps, seconds, min(spot.least, loss) if loss == loss else spot.least,
                        steps if loss <= target else None, (*spot.marks, (seconds, loss)))  # fmt: skip
            if not math.isfinite(loss):
                break
        return spot

    @functools.cached_property
    def _steps(self) -> Callable[..., Any]:
        problem, batch = self.problem, self.batch

        @eqx.filter_jit
        def advance(method: Any, params: Any, state: Any, key: Any, count: Any) -> Any:
            def one(i: Any, carry: Any) -> Any:
                rows = None
                if batch is not None:
                    rows = jax.random.randint(jax.random.fold_in(key, i), (batch,), 0, len(problem.x))
                update, state, _ = method.step(problem.objective(rows), *carry)
                return apply_update(carry[0], update), state

            return jax.lax.fori_loop(0, count, one, (params, state))

        return lambda method, params, state, key, count: advance(method, params, state, key, jnp.asarray(count))


def traced(method: Any) -> Any:
    """The method with its numbers as arrays: one program for all learning rates."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32) if isinstance(leaf, float) else leaf, method)


def result(spot: Spot) -> dict[str, Any]:
    """What is written down of a run."""
    kept = sorted({*np.linspace(0, len(spot.marks) - 1, MARKS).round().astype(int).tolist()}) if spot.marks else []
    finite = lambda value: float(f"{value:.5g}") if math.isfinite(value) else None
    return {
        "reached": spot.hit is not None,
        "seconds": float(f"{spot.seconds:.5g}"),
        "steps": spot.steps,
        "loss": finite(spot.least),
        "marks": [[finite(number) for number in spot.marks[i]] for i in kept],
    }


def halve(
    rates: Sequence[float], rungs: Sequence[tuple[int, int]], measure: Callable[[float, int], tuple[float, float]]
) -> float:
    """The best of the rates: all run to the first rung, the best of them to the next, and so on.

    Args:
        rates: to choose from.
        rungs: pairs (steps, how many rates go on after them), the last with 1.
        measure: (rate, steps) -> (loss, not below the target; steps to the target or made), means over the seeds.
    """
    left = list(rates)
    for steps, kept in rungs:
        scores = {rate: measure(rate, steps) for rate in left}
        left = sorted(left, key=scores.__getitem__)[:kept]
    return left[0]
