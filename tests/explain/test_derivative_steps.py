"""Derivatives of formulas, step by step: every node of every tree is tried, and the forms are those of a teacher."""

from __future__ import annotations

import math

import jax
import numpy as np
import pytest

from cycloid.core.formulas import formula
from cycloid.explain import derivative
from cycloid.explain.differentiation import differentiated
from cycloid.explain.handwriting import written
from cycloid.explain.rules import ELEMENTARY

# What students type, with the derivative that a teacher would write.
TAUGHT = {
    "x^3 + 2x + 1": "3x² + 2",
    "x": "1",
    "5": "0",
    "7x": "7",
    "x^10": "10x⁹",
    "1/x": "−1/x²",
    "3/x^4": "−12/x⁵",
    "sqrt(x)": "1/(2√x)",
    "x^(1/3)": "1/(3x^(2/3))",
    "x^(-3/2)": "−3/(2x^(5/2))",
    "(x+1)(x-1)": "2x",
    "(2x+1)^3": "6(2x + 1)²",
    "(x^2+1)^5": "10x·(x² + 1)⁴",
    "x/(1+x^2)": "(1 − x²)/(x² + 1)²",
    "(x+1)/(x-1)": "−2/(x − 1)²",
    "3/(1+x^2)": "−6x/(x² + 1)²",
    "sin(x)": "cos(x)",
    "cos(3x)": "−3·sin(3x)",
    "tan(x)": "1/cos(x)²",
    "sin(x)^2": "2·sin(x)·cos(x)",
    "sin(x)*cos(x)": "cos(x)² − sin(x)²",
    "sin(x^2)": "2x·cos(x²)",
    "x^2*sin(x)": "2x·sin(x) + x²·cos(x)",
    "sin(x)/x": "(x·cos(x) − sin(x))/x²",
    "e^x": "e^x",
    "exp(-x)": "−e^(−x)",
    "x*exp(-x)": "(1 − x)·e^(−x)",
    "exp(-x^2/2)": "−x·e^(−x²/2)",
    "exp(x)/x": "(x − 1)·e^x/x²",
    "2^x": "2^x·ln(2)",
    "x^x": "x^x·(ln(x) + 1)",
    "ln(x)": "1/x",
    "x*ln(x)": "ln(x) + 1",
    "ln(x)/x": "(1 − ln(x))/x²",
    "ln(1+x^2)": "2x/(x² + 1)",
    "arctan(x/2)": "2/(x² + 4)",
    "arcsin(x)": "1/√(1 − x²)",
    "sqrt(1-x^2)": "−x/√(1 − x²)",
    "sqrt(1+x^2)": "x/√(x² + 1)",
    "x*sqrt(1+x^2)": "(2x² + 1)/√(x² + 1)",
    "abs(x-1)": "sign(x − 1)",
    "sigmoid(x)": "(1 − sigmoid(x))·sigmoid(x)",
    "softplus(2x)": "2·sigmoid(2x)",
    "where(x > 0, x^2, 0)": "where(x > 0, 2x, 0)",
    "a*x^2 + b*x + c": "2a·x + b",
    "x^n": "n·x^(n − 1)",
    "y^2*x": "y²",
    "sin(a*x)": "a·cos(a·x)",
    "0.5x^2": "x",
    "tanh(x)": "1/cosh(x)²",
}

