"""`cycloid taylor` and `cycloid jacobian`: what they print, their JSON, pictures, wrong calls."""

import json

import pytest
from click.testing import CliRunner

from cycloid.cli import cycloid


def run(*words):
    return CliRunner().invoke(cycloid, list(words))


def test_taylor_prints_the_polynomial_its_bound_and_the_exact_form():
    told = run("taylor", "sin(x)", "--at", "x=0", "--order", "5", "--check")
    assert told.exit_code == 0, told.output
    assert "x - 0.1666666667*x^3 + 0.008333333333*x^5" in told.stdout
    assert "x - x**3/6 + x**5/120" in told.stdout
    assert "at most" in told.stdout
    assert "agrees" in told.stdout


def test_taylor_of_two_variables_in_json_with_a_picture(tmp_path):
    path = tmp_path / "plane.html"
    told = run(
        "taylor", "exp(x)*y", "--at", "x=0,y=1", "--order", "2", "--radius", "0.5", "--json", "--figure", str(path)
    )
    data = json.loads(told.stdout)
    assert data["error_kind"] == "bound"
    assert data["radius"] == 0.5
    assert data["polynomial"] == "1 + (y - 1) + x + x*(y - 1) + 0.5*x^2"
    assert path.stat().st_size > 1000


def test_jacobian_prints_the_map_and_the_ripple():
    told = run("jacobian", "x^2 - y^2, 2x*y", "--at", "x=1,y=2", "--dx", "x=0.1", "--check")
    assert told.exit_code == 0, told.output
    for words in ("areas grow by  20", "orientation    kept", "Ripple of x + 0.1", "4.8 %", "agrees"):
        assert words in told.stdout
    flat = run("jacobian", "x^2, y", "--at", "x=0,y=1")
    assert "lost: it flattens" in flat.stdout


def test_jacobian_in_json_with_a_picture(tmp_path):
    path = tmp_path / "map.html"
    told = run("jacobian", "r*cos(t), r*sin(t)", "--at", "r=2,t=0", "--json", "--figure", str(path))
    data = json.loads(told.stdout)
    assert data["jacobian"]["scale"] == pytest.approx(2.0)
    assert data["jacobian"]["condition"] == pytest.approx(2.0)
    assert data["ripple"] is None
    assert path.stat().st_size > 1000


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("taylor", "x*y", "--at", "x=1"), '--at "x=1,y=1"'),
        (("taylor", "sin(x", "--at", "x=0"), "column"),
        (("taylor", "log(x)", "--at", "x=0"), "NaN"),
        (("jacobian", "x*y, x", "--at", "x=1"), '--at "x=1,y=1"'),
        (("jacobian", "x*y", "--at", "x=1,y=1", "--dx", "z=1"), "inputs are x, y"),
    ],
)
def test_a_wrong_call_is_answered_in_words(words, sentence):
    told = run(*words)
    assert told.exit_code in (1, 2)
    assert sentence in told.stderr
