"""The first operation that made a NaN or an infinity is found, with its line, its operands and a cure."""

from __future__ import annotations

import json

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cycloid.differentiate import find_nan


@pytest.mark.parametrize(
    ("f", "x", "operation", "operands", "cure"),
    [
        (lambda x: jnp.exp(x) / jnp.sum(jnp.exp(x)), jnp.array([1.0, 1000.0]), "exp", ((1000.0,),), "softmax"),
        (lambda x: jnp.log(x), 0.0, "log", ((0.0,),), "log1p"),
        (lambda x: jnp.log(x - 2.0), 1.0, "log", ((-1.0,),), "clip"),
        (lambda x: 1.0 / x, 0.0, "div", ((1.0,), (0.0,)), "eps"),
        (lambda x: jnp.sqrt(x), -1.0, "sqrt", ((-1.0,),), "maximum"),
        (lambda x: x**-2, 0.0, "integer_pow", ((0.0,),), "away from 0"),
        (lambda x: jnp.arccos(x), 1.5, "acos", ((1.5,),), "clip"),
        (lambda x: (x * 1e200) * 1e200, 1.0, "mul", ((1e200,), (1e200,)), "outgrew"),
        (jax.jit(lambda x: jax.nn.relu(x) / x), 0.0, "div", ((0.0,), (0.0,)), "eps"),
    ],
)  # fmt: skip
def test_forward(f, x, operation, operands, cure):
    report = find_nan(f, x)
    assert not report.clean
    assert report.first is report.forward
    assert report.first.operation == operation
    assert report.first.operands == operands
    assert report.first.line.startswith("test_nan_hunts.py, line")
    assert cure in report.first.cure


@pytest.mark.parametrize(
    ("f", "x", "operation", "cure"),
    [
        (lambda x: jnp.sqrt(x), 0.0, "sqrt", "double where"),
        (lambda x: jnp.sqrt(jnp.sum(x**2)), jnp.zeros(3), "sqrt", "norm"),
        (lambda x: jnp.linalg.norm(x), jnp.zeros(3), "sqrt", "norm"),
        (lambda x: jnp.where(x > 0, jnp.log(x), 0.0).sum(), jnp.array([0.0, 1.0]), "log", "jnp.where(ok"),
        (lambda x: jnp.where(x > 700, 0.0, jnp.exp(x)), 1000.0, "exp", "jnp.where(ok"),
        (lambda x: x**0.5, 0.0, "pow", "log x"),
        (lambda x: jnp.arccos(x), 1.0, "acos", "arctan2"),
        (jax.checkpoint(lambda x: jnp.sqrt(x)), 0.0, "sqrt", "double where"),
        (lambda x: jax.vmap(jnp.cbrt)(x).sum(), jnp.array([1.0, 0.0]), "cbrt", "cube root"),
    ],
)
def test_backward(f, x, operation, cure):
    report = find_nan(f, x)
    assert report.forward is None
    assert report.first.pass_ == "backward"
    assert report.first.operation == operation
    assert report.first.line.startswith("test_nan_hunts.py, line")
    assert cure in report.first.cure


def falling(x, steps):
    def body(c, t):
        c = c - t
        return c, jnp.sqrt(c)

    return jax.lax.scan(body, x, jnp.arange(float(steps)))[1].sum()


def test_in_a_scan_with_its_turn():
    report = find_nan(lambda x: falling(x, 5), 5.0)
    assert (report.first.operation, report.first.turn, report.first.operands) == ("sqrt", 3, ((-1.0,),))
    assert report.first.inside == ("turn 4 of 5 of the scan",)
    assert report.first.expression == "jnp.sqrt(c)"


def test_in_the_gradient_of_a_scan():
    report = find_nan(lambda x: falling(x, 4), 6.0)
    assert (report.first.pass_, report.first.operation, report.first.turn) == ("backward", "sqrt", 3)


