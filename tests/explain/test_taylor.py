"""Taylor polynomials: exact coefficients where they are known, found again in the complex plane."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cycloid.core.formulas import formula
from cycloid.explain import taylor
from cycloid.explain.expansions import cauchy


@pytest.mark.parametrize(
    ("text", "options", "polynomial"),
    [
        ("sin(x)", {"order": 5}, "x - x**3/6 + x**5/120"),
        ("exp(x)", {"order": 3}, "1 + x + x**2/2 + x**3/6"),
        ("cos(x)", {"order": 4}, "1 - x**2/2 + x**4/24"),
        ("ln(1+x)", {"order": 3}, "x - x**2/2 + x**3/3"),
        ("1/(1-x)", {"order": 3}, "1 + x + x**2 + x**3"),
        ("sqrt(x)", {"at": 4, "order": 2}, "2 + (x - 4)/4 - (x - 4)**2/64"),
        ("exp(x)", {"at": 1, "order": 2}, "e + e*(x - 1) + e*(x - 1)**2/2"),
        ("sin(x)/x", {"order": 4}, "1 - x**2/6 + x**4/120"),
        ("x^3 + 2x + 1", {"at": 2, "order": 3}, "13 + 14*(x - 2) + 6*(x - 2)**2 + (x - 2)**3"),
        ("exp(sin(x^2))", {"order": 6}, "1 + x**2 + x**4/2"),
        ("x", {"order": 0}, "0"),
    ],
)
def test_the_polynomials_of_textbooks(text, options, polynomial):
    found = taylor(text, **options)
    assert found.formula.text == polynomial
    assert found.status.name == "converged", found.text
    assert all(check.verdict == "agrees" for check in found.checks)


def test_the_error_falls_as_it_must():
    found = taylor("exp(x)*cos(x)", order=4)
    f, p = formula("exp(x)*cos(x)"), found.value
    for h in (0.1, 0.05):
        ratio = abs(f(h) - p(h)) / abs(f(h / 2) - p(h / 2))
        assert math.log2(ratio) == pytest.approx(5.0, abs=0.3)
    assert found.steps[-1].check.method == "order of the error"
    assert "at a distance of 0.5" in " ".join(found.notes)


def test_a_long_derivative_gives_way_to_cauchys_integral():
    found = taylor("exp(sin(x^2))*cos(x)", order=8)
    assert any("too long to write" in note for note in found.notes)
    assert [step.result for step in found.steps][-2] == formula("-851/8064", ()).tree
    assert found.status.name == "converged"


def test_where_there_is_no_series_that_is_said():
    pole = taylor("1/x", order=2)
    assert pole.status.name == "no_value"
    assert pole.formula is None
    kink = taylor("abs(x)", order=2)
    assert kink.status.name == "kink"
    assert not kink.status.ok


def test_circles_that_hold_a_pole_are_not_used():
    coefficients = cauchy(formula("1/(1-x)").tree, "x", 0.0, 5)
    np.testing.assert_allclose([c for c, _ in coefficients], np.ones(6), rtol=1e-10)
    assert all(error < 1e-9 for _, error in coefficients)
    assert cauchy(formula("1/x").tree, "x", 0.0, 2)[0][1] > 0.1
    assert cauchy(formula("abs(x)").tree, "x", 0.0, 2)[1][1] > 0.1


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: taylor("x*y", "x"), "one variable"),
        (lambda: taylor("x", order=-1), "order is a whole number"),
        (lambda: taylor("x", order=99), "order is a whole number"),
        (lambda: taylor("x", at=math.inf), "finite number"),
        (lambda: taylor("x", at="zero"), "a number"),
    ],
)
def test_bad_input_gets_a_sentence_with_a_cure(call, words):
    with pytest.raises(ValueError, match=words):
        call()
