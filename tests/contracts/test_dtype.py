"""The work is done in the dtype of the input, and a tolerance out of its reach is refused with a cure."""

from __future__ import annotations

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from contracts.registry import registered

DRIVERS, _ = registered()


@pytest.mark.parametrize("driver", DRIVERS, ids=lambda driver: driver.name)
def test_float32_stays_float32_and_agrees(driver):
    single = driver.answer(jnp.float32(driver.at[0]))
    double = driver.answer(jnp.float64(driver.at[0]))
    assert {leaf.dtype for leaf in jax.tree.leaves(single)} == {jnp.dtype("float32")}
    assert {leaf.dtype for leaf in jax.tree.leaves(double)} == {jnp.dtype("float64")}
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-3), single, double)


WITHOUT_FLOAT64 = """
import jax.numpy as jnp
import cycloid as cy
found = cy.optimize.minimize("(x - 1)^2", 3.0)
assert found.value.dtype == jnp.float32 and found.status.ok, found
try:
    cy.optimize.minimize("(x - 1)^2", 3.0, tol=1e-12)
except ValueError as error:
    assert "enable_x64" in str(error), error
else:
    raise AssertionError("a tolerance below the reach of float32 was accepted")
cy.enable_x64()
found = cy.optimize.minimize("(x - 1)^2", 3.0, tol=1e-12)
assert found.value.dtype == jnp.float64, found
"""


def test_without_float64_the_library_works_in_float32_and_names_the_switch():
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_FLOAT64], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
