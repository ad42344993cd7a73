"""Slow descents: what is known of each holds, and Hessian-free optimization goes where gradients stand still."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cycloid.optimize import Adam, HessianFree, apply_update
from cycloid.problems import SLOW_DESCENTS
from cycloid.problems.slow_descents import deep_linear_saddle, product_of_layers, sequences

SMALL = {
    "rosenbrock": {"size": 6},
    "deep-linear": {"depth": 4, "width": 3, "rows": 20},
    "adding": {"length": 30, "units": 8, "rows": 60},
    "autoencoder": {"sizes": (64, 8, 3, 8, 64), "rows": 60},
}
# (problem, preconditioner): steps, and the share of the first loss that they leave at most.
SETTINGS = {
    ("rosenbrock", "none"): (40, 1e-9),
    ("rosenbrock", "diagonal"): (40, 1e-9),
    ("deep-linear", "none"): (30, 1e-3),
    ("deep-linear", "diagonal"): (30, 1e-3),
    ("deep-linear", "kfac"): (30, 1e-3),
    ("adding", "none"): (10, 0.6),
    ("adding", "diagonal"): (10, 0.6),
    ("autoencoder", "none"): (10, 0.6),
    ("autoencoder", "diagonal"): (10, 0.6),
    ("autoencoder", "kfac"): (10, 0.6),
}
# A program takes a second or two to compile; these are as the others of their problem.
SLOW = {("deep-linear", "diagonal"), ("adding", "diagonal"), ("autoencoder", "none"), ("autoencoder", "diagonal")}
CASES = [pytest.param(*pair, id=", ".join(pair), marks=[pytest.mark.slow] if pair in SLOW else []) for pair in SETTINGS]


def small(name: str) -> Any:
    return SLOW_DESCENTS[name](**SMALL[name])


def losses(problem: Any, method: Any, steps: int) -> np.ndarray:
    """The loss before each step, and after the last."""
    objective = problem.objective()

    @eqx.filter_jit
    def walk(start: Any) -> Any:
        def step(carry: Any, _: None) -> Any:
            update, state, info = method.step(objective, *carry)
            return (apply_update(carry[0], update), state), info.value

        (end, _), values = jax.lax.scan(step, (start, method.init(start)), None, length=steps)
        return jnp.append(values, objective.value(end))

    return np.asarray(walk(problem.start(jax.random.key(0))))


@pytest.mark.parametrize("name", SLOW_DESCENTS)
def test_each_says_what_it_is_and_can_be_asked(name: str):
    problem = small(name)
    assert problem.name == name
    value, gradient = eqx.filter_jit(problem.objective().value_and_grad)(problem.start(jax.random.key(0)))
    assert value > problem.target
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(gradient))
    assert problem.story.endswith(".")


def test_the_valley_is_zero_at_ones_and_nowhere_has_a_model():
    valley = small("rosenbrock")
    value, gradient = valley.objective().value_and_grad(jnp.ones(6))
    assert float(value) == valley.least == 0.0
    np.testing.assert_array_equal(gradient, 0.0)
    assert not valley.is_model


@pytest.mark.parametrize("kept", range(4))
def test_truncations_of_the_map_are_saddles_at_the_heights_of_the_plateaus(kept: int):
    problem = small("deep-linear")
    weights = deep_linear_saddle(kept, depth=4, width=3)
    value, gradient = problem.objective().value_and_grad(weights)
    heights = (*problem.plateaus, 0.0)
    assert float(value) == pytest.approx(heights[kept], abs=1e-14)
    np.testing.assert_allclose(jnp.stack(gradient), 0.0, atol=1e-14)
    singular = np.linalg.svd(product_of_layers(weights, jnp.eye(3)), compute_uv=False)
    np.testing.assert_allclose(singular, np.where(np.arange(3) < kept, 0.5 ** np.arange(3), 0.0), atol=1e-14)


def test_inputs_of_the_linear_network_are_uncorrelated():
    x = small("deep-linear").x
    np.testing.assert_allclose(x.T @ x / len(x), np.eye(3), atol=1e-12)


def test_sequences_hold_two_marks_early_enough_and_ask_for_their_sum():
    x, y = (np.asarray(part) for part in sequences(np.random.default_rng(3), 200, 40))
    numbers, marks = x[..., 0], x[..., 1]
    np.testing.assert_array_equal(marks.sum(axis=1), 2)
    assert marks[:, 20:].sum() == 0
    np.testing.assert_array_equal(marks[:, :4].sum(axis=1), 1)
    np.testing.assert_allclose((numbers * marks).sum(axis=1), y)
    # The variance of a sum of two uniform numbers is 1/6, its fourth central moment 1/15: five standard errors.
    assert abs(np.var(y) - 1 / 6) < 5 * np.sqrt((1 / 15 - 1 / 36) / 200)


def test_the_recurrent_network_begins_by_answering_one():
    problem = small("adding")
    assert problem.outputs is not None
    np.testing.assert_allclose(problem.outputs(problem.start(jax.random.key(0)), problem.x), 1.0)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "preconditioner"), CASES)
def test_hessian_free_goes_down_with_every_preconditioner(name: str, preconditioner: Any):
    steps, left = SETTINGS[name, preconditioner]
    found = losses(small(name), HessianFree(preconditioner, damping=0.1), steps)
    assert np.all(np.diff(found) <= 0)
    assert found[-1] < left * found[0]


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [("rosenbrock", TypeError, "needs a model"), ("adding", ValueError, "outside of any loop")],
)
def test_where_kronecker_factors_are_not_defined_a_sentence_says_so(name: str, error: Any, message: str):
    problem, method = small(name), HessianFree("kfac")
    start = problem.start(jax.random.key(0))
    with pytest.raises(error, match=message) as caught:
        jax.eval_shape(lambda: method.step(problem.objective(), start, method.init(start))[0])
    assert 'preconditioner="diagonal"' in str(caught.value)


@pytest.mark.slow
def test_beside_a_plateau_curvature_leaves_where_gradients_wait():
    problem, key = small("deep-linear"), jax.random.key(2)
    saddle = deep_linear_saddle(1, depth=4, width=3)
    noise = [1e-2 * jax.random.normal(jax.random.fold_in(key, i), w.shape) for i, w in enumerate(saddle)]
    near = [w + move for w, move in zip(saddle, noise, strict=True)]
    moved = eqx.tree_at(lambda p: p.start, _Started(problem), lambda _: near)
    height = problem.plateaus[1]
    assert losses(moved, Adam(1e-3), 25)[-1] > 0.9 * height
    assert losses(moved, HessianFree(damping=1e-3), 25)[-1] < 0.1 * height


class _Started(eqx.Module):
    problem: Any
    start: Any = None

    def objective(self) -> Any:
        return self.problem.objective()


@pytest.mark.slow
def test_the_curvature_may_see_fewer_rows_than_the_gradient():
    problem = small("autoencoder")
    start = problem.start(jax.random.key(0))
    whole = problem.objective()
    part = whole.some(20, jax.random.key(1))
    assert (part.count, whole.count) == (20, 60)
    method = HessianFree(rows=20, damping=0.1)
    _, _, info = eqx.filter_jit(method.step)(whole, start, method.init(start))
    value, gradient = eqx.filter_jit(whole.value_and_grad)(start)
    assert float(info.value) == pytest.approx(float(value))
    same = lambda got, expected: np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6)
    jax.tree.map(same, info.gradient, gradient)
    found = losses(problem, method, 10)
    assert np.all(np.diff(found) <= 0)
    assert found[-1] < 0.6 * found[0]
