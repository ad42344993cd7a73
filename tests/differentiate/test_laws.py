"""The laws of differential calculus, as properties over random functions, points and directions."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import cycloid as cy

ops = cy.differentiate

numbers = st.floats(-2.0, 2.0, allow_subnormal=False)
triples = arrays(np.float64, 3, elements=numbers)
matrices = arrays(np.float64, (3, 5), elements=numbers)


def curve(a, x):
    """A function of one number with three coefficients."""
    return a[0] * jnp.sin(x) + a[1] * x**2 + a[2] * jnp.exp(-(x**2))


def landscape(a, x):
    """A function of a vector with the coefficients a."""
    return a[0] * jnp.sum(jnp.sin(x)) + a[1] * jnp.prod(x) + a[2] * jnp.exp(-jnp.sum(x**2) / 4)


def vector_field(A, x):
    """A vector field whose components mix a 3 by 5 matrix of coefficients."""
    return A @ jnp.array([x[0] * x[1], jnp.sin(x[2]), x[1] ** 2, jnp.exp(-x[0] / 4), x[0] * x[2]])


def close(left, right):
    np.testing.assert_allclose(left, right, rtol=1e-9, atol=1e-9)


def derivatives(order):
    """The derivative of that order of combinations of two curves, compiled once."""

    def all_of_them(a, b, x):
        f, g = lambda z: curve(a, z), lambda z: curve(b, z)
        d = lambda h: ops.derivative(h, order=order)(x)
        return {
            "f": d(f),
            "g": d(g),
            "linear": d(lambda z: 2.5 * f(z) - 3 * g(z)),
            "product": d(lambda z: f(z) * g(z)),
            "quotient": d(lambda z: f(z) / (3 + jnp.cos(g(z)))),
            "chain": d(lambda z: jnp.tanh(f(z))),
        }

    return jax.jit(all_of_them)


first, third = derivatives(1), derivatives(3)
values = jax.jit(lambda a, b, x: (curve(a, x), curve(b, x)))


@given(triples, triples, numbers)
def test_linear_product_quotient_and_chain_rule(a, b, x):
    d = first(a, b, x)
    f, g = values(a, b, x)
    below = 3 + jnp.cos(g)
    close(d["linear"], 2.5 * d["f"] - 3 * d["g"])
    close(d["product"], d["f"] * g + f * d["g"])
    close(d["quotient"], (d["f"] * below + f * jnp.sin(g) * d["g"]) / below**2)
    close(d["chain"], (1 - jnp.tanh(f) ** 2) * d["f"])


second = derivatives(2)


@given(triples, triples, numbers)
def test_leibniz_rule_of_the_third_order(a, b, x):
    d1, d2, d3 = first(a, b, x), second(a, b, x), third(a, b, x)
    f, g = values(a, b, x)
    close(d3["linear"], 2.5 * d3["f"] - 3 * d3["g"])
    close(d3["product"], d3["f"] * g + 3 * d2["f"] * d1["g"] + 3 * d1["f"] * d2["g"] + f * d3["g"])


@jax.jit
def orders(a, x):
    f = lambda z: curve(a, z)
    return ops.derivative(f, order=5)(x), ops.derivative(ops.derivative(f, order=2), order=3)(x)


@given(triples, numbers)
def test_orders_add(a, x):
    at_once, in_two_goes = orders(a, x)
    close(at_once, in_two_goes)


@jax.jit
def scalar_answers(a, x, v):
    f = lambda z: landscape(a, z)
    return {
        "grad": ops.grad(f)(x),
        "directional": ops.directional(f, v)(x),
        "hessian": ops.hessian(f)(x),
        "hvp": ops.hvp(f)(x, v),
        "linearised": ops.hvp(f)(x)(v),
        "laplacian": ops.laplacian(f)(x),
        "div grad": ops.divergence(ops.grad(f))(x),
        "curl grad": ops.curl(ops.grad(f))(x),
        "step": (f(x + 1e-5 * v) - f(x - 1e-5 * v)) / 2e-5,
    }


@given(triples, triples, triples)
def test_gradient_hessian_and_laplacian_fit_together(a, x, v):
    d = scalar_answers(a, x, v)
    close(d["directional"], d["grad"] @ v)
    np.testing.assert_allclose(d["directional"], d["step"], atol=1e-7)  # a central difference, error of order 1e-10
    close(d["hessian"], d["hessian"].T)
    close(d["hvp"], d["hessian"] @ v)
    close(d["linearised"], d["hvp"])
    close(d["laplacian"], jnp.trace(d["hessian"]))
    close(d["div grad"], d["laplacian"])
    close(d["curl grad"], jnp.zeros(3))


@jax.jit
def field_answers(A, x, v):
    F = lambda z: vector_field(A, z)
    return {
        "forward": ops.jacobian(F, mode="forward")(x),
        "reverse": ops.jacobian(F, mode="reverse")(x),
        "directional": ops.directional(F, v)(x),
        "divergence": ops.divergence(F)(x),
        "curl": ops.curl(F)(x),
        "div curl": ops.divergence(ops.curl(F))(x),
        "curl curl": ops.curl(ops.curl(F))(x),
        "grad div": ops.grad(ops.divergence(F))(x),
        "laplacian": ops.laplacian(F)(x),
    }


@given(matrices, triples, triples)
def test_divergence_and_curl(A, x, v):
    d = field_answers(A, x, v)
    J = d["forward"]
    close(J, d["reverse"])
    close(d["directional"], J @ v)
    close(d["divergence"], jnp.trace(J))
    close(d["curl"], jnp.array([J[2, 1] - J[1, 2], J[0, 2] - J[2, 0], J[1, 0] - J[0, 1]]))
    close(d["div curl"], 0.0)
    close(d["curl curl"], d["grad div"] - d["laplacian"])


@jax.jit
def gauss_newton(A, x, v, u):
    loss = lambda out: jnp.sum(jnp.log(jnp.cosh(out)))
    product = ops.ggnvp(loss, lambda z: vector_field(A, z))
    J = ops.jacobian(lambda z: vector_field(A, z))(x)
    H = ops.hessian(loss)(vector_field(A, x))
    return product(x, v), product(x)(u), J.T @ H @ J


@given(matrices, triples, triples, triples)
def test_gauss_newton_is_symmetric_and_positive(A, x, v, u):
    Gv, Gu, G = gauss_newton(A, x, v, u)
    close(Gv, G @ v)
    close(Gu, G @ u)
    close(u @ Gv, v @ Gu)
    assert v @ Gv >= -1e-9
