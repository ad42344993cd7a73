"""The spectral gradient method: its two lengths, its memory, its way out of trouble."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from cycloid.optimize import BarzilaiBorwein, minimize
from cycloid.problems.landscapes import rosenbrock
from optimize.walking import quadratic, walk


def test_takes_both_lengths_in_turn():
    hessian, start = np.diag([1.0, 4.0]), np.array([1.0, 0.5])
    points = np.asarray(walk(BarzilaiBorwein(), quadratic, start, 6, hessian, np.zeros(2)))
    gradients = points @ hessian
    np.testing.assert_allclose(points[1], start - gradients[0] / np.abs(gradients[0]).max())
    for k in range(1, 6):
        s, y = points[k] - points[k - 1], gradients[k] - gradients[k - 1]
        length = s @ s / (s @ y) if k % 2 else s @ y / (y @ y)
        np.testing.assert_allclose(points[k + 1], points[k] - length * gradients[k], rtol=1e-10, atol=1e-14)


def test_a_memory_of_one_never_rises_and_a_longer_one_may():
    rises = {}
    for memory in (1, 10):
        found = minimize(rosenbrock, jnp.array([-1.2, 1.0]), method=BarzilaiBorwein(memory=memory), max_steps=3000)
        rises[memory] = np.diff(found.trace.objective).max()
    assert rises[1] <= 1e-15
    assert rises[10] > 1e-3


def test_every_value_stays_below_the_largest_of_its_memory():
    found = minimize(rosenbrock, jnp.array([-1.2, 1.0]), method=BarzilaiBorwein(memory=5))
    values = found.trace.objective
    for k in range(1, len(values)):
        assert values[k] <= values[max(0, k - 5) : k].max() * (1 + 1e-14)


def test_shortens_its_step_until_the_function_exists():
    # From 3.5 the first step, of length 1 downhill, leaves the domain of the root.
    found = minimize(lambda x: 0.3 * x - jnp.sqrt(x - 3.0), 3.4, method=BarzilaiBorwein(), tol=1e-9)
    assert float(found.value) == pytest.approx(3.0 + 1 / 0.36, abs=1e-7)
    far = minimize(lambda x: x**2 - jnp.sqrt(x - 3.0), 4.5, tol=1e-9)
    assert far.status.name == "converged"
    assert float(far.value) > 3.0
    assert int(far.evaluations) > int(far.steps) + 2


def test_leaves_a_region_of_negative_curvature():
    found = minimize(lambda x: jnp.cos(x) + 0.01 * (x - 3) ** 2, 0.5, tol=1e-9)
    assert float(found.value) == pytest.approx(3.1377, abs=1e-2)
