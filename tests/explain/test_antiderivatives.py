"""Antiderivatives: named rules, every line differentiated back, the honest word where there is no formula."""

from __future__ import annotations

import math

import jax
import numpy as np
import pytest

from cycloid.core.formulas import formula
from cycloid.explain import antiderivative
from cycloid.explain.quadratures import gauss, quadrature, singularity

# integrand -> (a rule that must be named, F as it is written in text)
TAUGHT = {
    "3x^2 + 2x": ("sum rule", "x**3 + x**2"),
    "x*exp(-x)": ("integration by parts", "-(x + 1)*exp(-x)"),
    "x*cos(x^2)": ("substitution", "sin(x**2)/2"),
    "1/(x^2-1)": ("partial fractions", None),
    "sin(x)^2": ("trigonometric identity", "x/2 - sin(2*x)/4"),
    "exp(x)*sin(x)": ("integration by parts", "(sin(x) - cos(x))*exp(x)/2"),
    "ln(x)": ("integration by parts", "x*log(x) - x"),
    "1/x": ("reciprocal", "log(abs(x))"),
    "cos(3x+1)": ("linear substitution", "sin(3*x + 1)/3"),
    "1/(x^2+4)": ("inverse tangent", "atan(x/2)/2"),
    "a*x^2 + b": ("constant multiple", "a*x**3/3 + b*x"),
    "abs(x)": ("by an algorithm", "where(x <= 0, -x**2/2, x**2/2)"),
}
LONG = (
    "x^2*exp(x)", "x^3*ln(x)", "sin(x)^3", "cos(x)^4", "sin(x)^3*cos(x)^2", "tan(x)", "sec(x)", "1/(x^2+2x+5)",
    "x^3/(x^2+1)", "1/(x^3+1)", "(x+1)/(x^2+x-2)", "sqrt(1-x^2)", "1/sqrt(1-x^2)", "x/sqrt(1+x^2)", "1/sqrt(x^2+4)",
    "x*sqrt(x+1)", "exp(2x)/(1+exp(x))", "1/(1+exp(x))", "ln(x)^2", "ln(x)/x", "arctan(x)", "x*arctan(x)",
    "arcsin(x)", "2^x", "x*2^x", "sinh(x)", "x*cosh(x)", "exp(x)*cos(2x)", "(2x+3)^5", "1/(3x+2)", "x*exp(-x^2)",
    "sin(ln(x))", "1/(x*ln(x))", "exp(sqrt(x))", "x^n", "exp(a*x)*b", "relu(x)", "x^(1/3)", "x^2/(x+1)",
    "exp(-x^2/2)", "sigmoid(x)", "(x-1)^2*(x+2)", "tan(x)^2", "x*sin(x)*cos(x)", "1/x^3", "sqrt(x)", "erf(x)", "5",
)  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), TAUGHT.items())
def test_the_rules_of_integration(text, expected):
    rule, written = expected
    found = antiderivative(text, "x")
    nodes = list(found.steps[0].walk())
    assert rule in {node.rule for node in nodes}
    assert all(node.check is not None and node.check.verdict == "agrees" for node in nodes), found.text
    assert found.status.name == "converged"
    if written is not None:
        assert found.formula.text == written
    assert "+ C" in found.text.split("\n")[2]


@pytest.mark.slow
@pytest.mark.parametrize("text", LONG)
def test_a_longer_table_differentiates_back(text):
    f = formula(text, ("x",)) if text == "5" else formula(text)
    found = antiderivative(f, "x")
    nodes = [node for node in found.steps[0].walk() if node.check is not None]
    assert nodes, found.text
    assert all(node.check.verdict == "agrees" for node in nodes), found.text
    slope = jax.grad(found.formula, argnums=found.formula.variables.index("x"))
    point = {"x": 0.37, "a": 1.3, "b": 0.7, "n": 2.5}
    values = [point[name] for name in found.formula.variables]
    assert float(slope(*values)) == pytest.approx(float(f(**{k: point[k] for k in f.variables})), rel=1e-8)