def test_in_a_while_and_in_a_branch():
    grown = find_nan(
        lambda x: jax.lax.while_loop(lambda s: s[0] < 20, lambda s: (s[0] + 1, s[1] * 1e30), (0, x))[1], 1.0
    )
    assert (grown.first.operation, grown.first.turn) == ("mul", 10)
    taken = find_nan(lambda x: jax.lax.cond(x > 0, lambda x: jnp.log(x - 1), lambda x: x, x), 1.0)
    assert (taken.first.operation, taken.first.inside) == ("log", ("the true branch of the cond",))


def test_a_loop_in_a_loop():
    def f(x):
        return jax.lax.fori_loop(0, 3, lambda i, c: c + falling(x - 2.0 * i, 3), 0.0)  # in the last turn 2 - 0 - 1 - 2

    assert find_nan(f, 6.0).first.inside == ("turn 3 of 3 of the scan", "turn 3 of 3 of the scan")


@pytest.mark.parametrize(
    ("text", "at", "operation"), [("log(x)/y", {"x": 0.0, "y": 1.0}, "log"), ("sqrt(x)", 0.0, "sqrt")]
)
def test_formulas(text, at, operation):
    assert find_nan(text, at).first.operation == operation


def test_what_came_from_outside_is_not_blamed_on_an_operation():
    assert find_nan(lambda x: 2 * x, jnp.inf).first.operation == "an argument"
    assert find_nan(lambda x: x + jnp.array([1.0, jnp.nan]), jnp.ones(2)).first.operation == "a constant"


def test_infinities_that_do_no_harm_are_none_of_its_business():
    masked = lambda x: jax.nn.softmax(jnp.where(jnp.arange(3) < 2, x, -jnp.inf)).max()
    assert find_nan(masked, jnp.ones(3)).clean


def test_models_batches_and_other_arguments():
    model = eqx.nn.MLP(2, 1, 4, 1, key=jax.random.key(0))
    loss = lambda model, x, weights: jnp.mean(jax.vmap(model)(x) ** 2 / weights)
    assert find_nan(loss, model, jnp.ones((3, 2)), jnp.ones((3, 1))).clean
    assert find_nan(loss, model, jnp.ones((3, 2)), jnp.zeros((3, 1))).first.operation == "div"


def test_which_argument_is_differentiated():
    f = lambda x, y: x + jnp.sqrt(y)
    assert find_nan(f, 1.0, 0.0).clean
    assert find_nan(f, 1.0, 0.0, argnums=1).first.operation == "sqrt"


def test_words_and_data():
    report = find_nan(lambda x: jnp.log(x), 0.0)
    assert str(report) == report.text
    assert "log of 0 made an infinity" in report.text
    assert json.loads(report.to_json())["forward"]["operation"] == "log"
    assert "clean" in find_nan(jnp.sin, 1.0).text
    assert "not looked at" in find_nan(lambda n: n * 2, 3).text  # nothing to differentiate


@pytest.mark.parametrize(
    "call", [lambda: find_nan(3.0, 1.0), lambda: jax.jit(lambda x: find_nan(jnp.sin, x).clean)(1.0)]
)
def test_wrong_calls(call):
    with pytest.raises(TypeError, match=r"function|plainly"):
        call()


STEPS = {"sqrt": jnp.sqrt, "log": jnp.log, "inverse": lambda v: 1 / v, "exp": jnp.exp, "square": jnp.square,
         "shift": lambda v: v - 1.0, "flip": lambda v: -v}  # fmt: skip


@settings(max_examples=max(10, settings.default.max_examples // 3))
@given(st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=5), st.sampled_from([0.0, 1.0, 4.0, 800.0]))
def test_it_is_clean_just_when_value_and_gradient_are(names, x):
    def f(v):
        for name in names:
            v = STEPS[name](v)
        return v

    value, slope = jax.value_and_grad(f)(x)
    report = find_nan(f, x)
    assert report.clean == bool(jnp.isfinite(value) & jnp.isfinite(slope))
    assert (report.forward is None) == bool(jnp.isfinite(value))
