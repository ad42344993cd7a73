"""One small run, comparison, minimum and race of each kind, made once for all tests of the cards."""

from __future__ import annotations

import jax
import numpy as np
import pytest

import cycloid as cy
from cycloid.problems.landscapes import LANDSCAPES


@pytest.fixture(scope="session")
def data():
    return cy.train.load("iris", key=jax.random.key(0))


@pytest.fixture(scope="session")
def run(data):
    return cy.train.fit("softmax", data, key=jax.random.key(1), method=cy.optimize.Adam(0.05), max_steps=60,
                        record_every=10)  # fmt: skip


@pytest.fixture(scope="session")
def regression():
    """A run on plain arrays with a test part, whose answers need no unscaling."""
    random = np.random.default_rng(0)
    x = random.normal(size=(120, 3))
    y = x @ np.array([1.0, -2.0, 0.5]) + 0.3 * random.normal(size=120)
    return cy.train.fit("linear", (x[:80], y[:80]), key=jax.random.key(1), method=cy.optimize.Adam(0.05),
                        test=(x[80:], y[80:]), max_steps=100, record_every=20)  # fmt: skip


@pytest.fixture(scope="session")
def minimum():
    landscape = LANDSCAPES["rosenbrock"]
    return cy.optimize.minimize(landscape.text, landscape.start, max_steps=2_000)


@pytest.fixture(scope="session")
def race():
    landscape = LANDSCAPES["rosenbrock"]
    return cy.race(landscape.text, landscape.start, methods=["adam", "momentum", "gradient-descent"],
                   evaluations=100, key=jax.random.key(0), seeds=3)  # fmt: skip
