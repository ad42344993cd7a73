"""The gradient drawn at a point."""

from __future__ import annotations

import numpy as np
import pytest

from cycloid import figures


def test_two_variables_point_along_the_gradient() -> None:
    fig = figures.gradient("x^2 + 3x*y + sin(y)", {"x": 1.0, "y": 2.0})
    trail = next(t for t in fig.data if t.name == "steepest ascent" and t.type == "scatter")
    step = np.array([trail.x[1] - trail.x[0], trail.y[1] - trail.y[0]])
    slope = np.array([2 + 6, 3 + np.cos(2.0)])
    assert step @ slope == pytest.approx(np.linalg.norm(step) * np.linalg.norm(slope))
    assert "(8, 2.584)" in fig.layout.title.text


def test_a_flat_point_has_no_arrow() -> None:
    fig = figures.gradient("x^2 + y^2", {"x": 0.0, "y": 0.0})
    trail = next(t for t in fig.data if t.name == "steepest ascent" and t.type == "scatter")
    assert len(trail.x) == 1


def test_one_variable_is_the_curve_and_many_are_bars() -> None:
    assert len(figures.gradient("x^3", [2.0]).data) >= 2
    bars = figures.gradient("a*b*c - d^2", {"d": 4.0, "a": 1.0, "b": 2.0, "c": 3.0}).data[0]
    assert list(bars.y) == ["∂f/∂c", "∂f/∂b", "∂f/∂a", "∂f/∂d"]
    np.testing.assert_allclose(bars.x, [2.0, 3.0, 6.0, -8.0])


def test_a_point_that_lacks_a_variable() -> None:
    for point in ({"x": 1.0}, [1.0], {"x": 1.0, "y": 1.0, "z": 1.0}):
        with pytest.raises(ValueError, match="the point gives x, y a value each"):
            figures.gradient("x*y", point)
