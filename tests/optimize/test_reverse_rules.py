"""minimize on functions that have a reverse rule alone: forward mode stops at them, and at their gradients."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cycloid.optimize import minimize


@jax.custom_vjp
def slope(x, a):
    """The gradient of `height` in x, with a reverse rule of its own."""
    return 2 * (x - a) + (x - a) ** 3


slope.defvjp(
    lambda x, a: (slope(x, a), (x, a)),
    lambda at, c: (c * (2 + 3 * (at[0] - at[1]) ** 2), -jnp.sum(c * (2 + 3 * (at[0] - at[1]) ** 2))),
)


@jax.custom_vjp
def height(x, a):
    """Σ (x − a)² + (x − a)⁴/4, least where every entry is a."""
    return jnp.sum((x - a) ** 2 + (x - a) ** 4 / 4)


height.defvjp(
    lambda x, a: (height(x, a), (x, a)), lambda at, c: (c * slope(*at), -c * jnp.sum(slope(*at)))
)  # fmt: skip


@jax.custom_vjp
def outside(x):
    """Σ (x − 1)² computed outside JAX: it has a gradient and no more."""
    shape = jax.ShapeDtypeStruct((), x.dtype)
    return jax.pure_callback(lambda v: np.sum((np.asarray(v) - 1) ** 2), shape, x, vmap_method="sequential")


outside.defvjp(
    lambda x: (outside(x), x),
    lambda x, c: (c * jax.pure_callback(lambda v: 2 * (np.asarray(v) - 1), x, x, vmap_method="sequential"),),
)


def least(a, method=None):
    return minimize(lambda x: height(x, a) + a * x[0] ** 2, jnp.zeros(2), method=method, tol=1e-10, trace=False)


def test_forward_mode_does_stop_there():
    with pytest.raises(TypeError, match="custom_vjp"):
        jax.jvp(lambda x: height(x, 1.0), (jnp.zeros(2),), (jnp.ones(2),))


@pytest.mark.slow
def test_vmap_of_grad_under_jit_by_the_default_method():
    points = jnp.array([1.0, 1.5])
    both = lambda a: (lambda found: found.value[0] + 3 * found.value[1] + found.objective)(least(a))
    values, slopes = jax.jit(jax.vmap(jax.value_and_grad(both)))(points)
    # The second entry ends at a. The first ends where 2 (x − a) + (x − a)³ + 2 a x = 0; by the envelope theorem the
    # objective answers to a with x² − slope(x).
    for a, value, derivative in zip(points, values, slopes):
        x = least(a).value[0]
        bend = 2 + 3 * (x - a) ** 2
        expected = (bend - 2 * x) / (bend + 2 * a) + 3 + x**2 - slope(x, a)
        assert float(derivative) == pytest.approx(float(expected), rel=1e-8)
        assert float(value) == pytest.approx(float(x + 3 * a + least(a).objective), rel=1e-8)


def test_functions_that_only_have_a_gradient():
    found = jax.jit(lambda x: minimize(outside, x, method="lbfgs"))(jnp.zeros(2))
    np.testing.assert_allclose(found.value, 1.0, atol=1e-7)
    with pytest.raises(TypeError, match="take one of first order"):
        minimize(outside, jnp.zeros(2))