MORE = (
    "x^2 + y^2", "x*y*z", "(x+y)^3", "100*(y-x^2)^2 + (1-x)^2", "x/(y+x)", "exp(x*y)", "ln(x*y)", "x^y", "y^x",
    "atan2(x, y)", "mod(x, 3)", "max(x, 1-x)", "min(x^2, x)", "max(x, y, 2)", "relu(x-1)*x", "floor(x)*x",
    "where(x < 1 and x > 0, x, x^2)", "1/(1+exp(-x))", "(exp(x)-exp(-x))/(exp(x)+exp(-x))", "x^2*exp(x)*sin(x)",
    "x*sin(x)*cos(x)*exp(x)", "(x^2+1)/(x^3+2)", "sqrt(x+sqrt(x))", "sin(cos(tan(x)))", "exp(exp(x/4))",
    "ln(ln(x+3))", "(1+1/x)^x", "x^(sin(x))", "arctan(exp(x))", "arcsin(x/3)*arccos(x/3)", "cosh(x)^2 - sinh(x)^2",
    "asinh(x^2)", "acosh(x+2)", "atanh(x/5)", "erf(x)*exp(x)", "erfc(x^2)", "gamma(x+1)", "lgamma(x^2+1)",
    "digamma(x+2)", "polygamma(1, x+2)", "factorial(x+1)", "heaviside(x)*x^2", "sign(x)*x^3", "ceil(x) + x",
    "cbrt(x^2+1)", "log2(x)*log10(x)", "sec(x)*csc(x)", "cot(x)/x", "x^64", "3.5x^2.5", "1e3*x", "pi*x^2",
    "e*x + tau", "x²·√x", "|sin x|", "2x y", "sin^2 x + cos^2 x", "-(x - 1)", "--x", "-x^2", "(-x)^3", "x^-2 + x^-1",
    "(x/2)/(3/x)", "x/(x/(x+1))", "(x^2-1)/(x-1)", "1/(x*ln(x))", "sqrt(abs(x))", "ln(abs(x))", "x*abs(x)",
    "exp(-abs(x))", "x^2*(1-x)^3", "(x^2+x+1)*(x-1)", "1/sqrt(1+x)", "(1-x)/(1+x)", "sqrt((1-x)/(1+x)/4)",
    "exp(sin(x)^2)", "sin(x)^3*cos(x)^2", "u^2*x", "alpha*x + beta", "x_1^2*x", "(a*x+b)/(c*x+d)",
    "a*exp(-b*x)*cos(w*x)", "k/(1+a*exp(-b*x))", "x^2*y^3*z", "sqrt(x^2+y^2)", "ln(x/y)", "(x-y)/(x+y)",
    "exp(-(x-m)^2/(2*s^2))", "x*softplus(x)", "sigmoid(sigmoid(x))", "x*sigmoid(x)", "ln(1+exp(x))", "2^(x^2)",
    "10^(-x)", "3^x*x^3", "sin(x)/cos(x)", "1/(1+x)^2", "x^5/5 - x^3/3", "7", "y",
)  # fmt: skip
TABLE = (*TAUGHT, *MORE, *(f"{head}({inner})" for head in ELEMENTARY for inner in ("x", "(2x+1)/3")))


def test_there_are_200_formulas():
    assert len(set(TABLE)) >= 200


@pytest.mark.parametrize("text", TABLE)
def test_every_node_of_the_tree_is_the_derivative_of_its_expression(text):
    f = formula(text)
    step = differentiated(f.tree, "x" if "x" in f.variables else "t")
    for node in step.walk():
        assert node.check is not None
        assert node.check.verdict == "agrees", (text, node.rule, written(node.given), written(node.result), node.check)
        assert len(node.check.value) >= 3, (text, written(node.given))
        assert node.check.disagreement <= node.check.allowance


@pytest.mark.parametrize(("text", "taught"), TAUGHT.items())
def test_the_result_is_what_a_teacher_writes(text, taught):
    f = formula(text)
    assert written(differentiated(f.tree, "x" if "x" in f.variables else "t").result) == taught


@pytest.mark.parametrize(
    "text", ["x^3 + 2x + 1", "x*exp(-x)", "sin(x)/x", "x^x", "atan2(x, 2-x)", "sigmoid(3x)*x", "erf(x)"]
)
@pytest.mark.parametrize("order", [1, 2, 3])
def test_values_are_those_of_automatic_differentiation(text, order):
    f, slope = formula(text), formula(text)
    for _ in range(order):
        slope = jax.grad(slope)
    found = derivative(f, at=0.7, order=order)
    assert found.value == pytest.approx(float(slope(0.7)), rel=1e-9)
    assert found.status.name == "converged"


