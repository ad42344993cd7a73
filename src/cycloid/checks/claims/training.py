"""Claims about training networks, measured on scikit-learn's handwritten digits."""

from __future__ import annotations

import jax
import numpy as np

from cycloid.checks.claims import DEPENDS, FALSE, TRUE, Measured, claim

# For each task: the target that is asked, enough steps for plain SGD to reach it, and where the five rates of its grid
# begin for plain SGD, momentum and Adam. They are half decades, as many for each, placed so that the best lies inside.
CONTESTS = {
    "classifier": (0.1, 300, (0.1, 0.03162, 0.003162)),
    "tanh-autoencoder": (1.0, 900, (0.001, 0.000316, 0.000316)),
    "logistic-autoencoder": (24.0, 900, (0.03162, 0.01, 0.001)),
}
METHODS = ("sgd", "momentum", "adam")
RATES, SEEDS = 5, 9


@claim(
    "adam-is-faster",
    "Adam converges 3 to 5 times faster than SGD.",
    source="a guide to calculus for AI",
    branch="train",
    slow=True,
)
def adam_is_faster() -> Measured:
    """Steps to a loss on three networks, every learning rate tuned, as `cycloid race digits` has more of."""
    from cycloid.optimize import milestones
    from cycloid.problems.digit_networks import TASKS

    plain, heavy = {}, {}
    for name, (target, steps, lowest) in CONTESTS.items():
        task = TASKS[name]
        f, score = task.on_batches()
        found = milestones(
            f, task.start, targets=[target], methods=METHODS, evaluations=steps, score=score, every=10,
            key=jax.random.key(0), seeds=SEEDS,
            learning_rates={m: (low * 10 ** (0.5 * np.arange(RATES))).tolist() for m, low in zip(METHODS, lowest)},
        )  # fmt: skip
        plain[name] = tuple(found.value[column][-1] for column in ("times", "low", "high"))
        heavy[name] = found.against("momentum")["times"][-1]
    low, high = min(p[1] for p in plain.values()), max(p[2] for p in plain.values())
    inside = [3 <= p[0] <= 5 for p in plain.values()]
    told = ", ".join(f"{p[0]:.2f} ({p[1]:.2f} to {p[2]:.2f}) on the {name}" for name, p in plain.items())
    return Measured(
        float(np.median([p[0] for p in plain.values()])), low, high,
        TRUE if all(inside) else DEPENDS if any(inside) or low < 3 < 5 < high else FALSE,
        f"How many times fewer steps Adam needs than plain SGD to a loss, each with the best of {RATES} learning rates "
        f"on an equal grid, medians over {SEEDS} fresh seeds and their intervals: {told}. It depends on the network "
        f"and the loss; beside tuned momentum it is {min(heavy.values()):.2f} to {max(heavy.values()):.2f} times. With "
        f"untuned rates any factor can be had. `cycloid race digits` has the whole table.",
        "times",
    )  # fmt: skip
