"""jit = eager, vmap = loop, grad = the true derivative, traced once: for every driver that says so."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from contracts.registry import registered

DRIVERS, _ = registered()
every_driver = pytest.mark.parametrize("driver", DRIVERS, ids=lambda driver: driver.name)


def close(a, b, atol):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=atol, atol=atol), a, b)


@every_driver
def test_jit_is_eager(driver):
    t = jnp.asarray(driver.at[0])
    close(jax.jit(driver.answer)(t), driver.answer(t), driver.rounding)


@every_driver
def test_vmap_is_the_loop(driver):
    many = jnp.asarray(driver.at)
    loop = [driver.answer(t) for t in many]
    close(jax.vmap(driver.answer)(many), jax.tree.map(lambda *rows: jnp.stack(rows), *loop), driver.rounding)


@every_driver
def test_grad_is_the_derivative(driver):
    t = jnp.asarray(driver.at[1])
    if driver.slope is not None:
        expected = driver.slope(t)
    else:
        h = 1e-4
        ahead, behind = driver.answer(t + h), driver.answer(t - h)
        expected = jax.tree.map(lambda a, b: (a - b) / (2 * h), ahead, behind)
    close(jax.jacrev(driver.answer)(t), expected, 1e-5)


@every_driver
def test_traced_once_for_each_shape(driver):
    ticks = []
    call = driver.ticking(lambda: ticks.append(1))
    call(jnp.asarray(driver.at[0]))
    first = len(ticks)
    assert first > 0
    call(jnp.asarray(driver.at[1]))
    assert len(ticks) == first
