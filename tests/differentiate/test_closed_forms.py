"""Derivatives whose values are known by hand."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cycloid as cy

ops = cy.differentiate
CUBIC = "x^3 + 2x + 1"


@pytest.mark.parametrize(
    "f", [CUBIC, cy.formula(CUBIC), lambda x: x**3 + 2 * x + 1], ids=["text", "formula", "callable"]
)
@pytest.mark.parametrize(("order", "expected"), [(0, 13.0), (1, 14.0), (2, 12.0), (3, 6.0), (4, 0.0), (10, 0.0)])
def test_the_cubic_at_two(f, order, expected):
    assert float(ops.derivative(f, order=order)(2.0)) == expected


def test_reach_against_depth():
    def R(reach, depth):
        return 3 * reach * jnp.exp(-depth) + depth**2 * reach

    slope = ops.partial(R, "depth")(reach=2.0, depth=1.0)
    assert float(slope) == pytest.approx(-6 * math.exp(-1) + 4)
    assert float(ops.partial(R, "reach")(2.0, 1.0)) == pytest.approx(3 * math.exp(-1) + 1)
    assert float(ops.partial(R, "depth", "reach")(reach=2.0, depth=1.0)) == pytest.approx(-3 * math.exp(-1) + 2)


def test_four_point_regression_gradient():
    X = jnp.array([[1.0, 1.0], [1.0, 2.0], [2.0, 2.0], [2.0, 3.0]])
    y = jnp.array([1.0, 2.0, 2.0, 3.0])
    w = jnp.array([0.3, -0.2])
    loss = lambda w: jnp.mean((X @ w - y) ** 2)
    by_hand = 2 / 4 * np.asarray(X).T @ (np.asarray(X) @ np.asarray(w) - np.asarray(y))
    np.testing.assert_allclose(ops.grad(loss)(w), by_hand, rtol=1e-14)
    np.testing.assert_allclose(ops.hessian(loss)(w), 2 / 4 * X.T @ X, rtol=1e-14)


# n-th derivatives with a closed form at the point.
SERIES = [
    ("exp(2x)", 0.3, lambda n, x: 2**n * math.exp(2 * x)),
    ("sin x", 0.4, lambda n, x: math.sin(x + n * math.pi / 2)),
    ("log x", 1.7, lambda n, x: (-1) ** (n - 1) * math.factorial(n - 1) / x**n),
    ("1/x", -1.3, lambda n, x: (-1) ** n * math.factorial(n) / x ** (n + 1)),
    ("x^2.5", 0.9, lambda n, x: math.prod(2.5 - k for k in range(n)) * x ** (2.5 - n)),
    ("2^x", 1.1, lambda n, x: math.log(2) ** n * 2**x),
]


@pytest.mark.parametrize(("text", "x", "closed"), SERIES, ids=[row[0] for row in SERIES])
@pytest.mark.parametrize("order", [1, 2, 3, 7, 10])
def test_every_order(text, x, closed, order):
    assert float(ops.derivative(text, order=order)(x)) == pytest.approx(closed(order, x), rel=1e-12)


def test_a_curve_has_a_velocity_and_an_acceleration():
    circle = lambda t: {"x": jnp.cos(t), "y": jnp.sin(t)}
    velocity = ops.derivative(circle)(0.0)
    assert (float(velocity["x"]), float(velocity["y"])) == (0.0, 1.0)
    acceleration = ops.derivative(lambda t: jnp.array([jnp.cos(t), jnp.sin(t)]), order=2)(0.0)
    np.testing.assert_allclose(acceleration, [-1.0, 0.0], atol=1e-15)


def test_points_of_a_plot():
    x = jnp.linspace(-1.0, 1.0, 6).reshape(2, 3)
    np.testing.assert_allclose(ops.derivative(CUBIC)(x), 3 * x**2 + 2, rtol=1e-14)
    np.testing.assert_allclose(ops.derivative(lambda x: jnp.sin(x), order=3)(x), -jnp.cos(x), rtol=1e-14)
    # a callable that is no elementwise function of its argument is still differentiated point by point
    pair = ops.derivative(lambda t: jnp.stack([t, t**2]))(x)
    assert pair.shape == (2, 3, 2)
    np.testing.assert_allclose(pair[..., 1], 2 * x, rtol=1e-14)


def test_variables_of_a_formula_broadcast():
    x, y = jnp.array([1.0, 2.0, 3.0]), jnp.array([[1.0], [5.0]])
    expected = 2 * x * y**3
    np.testing.assert_allclose(ops.partial("x^2*y^3", "x")(x, y), expected, rtol=1e-14)
    np.testing.assert_allclose(ops.partial("x^2*y^3", "x")(x=x, y=y), expected, rtol=1e-14)
    np.testing.assert_allclose(ops.partial("x^2*y^3", "y", order=3)(x, 2.0), 6 * x**2, rtol=1e-14)
    np.testing.assert_allclose(ops.partial("x^2*y^3", "x", "x", "y")(x, 2.0), jnp.full(3, 24.0), rtol=1e-14)


def test_argnum_and_defaults():
    f = lambda a, b=2.0: a * b**3
    assert float(ops.derivative(f, argnum=1)(5.0, 2.0)) == 60.0
    assert float(ops.derivative(f, argnum=-1)(5.0, 2.0)) == 60.0
    assert float(ops.derivative("x*y^3", argnum=1)(x=5.0, y=2.0)) == 60.0
    assert float(ops.partial(f, "b")(5.0)) == 60.0
    assert float(ops.partial(f, "b")(5.0, 3.0)) == 135.0


def test_jacobian_of_polar_coordinates():
    polar = lambda p: jnp.array([p[0] * jnp.cos(p[1]), p[0] * jnp.sin(p[1])])
    r, t = 2.0, 0.5
    expected = [[math.cos(t), -r * math.sin(t)], [math.sin(t), r * math.cos(t)]]
    for mode in ("auto", "forward", "reverse"):
        np.testing.assert_allclose(ops.jacobian(polar, mode=mode)(jnp.array([r, t])), expected, rtol=1e-14)


def test_hessian_of_rosenbrock_as_formula_in_every_form():
    f = "(1-x)^2 + 100*(y-x^2)^2"
    x, y = -1.2, 1.0
    expected = np.array([[2 - 400 * (y - 3 * x**2), -400 * x], [-400 * x, 200.0]])
    np.testing.assert_allclose(ops.hessian(f)(jnp.array([x, y])), expected, rtol=1e-13)
    by_name = ops.hessian(f)({"x": x, "y": y})
    np.testing.assert_allclose([[by_name[a][b] for b in "xy"] for a in "xy"], expected, rtol=1e-13)
    np.testing.assert_allclose(ops.hessian(f)(x, y), expected, rtol=1e-13)
    np.testing.assert_allclose(ops.hvp(f)((x, y), (1, 0)), expected[0], rtol=1e-13)
    np.testing.assert_allclose(ops.hvp(f)(jnp.array([x, y]), {"x": 0, "y": 1}), expected[1], rtol=1e-13)


def test_gradient_of_a_formula_answers_in_kind():
    g = ops.grad("x^2 + x*y")
    assert [float(part) for part in g(1.0, 3.0)] == [5.0, 1.0]
    assert {name: float(part) for name, part in g(x=1.0, y=3.0).items()} == {"x": 5.0, "y": 1.0}
    assert {name: float(part) for name, part in g({"y": 3.0, "x": 1.0}).items()} == {"x": 5.0, "y": 1.0}
    assert g(np.array([1.0, 3.0])).tolist() == [5.0, 1.0]
    assert float(ops.grad(CUBIC)(2.0)) == 14.0
    assert float(ops.grad("x*y", argnums=1)(4.0, 5.0)) == 4.0


def test_directional_derivative():
    assert float(ops.directional("x^2 + y^2", (3.0, 4.0))(1.0, 2.0)) == 22.0
    assert float(ops.directional("x^2 + y^2", {"y": 4, "x": 3})(jnp.array([1.0, 2.0]))) == 22.0
    pushed = ops.directional(lambda p: jnp.array([p[0] * p[1], p[0]]), jnp.array([1.0, 1.0]))(jnp.array([2.0, 3.0]))
    assert pushed.tolist() == [5.0, 1.0]


def test_gauss_newton_product_of_a_linear_model_is_the_hessian():
    X = jnp.array([[1.0, 2.0], [3.0, -1.0], [0.5, 4.0]])
    w, v = jnp.array([0.2, 0.7]), jnp.array([1.0, -2.0])
    loss = lambda out: jnp.sum(jnp.cosh(out))
    product = ops.ggnvp(loss, lambda w: X @ w)
    H = ops.hessian(lambda w: loss(X @ w))(w)
    np.testing.assert_allclose(product(w, v), H @ v, rtol=1e-13)
    np.testing.assert_allclose(product(w)(v), H @ v, rtol=1e-13)


def test_fields_in_space():
    p = jnp.array([1.0, 2.0, 3.0])
    rotation = lambda p: jnp.array([-p[1], p[0], 0.0])
    assert ops.curl(rotation)(p).tolist() == [0.0, 0.0, 2.0]
    assert float(ops.divergence(lambda p: p)(p)) == 3.0
    newton = lambda p: 1 / jnp.sqrt(jnp.sum(p**2))
    assert float(ops.laplacian(newton)(p)) == pytest.approx(0.0, abs=1e-15)
    assert float(ops.laplacian("exp(x)*sin(y)")(0.3, 0.7)) == pytest.approx(0.0, abs=1e-15)
    heat = lambda x, t: jnp.exp(-t) * jnp.sin(x)  # the time is handed on, not differentiated
    assert float(ops.laplacian(heat)(0.5, 0.1)) == pytest.approx(-math.exp(-0.1) * math.sin(0.5))
    assert ops.laplacian(lambda p: p**3)(p).tolist() == [6.0, 12.0, 18.0]


def test_more_axes_than_are_carried_at_once():
    x = jnp.linspace(-1.0, 1.0, 300)
    assert float(ops.laplacian(lambda x: jnp.sum(x**4))(x)) == pytest.approx(float(jnp.sum(12 * x**2)))
    assert float(ops.divergence(lambda x: x**3)(x)) == pytest.approx(float(jnp.sum(3 * x**2)))


def test_a_rule_of_ones_own_is_honoured():
    @jax.custom_jvp
    def odd(x):
        return x**2

    odd.defjvp(lambda primals, tangents: (odd(*primals), 10 * primals[0] * tangents[0]))

    @jax.custom_vjp
    def reverse_only(x):
        return x**2

    reverse_only.defvjp(lambda x: (x**2, x), lambda x, g: (10 * x * g,))
    for f in (odd, reverse_only):
        assert [float(ops.derivative(f, order=n)(3.0)) for n in (1, 2, 3)] == [30.0, 10.0, 0.0]
