"""The printed forms of a formula: text that reads back, LaTeX, SymPy and JavaScript, against JAX and each other."""

from __future__ import annotations

import math
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy

from cycloid.core import arithmetic, evaluation, javascript, symbolic, typesetting
from cycloid.core.chain_rule import RULES, derivative
from cycloid.core.formulas import Formula, formula, javascript_module
from cycloid.core.syntax import ARITY, COMPARISONS
from cycloid.core.vocabulary import FUNCTIONS
from formula_trees import run_in_node

LATEX = [
    ("x^3 + 2x + 1", r"x^{3} + 2 x + 1"),
    ("-x^2 - (y - 3)", r"-x^{2} - \left(y - 3\right)"),
    ("-x y/2", r"-\frac{x y}{2}"),
    ("2*3 x + x*2", r"2 \cdot 3 x + x \cdot 2"),
    ("2(-x)", r"2 \left(-x\right)"),
    ("(x+1)^2 (x-1)", r"\left(x + 1\right)^{2} \left(x - 1\right)"),
    ("e^(-x²/2)/√(2π)", r"\frac{e^{-\frac{x^{2}}{2}}}{\sqrt{2 \pi}}"),
    ("(1/2)^x", r"\left(\frac{1}{2}\right)^{x}"),
    (
        "sin² x + log(x)^2 + log2(x)^2",
        r"\sin^{2}\left(x\right) + \ln^{2}\left(x\right) + \left(\log_{2}\left(x\right)\right)^{2}",
    ),
    ("∛x + |x|^2 + floor x", r"\sqrt[3]{x} + \left|x\right|^{2} + \left\lfloor x\right\rfloor "),
    ("θ_1 + λ + x2 + x_max + rate + o", r"\theta_{1} + \lambda + x_{2} + x_{\mathrm{max}} + \mathrm{rate} + o"),
    ("1e-5x + 2.5e20", r"10^{-5} x + 2.5 \cdot 10^{20}"),
    ("x! + (x+1)!", r"x! + \left(x + 1\right)!"),
    ("max(x, y, 0)", r"\max\left(x, y, 0\right)"),
    ("where(x ≥ 0, x, -1)", r"\begin{cases} x & \text{if } x \ge 0 \\ -1 & \text{otherwise} \end{cases}"),
    ("mod(x + 1, 2)", r"\left(\left(x + 1\right) \bmod 2\right)"),
    ("asin x + sigmoid(x) + Γ(x)", r"\arcsin\left(x\right) + \sigma\left(x\right) + \Gamma\left(x\right)"),
]


@pytest.mark.parametrize(("text", "latex"), LATEX)
def test_latex(text: str, latex: str) -> None:
    assert formula(text).latex == latex


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("2x²y", "2*x**2*y"),
        ("(x+1)(x-1)", "(x + 1)*(x - 1)"),
        ("-(-x)", "x"),
        ("-x*y/2", "-x*y/2"),
        ("x - (y - z)", "x - (y - z)"),
        ("x/(y/z)/2", "x/(y/z)/2"),
        ("(x^2)^y^z", "(x**2)**y**z"),
        ("2^-x", "2**(-x)"),
        ("x^1 / 2", "x**(1)/2"),
        ("max(x, y, z) + |x|", "max(x, y, z) + abs(x)"),
        ("where(not(0<x<1) or y==2 and x>y, √x, 5!)", None),
        ("2.0x + 2.50", "2*x + 2.5"),
        ("θ + γ", "theta + gamma"),
    ],
)
def test_canonical_text_reads_back(text: str, canonical: str | None) -> None:
    f = formula(text)
    if canonical is not None:
        assert f.canonical == canonical
    assert formula(str(f)) == f


def test_every_printer_knows_every_word() -> None:
    trees = set(ARITY)
    assert set(arithmetic.FLOATS) | {"where"} == trees
    assert trees == evaluation.HEADS
    assert set(symbolic.CONSTRUCTORS) == trees
    assert set(javascript.TEMPLATES) | {"add", "mul", "and", "or"} == trees
    assert set(RULES) | {"add", "mul", "where", "polygamma", *COMPARISONS, "and", "or", "not"} == trees
    for name, (fewest, _) in FUNCTIONS.items():
        args = {"where": "x > 0, x, y", "polygamma": "1, x"}.get(name, "x, y" if fewest == 2 else "x")
        f = formula(f"f(x, y) = {name}({args})")
        assert f.latex
        assert f.javascript


