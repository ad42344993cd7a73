"""Hessian-free: conjugate gradients against a dense solution, the model's curvature, the switch, and training by it."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cycloid as cy
from cycloid.learn import BinaryCrossEntropy, CrossEntropy, Huber, SquaredError
from cycloid.learn.curvatures import sampled_slopes
from cycloid.learn.networks import perceptron
from cycloid.optimize import Adam, HessianFree, Objective, minimize, model_objective
from cycloid.optimize.damped_systems import adapted, backtrack, conjugate_gradients
from cycloid.optimize.model_objectives import Flat

X = jax.random.normal(jax.random.key(0), (40, 3))
Y = jnp.sin(2 * X[:, :2])
NET = perceptron(3, 2, (5,), key=jax.random.key(1), activation="tanh")
PARAMS, STATIC = eqx.partition(NET, eqx.is_inexact_array)
outputs = lambda params, x: jax.vmap(eqx.combine(params, STATIC))(x)


def objective() -> Any:
    loss = SquaredError()
    return model_objective(outputs, loss.examples, X, Y, slopes=lambda z, y, key: sampled_slopes(loss, z, y, key))


def spd(size: int) -> tuple[Any, Any]:
    turned = jnp.linalg.qr(jax.random.normal(jax.random.key(2), (size, size)))[0]
    return (turned * jnp.logspace(0, 2, size)) @ turned.T, jax.random.normal(jax.random.key(3), (size,))


def test_conjugate_gradients_solve_a_system_in_as_many_turns_as_it_has_unknowns():
    matrix, g = spd(12)
    found = conjugate_gradients(lambda v: matrix @ v, g, jnp.zeros(12), lambda v: v, most=12, precision=0.0)
    np.testing.assert_allclose(found.step, -jnp.linalg.solve(matrix, g), rtol=1e-6)
    np.testing.assert_array_equal(found.kept[found.last], found.step)


def test_the_exact_inverse_as_preconditioner_needs_one_turn():
    matrix, g = spd(12)
    inverse = jnp.linalg.inv(matrix)
    found = conjugate_gradients(lambda v: matrix @ v, g, jnp.zeros(12), lambda v: inverse @ v, most=1, precision=0.0)
    np.testing.assert_allclose(found.step, -inverse @ g, rtol=1e-8)


def test_a_loose_precision_stops_earlier():
    matrix, g = spd(60)
    turns = [
        int(conjugate_gradients(lambda v: matrix @ v, g, jnp.zeros(60), lambda v: v, most=200, precision=p).turns)
        for p in (1e-2, 1e-12)
    ]
    assert 10 < turns[0] < turns[1] < 200


def test_negative_curvature_is_followed_downhill_and_ends_the_turns():
    g = jnp.array([1.0, 0.5])
    found = conjugate_gradients(lambda v: -v, g, jnp.zeros(2), lambda v: v, most=9, precision=0.0)
    assert int(found.turns) == 1
    assert float(g @ found.step) < 0


def test_backtracking_takes_the_best_of_the_last_run_down():
    matrix, g = spd(30)
    found = conjugate_gradients(lambda v: matrix @ v, g, jnp.zeros(30), lambda v: v, most=30, precision=0.0)
    size = lambda step: step @ step  # the shortest of the kept steps is the first: f falls all the way back
    step, value, tries = backtrack(size, found)
    np.testing.assert_array_equal(step, found.kept[0])
    assert int(tries) == int(found.last) + 1
    assert float(value) == float(size(step))


@pytest.mark.parametrize(("share", "expected"), [(0.9, 1 / 1.5), (0.5, 1.0), (0.1, 1.5), (-1.0, 1.5), (np.nan, 1.5)])
def test_damping_follows_the_share_of_the_promise(share: float, expected: float):
    assert float(adapted(jnp.array(1.0), jnp.array(share), 1.5, 1e-6)) == pytest.approx(expected)


def test_damping_stays_above_its_floor():
    assert float(adapted(jnp.array(1e-6), jnp.array(1.0), 1.5, 1e-6)) == 1e-6


@pytest.mark.slow
def test_the_curvature_of_a_model_is_gauss_newton_and_that_of_a_function_the_hessian():
    seen = objective()
    flat = Flat(seen, PARAMS)
    product = flat.curvature()
    jacobian = jax.jacobian(lambda p: outputs(flat.params(p), X).ravel())(flat.x)
    expected = jacobian.T @ jacobian * 2 / Y.size
    got = jax.vmap(product)(jnp.eye(flat.x.size))
    np.testing.assert_allclose(got, expected, atol=1e-12)
    plain = Flat(Objective(seen.value), PARAMS)
    hessian = jax.vmap(plain.curvature())(jnp.eye(flat.x.size))
    np.testing.assert_allclose(hessian, jax.hessian(plain.value)(flat.x), atol=1e-12)


@pytest.mark.parametrize(
    ("loss", "y"),
    [
        (SquaredError(), Y),
        (Huber(0.5), Y),
        (BinaryCrossEntropy(), jax.nn.sigmoid(Y)),
        (CrossEntropy(), jnp.where(Y[:, 0] > 0, 1, 0)),
    ],
    ids=["mse", "huber", "binary", "classes"],
)
def test_slopes_have_the_hessian_of_the_loss_as_covariance(loss: Any, y: Any):
    z, count = outputs(PARAMS, X)[:1], 40_000
    target = jnp.asarray(y)[:1]
    draw = lambda key: sampled_slopes(loss, z, target, key)[0]
    draws = jax.vmap(draw)(jax.random.split(jax.random.key(4), count))
    hessian = jax.hessian(lambda out: loss.examples(out[None], target)[0])(z[0])
    # Five standard errors of a mean of products, whose spread is below that of normal ones with these variances.
    spread = 5 * np.sqrt(2 / count) * float(jnp.max(jnp.abs(hessian))) + 1e-12
    np.testing.assert_allclose(draws.T @ draws / count, hessian, atol=spread)
    assert np.all(np.abs(draws.mean(axis=0)) < 5 * np.sqrt(np.max(np.diag(hessian)) / count) + 1e-12)


@pytest.mark.parametrize("preconditioner", ["none", "diagonal", "kfac"])
def test_it_fits_a_network_far_below_what_adam_leaves(preconditioner: Any):
    fit = {"max_steps": 40, "batch_size": None, "key": jax.random.key(0), "record_every": 40}
    run = cy.train.fit(NET, (X, Y), loss="mse", method=HessianFree(preconditioner, damping=0.1), **fit)
    adam = cy.train.fit(NET, (X, Y), loss="mse", method=Adam(1e-2), **fit)
    assert run.history["train_loss"][-1] < 0.2 * adam.history["train_loss"][-1]


@pytest.mark.slow
def test_the_loss_never_rises_on_the_whole_data():
    seen, method = objective(), HessianFree(damping=0.1)

    @jax.jit
    def walk(params: Any) -> Any:
        def step(carry: Any, _: None) -> Any:
            update, state, info = method.step(seen, *carry)
            return (cy.optimize.apply_update(carry[0], update), state), info.value

        return jax.lax.scan(step, (params, method.init(params)), None, length=15)[1]

    values = walk(PARAMS)
    assert np.all(np.diff(values) <= 0)
    assert values[-1] < 0.3 * values[0]


def test_it_starts_with_the_other_method_and_then_switches():
    seen = Objective(lambda x: jnp.sum((x - 1) ** 4))
    method, adam = HessianFree(start=Adam(0.1), start_steps=3), Adam(0.1)
    x = other = jnp.zeros(2)
    state, memory = method.init(x), adam.init(x)
    for turn in range(5):
        update, state, _ = method.step(seen, x, state)
        expected, memory, _ = adam.step(seen, other, memory)
        assert bool(jnp.allclose(update, expected)) == (turn < 3)
        x, other = x + update, other + expected


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bits_and_another_does_not():
    step = lambda seed: eqx.filter_jit(HessianFree("kfac", rows=20, seed=seed).step)(
        objective(), PARAMS, HessianFree().init(PARAMS)
    )
    first, again, other = (Flat(Objective(lambda p: p), step(seed)[0]).x for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_single_precision_stays_single():
    narrow = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), PARAMS)
    data = (X.astype(jnp.float32), Y.astype(jnp.float32))
    fit = {"max_steps": 20, "batch_size": None, "key": jax.random.key(0), "record_every": 20}
    run = cy.train.fit(eqx.combine(narrow, STATIC), data, loss="mse", method=HessianFree("kfac", damping=0.1), **fit)
    assert {leaf.dtype for leaf in jax.tree.leaves(eqx.filter(run.value, eqx.is_array))} == {jnp.dtype("float32")}
    assert run.history["train_loss"][-1] < 0.5 * run.history["loss"][0]


def test_a_saddle_is_left_and_a_valley_walked():
    saddle = minimize(lambda x: x[0] ** 2 - x[1] ** 2 + x[1] ** 4, jnp.array([1.0, 1e-3]), method="hessian-free")
    assert abs(float(saddle.value[1])) == pytest.approx(0.5**0.5)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"preconditioner": "lu"}, ValueError, "none, diagonal, kfac"),
        ({"most": 0}, ValueError, "at least 1"),
        ({"rows": 2.5}, TypeError, "whole number"),
        ({"start": Adam(1e-3)}, ValueError, "belong together"),
        ({"start": "adam", "start_steps": 5}, TypeError, "first order"),
    ],
)
def test_wrong_options_are_told(options: dict[str, Any], error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        HessianFree(**options)


def test_micro_batches_are_refused():
    with pytest.raises(TypeError, match="whole batch at once"):
        cy.train.fit(NET, (X, Y), method="hessian-free", accumulate=2, key=jax.random.key(0))
