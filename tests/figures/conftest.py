"""Small real results to draw, one of each kind, with names that try to be markup."""

from __future__ import annotations

import jax
import numpy as np
import pandas as pd
import pytest

import cycloid as cy
from cycloid.problems.landscapes import LANDSCAPES

NASTY = '<script>alert("x")</script>'
CLASSES = ("<b>bold</b>", "</script><img src=x onerror=alert(1)>", "plain & simple")


@pytest.fixture(scope="session")
def data():
    """Iris with a column, a target and classes called like attacks."""
    from sklearn.datasets import load_iris

    table = load_iris()
    frame = pd.DataFrame(table.data, columns=[NASTY, "a", "b", "c"])
    frame["<i>kind</i>"] = np.array(CLASSES)[table.target]
    return cy.train.load(frame, "<i>kind</i>", key=jax.random.key(0))


@pytest.fixture(scope="session")
def run(data):
    return cy.train.fit(cy.train.mlp(hidden=(6,)), data, key=jax.random.key(1), method=cy.optimize.Adam(0.02),
                        max_steps=60, record_every=6)  # fmt: skip


@pytest.fixture(scope="session")
def comparison(data):
    methods = {NASTY: cy.optimize.Adam(0.02), "sgd": cy.optimize.SGD(0.1)}
    return cy.train.compare(cy.train.mlp(hidden=(6,)), data, methods, key=jax.random.key(1), max_steps=30,
                            record_every=6, learning_rates=None)  # fmt: skip


@pytest.fixture(scope="session")
def minimum():
    landscape = LANDSCAPES["rosenbrock"]
    return cy.optimize.minimize(landscape.text, landscape.start, max_steps=500, throw=False)


@pytest.fixture(scope="session")
def race():
    landscape = LANDSCAPES["rosenbrock"]
    return cy.race(landscape.text, landscape.start, methods=["adam", "momentum"], evaluations=60,
                   key=jax.random.key(0), seeds=3)  # fmt: skip


@pytest.fixture(scope="session")
def sweep():
    return cy.optimize.sweep("x^2", 1.0, method="adam", learning_rates=[0.01, 0.1, 1.0], evaluations=30)
