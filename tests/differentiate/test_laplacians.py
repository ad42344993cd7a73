"""The Laplacian against the trace of the Hessian on random programs, in batches, and the error bar of Hutchinson's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cycloid.differentiate import laplacian

D = 5
MATRIX = jnp.asarray(np.random.default_rng(0).normal(size=(D, D))) / 3

# Steps from a vector to a vector; each is smooth where the others may lead.
STEPS = {
    "sin": jnp.sin,
    "tanh": jnp.tanh,
    "square": lambda v: v * v / 4,
    "matrix": lambda v: MATRIX @ v,
    "shift": lambda v: jnp.concatenate([v[1:], v[:1]]),
    "softmax": jax.nn.softmax,
    "quotient": lambda v: v / (1.0 + jnp.sum(v * v)),
    "outer": lambda v: jnp.outer(v, jnp.cos(v)).sum(axis=0) / 3,
    "where": lambda v: jnp.where(jnp.arange(D) < 2, v, jnp.exp(-(v**2))),
    "gather": lambda v: v[jnp.array([3, 0, 4, 1, 1])],
    "cumulated": lambda v: jnp.cumsum(v) / D,
    "loop": lambda v: jax.lax.fori_loop(0, 2, lambda _, u: jnp.sin(u) + v / 3, v),
    "scan": lambda v: jax.lax.scan(lambda c, a: (c * 0.5 + a * c, c), v[0], v)[1],
}


def program(names):
    def u(x):
        for name in names:
            x = STEPS[name](x)
        return jnp.sum(x**2) + x[0]

    return u


def trace(u):
    return lambda x: jnp.trace(jax.hessian(u)(x))


@pytest.mark.slow
@settings(max_examples=12)
@given(st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=4))
def test_random_programs_have_the_trace_of_their_hessian(names):
    u, x = program(names), jnp.linspace(-0.7, 0.9, D)
    np.testing.assert_allclose(laplacian(u)(x), jax.jit(trace(u))(x), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("d", [1, 2, 3, 7])
def test_batches_in_blocks_agree_with_single_points(d, monkeypatch):
    import cycloid.differentiate.laplacians as module

    monkeypatch.setattr(module, "CACHE", 2**12)  # several blocks, and a remainder
    W = jnp.asarray(np.random.default_rng(d).normal(size=(d, 16)))
    u = lambda x, t: jnp.sum(jnp.tanh(x @ W) * t)
    points = jnp.asarray(np.random.default_rng(1).normal(size=(37, d)))
    batched = jax.jit(jax.vmap(laplacian(u), in_axes=(0, None)))(points, 2.0)
    exact = jax.vmap(lambda x: jnp.trace(jax.hessian(u)(x, 2.0)))(points)
    np.testing.assert_allclose(batched, exact, rtol=1e-10, atol=1e-12)


def test_it_is_differentiated_by_both_modes():
    u, x = program(["matrix", "tanh"]), jnp.linspace(-0.7, 0.9, D)
    wanted = jax.jit(jax.grad(trace(u)))(x)
    np.testing.assert_allclose(jax.grad(laplacian(u))(x), wanted, rtol=1e-9)
    np.testing.assert_allclose(jax.jacfwd(laplacian(u))(x), wanted, rtol=1e-9)
    several = jax.vmap(jax.grad(laplacian(u)))(jnp.stack([x, 2 * x]))
    np.testing.assert_allclose(several[0], wanted, rtol=1e-9)


def test_single_precision_stays_single():
    found = laplacian(program(["sin", "tanh"]))(jnp.ones(D, "float32"))
    assert found.dtype == "float32"


def test_the_interval_of_hutchinson_holds_the_truth_as_often_as_it_says():
    u = lambda x: jnp.sum(x) ** 2 + jnp.sum(x**3)
    x, exact = jnp.ones(20), 160.0
    run = jax.jit(jax.vmap(lambda key: laplacian(u, method="hutchinson", samples=40, key=key)(x)))
    many = run(jax.random.split(jax.random.key(0), 400))
    low, high = many.interval(0.9)
    inside = float(np.mean((np.asarray(low) <= exact) & (exact <= np.asarray(high))))
    assert 0.85 < inside < 0.95  # 400 draws at 0.9: a standard deviation of 0.015
    assert abs(float(jnp.mean(many.value)) - exact) < 5 * float(jnp.mean(many.error)) / 20


def test_hutchinson_is_exact_on_diagonal_curvature():
    guess = laplacian(lambda x: jnp.sum(x**3), method="hutchinson", samples=2, key=jax.random.key(1))(jnp.arange(4.0))
    assert float(guess.value) == pytest.approx(36.0)
    assert float(guess.error) == pytest.approx(0.0, abs=1e-12)
