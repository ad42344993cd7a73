"""The loop stops, counts, keeps its trace, and means the same under jit, vmap and grad."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cycloid.core.loops import BLOCK, iterate


def halve(x, limit, max_steps):
    return iterate(lambda s: s / 2, x, max_steps=max_steps, done=lambda s: s < limit, record=lambda s: s)


@given(st.integers(0, 3 * BLOCK), st.integers(0, 100))
def test_steps_and_trace_agree_with_a_python_loop(max_steps, power):
    limit = 2.0**-power
    state, steps, trace = halve(jnp.asarray(1.0), limit, max_steps)
    expected, count, rows = 1.0, 0, []
    while count < max_steps and not expected < limit:
        expected, count = expected / 2, count + 1
        rows.append(expected)
    assert state == expected
    assert steps == count
    assert trace.shape == (max_steps,)
    assert trace[:count].tolist() == rows
    assert np.isnan(trace[count:]).all()


def test_vmap_is_the_loop_over_members():
    starts = jnp.asarray([1.0, 0.1, 1e-3, 1e9])
    batch = jax.jit(jax.vmap(lambda x: halve(x, 0.01, 50)))(starts)
    for i, x in enumerate(starts):
        for got, want in zip(batch, halve(x, 0.01, 50), strict=True):
            assert np.array_equal(got[i], want, equal_nan=True)


def test_reverse_mode_passes_through_when_nothing_stops_it():
    final = lambda a: iterate(lambda s: a * s, jnp.asarray(1.0), max_steps=5)[0]
    assert jax.grad(final)(2.0) == 5 * 2.0**4


def test_a_step_is_not_run_once_done():
    def step(s):
        jax.debug.callback(lambda _: calls.append(1), s)
        return s + 1

    calls = []
    state, steps, _ = iterate(step, jnp.asarray(0), max_steps=100, done=lambda s: s >= 5)
    jax.effects_barrier()
    assert (int(state), int(steps), len(calls)) == (5, 5, 5)


def test_a_negative_bound_is_refused():
    with pytest.raises(ValueError, match="max_steps= is a non-negative integer"):
        iterate(lambda s: s, 1.0, max_steps=-1)
