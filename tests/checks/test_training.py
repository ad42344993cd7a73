"""Runs verified by scikit-learn and NumPy: true ones agree, tampered metrics, models and verdicts are found."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cycloid as cy
from cycloid.checks.training import by_scikit_learn, forward


def of(card, words):
    return next(c for c in (card, *card.further) if words in c.claim)


def with_part(run, name, value):
    """The run with one field replaced, and only its first metric, which is enough to check that field."""
    first = next(iter(run.metrics))
    metrics = value if name == "metrics" else {first: run.metrics[first]}
    replaced = {"metrics": metrics, name: value}
    where = lambda r: tuple(getattr(r, field) for field in replaced)
    return eqx.tree_at(where, run, tuple(replaced.values()), is_leaf=lambda leaf: any(leaf is p for p in where(run)))


def test_a_true_run_agrees_in_every_metric_the_verdict_and_the_gradient(run):
    card = cy.check(run)
    assert card.agrees
    assert of(card, "accuracy on").second_method.startswith("scikit-learn")
    for words in ("f1", "log_loss", "improve", "backpropagation"):
        assert of(card, words).agrees, words


def test_a_run_on_arrays_is_checked_on_the_rows_it_was_given(regression):
    card = cy.check(regression)
    assert card.agrees
    assert of(card, "r2").value == pytest.approx(of(card, "r2").second_value, rel=1e-9)


def test_a_tampered_metric_disagrees(run):
    name = "f1"
    metrics = {
        "accuracy": run.metrics["accuracy"],
        name: run.metrics[name]._replace(value=run.metrics[name].value + 0.01),
    }
    tampered = with_part(run, "metrics", metrics)
    card = cy.check(tampered, question=run.question)
    assert card.verdict == "disagrees"
    assert of(card, name).verdict == "disagrees"


def test_an_interval_that_is_too_narrow_disagrees(run):
    first = run.metrics["log_loss"]
    middle = (first.low + first.high) / 2
    metrics = {"accuracy": run.metrics["accuracy"], "log_loss": first._replace(low=middle - 1e-3, high=middle + 1e-3)}
    tampered = with_part(run, "metrics", metrics)
    assert of(cy.check(tampered, question=run.question), "log_loss").verdict == "disagrees"


def test_another_model_under_the_same_metrics_disagrees(run):
    model = jax.tree.map(jnp.negative, run.value)
    tampered = with_part(run, "value", model)
    assert cy.check(tampered, question=run.question).verdict == "disagrees"


def test_a_verdict_that_was_turned_disagrees(run):
    for change in ({"improved": "no"}, {"lead": 0.1}):
        tampered = with_part(run, "verdict", run.verdict._replace(**change))
        assert of(cy.check(tampered, question=run.question), "improve").verdict == "disagrees"


def test_rows_that_are_gone_cannot_be_checked(run):
    from cycloid.core.results import Question

    card = cy.check(run, question=Question(run.value, {"loss": cy.learn.as_loss("cross_entropy")}))
    assert card.verdict == "cannot be checked"
    assert "rows" in card.sentence


@pytest.mark.parametrize("activation", list(cy.learn.ACTIVATIONS))
def test_the_forward_pass_in_numpy_is_that_of_the_model(activation):
    model = cy.learn.perceptron(3, 2, (5, 4), key=jax.random.key(0), activation=activation)
    x = jax.random.normal(jax.random.key(1), (7, 3))
    np.testing.assert_allclose(forward(model, x), jax.vmap(model)(x), rtol=1e-12, atol=1e-12)


def test_any_other_model_is_evaluated_as_it_is():
    x = jnp.ones((3, 2))
    np.testing.assert_allclose(forward(cy.learn.Applied(jnp.array(2.0), lambda p, v: p * v[0]), x), [2.0, 2.0, 2.0])


@pytest.mark.parametrize("name", ["r2", "rmse", "mae"])
def test_metrics_of_several_outputs_are_ours(name):
    from cycloid.train.metrics import METRICS, sums

    random = np.random.default_rng(0)
    y, output = random.normal(size=(40, 2)) * [1.0, 5.0], random.normal(size=(40, 2))
    measure = METRICS[name]
    ours = float(measure.finish(sums(measure, output, y).sum(0)))
    assert by_scikit_learn(name, output, y) == pytest.approx(ours, rel=0.3 if name == "rmse" else 1e-9)


def test_an_unknown_metric_is_a_wrong_call():
    with pytest.raises(ValueError, match="no second method"):
        by_scikit_learn("charm", np.ones(3), np.ones(3))


@pytest.mark.slow
def test_a_comparison_is_checked_method_by_method(data):
    found = cy.train.compare("softmax", data, ("sgd", "adam"), key=jax.random.key(1), max_steps=20, record_every=20,
                             learning_rates=None)  # fmt: skip
    card = cy.check(found)
    assert card.agrees
    assert len(card.value) == 2
    rows = (found.rows[0]._replace(metric=found.rows[0].metric - 0.2), *found.rows[1:])
    tampered = eqx.tree_at(lambda r: r.rows, found, rows, is_leaf=lambda leaf: leaf is found.rows)
    assert cy.check(tampered, question=found.question).verdict == "disagrees"
