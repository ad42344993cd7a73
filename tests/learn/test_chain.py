"""The chain of a step: identities that hold between its links."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cycloid as cy
from learn.small import LABELS, W, X, Y, least_squares, small_net


def test_gradient_descent_walks_straight_downhill():
    history = least_squares().history
    np.testing.assert_allclose(history["cosine"], 1.0, rtol=1e-12)
    np.testing.assert_allclose(history["predicted_change"], -0.1 * history["gradient_norm"] ** 2, rtol=1e-10)
    np.testing.assert_allclose(history["update_norm"], 0.1 * history["gradient_norm"], rtol=1e-10)


def test_steps_recorded_are_the_first_each_twentieth_and_the_last():
    assert least_squares(max_steps=50).recorded == [1, 20, 40, 50]
    assert least_squares(max_steps=1).recorded == [1]
    assert least_squares(max_steps=40).recorded == [1, 20, 40]


@settings(max_examples=15)
@given(st.floats(1e-6, 1e-1))
def test_on_a_quadratic_the_ratio_is_one_less_half_the_curvature(rate):
    """L(w + Δ) − L(w) = g·Δ + ½ Δ·H Δ, so the ratio is 1 − (η/2) g·H g / g·g, which tends to 1 with η."""
    run = least_squares(method=cy.optimize.GradientDescent(rate), max_steps=1)
    extended = np.column_stack([X, np.ones(60)])
    hessian = 2 * extended.T @ extended / 60
    g = -2 * extended.T @ Y / 60
    expected = 1 - rate / 2 * (g @ hessian @ g) / (g @ g)
    assert run.history["ratio"][0] == pytest.approx(expected, rel=1e-9)


def test_small_steps_do_what_the_gradient_promised():
    ratios = [
        float(small_net(method=cy.optimize.Adam(rate), max_steps=1).history["ratio"][0]) for rate in (1e-2, 1e-4, 1e-6)
    ]
    errors = np.abs(np.array(ratios) - 1)
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 1e-4


def test_links_of_one_step_by_hand():
    run = least_squares(max_steps=1)
    g = np.append(-2 * X.T @ Y / 60, -2 * Y.mean())
    w = -0.1 * g
    after = np.mean((X @ w[:3] + w[3] - Y) ** 2)
    history = run.history
    assert history["loss"][0] == pytest.approx(np.mean(Y**2), rel=1e-12)
    assert history["loss_after"][0] == pytest.approx(after, rel=1e-12)
    assert history["actual_change"][0] == pytest.approx(after - np.mean(Y**2), rel=1e-11)
    np.testing.assert_allclose(history["layer_gradient_norms"][0], [np.linalg.norm(g[:3]), abs(g[3])], rtol=1e-12)
    assert np.isnan(history["update_ratios"]).all()  # the weights were zero
    assert history["metric_before"][0] == pytest.approx(1 - np.sum(Y**2) / np.sum((Y - Y.mean()) ** 2), rel=1e-11)
    assert history["metric"][0] == pytest.approx(1 - after * 60 / np.sum((Y - Y.mean()) ** 2), rel=1e-11)


def test_layers_add_up_to_the_whole():
    history = small_net().history
    total = np.sqrt((history["layer_gradient_norms"] ** 2).sum(1))
    np.testing.assert_allclose(total, history["gradient_norm"], rtol=1e-12)
    np.testing.assert_allclose(history["loss_after"] - history["loss"], history["actual_change"], atol=1e-12)


def test_groups_add_up_to_the_whole():
    run = small_net()
    assert len(run.groups) == 4
    np.testing.assert_allclose(run.history["group_shares"].sum(1), 1.0, rtol=1e-12)
    # quartiles of 40 rows: ten each, so the mean over groups is the mean over rows
    np.testing.assert_allclose(run.history["group_losses"].mean(1), run.history["train_loss"], rtol=1e-10)


def test_groups_of_classes_are_the_classes():
    run = cy.train.fit("logistic", (X, LABELS), key=jax.random.key(0), max_steps=5, batch_size=None)
    assert run.groups == ("0", "1")
    np.testing.assert_allclose(run.history["group_shares"][0], [0.5, 0.5], rtol=1e-12)  # log 2 each at the start


def test_a_penalty_counts_in_loss_and_change():
    loss = cy.learn.SquaredError(l2=0.5)
    run = least_squares(loss=loss, max_steps=40)
    model = least_squares(loss=loss, max_steps=39).value
    value = lambda m: float(np.mean((X @ np.asarray(m.weight) + float(m.bias) - Y) ** 2) + 0.5 * np.sum(m.weight**2))
    assert run.history["loss"][-1] == pytest.approx(value(model), rel=1e-11)
    assert run.history["loss_after"][-1] == pytest.approx(value(run.value), rel=1e-11)


def test_a_function_as_loss_has_no_groups():
    def loss(model, batch):
        x, y = batch
        return jnp.mean(jnp.abs(jax.vmap(model)(x) - y) ** 3)

    run = cy.train.fit((lambda w, x: w @ x, jnp.zeros(3)), (X, Y), loss=loss, key=jax.random.key(0), max_steps=20)
    assert run.groups == ()
    assert run.task == "other"
    assert run.verdict is None
    assert run.history["loss"][-1] < run.history["loss"][0]
    assert run.history["actual_change"][0] == pytest.approx(
        run.history["loss_after"][0] - run.history["loss"][0], abs=1e-12
    )


def test_reading_a_step():
    run = small_net()
    lines = run.chain(20)
    assert {line.question for line in lines} == {
        "Where does the loss come from?",
        "With respect to what is the gradient?",
        "What did the update do?",
        "Did the metric improve?",
    }
    by_name = {line.quantity: line.value for line in lines}
    assert by_name["actual / predicted"] == pytest.approx(by_name["actual change"] / by_name["predicted change"])
    assert by_name["layer 2 bias"] == run.history["layer_gradient_norms"][1, 3]
    assert run.chain() == run.chain(60)
    with pytest.raises(ValueError, match="nearest that was is 20"):
        run.chain(23)


def test_the_table_has_a_column_a_layer():
    table = small_net().to_pandas()
    assert list(table.index) == [1, 20, 40, 60]
    assert "update_ratios: layer 1 weight" in table
    assert len([name for name in table if name.startswith("group_losses: ")]) == 4


def test_the_model_found_is_the_least_squares_solution():
    run = least_squares(max_steps=400)
    extended = np.column_stack([X, np.ones(60)])
    best = np.linalg.lstsq(extended, Y, rcond=None)[0]
    np.testing.assert_allclose(np.append(run.value.weight, run.value.bias), best, atol=1e-10)
    assert np.abs(np.asarray(run.value.weight) - W).max() < 0.1
