"""Planted mistakes are found with their rule and their argument, and right gradients are never accused."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

import cycloid as cy
from cycloid.differentiate import check_gradient


@jax.custom_jvp
def turned(x, y):
    return jnp.sin(x) * y


@turned.defjvp
def turned_rule(primals, tangents):
    (x, y), (dx, dy) = primals, tangents
    return turned(x, y), jnp.cos(x) * y * dx - jnp.sin(x) * dy  # the sign of the second term


@jax.custom_vjp
def square(x):
    return x**2


def square_back(x, cotangent):
    return (cotangent * x,)  # a factor of 2


square.defvjp(lambda x: (square(x), x), square_back)

MATRIX = jnp.array([[1.0, 2.0], [3.0, 4.0]])


@jax.custom_vjp
def product(x):
    return MATRIX @ x


product.defvjp(lambda x: (product(x), None), lambda _, cotangent: (MATRIX @ cotangent,))


@jax.custom_vjp
def forgetful(x, y):
    return x * y**2


forgetful.defvjp(lambda x, y: (forgetful(x, y), (x, y)), lambda kept, c: (c * kept[1] ** 2, jnp.zeros_like(c)))


@jax.custom_jvp
def right(x):
    return jnp.log1p(jnp.exp(x))


right.defjvp(lambda p, t: (right(*p), jax.nn.sigmoid(p[0]) * t[0]))


def suspect(f, x):
    found = check_gradient(f, x)
    assert found.verdict == "disagrees"
    assert not found.agrees
    assert found.value > found.allowance
    assert found.suspects
    return found.suspects[0]


def test_a_forward_rule_wrong_in_one_argument_of_two():
    it = suspect(lambda d: 2 * turned(d["a"], d["b"]), {"a": 0.5, "b": 2.0})
    assert (it.operation, it.argument, it.mode) == ("turned", "y", "forward and reverse")
    assert "turned_rule, line" in it.rule
    assert "For x it is right" in it.sentence
    assert "sign" in it.sentence
    assert "test_gradient_checks.py, line" in it.line
    assert it.claimed == pytest.approx(-np.sin(0.5))
    assert it.found == pytest.approx(np.sin(0.5))


def test_the_argument_of_the_whole_is_named_by_its_path():
    found = check_gradient(lambda d: 2 * turned(d["a"], d["b"]), {"a": 0.5, "b": 2.0})
    assert [finding.argument for finding in found.suspects] == ["y", "x['b']"]


def test_a_reverse_rule_without_its_factor():
    it = suspect(lambda x: square(x[0]) * x[1], jnp.array([0.5, 2.0]))
    assert (it.operation, it.mode) == ("square", "reverse")
    assert "square_back" in it.rule
    assert "a factor of 2 is missing" in it.sentence


def test_a_transposed_rule():
    it = suspect(lambda x: product(x).sum() + product(x)[0] ** 2, jnp.array([0.5, 2.0]))
    assert it.operation == "product"
    assert "interchanged" in it.sentence


def test_a_rule_that_lets_no_slope_through():
    it = suspect(lambda x: forgetful(x[0], x[1]), jnp.array([0.5, 2.0]))
    assert (it.operation, it.argument) == ("forgetful", "y")
    assert "no slope" in it.sentence


@pytest.mark.parametrize(
    ("f", "words"),
    [
        (lambda x: jax.lax.scan(lambda c, t: (square(c) * t, None), x, jnp.arange(1.0, 4.0))[0], "of the scan"),
        (lambda x: jax.lax.cond(x > 0, square, lambda x: x**2, x), "the true branch"),
        (jax.jit(lambda x: jax.checkpoint(square)(x)), ""),
    ],
    ids=["scan", "cond", "jit and checkpoint"],
)
def test_inside_loops_branches_and_calls(f, words):
    it = suspect(f, 0.7)
    assert it.operation == "square"
    assert words in it.sentence


def test_wrong_only_in_the_branch_that_is_not_taken():
    assert check_gradient(lambda x: jax.lax.cond(x > 0, square, lambda x: x**2, x), -0.7).agrees


def test_a_wrong_rule_whose_mistake_does_not_show_in_the_whole():
    found = check_gradient(lambda x: 0.0 * square(x) + x, 0.7)
    assert found.verdict == "disagrees"
    assert [finding.operation for finding in found.suspects] == ["square"]


def test_the_primitive_with_a_wrong_transpose_is_named():
    """Forward right, reverse wrong: what ⟨u, J v⟩ = ⟨Jᵀ u, v⟩ finds."""
    triple = Primitive("triple")
    triple.def_impl(lambda x: 3.0 * x)
    triple.def_abstract_eval(lambda x: x)
    ad.deflinear(triple, lambda cotangent: [2.0 * cotangent])
    batching.defvectorized(triple)
    mlir.register_lowering(triple, mlir.lower_fun(lambda x: 3.0 * x, multiple_results=False))
    it = suspect(lambda x: jnp.sin(triple.bind(x)), 0.4)
    assert (it.operation, it.mode) == ("triple", "reverse")
    assert it.claimed == pytest.approx(2.0)
    assert it.found == pytest.approx(3.0)


def test_values_in_a_pytree_and_integers_beside_the_parameters():
    found = check_gradient(lambda d, n: {"a": d["w"] ** n, "b": [jnp.sin(d["w"]).sum()]},
                           {"w": jnp.arange(1.0, 4.0), "k": jnp.arange(3)}, 3)  # fmt: skip
    assert found.verdict == "agrees"
    assert "complex step" in found.method


@pytest.mark.parametrize("text", ["x^2*y + sin(y)", "exp(x)/(1+exp(y))", "abs(x)*max(x, y)", "gamma(x) + erf(y)"])
def test_formulas(text):
    found = check_gradient(text, {"x": 1.3, "y": 0.4})
    assert found.verdict == "agrees"
    assert set(found.directions) == {"all arguments", "x", "y"}


@pytest.mark.parametrize(
    ("f", "x", "operation"),
    [
        (lambda x: jax.nn.relu(x).sum(), [0.0, 1.0], "relu"),
        (lambda x: jnp.abs(x).sum(), [0.0, 1.0], "abs"),
        (lambda x: jnp.max(x), [2.0, 2.0, 1.0], "reduce_max"),
        (lambda x: jnp.maximum(x[0], x[1]), [2.0, 2.0], "max"),
        (lambda x: jnp.clip(x, 0.0, 1.0).sum(), [1.0, 0.5], "min"),
    ],
)
def test_kinks_are_said_as_kinks(f, x, operation):
    found = check_gradient(f, jnp.array(x))
    assert found.verdict == "kink"
    assert found.agrees
    assert [(finding.kind, finding.operation) for finding in found.findings] == [("kink", operation)]


def test_a_slope_outside_its_kink_is_wrong():
    bent = jax.custom_jvp(lambda x: jnp.abs(x))
    bent.defjvp(lambda p, t: (bent(*p), 3.0 * t[0]))
    assert check_gradient(bent, 0.0).verdict == "disagrees"
    assert check_gradient(jnp.abs, 1e-5).verdict == "agrees"


def test_stop_gradient_is_named_and_no_mistake():
    found = check_gradient(lambda x: jax.lax.stop_gradient(x[0]) * x[1], jnp.array([3.0, 4.0]))
    assert found.verdict == "frozen"
    assert found.findings[0].kind == "frozen"
    assert "x[0]" in found.findings[0].sentence
    assert "x[1]" not in found.findings[0].sentence
    assert check_gradient(jax.nn.logsumexp, jnp.arange(3.0)).verdict == "agrees"  # one that changes nothing


def test_a_wrong_rule_behind_a_stop_gradient_is_found():
    found = check_gradient(lambda x: jax.lax.stop_gradient(x[0]) * square(x[1]), jnp.array([3.0, 4.0]))
    assert found.verdict == "disagrees"
    assert found.suspects[0].operation == "square"


@pytest.mark.parametrize("name", ["round", "floor", "argmax", "convert_element_type"])
def test_operations_constant_between_jumps_are_named(name):
    operation = {"round": jnp.round, "floor": jnp.floor, "argmax": lambda x: jnp.argmax(jnp.stack([x, 2.0])),
                 "convert_element_type": lambda x: x.astype(int)}[name]  # fmt: skip
    found = check_gradient(lambda x: operation(x) * x, 3.2)
    assert found.verdict == "agrees"
    assert [(finding.kind, finding.operation) for finding in found.findings] == [("flat", name)]


def test_an_index_is_no_value_that_a_slope_runs_through():
    assert not check_gradient(lambda x: x[jnp.argmax(x)] ** 2, jnp.array([1.0, 3.0])).findings


def test_at_a_jump_nothing_can_be_checked():
    found = check_gradient(lambda x: jnp.floor(x) + x, 2.0)
    assert (found.verdict, found.status.name) == ("cannot be checked", "stalled")
    assert found.findings[0].kind == "jump"


def test_not_finite():
    assert check_gradient(jnp.log, 0.0).status.name == "nonfinite"
    found = check_gradient(jnp.linalg.norm, jnp.zeros(2))
    assert found.verdict == "disagrees"  # the norm has slopes on both sides, its gradient is NaN
    assert "find_nan" in found.findings[0].sentence


def branching(x):
    return square(x) if x > 0 else x


def test_python_branches_are_compared_as_a_whole():
    found = check_gradient(branching, 2.0)
    assert found.verdict == "disagrees"
    assert "decides in Python" in found.findings[0].sentence
    assert check_gradient(branching, -2.0).agrees


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize(
    "f",
    [
        lambda x: jnp.sum(jax.nn.softmax(x) * jnp.arange(3, dtype=x.dtype)),
        lambda x: jnp.sum((x.astype(jnp.float16) * 2) ** 2),  # coarse inside, whatever comes
        lambda x: right(x).sum(),
    ],
    ids=["softmax", "a coarse inside", "a right rule"],
)
def test_coarse_numbers_raise_no_alarm(f, dtype):
    assert check_gradient(f, jnp.array([0.3, 1.7, -0.4], dtype)).verdict == "agrees"


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_coarse_numbers_hide_no_mistake(dtype):
    assert check_gradient(lambda x: square(x).sum(), jnp.array([0.3, 1.7], dtype)).suspects[0].operation == "square"


def test_a_gradient_that_overflows_in_its_own_dtype_is_said():
    found = check_gradient(lambda x: jnp.exp(x) * 1e4, jnp.float16(9.0))
    assert found.verdict == "agrees"
    assert [finding.kind for finding in found.findings] == ["not finite"]


def test_many_numbers_are_sampled_and_that_is_said():
    found = check_gradient(lambda w: jnp.sum(jnp.tanh(w["a"]) @ w["b"]), {"a": jnp.ones((20, 10)), "b": jnp.ones(10)})
    assert found.verdict == "agrees"
    assert "some numbers of many" in found.method
    assert {"all arguments", "x['a']", "x['b']"} < set(found.directions)


def test_a_mistake_in_one_of_many_numbers_is_found():
    @jax.custom_vjp
    def f(w):
        return jnp.sum(w**2)

    f.defvjp(lambda w: (f(w), w), lambda w, c: ((c * 2 * w).at[537].multiply(1.01),))
    assert check_gradient(f, jnp.linspace(1.0, 2.0, 1000)).verdict == "disagrees"


OPERATIONS = {
    "sin": jnp.sin, "tanh": jnp.tanh, "exp": lambda v: jnp.exp(v / 4), "square": jnp.square, "abs": jnp.abs,
    "softplus": jax.nn.softplus, "sum": lambda v: v + v.sum(), "cumsum": jnp.cumsum, "reverse": lambda v: v[::-1],
    "relu": lambda v: jax.nn.relu(v + 0.37), "log": lambda v: jnp.log1p(v**2),
    "where": lambda v: jnp.where(v > 0.1, v, v**3),
    "scan": lambda v: jax.lax.scan(lambda c, t: (c + t * c / 5, c), v[0], v)[1], "sort": jnp.sort,
}  # fmt: skip


@settings(max_examples=max(8, settings.default.max_examples // 5))
@given(st.lists(st.sampled_from(sorted(OPERATIONS)), min_size=1, max_size=4),
       st.lists(st.floats(-2, 2).map(lambda v: round(v, 3) + 0.0003), min_size=3, max_size=3),
       st.sampled_from(["float64", "float32", "bfloat16", "float16"]))  # fmt: skip
def test_right_gradients_are_never_accused(names, values, dtype):
    def f(v):
        for name in names:
            v = OPERATIONS[name](v)
        return v

    assert not check_gradient(f, jnp.array(values, dtype)).suspects


def test_the_same_question_has_the_same_answer():
    f = lambda x: jnp.sum(jnp.sin(x) ** 2)
    first, second = (check_gradient(f, jnp.arange(60.0)) for _ in range(2))
    assert np.array_equal(first.found, second.found)


def test_tables_words_and_files(tmp_path):
    found = check_gradient(lambda x: square(x[0]) * x[1], jnp.array([0.5, 2.0]))
    table = found.to_pandas()
    assert list(table.columns) == ["direction", "claimed", "found", "uncertainty", "allowed"]
    assert ((table.claimed - table.found).abs() > table.allowed).any()
    assert "square_back" in found.text
    assert str(found) == found.text
    found.save(tmp_path / "check.cycloid")
    loaded = cy.differentiate.GradientCheck.load(tmp_path / "check.cycloid")
    assert loaded.text == found.text
    assert np.array_equal(loaded.found, found.found)
    assert found.to_dict()["verdict"] == "disagrees"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: check_gradient(jnp.sin, 2), "write 2.0"),
        (lambda: check_gradient(jnp.sin, 2.0, tol=-1.0), "tol"),
        (lambda: check_gradient(3.0, 2.0), "callable|function"),
        (lambda: check_gradient(lambda x: x > 1, 2.0), "dtype bool"),
        (lambda: check_gradient(lambda x: np.sin(x), jnp.ones(2)), "jax.numpy"),
        (lambda: check_gradient("x*y", {"x": 1.0}), "variables x, y"),
        (lambda: jax.jit(lambda x: check_gradient(jnp.sin, x).value)(1.0), "plainly"),
    ],
)
def test_wrong_calls(call, words):
    with pytest.raises((TypeError, ValueError), match=words):
        call()