def test_it_ends_at_14():
    found = derivative("x^3 + 2x + 1", "x", at=2.0)
    assert found.value == 14.0
    assert found.formula.text == "3*x**2 + 2"
    assert [step.kind for step in found.steps] == ["derivative", "value"]
    assert found.error_kind.name == "estimate"
    assert float(found.error) < 1e-12


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("x^3 + 2x + 1", {"sum rule", "power rule", "constant multiple", "constant rule", "the variable itself"}),
        ("x*exp(-x)", {"product rule", "chain rule", "exponential function", "sign", "the variable itself"}),
        ("sin(x)/(1+x)", {"quotient rule", "sine", "sum rule", "constant rule", "the variable itself"}),
        ("2^x", {"exponential function"}),
        ("x^x", {"logarithmic differentiation", "the variable itself"}),
        ("1/(1+x)", {"reciprocal rule", "sum rule", "constant rule", "the variable itself"}),
        ("where(x>0, x, 0)", {"piece by piece", "the variable itself", "constant rule"}),
        ("max(x, 1)", {"the larger of two", "the variable itself", "constant rule"}),
    ],
)
def test_the_rules_are_named(text, rules):
    assert {step.rule for step in derivative(text, "x").steps[0].walk()} == rules


def test_a_wrong_line_is_seen():
    from cycloid.explain.differentiation import slope_check

    wrong = slope_check(formula("x*exp(-x)").tree, "x", formula("exp(-x)").tree)
    assert wrong.verdict == "disagrees"
    assert wrong.disagreement > 0.1


def test_a_kink_is_said_and_a_pole_too():
    kink = derivative("abs(x)", at=0.0)
    assert kink.status.name == "kink"
    assert not kink.status.ok
    assert "-1" in kink.steps[-1].note
    assert "1." in kink.steps[-1].note
    pole = derivative("sqrt(x)", at=0.0)
    assert math.isnan(pole.value)
    assert pole.status.name == "no_value"
    assert "has no finite value" in pole.text
    beside = derivative("abs(x)", at=0.5)
    assert (beside.value, beside.status.name) == (1.0, "converged")


def test_algebra_shortens_what_the_rules_leave_long():
    found = derivative("ln(x+sqrt(1+x^2))")
    kinds = [step.kind for step in found.steps]
    assert kinds == ["derivative", "equality"]
    assert found.steps[1].check.verdict == "agrees"
    assert found.formula.text == "1/sqrt(x**2 + 1)"
    own = derivative("ln(x+sqrt(1+x^2))", algebra=False)
    assert [step.kind for step in own.steps] == ["derivative"]
    x = np.linspace(-2, 2, 9)
    np.testing.assert_allclose(found.formula(x), own.formula(x), rtol=1e-12)


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: derivative("x*y"), ValueError, "pass one"),
        (lambda: derivative("x*y", "z"), ValueError, "no variable 'z'"),
        (lambda: derivative("x^2", at={"y": 1.0}), ValueError, "at={'x': 1.0}"),
        (lambda: derivative("x^2", at=math.inf), ValueError, "finite"),
        (lambda: derivative("x^2", at="two"), ValueError, "one number for each"),
        (lambda: derivative("x^2", order=0), ValueError, "order is a whole number"),
        (lambda: derivative("x^2", order=1.5), ValueError, "order is a whole number"),
        (lambda: derivative(lambda x: x), TypeError, "explain.chain"),
        (lambda: derivative(3), TypeError, "formula or its text"),
        (lambda: derivative("3"), ValueError, "give it a variable"),
        (lambda: derivative("sin(x)*exp(x^2)/ln(x)/x", order=12), ValueError, "too many to explain"),
    ],
)
def test_bad_input_gets_a_sentence_with_a_cure(call, kind, words):
    with pytest.raises(kind, match=words.replace("(", r"\(").replace("{", r"\{")):
        call()
