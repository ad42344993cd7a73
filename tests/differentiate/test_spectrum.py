"""Spectra against the eigenvalues of the whole matrix, and what the errors promise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cycloid.core.results import ConvergenceError
from cycloid.core.tolerance import Tolerance
from cycloid.differentiate import hessian, hvp, spectrum

N = 150
KEY = jax.random.key(0)


def loss(w):
    bowl = 0.5 * jnp.sum(jnp.linspace(-3.0, 40.0, N) * w**2)
    return bowl + jnp.sum(jnp.tanh(w[1:] * w[:-1])) + jnp.mean(jnp.cos(w)) ** 2


POINT = jnp.linspace(-1.0, 1.0, N)


def with_eigenvalues(values, dtype=float):
    """A symmetric matrix in no special position."""
    Q = np.linalg.qr(np.random.default_rng(0).normal(size=(len(values), len(values))))[0]
    return jnp.asarray(Q * np.asarray(values) @ Q.T, dtype)


def form(w, matrix):
    return 0.5 * w @ (matrix @ w)


def six_of(values, dtype=float, **options):
    """One program for many matrices of one size."""
    assert len(values) == 200
    matrix = with_eigenvalues(values, dtype)
    return spectrum(form, jnp.zeros(200, dtype), matrix, k=6, key=KEY, probes=0, **options)


def largest(values, k):
    values = np.asarray(values)
    return values[np.argsort(-np.abs(values), kind="stable")][:k]


def test_extreme_eigenvalues_are_those_of_the_whole_matrix():
    found = spectrum(loss, POINT, k=6, key=KEY, tol=1e-8)
    matrix = hessian(loss)(POINT)
    wanted = largest(np.linalg.eigvalsh(np.asarray(matrix)), 6)
    np.testing.assert_allclose(found.value, wanted, rtol=1e-10)
    assert np.all(np.abs(found.value - wanted) <= np.asarray(found.error) + 1e-9)
    assert float(found.trace) == pytest.approx(float(jnp.trace(matrix)), abs=6 * float(found.trace_error) + 1e-6)


def test_the_error_is_the_residual_of_the_vectors():
    found = spectrum(loss, POINT, k=6, key=jax.random.key(1), tol=1e-3)
    for value, vector, error in zip(found.value, found.vectors, found.error, strict=True):
        assert float(jnp.linalg.norm(vector)) == pytest.approx(1.0)
        residual = jnp.linalg.norm(hvp(loss)(POINT, vector) - value * vector)
        assert float(residual) == pytest.approx(float(error), rel=1e-2, abs=1e-9)
        assert error <= 1e-3 * abs(value)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_copy_of_a_repeated_eigenvalue_is_found(dtype):
    values = np.concatenate([[9.0, 7.0, 5.0, 5.0, 5.0, 5.0], np.linspace(-2.0, 3.0, 194)])
    found = six_of(values, dtype, tol=1e-5)
    np.testing.assert_allclose(found.value, values[:6], rtol=1e-4)
    assert found.value.dtype == dtype


def test_vectors_are_orthonormal_after_restarts():
    found = six_of(np.linspace(-1.0, 1.2, 200), tol=1e-8)
    assert int(found.evaluations) > 32  # the basis has 32 rows
    np.testing.assert_allclose(found.vectors @ found.vectors.T, np.eye(6), atol=1e-10)
    np.testing.assert_allclose(found.value, largest(np.linspace(-1.0, 1.2, 200), 6), rtol=1e-7)


@pytest.mark.parametrize("rank", [0, 1, 3])
def test_a_matrix_of_low_rank_ends_the_subspace(rank):
    values = np.concatenate([np.arange(rank, 0, -1.0), np.zeros(200 - rank)])
    found = six_of(values, tol=Tolerance(1e-6, 1e-9))
    np.testing.assert_allclose(found.value, values[:6], atol=1e-9)
    np.testing.assert_allclose(found.vectors @ found.vectors.T, np.eye(6), atol=1e-8)


def test_products_that_are_noisy_do_not_make_eigenvalues():
    """Single-precision products of a trained network err far beyond their last bit: never more than the norm comes."""
    values = np.concatenate([np.linspace(1.0, 0.2, 30), np.full(170, 1e-3)])
    noise = np.random.default_rng(1).normal(size=(200, 200)).astype("float32") * 1e-6
    noisy = with_eigenvalues(values, "float32") + noise
    found = spectrum(None, jnp.zeros(200, "float32"), matvec=lambda v: noisy @ v, k=20, key=KEY, probes=0)
    np.testing.assert_allclose(found.value, values[:20], atol=1e-2)
    exact, vectors, values = (np.asarray(array, float) for array in (noisy, found.vectors, found.value))
    residuals = np.linalg.norm(vectors @ exact.T - values[:, None] * vectors, axis=1)
    assert np.all(residuals <= np.asarray(found.error) * 1.05 + np.linalg.norm(noise, 2))


def test_small_problems_are_solved_from_the_whole_matrix():
    values = np.linspace(-1.0, 3.0, 30)
    found = spectrum(form, jnp.zeros(30), with_eigenvalues(values), k=40, key=KEY)
    np.testing.assert_allclose(found.value, largest(values, 30), atol=1e-12)
    assert float(found.trace) == pytest.approx(30.0)
    assert float(found.trace_error) == 0.0
    assert float(found.density.share(0.0, 1.5)) == pytest.approx(np.mean((values >= 0) & (values <= 1.5)))
    assert int(found.evaluations) == 30


def test_the_density_has_the_moments_of_the_eigenvalues():
    values = np.concatenate([np.linspace(0.0, 1.0, 180), [8.0, 9.0, 10.0]])
    found = spectrum(form, jnp.zeros(183), with_eigenvalues(values), k=3, key=KEY, probes=8)
    nodes, weights = np.asarray(found.density.nodes), np.asarray(found.density.weights)
    assert weights.sum() == pytest.approx(1.0, abs=0.02)
    assert (weights * nodes).sum() == pytest.approx(values.mean(), rel=0.05)
    assert (weights * nodes**2).sum() == pytest.approx((values**2).mean(), rel=0.05)
    assert abs(float(found.trace) - values.sum()) <= 5 * float(found.trace_error)


@pytest.mark.parametrize("operator", ["ggn", "fisher"])
def test_operators_of_a_model_agree_with_their_matrix(operator):
    X = jnp.asarray(np.random.default_rng(0).normal(size=(40, 12)))
    model = lambda w, X: X @ jnp.tanh(w).reshape(12, 9)
    inner = "categorical" if operator == "fisher" else lambda z: jnp.mean(jax.nn.logsumexp(z, axis=-1))
    w = jnp.linspace(-1.0, 1.0, 108)
    found = spectrum(inner, w, X, operator=operator, model=model, k=4, key=KEY, tol=1e-6, probes=0)
    J = jax.jacobian(lambda w: model(w, X))(w).reshape(360, 108)
    mean = lambda z: jnp.mean(jax.nn.logsumexp(z.reshape(40, 9), axis=-1))
    H = jax.hessian(mean)(model(w, X).ravel())
    np.testing.assert_allclose(found.value, largest(np.linalg.eigvalsh(J.T @ H @ J), 4), rtol=1e-8)


@pytest.mark.slow
def test_pytrees_batches_and_jit():
    params = {"w": jnp.linspace(-1.0, 1.0, 120), "b": jnp.ones(()), "name": "a leaf that is no number"}
    loss = lambda p, scale: scale * jnp.sum(jnp.arange(120.0) * p["w"] ** 2) + p["b"] ** 2
    found = spectrum(loss, params, 0.5, k=2, key=KEY, probes=0, tol=1e-6)
    np.testing.assert_allclose(found.value, [119.0, 118.0], rtol=1e-6)
    assert found.vectors["w"].shape == (2, 120)
    assert found.vectors["b"].shape == (2,)
    arrays = {"w": params["w"], "b": params["b"]}
    run = jax.jit(lambda p, s: spectrum(loss, p, s, k=2, key=KEY, probes=0, tol=1e-6).value)
    np.testing.assert_allclose(run(arrays, 1.0), [238.0, 236.0], rtol=1e-6)
    many = jax.vmap(run, in_axes=(None, 0))(arrays, jnp.array([0.5, 1.0]))
    np.testing.assert_allclose(many, [[119.0, 118.0], [238.0, 236.0]], rtol=1e-6)


def test_another_batch_is_no_new_program():
    traced = []

    def loss(w, scale):
        traced.append(1)
        return scale * jnp.sum(jnp.arange(110.0) * w**2)

    for scale in (1.0, 2.0, 3.0):
        spectrum(loss, jnp.ones(110), scale, k=1, key=KEY, probes=0)
        traced.append(0)
    assert sum(traced[traced.index(0) :]) == 0


def test_a_nan_is_never_converged():
    with pytest.raises(ConvergenceError, match="NaN"):
        spectrum(lambda w: jnp.sum(jnp.sqrt(w) ** 3), -jnp.ones(120), k=2, key=KEY)


def test_a_budget_too_small_is_said():
    with pytest.raises(ConvergenceError):
        spectrum(loss, POINT, k=6, key=KEY, tol=1e-10, max_steps=8)


def test_chance_needs_a_key():
    with pytest.raises(TypeError, match="key"):
        spectrum(loss, POINT, k=2)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"operator": "jacobian"}, "hessian, ggn, fisher"),
        ({"k": 0}, "k= is a whole number, at least 1"),
        ({"probes": -1}, "probes= is a whole number, at least 0"),
        ({"operator": "ggn"}, "needs model="),
        ({"model": loss}, "the Hessian takes the loss alone"),
        ({"matvec": loss}, "pass None as the loss"),
    ],
)
def test_wrong_calls_are_named(options, words):
    with pytest.raises(ValueError, match=words):
        spectrum(loss, POINT, key=KEY, **options)
