"""`cycloid critical-points` and `cycloid sensitivity`: what they print, their JSON, pictures, wrong calls."""

import json

import pytest
from click.testing import CliRunner

from cycloid.cli import cycloid


def run(*words):
    return CliRunner().invoke(cycloid, list(words))


def test_critical_points_are_listed_and_proven(tmp_path):
    path = tmp_path / "map.html"
    told = run("critical-points", "x^4+y^4-4*x*y", "--box", "x=-2..2,y=-2..2", "--check", "--figure", str(path))
    assert told.exit_code == 0, told.output
    assert "2 minima, 1 saddle" in told.stdout
    assert "Proven: these are all of them." in told.stdout
    assert "agrees" in told.stdout
    assert "plotly" in path.read_text(encoding="utf-8").lower()


def test_critical_points_under_a_constraint_in_json():
    told = run("critical-points", "x*y", "--box", "x=0..4,y=0..4", "--constraint", "x + y = 2", "--json", "--seed", "3")
    data = json.loads(told.stdout)
    assert told.exit_code == 0
    assert data["points"] == [pytest.approx([1.0, 1.0])]
    assert data["multiplier"] == pytest.approx([1.0])
    assert data["kind"] == ["maximum"]


def test_sensitivity_tells_slopes_and_shares():
    told = run(
        "sensitivity", "sleep*nutrition", "--at", "sleep=7,nutrition=0.8", "--within", "20%", "--check", "--json"
    )
    data = json.loads(told.stdout)
    assert told.exit_code == 0
    assert data["output"] == pytest.approx(5.6)
    assert data["card"]["verdict"] == "agrees"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["critical-points", "x*y", "--box", "x=-2..2"], "y="),
        (["critical-points", "x*y", "--box", "x=2..-2,y=0..1"], "lower < upper"),
        (["sensitivity", "a*b", "--at", "a=1"], "b"),
        (["sensitivity", "a*b", "--at", "a=1,b=2", "--within", "much"], "much"),
    ],
)
def test_a_wrong_call_exits_with_2(words, sentence):
    told = run(*words)
    assert told.exit_code == 2, told.output
    assert sentence in told.stderr
    assert "Traceback" not in told.stderr
