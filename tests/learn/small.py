"""Small tasks shared by the tests of training, so that compiled programs are shared too."""

from __future__ import annotations

import jax
import numpy as np

import cycloid as cy

KEY = jax.random.key(3)
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(60, 3))
W = np.array([1.0, -2.0, 0.5])
Y = X @ W + 0.7 + 0.1 * RANDOM.normal(size=60)
EXTENDED = np.column_stack([X, np.ones(60)])  # the rows with a one for the bias
CURVATURE = float(np.linalg.eigvalsh(2 * EXTENDED.T @ EXTENDED / 60).max())  # of the squared error, the largest
LABELS = (np.median(Y) < Y).astype(int)


def least_squares(**options):
    """A linear regression on 60 rows by gradient descent on all of them."""
    arguments = {
        "loss": "mse",
        "method": cy.optimize.GradientDescent(0.1),
        "max_steps": 60,
        "batch_size": None,
        "record_every": 20,
        "key": KEY,
    }
    return cy.train.fit("linear", (X, Y), **{**arguments, **options})


def small_net(**options):
    """A net with 8 hidden units on mini-batches of 16 of the same rows, validated on 20 others."""
    arguments = {
        "validation": (X[40:], Y[40:]),
        "method": "adam",
        "max_steps": 60,
        "batch_size": 16,
        "record_every": 20,
        "key": KEY,
    }
    return cy.train.fit(cy.train.mlp((8,), "tanh"), (X[:40], Y[:40]), **{**arguments, **options})
