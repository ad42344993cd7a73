"""Forward mode, reverse mode, a complex step and algebra agree on random formulas; and the integral undoes them."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

import cycloid as cy
from cycloid.core.algebra import derivative as by_algebra

PARTS = ["sin({})", "cos({})", "exp(-({})^2)", "tanh({})", "sqrt(1 + ({})^2)", "log(2 + ({})^2)", "atan({})", "({})^3"]
PAIRS = ["({}) + ({})", "({}) - 2({})", "({})*({})", "({})/(3 + cos({}))"]
leaves = st.sampled_from(["x", "2x", "x^2", "x - 1/2", "1.5"])
texts = st.recursive(
    leaves,
    lambda inner: (
        st.builds(str.format, st.sampled_from(PARTS), inner)
        | st.builds(str.format, st.sampled_from(PAIRS), inner, inner)
    ),
    max_leaves=4,
)
points = st.floats(-1.4, 1.4, allow_subnormal=False)


def complex_step(f: Any, x: float) -> float:
    """f(x + ih) / h, without a difference and so without cancellation."""
    h = 1e-30
    return float(np.imag(complex(f(jax.numpy.asarray(complex(x, h))))) / h)


@given(texts, points)
@settings(max_examples=30)
def test_four_ways_to_one_slope(text: str, x: float) -> None:
    f = cy.formula(f"{text} + 0x")
    reverse = float(cy.differentiate.grad(f)(x))
    forward = float(cy.differentiate.derivative(f)(x))
    slopes = [forward, complex_step(f, x), float(by_algebra(f, "x")(x))]
    np.testing.assert_allclose(slopes, reverse, rtol=1e-10, atol=1e-12)


@given(texts, points, points)
@settings(max_examples=15)
def test_the_integral_of_the_derivative(text: str, a: float, b: float) -> None:
    f = cy.formula(f"{text} + 0x")
    slope = jax.jit(cy.differentiate.derivative(f))
    area, error = quad(lambda x: float(slope(x)), a, b, epsabs=1e-9, epsrel=1e-9)
    assert area == pytest.approx(float(f(b)) - float(f(a)), abs=10 * error + 1e-8)
