"""A tolerance is an inequality in the dtype of the work; one that dtype cannot reach is refused."""

import jax.numpy as jnp
import numpy as np
import pytest

from cycloid.core.tolerance import Tolerance, as_tolerance, working_dtype


def test_default_is_the_square_root_of_eps():
    assert as_tolerance(None, jnp.float64).rtol == np.finfo(np.float64).eps ** 0.5
    assert as_tolerance(None, jnp.float32).atol == pytest.approx(float(np.finfo(np.float32).eps) ** 0.5)


def test_the_inequality():
    assert Tolerance(rtol=1e-2, atol=1.0).allowed(-200.0) == 3.0
    assert as_tolerance(0, jnp.float32).is_zero


def test_below_the_dtype_is_refused_with_a_cure():
    with pytest.raises(ValueError, match=r"tol=1e-10 lies below what float32 can reach.*enable_x64"):
        as_tolerance(1e-10, jnp.float32)
    with pytest.raises(ValueError, match=r"below what float64 can reach \(2.2e-16\): use tol="):
        as_tolerance(1e-17, jnp.float64)
    as_tolerance(1e-10, jnp.float64)


@pytest.mark.parametrize("bad", [-1.0, float("nan"), Tolerance(-1.0, 0.0)])
def test_negative_or_nan_is_refused(bad):
    with pytest.raises(ValueError, match="non-negative"):
        as_tolerance(bad, jnp.float64)


def test_other_types_are_refused():
    with pytest.raises(TypeError, match="it was a str"):
        as_tolerance("1e-3", jnp.float64)


def test_working_dtype_is_that_of_the_input():
    assert working_dtype({"a": jnp.ones(2, jnp.float32), "n": jnp.asarray(3)}) == jnp.float32
    assert working_dtype({"n": 3}) == jnp.float64
    assert working_dtype([jnp.ones(1, jnp.float32), jnp.ones(1, jnp.float64)]) == jnp.float64
