"""Minima verified by gradient and curvature: saddles, flat places and tampered values are told apart."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cycloid as cy
from cycloid.problems.landscapes import LANDSCAPES


def curvature(card):
    return next(c for c in card.further if "curvature" in c.claim)


def test_a_true_minimum_agrees_and_is_called_one(minimum):
    card = cy.check(minimum)
    assert card.agrees
    assert "minimum" in curvature(card).sentence
    assert card.second_method.startswith("complex step")


@pytest.mark.parametrize(
    ("where", "by"),
    [(lambda r: r.value, 1e-3), (lambda r: r.objective, 1e-3), (lambda r: r.gradient_norm, 1e-3)],
)
def test_a_tampered_minimum_disagrees(minimum, where, by):
    tampered = eqx.tree_at(where, minimum, where(minimum) + by)
    assert cy.check(tampered, question=minimum.question).verdict == "disagrees"


def test_a_saddle_is_no_minimum_although_the_gradient_vanishes():
    found = cy.optimize.minimize(LANDSCAPES["saddle"].function, (2.0, 0.0))
    assert found.status.name == "converged"
    card = cy.check(found)
    assert card.verdict == "disagrees"
    assert "saddle" in curvature(card).sentence
    assert curvature(card).value == pytest.approx(-2.0)


def test_a_flat_place_cannot_be_decided_by_curvature():
    found = cy.optimize.minimize(lambda x: jnp.sum(x**4) + x[0] ** 2, (1.0, 1.0), tol=1e-13, max_steps=2_000)
    assert curvature(cy.check(found)).verdict == "cannot be checked"


def test_a_walk_that_was_broken_off_is_no_stationary_point():
    landscape = LANDSCAPES["rosenbrock"]
    found = cy.optimize.minimize(landscape.text, landscape.start, method="sgd", max_steps=5, throw=False)
    card = cy.check(found)
    assert card.verdict == "disagrees"
    assert "max_steps" in card.sentence


def test_without_a_tolerance_only_the_reported_gradient_is_checked():
    found = cy.optimize.minimize(lambda x: jnp.sum(x**2), (1.0, 2.0), method=cy.optimize.SGD(0.1), tol=0.0, max_steps=5)
    assert cy.check(found).agrees


def test_formulas_and_dicts_are_checked():
    found = cy.optimize.minimize("(x-1)^2 + 2(y+1)^2", {"x": 0.0, "y": 0.0})
    assert cy.check(found).agrees


@pytest.mark.parametrize("start", [(1.0, 1.0), (1.0, 0.7), (0.0, 0.0)])
def test_a_kink_at_the_minimum_is_said(start):
    found = cy.optimize.minimize(lambda x: jnp.sum(jnp.abs(x) ** 1.5), start, throw=False)
    card = cy.check(found)
    assert curvature(card).verdict == "cannot be checked"


def test_many_variables_are_checked_by_random_directions_and_lanczos():
    weights = jnp.arange(1.0, 101.0)
    found = cy.optimize.minimize(lambda x: jnp.sum(weights * jnp.tanh(x - 1) ** 2), jnp.zeros(100))
    card = cy.check(found)
    assert card.agrees
    assert curvature(card).value == pytest.approx(2.0, rel=1e-3)
    moved = eqx.tree_at(lambda r: r.value, found, found.value + 1e-3)
    assert cy.check(moved, question=found.question).verdict == "disagrees"


def test_a_batch_is_checked_member_by_member():
    f = lambda x: jnp.sum((x - 1) ** 2)
    batch = jax.vmap(lambda x: cy.optimize.minimize(f, x))(jnp.arange(4.0).reshape(2, 2))
    with pytest.raises(ValueError, match="one member"):
        cy.check(batch, question=f)
    assert cy.check(jax.tree.map(lambda leaf: leaf[0], batch), question=f).agrees


def test_the_winner_of_a_race_is_walked_again(race):
    card = cy.check(race)
    assert card.agrees
    assert card.second_method.startswith("a Python loop over optax")
    assert card.further[0].claim == "every method had the same budget"


def test_a_tampered_race_disagrees(race):
    worse = {**race.value, "objective": [0.5 * race.value["objective"][0], *race.value["objective"][1:]]}
    tampered = eqx.tree_at(lambda r: r.value, race, worse, is_leaf=lambda leaf: leaf is race.value)
    card = cy.check(tampered, question=race.question)
    assert card.verdict == "disagrees"


def test_an_unequal_budget_is_found(race):
    label = next(iter(race.runs))
    runs = {**race.runs, label: race.runs[label][:, :-10]}
    tampered = eqx.tree_at(lambda r: r.runs, race, runs, is_leaf=lambda leaf: leaf is race.runs)
    budget = next(c for c in cy.check(tampered, question=race.question).further if "budget" in c.claim)
    assert budget.verdict == "disagrees"


def test_methods_that_cannot_be_told_apart_are_not_ranked():
    equal = cy.race("x^2 + y^2", [1.0, 1.0], methods=["gradient-descent", "sgd"], evaluations=20)
    order = cy.check(equal).further[-1]
    assert order.verdict == "cannot be checked"


def test_a_sweep_is_checked_by_its_best_rate():
    found = cy.optimize.sweep("x^2", 1.0, method="gradient-descent", learning_rates=[0.1, 0.4], evaluations=20)
    assert cy.check(found).agrees
    assert np.isfinite(cy.check(found).value[0])
