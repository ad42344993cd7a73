"""Claims about gradient descent, its learning rate, momentum and Adam."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cycloid.checks.claims import DEPENDS, FALSE, TRUE, Measured, claim, student
from cycloid.optimize import Adam, GradientDescent, Momentum
from cycloid.optimize.methods import Objective, apply_update
from cycloid.problems.landscapes import REGRESSION_X, REGRESSION_Y, four_point_regression

RATE, STEPS = 0.01, 1000


def walk(function: Callable[[Any], Any], start: Any, method: Any, steps: int) -> Any:
    """Where a method stands after so many steps on a function, from a start."""
    objective = Objective(function)

    def step(carry: tuple, _: None) -> tuple:
        x, memory = carry
        update, memory, _info = method.step(objective, x, memory)
        return (apply_update(x, update), memory), None

    return jax.lax.scan(step, (start, method.init(start)), None, length=steps)[0][0]


def plain_loop(start: np.ndarray) -> np.ndarray:
    """The four-point regression's descent as a tutorial writes it, in NumPy alone."""
    X, y = np.asarray(REGRESSION_X), np.asarray(REGRESSION_Y)
    w = start.copy()
    for _ in range(STEPS):
        w -= RATE * (-2 * X.T.dot(y - X.dot(w)) / len(y))
    return w


@claim(
    "four-point-regression",
    "1000 steps of gradient descent with learning rate 0.01 fit w to the four points X = [[1,1],[1,2],[2,2],[2,3]], "
    "y = [1,2,2,3].",
    source="a guide to calculus for AI",
    branch="optimize",
)
def four_point_loop() -> Measured:
    """Ours against the tutorial's own loop, from the same random start."""
    start = np.random.default_rng(0).random(2)
    ours = np.asarray(walk(four_point_regression, jnp.asarray(start), GradientDescent(RATE), STEPS), float)
    apart = float(np.abs(ours - plain_loop(start)).max())
    allowed = 1e4 * float(jnp.finfo(float).eps)
    return Measured(
        apart, 0.0, allowed, TRUE if apart <= allowed else FALSE,
        f"Largest difference between our w = ({ours[0]:.6f}, {ours[1]:.6f}) and that of the plain NumPy loop from the "
        f"same start: the steps are the same to rounding. How far this w is from the best one is the next claim.",
    )  # fmt: skip


@claim(
    "four-point-regression-is-done",
    "After those 1000 steps the regression has converged.",
    source="a guide to calculus for AI",
    branch="optimize",
)
def four_point_done() -> Measured:
    """The share of the distance from the exact w = (0, 1) that is left, over random starts in the unit square."""
    starts = np.random.default_rng(0).random((1000, 2))
    ends = jax.jit(jax.vmap(lambda w: walk(four_point_regression, w, GradientDescent(RATE), STEPS)))(
        jnp.asarray(starts)
    )
    exact = np.array([0.0, 1.0])
    left = np.linalg.norm(np.asarray(ends) - exact, axis=1) / np.linalg.norm(starts - exact, axis=1)
    low, middle, high = np.quantile(100 * left, [0.025, 0.5, 0.975])
    flat = float(np.linalg.eigvalsh(np.asarray(jax.hessian(four_point_regression)(jnp.zeros(2)))).min())
    return Measured(
        float(middle), float(low), float(high), FALSE if low > 1 else TRUE if high < 1 else DEPENDS,
        f"Distance from the exact w = (0, 1) that is left, median and middle 95 % of {len(starts)} random starts. "
        f"Along the flat direction, of curvature {flat:.3f}, a step removes {100 * RATE * flat:.2f} % of the error and "
        f"1000 steps leave {100 * (1 - RATE * flat) ** STEPS:.1f} % of it; w₁, exactly 0, ends between "
        f"{float(ends[:, 0].min()):.3f} and {float(ends[:, 0].max()):.3f}.",
        "%",
    )  # fmt: skip


@claim(
    "learning-rate-of-a-hundredth",
    "A small learning rate such as 0.01 is a safe choice: it only takes a few steps more.",
    source="a guide to calculus for AI",
    branch="optimize",
)
def learning_rate_of_a_hundredth() -> Measured:
    """Steps to a millionth of the distance on the four-point regression, at 0.01 and at the best of many rates."""
    rates = np.append(RATE, np.linspace(0.10, 0.1445, 90))
    start, exact = jnp.asarray([0.5, 0.5]), jnp.asarray([0.0, 1.0])
    first = float(jnp.linalg.norm(start - exact))

    def steps(rate: Any) -> Any:
        """How often a step is needed until the distance is a millionth of the first one."""
        slope = jax.grad(four_point_regression)
        far = lambda carry: (jnp.linalg.norm(carry[0] - exact) > 1e-6 * first) & (carry[1] < 20_000)
        return jax.lax.while_loop(far, lambda carry: (carry[0] - rate * slope(carry[0]), carry[1] + 1), (start, 0))[1]

    counts = np.asarray(jax.jit(jax.vmap(steps))(jnp.asarray(rates)))
    best = int(np.argmin(counts[1:])) + 1
    flat, sharp = np.linalg.eigvalsh(np.asarray(jax.hessian(four_point_regression)(start)))
    times = counts[0] / counts[best]
    return Measured(
        times, counts[0] / (counts[best] + 1), counts[0] / (counts[best] - 1), FALSE if times > 3 else DEPENDS,
        f"How many times as many steps 0.01 needs on the four-point regression as the best rate, {rates[best]:.4f}: "
        f"{counts[0]} to a millionth of the distance, not {counts[best]}. The theory says 2 / (λmin + λmax) = "
        f"{2 / (flat + sharp):.4f}, close below the limit 2 / λmax = {2 / sharp:.4f}, for a condition number of "
        f"{sharp / flat:.1f}.",
        "times",
    )  # fmt: skip


