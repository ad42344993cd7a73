"""Milestones: counts to targets, rates tuned for each, ratios seed by seed; the digits' tasks; sharing the members."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cycloid as cy
from cycloid.optimize import Milestones, milestones, sweep
from cycloid.optimize.goals import ratios
from cycloid.problems.digit_networks import TASKS

KEY = jax.random.key(3)
VALLEY = "x^2 + 100y^2"


@pytest.fixture(scope="module")
def valley():
    return milestones(
        VALLEY, [1.0, 1.0], targets=[1.0, 1e-4], methods=["gradient-descent", "momentum"], evaluations=1000, key=KEY,
        timed=True,
    )  # fmt: skip


def test_counts_are_those_of_the_curves(valley):
    for name, runs in valley.runs.items():
        first = [int(np.argmax(curve <= 1e-4)) for curve in runs]
        assert valley.counts[name][1].tolist() == first
    assert set(valley.value["target"]) == {1.0, 1e-4}
    assert len(valley.value["method"]) == 4
    assert all(line >= 1 for line in valley.value["evaluations"])


def test_the_baseline_is_itself_and_momentum_gains_more_on_the_harder_target(valley):
    table = valley.to_pandas().set_index(["target", "method"])
    assert table.loc[(1.0, "gradient-descent"), "times"] == 1.0
    assert table.loc[(1e-4, "momentum"), "times"] > 1.5
    assert all(table.low <= table.times)
    assert all(table.times <= table.high)


def test_the_ratios_to_another_baseline(valley):
    table = valley.against("momentum")
    again = dict(zip(zip(table["target"], table["method"]), table["times"]))
    assert again[1e-4, "momentum"] == 1.0
    expected = np.median(valley.counts["momentum"][1] / valley.counts["gradient-descent"][1])
    assert again[1e-4, "gradient-descent"] == expected < 1
    assert table["learning_rate"] == valley.value["learning_rate"]
    assert valley.against("gradient-descent") == valley.value
    with pytest.raises(ValueError, match="baseline="):
        valley.against("adam")


def test_times_are_measured_where_asked(valley):
    assert set(valley.protocol["seconds_per_evaluation"]) == {"gradient-descent", "momentum"}
    assert all(pace > 0 for pace in valley.protocol["seconds_per_evaluation"].values())


def test_checked_by_a_python_loop(valley):
    assert cy.check(valley).agrees


def test_saved_and_loaded(valley, tmp_path):
    valley.save(tmp_path / "goals.cy")
    again = Milestones.load(tmp_path / "goals.cy")
    assert again.value == valley.value


def test_ratios_with_runs_that_never_arrived():
    inf = float("inf")
    got = ratios(np.array([10.0, inf, 10.0, inf]), np.array([5.0, 5.0, inf, inf]))
    np.testing.assert_array_equal(got, [2.0, inf, 0.0, np.nan])


@pytest.mark.parametrize(
    ("targets", "words"), [([], "such as"), ([float("nan")], "such as")]
)  # fmt: skip
def test_wrong_targets(targets, words):
    with pytest.raises(ValueError, match=words):
        milestones(VALLEY, [1.0, 1.0], targets=targets)


@pytest.mark.parametrize("name", TASKS)
def test_the_tasks_start_where_chance_would_and_fall(name):
    task = TASKS[name]
    f, score = task.on_batches(batch=32)
    assert task.on_batches(batch=32)[0] is f
    start = task.start(KEY)
    assert [w.shape for w, _ in start] == list(zip(task.sizes[:-1], task.sizes[1:]))
    before = float(score(start))
    gradient = jax.grad(f)(start, KEY)
    after = float(score(jax.tree.map(lambda w, g: w - 1e-3 * g, start, gradient)))
    assert after < before
    assert before > task.targets[0]


@pytest.mark.slow
def test_stochastic_milestones_are_counted_again():
    task = TASKS["classifier"]._replace(sizes=(64, 10))
    f, score = task.on_batches(batch=32)
    found = milestones(f, task.start, targets=[1.0, 0.6], methods=["sgd", "adam"], learning_rates=[0.1, 1.0],
                       evaluations=100, key=KEY, score=score, every=5, seeds=3)  # fmt: skip
    assert np.isfinite(found.value["evaluations"]).all()
    assert cy.check(found).agrees


PROGRAM = """
    import sys
    import cycloid as cy
    there = cy.enable_all_cores(int(sys.argv[1]))
    import jax, numpy as np
    from cycloid.problems.digit_networks import TASKS
    assert jax.device_count() == there == int(sys.argv[1])
    task = TASKS["classifier"]._replace(sizes=(64, 8, 10))
    f, score = task.on_batches(batch=16)
    found = cy.optimize.sweep(f, task.start, method="adam", learning_rates=[1e-3, 1e-2, 1e-1], evaluations=20,
                              key=jax.random.key(0), seeds=3, score=score, every=5)
    print(found.protocol["ran"])
    print(np.stack(list(found.runs.values())).tobytes().hex())
"""


@pytest.mark.slow
def test_the_devices_share_the_runs_and_change_no_bit(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(PROGRAM))
    answers = []
    for count in ("1", "2"):
        done = subprocess.run([sys.executable, str(program), count], env={**os.environ, "JAX_PLATFORMS": "cpu"},
                              capture_output=True, text=True, timeout=400, check=False)  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        answers.append(done.stdout.splitlines())
    assert answers[0][0] == "one after another in one program"
    assert answers[1][0] == "one after another on each of 2 devices"
    assert answers[0][1] == answers[1][1]


def test_small_problems_are_batched():
    found = sweep(VALLEY, [1.0, 1.0], method="adam", learning_rates=[0.1], evaluations=5)
    assert found.protocol["ran"] == "all at once in one batch (vmap)"


def test_devices_are_not_changed_once_jax_has_started():
    jnp.zeros(1)
    with pytest.raises(RuntimeError, match="before the first array"):
        cy.enable_all_cores(jax.device_count() + 1)
    with pytest.raises(ValueError, match="at least 1"):
        cy.enable_all_cores(0)
