"""Figures of milestones and of the limit: what is drawn is in the result, and what never arrived is said."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest

import cycloid as cy
from cycloid.figures.contests import clock, thinned
from cycloid.figures.draw import log_axis
from cycloid.optimize import milestones, stability, sweep

VALLEY = "x^2 + 100y^2"


@pytest.fixture(scope="module")
def found():
    return milestones(VALLEY, [1.0, 1.0], targets=[1.0, 1e-4], methods=["gradient-descent", "momentum"],
                      evaluations=200, learning_rates=[0.001, 0.005], timed=True)  # fmt: skip


def test_milestones_are_drawn_with_their_ratios_and_say_who_never_arrived(found):
    fig = cy.figure(found)
    ratios = next(t for t in fig.data if t.mode == "markers")
    expected = np.array([t for t, m in zip(found.value["times"], found.value["method"]) if m == "momentum"])
    assert expected[1] == np.inf  # in 200 evaluations descent does not come so low
    assert ratios.x[0] == expected[0]
    assert list(ratios.marker.symbol) == ["circle", "triangle-right"]
    words = [note.text for note in fig.layout.annotations]
    assert "gradient-descent never arrived" in words
    assert fig.layout.xaxis2.type == "log"
    assert 10 ** fig.layout.xaxis2.range[0] < expected[0] < 10 ** fig.layout.xaxis2.range[1]


def test_the_subtitle_of_milestones_tells_their_own_protocol(found):
    assert cy.figure(found).layout.title.subtitle.text == (
        "1 seed; learning rates: tuned on one grid for all, on the start itself, for each target"
    )
    given = dataclasses.replace(found, protocol={**found.protocol, "seeds": 4, "tuning": "as given"})
    assert cy.figure(given).layout.title.subtitle.text == "4 seeds; learning rates: as given"


def test_every_step_of_a_deterministic_walk_is_drawn(found):
    curve = next(t for t in cy.figure(found).data if t.name == "momentum" and t.mode == "lines" and t.fill is None)
    np.testing.assert_array_equal(curve.x, np.arange(201))
    np.testing.assert_array_equal(curve.y, found.runs["momentum"][0])
    timed = cy.figure(found, view="time")
    assert timed.layout.xaxis.title.text.endswith("seconds")
    with pytest.raises(ValueError, match="timed=True"):
        cy.figure(found, view="map")


def test_the_limit_is_drawn_with_what_was_measured():
    limit = stability("x^2 + 10y^2", {"x": 0.0, "y": 0.0}, key=jax.random.key(0), steps=100)
    fig = cy.figure(limit)
    near, away = (next(t for t in fig.data if t.name == name) for name in ("comes closer", "goes away"))
    assert max(near.x) <= 0.1001 < 0.1005 < max(away.x)
    assert max(near.y) <= 1 < min(away.y)
    theory = next(t for t in fig.data if t.mode == "lines")
    np.testing.assert_allclose(theory.y, np.abs(1 - 20 * theory.x), atol=1e-6)


def test_readings_are_drawn_where_they_were_taken():
    assert thinned(101, 10).tolist() == list(range(0, 101, 10))
    assert thinned(25, 10).tolist() == [0, 10, 20, 24]
    assert len(thinned(100_001)) <= 401
    assert {0, 100_000} <= set(thinned(100_001))


def test_marks_of_a_logarithmic_axis():
    assert log_axis(0.9, 4)["tickvals"] == [1, 1.5, 2, 3, 4]
    assert log_axis(0.1, 10)["ticktext"] == ["0.1", "0.2", "0.5", "1", "2", "5", "10"]
    assert len(log_axis(1e-12, 1e12)["tickvals"]) <= 13
    assert clock(3e-5) == (1e6, "microseconds")


def test_a_race_by_the_clock_draws_the_same_curves_over_their_time():
    race = cy.race(VALLEY, [1.0, 1.0], methods=["momentum"], learning_rates=0.002, evaluations=60, timed=True)
    fig = cy.figure(race, view="time")
    over_steps, over_time = (t for t in fig.data if t.name == "momentum")
    pace = race.protocol["seconds_per_evaluation"]["momentum"]
    scale, unit = clock(60 * pace)
    assert fig.layout.xaxis2.title.text == unit
    np.testing.assert_allclose(over_time.x, over_steps.x * pace * scale)
    np.testing.assert_array_equal(over_time.y, over_steps.y)
    assert race.value["best_for"] == ["lowest objective; fewest evaluations to the target; least time to the target"]
    untimed = dataclasses.replace(race, protocol={**race.protocol, "seconds_per_evaluation": {}})
    with pytest.raises(ValueError, match="timed=True"):
        cy.figure(untimed, view="time")


def test_a_sweep_over_rates_is_drawn_with_the_limit():
    found = sweep("x^2 + 10y^2", [1.0, 1.0], method="gradient-descent", evaluations=50,
                  learning_rates=[0.05, 0.09, 0.102, 0.3])  # fmt: skip
    fig = cy.figure(found, view="rates", limit=0.1)
    points = next(t for t in fig.data if t.mode == "markers")
    assert points.x.tolist() == [0.05, 0.09, 0.102, 0.3]
    ends = dict(zip(found.value["learning_rate"], found.value["objective"], strict=True))
    np.testing.assert_allclose(points.y[:3], [ends[rate] for rate in (0.05, 0.09, 0.102)])
    assert points.y[3] == 1e3 * 11.0  # as high as it is drawn
    assert list(points.marker.symbol) == ["circle"] * 3 + ["triangle-up"]
    assert any("2/λmax = 0.1" in (note.text or "") for note in fig.layout.annotations)
    assert fig.layout.xaxis.type is None
    with pytest.raises(ValueError, match="of a sweep"):
        cy.figure(cy.race("x^2", 1.0, methods=["sgd"], learning_rates=0.1, evaluations=3), view="rates")
