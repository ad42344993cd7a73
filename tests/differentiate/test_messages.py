"""A wrong call is answered at once with what was expected, what came, and what to do."""

from __future__ import annotations

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cycloid as cy

ops = cy.differentiate
total = lambda x: jnp.sum(x**2)

WRONG_POINTS = [
    (lambda: ops.derivative("x^2")(2), "the argument was the integer 2: write 2.0."),
    (lambda: ops.derivative("x^2")(np.int64(-3)), "write -3.0."),
    (lambda: ops.derivative("x^2")(jnp.arange(3)), "integer array of dtype int64: write x.astype(float)"),
    (lambda: ops.grad(total)(jnp.arange(3)), "integer array of dtype int64: write x.astype(float)"),
    (lambda: ops.grad("x^2 + y^2")(1, 2), "holds integers only: write them as floats, 2.0 for 2"),
    (lambda: ops.grad("x^2 + y^2")(1.0, 2), "the entry [1] is the integer 2, which has no derivative: write 2.0"),
    (lambda: ops.grad(lambda p: p["w"] ** 2)({"w": 1.0, "n": 3}), "the entry ['n'] is the integer 3"),
    (lambda: ops.derivative("x^2")(True), "the truth value True"),
    (lambda: ops.derivative("x^2")("2"), "the argument was '2', of type str"),
    (lambda: ops.grad("x^2")(None), "the argument was None, of type NoneType"),
    (lambda: ops.derivative("x^2")(2j), "the complex number 2j"),
    (lambda: ops.grad(total)(jnp.array([1j])), "complex array of dtype complex128"),
    (lambda: ops.grad(lambda p: p["a"])({"a": 1.0, "b": 1j}), "the entry ['b'] is the complex number 1j"),
    (lambda: ops.derivative("x^2")([1.0, 2.0]), "use grad for a pytree, jnp.array([...]) for points"),
    (lambda: ops.grad(total)({}), "of type dict, holds none: pass a float"),
    (lambda: ops.hessian(total)(3), "hessian differentiates with respect to real numbers"),
    (lambda: ops.laplacian(total)(3), "laplacian differentiates with respect to real numbers"),
    (lambda: ops.jacobian(total)(jnp.arange(2)), "jacobian differentiates with respect to real numbers"),
]

WRONG_VALUES = [
    (lambda: ops.grad(lambda x: x**2)(jnp.ones(3)), "returned an array of shape (3,). Use jacobian"),
    (lambda: ops.grad(lambda x: x**2)(jnp.ones(3)), "sum them: lambda x: jnp.sum(f(x))"),
    (lambda: ops.hessian(lambda x: x[None])(2.0 * jnp.ones(())), "return it as value[0]"),
    (lambda: ops.grad(lambda x: (x, 1.0))(2.0), "returned a tuple. Return the number alone"),
    (lambda: ops.grad(lambda x: None)(2.0), "returned None; does it lack a return?"),
    (lambda: ops.grad(lambda x: jnp.argmax(x))(jnp.ones(3)), "values of dtype int64, which have no derivative"),
    (lambda: ops.derivative(lambda x: x > 0)(2.0), "a comparison, a rounding or an argmax"),
    (lambda: ops.derivative(lambda x: jnp.exp(1j * x))(2.0), "its real and imaginary part"),
    (lambda: ops.derivative(lambda x: "two")(2.0), "returned a str, which has no derivative"),
    (lambda: ops.grad(lambda x: x**2, has_aux=True)(2.0), "return the pair (value, aux); it returned one value"),
]

