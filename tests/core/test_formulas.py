"""A formula as a function: variables, calls, dtypes, derivatives, equality, storage, bounds."""

from __future__ import annotations

import copy
import inspect
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from cycloid.core.formulas import Formula, FormulaError, formula
from cycloid.core.interchange import from_data
from cycloid.core.syntax import Apply


@pytest.mark.parametrize("name", ["x'", "x; import os", "__x__", "x y", "", "lambda", "inf", "a" * 50, "ｘ", 3, "x)"])
def test_a_variable_cannot_carry_code(name: object) -> None:
    with pytest.raises(FormulaError, match="cannot be a variable"):
        formula("x", variables=[name])  # type: ignore[list-item]
    with pytest.raises(FormulaError):
        from_data(name if isinstance(name, str) else [name])


@pytest.mark.parametrize("text", [3, None, b"x", ["x"], 2.5])
def test_a_formula_is_made_of_text(text: object) -> None:
    with pytest.raises(TypeError, match="formula takes a text"):
        formula(text)  # type: ignore[arg-type]


def test_the_order_of_variables() -> None:
    assert formula("z + y*x_10 - x_2 + B + a").variables == ("a", "B", "x_2", "x_10", "y", "z")
    assert formula("f(y, x) = x - y").variables == ("y", "x")
    assert formula("x - y", variables=("y", "x"))(1.0, 3.0) == 2.0
    assert formula("x - y", variables="y, x").variables == ("y", "x")
    assert formula("f(x) = x", variables="x t").variables == ("x", "t")
    assert formula("f(θ) = θ").variables == formula("θ", variables=["θ"]).variables == ("theta",)
    with pytest.raises(FormulaError, match="given twice"):
        formula("x", variables="x x")
    with pytest.raises(FormulaError, match="24 are allowed"):
        formula("x", variables=[f"x{i}" for i in range(25)])


def test_calls_by_position_by_name_and_wrong_ones() -> None:
    f = formula("f(x, y) = x - 2y")
    assert f(5.0, 1.0) == f(5.0, y=1.0) == f(y=1.0, x=5.0) == 3.0
    for args, named in [((), {}), ((1,), {}), ((1, 2, 3), {}), ((1, 2), {"y": 1}), ((1,), {"z": 2}), ((), {"x": 1})]:
        with pytest.raises(TypeError, match=r"has the variables x, y; .* Call it as f\(x, y\)"):
            f(*args, **named)
    with pytest.raises(TypeError, match="has no variables; the call gave 1 positional"):
        formula("3")(1.0)


def test_tools_see_the_variables() -> None:
    assert str(inspect.signature(formula("f(y, x) = x - y"))) == "(y, x)"


def test_points_as_vectors() -> None:
    f = formula("f(x, y) = x - 2y")
    assert f.of_vector(jnp.array([5.0, 1.0])) == 3.0
    np.testing.assert_array_equal(f.of_vector(np.ones((4, 2))), -np.ones(4))
    np.testing.assert_array_equal(jax.grad(f.of_vector)(jnp.array([5.0, 1.0])), [1.0, -2.0])
    for wrong in (1.0, jnp.ones(3), jnp.ones((2, 3))):
        with pytest.raises(ValueError, match="points of 2 coordinates"):
            f.of_vector(wrong)


def test_dtypes_and_shapes() -> None:
    f = formula("x^2/3 + y")
    assert f(jnp.float32(1), jnp.float32(2)).dtype == jnp.float32
    assert f(jnp.ones(3, jnp.bfloat16), 2.0).dtype == jnp.bfloat16
    assert f(jnp.ones(3, jnp.float32), jnp.arange(3)).dtype == jnp.float32
    assert f(1, 2).dtype == f(np.arange(3), True).dtype == jnp.float64
    assert f(jnp.ones((4, 1)), jnp.ones(3)).shape == (4, 3)
    assert formula("f(x) = 3")(jnp.ones((2, 3), jnp.float32)).dtype == jnp.float32
    np.testing.assert_array_equal(formula("f(x, y) = 3")(jnp.ones((2, 1)), jnp.ones(3)), 3 * np.ones((2, 3)))
    assert formula("2^10")() == 1024
    assert formula("x + 123456789012345")(jnp.float32(1)).dtype == jnp.float32
    assert f(1j, 0.0) == pytest.approx(-1 / 3)


def test_derivatives_where_other_ways_give_nan() -> None:
    assert jax.grad(formula("x^2"))(0.0) == 0.0
    assert jax.grad(jax.grad(formula("x^2")))(0.0) == 2.0
    assert jax.grad(formula("x^3"))(-2.0) == 12.0
    assert jax.grad(formula("|x|"))(-2.0) == -1.0
    assert jax.grad(formula("x^1.5"))(0.0) == 0.0
    assert jnp.isnan(formula("x^1.5")(-1.0))
    power = formula("x^y")
    assert [float(g) for g in jax.grad(power, (0, 1))(0.0, 2.0)] == [0.0, 0.0]


