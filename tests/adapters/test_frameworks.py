"""JAX, PyTorch and TensorFlow give one answer; the table of their names is true."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cycloid as cy
from cycloid import adapters
from cycloid.core.arithmetic import compute
from cycloid.core.evaluation import HEADS

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def present(framework):
    missing = importlib.util.find_spec(framework) is None
    why = f"{framework} is not installed: {adapters.how_to_install(framework)}"
    marks = [pytest.mark.skipif(missing, reason=why)]
    if framework == "tensorflow":  # what it says of its own insides is not ours
        marks.append(pytest.mark.filterwarnings("ignore"))
    return pytest.param(framework, marks=marks)


OTHERS = [present("torch"), present("tensorflow")]

EVERY = [
    "exp(x) + log(y) + log2(y) + log10(y) + sqrt(y) + cbrt(x)",
    "sin(x) + cos(y) + tan(x) + cot(y) + sec(x) + csc(y)",
    "asin(x) + acos(x) + atan(y) + atan2(x, y) + sinh(x) + cosh(y) + tanh(x) + asinh(y) + acosh(y) + atanh(x)",
    "abs(x)*y + sign(x) + floor(y) + ceil(x) + heaviside(x) + sigmoid(x*y) + relu(x) + softplus(y)",
    "erf(x) + erfc(y) + gamma(y) + lgamma(y) + digamma(y) + factorial(x) + polygamma(2, y) + gamma(x - 1)",
    "mod(y, x) + x^y + max(x, y)*min(x, y) + x^3 + y^(-2) + x^0.3 + y^0.5 - x/y + x^0",
    "where(x < y and not x > 1 or x == y, x^2*y, y^3) + where(x >= y, 1, x) + where(x <= y or x != 2, y, 0)",
]


@pytest.mark.slow
@pytest.mark.parametrize("framework", OTHERS)
@pytest.mark.parametrize("text", EVERY)
def test_every_operation_of_a_formula(framework, text):
    found = cy.compare(text, {"x": 0.4, "y": 1.7}, frameworks=("jax", framework))
    assert found.agrees, found.text
    assert found.status.ok


@pytest.mark.parametrize("framework", OTHERS)
def test_every_head_has_an_operation(framework):
    operations = adapters.adapter(framework).OPERATIONS
    assert set(operations) >= HEADS
    assert set(operations) - HEADS == {"like", "stack", "power"}


@pytest.mark.parametrize("framework", OTHERS)
def test_closed_forms(framework):
    found = cy.compare("x^2*y + sin(y)", {"x": 1.0, "y": 2.0}, frameworks=framework)
    for made in found.value.values():
        assert made["value"] == pytest.approx(2 + np.sin(2), abs=1e-14)
        assert np.allclose(made["gradient"], [4, 1 + np.cos(2)], rtol=0, atol=1e-14)
        assert np.allclose(made["hessian"], [[4, 2], [2, -np.sin(2)]], rtol=0, atol=1e-14)


@pytest.mark.parametrize("framework", OTHERS)
def test_several_values_have_a_jacobian(framework):
    found = cy.compare(["x*y", "x + y^3", "sin(x)"], [2.0, 3.0], frameworks=("jax", framework))
    assert found.agrees
    exact = [[3, 2], [1, 27], [np.cos(2), 0]]
    assert all(np.allclose(made["jacobian"], exact) for made in found.value.values())
    assert set(found.disagreement) == {"value", "jacobian"}


@pytest.mark.parametrize("framework", [present("torch")])
def test_a_callable_for_each(framework):
    import torch

    f = {"jax": lambda x: jnp.sum(jnp.exp(x)), "torch": lambda x: torch.sum(torch.exp(x))}
    assert cy.compare(f, [0.5, 1.0], frameworks=("jax", "torch")).agrees
    wrong = (f["jax"], lambda x: torch.sum(torch.exp(x)) + 1e-6 * x[0])
    found = cy.compare(wrong, [0.5, 1.0], frameworks=("jax", "torch"))
    assert not found.agrees
    assert "DISAGREE" in found.text
    assert found.disagreement["gradient"] == pytest.approx(1e-6, rel=1e-3)
    assert found.disagreement["hessian"] <= found.allowed["hessian"]
    assert cy.check(found).verdict == "disagrees"


def test_what_is_missing_is_said_and_no_error(monkeypatch):
    monkeypatch.setattr("cycloid.differentiate.frameworks.is_installed", lambda name: False)
    found = cy.compare("x^2", 3.0)
    assert found.ways == ("jax",)
    assert found.missing == {"torch": 'pip install "cycloid[torch]"', "tensorflow": 'pip install "cycloid[tensorflow]"'}
    assert "torch is not installed" in found.text
    with pytest.raises(ImportError, match=r"cycloid\[torch\]"):
        cy.compare("x^2", 3.0, frameworks="torch")


def test_values_beside_pythons_own_floats():
    f = cy.formula("x*exp(y) + gamma(x)")
    found = cy.compare(f, [1.3, 0.2], frameworks="jax")
    assert float(found.value["jax"]["value"]) == pytest.approx(compute(f.tree, {"x": 1.3, "y": 0.2}), rel=1e-12)


def test_the_result_travels(tmp_path):
    found = cy.compare("x^2*y", [1.0, 2.0], frameworks="jax")
    found.save(tmp_path / "agreement.cycloid")
    loaded = type(found).load(tmp_path / "agreement.cycloid")
    assert loaded.text == found.text
    assert np.array_equal(loaded.value["jax"]["hessian"], found.value["jax"]["hessian"])
    table = found.to_pandas()
    assert list(table.derivative) == ["value", "gradient", "hessian"]
    assert (table.warm_call > 0).all()
    assert found.to_dict()["disagreement"] == {"value": 0.0, "gradient": 0.0, "hessian": 0.0}
    card = cy.check(found)
    assert card.verdict == "agrees"
    assert [each.claim.split()[1] for each in card.further] == ["gradient", "hessian"]


def test_not_finite():
    with pytest.raises(cy.ConvergenceError):
        cy.compare("log(x)", 0.0, frameworks="jax")
    assert not cy.compare("log(x)", 0.0, frameworks="jax", throw=False).status.ok


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: cy.compare("x*y", {"x": 1.0}), "variables x, y; the point has x"),
        (lambda: cy.compare("x*y", [1.0]), "pass 2 numbers"),
        (lambda: cy.compare("x", 1.0, frameworks=("jax", "theano")), "some of jax, torch, tensorflow"),
        (lambda: cy.compare("x", 1.0, frameworks=()), "were none"),
        (lambda: cy.compare(jnp.sin, 1.0), "written? once for each|write it once for each"),
        (lambda: cy.compare({"torch": jnp.sin}, 1.0, frameworks="jax"), "no function for jax"),
        (lambda: cy.compare({"jax": jnp.outer}, {"a": 1.0}, frameworks="jax"), "by name for formulas alone"),
        (lambda: cy.compare({"jax": lambda x: jnp.outer(x, x)}, [1.0, 2.0], frameworks="jax"), "a number or a vector"),
        (lambda: cy.compare("x", "here", frameworks="jax"), "a point of numbers"),
        (lambda: cy.compare("x", [[1.0]], frameworks="jax"), "the shape was"),
    ],
)
def test_wrong_calls(call, words):
    with pytest.raises((TypeError, ValueError), match=words):
        call()


def test_float64_is_asked_for(monkeypatch):
    monkeypatch.setattr(jax.config, "read", lambda name: False)
    with pytest.raises(ValueError, match="enable_x64"):
        cy.compare("x", 1.0, frameworks="jax")


def test_the_package_loads_no_framework():
    code = "import sys, cycloid; cycloid.compare; print(sorted({'torch', 'tensorflow'} & set(sys.modules)))"
    bare = "import sys, cycloid; print(sorted({'jax', 'torch', 'tensorflow'} & set(sys.modules)))"
    for source in (code, bare):
        run = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
        assert run.stdout.strip() == "[]"


# --- the table of docs/frameworks.md ------------------------------------------------------------------------------


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
def test_the_names_of_torch():
    adapters.adapter("torch")  # loads it without its warnings
    import torch
    from torch import func

    f = lambda x: (x[0] ** 2 * x[1]).sin()
    x, v = torch.tensor([1.0, 2.0], dtype=torch.float64), torch.tensor([0.5, -1.0], dtype=torch.float64)
    g = lambda x: jnp.sin(x[0] ** 2 * x[1])
    at, along = jnp.array([1.0, 2.0]), jnp.array([0.5, -1.0])
    same = lambda ours, theirs: np.testing.assert_allclose(np.asarray(ours), theirs.detach().numpy(), atol=1e-13)
    same(cy.differentiate.grad(g)(at), func.grad(f)(x))
    same(cy.differentiate.hessian(g)(at), func.hessian(f)(x))
    same(cy.differentiate.jacobian(lambda x: x**3)(at), func.jacrev(lambda x: x**3)(x))
    same(cy.differentiate.jacobian(lambda x: x**3)(at), func.jacfwd(lambda x: x**3)(x))
    same(jax.jvp(g, (at,), (along,))[1], func.jvp(f, (x,), (v,))[1])
    same(jax.vjp(g, at)[1](1.0)[0], func.vjp(f, x)[1](torch.tensor(1.0, dtype=torch.float64))[0])
    same(cy.differentiate.hvp(g)(at, along), func.jvp(func.grad(f), (x,), (v,))[1])
    rows, points = torch.stack([x, v]), jnp.stack([at, along])
    same(jax.vmap(cy.differentiate.grad(g))(points), func.vmap(func.grad(f))(rows))
    same(jax.vmap(cy.differentiate.hessian(g))(points), func.vmap(func.hessian(f))(rows))
    same(cy.differentiate.grad(lambda x: jax.lax.stop_gradient(g(x)) * x[0])(at),
         func.grad(lambda x: f(x).detach() * x[0])(x))  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="tensorflow is not installed")
def test_the_names_of_tensorflow():
    import tensorflow as tf

    f = lambda x: tf.sin(x[..., 0] ** 2 * x[..., 1])
    g = lambda x: jnp.sin(x[0] ** 2 * x[1])
    rows = tf.constant([[1.0, 2.0], [0.5, -1.0]], tf.float64)
    with tf.GradientTape() as outer:
        outer.watch(rows)
        with tf.GradientTape() as inner:
            inner.watch(rows)
            y = f(rows)
        slopes = inner.gradient(y, rows)
    ours = jax.vmap(cy.differentiate.hessian(g))(jnp.asarray(rows.numpy()))
    # rows that do not meet in f: one pass a column for all of them
    np.testing.assert_allclose(ours, outer.batch_jacobian(slopes, rows).numpy(), atol=1e-13)
    with tf.autodiff.ForwardAccumulator(rows, tf.ones_like(rows)) as accumulator:
        y = f(rows)
    _, push = jax.jvp(jax.vmap(g), (jnp.asarray(rows.numpy()),), (jnp.ones((2, 2)),))
    np.testing.assert_allclose(push, accumulator.jvp(y).numpy(), atol=1e-13)
    with tf.GradientTape() as tape:
        tape.watch(rows)
        y = tf.stop_gradient(f(rows)) * rows[:, 0]
    held = jax.vmap(cy.differentiate.grad(lambda x: jax.lax.stop_gradient(g(x)) * x[0]))(jnp.asarray(rows.numpy()))
    np.testing.assert_allclose(held, tape.gradient(y, rows).numpy(), atol=1e-13)
