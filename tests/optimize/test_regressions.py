"""NIST's reference data sets: every curve from both starts, to the certified digits."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cycloid.optimize import GaussNewton, LevenbergMarquardt, fit_curve
from cycloid.problems.regressions import SETS, regression

# Lanczos1 is fitted to 14 decimals: its residuals, 1e-13, are computed from numbers near 2 whose rounding is 2e-16.
ROUNDED = ("Lanczos1",)
# Some of each of NIST's levels of difficulty, and the odd one; the others in the slow tests.
EACH_TIME = ("Misra1a", "Nelson", "Lanczos1", "MGH09", "Thurber")
ALL = [name if name in EACH_TIME else pytest.param(name, marks=pytest.mark.slow) for name in SETS]


def digits(found: dict, certified: dict) -> float:
    """The least log relative error."""
    errors = [abs(float(found[name]) - value) / abs(value) for name, value in certified.items()]
    return -np.log10(max(*errors, 1e-16))


@pytest.mark.parametrize("name", ALL)
def test_certified_values_from_both_starts(name):
    known = regression(name)
    for start in known.starts:
        fit = fit_curve(known.model, known.x, known.y, start=start)
        assert digits(fit.value, known.parameters) > 7
        assert fit.status.name == ("rounded" if name in ROUNDED else "converged")
        if name not in ROUNDED:
            assert digits(fit.error, known.standard_errors) > 7
            assert float(fit.residual_sd) == pytest.approx(known.residual_sd, rel=1e-8)


def test_the_bend_of_the_path_saves_steps_where_the_valley_is_curved():
    known = regression("MGH10")
    plain, bent = (
        fit_curve(known.model, known.x, known.y, start=known.starts[0], method=LevenbergMarquardt(geodesic=geodesic))
        for geodesic in (False, True)
    )
    assert digits(bent.value, known.parameters) > 6
    assert int(bent.steps) < int(plain.steps) / 2


def test_gauss_newton_from_a_near_start():
    known = regression("Misra1a")
    fit = fit_curve(known.model, known.x, known.y, start=known.starts[1], method=GaussNewton())
    assert digits(fit.value, known.parameters) > 7


def test_parameters_answer_to_the_data():
    known = regression("DanWood")
    x, y = jnp.asarray(known.x["x"]), jnp.asarray(known.y)
    b2 = jax.jit(lambda y: fit_curve(known.model, x, y, start=known.starts[1]).value["b2"])
    shift = 1e-5 * jnp.array([1.0, -2.0, 0.5, 1.0, 0.0, -1.0])
    slope = float(jax.jit(jax.grad(b2))(y) @ shift)
    assert slope == pytest.approx(float(b2(y + shift) - b2(y - shift)) / 2, rel=1e-5)
