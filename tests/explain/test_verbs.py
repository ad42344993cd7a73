"""The command, the card and the figure of an explanation."""

from __future__ import annotations

import json

import jax
import jax.numpy as jnp
import pytest
from click.testing import CliRunner

import cycloid as cy
from cycloid.cli.explaining import explain


def run(*words):
    return CliRunner().invoke(explain, list(words))


def test_the_command_ends_at_14():
    found = run("x^3+2x+1", "--at", "x=2")
    assert found.exit_code == 0
    assert "at x = 2: 3·2² + 2 = 14" in found.output


@pytest.mark.parametrize(
    ("words", "code", "shown"),
    [
        (("x^3+2x+1", "--at", "x=2", "--order", "2"), 0, "6·2 = 12"),
        (("x*exp(-x)", "--antiderivative"), 0, "integration by parts"),
        (("x^2", "--antiderivative", "--bounds", "0,pi"), 0, "10.33542556"),
        (("exp(-x)", "--antiderivative", "--bounds", "0,inf"), 0, "= 1 "),
        (("sin(x)", "--taylor", "--order", "3"), 0, "x − x³/6 + O(x⁴)"),
        (("x*y", "--wrt", "y"), 0, "d/dy [x·y]"),
        (("x^2", "--latex"), 0, r"\begin{align*}"),
        (("x^3+2x+1", "--at", "x=2", "--check"), 0, "automatic differentiation"),
        (("abs(x)", "--at", "x=0"), 1, "kink"),
        (("x^x", "--antiderivative"), 1, "I do not know an elementary antiderivative"),
        (("x*y",), 2, "choose one by --wrt x"),
        (("x^2", "--at", "y=2"), 2, '--at "x=1"'),
        (("x^", "--at", "x=2"), 2, "ends too early"),
        (("x", "--bounds", "0,1"), 2, "belongs to --antiderivative"),
        (("x", "--antiderivative", "--taylor"), 2, "choose one"),
        (("x", "--antiderivative", "--at", "x=1"), 2, "takes --bounds"),
        (("x", "--antiderivative", "--bounds", "0"), 2, "reads two numbers"),
        (("x", "--antiderivative", "--bounds", "0,y"), 2, "reads numbers"),
        (("x", "--order", "0"), 2, "--order of a derivative"),
    ],
)
def test_options_and_exit_codes(words, code, shown):
    found = run(*words)
    assert found.exit_code == code, found.output
    assert shown in found.output


def test_json_is_all_that_is_printed():
    data = json.loads(run("x^3+2x+1", "--at", "x=2", "--json").stdout)
    assert data["value"] == 14.0
    assert data["formula"] == "3*x**2 + 2"
    assert [step["rule"] for step in data["steps"][0]["steps"]] == ["power rule", "constant multiple", "constant rule"]
    assert data["checks"] == {"agrees": 6}


def test_a_page_and_a_figure_are_written(tmp_path):
    page, picture = tmp_path / "steps.html", tmp_path / "figure.html"
    found = run("x^2", "--at", "x=1", "--html", str(page), "--figure", str(picture))
    assert found.exit_code == 0, found.output
    assert page.read_text().startswith("<!doctype html>")
    assert "Content-Security-Policy" in page.read_text()
    assert picture.stat().st_size > 1000


def wave(x):
    y = x**2
    return jnp.sin(y) + x * y


def explanations():
    net = cy.learn.perceptron(2, None, (3,), key=jax.random.key(0), activation="tanh")
    batch = jnp.array([[0.0, 1.0], [1.0, 0.5]]), jnp.array([1.0, 0.0])
    return [
        cy.explain.derivative("x^3 + 2x + 1", at=2.0),
        cy.explain.antiderivative("x*exp(-x)"),
        cy.explain.antiderivative("sin(x)^2", bounds=(0, 3)),
        cy.explain.taylor("exp(x)", order=3),
        cy.explain.chain(wave, 1.5),
        cy.explain.backprop(net, batch, "mse"),
    ]


def test_each_is_checked_by_another_method_and_drawn():
    seconds = {
        "automatic differentiation (JAX)", "its antiderivative, differentiated by JAX", "tanh-sinh quadrature",
        "Taylor arithmetic (JAX)", "complex step",
        "differences",
    }  # fmt: skip
    for found in explanations():
        card = cy.check(found)
        assert card.verdict == "agrees", str(card)
        assert card.second_method in seconds
        assert card.further[-1].claim.endswith("steps hold") or "steps holds" in card.further[-1].claim
        figure = cy.figure(found)
        assert len(figure.data) >= 2
        assert figure.layout.title.text


def test_a_wrong_result_is_refused_by_the_card():
    import equinox as eqx

    found = cy.explain.derivative("x^3 + 2x + 1", at=2.0)
    wrong = eqx.tree_at(lambda d: d.formula, found, cy.formula("3*x^2 + 3"), is_leaf=lambda x: x is found.formula)
    assert cy.check(wrong.asked(found.question)).verdict == "disagrees"


def test_a_formula_of_two_variables_has_no_curve():
    with pytest.raises(ValueError, match="a figure shows a formula of one"):
        cy.figure(cy.explain.derivative("x^2*y", "y"))
