"""fit_curve: standard errors, bands, starts, what cannot be told apart, ways to write a model, wrong calls."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize

import cycloid as cy
from cycloid.optimize import Fit, fit_curve

X = jnp.linspace(0.0, 4.0, 9)
Y = jnp.array([5.1, 3.9, 3.0, 2.45, 1.9, 1.32, 1.05, 0.98, 0.7])
DECAY = "a*exp(-b*x)"
START = {"a": 1.0, "b": 0.1}


@pytest.fixture(scope="module")
def decay():
    return fit_curve(DECAY, X, Y, start=START)


def test_as_scipy_has_it(decay):
    weights = jnp.linspace(1.0, 3.0, 9)
    weighted = fit_curve(DECAY, X, Y, start=START, weights=weights)
    for fit, sigma in ((decay, None), (weighted, 1 / np.sqrt(weights))):
        model = lambda x, a, b: a * np.exp(-b * x)
        values, covariance = optimize.curve_fit(model, X, Y, p0=(1, 0.1), sigma=sigma, xtol=1e-14, ftol=1e-14)
        np.testing.assert_allclose([fit.value["a"], fit.value["b"]], values, rtol=1e-8)
        np.testing.assert_allclose(fit.covariance, covariance, rtol=1e-6)


def test_a_straight_line_in_closed_form():
    fit = fit_curve("a + b*x", X, Y, start=[0.0, 0.0])
    n, centred = 9, X - X.mean()
    slope = centred @ Y / (centred @ centred)
    sd = jnp.sqrt(jnp.sum((Y - Y.mean() - slope * centred) ** 2) / (n - 2))
    assert float(fit.value["b"]) == pytest.approx(float(slope), rel=1e-10)
    assert float(fit.error["b"]) == pytest.approx(float(sd / jnp.linalg.norm(centred)), rel=1e-10)
    at = 3.3
    spread = 2.364624251 * sd * jnp.sqrt(1 / n + (at - X.mean()) ** 2 / (centred @ centred))
    low, high = fit.band(jnp.array([at]))
    assert float((high - low)[0] / 2) == pytest.approx(float(spread), rel=1e-8)
    low, high = fit.band(jnp.array([at]), kind="prediction")
    assert float((high - low)[0] / 2) == pytest.approx(float(jnp.hypot(spread, 2.364624251 * sd)), rel=1e-8)


def test_intervals_cover_as_often_as_they_say():
    # 400 data sets: the count of covers has a standard deviation of 4.4, and the bound is three of them.
    truth = {"a": 5.0, "b": 0.5}
    curve = truth["a"] * jnp.exp(-truth["b"] * X)

    def member(key):
        fit = fit_curve(DECAY, X, curve + 0.1 * jax.random.normal(key, X.shape), start=truth, throw=False)
        return fit.value["b"], fit.error["b"]

    values, errors = jax.jit(jax.vmap(member))(jax.random.split(jax.random.key(1), 400))
    covered = int(jnp.sum(jnp.abs(values - truth["b"]) <= 2.364624251 * errors))
    assert 380 - 13 <= covered <= 380 + 13


@pytest.mark.parametrize(
    ("model", "start"),
    [
        (lambda x, a, b: a * jnp.exp(-b * x), START),
        (lambda x, p: p["a"] * jnp.exp(-p["b"] * x), START),
        (lambda x, p: p[0] * jnp.exp(-p[1] * x), jnp.array([1.0, 0.1])),
        (DECAY, [1.0, 0.1]),
        (cy.formula("f(b, x, a) = a*exp(-b*x)"), [0.1, 1.0]),
    ],
    ids=["named", "dict", "vector", "text", "formula"],
)
def test_ways_to_write_a_model(decay, model, start):
    fit = fit_curve(model, X, Y, start=start)
    values = jnp.sort(jnp.stack(jax.tree.leaves(fit.value)).ravel()) if not eq_array(fit.value) else jnp.sort(fit.value)
    np.testing.assert_allclose(values, sorted([float(decay.value["a"]), float(decay.value["b"])]), rtol=1e-9)


def eq_array(value):
    return hasattr(value, "shape") and np.ndim(value) == 1


def test_without_a_start_the_curve_is_found(decay):
    fit = fit_curve(DECAY, X, Y)
    assert float(fit.value["b"]) == pytest.approx(float(decay.value["b"]), rel=1e-8)
    moved = fit_curve(DECAY, 1e3 * X, 1e4 * Y, key=jax.random.key(2))
    assert float(moved.value["b"]) == pytest.approx(float(decay.value["b"]) / 1e3, rel=1e-8)


def test_several_columns():
    u, v = jnp.linspace(1.0, 2.0, 12), jnp.linspace(3.0, 1.0, 12) ** 2
    fit = fit_curve("k*u^m*v", {"u": u, "v": v}, 2.5 * u**1.5 * v, start={"k": 1.0, "m": 1.0}, throw=False)
    assert float(fit.value["m"]) == pytest.approx(1.5, rel=1e-8)


def test_what_cannot_be_told_apart_is_named():
    fit = fit_curve("a*b*exp(-c*x)", X, Y, start=[1.0, 2.0, 0.1], throw=False)
    assert fit.status.name == "indistinct"
    assert fit.not_told_apart == ["a", "b"]
    assert np.isnan(float(fit.error["a"]))
    assert float(fit.error["c"]) > 0
    with pytest.raises(cy.ConvergenceError, match="tell some parameters apart"):
        fit_curve("a*b*exp(-c*x)", X, Y, start=[1.0, 2.0, 0.1])


def test_saved_loaded_and_batched(decay, tmp_path):
    decay.save(tmp_path / "fit.zip")
    again = Fit.load(tmp_path / "fit.zip")
    assert again.value["a"] == decay.value["a"]
    assert again.names == ("a", "b")
    np.testing.assert_allclose(again.predict(X, model=DECAY), decay.fitted)
    with pytest.raises(ValueError, match="lost its model"):
        again.predict(X)
    batch = jax.vmap(lambda y: fit_curve(DECAY, X, y, start=START, throw=False))(jnp.stack([Y, Y.at[0].set(jnp.nan)]))
    assert batch.status.name == ["converged", "nonfinite"]


def test_the_card_agrees_and_catches_a_wrong_answer(decay):
    card = cy.check(decay)
    assert card.agrees, str(card)
    import dataclasses

    wrong = dataclasses.replace(decay, value={"a": decay.value["a"] + 0.05, "b": decay.value["b"]})
    assert cy.check(wrong, decay.question).verdict == "disagrees"
    narrow = dataclasses.replace(decay, error=jax.tree.map(lambda s: s / 2, decay.error))
    assert cy.check(narrow, decay.question).verdict == "disagrees"


def test_the_card_of_a_sum_of_squares():
    found = cy.optimize.least_squares(["10*(y - x^2)", "1 - x", "x + y"], {"x": -1.2, "y": 1.0}, tol=1e-10)
    assert cy.check(found).agrees
    import dataclasses

    wrong = dataclasses.replace(found, objective=found.objective * 1.01)
    assert cy.check(wrong, found.question).verdict == "disagrees"


def test_the_figure_shows_curve_bands_and_residuals(decay):
    fig = cy.figure(decay)
    names = [trace.name for trace in fig.data]
    assert {"data", "fitted curve", "95% for the curve", "95% for a new observation"} <= set(names)
    shown = next(trace for trace in fig.data if trace.name == "residuals")
    np.testing.assert_allclose(shown.y, decay.residuals)
    many = fit_curve("a*u + b*v", {"u": X, "v": X**2}, Y, start=[1.0, 1.0])
    assert "observed = fitted" in [trace.name for trace in cy.figure(many).data]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fit_curve(DECAY, X, Y[:5], start=START), "one number for each observation"),
        (lambda: fit_curve(DECAY, X, Y.at[3].set(jnp.nan), start=START), "first in row 3"),
        (lambda: fit_curve(DECAY, X[:1], Y[:1], start=START), "cannot fix 2 parameters"),
        (lambda: fit_curve(DECAY, X, Y, start={"a": 1.0}), "lacks b"),
        (lambda: fit_curve(DECAY, X, Y, start={"a": 1.0, "b": 1.0, "c": 2.0}), "names c"),
        (lambda: fit_curve("a*exp(-b*t)", X, Y), "Call it x"),
        (lambda: fit_curve("x^2", X, Y), "no parameter"),
        (lambda: fit_curve("a + b", {"x": X}, Y), "no curve"),
        (lambda: fit_curve(DECAY, X, Y, start=START, weights=-jnp.ones(9)), "not negative"),
        (lambda: fit_curve(lambda x, p: p * x, X, Y[:, None], start=1.0), "vector of observations"),
        (lambda: fit_curve(lambda x: x, X, Y), "tells no parameters"),
        (lambda: fit_curve(lambda x, p: p * x[:3], X, Y, start=1.0), "returned the shape"),
        (lambda: fit_curve("log(-a^2 - x)", X, Y), "finite at none"),
    ],
)
def test_wrong_calls(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()
