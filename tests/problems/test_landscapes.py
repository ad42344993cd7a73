"""Every landscape keeps what it promises: its formula, its best points, its window."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cycloid as cy
from cycloid.problems import LANDSCAPES
from cycloid.problems.landscapes import cubic, reach_and_depth


@pytest.mark.parametrize("name", LANDSCAPES)
def test_the_formula_is_the_function(name):
    landscape = LANDSCAPES[name]
    formula = cy.formula(landscape.text)
    assert tuple(formula.variables) == landscape.variables
    draws = np.random.default_rng(0).uniform(landscape.lower, landscape.upper, (20, len(landscape.variables)))
    for point in jnp.asarray(draws):
        np.testing.assert_allclose(formula(*point), landscape.function(point), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", LANDSCAPES)
def test_the_best_points_are_the_best(name):
    landscape = LANDSCAPES[name]
    assert (landscape.value is None) == (not landscape.best)
    draws = np.random.default_rng(1).uniform(landscape.lower, landscape.upper, (400, len(landscape.variables)))
    values = jax.vmap(landscape.downhill)(jnp.asarray(draws))
    for best in landscape.best:
        point = jnp.array(best)
        np.testing.assert_allclose(landscape.function(point), landscape.value, atol=1e-12)
        np.testing.assert_allclose(jax.grad(landscape.function)(point), 0.0, atol=1e-12)
        assert float(landscape.downhill(point)) <= float(values.min())


@pytest.mark.parametrize("name", LANDSCAPES)
def test_the_window_shows_the_start_and_the_best(name):
    landscape = LANDSCAPES[name]
    for point in (landscape.start, *landscape.best):
        assert all(
            low <= entry <= high for low, entry, high in zip(landscape.lower, point, landscape.upper, strict=True)
        )
    assert landscape.name == name
    assert landscape.tags
    assert landscape.story.endswith((".", "?"))


def test_the_tutorials_numbers():
    assert float(jax.grad(cubic)(jnp.array([2.0]))[0]) == 14.0
    np.testing.assert_allclose(jax.grad(reach_and_depth)(jnp.array([2.0, 1.0])), [5.0, 4.0])
