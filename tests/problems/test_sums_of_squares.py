"""The 35 problems of Moré, Garbow and Hillstrom: what the paper prints about them holds for the functions here."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize as scipy_optimize

from cycloid.problems import MORE_GARBOW_HILLSTROM

every = pytest.mark.parametrize("problem", MORE_GARBOW_HILLSTROM.values(), ids=lambda problem: problem.name)

# Σ r² at the standard start, worked out by hand where the residuals are simple enough.
AT_START = {
    "rosenbrock": 24.2,
    "freudenstein-roth": 400.5,
    "powell-badly-scaled": 1.0 + (np.exp(-1) - 0.0001) ** 2,
    "brown-badly-scaled": (1e6 - 1) ** 2 + (1 - 2e-6) ** 2 + 1,
    "beale": 1.5**2 + 2.25**2 + 2.625**2,
    "helical-valley": 2500.0,
    "powell-singular": 215.0,
    "wood": 19192.0,
    "watson": 30.0,
    "extended-rosenbrock": 121.0,
    "extended-powell-singular": 645.0,
    "penalty-1": 1e-5 * 285 + (385 - 0.25) ** 2,
    "brown-almost-linear": 9 * 5.5**2 + (0.5**10 - 1) ** 2,
    "broyden-tridiagonal": 8 * 1.0 + 2.0**2 + 3.0**2,
    "linear-full-rank": 10 * 1.0**2 + 10 * 2.0**2,
    "linear-rank-1": sum((55 * i - 1) ** 2 for i in range(1, 21)),
    "linear-rank-1-with-zeros": 2 + sum((44 * i - 1) ** 2 for i in range(1, 19)),
}


def test_there_are_all_35_under_their_numbers():
    assert [problem.number for problem in MORE_GARBOW_HILLSTROM.values()] == list(range(1, 36))


@pytest.mark.parametrize("name", AT_START)
def test_the_value_at_the_standard_start(name):
    problem = MORE_GARBOW_HILLSTROM[name]
    value = problem.function(jnp.array(problem.start))
    np.testing.assert_allclose(value, AT_START[name], rtol=1e-12)


@pytest.mark.parametrize(
    "problem", [p for p in MORE_GARBOW_HILLSTROM.values() if p.solution], ids=lambda problem: problem.name
)
def test_the_stated_solution_solves_it(problem):
    x = jnp.array(problem.solution)
    value, gradient = jax.value_and_grad(problem.function)(x)
    np.testing.assert_allclose(value, problem.minima[0], rtol=1e-12, atol=1e-20)
    assert jnp.max(jnp.abs(gradient)) < 1e-9


@every
def test_another_solver_ends_at_a_printed_minimum(problem):
    # Moré's own least-squares code, as SciPy has it: independent of every method here.
    residual, jacobian = jax.jit(problem.residual), jax.jit(jax.jacfwd(problem.residual))
    found = scipy_optimize.leastsq(
        lambda x: np.asarray(residual(x)), np.array(problem.start), Dfun=lambda x: np.asarray(jacobian(x)),
        ftol=1e-15, xtol=1e-15, gtol=1e-15, maxfev=3000,
    )[0]  # fmt: skip
    value = float(problem.function(jnp.asarray(found)))
    # Values at infinity are six printed digits; the others are known better.
    room = lambda minimum: 1e-5 * minimum if minimum in problem.far else 1e-9 * minimum + 1e-11
    assert any(abs(value - minimum) <= room(minimum) for minimum in problem.minima)


# Table of the paper: minimal values other than zero, at points.
PRINTED = {
    "freudenstein-roth": "48.9842", "jennrich-sampson": "124.362", "bard": "0.00821487", "gaussian": "1.12793e-08",
    "meyer": "87.9458", "kowalik-osborne": "0.000307505", "brown-dennis": "85822.2", "osborne-1": "5.46489e-05",
    "biggs": "0.00565565", "osborne-2": "0.0401377", "watson": "0.00228767", "penalty-1": "7.08765e-05",
    "penalty-2": "0.000293660", "trigonometric": "2.79506e-05", "chebyquad": "0.00351687",
}  # fmt: skip


@pytest.mark.parametrize("name", PRINTED)
def test_the_minima_are_the_printed_ones(name):
    # The paper cuts or rounds the sixth digit.
    printed = float(PRINTED[name])
    unit = 10.0 ** (np.floor(np.log10(printed)) - 5)
    problem = MORE_GARBOW_HILLSTROM[name]
    attained = [m for m in problem.minima if m not in problem.far]
    assert min(abs(m - printed) for m in attained) <= unit