def test_sympy_expressions_are_made_of_plain_symbols() -> None:
    x, y = sympy.symbols("x y")
    assert formula("x^3 + 2x + 1").expr == x**3 + 2 * x + 1
    assert formula("0.5x").expr == 0.5 * x
    assert formula("e^(π x) sin(y)/2").expr == sympy.exp(sympy.pi * x) * sympy.sin(y) / 2
    assert formula("where(x > y, |x|, max(x, 1))").expr == sympy.Piecewise(
        (sympy.Abs(x), x > y), (sympy.Max(x, 1), True)
    )


def test_code_in_a_name_never_reaches_sympy() -> None:
    """`lambdify` runs the name of a symbol as code; no tree can hold such a name, in either direction."""
    evil = sympy.Symbol("__import__('os').system('false')")
    with pytest.raises(ValueError, match="a variable that cannot be typed"):
        symbolic.from_sympy(evil + 1)
    with pytest.raises(ValueError, match="cannot be a variable"):
        formula("x", variables=[evil.name])


@pytest.mark.parametrize(
    "expression", [sympy.I, sympy.oo, sympy.nan, sympy.zoo, sympy.Si(sympy.Symbol("x")), sympy.true]
)
def test_what_a_tree_cannot_hold_is_named(expression: object) -> None:
    with pytest.raises(ValueError, match="the result holds"):
        symbolic.from_sympy(expression)


# Formulas of every function, each with points inside its domain.
SAMPLES = [
    ("x^3 + 2x + 1", (2.0,)),
    ("(1-x)^2 + 100(y-x^2)^2", (-1.2, 1.0)),
    ("x^y + y^x + e^(x y) + 2^x", (1.3, 2.1)),
    ("x^-2 + x^0.5 + x^2.5 + √x + ∛y", (1.3, -2.0)),
    ("log x + log2 x + log10 x + log(x, 3)", (1.7,)),
    ("sin x + cos x + tan x + cot x + sec x + csc x", (0.8,)),
    ("asin x + acos(x/2) + atan x + atan2(x, y) + atan2(y, x)", (0.3, -0.8)),
    ("sinh x + cosh x + tanh x + asinh x + acosh(x + 2) + atanh(x)", (0.4,)),
    ("tanh(20x) + acosh(1+1e-6x)", (0.9,)),
    ("|x| + sign x + floor x + ceil x + heaviside x + relu x + relu(-x)", (-1.4,)),
    ("max(x, y) + min(x, 2y) + max(x, y, 3) + max(x, x)", (1.5, -2.0)),
    ("mod(x, 3) + mod(7, y) + mod(-x, -3)", (7.5, -2.2)),
    ("erf x + erfc x + erf(3x) + erfc(5x) + erf(-3x) + erf(x/100)", (0.9,)),
    ("gamma x + lgamma x + digamma x + polygamma(2, x) + x!", (3.7,)),
    ("gamma x + (x+2)!", (-1.6,)),
    ("log(-gamma(x)) + digamma(x/2) + digamma(x) + polygamma(1, x) + polygamma(4, x-3)", (-0.3,)),
    ("gamma(x) + gamma(20x)", (0.2,)),
    ("sigmoid x + softplus x + softplus(-40x) + sigmoid(30x)", (-1.2,)),
    ("where(x > 0 and not y ≥ x, x log x, y^2) + where(x ≤ 0 or y == x or y ≠ 1, x, y)", (1.5, 0.3)),
    ("where(x > 0, x log x, √x + y)", (0.5, 1.0)),
    ("where(x > 0, log(x), x y)", (-0.5, 2.0)),
    ("f(new, Math, v0, eval, arguments) = new + Math*v0 + eval^2 arguments", (1.0, 2.0, 3.0, 4.0, 5.0)),
    ("f(x, y) = x", (1.0, 2.0)),
    ("f(x) = sin(3) + 2", (1.0,)),
    ("where(1 < 2, x, 2x)", (1.0,)),
    ("(x + y)/(x - y)/(2x) - (x y)^2/3 - -x", (1.4, 0.2)),
]


def test_javascript_computes_what_jax_computes(tmp_path) -> None:
    formulas = [formula(text) for text, _ in SAMPLES]
    results = run_in_node(formulas, [point for _, point in SAMPLES], tmp_path)
    for (text, point), f, result in zip(SAMPLES, formulas, results, strict=True):
        assert (result["name"], result["text"], tuple(result["variables"])) == (f.name, f.text, f.variables)
        np.testing.assert_allclose(float(result["value"]), f(*point), rtol=2e-13, atol=1e-14, err_msg=text)
        exact = jax.grad(f, tuple(range(len(point))))(*point)
        np.testing.assert_allclose([float(g) for g in result["gradient"]], exact, rtol=2e-12, atol=1e-13, err_msg=text)


