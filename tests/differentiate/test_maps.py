"""Jacobians as maps, ripples and total derivatives: closed forms, laws, cards, pictures, messages."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cycloid as cy
from cycloid.differentiate import JacobianMap, jacobian_map, ripple, total_derivative
from cycloid.differentiate.vector_maps import split

SQUARE = "x^2 - y^2, 2x*y"
matrices = st.lists(st.floats(-3, 3), min_size=6, max_size=6).map(lambda v: jnp.array(v).reshape(3, 2))
numbers = st.floats(-2, 2)


def test_the_complex_square_stretches_all_directions_alike():
    found = jacobian_map(SQUARE, {"x": 1.0, "y": 2.0})
    np.testing.assert_allclose(found.value, [[2, -4], [4, 2]])
    np.testing.assert_allclose(found.singular_values, [20**0.5] * 2)
    assert float(found.scale) == pytest.approx(20)
    assert float(found.condition) == pytest.approx(1)
    assert float(found.orientation) == 1
    assert found.output_names == ("x^2 - y^2", "2x*y")


def test_polar_coordinates_scale_areas_by_the_radius():
    scales = jax.vmap(lambda r: jacobian_map(["r*cos(t)", "r*sin(t)"], jnp.stack([r, 0.4])).scale)(
        jnp.array([0.5, 3.0])
    )
    np.testing.assert_allclose(scales, [0.5, 3.0])


def test_a_mirror_turns_over_and_a_fold_flattens():
    assert float(jacobian_map("y, x", [1.0, 2.0]).orientation) == -1
    fold = jacobian_map("x^2, y", {"x": 0.0, "y": 1.0})
    assert (float(fold.scale), float(fold.orientation), float(fold.condition)) == (0.0, 0.0, np.inf)


@given(matrices)
def test_a_linear_map_is_its_own_jacobian_and_its_factors_multiply_back(A):
    found = jacobian_map(lambda x: A @ x, jnp.array([0.3, -0.7]))
    np.testing.assert_allclose(found.value, A, atol=1e-12)
    back = found.outputs * found.singular_values @ found.inputs.T
    np.testing.assert_allclose(back, A, atol=1e-12)
    gram = np.sqrt(max(np.linalg.det(A.T @ A), 0.0))
    assert float(found.scale) == pytest.approx(gram, abs=1e-6)


def test_fewer_outputs_than_inputs_flatten():
    assert float(jacobian_map("x*y*z", [1.0, 2.0, 3.0]).scale) == 0.0


def test_a_ripple_compares_promise_and_truth():
    wave = ripple(SQUARE, {"x": 1.0, "y": 2.0}, {"x": 0.1})
    np.testing.assert_allclose(wave.value, [0.2, 0.4])
    np.testing.assert_allclose(wave.change, [0.21, 0.4])
    np.testing.assert_allclose(wave.error, [0.01, 0.0], atol=1e-14)
    np.testing.assert_allclose(wave.relative, [0.01 / 0.21, 0.0], atol=1e-12)
    assert wave.hit == ["2x*y", "x^2 - y^2"]
    np.testing.assert_allclose(wave.parts, [[0.2, 0], [0.4, 0]])


@given(numbers, numbers, numbers, numbers)
def test_halving_the_change_quarters_the_disagreement_of_a_quadratic(x, y, a, b):
    gaps = [ripple(SQUARE, [x, y], [s * a, s * b]).error for s in (1.0, 0.5)]
    np.testing.assert_allclose(gaps[0], 4 * gaps[1], atol=1e-12)


def test_inputs_may_be_pytrees():
    F = lambda p: {"sum": p["a"].sum() * p["b"], "b": p["b"] ** 2}
    point = {"a": jnp.array([1.0, 2.0]), "b": jnp.array(3.0)}
    found = jacobian_map(F, point)
    assert found.value.shape == (2, 3)
    wave = ripple(F, point, {"a": jnp.array([0.1, 0.0]), "b": jnp.array(0.0)})
    np.testing.assert_allclose(wave.value, [0.0, 0.3], atol=1e-15)


@pytest.mark.parametrize(
    "result",
    [
        jacobian_map(SQUARE, {"x": 1.0, "y": 2.0}),
        jacobian_map(lambda x: jnp.abs(x) * x[::-1], jnp.array([0.5, -2.0])),
        jacobian_map("x*y, x + z, sin(z), y", [1.0, 2.0, 3.0]),
        ripple(SQUARE, {"x": 1.0, "y": 2.0}, {"x": 0.1}),
        ripple("x + y, 3x", [1.0, 2.0], [0.1, 0.2]),
        total_derivative("x^2*y + t", {"x": "t^2", "y": "sin(t)"}, 1.2),
        total_derivative(lambda a, b: jnp.abs(a) * b, [jnp.cos, "t^2"], jnp.array([0.3, 1.0])),
    ],
    ids=["square", "kinks", "tall", "ripple", "linear ripple", "paths", "paths over t"],
)
def test_cards_agree_and_pictures_are_drawn(result):
    assert cy.check(result).agrees
    assert len(cy.figure(result).to_dict()["data"]) >= 2
    wrong = dataclasses.replace(result, value=result.value + 0.01).asked(result.question)
    assert cy.check(wrong).verdict == "disagrees"


def test_a_wrong_scale_is_found_by_the_area_of_the_image():
    found = jacobian_map(SQUARE, {"x": 1.0, "y": 2.0})
    wrong = dataclasses.replace(found, scale=1.05 * found.scale).asked(found.question)
    assert cy.check(wrong).verdict == "disagrees"


def test_a_map_is_saved_and_read(tmp_path):
    found = jacobian_map(SQUARE, {"x": 1.0, "y": 2.0})
    found.save(tmp_path / "map.cy")
    again = JacobianMap.load(tmp_path / "map.cy")
    assert again.output_names == found.output_names
    assert cy.figure(again) is not None  # without its function: the table


# --- total derivatives --------------------------------------------------------------------------------------------


def test_every_path_brings_its_term():
    found = total_derivative("x^2*y", {"x": "t^2", "y": "sin(t)"}, 1.2)
    t, s, c = 1.2, np.sin(1.2), np.cos(1.2)
    assert [path.name for path in found.paths] == ["x", "y"]
    np.testing.assert_allclose(found.products, [2 * t**2 * s * 2 * t, t**4 * c], rtol=1e-13)
    assert float(found.value) == pytest.approx(4 * t**3 * s + t**4 * c)
    assert float(found.height) == pytest.approx(t**4 * s)


@given(st.floats(0.1, 2.0))
def test_the_sum_is_the_derivative_of_the_composition(t):
    whole = jax.grad(lambda s: jnp.exp(jnp.cos(s) * s**2) + s)(t)
    found = total_derivative(lambda x, y, t: jnp.exp(x * y) + t, {"x": jnp.cos, "y": lambda s: s**2}, t)
    assert found.names == ("x", "y", "t")
    assert float(found.value) == pytest.approx(float(whole), rel=1e-11)


def test_arrays_of_t_keep_their_shape():
    t = jnp.linspace(0.0, 1.0, 6).reshape(2, 3)
    found = total_derivative("x*y", ["t^2", "3"], t)
    assert found.slopes.shape == (2, 2, 3)
    np.testing.assert_allclose(found.value, 6 * t)
    np.testing.assert_allclose(found.rates[1], 0.0)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: jacobian_map(SQUARE, {"x": 1.0}), ValueError, "variables x, y"),
        (lambda: jacobian_map(SQUARE, [1.0, 2.0, 3.0]), ValueError, "size was 3"),
        (lambda: jacobian_map("3, 4", []), ValueError, "no variable"),
        (lambda: jacobian_map("", [1.0]), ValueError, "at least one formula"),
        (lambda: jacobian_map(lambda x: x > 0, jnp.ones(2)), TypeError, "no derivative"),
        (lambda: jacobian_map("log(x), y", [-1.0, 1.0]), cy.ConvergenceError, "NaN"),
        (lambda: ripple(SQUARE, [1.0, 2.0], {"z": 0.1}), ValueError, "inputs are x, y"),
        (lambda: ripple(SQUARE, [1.0, 2.0], [0.1]), ValueError, "2 numbers"),
        (lambda: total_derivative("x*y", {"x": "t"}, 1.0), ValueError, "arguments x, y"),
        (lambda: total_derivative("x", {"x": "s*t"}, 1.0), ValueError, "depends on one alone"),
        (lambda: total_derivative("x", "t", 1.0), TypeError, "dict of functions"),
        (lambda: total_derivative("3", {}, 1.0), ValueError, "no inner function"),
    ],
)
def test_a_wrong_call_is_answered_in_words(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_commas_inside_brackets_do_not_part_formulas():
    assert split("max(x, y), atan2(y, x) ,") == ["max(x, y)", "atan2(y, x)"]
