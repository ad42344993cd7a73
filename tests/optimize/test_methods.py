"""Each method's update against hand-written loops and against optax; schedules, clipping, pytrees, vmap."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from cycloid.optimize import (
    METHODS,
    SGD,
    AbstractGradientMethod,
    Adagrad,
    Adam,
    AdamW,
    FromOptax,
    GradientDescent,
    Momentum,
    Nesterov,
    Objective,
    RMSprop,
    apply_update,
    from_optax,
    method,
)
from optimize.walking import GRADIENT_METHODS, SETTLED, quadratic, walk

HESSIAN = np.array([[3.0, 0.5], [0.5, 1.0]])
CENTRE = np.array([1.0, -2.0])
START = np.array([0.5, 1.5])
STEPS = 40
E = 1e-8


def gradient(x: np.ndarray) -> np.ndarray:
    return HESSIAN @ (x - CENTRE)


def by_hand(rule: Any) -> np.ndarray:
    """A plain NumPy loop: rule(t, θ, g, memory) -> (θ, memory), memory starting at (0, 0)."""
    x, memory, points = START.copy(), (np.zeros(2), np.zeros(2)), [START]
    for t in range(1, STEPS + 1):
        x, memory = rule(t, x, gradient(x), memory)
        points.append(x)
    return np.array(points)


def descent(t, x, g, memory):
    return x - 0.1 * g, memory


def tutorial_momentum(t, x, g, memory):
    v = 0.9 * memory[0] + 0.1 * g
    return x - v, (v, v)


def nesterov(t, x, g, memory):
    v = 0.9 * memory[0] + g
    return x - 0.1 * (g + 0.9 * v), (v, v)


def adagrad(t, x, g, memory):
    s = (memory[0] if t > 1 else 0.1) + g**2
    return x - 0.1 * g / np.sqrt(s + 1e-7), (s, s)


def rmsprop(t, x, g, memory):
    s = 0.9 * memory[0] + 0.1 * g**2
    return x - 0.01 * g / np.sqrt(s + E), (s, s)


def rmsprop_outside(t, x, g, memory):
    s = 0.9 * memory[0] + 0.1 * g**2
    return x - 0.01 * g / (np.sqrt(s) + E), (s, s)


def moments(g, memory):
    return 0.9 * memory[0] + 0.1 * g, 0.999 * memory[1] + 0.001 * g**2


def adam(t, x, g, memory):
    m, v = moments(g, memory)
    return x - 0.1 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + E), (m, v)


def tutorial_adam(t, x, g, memory):
    m, v = moments(g, memory)
    return x - 0.1 * m / (np.sqrt(v) + E), (m, v)


def adamw(t, x, g, memory):
    m, v = moments(g, memory)
    direction = (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + E)
    return x - 0.1 * (direction + 0.01 * x), (m, v)


BY_HAND = {
    "gradient descent": (GradientDescent(0.1), descent),
    "sgd": (SGD(0.1), descent),
    "momentum": (Momentum(0.1), tutorial_momentum),
    "momentum as optax": (Momentum(0.1, form="optax"), tutorial_momentum),
    "sgd with momentum": (SGD(0.1, momentum=0.9), tutorial_momentum),
    "nesterov": (Nesterov(0.1), nesterov),
    "adagrad": (Adagrad(0.1), adagrad),
    "rmsprop": (RMSprop(0.01), rmsprop),
    "rmsprop, eps outside": (RMSprop(0.01, eps_in_sqrt=False), rmsprop_outside),
    "adam": (Adam(0.1), adam),
    "tutorial adam": (Adam(0.1, bias_correction=False), tutorial_adam),
    "adamw": (AdamW(0.1, weight_decay=0.01), adamw),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_follows_the_formula_written_by_hand(name):
    chosen, rule = BY_HAND[name]
    np.testing.assert_allclose(
        walk(chosen, quadratic, START, STEPS, HESSIAN, CENTRE), by_hand(rule), rtol=0, atol=1e-12
    )


OPTAX = {
    "gradient-descent": (GradientDescent(0.1), optax.sgd(0.1)),
    "sgd": (SGD(0.1, momentum=0.5), optax.sgd(0.1, momentum=0.5)),
    "momentum": (Momentum(0.1, form="optax"), optax.sgd(0.1, momentum=0.9)),
    "nesterov": (Nesterov(0.1), optax.sgd(0.1, momentum=0.9, nesterov=True)),
    "adagrad": (Adagrad(0.1), optax.adagrad(0.1)),
    "rmsprop": (RMSprop(0.1), optax.rmsprop(0.1)),
    "adam": (Adam(0.1), optax.adam(0.1)),
    "adamw": (AdamW(0.1), optax.adamw(0.1)),
}


@pytest.mark.parametrize("name", GRADIENT_METHODS)
def test_is_the_method_that_optax_has(name):
    ours, theirs = OPTAX[name]
    points = walk(ours, quadratic, START, STEPS, HESSIAN, CENTRE)
    peer = walk(from_optax(theirs), quadratic, START, STEPS, HESSIAN, CENTRE)
    np.testing.assert_allclose(points, peer, rtol=0, atol=1e-15)


def test_the_two_forms_of_momentum_differ_under_a_schedule():
    schedule = optax.exponential_decay(0.1, 1, 0.9)

    def loop(rate_inside: bool) -> np.ndarray:
        x, v = START.copy(), np.zeros(2)
        for t in range(STEPS):
            rate = float(schedule(jnp.int32(t)))
            v = 0.8 * v + (rate * gradient(x) if rate_inside else gradient(x))
            x = x - (v if rate_inside else rate * v)
        return x

    ends = {
        form: walk(Momentum(schedule, momentum=0.8, form=form), quadratic, START, STEPS, HESSIAN, CENTRE)[-1]
        for form in ("tutorial", "optax")
    }
    np.testing.assert_allclose(ends["tutorial"], loop(True), atol=1e-12)
    np.testing.assert_allclose(ends["optax"], loop(False), atol=1e-12)
    assert np.abs(ends["tutorial"] - ends["optax"]).max() > 1e-3


@pytest.mark.parametrize(
    "schedule",
    [
        optax.constant_schedule(0.1),
        optax.cosine_decay_schedule(0.1, STEPS),
        optax.exponential_decay(0.1, 5, 0.5),
        optax.warmup_cosine_decay_schedule(0.0, 0.1, 5, STEPS),
    ],
    ids=["constant", "cosine", "exponential", "warmup"],
)
def test_schedules_set_the_rate_of_each_step(schedule):
    x = START.copy()
    for t in range(STEPS):
        x = x - float(schedule(jnp.int32(t))) * gradient(x)
    points = walk(GradientDescent(schedule), quadratic, START, STEPS, HESSIAN, CENTRE)
    np.testing.assert_allclose(points[-1], x, atol=1e-12)


@pytest.mark.parametrize("name", GRADIENT_METHODS)
def test_clip_is_optax_clip_in_front_of_the_method(name):
    ours, theirs = OPTAX[name]
    clipped = eqx.tree_at(lambda m: m.learning_rate, type(ours)(**{**vars(ours), "clip": 0.3}), ours.learning_rate)
    peer = from_optax(optax.chain(optax.clip_by_global_norm(0.3), theirs))
    points = walk(clipped, quadratic, START, 5, HESSIAN, CENTRE)
    np.testing.assert_allclose(points, walk(peer, quadratic, START, 5, HESSIAN, CENTRE), atol=1e-15)
    if name == "gradient-descent":
        steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
        np.testing.assert_allclose(steps, 0.1 * 0.3, rtol=1e-12)


@pytest.mark.parametrize("name", GRADIENT_METHODS)
def test_a_sweep_of_rates_is_vmap_over_the_method(name):
    rates = jnp.logspace(-3, -1, 4)
    run = lambda m: walk(m, quadratic, jnp.asarray(START), 7, HESSIAN, CENTRE)
    together = jax.vmap(run)(METHODS[name](learning_rate=rates))
    for i, rate in enumerate(rates):
        np.testing.assert_allclose(together[i], run(method(name, float(rate))), rtol=1e-13, atol=1e-13)


class Layer(eqx.Module):
    weight: Any
    activation: Any
    size: int
    table: Any


@pytest.mark.parametrize("name", METHODS)
def test_walks_on_pytrees_and_lets_other_leaves_pass(name):
    layer = Layer(jnp.ones(3, jnp.float32), jnp.tanh, 3, jnp.arange(3))
    tree = {"layer": layer, "bias": jnp.zeros((), jnp.float64)}
    value = lambda t: jnp.sum((t["layer"].activation(t["layer"].weight) - t["bias"]) ** 2)
    chosen = METHODS[name]()
    state = chosen.init(tree)
    update, state, info = chosen.step(Objective(value), tree, state)
    moved = apply_update(tree, update)
    assert moved["layer"].activation is jnp.tanh
    assert moved["layer"].size == 3
    assert moved["layer"].table.tolist() == [0, 1, 2]
    assert moved["layer"].weight.dtype == jnp.float32
    assert moved["bias"].dtype == jnp.float64
    assert value(moved) < value(tree)
    assert jax.tree.structure(chosen.step(Objective(value), moved, state)[1]) == jax.tree.structure(state)
    assert float(info.value) == float(value(tree))


@pytest.mark.parametrize("name", GRADIENT_METHODS)
def test_update_takes_a_gradient_found_elsewhere(name):
    chosen = SETTLED[name]
    params = {"w": jnp.asarray(START), "n": 3}
    objective = Objective(lambda p: quadratic(p["w"], HESSIAN, CENTRE))
    update, _, info = chosen.step(objective, params, chosen.init(params))
    again, _ = chosen.update(info.gradient, params, chosen.init(params))
    np.testing.assert_array_equal(update["w"], again["w"])


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float32])
@pytest.mark.parametrize("name", METHODS)
def test_keeps_the_dtype_even_beside_a_float64_rate(name, dtype):
    chosen = METHODS[name]()
    if isinstance(chosen, AbstractGradientMethod):
        chosen = method(name, jnp.asarray(0.01, jnp.float64))
    points = walk(chosen, quadratic, jnp.ones(2, dtype), 3, jnp.eye(2, dtype=dtype), jnp.zeros(2, dtype))
    assert points.dtype == dtype


def test_from_optax_takes_a_maker_and_its_rate():
    chosen = from_optax(optax.sign_sgd, learning_rate=0.1)
    assert chosen.name == "sign_sgd"
    assert method(chosen, 0.2).learning_rate == 0.2
    points = walk(chosen, quadratic, START, 3, HESSIAN, CENTRE)
    np.testing.assert_allclose(np.abs(np.diff(points, axis=0)), 0.1, rtol=1e-12)  # a step of sign(g) η


def test_from_optax_hands_on_the_value():
    points = walk(from_optax(optax.polyak_sgd(max_learning_rate=10.0)), quadratic, START, 200, HESSIAN, CENTRE)
    np.testing.assert_allclose(points[-1], CENTRE, atol=1e-8)


def test_the_first_step_of_adam_with_and_without_correction():
    x, g = jnp.ones(1), jnp.full(1, 7.0)
    first = lambda m: float(m.update(g, x, m.init(x))[0][0])
    assert first(Adam(0.1)) == pytest.approx(-0.1, rel=1e-8)
    assert first(Adam(0.1, bias_correction=False)) == pytest.approx(-0.1 * 0.1 / np.sqrt(0.001), rel=1e-7)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: method("adm"), ValueError, "Did you mean 'adam'"),
        (lambda: method("xyzzy"), ValueError, "The methods are gradient-descent"),
        (lambda: method(3), TypeError, "it was int"),
        (lambda: method(optax.adam), TypeError, "from_optax"),
        (lambda: method(AbstractGradientMethod), TypeError, "AbstractGradientMethod"),
        (lambda: method("barzilai-borwein", 0.1), TypeError, "no learning rate"),
        (lambda: Adam("fast"), TypeError, "learning_rate= is a number"),
        (lambda: Adam(-0.1), ValueError, "at least 0"),
        (lambda: Adam(float("nan")), ValueError, "nan"),
        (lambda: Adam(jnp.arange(3)), TypeError, "learning_rate="),
        (lambda: Adam(b1=1.0), ValueError, "below 1"),
        (lambda: Adam(b1=jnp.ones(2)), TypeError, "b1= is a plain number"),
        (lambda: Momentum(momentum=1.5), ValueError, "momentum="),
        (lambda: Momentum(form="heavy"), ValueError, "'heavy'"),
        (lambda: SGD(clip=-1.0), ValueError, "clip="),
        (lambda: METHODS["barzilai-borwein"](memory=0), ValueError, "memory="),
        (lambda: from_optax(3), TypeError, "it was a int"),
        (lambda: from_optax(optax.lion), TypeError, "learning_rate="),
        (lambda: from_optax(optax.lion(0.1), learning_rate=0.1), ValueError, "keeps its own"),
        (
            lambda: walk(FromOptax(make=optax.lbfgs(), name="sealed"), quadratic, START, 1, HESSIAN, CENTRE),
            TypeError,
            "line search",
        ),
        (lambda: from_optax(lambda r: 3, learning_rate=0.1).init(START), TypeError, "no optax transformation"),
    ],
)
def test_wrong_calls_are_answered_in_words(call, error, words):
    with pytest.raises(error, match=words):
        call()


@pytest.mark.parametrize("spelling", ["RMSprop", "rmsprop", " rmsprop "])
def test_names_are_read_in_any_case(spelling):
    assert isinstance(method(spelling), RMSprop)
    assert isinstance(method("Gradient_Descent"), GradientDescent)
