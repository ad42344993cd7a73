"""Spectra against the eigenvalues of the whole matrix, and what the errors promise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cycloid.core.results import ConvergenceError
from cycloid.differentiate import hessian, hvp, spectrum

N = 150


def loss(w):
    bowl = 0.5 * jnp.sum(jnp.linspace(-3.0, 40.0, N) * w**2)
    return bowl + jnp.sum(jnp.tanh(w[1:] * w[:-1])) + jnp.mean(jnp.cos(w)) ** 2


POINT = jnp.linspace(-1.0, 1.0, N)


def test_extreme_eigenvalues_are_those_of_the_whole_matrix():
    found = spectrum(loss, POINT, k=6, key=jax.random.key(0), tol=1e-8)
    matrix = hessian(loss)(POINT)
    eigenvalues = np.linalg.eigvalsh(np.asarray(matrix))
    wanted = eigenvalues[np.argsort(-np.abs(eigenvalues))][:6]
    np.testing.assert_allclose(found.value, wanted, rtol=1e-10)
    assert np.all(np.abs(found.value - wanted) <= np.asarray(found.error) + 1e-9)
    assert float(found.trace) == pytest.approx(float(jnp.trace(matrix)), abs=6 * float(found.trace_error) + 1e-6)


def test_the_error_is_the_residual_of_the_vectors():
    found = spectrum(loss, POINT, k=3, key=jax.random.key(1), tol=1e-3)
    for value, vector, error in zip(found.value, found.vectors, found.error, strict=True):
        assert float(jnp.linalg.norm(vector)) == pytest.approx(1.0)
        residual = jnp.linalg.norm(hvp(loss)(POINT, vector) - value * vector)
        assert float(residual) == pytest.approx(float(error), rel=1e-2, abs=1e-9)
        assert error <= 1e-3 * abs(value)


def test_a_budget_too_small_is_said():
    with pytest.raises(ConvergenceError):
        spectrum(loss, POINT, k=6, key=jax.random.key(0), tol=1e-10, max_steps=8)


def test_chance_needs_a_key():
    with pytest.raises(TypeError, match="key"):
        spectrum(loss, POINT, k=2)


def test_a_wrong_operator_is_named():
    with pytest.raises(ValueError, match="hessian, ggn, fisher"):
        spectrum(loss, POINT, key=jax.random.key(0), operator="jacobian")
