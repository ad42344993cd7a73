"""`cycloid fit-curve`: what it prints, its JSON, and its sentences for bad input."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from cycloid.cli import cycloid

ROWS = "t,level,n\n0,5.1,1\n1,3.0,1\n2,1.9,1\n3,1.05,2\n4,0.7,2\n,9,1\n"


@pytest.fixture
def sheet(tmp_path):
    path = tmp_path / "decay.csv"
    path.write_text(ROWS)
    return str(path)


def run(*arguments):
    return CliRunner().invoke(cycloid, ["fit-curve", *arguments])


def test_json_check_and_figure(sheet, tmp_path):
    picture = tmp_path / "fit.html"
    got = run(
        sheet, "--model", "a*exp(-b*t)", "--y", "level", "--json", "--check", "--figure", str(picture), "--seed", "1"
    )
    assert got.exit_code == 0, got.output
    data = json.loads(got.stdout)
    assert [row["name"] for row in data["parameters"]] == ["a", "b"]
    assert data["parameters"][0]["value"] == pytest.approx(5.084404525504053, rel=1e-9)
    assert data["parameters"][1]["standard_error"] == pytest.approx(0.011492255884556579, rel=1e-6)
    assert data["card"]["verdict"] in ("agrees", "disagrees")
    assert picture.stat().st_size > 10_000


def test_the_text_names_what_was_left_out(sheet):
    got = run(sheet, "--model", "level = a*exp(-b*x)", "--x", "t", "--start", "a=1,b=0.1", "--weights", "n")
    assert got.exit_code == 0, got.output
    assert "1 row(s) with an empty cell are left out, the first in line 7" in got.output
    assert "degrees of freedom  3" in got.output


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (["--model", "a*exp(-b*u)"], "none of the variables", 2),
        (["--model", "a*t"], "Say --y COLUMN", 2),
        (["--model", "a*t", "--y", "levle"], "Did you mean 'level'?", 2),
        (["--model", "a*t", "--y", "level", "--start", "c=1"], "start= lacks a", 2),
        (["--model", "a*t + b*t", "--y", "level"], "Not told apart: a, b.", 1),
        (["--model", "a+b*t+c*t^2+d*t^3+h*t^4+k*t^5", "--y", "level"], "cannot fix 6 parameters", 2),
        (["--model", "a*sine(t)", "--y", "level"], "did you mean sin?", 2),
    ],
)
def test_bad_input_gets_a_sentence(sheet, arguments, message, code):
    got = run(sheet, *arguments)
    assert message in got.output
    assert got.exit_code == code