@claim(
    "learning-rate-too-large",
    "With too large a learning rate gradient descent diverges.",
    source="a guide to calculus for AI",
    branch="optimize",
)
def learning_rate_threshold() -> Measured:
    """The rate at which the four-point regression starts to diverge, by bisection, against 2 / λmax."""
    start = jnp.asarray(np.random.default_rng(0).random(2))
    far = jax.jit(lambda rate: four_point_regression(walk(four_point_regression, start, GradientDescent(rate), 2000)))
    before = float(four_point_regression(start))
    low, high = 0.01, 1.0
    for _ in range(24):
        middle = (low + high) / 2
        after = float(far(jnp.asarray(middle)))
        low, high = (middle, high) if after < before else (low, middle)
    theory = 2 / float(np.linalg.eigvalsh(np.asarray(jax.hessian(four_point_regression)(start))).max())
    value = (low + high) / 2
    # After 2000 steps a growth by 1 + δ a step shows only for δ above about 1 / 2000.
    return Measured(
        value, min(low, theory), max(high, theory), TRUE if abs(value / theory - 1) < 1e-2 else FALSE,
        f"The rate at which 2000 steps on the four-point regression begin to raise the loss, found by bisection; the "
        f"theory says 2 / λmax = {theory:.5f}, with λmax the largest curvature. Below it descent converges.",
    )  # fmt: skip


@claim(
    "momentum-accelerates",
    "Momentum accelerates gradient descent on ill-conditioned problems.",
    source="a guide to calculus for AI",
    branch="optimize",
)
def momentum_accelerates() -> Measured:
    """Steps to a millionth of the distance, both methods at their best setting, over condition numbers."""
    conditions = np.array([10.0, 30.0, 100.0, 300.0, 1000.0])
    gains = []
    for condition in conditions:
        root = condition**0.5
        plain = GradientDescent(2 / (1 + condition))
        heavy = Momentum((2 / (root + 1)) ** 2, momentum=float((root - 1) / (root + 1)) ** 2, form="optax")
        counts = [_steps_to(method, condition, int(12 * condition)) for method in (plain, heavy)]
        gains.append(counts[0] / counts[1])
    slope, offset = np.polyfit(np.log(conditions), np.log(gains), 1)
    residual = np.log(gains) - slope * np.log(conditions) - offset
    spread = np.sqrt(
        (residual**2).sum() / (len(gains) - 2) / ((np.log(conditions) - np.log(conditions).mean()) ** 2).sum()
    )
    half = student(len(gains) - 1) * float(spread)
    return Measured(
        gains[2], min(gains), max(gains), TRUE if slope - half > 0.25 and min(gains) > 1 else FALSE,
        f"How many times fewer steps the heavy ball needs than gradient descent for a millionth of the distance, on a "
        f"quadratic of condition κ = 100, each with its best setting; the interval is over κ from 10 to 1000. The gain "
        f"grows as κ to the power {slope:.2f} ± {half:.2f}; the theory says √κ, up to a constant.",
        "times",
    )  # fmt: skip


def _steps_to(method: Any, condition: float, most: int, target: float = 1e-6) -> int:
    """How many steps bring every later point within `target` of the minimum of a quadratic with curvatures 1 ... κ."""
    curvatures = jnp.geomspace(1.0, condition, 12)
    objective = Objective(lambda x: 0.5 * jnp.sum(curvatures * x**2))
    start = jnp.ones(12)

    def step(carry: tuple, _: None) -> tuple:
        x, memory = carry
        update, memory, _info = method.step(objective, x, memory)
        x = apply_update(x, update)
        return (x, memory), jnp.linalg.norm(x) / jnp.linalg.norm(start)

    distances = np.asarray(jax.lax.scan(step, (start, method.init(start)), None, length=most)[1])
    late = np.flatnonzero(distances > target)
    return int(late[-1]) + 2 if late.size else 1


@claim(
    "bias-correction",
    "Adam's bias correction matters only at the first few steps.",
    source="a guide to calculus for AI",
    branch="optimize",
)
def bias_correction() -> Measured:
    """How long a step without the correction is, beside one with it, and when the two come within one percent."""
    steps = 8000

    def lengths(method: Any) -> Any:
        def step(memory: Any, _: None) -> tuple:
            update, memory = method.update(jnp.ones(1), jnp.ones(1), memory)
            return memory, jnp.abs(update[0])

        return jax.lax.scan(step, method.init(jnp.ones(1)), None, length=steps)[1]

    ratio = np.asarray(lengths(Adam(0.001, bias_correction=False)) / lengths(Adam(0.001)))
    apart = np.abs(ratio - 1) > 0.01
    last = int(np.flatnonzero(apart)[-1]) + 2
    return Measured(
        float(last), float(last), float(last), FALSE if last > 100 else TRUE,
        f"First step from which Adam with and without correction differ by less than 1 % for good, under a steady "
        f"gradient and the usual β₁ = 0.9, β₂ = 0.999. Without it the first step is {ratio[0]:.2f} times as long, the "
        f"longest, at step {int(np.argmax(ratio)) + 1}, {ratio.max():.2f} times; a thousandth is forgotten a step, so "
        f"the bias lasts thousands.",
        "steps",
    )  # fmt: skip
