"""`cycloid race`: on a formula and on networks, JSON, pictures, wrong calls."""

import json

import pytest
from click.testing import CliRunner

from cycloid.cli import cycloid


def run(*words):
    return CliRunner().invoke(cycloid, list(words))


def test_a_formula_is_raced(tmp_path):
    path = tmp_path / "race.html"
    told = run("race", "x^2 + 40y^2", "--from", "x=3,y=1", "--evaluations", "60", "--figure", str(path),
               "--view", "time")  # fmt: skip
    assert told.exit_code == 0, told.output
    assert all(name in told.stdout for name in ("sgd", "momentum", "adam"))
    assert "plotly" in path.read_text(encoding="utf-8").lower()


@pytest.mark.slow
def test_networks_are_raced():
    told = run("race", "digits", "--task", "classifier", "--methods", "sgd,adam", "--learning-rate", "0.05",
               "--evaluations", "40", "--json")  # fmt: skip
    assert told.exit_code == 0, told.output
    (answer,) = json.loads(told.stdout)
    assert answer["task"] == "classifier"
    assert answer["protocol"]["baseline"] == "sgd"
    assert set(answer["protocol"]["seconds_per_evaluation"]) == {"sgd", "adam"}


def test_the_table_of_a_contest_tells_who_never_arrived():
    from cycloid.cli.races import protocol, rows, summary
    from cycloid.optimize import milestones

    found = milestones("x^2 + 100y^2", [1.0, 1.0], targets=[1.0, 1e-4], evaluations=150, learning_rates=[0.003, 0.3],
                       methods=["gradient-descent", "momentum", "adam"], timed=True)  # fmt: skip
    columns, lines = rows(found)
    assert columns[-2:] == ["times fewer than gradient-descent", "times fewer than momentum"]
    assert [line[-2:] for line in lines if line[1] == "gradient-descent"] == [["", ""]] * 2
    assert lines[4][:2] == ["0.0001", "momentum"]
    assert lines[4][-2] == "that never arrived"
    assert "on the start itself" in protocol(found)
    assert "in 1 more gradient-descent never arrives." in summary([found])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["race", "x^2"], '--from "x=3,y=1"'),
        (["race", "digits", "--from", "x=1"], "takes no --from"),
        (["race", "digits", "--task", "letters"], "--task is one of"),
        (["race", "digits", "--figure", "a.html"], "a figure shows one task"),
        (["race", "digits", "--view", "terrain"], "two variables"),
    ],
)
def test_a_wrong_call_exits_with_2(words, sentence):
    told = run(*words)
    assert told.exit_code == 2, told.output
    assert sentence in told.stderr
