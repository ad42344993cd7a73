"""What people type has the value they mean, or is answered with its column and a cure; hostile text is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.special as special

from cycloid.core.formulas import FormulaError, formula

E, PI = math.e, math.pi

# What is typed, where it is computed, and its value by Python's own arithmetic.
ACCEPTED = [
    ("x^2", {"x": 3.0}, 9.0),
    ("x**2", {"x": 3.0}, 9.0),
    ("x²", {"x": 3.0}, 9.0),
    ("x³ − x⁻¹", {"x": 2.0}, 7.5),
    ("x¹⁰", {"x": 1.5}, 1.5**10),
    ("2x", {"x": 3.0}, 6.0),
    ("2x y", {"x": 3.0, "y": 5.0}, 30.0),
    ("2(x+1)", {"x": 3.0}, 8.0),
    ("(x+1)(x-1)", {"x": 3.0}, 8.0),
    ("x(x+1)", {"x": 3.0}, 12.0),
    ("(x+1)x", {"x": 3.0}, 12.0),
    ("x^2y", {"x": 3.0, "y": 2.0}, 18.0),
    ("-x^2", {"x": 3.0}, -9.0),
    ("(-x)^2", {"x": 3.0}, 9.0),
    ("2^-x", {"x": 3.0}, 0.125),
    ("2^3^x", {"x": 2.0}, 512.0),
    ("x--x", {"x": 3.0}, 6.0),
    ("-+-x", {"x": 3.0}, 3.0),
    ("6/2/3", {}, 1.0),
    ("1/2 x", {"x": 3.0}, 1.5),
    ("½x²", {"x": 3.0}, 4.5),
    ("x%3", {"x": -1.0}, 2.0),
    ("2×x·x ÷ 4", {"x": 3.0}, 4.5),
    ("x − 1", {"x": 3.0}, 2.0),
    (".5x + 1. + 1e-3 + 2E2", {"x": 1.0}, 201.501),
    ("sin x", {"x": 0.7}, math.sin(0.7)),
    ("sin(x)", {"x": 0.7}, math.sin(0.7)),
    ("sin 2x", {"x": 0.7}, math.sin(1.4)),
    ("sin 2πx", {"x": 0.7}, math.sin(2 * PI * 0.7)),
    ("sin -x", {"x": 0.7}, -math.sin(0.7)),
    ("sin^2 x", {"x": 0.7}, math.sin(0.7) ** 2),
    ("sin²(x) + cos² x", {"x": 0.7}, 1.0),
    ("sin x^2", {"x": 0.7}, math.sin(0.49)),
    ("sin x cos x", {"x": 0.7}, math.sin(0.7) * math.cos(0.7)),
    ("sin(x)cos(x)", {"x": 0.7}, math.sin(0.7) * math.cos(0.7)),
    ("sin x / x", {"x": 0.7}, math.sin(0.7) / 0.7),
    ("x sin x + 1", {"x": 0.7}, 0.7 * math.sin(0.7) + 1),
    ("ln sin x", {"x": 0.7}, math.log(math.sin(0.7))),
    ("sinθ", {"theta": 0.7}, math.sin(0.7)),
    ("exp -x", {"x": 0.7}, math.exp(-0.7)),
    ("e^x", {"x": 0.7}, math.exp(0.7)),
    ("e^(-x²/2)/√(2π)", {"x": 0.7}, math.exp(-0.245) / math.sqrt(2 * PI)),
    ("pi + π + τ + tau + e", {}, 6 * PI + E),
    ("|x|", {"x": -3.0}, 3.0),
    ("||x|-5|", {"x": -3.0}, 2.0),
    ("|x||y|", {"x": -3.0, "y": -2.0}, 6.0),
    ("2|x|+|y-1|", {"x": -3.0, "y": -2.0}, 9.0),
    ("|x|^2", {"x": -3.0}, 9.0),
    ("sin|x|", {"x": -3.0}, math.sin(3)),
    ("|sin |x||", {"x": -4.0}, abs(math.sin(4))),
    ("√x", {"x": 9.0}, 3.0),
    ("√(x+1)", {"x": 8.0}, 3.0),
    ("√2 x", {"x": 3.0}, 3 * math.sqrt(2)),
    ("sin 2 π ωt", {"omega": 0.2, "t": 0.5}, math.sin(0.2 * PI)),
    ("e^-x y", {"x": 0.7, "y": 2.0}, 2 * math.exp(-0.7)),
    ("x^2/3", {"x": 3.0}, 3.0),
    ("√√x + ∛y", {"x": 16.0, "y": -8.0}, 0.0),
    ("√sin x", {"x": 0.7}, math.sqrt(math.sin(0.7))),
    ("sin √x", {"x": 0.7}, math.sin(math.sqrt(0.7))),
    ("x!", {"x": 4.0}, 24.0),
    ("(x+1)! / 3!", {"x": 3.0}, 4.0),
    ("exp(x) + log(x) + ln(x)", {"x": 2.0}, math.exp(2) + 2 * math.log(2)),
    ("log2(x) + log₂(x) + log_2 x + log(x, 2)", {"x": 8.0}, 12.0),
    ("log10(x) + lg x", {"x": 100.0}, 4.0),
    ("sqrt(x) + cbrt(-x)", {"x": 64.0}, 4.0),
    ("tan x + cot x + sec x + csc x", {"x": 1.0}, math.tan(1) + 1 / math.tan(1) + 1 / math.cos(1) + 1 / math.sin(1)),
    ("asin x + acos x + atan x", {"x": 0.3}, PI / 2 + math.atan(0.3)),
    ("arcsin x + arccos x + arctan x", {"x": 0.3}, PI / 2 + math.atan(0.3)),
    ("sinh x + cosh x + tanh x", {"x": 0.3}, math.exp(0.3) + math.tanh(0.3)),
    ("asinh x + acosh(x+1) + atanh x", {"x": 0.3}, math.asinh(0.3) + math.acosh(1.3) + math.atanh(0.3)),
    ("abs(x) + sign(x) + sgn x", {"x": -3.0}, 1.0),
    ("floor(x) + ceil(x)", {"x": -1.5}, -3.0),
    ("max(x, y) + min(x, y, 0)", {"x": 1.0, "y": 2.0}, 2.0),
    ("mod(x, 3) + pow(x, 2)", {"x": 4.0}, 17.0),
    ("erf(x) + erfc(x)", {"x": 0.4}, 1.0),
    ("erf x", {"x": 0.4}, math.erf(0.4)),
    ("gamma(x) + factorial(x)", {"x": 4.5}, math.gamma(4.5) + math.gamma(5.5)),
    ("lgamma(x)", {"x": 30.5}, math.lgamma(30.5)),
    ("digamma(x) + polygamma(1, x)", {"x": 2.5}, float(special.digamma(2.5) + special.polygamma(1, 2.5))),
    ("sigmoid(x)", {"x": 0.4}, 1 / (1 + math.exp(-0.4))),
    ("relu(x) + relu(-x)", {"x": -3.0}, 3.0),
    ("softplus x", {"x": 0.4}, math.log1p(math.exp(0.4))),
    ("atan2(y, x)", {"x": -1.0, "y": 1.0}, 3 * PI / 4),
    ("heaviside(x) + heaviside(0)", {"x": 2.0}, 1.5),
    ("where(x > 0, x, -2x)", {"x": -3.0}, 6.0),
    ("where(0 ≤ x < 1, 1, 0)", {"x": 0.0}, 1.0),
    ("where(0 ≤ x and x < 1 or x == 5, 1, 0)", {"x": 5.0}, 1.0),
    ("where(not x >= 1 ∧ x ≠ 0, 1, 0)", {"x": 0.5}, 1.0),
    ("where(x < 1 && x > 0, 1, 0)", {"x": 2.0}, 0.0),
    ("x_1 + x₂ + x3", {"x_1": 1.0, "x_2": 2.0, "x3": 4.0}, 7.0),
    ("θ² + λ + γ + µ", {"theta": 2.0, "lam": 1.0, "gamma": 3.0, "mu": 5.0}, 13.0),
    ("reach * depth - cost", {"reach": 2.0, "depth": 3.0, "cost": 1.0}, 5.0),
    ("f(x, y) = x - y", {"x": 5.0, "y": 3.0}, 2.0),
    ("y = x³ + 2x + 1", {"x": 2.0}, 13.0),
    ("f(e) = e^2", {"e": 3.0}, 9.0),
    ("f(gamma) = gamma^2", {"gamma": 3.0}, 9.0),
    ("  x\t+\n1 ", {"x": 3.0}, 4.0),
    ("0^0 + x^0", {"x": 0.0}, 2.0),
]


@pytest.mark.parametrize(("text", "at", "value"), ACCEPTED)
def test_what_people_type_has_the_value_they_mean(text: str, at: dict[str, float], value: float) -> None:
    f = formula(text)
    assert set(f.variables) == set(at)
    np.testing.assert_allclose(float(f(**at)), value, rtol=2e-14, atol=2e-15)


# What is typed, the column of the complaint, and words that the answer holds.
REFUSED = [
    ("2*sine(x)", 3, "unknown function 'sine' at column 3: did you mean sin?"),
    ("x + sine x", 5, "did you mean sin?"),
    ("sqr(x)", 1, "did you mean sqrt?"),
    ("x + foo(x)", 5, "write foo*(...) for a product"),
    ("g(x)", 1, "unknown function 'g'"),
    ("sinx", 1, "write sin(x)"),
    ("x^2 + xy", 7, "write x*y"),
    ("a + b + ab", 9, "write a*b"),
    ("f(x, y) = xy", 11, "write x*y"),
    ("f(x) = x + z", 12, "the variables are x"),
    ("f(rate) = rat^2", 11, "did you mean rate?"),
    ("f(x) = f(x)", 8, "unknown function 'f'"),
    ("y = y + 1", 5, "stands on both sides"),
    ("f(x, x) = 1", 6, "given twice"),
    ("sin(x) = 2", 1, "has a meaning already"),
    ("f(lambda) = 2", 3, "cannot be a variable"),
    ("(x+1", 1, "no ')' closes this '('"),
    ("x+1)", 4, "no '(' is open"),
    ("(|x)|", 4, "brackets do not match"),
    ("|x", 1, "bars do not match"),
    ("|2|x|+1|", 5, "the bars can be read in two ways"),
    ("x > 0 || x < 1", 8, "write 'or'"),
    ("2 3", 3, "use * between"),
    ("x 2", 3, "use * between"),
    ("(x)2", 4, "use * between"),
    ("1.2.3", 4, "use * between"),
    ("x +", 4, "ends too early"),
    ("* x", 1, "nothing stands before '*'"),
    ("x + × 2", 5, "nothing stands before '×'"),
    ("()", 1, "nothing between the brackets"),
    ("sin()", 4, "nothing between the brackets"),
    ("sin", 4, "sin needs an argument"),
    ("sin + 1", 5, "sin needs an argument"),
    ("max", 4, "max needs an argument"),
    ("max x", 5, "needs its arguments in brackets"),
    ("max(x,)", 7, "an argument is missing"),
    ("max(,x)", 5, "an argument is missing"),
    ("atan2(x)", 1, "takes 2 arguments and has 1"),
    ("where(x > 0, 1)", 1, "write where(x > 0, x, 0)"),
    ("sin(x, y)", 1, "takes 1 argument and has 2"),
    ("log(1, 2, 3)", 1, "takes 1 or 2 arguments"),
    ("(1, 2)", 3, "a comma is not expected"),
    ("1,5 x", 2, "a comma is not expected"),
    ("polygamma(x, 2)", 1, "must be a whole number"),
    ("e^2x", 4, "put the exponent in brackets"),
    ("2^-3x", 5, "put the exponent in brackets"),
    ("x^1/2", 4, "write x^(1/2), or x/2"),
    ("√2x", 3, "write √(...) around"),
    ("1/2x", 4, "write a/(b*c) or (a/b)*c"),
    ("sin x y", 7, "write sin(...) around its argument"),
    ("np.exp(x)", 1, "write exp(x) for np.exp(x)"),
    ("x > 0 ? 1 : 0", 7, "write where"),
    ("1 if x > 0 else 0", 3, "write where"),
    ("log_3(x)", 1, "did you mean log(x, 3)?"),
    ("1/x y", 5, "write a/(b*c) or (a/b)*c"),
    ("1/(x+1)(x-1)", 8, "write a/(b*c) or (a/b)*c"),
    ("sin x/2", 6, "write sin(...) around its argument"),
    ("sin 2*x", 6, "write sin(...) around its argument"),
    ("sin x (x+1)", 7, "write sin(...) around its argument"),
    ("sin^-1 x", 4, "write asin(x) for the inverse"),
    ("sin⁻¹ x", 4, "write asin(x) for the inverse"),
    ("sin^ + x", 5, "the exponent is missing"),
    ("√x²", 3, "two ways"),
    ("√x^2", 3, "two ways"),
    ("√", 2, "needs something under it"),
    ("x²^3", 3, "write (x²)^3 or x^(2^3)"),
    ("x!!", 3, "raised behind each other"),
    ("²x", 1, "nothing to raise"),
    ("x > 0", 1, "write where(x > 0, 1, 0)"),
    ("1 + (x < 1)", 1, "a condition stands where a number is needed"),
    ("sin(x < 1)", 5, "a condition stands where a number is needed"),
    ("where(x, 1, 2)", 7, "a number stands where a condition is needed"),
    ("x and y", 1, "a number stands where a condition is needed"),
    ("where(not x, 1, 2)", 11, "a number stands where a condition is needed"),
    ("x not y", 3, "'not' is not expected"),
    ("where(x = 0, 1, 2)", 9, "compare by =="),
    ("x = 3 = y", 7, "compare by =="),
    ("", 1, "the formula is empty"),
    ("f(x) =", 7, "the formula is empty"),
    ("x.y", 2, "a dot belongs inside a number"),
    ("x[0]", 2, "use round brackets"),
    ("{x}", 1, "use round brackets"),
    ("x & y", 3, "write 'and'"),
    ("x // 2", 3, "write floor(a/b)"),
    ("x; y", 2, "separate arguments by a comma"),
    ("x° ", 2, "angles are in radians"),
    ("∫ x", 1, "integrate it"),
    ("f'(x)", 2, "differentiate it"),
    ("\\sin x", 1, "without a backslash"),
    ("∞", 1, "finite numbers"),
    ("inf + x", 1, "not a finite number"),
    ("𝑥", 1, "did you mean x?"),
    ("ｘ", 1, "did you mean x?"),
    ("1_000", 2, "write 1000"),
    ("0x10", 1, "only decimal numbers"),
    ("1e999", 1, "the number is too large"),
    ("1e-999", 1, "too small to differ from 0"),
    ("x + 1234567890123456", 5, "more than 15 digits"),
    ("1/0", 1, "divides by zero"),
    ("2 + x/(1-1)", 5, "divides by zero"),
    ("x % 0", 1, "divides by zero"),
    ("log(x, 1)", 1, "divides by zero"),
    ("x + sqrt(-1)", 5, "not a real number"),
    ("log(0)", 1, "not a real number"),
    ("2 + exp(1000)", 5, "too large or too small"),
    ("x^65", 1, "the exponent 65 is larger than 64"),
    ("(x^8 y)^8", 1, "the total degree 72 is larger than 64"),
    ("x + 1 lambda", 7, "write λ or lam"),
    ("import", 1, "a word of the Python language"),
    ("_x", 1, "underscore at its edge"),
    ("x + " + "a" * 40, 5, "more than 32 characters"),
]


@pytest.mark.parametrize(("text", "column", "words"), REFUSED)
def test_what_cannot_be_read_is_answered_with_the_column_and_a_cure(text: str, column: int, words: str) -> None:
    with pytest.raises(FormulaError) as caught:
        formula(text)
    error = caught.value
    assert error.column == column
    assert words in str(error)
    assert error.text == text
    sentence, shown, caret = str(error).split("\n")
    assert f"at column {column}" in sentence
    assert shown[4:] == "".join(c if c.isprintable() else "�" for c in text)
    assert caret == " " * (3 + column) + "^"


def test_the_caret_stays_in_sight_in_a_long_formula() -> None:
    with pytest.raises(FormulaError) as caught:
        formula("x + " * 40 + "§")
    _, shown, caret = str(caught.value).split("\n")
    assert shown[caret.index("^")] == "§"
    assert len(shown) < 90


# Text that has been used to run code, to exhaust time or memory, or to hide what it says.
HOSTILE = [
    "__import__('os').system('touch broken')",
    "__import__",
    "().__class__.__bases__[0].__subclasses__()",
    "x.__class__",
    "getattr(x, 'y')",
    "eval('1')",
    "exec(x)",
    "open(x)",
    "globals()",
    "lambda: 1",
    "(lambda x: x)(1)",
    "[x for x in y]",
    "{x: 1}",
    "f'{x}'",
    "'a' * 10",
    "b'a'",
    "x := 3",
    "(x := 3)",
    "x if y else z",
    "await x",
    "yield x",
    "*x",
    "**x",
    "max(*x)",
    "max(x, key=y)",
    "sin(x=1)",
    "x; import os",
    "x\\\n+1",
    "# x",
    "x # comment",
    "...",
    "x @ y",
    "~x",
    "x << 100000",
    "1j.real",
    "9**9**9**9",
    "9^9^9^9",
    "(9^9)^(9^9)",
    "2^(10^9)",
    "(1/2)^(10^9)",
    "(1000001/1000000)^100000000",
    "((1.000001^1000)^1000)^1000000",
    "factorial(10**7)",
    "10000000!",
    "3!!!!!",
    "gamma(10**6)",
    "exp(exp(exp(10)))",
    "1e308*10",
    "((x^8)^8)^8",
    "((x^2)^-8)^8",
    "x^1e300",
    "x^(9^99)",
    "(" * 24 + "(x" + ")" * 25,
    "|" * 60 + "x" + "|" * 60,
    "(" * 10**6,
    ")" * 10**6,
    "x+" * 10**6,
    "-" * 199,
    "√" * 199,
    "sin " * 49,
    "x^" * 99 + "x",
    "x\x00",
    "\x00",
    "x\u200by",  # zero width space
    "x\u200d",  # zero width joiner
    "\u202ex+1",  # right-to-left override
    "x\ufeff",  # byte order mark
    "\ud800",  # half a surrogate pair
    "ｅｖａｌ(x)",  # full width letters, which Python reads as plain ones
    "ﬁ",  # a ligature, which Python reads as two letters
    "x²³⁴⁵⁶⁷⁸⁹¹²",
    "１+x",
    "٣+x",  # a digit that int() would take
    "x⁺",
    "Ⅷ",
    "𝟏",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_is_refused_with_a_sentence(text: str, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FormulaError) as caught:
        formula(text)
    assert len(str(caught.value)) < 400
    assert not list(tmp_path.iterdir())
