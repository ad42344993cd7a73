"""Figures of results: whatever is drawn is in the result, number for number, in both themes."""

import jax
import numpy as np
import pytest

import cycloid as cy
from cycloid.figures.comparisons import methods
from cycloid.figures.contests import standings
from cycloid.figures.heatmaps import layers
from cycloid.problems.landscapes import LANDSCAPES

from .conftest import CLASSES, NASTY


def named(fig, name):
    return next(trace for trace in fig.data if trace.name == name)


@pytest.mark.parametrize("dark", [False, True])
def test_the_chain_of_a_run_is_its_history(run, dark):
    fig, history = cy.figure(run, dark=dark), run.history
    for name, column in (("training rows", "train_loss"), ("all parameters", "gradient_norm")):
        np.testing.assert_array_equal(named(fig, name).x, history["step"])
        np.testing.assert_array_equal(named(fig, name).y, history[column])
    losses = [t for t in fig.data if t.name == "validation rows"]
    np.testing.assert_array_equal(losses[0].y, history["validation_loss"])
    np.testing.assert_array_equal(losses[1].y, history["metric"])
    fell = history["actual_change"] <= 0
    np.testing.assert_array_equal(named(fig, "actual fall").y, -history["actual_change"][fell])
    promised = -history["predicted_change"]
    np.testing.assert_array_equal(named(fig, "promised, −∇L·Δw").y, np.where(promised > 0, promised, np.nan))
    for i, layer in enumerate(run.layers):
        np.testing.assert_array_equal(named(fig, layer).y, history["layer_gradient_norms"][:, i])
    assert fig.layout.template.layout.paper_bgcolor == ("#12151c" if dark else "#fbfaf7")


def test_the_interval_of_the_metric_is_its_band(run):
    metric = run.metric
    strip = next(t for t in cy.figure(run).data if t.fill == "toself")
    assert (min(strip.y), max(strip.y)) == (metric.low, metric.high)


def test_names_of_users_are_drawn_as_letters(run, comparison):
    for fig in (cy.figure(run), layers(run), cy.figure(comparison)):
        drawn = fig.to_json()
        for text in (NASTY, *CLASSES[:2]):
            assert text not in drawn
    assert "&lt;script&gt;" in cy.figure(comparison).to_json()


def test_a_run_without_metrics_says_so():
    x = np.linspace(-1, 1, 40)[:, None]
    loss = lambda model, batch: ((jax.vmap(model)(batch[0]) - batch[1]) ** 2).mean()
    plain = cy.train.fit("mlp", (x, x[:, 0]), key=jax.random.key(0), loss=loss, max_steps=6, record_every=3)
    fig = cy.figure(plain)
    assert any("no metric" in (a.text or "") for a in fig.layout.annotations)


def test_heat_is_the_logarithm_of_the_layers(run):
    fig = layers(run)
    np.testing.assert_array_equal(fig.data[0].customdata, run.history["layer_gradient_norms"].T)
    np.testing.assert_array_equal(fig.data[1].customdata, run.history["update_ratios"].T)
    ratios = run.history["update_ratios"].T
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = np.log10(ratios)
    np.testing.assert_array_equal(fig.data[1].z, np.where(np.isfinite(expected), expected, np.nan))
    assert list(fig.data[0].y) == list(run.layers)


def test_methods_side_by_side_show_loss_and_interval_of_each(comparison):
    fig = cy.figure(comparison)
    for name, run in comparison.runs.items():
        curve, whisker = [t for t in fig.data if t.name == name.replace("<", "&lt;").replace(">", "&gt;")]
        np.testing.assert_array_equal(curve.y, run.history["validation_loss"])
        assert whisker.x[0] == run.metric.value
        assert whisker.x[0] + whisker.error_x.array[0] == pytest.approx(run.metric.high)
        assert whisker.x[0] - whisker.error_x.arrayminus[0] == pytest.approx(run.metric.low)
    with pytest.raises(ValueError, match="at least one run"):
        methods({})


@pytest.mark.parametrize("dark", [False, True])
def test_a_race_is_drawn_with_its_medians_bands_and_targets(race, dark):
    fig = cy.figure(race, dark=dark)
    for line in standings(race):
        curves = race.runs[line["label"]]
        drawn = next(t for t in fig.data if t.name == line["label"] and t.type == "scatter")
        np.testing.assert_array_equal(drawn.y, np.median(curves, axis=0)[drawn.x])
        bar = next(t for t in fig.data if t.name == line["label"] and t.type == "bar")
        count = line["evaluations_to_target"]
        assert bar.x[0] == (count if np.isfinite(count) else 0)
    strip = next(t for t in fig.data if t.fill == "toself")
    assert strip.name.endswith("interval")


