"""`cycloid race`: on a formula and on networks, JSON, pictures, wrong calls."""

import json

import pytest
from click.testing import CliRunner

from cycloid.cli import cycloid


def run(*words):
    return CliRunner().invoke(cycloid, list(words))


def test_a_formula_is_raced(tmp_path):
    path = tmp_path / "race.html"
    told = run("race", "x^2 + 40y^2", "--from", "x=3,y=1", "--evaluations", "60", "--figure", str(path))
    assert told.exit_code == 0, told.output
    assert all(name in told.stdout for name in ("sgd", "momentum", "adam"))
    assert "plotly" in path.read_text(encoding="utf-8").lower()


def test_networks_are_raced():
    told = run("race", "digits", "--task", "classifier", "--methods", "sgd,adam", "--learning-rate", "0.05",
               "--evaluations", "40", "--json")  # fmt: skip
    assert told.exit_code == 0, told.output
    (answer,) = json.loads(told.stdout)
    assert answer["task"] == "classifier"
    assert answer["protocol"]["baseline"] == "sgd"
    assert set(answer["protocol"]["seconds_per_evaluation"]) == {"sgd", "adam"}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["race", "x^2"], '--from "x=3,y=1"'),
        (["race", "digits", "--from", "x=1"], "takes no --from"),
        (["race", "digits", "--task", "letters"], "--task is one of"),
        (["race", "digits", "--figure", "a.html"], "a figure shows one task"),
    ],
)
def test_a_wrong_call_exits_with_2(words, sentence):
    told = run(*words)
    assert told.exit_code == 2, told.output
    assert sentence in told.stderr