def test_javascript_special_functions_over_their_range(tmp_path) -> None:
    xs = [*np.linspace(-6.0, 6.0, 25) + 0.01, 1e-9, 12.3, 28.0, 60.5, 150.2]
    names = ("erf", "erfc", "gamma", "lgamma", "digamma")
    formulas = [formula(f"{name}(x)") for name in names for _ in xs] + [formula("gamma x"), formula("gamma(x)/1e300")]
    points = [(float(x),) for _ in names for x in xs] + [(171.0,), (171.6,)]
    results = run_in_node(formulas, points, tmp_path)
    for f, (x,), result in zip(formulas, points, results, strict=True):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exact = float(sympy.re(sympy.N(f.expr.subs("x", sympy.Rational(x)), 25)))  # lgamma: log|Γ|
        atol = 1e-14 if "lgamma" in f.text or "digamma" in f.text else 0.0  # these two have roots
        np.testing.assert_allclose(float(result["value"]), exact, rtol=3e-13, atol=atol, err_msg=f"{f} at {x}")


def test_the_branch_not_taken_is_silent_in_javascript(tmp_path) -> None:
    f = formula("where(x > 0, √x log x, x^2 y)")
    (result,) = run_in_node([f], [(0.0, 3.0)], tmp_path)
    assert (result["value"], result["gradient"]) == ("0", ["0", "0"])


def test_a_module_holds_no_text_that_could_run() -> None:
    f = formula("x + y")
    hostile = Formula(f.tree, f.variables, "f", '"; alert(1); //\u2028</script>')
    module = javascript_module(hostile)
    assert r"\"; alert(1); //\u2028</script>" in module
    assert module.isascii()
    assert "eval" not in module
    assert "Function" not in module


@pytest.mark.parametrize(("text", "point"), SAMPLES)
def test_the_chain_rule_gives_what_jax_gives(text: str, point: tuple[float, ...]) -> None:
    f = formula(text)
    values = dict(zip(f.variables, point, strict=True))
    exact = jax.grad(f, tuple(range(len(point))))(*point)
    for name, slope in zip(f.variables, exact, strict=True):
        own = arithmetic.compute(derivative(f.tree, name), values)
        np.testing.assert_allclose(own, slope, rtol=1e-11, atol=1e-13)
    assert math.isclose(arithmetic.compute(f.tree, values), f(*point), rel_tol=1e-12)


@pytest.mark.parametrize(
    ("text", "slope"),
    [
        ("x^3 + 2x + 1", "3*x**2 + 2"),
        ("x y/2", "y/2"),
        ("x^(1/3)", "x**(-2/3)/3"),
        ("x^(5/2)", "5*x**(3/2)/2"),
        ("e^(-x²/2)", "-e**(-x**2/2)*x"),
        ("1/x", "-1/x**2"),
        ("where(x > 0, x², 0)", "where(x > 0, 2*x, 0)"),
        ("f(x, y) = y^2", "0"),
    ],
)
def test_derivatives_are_written_simply(text: str, slope: str) -> None:
    assert typesetting.as_text(derivative(formula(text).tree, "x")) == slope


def test_sympy_gives_what_jax_gives() -> None:
    for text, point in SAMPLES:
        f = formula(text)
        expression = symbolic.to_sympy(f.tree, real=True, exact=True)
        at = {sympy.Symbol(name, real=True): sympy.Rational(x) for name, x in zip(f.variables, point, strict=True)}
        np.testing.assert_allclose(float(expression.subs(at).evalf(30)), f(*point), rtol=1e-12, err_msg=text)


def test_the_javascript_expression_stands_alone_for_simple_formulas() -> None:
    assert formula("x^3 + 2x + 1").javascript == "(Math.pow(x, 3) + (2 * x) + 1)"
    assert formula("e^x sin(y)").javascript == "(Math.exp(x) * Math.sin(y))"
    assert formula("where(x == 0, 1, sin(x)/x)").javascript == "((x === 0) ? 1 : (Math.sin(x) / x))"


def test_jax_is_given_precise_constants() -> None:
    assert formula("√2 x")(jnp.float32(1)) == jnp.float32(math.sqrt(2))
    assert formula("π x/180")(180.0) == math.pi
