"""Figures of functions and terrains: the numbers drawn are those of the function, its derivatives and the trails."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cycloid import figures
from cycloid.figures.terrains import Height, best_view


@pytest.mark.parametrize("dark", [False, True])
def test_a_function_is_drawn_over_its_derivatives(dark):
    fig = figures.function("x^3 - 2x + 1", -2, 2, order=2, at=1.5, points=51, dark=dark)
    x = np.linspace(-2, 2, 51)
    lines = [t for t in fig.data if t.mode == "lines"]
    np.testing.assert_allclose(lines[0].y, x**3 - 2 * x + 1, atol=1e-12)
    np.testing.assert_allclose(lines[1].y, 3 * x**2 - 2, atol=1e-12)
    np.testing.assert_allclose(lines[2].y, 6 * x, atol=1e-12)
    np.testing.assert_allclose(lines[3].y, 1.375 + 4.75 * (lines[3].x - 1.5), atol=1e-9)
    assert any("slope 4.75" in (a.text or "") for a in fig.layout.annotations)


def test_zeros_of_the_slope_are_joined_through_the_panels():
    fig = figures.function(lambda x: x**3 - 3 * x, -2.0, 2.0, order=1)
    verticals = {round(s.x0, 6) for s in fig.layout.shapes if s.x0 == s.x1}
    assert verticals == {-1.0, 1.0}


def test_a_pole_is_a_gap_and_not_a_wall():
    fig = figures.function(lambda x: 1 / x, -1.0, 1.0, order=0, points=40)
    assert np.isnan(np.asarray(fig.data[0].y, float)).sum() == 1
    for shift in (0.001, 0.013, 0.02):
        fig = figures.function(lambda x, a=shift: 1 / (x - a) + jnp.sin(3 * x), -1.0, 1.0, order=0)
        assert np.isnan(np.asarray(fig.data[0].y, float)).sum() == 1
    tame = figures.function(lambda x: jnp.tanh(500 * x), -1.0, 1.0, order=0, points=40)
    assert not np.isnan(np.asarray(tame.data[0].y, float)).any()


def test_a_function_with_python_branches_is_drawn():
    fig = figures.function(lambda x: x**2 if x > 0 else -x, -1.0, 1.0, order=1, points=9)
    np.testing.assert_allclose(fig.data[0].y[0], 1.0)
    np.testing.assert_allclose(fig.data[1].y[0], -1.0)


def test_wrong_calls_of_function_are_answered():
    with pytest.raises(ValueError, match="lower is below upper"):
        figures.function("x", 1, 0)
    with pytest.raises(ValueError, match="order"):
        figures.function("x", 0, 1, order=9)


@pytest.mark.parametrize("dark", [False, True])
def test_a_terrain_holds_heights_contours_arrows_and_trails(dark):
    f = lambda p: p[0] ** 2 + 2 * p[1] ** 2
    trail = [[1.0, 1.0], [0.5, 0.2], [0.1, 0.0], [9.0, 9.0]]
    fig = figures.terrain(f, [-2, -1], [2, 1], trails={"adam": trail}, minima=[[0, 0]], names=("<u>", "v"), dark=dark)
    kinds = {t.type: t for t in fig.data}
    x, y = np.asarray(kinds["surface"].x), np.asarray(kinds["surface"].y)
    np.testing.assert_allclose(kinds["surface"].customdata, x[None, :] ** 2 + 2 * y[:, None] ** 2, atol=1e-12)
    np.testing.assert_allclose(kinds["contour"].customdata, kinds["surface"].customdata)
    on_map = next(t for t in fig.data if t.type == "scatter" and t.name == "adam")
    np.testing.assert_allclose(np.stack([on_map.x, on_map.y], 1), trail)
    assert np.isnan(kinds["scatter3d"].x[-1])  # a point outside is not drawn on the surface
    assert fig.layout.scene.xaxis.title.text == "&lt;u&gt;"


def test_arrows_point_downhill():
    f = lambda p: 3 * p[0] - p[1]
    fig = figures.terrain(f, [0, 0], [1, 1])
    arrows = next(t for t in fig.data if t.name == "−∇f")
    steps = np.stack([np.asarray(arrows.x), np.asarray(arrows.y)], 1).reshape(-1, 3, 2)
    way = steps[:, 1] - steps[:, 0]
    np.testing.assert_allclose(
        way / np.linalg.norm(way, axis=1, keepdims=True), [[-3 / 10**0.5, 1 / 10**0.5]] * len(way)
    )


def test_a_flat_terrain_has_no_arrows_and_one_with_holes_is_drawn():
    assert not len(next(t for t in figures.terrain(lambda p: 0.0 * p[0], [0, 0], [1, 1]).data if t.name == "−∇f").x)
    fig = figures.terrain(lambda p: jnp.log(p[0]), [-1, 0], [1, 1])
    assert np.isnan(np.asarray(fig.data[0].z, float)).any()


def test_formulas_name_their_axes():
    fig = figures.terrain("R(reach, depth) = 10*reach + 8*depth - reach^2 - depth^2 - reach*depth", [0, 0], [7, 6])
    assert (fig.layout.xaxis.title.text, fig.layout.yaxis.title.text) == ("reach", "depth")


def test_a_deep_valley_is_drawn_logarithmically_and_a_bowl_is_not():
    valley = Height(np.array([[0.0, 0.1, 0.2], [0.1, 1.0, 500.0]]), "auto")
    bowl = Height(np.linspace(0, 1, 9).reshape(3, 3), "auto")
    assert valley.log
    assert not bowl.log
    at, texts = valley.marks()
    assert at == sorted(at)
    assert texts[0] == "0"
    np.testing.assert_array_equal(bowl([[1.0]]), [[1.0]])


def test_one_stands_where_hills_hide_least():
    x = np.linspace(0, 1, 41)
    wall = np.broadcast_to(np.where(x > 0.8, 1.0, 0.0), (41, 41))  # high at the far end of x
    eye = best_view(wall, [np.stack([np.full(20, 0.7), np.linspace(0.1, 0.9, 20)], 1)])
    assert eye["x"] < 0


@pytest.mark.parametrize(
    ("lower", "upper"), [([0.0], [1.0]), ([0.0, 0.0], [1.0, 0.0]), ([1.0, 0.0], [0.0, 1.0]), (0.0, 1.0)]
)
def test_wrong_corners_are_answered(lower, upper):
    with pytest.raises(ValueError, match="two corners"):
        figures.terrain(lambda p: p[0], lower, upper)


def test_a_terrain_that_is_finite_nowhere_is_answered():
    with pytest.raises(ValueError, match="finite nowhere"):
        figures.terrain(lambda p: jnp.log(-1.0 - p[0] ** 2), [0, 0], [1, 1])
    with pytest.raises(ValueError, match="height"):
        figures.terrain(lambda p: p[0], [0, 0], [1, 1], height="cubic")


def test_gradients_drawn_are_those_of_jax():
    f = lambda p: jnp.sin(p[0]) * p[1]
    arrows = next(t for t in figures.terrain(f, [0, 0], [3, 3]).data if t.name == "−∇f")
    ends = np.stack([np.asarray(arrows.x), np.asarray(arrows.y)], 1).reshape(-1, 3, 2)
    feet, way = (ends[:, 0] + ends[:, 1]) / 2, ends[:, 1] - ends[:, 0]
    slope = np.asarray(jax.vmap(jax.grad(f))(jnp.asarray(feet)))
    np.testing.assert_allclose(way[:, 0] * slope[:, 1] - way[:, 1] * slope[:, 0], 0, atol=1e-9)
    assert np.all((way * slope).sum(1) < 0)
