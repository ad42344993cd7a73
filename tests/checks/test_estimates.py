"""Cards and figures of Hutchinson's estimate: right ones agree, wrong ones do not."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cycloid as cy
from cycloid.core.results import Question

KEY = jax.random.key(0)


def u(x):
    return jnp.sum(x) ** 2 + jnp.sum(x**3)


def estimate(function, x, samples=40, **options):
    return cy.differentiate.laplacian(function, method="hutchinson", samples=samples, key=KEY, **options)(x)


@pytest.fixture(scope="module")
def small():
    return estimate(u, jnp.ones(10))


@pytest.fixture(scope="module")
def large():
    return estimate(u, jnp.ones(600))


@pytest.mark.parametrize(("size", "words"), [("small", "forward Laplacian, exact"), ("large", "normal directions")])
def test_a_right_estimate_agrees_and_a_wrong_one_does_not(size, words, request):
    result = request.getfixturevalue(size)
    card = cy.check(result)
    assert card.verdict == "agrees"
    assert words in card.second_method
    spoilt = dataclasses.replace(result, value=result.value + 12 * result.error).asked(result.question)
    assert cy.check(spoilt).verdict == "disagrees"


def test_two_directions_prove_little_and_the_card_allows_for_it():
    two = estimate(u, jnp.ones(10), samples=2)
    assert cy.check(two).allowance > 1000 * float(two.error)


def test_of_an_array_the_component_that_is_farthest_off_is_shown():
    result = estimate(lambda x: jnp.stack([jnp.sum(x) ** 2, jnp.sum(x**3)]), jnp.ones(5))
    assert cy.check(result).verdict == "agrees"
    spoilt = dataclasses.replace(result, value=result.value + jnp.array([0.0, 1.0])).asked(result.question)
    card = cy.check(spoilt)
    assert card.verdict == "disagrees"
    assert "component 1" in card.claim


def test_formulas_and_what_is_handed_on():
    asked = cy.differentiate.laplacian("x^2*y", method="hutchinson", samples=30, key=KEY)
    assert cy.check(asked(1.0, 2.0)).second_value == 4.0
    assert cy.check(asked(y=2.0, x=1.0)).second_value == 4.0
    assert cy.check(estimate(lambda x: jnp.sum(x**2), jnp.ones(3))).second_value == 6.0
    with_time = cy.differentiate.laplacian(lambda x, t: t * jnp.sum(x**2), method="hutchinson", samples=4, key=KEY)
    assert cy.check(with_time(jnp.ones(3), 5.0)).second_value == 30.0


def test_a_question_lost_is_asked_for(small):
    bare = jax.tree.map(lambda leaf: leaf, small)
    with pytest.raises(ValueError, match="question="):
        cy.check(bare)
    with pytest.raises(ValueError, match="args"):
        cy.check(bare, question=u)
    assert cy.check(bare, question=Question(u, {"args": (jnp.ones(10),)})).verdict == "agrees"


def test_what_is_not_finite_is_never_fine_and_cannot_be_checked():
    result = estimate(lambda x: jnp.sum(jnp.sqrt(x)), -jnp.ones(3))
    assert result.status.name == "nonfinite"
    assert not result.status.ok
    assert cy.check(result).verdict == "cannot be checked"


def test_estimators_of_one_function_are_equal():
    made = lambda key: cy.differentiate.laplacian(u, method="hutchinson", samples=4, key=key)
    one = made(KEY)
    assert one == one
    assert hash(one) == hash(one)
    assert one != made(jax.random.key(1))


def test_the_figure_ends_at_the_mean_and_its_interval(small):
    figure = cy.figure(small, truth=float(10 * 2 + 60), level=0.9)
    interval, means, probes = figure.data
    np.testing.assert_allclose(probes.x, small.replicates)
    assert means.y[-1] == pytest.approx(float(small.value))
    low, high = small.interval(0.9)
    assert (max(interval.y[38], interval.y[39])) == pytest.approx(float(high))
    assert (min(interval.y[38], interval.y[39])) == pytest.approx(float(low))
    assert "90% interval" in figure.layout.title.subtitle.text


def test_a_figure_is_of_one_number():
    with pytest.raises(ValueError, match="draw one of them"):
        cy.figure(estimate(lambda x: x**2, jnp.ones(3)))
