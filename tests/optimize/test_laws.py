"""Symmetries of descent, on drawn quadratics: what moves, scales, turns or renames the problem does so to the walk."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cycloid.optimize import METHODS, Adagrad, Adam, GradientDescent, Momentum, Nesterov, RMSprop
from optimize.walking import SETTLED, quadratic, walk

STEPS = 12
numbers = st.floats(-3, 3, allow_nan=False, width=32)
points = st.tuples(numbers, numbers, numbers).map(np.array)


@st.composite
def bowls(draw):
    """A symmetric matrix with curvatures between 0.5 and 4."""
    curvatures = np.array(draw(st.tuples(*[st.floats(0.5, 4.0)] * 3)))
    turn = rotation(draw(st.tuples(*[st.floats(0.0, 6.0)] * 3)))
    return turn @ np.diag(curvatures) @ turn.T


def rotation(angles):
    turn = np.eye(3)
    for (i, j), angle in zip([(0, 1), (1, 2), (0, 2)], angles, strict=True):
        plane = np.eye(3)
        plane[[i, i, j, j], [i, j, i, j]] = np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)
        turn = turn @ plane
    return turn


def go(method, start, hessian, centre, scale=1.0):
    return np.asarray(walk(method, scaled_quadratic, jnp.asarray(start), STEPS, hessian, centre, jnp.float64(scale)))


def scaled_quadratic(x, hessian, centre, scale):
    return scale * quadratic(x, hessian, centre)


def steady(name):
    """The method, with an eps under which a gradient that is all rounding error moves nothing by a visible step."""
    return METHODS[name](eps=1e-3) if name in ("adam", "adamw", "rmsprop", "adagrad") else METHODS[name]()


@pytest.mark.parametrize("name", METHODS)
@given(hessian=bowls(), start=points, shift=points)
def test_translation_moves_the_walk_along(name, hessian, start, shift):
    if name == "adamw":
        shift = 0 * shift  # its decay draws towards zero: the one method here that knows where the origin is
    here = go(steady(name), start, hessian, np.zeros(3))
    there = go(steady(name), start + shift, hessian, shift)
    # The last bit decides when the inner iterations of hessian-free stop, and thereby its later steps.
    steps = slice(3 if name == "hessian-free" else None)
    np.testing.assert_allclose(there[steps], (here + shift)[steps], atol=1e-9)


@pytest.mark.parametrize("name", METHODS)
@given(hessian=bowls(), start=points, order=st.permutations([0, 1, 2]))
def test_renaming_the_coordinates_renames_the_walk(name, hessian, start, order):
    here = go(steady(name), start, hessian, np.ones(3))
    there = go(steady(name), start[order], hessian[np.ix_(order, order)], np.ones(3))
    np.testing.assert_allclose(there, here[:, order], atol=1e-9)


ROUND = {
    "gradient-descent": GradientDescent(0.2),
    "momentum": Momentum(0.05),
    "nesterov": Nesterov(0.05),
}


@pytest.mark.parametrize("name", ROUND)
@given(hessian=bowls(), start=points, angles=st.tuples(*[st.floats(0.0, 6.0)] * 3))
def test_linear_methods_turn_with_the_problem(name, hessian, start, angles):
    turn = rotation(angles)
    here = go(ROUND[name], start, hessian, np.zeros(3))
    there = go(ROUND[name], turn @ start, turn @ hessian @ turn.T, np.zeros(3))
    np.testing.assert_allclose(there, here @ turn.T, atol=1e-10)


def test_adam_does_not_turn_with_the_problem():
    turn = rotation((0.7, 0.0, 0.0))
    start, hessian = np.array([2.0, 1.0, 0.5]), np.diag([4.0, 1.0, 0.5])
    here = go(Adam(0.1), start, hessian, np.zeros(3))
    there = go(Adam(0.1), turn @ start, turn @ hessian @ turn.T, np.zeros(3))
    assert np.abs(there - here @ turn.T).max() > 0.01


SCALE_FREE = {
    "adam": Adam(0.1, eps=1e-30),
    "adagrad": Adagrad(0.1, initial=0.0, eps=1e-30),
    "rmsprop": RMSprop(0.01, eps=1e-30),
}


@pytest.mark.parametrize("name", SCALE_FREE)
@given(hessian=bowls(), start=points, scale=st.floats(1e-3, 1e3))
def test_adaptive_methods_do_not_see_the_scale_of_the_objective(name, hessian, start, scale):
    start = start + np.where(start >= 0, 1.0, -1.0)  # away from the minimum, where the direction is rounding
    here = go(SCALE_FREE[name], start, hessian, np.zeros(3))[:4]
    there = go(SCALE_FREE[name], start, hessian, np.zeros(3), scale)[:4]
    np.testing.assert_allclose(there, here, atol=1e-8)


@given(hessian=bowls(), start=points, scale=st.floats(0.25, 4.0))
def test_gradient_descent_sees_the_scale_as_a_rate(hessian, start, scale):
    here = go(GradientDescent(0.1 * scale), start, hessian, np.zeros(3))
    there = go(GradientDescent(0.1), start, hessian, np.zeros(3), scale)
    np.testing.assert_allclose(there, here, atol=1e-10)


@given(hessian=bowls(), start=points, rate=st.floats(0.01, 0.45))
def test_gradient_descent_never_rises_below_two_over_the_largest_curvature(hessian, start, rate):
    walked = go(GradientDescent(rate), start, hessian, np.zeros(3))
    values = np.einsum("si,ij,sj->s", walked, hessian, walked)
    assert np.all(np.diff(values) <= 1e-12 * (1 + values[0]))


@pytest.mark.parametrize("name", SETTLED)
@given(hessian=bowls(), start=points)
def test_the_minimum_is_a_fixed_point(name, hessian, start):
    walked = go(SETTLED[name], start, hessian, start)
    np.testing.assert_array_equal(walked, np.broadcast_to(start, walked.shape))
