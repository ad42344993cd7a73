"""Errors that are reported are not too small: bounds hold, and intervals cover the truth as often as they say."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import cycloid as cy
from cycloid.core.formulas import formula
from cycloid.differentiate import laplacian, spectrum, taylor

# A share of 0.95 over n trials lies within this many standard deviations but for 1 case in 30,000.
DEVIATIONS = 4.0


def covered(values, errors, truth, replicates):
    """The share of 95 % intervals that hold the truth, less 0.95, in standard deviations of such a share."""
    values, errors = np.asarray(values, float), np.asarray(errors, float)
    inside = np.abs(values - truth) <= stats.t.ppf(0.975, replicates - 1) * errors
    return (inside.mean() - 0.95) / np.sqrt(0.95 * 0.05 / inside.size)


@pytest.mark.parametrize("text", ["exp(x)*cos(x)", "1/(2 + sin(3x))", "tanh(x)*sqrt(2 + x)"])
def test_a_taylor_bound_holds_at_the_radius_that_was_chosen(text):
    found = taylor(text, 0.4, order=4)
    assert found.error_kind.name == "bound"
    radius = float(found.radius)
    x = 0.4 + radius * np.cos(np.linspace(0.0, np.pi, 201))
    distance = float(np.max(np.abs(np.asarray(formula(text)(x)) - np.asarray(found.value(x)))))
    assert distance <= float(found.error) + 1e-14
    assert cy.check(found).agrees


def test_the_standard_error_of_a_laplacian_covers_the_truth():
    u = lambda x: jnp.sum(jnp.sin(x[:-1] * x[1:])) + x[0] ** 2 * x[-1]
    x = jnp.linspace(0.2, 1.7, 8)
    ask = lambda key: laplacian(u, method="hutchinson", samples=24, key=key)(x)
    found = jax.jit(jax.vmap(lambda key: (lambda r: (r.value, r.error))(ask(key))))
    values, errors = found(jax.random.split(jax.random.key(0), 400))
    truth = float(laplacian(u)(x))
    assert abs(covered(values, errors, truth, 24)) < DEVIATIONS
    assert abs(float(jnp.mean(values)) - truth) < 4 * float(jnp.std(values)) / 20


def test_the_bounds_and_the_trace_of_a_spectrum_hold():
    n, probes, trials = 120, 8, 100
    random = np.random.default_rng(0)
    turned, _ = np.linalg.qr(random.normal(size=(n, n)))
    eigenvalues = np.concatenate([[40.0, -25.0, 12.0], random.normal(0.0, 1.0, n - 3)])
    matrix = jnp.asarray((turned * eigenvalues) @ turned.T)

    @jax.jit
    @jax.vmap
    def ask(key):
        found = spectrum(
            None, jnp.zeros(n), matvec=lambda v: matrix @ v, k=3, probes=probes, depth=8, key=key, throw=False
        )
        density = found.density
        return found.value, found.error, found.trace, found.trace_error, jnp.sum(density.weights * density.nodes)

    values, errors, traces, trace_errors, means = ask(jax.random.split(jax.random.key(1), trials))
    nearest = np.min(np.abs(np.asarray(values)[..., None] - eigenvalues), axis=-1)
    assert np.all(nearest <= np.asarray(errors) + 1e-12)
    assert abs(covered(traces, trace_errors, eigenvalues.sum(), probes)) < DEVIATIONS
    # The density's mean times n is an estimate of the trace too, with about the same scatter.
    assert abs(covered(n * np.asarray(means), trace_errors, eigenvalues.sum(), probes)) < 2 * DEVIATIONS
