"""Claims about training networks, measured on scikit-learn's handwritten digits."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cycloid.checks.claims import DEPENDS, FALSE, TRUE, Measured, claim, student
from cycloid.optimize import SGD, Adam, Momentum
from cycloid.optimize.methods import apply_update

# Equal grids, seven rates a factor of two apart, each placed so that the best rate lies inside.
_DOUBLINGS = 2.0 ** np.arange(7)
GRIDS = {
    "SGD": (SGD, 0.1 * _DOUBLINGS),
    "momentum": (Momentum, 0.02 * _DOUBLINGS),
    "Adam": (Adam, 0.003 * _DOUBLINGS),
}
TARGET, BATCH, MOST, LOOK, EXAMPLES = 0.1, 64, 360, 4, 1797
# Seeds on which each rate is tried, and fresh ones for the winner: as many members, so that one program serves both.
TUNING, RACING = 3, 21


@claim(
    "adam-is-faster",
    "Adam converges 3 to 5 times faster than SGD.",
    source="a guide to calculus for AI",
    branch="train",
    slow=True,
)
def adam_is_faster() -> Measured:
    """Steps to a training loss of 0.1 on digits, every method at its best rate of a grid, on fresh seeds."""
    data = _digits()
    tuning, fresh = _seeds(range(TUNING)), _seeds(range(TUNING, TUNING + RACING))
    counts = {}
    for name, (method, rates) in GRIDS.items():
        race = jax.jit(jax.vmap(lambda rate, start, rows, make=method: _steps(make(rate), start, rows, data)))
        everywhere = jax.tree.map(lambda *leaf: np.concatenate(leaf), *[tuning] * len(rates))
        tried = np.asarray(race(np.repeat(rates, TUNING), *everywhere)).reshape(len(rates), TUNING)
        best = rates[int(np.argmin(tried.mean(axis=1)))]
        counts[name] = np.asarray(race(np.full(RACING, best), *fresh))
    gains = np.log(counts["SGD"] / counts["Adam"])
    half = student(RACING) * gains.std(ddof=1) / RACING**0.5
    value, low, high = (float(np.exp(gains.mean() + d)) for d in (0.0, -half, half))
    verdict = TRUE if low >= 3 and high <= 5 else FALSE if high < 3 or low > 5 else DEPENDS
    against = float(np.exp(np.log(counts["momentum"] / counts["Adam"]).mean()))
    return Measured(
        value, low, high, verdict,
        f"Steps of SGD for one step of Adam until the training loss of a 64-32-10 network on digits is {TARGET:g}, "
        f"each with the best of seven learning rates on an equal grid, {RACING} fresh seeds. SGD with momentum 0.9 "
        f"needs {against:.2f} times Adam's steps. With untuned rates any factor can be had.",
        "times",
    )  # fmt: skip


def _digits() -> tuple[Any, Any]:
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    # Eight by eight pixels of 17 shades need no more than single precision, and it is twice as fast.
    return jnp.asarray(images / 16.0, jnp.float32), jnp.asarray(labels)


def _seeds(numbers: range) -> tuple[Any, np.ndarray]:
    """For each seed the starting weights and the rows of every batch, the same for all methods."""
    starts, rows = [], []
    for number in numbers:
        random = np.random.default_rng(number)
        draw = lambda a, b, gain, random=random: (random.normal(size=(a, b)) * (gain / a) ** 0.5).astype(np.float32)
        starts.append({
            "a": draw(64, 32, 2.0), "b": np.zeros(32, np.float32),
            "c": draw(32, 10, 1.0), "d": np.zeros(10, np.float32),
        })  # fmt: skip
        rows.append(random.integers(0, EXAMPLES, (MOST // LOOK, LOOK, BATCH)))
    return jax.tree.map(lambda *leaves: np.stack(leaves), *starts), np.stack(rows)


def _steps(method: Any, start: Any, rows: Any, data: tuple[Any, Any]) -> Any:
    """Steps until the loss over all examples is TARGET; MOST when it never is."""
    x, y = data

    def loss(w: Any, x: Any, y: Any) -> Any:
        scores = jax.nn.relu(x @ w["a"] + w["b"]) @ w["c"] + w["d"]
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(scores), y[:, None], axis=1))

    def step(carry: tuple, batch: Any) -> tuple:
        w, memory = carry
        update, new = method.update(jax.grad(loss)(w, x[batch], y[batch]), w, memory)
        update, new = jax.tree.map(lambda new, old: new.astype(old.dtype), (update, new), (w, memory))
        return (apply_update(w, update), new), None

    def stretch(carry: tuple, batches: Any) -> tuple:
        carry, _ = jax.lax.scan(step, carry, batches)
        return carry, loss(carry[0], x, y)

    losses = jax.lax.scan(stretch, (start, method.init(start)), rows)[1]
    reached = losses <= TARGET
    return jnp.where(reached.any(), (jnp.argmax(reached) + 1) * LOOK, MOST)
