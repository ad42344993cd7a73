"""Training that runs away: caught, explained in numbers, ended on the last finite model."""

from __future__ import annotations

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cycloid as cy
from cycloid.core.results import ConvergenceError
from learn.small import CURVATURE, X, Y, least_squares


@pytest.mark.parametrize("factor", [2.5, 4.0, 20.0])
def test_the_learning_rate_proposed_is_one_over_the_curvature(factor):
    """Far out the error grows along the steepest direction, by |1 − ηλ| a step: the cure is η = 1/λ."""
    rate = factor / CURVATURE
    run = least_squares(method=cy.optimize.GradientDescent(rate), max_steps=600, throw=False)
    assert run.status.name == "diverged"
    proposed = float(re.search(r"to about ([0-9.e+-]+?)[,.]? ", run.explanation + " ")[1])
    assert proposed == pytest.approx(1 / CURVATURE, rel=0.25)
    assert run.steps < 600
    assert np.isfinite(run.value.weight).all()
    cured = least_squares(method=cy.optimize.GradientDescent(proposed), max_steps=600)
    assert cured.history["train_loss"][-1] < 0.02


def test_called_plainly_it_raises_with_the_numbers():
    with pytest.raises(ConvergenceError) as caught:
        least_squares(method=cy.optimize.GradientDescent(3.0), max_steps=600)
    assert "learning rate" in str(caught.value)
    assert "× " in caught.value.__notes__[0]
    assert caught.value.result.verdict.improved == "unclear"


def _with_a_pole():
    """A model whose output is infinite from the weight 12 on."""
    return (lambda w, x: w * (1 + x[0] ** 2) / jnp.where(w < 11.5, 1.0, 0.0), jnp.array(1.0))


def test_the_first_step_and_quantity_that_broke_are_named():
    run = cy.train.fit(
        _with_a_pole(),
        (X, Y),
        loss="mse",
        method=cy.optimize.from_optax(_climb()),
        key=jax.random.key(0),
        max_steps=100,
        batch_size=None,
        record_every=40,
        throw=False,
    )
    # before step k the weight is k
    assert run.status.name == "nonfinite"
    assert run.explanation.startswith("At step 11 the update of length 1 made the loss infinite")
    assert run.steps == 10
    assert float(run.value.params) == 11.0


def _climb():
    import optax

    return optax.GradientTransformation(
        lambda params: (), lambda g, state, params=None: (jax.tree.map(jnp.ones_like, g), state)
    )


def _poisoned(step):
    """Batches of which one, the `step`-th, holds a NaN."""
    for i in range(1, 100):
        y = Y[:16].copy()
        y[3] = np.nan if i == step else y[3]
        yield X[:16], y


@pytest.mark.parametrize("step", [1, 2, 17, 20, 21, 33, 40])
def test_a_poisoned_batch_is_found(step):
    run = cy.train.fit(
        "linear",
        _poisoned(step),
        loss="mse",
        key=jax.random.key(0),
        max_steps=60,
        record_every=20,
        throw=False,
        validation=(X[40:], Y[40:]),
    )
    assert run.status.name == "nonfinite"
    assert f"step {step} " in run.explanation
    assert run.steps == step - 1
    assert np.isfinite(run.value.weight).all()


def test_arrays_with_nan_are_refused_at_once():
    x = X.copy()
    x[7, 1] = np.inf
    with pytest.raises(ValueError, match=r"x has 1 values .* index \(7, 1\)"):
        cy.train.fit("linear", (x, Y), loss="mse", key=jax.random.key(0))


def test_a_start_that_is_not_finite_is_named():
    run = cy.train.fit(
        (lambda w, x: w @ x, jnp.full(3, jnp.nan)), (X, Y), loss="mse", key=jax.random.key(0), throw=False
    )
    assert run.status.name == "nonfinite"
    assert "step 1" in run.explanation
    assert "starting weights" in run.explanation