WRONG_CALLS = [
    (lambda: ops.grad(3), TypeError, "a function that JAX can trace, a cy.formula or the text of one"),
    (lambda: ops.derivative("x", order=-1), ValueError, "order is 0, 1, 2, …; it was -1"),
    (lambda: ops.grad(lambda a: a**2)(a=1.0), TypeError, "pass the point by position"),
    (lambda: ops.grad(lambda a: a**2, argnums=1)(1.0), TypeError, "argnums=1, but 1 positional argument(s) came"),
    (lambda: ops.derivative(lambda a: a**2, argnum=1)(1.0), TypeError, "with argnum=1: 1 positional arguments came"),
    (lambda: ops.partial("x*y"), ValueError, "wants the name of an argument"),
    (lambda: ops.partial("x*y", "z"), ValueError, "has the arguments x, y; there is no 'z'"),
    (lambda: ops.partial(lambda reach, depth: reach, "deep"), ValueError, "has the arguments reach, depth"),
    (
        lambda: ops.partial("x*y", "x", "y", order=2),
        ValueError,
        'repeat a name for a higher order: partial(f, "x", "x"',
    ),
    (lambda: ops.partial(lambda a, b: a, "b")(1.0), TypeError, "no value came for 'b'"),
    (lambda: ops.grad("x^2 + y^2")(1.0, 2.0, 3.0), ValueError, "has the variables x, y; the call gave 3 values"),
    (lambda: ops.grad("x^2 + y^2")(x=1.0, z=2.0), ValueError, "the call gave x, z"),
    (lambda: ops.grad("x^2 + y^2")({"x": 1.0}), ValueError, "the call gave x."),
    (lambda: ops.grad("x^2 + y^2")(jnp.ones(3)), ValueError, "pass an array of shape (2,)"),
    (lambda: ops.jacobian("x", mode="backward"), ValueError, "auto, forward, reverse; it was 'backward'"),
    (lambda: ops.hvp(total)(), TypeError, "hvp(f)(x, v)"),
    (lambda: ops.hvp(total)(jnp.ones(2), jnp.ones(3)), ValueError, "the direction has shape (3,), the point (2,)"),
    (lambda: ops.hvp(total)(jnp.ones(2), 1j * jnp.ones(2)), TypeError, "the direction is complex"),
    (lambda: ops.directional(total, {"a": 1.0})(jnp.ones(2)), ValueError, "pass a direction shaped like the point"),
    (lambda: ops.directional("x*y", (1.0,))(1.0, 2.0), ValueError, "the direction has 1 numbers"),
    (lambda: ops.laplacian(total)(jnp.ones((4, 2))), ValueError, "its shape was (4, 2). For a batch of points use"),
    (lambda: ops.divergence(total)(jnp.ones(2)), ValueError, "has 1 components at a point of 2 coordinates"),
    (lambda: ops.curl(lambda p: p)(jnp.ones(4)), ValueError, "2 and 3 coordinates; the point has 4"),
    (lambda: ops.curl(lambda p: p[:2])(jnp.ones(3)), ValueError, "has 2 components at a point of 3 coordinates"),
]


@pytest.mark.parametrize(("call", "phrase"), WRONG_POINTS + WRONG_VALUES)
def test_wrong_points_and_values(call, phrase):
    with pytest.raises(TypeError, match=re.escape(phrase)):
        call()


@pytest.mark.parametrize(("call", "kind", "phrase"), WRONG_CALLS)
def test_wrong_calls(call, kind, phrase):
    with pytest.raises(kind, match=re.escape(phrase)):
        call()


def test_order_is_a_whole_number():
    with pytest.raises(TypeError):
        ops.derivative("x", order=0.5)
    with pytest.raises(TypeError, match="order is a whole number"):
        ops.derivative("x", order=True)


@pytest.mark.parametrize("operator", [ops.grad, ops.derivative, lambda f: ops.derivative(f, order=5), ops.hessian])
def test_numpy_is_answered_with_jax_numpy_and_the_line(operator):
    def wave(x):
        return np.sin(x)

    with pytest.raises(TypeError, match=r"use jax.numpy instead of numpy \(line \d+ of .*return np.sin\(x\)"):
        operator(wave)(1.0)


def test_the_answer_is_the_same_inside_jit():
    with pytest.raises(TypeError, match="write x\\.astype"):
        jax.jit(ops.grad(lambda x: x**2))(2)
