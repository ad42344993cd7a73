"""Methods of curvature under bad weather: batches with NaN, a floor of zero, one example, losses without curvature."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cycloid as cy
from cycloid.learn import SquaredError
from cycloid.learn.curvatures import loss_objective
from cycloid.learn.networks import perceptron
from cycloid.optimize import KFAC, HessianFree, NaturalGradient, apply_update, minimize, model_objective

X = jax.random.normal(jax.random.key(0), (20, 2))
Y = jnp.sin(2 * X[:, :1])
NET = perceptron(2, 1, (4,), key=jax.random.key(1), activation="tanh")
PARAMS, STATIC = eqx.partition(NET, eqx.is_inexact_array)
outputs = lambda params, x: jax.vmap(eqx.combine(params, STATIC))(x)
METHODS = {
    "hessian-free": HessianFree("kfac", damping=0.1, most=20),
    "kfac": KFAC(damping=0.1, refresh=1),
    "natural-gradient": NaturalGradient(0.1),
}


@eqx.filter_jit
def step(method: Any, params: Any, state: Any, x: Any, y: Any) -> Any:
    update, state, info = method.step(loss_objective(outputs, SquaredError(), x, y), params, state)
    return apply_update(params, update), state, info.value


def finite(tree: Any) -> bool:
    return all(bool(np.all(np.isfinite(leaf))) for leaf in jax.tree.leaves(tree))


@pytest.mark.parametrize("name", METHODS)
def test_a_batch_with_nan_moves_nothing_and_is_forgotten(name: str):
    method = METHODS[name]
    params, state, first = step(method, PARAMS, method.init(PARAMS), X, Y)
    same, state, value = step(method, params, state, X.at[3, 0].set(jnp.nan), Y)
    assert np.isnan(value)
    assert eqx.tree_equal(same, params)
    after, state, second = step(method, same, state, X, Y)
    assert not eqx.tree_equal(after, params)
    assert finite(after)
    assert float(second) < float(first)


def test_a_run_on_data_with_nan_breaks_off_with_the_last_good_weights():
    batches = [(X, Y), (X, Y.at[0].set(jnp.nan))]
    run = cy.train.fit(NET, lambda: iter(batches), loss="mse", method=METHODS["hessian-free"], max_steps=4,
                       record_every=1, key=jax.random.key(0), throw=False)  # fmt: skip
    assert run.status.name == "nonfinite"
    assert "NaN" in run.explanation
    assert finite(eqx.filter(run.value, eqx.is_inexact_array))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64], ids=["float32", "float64"])
def test_one_example_and_no_floor_are_fitted(dtype: Any):
    narrow = lambda tree: jax.tree.map(lambda leaf: leaf.astype(dtype), tree)
    params, x, y = narrow((PARAMS, X[:1], Y[:1]))
    method = HessianFree("kfac", damping=0.0, floor=0.0, rows=8, most=20)
    state = method.init(params)
    values = []
    for _ in range(8):
        params, state, value = step(method, params, state, x, y)
        values.append(float(value))
        assert finite((params, state.damping, state.warm, value))
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype(dtype)}
    assert values[-1] < 1e-3 * values[0]


def test_the_floor_holds_the_damping_up():
    method = HessianFree(damping=1e-3, floor=1e-2)
    state = method.init(PARAMS)
    assert float(state.damping) == pytest.approx(1e-2)
    found = minimize(lambda x: jnp.sum((x - 1) ** 2), jnp.zeros(2), method=HessianFree(damping=0.1, floor=0.05))
    assert found.trace is not None
    assert np.min(found.trace.notes["damping"]) >= 0.05


def test_kfac_wants_some_damping():
    with pytest.raises(ValueError, match="above 0"):
        KFAC(damping=0.0, floor=0.0)


def test_the_absolute_error_has_no_curvature_and_a_cure():
    with pytest.raises(ValueError, match=r'mae has no curvature.*loss="huber"'):
        cy.train.fit(NET, (X, Y), loss="mae", method="hessian-free", max_steps=1, key=jax.random.key(0))


def test_a_loss_of_ones_own_is_met_with_the_hessian_and_kronecker_factors_with_a_cure():
    own = lambda model, batch: jnp.mean(jnp.cosh(jax.vmap(model)(batch[0]) - batch[1]) - 1)
    fit = {"loss": own, "max_steps": 12, "batch_size": None, "record_every": 12, "key": jax.random.key(0)}
    run = cy.train.fit(NET, (X, Y), method=HessianFree(most=20), **fit)
    assert run.history["train_loss"][-1] < 0.2 * run.history["loss"][0]
    with pytest.raises(TypeError, match=r"needs a model.*diagonal.*loss by name"):
        cy.train.fit(NET, (X, Y), method=HessianFree("kfac"), **fit)


def test_an_objective_without_slopes_is_told_which_losses_have_them():
    bare = model_objective(outputs, lambda z, y: jnp.sum((z - y) ** 4, axis=1), X, Y)
    method = HessianFree("kfac")
    with pytest.raises(ValueError, match=r"none are known.*cross_entropy.*slopes=.*diagonal"):
        jax.eval_shape(lambda: method.step(bare, PARAMS, method.init(PARAMS))[0])


def test_the_notes_of_a_walk_follow_the_rule_of_the_damping():
    valley = lambda x: 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2 + x[2] ** 2
    found = minimize(valley, jnp.array([-1.2, 1.0, 1.0]), method=HessianFree())
    assert found.trace is not None
    notes, steps = found.trace.notes, int(found.steps)
    assert set(notes) == {"damping", "cg_iterations", "reduction_ratio"}
    assert all(len(column) == steps + 1 for column in notes.values())
    assert np.all((notes["cg_iterations"][:steps] >= 1) & (notes["cg_iterations"][:steps] <= 150))
    # Levenberg's rule, found again from the ratios: below ¼ grow, above ¾ shrink.
    ratio, damping = notes["reduction_ratio"], notes["damping"]
    factor = np.where(ratio > 0.75, 1 / 1.5, np.where(ratio < 0.25, 1.5, 1.0))
    judged = np.isfinite(ratio[:-1])
    assert judged.sum() > 5
    np.testing.assert_allclose(damping[1:][judged], np.maximum(1e-6, (damping * factor)[:-1][judged]))


def test_the_notes_of_a_run_are_in_its_history_its_figure_and_its_check():
    method = HessianFree(damping=0.1, most=20, start=cy.optimize.Adam(1e-2), start_steps=2)
    fit = {"max_steps": 6, "batch_size": None, "record_every": 1, "key": jax.random.key(0)}
    run = cy.train.fit(NET, (X, Y), loss="mse", method=method, **fit)
    turns = run.history["cg_iterations"]
    np.testing.assert_array_equal(turns > 0, [False, False, True, True, True, True])
    assert np.all(np.isnan(run.history["reduction_ratio"][:2]))
    fig = cy.figure(run)
    drawn = {trace.name: np.asarray(trace.y, float) for trace in fig.data if trace.name in ("λ", "turns")}
    np.testing.assert_array_equal(drawn["turns"][2:], turns[2:])
    np.testing.assert_array_equal(drawn["λ"][2:], run.history["damping"][2:])
    assert np.all(np.isnan(drawn["λ"][:2]))
    from cycloid.checks.gauss_newton import curvature_card

    card = curvature_card(run, SquaredError(), X, Y)
    assert card is not None
    assert card.agrees
    assert "Gauss-Newton" in card.method
    assert "raised" in card.further[0].claim
    wrong = eqx.tree_at(lambda r: r.history["actual_change"], run, np.full(6, 0.1))
    again = curvature_card(wrong, SquaredError(), X, Y)
    assert again is not None
    assert not again.agrees