@pytest.mark.parametrize(
    ("text", "proved"),
    [("exp(-x^2)", True), ("exp(x)/x", True), ("1/ln(x)", True), ("sin(x)/x", False), ("x^x", False)],
)
def test_where_there_is_no_elementary_formula_that_is_said(text, proved):
    found = antiderivative(text)
    words = " ".join(found.notes)
    assert ("Risch's algorithm" in words) == proved
    assert ("I do not know an elementary antiderivative" in words) == (not proved)
    if text == "exp(-x^2)":
        assert found.formula.text == "sqrt(pi)*erf(x)/2"
        assert found.status.ok
    else:
        assert found.formula is None
        assert math.isnan(found.value)
        assert found.status.name == "no_formula"
        assert "bounds=(a, b)" in found.status.message


@pytest.mark.parametrize(
    ("text", "bounds", "value"),
    [
        ("x^2", (0, 1), 1 / 3),
        ("x^2", (1, 0), -1 / 3),
        ("sin(x)/x", (1, 2), 0.6593299064355118),
        ("x^x", (0, 1), 0.7834305107121344),
        ("exp(-x^2)", (0, math.inf), math.sqrt(math.pi) / 2),
        ("exp(-x)", (0, math.inf), 1.0),
        ("1/sqrt(x)", (0, 1), 2.0),
        ("ln(x)", (0, 1), -1.0),
        ("abs(x)", (-1, 2), 2.5),
        ("1/(2+cos(x))", (0, 6), 3.532781385866645),
    ],
)
def test_integrals_between_bounds(text, bounds, value):
    found = antiderivative(text, bounds=bounds)
    assert found.value == pytest.approx(value, rel=1e-7)
    assert found.status.name == "converged", found.text
    assert found.steps[-1].kind == "definite"
    assert found.steps[-1].check is not None


@pytest.mark.parametrize(
    ("text", "bounds", "words"),
    [
        ("1/x", (-1, 1), "pole near x = 0"),
        ("1/x^2", (-1, 1), "pole near x = 0"),
        ("tan(x)", (0, 2), "pole near x = 1.571"),
        ("1/(x-0.3)^2", (0, 1), "pole near x = 0.3"),
        ("1/x^0.5", (-1, 1), "no real value"),
        ("1/x", (1, math.inf), "may not exist"),
    ],
)
def test_an_integral_that_does_not_exist_is_refused(text, bounds, words):
    found = antiderivative(text, bounds=bounds)
    assert math.isnan(found.value)
    assert found.status.name == "no_integral"
    assert words in " ".join(found.notes)
    assert "has no value" in found.text


def test_an_antiderivative_that_jumps_is_not_trusted():
    """F = arctan(tan(x))-like forms jump between the bounds, and F(b) − F(a) is wrong there."""
    found = antiderivative("1/(2+cos(x))", bounds=(0, 6))
    exact, _, _, _ = quadrature(formula("1/(2+cos(x))").tree, "x", (0.0, 6.0))
    assert found.value == pytest.approx(exact, rel=1e-9)


def test_a_second_quadrature_and_the_search_for_poles():
    tree = formula("exp(-x^2)").tree
    assert gauss(tree, "x", (-math.inf, math.inf)) == pytest.approx(math.sqrt(math.pi), rel=1e-9)
    assert gauss(tree, "x", (-1.0, 2.0)) == pytest.approx(quadrature(tree, "x", (-1.0, 2.0))[0], rel=1e-12)
    assert singularity(formula("1/(x-2)").tree, "x", (0.0, 3.0)) == pytest.approx(2.0)
    for harmless in ("1/sqrt(x)", "ln(x)", "1000000*x", "x^(-0.9)", "sin(1/x)"):
        assert singularity(formula(harmless).tree, "x", (0.0, 1.0)) is None


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: antiderivative("x*y"), "pass one"),
        (lambda: antiderivative("x*y", "x", bounds=(0, 1)), "put numbers for them"),
        (lambda: antiderivative("x", bounds=(0, 1, 2)), "pair of numbers"),
        (lambda: antiderivative("x", bounds=(0, math.nan)), "holds numbers"),
        (lambda: antiderivative("x", bounds=3), "pair of numbers"),
        (lambda: antiderivative("x", seconds=0), "time limit"),
    ],
)
def test_bad_input_gets_a_sentence_with_a_cure(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_code_is_sent_to_chain():
    with pytest.raises(TypeError, match=r"explain\.chain"):
        antiderivative(np.sin)