@pytest.mark.parametrize("order", [1, 2, 3])
def test_the_branch_not_taken_adds_nothing_to_derivatives(order: int) -> None:
    f = formula("where(x > 0, x log x, x^3/(x + y))")
    taken = [lambda x: x * jnp.log(x), lambda x: x**3 / (x + 2.0)]
    for x, branch in [(0.5, taken[0]), (0.0, taken[1]), (-1.0, taken[1])]:
        g, h = lambda x: f(x, 2.0), branch
        for i in range(order):
            g, h = (jax.jacfwd, jax.grad)[i % 2](g), jax.grad(h)
        np.testing.assert_allclose(g(x), h(x), rtol=1e-12)
    assert jax.grad(f, 1)(0.5, jnp.inf) == 0.0


def test_transformations_and_one_compilation_for_equal_formulas() -> None:
    traces = []

    @jax.jit
    def counted(x):
        traces.append(1)
        return f(x)

    f = formula("where(x > 1, x², 2x − 1)")
    xs = jnp.linspace(0.0, 2.0, 5)
    np.testing.assert_array_equal(jax.vmap(f)(xs), f(xs))
    np.testing.assert_array_equal(counted(xs), f(xs))
    np.testing.assert_allclose(jax.vmap(jax.grad(f))(xs), [2, 2, 2, 3, 4])
    check_grads(f, (1.7,), order=2)

    apply = jax.jit(lambda g, x: (traces.append(1), g(x))[1], static_argnums=0)
    traces.clear()
    assert apply(formula("x^2 + 2x"), 3.0) == apply(formula("x**2 + 2·x"), 3.0) == 15.0
    assert len(traces) == 1


def test_equality_copies_and_storage() -> None:
    f = formula("f(x, y) = x² + 2·y")
    assert f == formula("x^2 + 2y") == formula("g(x, y) = x**2+2.0*y")
    assert hash(f) == hash(formula("x^2 + 2y"))
    assert f != formula("f(y, x) = x² + 2·y")
    assert f != formula("x^2 + 2*y*1")
    assert f != "x^2 + 2y"
    for same in (copy.copy(f), copy.deepcopy(f), pickle.loads(pickle.dumps(f)), Formula.from_data(f.to_data())):
        assert same == f
        assert (same.text, same.name) == (f.text, f.name)
    assert repr(f) == "formula('f(x, y) = x**2 + 2*y')"
    assert f.text == "f(x, y) = x² + 2·y"
    with pytest.raises(AttributeError):
        f.name = "g"  # type: ignore[misc]
    with pytest.raises(FormulaError) as caught:
        formula("2 3")
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.column, str(again)) == (3, str(caught.value))


@pytest.mark.parametrize(
    "tree",
    [
        ["system", "x"],
        ["sin"],
        ["sin", "x", "y"],
        ["pow", "x"],
        ["where", "x", 1, 2],
        ["add", ["lt", "x", 1], 2],
        ["constant", "x"],
        ["constant", ["pi"]],
        [],
        [["sin"], "x"],
        -1,
        True,
        None,
        float("nan"),
        float("inf"),
        "__class__",
        "x)",
        {"x": 1},
        ["add", *["x"] * 5000],
    ],
)
def test_stored_trees_are_checked(tree: object) -> None:
    data = {"name": "f", "variables": ["x", "y"], "tree": tree, "text": ""}
    with pytest.raises(FormulaError):
        Formula.from_data(data)


def test_stored_trees_cannot_be_deep_or_hold_unknown_variables() -> None:
    deep: list[object] = ["sin", "x"]
    for _ in range(10_000):
        deep = ["sin", deep]
    for tree in (deep, "z"):
        with pytest.raises(FormulaError):
            Formula.from_data({"name": "f", "variables": ["x"], "tree": tree, "text": ""})
    with pytest.raises(FormulaError, match="not the data of a formula"):
        Formula.from_data({"tree": "x"})


def test_bounds_at_their_edge() -> None:
    assert formula(" " * 199 + "x")(1.0) == 1.0
    with pytest.raises(FormulaError, match="201 characters and 200"):
        formula(" " * 200 + "x")
    assert formula("x" + "+x" * 99)(1.0) == 100.0  # a sum is one level, however long
    assert formula("x^64")(1.0) == 1.0
    nested = "sin(" * 23 + "x" + ")" * 23
    assert isinstance(formula(nested).tree, Apply)
    with pytest.raises(FormulaError, match="nested 25 deep and 24"):
        formula(f"{nested}+1")
    with pytest.raises(FormulaError, match=r"12\d parts and 120"):
        formula("+".join(["x*x"] * 41))