def test_long_curves_keep_their_ends():
    long = cy.optimize.sweep("x^2", 1.0, method="sgd", learning_rates=[0.01, 0.02], evaluations=900)
    fig = cy.figure(long)
    assert len(fig.data[0].x) <= 400
    assert (fig.data[0].x[0], fig.data[0].x[-1]) == (0, 900)


def test_a_sweep_is_labelled_by_its_rates(sweep):
    fig = cy.figure(sweep)
    assert {t.y[0] for t in fig.data if t.type == "bar"} == {"η = 0.01", "η = 0.1", "η = 1"}


def test_a_method_that_ends_in_nan_is_drawn_as_not_arrived():
    wild = cy.optimize.sweep("x^4", 2.0, method="sgd", learning_rates=[0.01, 10.0], evaluations=30)
    fig = cy.figure(wild)
    bars = {t.y[0]: t for t in fig.data if t.type == "bar"}
    assert bars["η = 10"].x[0] == 0
    assert "not in 30" in bars["η = 10"].text


def test_a_walk_in_the_plane_is_drawn_on_its_terrain(minimum):
    fig = cy.figure(minimum)
    path = np.asarray(minimum.trace.path)
    path = path[np.isfinite(path).all(axis=1)]
    trail = next(t for t in fig.data if t.type == "scatter" and t.mode == "lines+markers" and t.name != "−∇f")
    np.testing.assert_array_equal(np.stack([trail.x, trail.y], 1), path)
    assert {"surface", "contour"} <= {t.type for t in fig.data}


def test_a_walk_on_a_line_is_drawn_on_its_curve():
    found = cy.optimize.minimize("(x-1)^2", 3.0, method=cy.optimize.GradientDescent(0.1), max_steps=20, throw=False)
    fig = cy.figure(found)
    walk = next(t for t in fig.data if t.mode == "lines+markers")
    path = np.asarray(found.trace.path)
    path = path[np.isfinite(path)]
    np.testing.assert_array_equal(walk.x, path)
    np.testing.assert_allclose(walk.y, (path - 1) ** 2)


def test_a_walk_in_many_dimensions_is_drawn_by_its_numbers(minimum):
    many = cy.optimize.minimize(lambda x: ((x - 1) ** 2).sum(), np.zeros(9))
    fig = cy.figure(many)
    kept = np.isfinite(np.asarray(many.trace.objective))
    np.testing.assert_array_equal(fig.data[0].y, np.asarray(many.trace.objective)[kept])
    np.testing.assert_array_equal(fig.data[1].y, np.asarray(many.trace.gradient_norm)[kept])
    lost = jax.tree.map(lambda leaf: leaf, minimum)
    assert len(cy.figure(lost).data) == 2
    assert len(cy.figure(lost, question=minimum.question.function).data) > 2


def test_a_race_in_the_plane_can_be_drawn_on_its_terrain(race, sweep):
    valley = LANDSCAPES["rosenbrock"]
    fig = cy.figure(race, view="terrain", lower=[-2, -1], upper=[2, 3])
    trails = {t.name: t for t in fig.data if t.type == "scatter" and t.name != "−∇f"}
    assert set(trails) == set(race.runs)
    for line in standings(race):
        method = cy.optimize.method(line["method"], learning_rate=line["learning_rate"])
        again = cy.optimize.minimize(valley.text, valley.start, method=method, tol=0, max_steps=60)
        np.testing.assert_allclose(trails[line["label"]].x, again.trace.path[:, 0])
    with pytest.raises(ValueError, match="two variables"):
        cy.figure(sweep, view="terrain")
    with pytest.raises(ValueError, match="view="):
        cy.figure(race, view="map")


def test_what_cannot_be_drawn_says_why():
    without = cy.optimize.minimize(lambda x: (x**2).sum(), np.ones(5), trace=False)
    with pytest.raises(ValueError, match="trace=True"):
        cy.figure(without)
    batch = jax.vmap(lambda x: cy.optimize.minimize("x^2", x))(np.ones(2))
    with pytest.raises(ValueError, match="one member"):
        cy.figure(batch)
