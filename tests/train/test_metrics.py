"""Metrics against scikit-learn, intervals against repeated sampling."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as peer

from cycloid.train.metrics import BY_TASK, METRICS, choose, live, measure_all, sums, wilson
from cycloid.train.verdicts import judge, remarks_on

KEY = jax.random.key(0)
RANDOM = np.random.default_rng(0)


def value(name, output, y):
    return float(METRICS[name].finish(sums(METRICS[name], output, y).sum(0)))


def test_regression_metrics():
    y = RANDOM.normal(size=50) * 3 + 1e6
    output = y + RANDOM.normal(size=50)
    assert value("r2", output, y) == pytest.approx(peer.r2_score(y, output), rel=1e-9)
    assert value("rmse", output, y) == pytest.approx(peer.root_mean_squared_error(y, output), rel=1e-9)
    assert value("mae", output, y) == pytest.approx(peer.mean_absolute_error(y, output), rel=1e-9)


def test_several_targets():
    y = RANDOM.normal(size=(50, 3))
    output = y + RANDOM.normal(size=(50, 3))
    expected = 1 - ((y - output) ** 2).sum() / ((y - y.mean(0)) ** 2).sum()
    assert value("r2", output, y) == pytest.approx(expected, rel=1e-12)


def test_metrics_of_several_classes():
    y = RANDOM.integers(0, 4, 80)
    logits = RANDOM.normal(size=(80, 4)) + 2 * np.eye(4)[y]
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert value("accuracy", logits, y) == pytest.approx(peer.accuracy_score(y, logits.argmax(1)))
    assert value("f1", logits, y) == pytest.approx(peer.f1_score(y, logits.argmax(1), average="macro"))
    assert value("log_loss", logits, y) == pytest.approx(peer.log_loss(y, p), rel=1e-9)


@pytest.mark.parametrize("columns", [1, 2])
def test_metrics_of_two_classes(columns):
    y = RANDOM.integers(0, 2, 80)
    z = RANDOM.normal(size=80) + y
    logits = z if columns == 1 else np.stack([np.zeros(80), z], axis=1)
    p = 1 / (1 + np.exp(-z))
    assert value("accuracy", logits, y) == pytest.approx(peer.accuracy_score(y, z > 0))
    assert value("f1", logits, y) == pytest.approx(peer.f1_score(y, z > 0))
    assert value("log_loss", logits, y) == pytest.approx(peer.log_loss(y, p), rel=1e-9)


def test_the_live_metric_is_the_same():
    y = RANDOM.normal(size=30)
    output = y + RANDOM.normal(size=30)
    assert float(live("regression")(jax.numpy.asarray(output), jax.numpy.asarray(y))) == pytest.approx(
        value("r2", output, y)
    )
    labels = RANDOM.integers(0, 3, 30)
    logits = RANDOM.normal(size=(30, 3))
    assert float(live("multiclass")(jax.numpy.asarray(logits), jax.numpy.asarray(labels))) == pytest.approx(
        value("accuracy", logits, labels)
    )


@given(st.integers(0, 40), st.integers(1, 40))
def test_wilson_lies_inside_and_round_the_share(hits, rows):
    hits = min(hits, rows)
    low, high = wilson(hits, rows, 0.95)
    assert 0 <= low <= hits / rows + 1e-12
    assert hits / rows - 1e-12 <= high <= 1


def test_intervals_cover_what_they_claim():
    """300 samples of 80 rows: how often the interval holds the metric of the whole population."""
    rounds, rows, level = 300, 80, 0.95
    random = np.random.default_rng(5)
    true = {"rmse": 1.0, "accuracy": stats.norm.cdf(1.0)}
    inside = dict.fromkeys(true, 0)
    for i in range(rounds):
        y = random.normal(size=rows)
        output = y + random.normal(size=rows)
        found = measure_all([METRICS["rmse"]], output, y, key=jax.random.key(i), part="test")["rmse"]
        inside["rmse"] += found.low <= true["rmse"] <= found.high
        labels = random.integers(0, 2, rows)
        logits = (2 * labels - 1) * (1.0 + random.normal(size=rows))
        found = measure_all([METRICS["accuracy"]], logits, labels, key=jax.random.key(i), part="test")["accuracy"]
        inside["accuracy"] += found.low <= true["accuracy"] <= found.high
    # the percentile bootstrap is a little short at 80 rows (it sees the spread of 80, not of all): 0.92 instead of 0.95
    assert inside["rmse"] >= stats.binom.ppf(1e-4, rounds, 0.915)
    assert stats.binom.ppf(1e-4, rounds, level) <= inside["accuracy"]


def test_a_key_fixes_the_interval():
    y = RANDOM.normal(size=40)
    output = y + RANDOM.normal(size=40)
    one, two, other = (
        measure_all(choose(None, "regression"), output, y, key=jax.random.key(k), part="test") for k in (0, 0, 1)
    )
    assert one == two
    assert one["rmse"].low != other["rmse"].low


@pytest.mark.parametrize("task", BY_TASK)
def test_the_metrics_of_a_task(task):
    assert [m.name for m in choose(None, task)] == list(BY_TASK[task])


def test_metrics_of_another_task_are_refused():
    with pytest.raises(ValueError, match="not for regression; there are r2"):
        choose("accuracy", "regression")
    assert [m.name for m in choose("mae", "regression")] == ["mae"]


def verdict(trained, start, baseline, y, name="r2", part="test"):
    return judge(METRICS[name], trained, start, baseline, y, key=KEY, part=part, baseline_name="the mean")


def test_a_clear_improvement():
    y = RANDOM.normal(size=60)
    found = verdict(y + 0.3 * RANDOM.normal(size=60), RANDOM.normal(size=60), np.zeros(60), y)
    assert found.improved == "yes"
    assert found.gain_low > 0
    assert found.lead_low > 0
    assert found.sentence.startswith("Yes: R² on 60 test rows")


def test_worse_than_the_mean_is_no_improvement():
    y = RANDOM.normal(size=60)
    found = verdict(y + 3 * RANDOM.normal(size=60), y + 9 * RANDOM.normal(size=60), np.zeros(60), y)
    assert found.gain_low > 0  # better than its start
    assert found.improved == "no"


def test_for_rmse_lower_is_better():
    y = RANDOM.normal(size=60)
    found = verdict(y + 0.3 * RANDOM.normal(size=60), np.full(60, 3.0), np.zeros(60), y, "rmse")
    assert found.improved == "yes"
    assert found.lead > 0


def test_on_training_rows_nothing_is_concluded():
    y = RANDOM.normal(size=60)
    found = verdict(y, np.zeros(60), np.zeros(60), y, part="train")
    assert found.improved == "unclear"
    assert "no rows were kept apart" in found.sentence


def test_curves_that_turn_are_remarked():
    history = {"step": np.array([1, 10, 20, 30]), "validation_loss": np.array([1.0, 0.5, 0.6, 0.7])}
    (remark,) = remarks_on(history, best_step=10, kept_best=False)
    assert "lowest at step 10 (0.5) and has risen to 0.7" in remark
    (remark,) = remarks_on(history, best_step=10, kept_best=True)
    assert "The model of step 10 is returned" in remark
    history["validation_loss"] = np.array([1.0, 0.7, 0.6, 0.5])
    assert remarks_on(history, best_step=30, kept_best=False) == ()
    assert remarks_on({"step": history["step"]}, best_step=30, kept_best=False) == ()


def test_noise_is_not_called_an_improvement():
    """Models no better than the mean: "yes" comes at most as often as a one-sided 2.5 % level allows."""
    said = []
    for i in range(200):
        random = np.random.default_rng(i)
        y = random.normal(size=50)
        said.append(verdict(0.2 * random.normal(size=50), random.normal(size=50), np.zeros(50), y).improved)
    assert said.count("yes") <= stats.binom.ppf(1 - 1e-4, 200, 0.025)
