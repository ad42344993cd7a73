"""Loss landscapes: surfaces with a closed form, planes with known facts, trails, the check and the picture."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cycloid as cy

CURVATURES = jnp.array([9.0, 4.0, 1.0])


def bowl(w):
    return 0.5 * jnp.sum(CURVATURES * w["w"] ** 2) + 1.0


@jax.jit
def network(params, batch):
    x, y = batch
    return jnp.mean((jnp.tanh(x @ params["in"] + params["bias"]) @ params["out"] - y) ** 2)


@pytest.fixture(scope="module")
def trained():
    """Parameters, a batch, and two ways to them."""
    keys = jax.random.split(jax.random.key(0), 3)
    params = {"in": jax.random.normal(keys[0], (2, 4)), "bias": jnp.zeros(4), "out": jax.random.normal(keys[1], (4,))}
    x = jax.random.normal(keys[2], (32, 2))
    batch = (x, jnp.sin(x[:, 0]))
    slope = jax.jit(jax.grad(network))
    walks = {}
    for name, rate in (("slow", 0.05), ("fast", 0.2)):
        at, walk = params, [params]
        for _ in range(12):
            at = jax.tree.map(lambda p, g, rate=rate: p - rate * g, at, slope(at, batch))
            walk.append(at)
        walks[name] = walk
    return walks["fast"][-1], batch, walks


@pytest.fixture(scope="module")
def walked(trained):
    params, batch, walks = trained
    return cy.train.landscape(network, params, batch, directions="trajectory", trails=walks, points=21)


def test_the_grid_holds_the_loss():
    first, second = {"w": jnp.array([1.0, 0.0, 0.0])}, {"w": jnp.array([0.0, 0.0, 2.0])}
    found = cy.train.landscape(bowl, {"w": jnp.zeros(3)}, directions=(first, second), span=(1.0, 0.5), points=9)
    a, b = np.meshgrid(np.linspace(-1, 1, 9), np.linspace(-0.5, 0.5, 9))
    assert np.allclose(found.value, 4.5 * a**2 + 2 * b**2 + 1)
    assert float(found.at(jnp.array([0.3, -0.2]))) == pytest.approx(4.5 * 0.09 + 2 * 0.04 + 1, abs=float(found.error))
    assert found.status.name == "all_steps"


def test_hessian_directions_double_the_loss_by_their_curvature():
    found = cy.train.landscape(
        bowl, {"w": jnp.zeros(3).at[2].set(2.0)}, directions="hessian", points=5, key=jax.random.key(0)
    )
    assert np.allclose(found.facts, [9.0, 4.0])
    middle = float(bowl({"w": jnp.array([0.0, 0.0, 2.0])}))
    assert np.allclose([found.value[2][0], found.value[2][4], found.value[0][2]], 2 * middle)


def test_filters_of_a_random_direction_are_as_long_as_the_weights(trained):
    params, batch, _ = trained
    found = cy.train.landscape(network, params, batch, points=5, key=jax.random.key(1))
    for place in (0, 1):
        drawn = jax.tree.map(lambda leaf, place=place: np.asarray(leaf[place]), found.directions)
        assert np.allclose(np.linalg.norm(drawn["in"], axis=0), np.linalg.norm(params["in"], axis=0))
        assert not np.any(drawn["bias"])
    again = cy.train.landscape(network, params, batch, points=5, key=jax.random.key(1), memory=1)
    assert np.allclose(found.value, again.value)  # one point at a time


def test_trails_lie_where_the_plane_says(trained, walked):
    params, batch, walks = trained
    for name, walk in walks.items():
        place = walked.trails[name][5]
        nearest = jax.tree.map(lambda p, d, place=place: p + place[0] * d[0] + place[1] * d[1], params,
                               walked.directions)  # fmt: skip
        rest = jax.tree.map(lambda a, b: a - b, walk[5], nearest)
        for side in (0, 1):
            along = sum(jnp.vdot(a, b[side]) for a, b in zip(jax.tree.leaves(rest), jax.tree.leaves(walked.directions)))
            assert abs(float(along)) < 1e-10
        assert walked.trail_losses[name][5] == pytest.approx(float(network(walk[5], batch)))
        assert 0.5 < walked.seen[name] <= 1 + 1e-12
    assert float(np.sum(walked.facts)) > 0.9
    low, high = np.asarray(walked.sides)[:, 0], np.asarray(walked.sides)[:, -1]
    every = np.concatenate(list(walked.trails.values()))
    assert np.all((every > low) & (every < high))


def test_the_check_walks_again_and_sees_a_wrong_value(walked):
    card = cy.check(walked)
    assert card.verdict == "agrees"
    assert len(card.further) == 3
    wrong = jax.tree.map(lambda leaf: leaf, walked)
    object.__setattr__(wrong, "value", np.asarray(walked.value) + 0.1)
    assert cy.check(wrong, question=walked.question).verdict == "disagrees"


def test_the_picture_has_surface_contours_and_trails(walked):
    fig = cy.figure(walked)
    kinds = [trace.type for trace in fig.data]
    assert {"surface", "contour", "scatter3d", "scatter"} <= set(kinds)
    assert {"slow", "fast", "the parameters"} <= {trace.name for trace in fig.data}
    assert "of the movement" in fig.layout.xaxis.title.text
    assert fig.layout.scene.xaxis.title.text == "direction 1"


def test_a_model_of_torch_with_its_own_loss():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1))
    batch = (torch.ones(4, 2), torch.zeros(4, 1))
    found = cy.train.landscape(model, None, batch, criterion=torch.nn.MSELoss(), points=5, key=jax.random.key(0))
    with torch.no_grad():
        expected = torch.nn.MSELoss()(model(batch[0]), batch[1]).item()
    assert found.value[2][2] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"points": 3}, ValueError, "at least 5"),
        ({"directions": "sideways"}, ValueError, "random, hessian, trajectory"),
        ({"directions": "trajectory"}, ValueError, "needs trails="),
        ({"directions": "trajectory", "trails": {"a": [{"w": jnp.ones(3)}, {"w": jnp.zeros(3)}]}}, ValueError,
         "one straight line"),
        ({"span": 0.0, "key": jax.random.key(0)}, ValueError, "positive number"),
        ({}, TypeError, "key"),
        ({"criterion": jnp.mean}, TypeError, "a model, a batch and"),
    ],
)  # fmt: skip
def test_wrong_calls(given, error, message):
    with pytest.raises(error, match=message):
        cy.train.landscape(bowl, {"w": jnp.zeros(3)}, **given)
