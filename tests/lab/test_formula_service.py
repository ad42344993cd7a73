"""Formulas on their way to the browser: read, typeset, printed as a module; or refused with the place of the fault."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from cycloid.core.formulas import formula
from cycloid.lab import create_app
from cycloid.lab.mathml import equation, partial_equation
from lab.clients import TestClient
from lab.fakes import StoryTeller


@pytest.fixture(scope="module")
def client():
    with TestClient(create_app(trainer=StoryTeller()), base_url="http://127.0.0.1") as client:
        yield client


def ask(client, text):
    return client.get("/api/formula", params={"text": text})


def words(elements):
    """The text of MathML elements, without invisible operators."""
    text = "".join("".join(ET.fromstring(element).itertext()) for element in elements)
    return text.replace("\u2061", "").replace("\u2062", "")


def test_a_formula_is_described(client):
    answer = ask(client, "R(x, y) = x*y*(3 - x - y)").json()
    assert (answer["name"], answer["variables"]) == ("R", ["x", "y"])
    assert words(answer["mathml"]) == "R(x,y)=xy(3−x−y)"
    assert [words(one)[:6] for one in answer["partials"]] == ["∂R∂x=y", "∂R∂y=x"]


def test_one_variable_has_a_derivative_not_a_partial_one(client):
    (slope,) = ask(client, "x^3 + 2x + 1").json()["partials"]
    assert words(slope) == "dfdx=3x2+2"


@pytest.mark.parametrize(
    ("text", "column", "part"),
    [("x +* 2", 3, "number"), ("sin(x", 3, "clos"), ("2 $ x", 2, "$"), ("", None, ""), ("siin(x)", 0, "sin")],
)
def test_a_fault_is_shown_at_its_place(client, text, column, part):
    answer = ask(client, text)
    trouble = answer.json()
    assert answer.status_code == 422
    assert trouble["message"].endswith(".")
    assert part in f"{trouble['message']} {trouble['hint']}"
    assert column is None or trouble["column"] == column


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "x; alert(1)",
        "</script><script>alert(1)</script>",
        "x => x",
        "constructor.constructor('return 1')()",
        "import('x')",
        "`${x}`",
        "9**9**9**9",
        "x" * 5000,
    ],
)
def test_no_module_is_made_of_what_is_no_formula(client, text):
    answer = client.get("/formula.js", params={"text": text})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/json"


def test_the_module_is_javascript(client):
    answer = client.get("/formula.js", params={"text": "x^2 + y"})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/javascript")
    for name in ("variables", "f", "gradient"):
        assert f" {name}" in answer.text


TYPESET = [
    ("x^2", "f(x)=x2"),
    ("(x+1)^2", "f(x)=(x+1)2"),
    ("-x^2", "f(x)=−x2"),
    ("(-x)^2", "f(x)=(−x)2"),
    ("x - (y - 1)", "f(x,y)=x−(y−1)"),
    ("2*3*x", "f(x)=2·3x"),
    ("x/(y+1)", "f(x,y)=xy+1"),
    ("exp(-x)", "f(x)=e−x"),
    ("sqrt(x+1)", "f(x)=x+1"),
    ("|x|", "f(x)=|x|"),
    ("asin(x)", "f(x)=arcsin(x)"),
    ("where(x > 0, x, 0)", "f(x)={xif\u00a0x>00otherwise"),
    ("max(x, y)", "f(x,y)=max(x,y)"),
    ("alpha*x_1", "f(α,x1)=αx1"),
    ("pi*x", "f(x)=πx"),
    ("1e-9*x", "f(x)=1×10−9x"),
]


@pytest.mark.parametrize(("text", "shown"), TYPESET, ids=[text for text, _ in TYPESET])
def test_formulas_are_typeset(text, shown):
    f = formula(text)
    assert words(equation(f.name, f.variables, f.tree)) == shown


def test_a_sum_is_cut_between_its_terms_so_that_it_can_wrap():
    f = formula("x^2 + y^2 - x*y + 1")
    parts = [words([element]) for element in equation("f", f.variables, f.tree)]
    assert parts == ["f(x,y)=x2", "+y2", "−xy", "+1"]


def test_markup_in_names_is_impossible_and_escaped_anyway():
    f = formula("where(x < 1 and x >= 0, 1, 2)")
    elements = partial_equation("f<b>", "x", f.tree, only=True)
    assert "<b>" not in "".join(elements)
    assert "≥" in words(elements)
