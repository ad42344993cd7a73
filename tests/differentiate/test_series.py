"""Taylor arithmetic against first derivatives nested, operation by operation."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cycloid.differentiate import derivative
from cycloid.differentiate.series import taylor_series
from cycloid.differentiate.taylor_rules import NoTaylorRule

OPERATIONS = {
    "square": lambda x: (x * x + x) ** 2,
    "power with a float exponent": lambda x: x**2.0,
    "negative power": lambda x: (x + 3.0) ** -3,
    "real power": lambda x: (x * x + 1) ** 2.5,
    "moving exponent": lambda x: (x * x + 2) ** x,
    "constant base": lambda x: 3.0**x,
    "sqrt": lambda x: jnp.sqrt(x * x + 1),
    "rsqrt": lambda x: jax.lax.rsqrt(x * x + 2),
    "cbrt": lambda x: jnp.cbrt(x**3 - 9),
    "exp": lambda x: jnp.exp(x * x),
    "exp2": jnp.exp2,
    "expm1": jnp.expm1,
    "log": lambda x: jnp.log(x * x + 1),
    "log1p": lambda x: jnp.log1p(x * x),
    "log2": lambda x: jnp.log2(x * x + 2),
    "sin cos": lambda x: jnp.sin(x * x) * jnp.cos(x),
    "tan": jnp.tan,
    "sinh cosh": lambda x: jnp.sinh(x) + jnp.cosh(x * x),
    "tanh": lambda x: jnp.tanh(3 * x),
    "logistic": jax.nn.sigmoid,
    "asin acos": lambda x: jnp.arcsin(x / 3) * jnp.arccos(x / 4),
    "atan": jnp.arctan,
    "asinh": jnp.arcsinh,
    "acosh": lambda x: jnp.arccosh(x * x + 1.5),
    "atanh": lambda x: jnp.arctanh(x / 3),
    "erf": lambda x: jax.scipy.special.erf(x) + jax.scipy.special.erfc(x * x),
    "atan2": lambda x: jnp.arctan2(x, 1 + x * x),
    "division": lambda x: (x + 1) / (2 + x * x),
    "abs squared": lambda x: jnp.abs(x) ** 2 * x,
    "max": lambda x: jnp.maximum(x**3, x + 0.1),
    "min": lambda x: jnp.minimum(x**3, x**4 - 0.1),
    "where": lambda x: jnp.where(x > 0.1, x**4, jnp.sin(x)),
    "clip": lambda x: jnp.clip(x**3, -0.1, 100.0),
    "mod": lambda x: jnp.mod(x**4 + 0.3, 2.0),
    "floor and sign": lambda x: jnp.floor(x + 0.2) * jnp.sign(x + 0.1) * x**4,
    "hypot": lambda x: jnp.hypot(x, 1.0),
    "matrix product": lambda x: jnp.dot(jnp.stack([x, x * x, 1.0]), jnp.stack([1.0, x, x**3])),
    "entry of an array": lambda x: (jnp.arange(3) * x**4)[2] + jnp.sum(jnp.cumsum(jnp.stack([x, x**5]))),
    "concatenation": lambda x: jnp.sum(jnp.concatenate([jnp.array([1.0, 2.0]), x[None] ** 3]) ** 2),
    "conversion": lambda x: x.astype(jnp.float64) ** 3,
    "jit inside": jax.jit(lambda x: jnp.sin(x) * x),
    "constant": lambda x: 3.0 + 0 * x,
}


def nested(f, order):
    return f if order == 0 else nested(lambda x: jax.jvp(f, (x,), (jnp.ones_like(x),))[1], order - 1)


@pytest.mark.parametrize("f", OPERATIONS.values(), ids=OPERATIONS)
def test_agrees_with_nested_derivatives(f):
    for x in (0.7, -1.3):
        x = jnp.asarray(x)
        coefficients = taylor_series(f, x, 3)
        for order, factorial in ((1, 1), (3, 6)):
            np.testing.assert_allclose(factorial * coefficients[order], nested(f, order)(x), rtol=1e-10, atol=1e-12)


def test_corners_where_nesting_fails():
    # 0 * log(0) and 0 ** -1 spoil first derivatives nested; the series of a power knows better
    assert float(derivative(lambda x: x**2.0, order=3)(0.0)) == 0.0
    assert float(derivative(lambda x: x**3.5, order=3)(0.0)) == 0.0
    assert float(derivative(lambda x: x**3.5, order=4)(0.0)) == float("inf")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "float64"])
def test_keeps_the_dtype(dtype):
    x = jnp.asarray(0.5, dtype)
    for f in (OPERATIONS["real power"], OPERATIONS["max"], OPERATIONS["exp"], OPERATIONS["clip"], jnp.sin):
        assert derivative(f, order=4)(x).dtype == x.dtype


def test_loops_and_branches_fall_back_to_nesting():
    def by_loop(x):
        return jax.lax.fori_loop(0, 4, lambda _, y: y * x, 1.0)

    def by_branch(x):
        return x**4 if x > 0 else -x

    with pytest.raises(NoTaylorRule):
        taylor_series(by_loop, jnp.asarray(2.0), 3)
    assert float(derivative(by_loop, order=3)(2.0)) == 48.0
    with pytest.warns(UserWarning, match="by_branch runs uncompiled"):
        assert float(derivative(by_branch, order=3)(2.0)) == 48.0
    assert float(derivative(jax.nn.softplus, order=3)(0.0)) == pytest.approx(0.0, abs=1e-15)
    assert float(derivative(jax.nn.softplus, order=4)(0.0)) == pytest.approx(-0.125)


def test_the_cost_of_order_ten_is_that_of_a_polynomial():
    """The program grows with the square of the order, where nesting multiplies it by about 2.9 for each."""
    f = lambda x: jnp.sin(x) * jnp.exp(x * x)
    size = lambda order: len(jax.make_jaxpr(derivative(f, order=order))(0.7).eqns)
    assert size(10) < 3 * size(5)
    assert size(20) < 4.5 * size(10)


def test_the_program_around_may_be_traced():
    f = lambda x, a: jnp.exp(a * x)
    third = lambda a: derivative(lambda x: f(x, a), order=3)(0.5)
    a = 1.3
    closed = lambda a: a**3 * jnp.exp(a / 2)
    assert float(jax.jit(third)(a)) == pytest.approx(float(closed(a)))
    assert float(jax.grad(third)(a)) == pytest.approx(float(jax.grad(closed)(a)))
    np.testing.assert_allclose(jax.vmap(third)(jnp.array([1.0, 2.0])), closed(jnp.array([1.0, 2.0])), rtol=1e-13)
