"""The optimizers of the page and those of the library take the same steps."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cycloid.core.formulas import formula
from cycloid.optimize import METHODS, Objective
from cycloid.optimize.methods import apply_update

STEPS = 40
RATE = 0.004
PLACES = {
    "himmelblau": ("(x^2 + y - 11)^2 + (x + y^2 - 7)^2", [-0.4, -1.1]),
    "valley": ("(1 - x)^2 + 9*(y - x^2)^2", [-1.2, 1.0]),
    "hills": ("exp(-x^2 - 2y^2) + 0.1sin(3x)cos(2y) + |x|/9 + max(x, y)^2/20", [0.7, -0.4]),
    "curve": ("x^4 - 3x^2 + x", [1.9]),
}
NAMES = {
    "GradientDescent": "gradient-descent",
    "SGD": "sgd",
    "Momentum": "momentum",
    "Nesterov": "nesterov",
    "Adagrad": "adagrad",
    "RMSprop": "rmsprop",
    "Adam": "adam",
    "AdamW": "adamw",
}
FOLLOW = """async ([text, start, rate, steps, names]) => {
    const {loadField} = await import("/widgets/terrain/field.js");
    const {follow} = await import("/widgets/terrain/methods.js");
    const field = await loadField(text);
    return Object.fromEntries(names.map((name) => [name, follow(name, field, start, rate, steps).points]));
}"""


@pytest.fixture(scope="module")
def trails(browser, address):
    """Every method on every place, as the browser walks it."""
    page = browser.new_page()
    page.goto(address + "/terrain")
    found = {key: page.evaluate(FOLLOW, [*place, RATE, STEPS, list(NAMES)]) for key, place in PLACES.items()}
    page.close()
    return found


def walk(name):
    """The trails of one method by the library, from all places at once: the methods work coordinate by coordinate."""
    functions = {key: formula(text) for key, (text, _) in PLACES.items()}
    objective = Objective(lambda points: sum(f.of_vector(points[key]) for key, f in functions.items()))
    method = METHODS[NAMES[name]](RATE)

    @jax.jit
    def step(points, state):
        update, state, _ = method.step(objective, points, state)
        return apply_update(points, update), state

    points = {key: jnp.asarray(start) for key, (_, start) in PLACES.items()}
    state = method.init(points)
    trail = [points]
    for _ in range(STEPS):
        points, state = step(points, state)
        trail.append(points)
    return {key: np.asarray([at[key] for at in trail]) for key in PLACES}


@pytest.mark.parametrize("name", NAMES)
def test_the_trails_agree_to_nine_digits(trails, name):
    for place, ours in walk(name).items():
        theirs = np.asarray(trails[place][name])
        assert theirs.shape == ours.shape
        assert np.abs(theirs - ours).max() <= 1e-9, place
        assert np.abs(ours[-1] - ours[0]).max() > 1e-3, place


def test_the_page_offers_what_the_library_has(browser, address):
    page = browser.new_page()
    page.goto(address + "/terrain")
    offered = page.evaluate("async () => Object.keys((await import('/widgets/terrain/methods.js')).METHODS)")
    page.close()
    assert offered == list(NAMES)
    assert {METHODS[name].__name__ for name in NAMES.values()} == set(NAMES)


def test_noise_is_the_same_every_time_and_standard_normal(browser, address):
    page = browser.new_page()
    page.goto(address + "/terrain")
    draw = """async (seed) => {
        const {normals} = await import("/widgets/terrain/methods.js");
        const next = normals(seed);
        return Array.from({length: 20000}, next);
    }"""
    first, again, other = (np.asarray(page.evaluate(draw, seed)) for seed in (1, 1, 2))
    page.close()
    assert (first == again).all()
    assert (first != other).any()
    # Five standard errors: 1/√n for the mean, √(2/n) for the variance, on both sides.
    assert abs(first.mean()) < 5 / np.sqrt(len(first))
    assert abs(first.var() - 1) < 5 * np.sqrt(2 / len(first))
    assert abs(np.corrcoef(first[:-1], first[1:])[0, 1]) < 5 / np.sqrt(len(first))
