"""A performance profile: the shares are counted, failures never arrive, wrong costs are refused."""

from __future__ import annotations

import numpy as np
import pytest

from cycloid.figures import performance_profile
from cycloid.figures.performance_profiles import ratios

COSTS = {"newton": [10.0, 40.0, 7.0, 5.0], "adam": [20.0, 20.0, np.nan, 5.0]}


def test_ratios_are_to_the_best_and_failures_infinite():
    found = ratios(COSTS)
    np.testing.assert_array_equal(found["newton"], [1.0, 2.0, 1.0, 1.0])
    np.testing.assert_array_equal(found["adam"], [2.0, 1.0, np.inf, 1.0])


def test_curves_begin_with_wins_and_end_with_successes():
    curves = {trace.name: trace for trace in performance_profile(COSTS).data}
    assert curves["newton"].x[0] == curves["adam"].x[0] == 1.0
    assert (curves["newton"].y[0], curves["newton"].y[-1]) == (0.75, 1.0)
    assert (curves["adam"].y[0], curves["adam"].y[-1]) == (0.5, 0.75)


def test_a_problem_that_nobody_solves_counts_against_all():
    fig = performance_profile({"a": [1.0, np.inf], "b": [2.0, np.nan]})
    assert all(trace.y[-1] == 0.5 for trace in fig.data)


@pytest.mark.parametrize("costs", [{}, {"a": [1.0], "b": [1.0, 2.0]}, {"a": [0.0]}, {"a": [-1.0]}, {"a": 3.0}])
def test_wrong_costs_are_refused(costs):
    with pytest.raises(ValueError, match="cost"):
        performance_profile(costs)
