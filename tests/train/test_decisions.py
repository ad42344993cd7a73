"""Thresholds by cost: against every threshold counted, closed forms of the derivative, coverage, messages."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cycloid as cy
from cycloid.train import Costs, choose_threshold, expected_cost

COSTS = Costs(miss=400.0, alarm=30.0, hit=270.0)


def drawn(rows, seed, crooked=1.0):
    random = np.random.default_rng(seed)
    p = random.beta(1.5, 6.0, rows)
    return p, (random.random(rows) < p**crooked).astype(float)


@pytest.fixture(scope="module")
def decision():
    p, y = drawn(1500, 0)
    return p, y, choose_threshold(p, y, costs=COSTS, key=jax.random.key(0))


def cost_at(t, p, y, costs=COSTS):
    acted = np.where(y == 1, costs.hit, costs.alarm)
    return np.where(p >= t, acted, np.where(y == 1, costs.miss, costs.quiet)).mean()


def test_the_threshold_is_where_both_sides_cost_the_same(decision):
    p, y, found = decision
    t = float(found.value)
    assert t == pytest.approx(30 / 160)
    assert t * COSTS.hit + (1 - t) * COSTS.alarm == pytest.approx(t * COSTS.miss + (1 - t) * COSTS.quiet)
    assert float(found.cost) == pytest.approx(cost_at(t, p, y))
    np.testing.assert_allclose(found.costs, [cost_at(t, p, y) for t in found.thresholds], rtol=1e-12)


def test_the_cheapest_threshold_is_the_cheapest_of_all(decision):
    p, y, found = decision
    every = [cost_at(t, p, y) for t in np.concatenate([p, p + 1e-9, [0.0, 1.0]])]
    assert float(found.best_cost) == pytest.approx(min(every), rel=1e-12)
    assert cost_at(float(found.best), p, y) == pytest.approx(min(every), rel=1e-12)
    assert float(found.cost) >= float(found.best_cost)


def test_savings_are_paired_differences(decision):
    p, y, found = decision
    half = found.saving("threshold 0.5")
    assert half.saved == pytest.approx(half.cost - float(found.cost))
    assert half.low < half.saved < half.high
    apart = np.where((p >= 30 / 160) != (p >= 0.5), np.where(y == 1, 130.0, -30.0), 0.0)
    assert half.high - half.low == pytest.approx(2 * 1.96 * apart.std() / np.sqrt(len(p)), rel=0.1)
    low, high = found.interval(0.95)
    assert float(high - low) == pytest.approx(2 * 1.96 * float(found.error), rel=1e-3)
    with pytest.raises(ValueError, match="act on all"):
        found.saving("act on some")


def test_the_interval_of_a_saving_covers_its_truth():
    # of a beta density: saved a row = ∫ from t* to 1/2 of (130 p − 30 (1 − p)) dF(p)
    from scipy import integrate, stats

    density = stats.beta(1.5, 6.0).pdf
    truth = integrate.quad(lambda p: (130 * p - 30 * (1 - p)) * density(p), 30 / 160, 0.5)[0]
    found = [choose_threshold(*drawn(300, seed), costs=COSTS, key=jax.random.key(seed)) for seed in range(1, 41)]
    covered = sum(d.savings[0].low <= truth <= d.savings[0].high for d in found)
    assert covered >= 33  # of 40 at 95 %: fewer with probability 0.0003


def test_the_derivative_is_that_of_the_smooth_cost_and_turns_at_the_threshold():
    p, y = drawn(4000, 3)
    cost = expected_cost(p, y, COSTS, width=0.02)
    slope = jax.jit(jax.grad(cost))
    t, h = 0.25, 1e-5
    assert float(slope(t)) == pytest.approx(float(cost(t + h) - cost(t - h)) / (2 * h), rel=1e-6)
    assert float(slope(0.08)) < 0 < float(slope(0.35))
    sharp = expected_cost(p, y, COSTS, width=1e-7)
    assert float(sharp(t)) == pytest.approx(cost_at(t, p, y), rel=1e-4)


def test_the_card_agrees_and_sees_what_is_wrong(decision):
    found = decision[2]
    card = cy.check(found)
    assert card.agrees
    assert [c.verdict for c in card.further] == ["agrees", "agrees"]
    crooked = choose_threshold(*drawn(1500, 5, crooked=0.6), costs=COSTS, key=jax.random.key(0))
    assert "calibrate" in cy.check(crooked).further[-1].sentence
    assert not cy.check(crooked).agrees


def test_it_is_drawn_saved_and_told_in_json(decision, tmp_path):
    found = decision[2]
    fig = cy.figure(found, unit="€")
    assert {"cost", "calibrated", "observed"} <= {trace.name for trace in fig.data}
    found.save(tmp_path / "threshold.cy")
    again = cy.train.Decision.load(tmp_path / "threshold.cy")
    assert float(again.cost) == float(found.cost)
    assert again.saving("act on all") == found.saving("act on all")
    assert '"standard error"' in found.to_json()


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda key: choose_threshold([0.1], [0], costs=COSTS), TypeError, "key"),
        (lambda key: choose_threshold([0.1, 0.2], [0], costs=COSTS, key=key), ValueError, "one shape"),
        (lambda key: choose_threshold([1.4], [0], costs=COSTS, key=key), ValueError, "sigmoid"),
        (lambda key: choose_threshold([0.1], [2], costs=COSTS, key=key), ValueError, "0 or 1"),
        (lambda key: choose_threshold([0.1], [0], costs={"miss": 1.0}, key=key), ValueError, "alarm"),
        (lambda key: choose_threshold([0.1], [0], costs=Costs(1.0, 0.0), key=key), ValueError, "false alarm"),
        (lambda key: choose_threshold([0.1], [0], costs=COSTS, key=key, level=2.0), ValueError, "level"),
        (lambda key: expected_cost([0.1], [0], COSTS, width=0.0), ValueError, "width"),
    ],
)
def test_a_wrong_call_is_answered_in_words(call, error, words):
    with pytest.raises(error, match=words):
        call(jax.random.key(0))


# --- matrix factorization -------------------------------------------------------------------------------------------


def test_a_rating_moves_its_own_user_and_item_alone():
    model = cy.learn.factors(4, 3, 2, key=jax.random.key(0), mean=3.0)
    x, y = jnp.array([[1.0, 2.0]]), jnp.array([4.0])
    slopes = jax.grad(lambda m: cy.learn.SquaredError()(m, (x, y)))(model)
    error = 2 * float(model(x[0]) - 4.0)
    np.testing.assert_allclose(slopes.users, jnp.zeros((4, 2)).at[1].set(error * model.items[2]), atol=1e-12)
    np.testing.assert_allclose(slopes.items, jnp.zeros((3, 2)).at[2].set(error * model.users[1]), atol=1e-12)
    np.testing.assert_allclose(slopes.user_offsets, [0, error, 0, 0], atol=1e-12)
    assert float(slopes.bias) == pytest.approx(error)
    assert bool(jnp.isnan(model(jnp.array([4.0, 0.0]))))
    pulled = jax.grad(lambda m: cy.learn.SquaredError(l2=0.5)(m, (x, y)))(model)
    np.testing.assert_allclose(pulled.users[0], model.users[0], atol=1e-12)  # 2 · 0.5 · p, of a user without ratings


def test_a_table_of_known_rank_is_found_again():
    random = np.random.default_rng(0)
    table = random.normal(size=(12, 2)) @ random.normal(size=(2, 9))
    pairs = np.stack(np.meshgrid(np.arange(12), np.arange(9), indexing="ij"), -1).reshape(-1, 2)
    stars = table.ravel()
    run = cy.train.fit(
        cy.train.factorization(12, 9, rank=2, spread=0.3), (pairs, stars), loss="mse", method=cy.optimize.Adam(0.05),
        max_steps=600, batch_size=None, record_every=600, metrics=["rmse"], key=jax.random.key(1),
    )  # fmt: skip
    assert run.metrics["rmse"].value < 1e-3
    assert np.linalg.matrix_rank(np.asarray(run.value.users @ run.value.items.T)) == 2


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: cy.train.factorization(0, 3), "users="),
        (lambda: cy.train.factorization(3, 3, rank=-1), "rank="),
        (lambda: cy.train.factorization(3, 3).build(4, None, key=jax.random.key(0)), "pairs"),
    ],
)
def test_a_wrong_factorization_is_answered_in_words(call, words):
    with pytest.raises(ValueError, match=words):
        call()
