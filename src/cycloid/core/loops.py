"""One bounded loop: it stops when done, keeps a trace, and runs under jit and vmap."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

# Steps between two looks at "is everybody done?". The trace is written once a block: a loop under vmap
# selects its whole carry at each turn, and a buffer of max_steps rows must not be copied at every step.
BLOCK = 32


def iterate(
    step: Callable[[Any], Any],
    state: Any,
    *,
    max_steps: int,
    done: Callable[[Any], Any] | None = None,
    record: Callable[[Any], Any] | None = None,
) -> tuple[Any, Any, Any]:
    """Repeat `step` until `done` or `max_steps`, keeping what `record` reads off the state after each step.

    Under vmap every member stops by itself: a member that is done keeps its state while the others go on.
    Without `done` the loop is a plain scan, so that reverse mode passes through it.

    Args:
        step: state -> state, same structure and dtypes.
        state: where to begin.
        max_steps: the bound, a Python integer; it fixes the length of the trace.
        done: state -> boolean; also asked before the first step.
        record: state -> pytree of arrays.

    Returns:
        (state, steps taken, trace): the trace has a leading axis of `max_steps`; float rows after the last
        step are NaN, others zero.
    """
    if max_steps < 0:
        raise ValueError(f"max_steps= is a non-negative integer; it was {max_steps}.")
    look = record or (lambda _: ())
    if done is None:
        return _scan_all(step, state, max_steps, look)

    if record is None:
        return _while(step, state, max_steps, done)

    def guarded(carry: tuple[Any, Any], index: Any) -> tuple[tuple[Any, Any], Any]:
        state, steps = carry
        stop = done(state) | (index >= max_steps)
        state = jax.lax.cond(stop, lambda s: s, step, state)
        row = jax.tree.map(lambda leaf: jnp.where(stop, _blank(leaf), leaf), look(state))
        return (state, steps + jnp.where(stop, 0, 1)), row

    block = max(1, min(BLOCK, max_steps))
    blocks = max(1, -(-max_steps // block))
    rows = jax.eval_shape(look, state)
    buffer = jax.tree.map(lambda r: jnp.broadcast_to(_blank(r), (blocks * block, *r.shape)), rows)

    def unfinished(carry: tuple[Any, Any, Any, Any]) -> Any:
        state, _, _, turn = carry
        return (turn < blocks) & ~done(state)

    def run_block(carry: tuple[Any, Any, Any, Any]) -> tuple[Any, Any, Any, Any]:
        state, steps, buffer, turn = carry
        index = turn * block + jnp.arange(block)
        (state, steps), rows = jax.lax.scan(guarded, (state, steps), index)
        write = lambda b, r: jax.lax.dynamic_update_slice_in_dim(b, r, turn * block, 0)
        return state, steps, jax.tree.map(write, buffer, rows), turn + 1

    zero = jnp.zeros((), jnp.int32)
    state, steps, buffer, _ = jax.lax.while_loop(unfinished, run_block, (state, zero, buffer, zero))
    return state, steps, jax.tree.map(lambda b: b[:max_steps], buffer)


def _while(step: Callable[[Any], Any], state: Any, max_steps: int, done: Callable[[Any], Any]) -> tuple[Any, Any, Any]:
    """The loop that keeps nothing and so needs no blocks: it looks after every step."""
    turn = lambda carry: (step(carry[0]), carry[1] + 1)
    unfinished = lambda carry: (carry[1] < max_steps) & ~done(carry[0])
    state, steps = jax.lax.while_loop(unfinished, turn, (state, jnp.zeros((), jnp.int32)))
    return state, steps, ()


def _scan_all(
    step: Callable[[Any], Any], state: Any, max_steps: int, look: Callable[[Any], Any]
) -> tuple[Any, Any, Any]:
    def body(state: Any, _: None) -> tuple[Any, Any]:
        state = step(state)
        return state, look(state)

    state, trace = jax.lax.scan(body, state, None, length=max_steps)
    return state, jnp.asarray(max_steps, jnp.int32), trace


def _blank(leaf: Any) -> Any:
    """NaN for floats, zero for the rest: what stands in rows that no step has written."""
    dtype = jnp.result_type(leaf)
    return jnp.asarray(jnp.nan if jnp.issubdtype(dtype, jnp.inexact) else 0, dtype)
