"""Second derivatives through rules for reverse mode alone: taken, or said what blocks them and what to choose."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cycloid.differentiate import hessian, hvp, jacobian, plan


@jax.custom_vjp
def cube(x):
    return jnp.sum(x**3)


def cube_back(x, cotangent):
    return (cotangent * 3 * x * held(x),)  # a rule that calls another such function


cube.defvjp(lambda x: (cube(x), x), cube_back)


@jax.custom_vjp
def held(x):
    return x * 1.0


held.defvjp(lambda x: (held(x), None), lambda _, cotangent: (cotangent,))

POINT = jnp.array([1.0, 2.0, -0.5])
EXACT = np.diag(6 * np.asarray(POINT))


@pytest.mark.parametrize("mode", ["auto", "reverse"])
def test_reverse_over_reverse_gives_the_closed_form(mode):
    assert np.allclose(hessian(cube, mode=mode)(POINT), EXACT)
    v = jnp.array([1.0, -1.0, 2.0])
    assert np.allclose(hvp(cube, mode=mode)(POINT, v), EXACT @ v)
    assert np.allclose(hvp(cube, mode=mode)(POINT)(v), EXACT @ v)


@pytest.mark.parametrize("call", [lambda: hessian(cube, mode="forward")(POINT),
                                  lambda: hvp(cube, mode="forward")(POINT, POINT)])  # fmt: skip
def test_forward_over_reverse_says_what_blocks_it(call):
    with pytest.raises(TypeError, match=r"held \(line \d+ of test_second_derivatives.py\).*mode=\"reverse\""):
        call()


SPARSE = {"auto": {"pattern": "auto"}, "given": {"pattern": np.eye(3, dtype=bool)}, "in chunks": {"memory": 1e9}}


@pytest.mark.parametrize("options", SPARSE.values(), ids=SPARSE)
def test_sparse_and_chunked_answers_go_round_the_rule_as_well(options):
    dense = lambda answer: answer.todense() if hasattr(answer, "todense") else answer
    assert np.allclose(dense(hessian(cube, **options)(POINT)), EXACT)
    assert np.allclose(dense(jacobian(held, **options)(POINT)), np.eye(3))
    with pytest.raises(TypeError, match=r"held \(line \d+ of test_second_derivatives.py\).*mode=\"reverse\""):
        jacobian(held, mode="forward", **options)(POINT)


def test_the_plan_tells_the_mode_that_is_left():
    assert plan(jacobian(held, pattern="auto"), POINT).mode == "reverse"
    assert plan(hessian(cube, pattern="auto"), POINT).mode == "reverse over reverse"
    assert plan(hessian(lambda x: jnp.sum(x**3), pattern="auto"), POINT).mode == "forward over reverse"


@pytest.mark.parametrize("options", [{}, *SPARSE.values()], ids=["dense", *SPARSE])
def test_a_rule_that_has_no_derivative_blocks_both(options):
    @jax.custom_vjp
    def f(x):
        return jnp.sum(x**2)

    def back(x, cotangent):
        given = jax.ShapeDtypeStruct(x.shape, x.dtype)
        return (cotangent * jax.pure_callback(lambda x: 2 * np.asarray(x), given, held(x)),)

    f.defvjp(lambda x: (f(x), x), back)
    with pytest.raises(TypeError, match="make that rule of differentiable operations"):
        hessian(f, **options)(POINT)


def test_a_jacobian_goes_round_a_rule_without_forward_mode():
    assert np.allclose(jacobian(held)(POINT), np.eye(3))
    with pytest.raises(TypeError, match=r"held \(line \d+ of test_second_derivatives.py\).*mode=\"reverse\""):
        jacobian(held, mode="forward")(POINT)


def test_a_mode_that_does_not_exist():
    with pytest.raises(ValueError, match="auto, forward, reverse"):
        hessian(cube, mode="backwards")
