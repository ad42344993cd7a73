"""Cards and figures of spectra: right ones agree, wrong ones do not."""

import dataclasses
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cycloid as cy

KEY = jax.random.key(0)


def model(w, X):
    return jnp.tanh(X @ w["first"]) @ w["last"]


def network(width):
    draws = np.random.default_rng(0)
    w = {"first": jnp.asarray(draws.normal(size=(3, width))), "last": jnp.asarray(draws.normal(size=(width,))) / width}
    X = jnp.asarray(draws.normal(size=(32, 3)))
    return w, X, jnp.sin(X[:, 0])


def loss(w, X, y):
    return jnp.mean((model(w, X) - y) ** 2)


def spoilt(result, **parts):
    return dataclasses.replace(result, **parts).asked(result.question)


@pytest.fixture(scope="module")
def small():
    return cy.differentiate.spectrum(loss, *network(10), k=4, key=KEY)


@pytest.fixture(scope="module")
def large():
    return cy.differentiate.spectrum(loss, *network(70), k=4, key=KEY)


@pytest.mark.parametrize("size", ["small", "large"])
def test_a_right_spectrum_agrees_and_a_wrong_one_does_not(size, request):
    result = request.getfixturevalue(size)
    assert cy.check(result).verdict == "agrees"
    assert cy.check(spoilt(result, value=1.05 * result.value)).verdict == "disagrees"
    assert cy.check(spoilt(result, trace=result.trace + 100.0)).verdict == "disagrees"


def test_an_eigenvalue_missed_is_seen_in_the_whole_matrix(small):
    missed = jnp.concatenate([small.value[1:], small.value[-1:]])
    assert cy.check(spoilt(small, value=missed)).verdict == "disagrees"


@pytest.mark.parametrize("operator", ["ggn", "fisher"])
def test_matrices_of_a_model_are_checked(operator):
    w, X, y = network(10)
    inner = "normal" if operator == "fisher" else lambda z: jnp.mean((z - y) ** 2)
    result = cy.differentiate.spectrum(inner, w, X, operator=operator, model=model, k=3, key=KEY)
    assert cy.check(result).verdict == "agrees"


def test_a_spectrum_without_its_question_says_what_to_pass(small):
    bare = jax.tree.map(lambda leaf: leaf, small)
    with pytest.raises(ValueError, match="question="):
        cy.check(bare)
    with pytest.raises(ValueError, match="params"):
        cy.check(bare, question=loss)


def test_the_figure_shows_every_eigenvalue_and_all_the_shares(small):
    figure = cy.figure(small)
    bars, shares = figure.data
    np.testing.assert_allclose(bars.y, np.sort(np.asarray(small.value))[::-1])
    assert sum(shares.y) == pytest.approx(1.0)
    assert "sharpness" in figure.layout.title.subtitle.text
    assert len(cy.figure(dataclasses.replace(small, density=None)).data) == 1


def test_a_batch_is_refused(small):
    batch = spoilt(small, status=SimpleNamespace(code=np.zeros(3)))
    for verb in (cy.check, cy.figure):
        with pytest.raises(ValueError, match="batch"):
            verb(batch)
