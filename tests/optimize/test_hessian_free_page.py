"""The benchmark of Hessian-free optimization keeps its protocol, and the page says what it measured."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path

import pytest

NAME = "make_hessian_free"
spec = importlib.util.spec_from_file_location(NAME, Path(__file__).parents[2] / "docs" / f"{NAME}.py")
assert spec is not None
assert spec.loader is not None
page = importlib.util.module_from_spec(spec)
spec.loader.exec_module(page)
halve = importlib.import_module("benchmarks.optimize.equal_time").halve  # the page's maker knows where they are
Records = importlib.import_module("benchmarks.optimize.hessian_free_records").Records


def run(seconds: float, *, reached: bool = True) -> dict[str, object]:
    return {"seconds": seconds, "reached": reached, "steps": 10, "loss": 0.1, "marks": [[seconds, 0.1]]}


def told(**runs: list[dict[str, object]]) -> dict[str, object]:
    named = {name.replace("_", "-", 1).replace("_", ", "): dict(enumerate(of)) for name, of in runs.items()}
    return {"protocol": {"title": "A task", "target": 0.1}, "runs": named}


def test_the_measured_part_is_up_to_date():
    text = page.PAGE.read_text(encoding="utf-8")
    assert page.filled(text) == text, "run make docs"


@pytest.mark.parametrize(
    ("adam", "cells"),
    [
        ([run(4.0), run(9.0), run(6.0)], "| 2 s (kfac) | 6 s |  | 3.00 |"),
        (
            [run(8.0, reached=False), run(9.0), run(8.0, reached=False)],
            "| 2 s (kfac) | not within 9 s |  | at least 4.00 |",
        ),
    ],
    ids=["reached", "cut off"],
)
def test_a_line_of_the_table_is_of_medians_and_says_what_was_cut_off(adam: list[dict[str, object]], cells: str):
    ours = {
        "hessian_free_kfac": [run(2.0), run(3.0), run(2.0)],
        "hessian_free_none": [run(1.0), run(1.0, reached=False)],
    }
    assert page.measured({"task": told(adam=adam, **ours)}).splitlines()[-1] == f"| A task, to a loss of 0.1 {cells}"


def test_where_hessian_free_did_not_arrive_there_is_no_ratio():
    line = page.measured({"task": told(adam=[run(1.0)], hessian_free_none=[run(1.0, reached=False)])}).splitlines()[-1]
    assert line == "| A task, to a loss of 0.1 | not reached | 1 s |  |  |"


def test_halving_lets_the_best_rates_go_on_and_the_last_one_win():
    asked: list[tuple[float, int]] = []

    def measure(rate: float, steps: int) -> tuple[float, float]:
        asked.append((rate, steps))
        # Large rates look best at first; those from 8 on have reached all they ever will after 10 steps.
        return max(1.0 / rate if steps <= 10 or rate >= 8 else 1.0 / (rate * steps), 1e-3), float(steps)

    assert halve([float(rate) for rate in range(1, 12)], [(10, 5), (20, 3), (40, 1)], measure) == 7.0
    assert [len([rate for rate, steps in asked if steps == rung]) for rung in (10, 20, 40)] == [11, 5, 3]


def test_where_two_rates_reach_the_target_the_quicker_one_wins():
    assert halve([1.0, 2.0], [(10, 1)], lambda rate, steps: (0.5, 10 / rate)) == 2.0


def test_records_are_taken_up_again_and_forgotten_under_another_protocol(tmp_path: Path):
    records = Records(tmp_path / "runs.json")
    records.require("task", {"seeds": [1, 2]})
    records.keep("cases", "task", "runs", "adam", "0", found={"seconds": 1.5, "marks": [[0.1, 2.0], [0.2, None]]})
    again = Records(records.file)
    again.require("task", {"seeds": [1, 2]})
    assert again.get("cases", "task", "runs", "adam", "0", "marks") == [[0.1, 2.0], [0.2, None]]
    assert again.get("cases", "task", "runs", "adam", "1") is None
    again.require("task", {"seeds": [1, 2, 3]})
    assert again.get("cases", "task", "runs") is None
    assert [path.name for path in tmp_path.iterdir()] == ["runs.json"]
