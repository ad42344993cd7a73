"""Races and sweeps: equal budgets, honest tuning, the same answer for the same key, known rankings, no crash."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cycloid as cy
from cycloid.optimize import METHODS, Adam, GradientDescent, Race, from_optax, race, sweep
from cycloid.optimize.contestants import GRID
from cycloid.optimize.standings import (
    best_rate,
    by_evaluation,
    distinctions,
    first_at_or_below,
    median,
    median_interval,
)

KEY = jax.random.key(7)
NARROW = "x^2 + 400y^2"


def narrow(x):
    return x[0] ** 2 + 400 * x[1] ** 2


def noisy(x, key):
    return jnp.sum((x - jax.random.normal(key, x.shape)) ** 2)


@pytest.fixture(scope="module")
def contest():
    return cy.race(narrow, jnp.array([3.0, 1.0]), evaluations=150, key=KEY)


def test_all_methods_run_and_the_table_is_sorted(contest):
    assert set(contest.value["method"]) == set(METHODS) == set(contest.runs)
    assert contest.value["objective"] == sorted(contest.value["objective"])
    assert all(
        low <= middle <= high
        for low, middle, high in zip(*(contest.value[c] for c in ("low", "objective", "high")), strict=True)
    )
    assert contest.status.name == "all_steps"
    assert contest.question.arguments["x0"].tolist() == [3.0, 1.0]


def test_the_known_ranking_on_a_narrow_valley(contest):
    # With 400 between the curvatures momentum and the spectral method beat plain descent by orders of magnitude.
    place = {name: i for i, name in enumerate(contest.value["method"])}
    final = dict(zip(contest.value["method"], contest.value["objective"], strict=True))
    assert place["barzilai-borwein"] < place["gradient-descent"]
    assert place["newton"] < place["momentum"]  # one step is exact on a quadratic
    assert place["momentum"] < place["gradient-descent"]
    assert final["momentum"] < 1e-2 * final["gradient-descent"]
    assert final["sgd"] == final["gradient-descent"]  # nothing is stochastic here


@pytest.mark.slow
def test_all_runs_start_together_and_have_the_same_budget(contest):
    starts = contest.runs["adam"][:, 0]
    for curves in contest.runs.values():
        assert curves.shape == (5, 151)
        np.testing.assert_array_equal(curves[:, 0], starts)
    tuned = sum(150 * 3 * len(GRID) for cls in METHODS.values() if getattr(cls(), "learning_rate", None) is not None)
    assert int(contest.evaluations) == tuned + 150 * 5 * len(METHODS)
    assert set(contest.value["evaluations"]) == {150}


def test_curves_are_the_walks_themselves():
    result = race(narrow, jnp.array([3.0, 1.0]), methods={"plain": GradientDescent(0.002)}, evaluations=20)
    steps = np.arange(21)
    expected = 9 * (1 - 0.004) ** (2 * steps) + 400 * (1 - 1.6) ** (2 * steps)
    np.testing.assert_allclose(result.runs["plain"][0], expected, rtol=1e-10)


@pytest.mark.parametrize("name", ["adam", "barzilai-borwein"])
def test_the_budget_is_what_is_evaluated(name):
    # A deterministic f of one seed: the budget, and one free reading at the end. The spectral method goes on
    # evaluating in lanes whose budget is spent; there its own count decides.
    calls = []

    def f(x):
        jax.debug.callback(lambda _: calls.append(1), x)
        return narrow(x)

    result = race(f, jnp.array([3.0, 1.0]), methods=[name], learning_rates=0.01, evaluations=30)
    jax.effects_barrier()
    if name == "adam":
        assert len(calls) == 30 + 1
    assert int(result.evaluations) == 30
    assert result.runs[name].shape == (1, 31)


def test_multi_evaluation_steps_are_charged_in_full():
    # x − log x from near 0: the first steps are refused many times, so the curve stands still meanwhile.
    result = race(lambda x: x - jnp.log(x), 1e-3, methods=["barzilai-borwein"], evaluations=40)
    curve = result.runs["barzilai-borwein"][0]
    single = cy.optimize.minimize(lambda x: x - jnp.log(x), 1e-3, tol=1e-6)
    assert np.sum(np.diff(curve) == 0) >= int(single.evaluations) - int(single.steps) - 2
    assert curve[-1] == pytest.approx(1.0, abs=1e-6)


def test_the_same_key_gives_the_same_race_and_another_one_another():
    go = lambda key: race(noisy, jnp.zeros(2), methods=["sgd", "adam"], evaluations=30, key=key)
    first, again, other = go(KEY), go(KEY), go(jax.random.key(8))
    assert first.value == again.value
    for name in first.runs:
        np.testing.assert_array_equal(first.runs[name], again.runs[name])
    assert first.value != other.value


def test_tuning_and_scoring_use_different_seeds():
    tuned = race(narrow, jnp.array([3.0, 1.0]), methods=["sgd"], evaluations=20, key=KEY)
    rate = tuned.value["learning_rate"][0]
    given_rate = race(narrow, jnp.array([3.0, 1.0]), methods=["sgd"], evaluations=20, key=KEY, learning_rates=rate)
    np.testing.assert_array_equal(tuned.runs["sgd"], given_rate.runs["sgd"])
    assert tuned.protocol["tuned_on"] == "3 other seeds"
    table = sweep(narrow, jnp.array([3.0, 1.0]), method="sgd", evaluations=20, key=KEY)
    finals = dict(zip(table.value["learning_rate"], table.value["objective"], strict=True))
    assert finals[rate] == min(finals.values())


def test_never_crashes_on_divergence():
    result = race(
        narrow, jnp.array([3.0, 1.0]), methods=["gradient-descent", "adam"], learning_rates=10.0, evaluations=400
    )
    row = dict(
        zip(result.value["method"], zip(result.value["objective"], result.value["failed"], strict=True), strict=True)
    )
    assert row["gradient-descent"] == (float("inf"), 1.0)
    assert np.isfinite(row["adam"][0])
    assert result.value["evaluations_to_target"][-1] == float("inf")
    lost = race(lambda x: x * jnp.nan, 1.0, methods=["adam"], evaluations=10)
    assert lost.value["failed"] == [1.0]
    assert '"objective": [null]' in lost.to_json()


def test_a_stochastic_function_is_measured_by_its_score():
    score = lambda x: jnp.sum(x**2)
    result = race(
        noisy, jnp.full(2, 4.0), methods=["sgd"], learning_rates=0.05, evaluations=60, key=KEY, score=score, every=20
    )
    curve = result.runs["sgd"]
    assert curve[0, 0] == 32.0
    assert np.unique(curve[0]).size == 4  # read at 0, 20, 40 and 60
    assert np.all(curve[:, -1] < 1.0)
    assert result.protocol["measure"] == "score"


def test_the_same_batches_for_every_method():
    twins = {"one": GradientDescent(0.05), "two": from_optax(optax.sgd(0.05))}
    result = race(noisy, jnp.zeros(3), methods=twins, evaluations=25, key=KEY)
    np.testing.assert_allclose(result.runs["one"], result.runs["two"], rtol=1e-13)


def test_starts_drawn_by_a_function_of_the_key():
    result = race(
        narrow, lambda key: jax.random.normal(key, (2,)), methods=["adam"], learning_rates=0.1, evaluations=5, key=KEY
    )
    assert np.unique(result.runs["adam"][:, 0]).size == 5
    assert result.protocol["starts"] == "drawn by x0(key)"


def test_equal_time_buys_evaluations():
    result = race(narrow, jnp.array([3.0, 1.0]), methods=["sgd"], learning_rates=0.001, seconds=0.002)
    budget = result.value["evaluations"][0]
    assert budget >= 1
    assert result.runs["sgd"].shape == (1, budget + 1)
    assert result.protocol["budget"] == "0.002 seconds each"


def test_learning_rates_tuned_given_or_their_own():
    own = race(
        narrow, [3.0, 1.0], methods={"a": Adam(0.3), "b": Adam(optax.cosine_decay_schedule(0.3, 9))}, evaluations=9
    )
    assert dict(zip(own.value["method"], own.value["learning_rate"], strict=True)) == {"a": 0.3, "b": None}
    by_label = race(
        narrow, [3.0, 1.0], methods=["sgd", "adam"], learning_rates={"sgd": 0.001, "adam": [0.1, 1.0]}, evaluations=9
    )
    rates = dict(zip(by_label.value["method"], by_label.value["learning_rate"], strict=True))
    assert rates["sgd"] == 0.001
    assert rates["adam"] in (0.1, 1.0)
    assert by_label.protocol["at_the_edge_of_the_grid"] == ["adam"]


def test_a_sweep_is_the_runs_one_after_another():
    table = sweep(NARROW, {"x": 3.0, "y": 1.0}, method="momentum", learning_rates=[1e-4, 1e-3, 1e-2], evaluations=50)
    for rate in (1e-4, 1e-3, 1e-2):
        alone = race(NARROW, {"x": 3.0, "y": 1.0}, methods=["momentum"], learning_rates=rate, evaluations=50)
        np.testing.assert_allclose(table.runs[f"{rate:g}"], alone.runs["momentum"], rtol=1e-10)


def test_the_target_decides_where_there_is_one():
    result = race(narrow, [3.0, 1.0], methods=["gradient-descent"], learning_rates=0.002, evaluations=200, target=5.0)
    reached = int(result.value["evaluations_to_target"][0])
    curve = result.runs["gradient-descent"][0]
    assert curve[reached] <= 5.0 < curve[reached - 1]
    assert result.protocol["target"] == 5.0
    never = race(narrow, [3.0, 1.0], methods=["gradient-descent"], learning_rates=0.002, evaluations=50, target=-1.0)
    assert never.value["evaluations_to_target"] == [float("inf")]
    assert never.value["reached"] == [0.0]


def test_saved_loaded_and_as_a_data_frame(tmp_path, contest):
    contest.save(tmp_path / "race.cy")
    again = Race.load(tmp_path / "race.cy")
    assert again.value == contest.value
    assert again.protocol == contest.protocol
    np.testing.assert_array_equal(again.runs["adam"], contest.runs["adam"])
    frame = contest.to_pandas()
    assert list(frame.columns) == list(contest.value)
    assert len(frame) == len(METHODS)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: race(noisy, jnp.zeros(2)), TypeError, "pass key="),
        (lambda: race(narrow, [1.0, 1.0], seeds=3), TypeError, "pass key="),
        (lambda: race(narrow, lambda key: jnp.zeros(2)), TypeError, "pass key="),
        (lambda: race(narrow, [1.0, 1.0], key=3), TypeError, "typed key"),
        (lambda: race(lambda x, y: x, 1.0), TypeError, "f\\(x, key\\); it asks for x, y"),
        (lambda: race(narrow, [1.0, 1.0], evaluations=5, seconds=1.0), ValueError, "not both"),
        (lambda: race(narrow, [1.0, 1.0], evaluations=0), ValueError, "evaluations="),
        (lambda: race(narrow, [1.0, 1.0], seconds=-1.0), ValueError, "seconds="),
        (lambda: race(narrow, [1.0, 1.0], methods=["adm"]), ValueError, "Did you mean 'adam'"),
        (lambda: race(narrow, [1.0, 1.0], methods=[]), ValueError, "at least one method"),
        (lambda: race(narrow, [1.0, 1.0], methods=[Adam(0.1), Adam(0.2)]), ValueError, "same name"),
        (lambda: race(narrow, [1.0, 1.0], learning_rates=-1.0), ValueError, "positive"),
        (lambda: race(narrow, [1.0, 1.0], learning_rates={"adm": 1.0}), ValueError, "names adm"),
        (lambda: sweep(narrow, [1.0, 1.0], method="barzilai-borwein"), TypeError, "no learning rate"),
        (lambda: jax.jit(lambda x: race(narrow, x).evaluations)(jnp.ones(2)), TypeError, "not to be traced"),
        (lambda: race(lambda x: x if x > 0 else -x, 1.0, methods="sgd"), TypeError, "jnp.where"),
        (lambda: race(lambda x: x, jnp.ones(2), methods="sgd"), ValueError, r"shape \(2,\)"),
    ],
)
def test_wrong_calls_are_answered_in_words(call, error, words):
    with pytest.raises(error, match=words):
        call()


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=30))
def test_the_interval_of_the_median_has_the_coverage_it_states(values):
    middle, low, high, coverage = median_interval(np.array(values))
    assert low <= middle <= high
    assert middle == np.median(values)
    n = len(values)
    if n >= 6:
        assert coverage >= 0.95
        # One order statistic further in would cover less than 95 %.
        ordered = np.sort(np.arange(float(n)))
        _, inner_low, inner_high, _ = median_interval(ordered)
        k = int(inner_low) + 1
        assert inner_high == n - k
        narrower = 1 - 2 * _binomial_below(n, k + 1)
        assert narrower < 0.95


def _binomial_below(n, k):
    """P(fewer than k heads in n throws)."""
    from math import comb

    return sum(comb(n, i) for i in range(k)) / 2**n


def test_medians_with_infinities():
    inf = float("inf")
    assert median(np.array([1.0, 2.0, inf])) == 2.0
    assert median(np.array([1.0, inf])) == inf
    assert median(np.array([1.0, np.nan, 3.0])) == 3.0
    assert median(np.array([inf, inf])) == inf


def test_curves_by_evaluation_hold_their_value_between_readings():
    curves = by_evaluation(np.array([[9.0, 4.0, 1.0]]), np.array([[0, 3, 5]]), 6)
    assert curves.tolist() == [[9.0, 9.0, 9.0, 4.0, 4.0, 1.0, 1.0]]
    assert first_at_or_below(curves, 4.0).tolist() == [3.0]
    assert first_at_or_below(np.array([[np.nan, 5.0]]), 1.0).tolist() == [float("inf")]


def test_the_best_rate_prefers_the_target_and_then_the_end():
    curves = np.array([[[9.0, 5.0, 1.0]], [[9.0, 2.0, 2.0]], [[9.0, np.nan, np.nan]]])
    assert best_rate(curves, None) == 0
    assert best_rate(curves, 2.0) == 1


def test_distinctions_are_shared_within_the_interval_of_the_best():
    curves = {
        "a": np.array([[9.0, 3.0, 1.0], [9.0, 3.0, 2.0], [9.0, 3.0, 3.0]]),
        "b": np.array([[9.0, 4.0, 2.5], [9.0, 4.0, 2.5], [9.0, 4.0, 2.5]]),
        "c": np.array([[9.0, 8.0, 7.0], [9.0, 8.0, 7.0], [9.0, 8.0, np.nan]]),
    }
    wins = distinctions(curves, 3.5, {"a": 10.0, "b": 1.0, "c": 1.0})
    assert wins == {
        "a": ["lowest objective", "fewest evaluations to the target"],
        "b": ["lowest objective", "least time to the target"],
        "c": [],
    }
    assert distinctions({"a": curves["a"], "b": curves["a"]}, 0.0, None) == {"a": [], "b": []}
