"""Claims about critical points and sensitivities, on landscapes with known answers."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from cycloid.checks.claims import DEPENDS, FALSE, TRUE, Measured, claim, share_interval
from cycloid.problems.landscapes import LANDSCAPES


@claim(
    "reach-against-depth",
    "The best trade-off of reach against depth is where both partial derivatives of R vanish.",
    source="a lesson on calculus in AI applications",
    branch="optimize",
)
def reach_against_depth() -> Measured:
    """Newton's step from the start of a quadratic lands on the critical point; the Hessian says what it is."""
    hill = LANDSCAPES["reach-and-depth"]
    start = jnp.asarray(hill.start)
    hessian = jax.hessian(hill.function)(start)
    point = start - jnp.linalg.solve(hessian, jax.grad(hill.function)(start))
    curvatures = np.linalg.eigvalsh(np.asarray(hessian))
    grid = np.stack(np.meshgrid(*[np.linspace(a, b, 201) for a, b in zip(hill.lower, hill.upper)]), -1).reshape(-1, 2)
    highest = float(jax.vmap(hill.function)(jnp.asarray(grid)).max())
    value = float(hill.function(point))
    off = float(jnp.abs(jax.grad(hill.function)(point)).max())
    good = curvatures.max() < 0 and value >= highest and off < 1e-4
    return Measured(
        value, value - off, value + off, TRUE if good else FALSE,
        f"R at (reach, depth) = ({float(point[0]):.6g}, {float(point[1]):.6g}), where both partial derivatives are "
        f"zero. Both curvatures are negative ({curvatures[0]:.3g} and {curvatures[1]:.3g}), so it is a maximum, and "
        f"none of 40401 other points is higher.",
    )  # fmt: skip


@claim(
    "zero-gradient-is-a-minimum",
    "Where the gradient is zero, the loss has a minimum.",
    source="a guide to calculus for AI",
    branch="optimize",
)
def zero_gradient_is_a_minimum() -> Measured:
    """The smallest curvature at the centre of a saddle, whose gradient is zero."""
    saddle = LANDSCAPES["saddle"].function
    centre = jnp.zeros(2)
    slope = float(jnp.abs(jax.grad(saddle)(centre)).max())
    least = float(np.linalg.eigvalsh(np.asarray(jax.hessian(saddle)(centre))).min())
    return Measured(
        least, least, least, FALSE if slope == 0 and least < 0 else TRUE,
        "Smallest curvature of x² − y² at the origin, where the gradient is exactly zero: it is negative, the way down "
        "goes on along y. A zero gradient is necessary for a minimum, a Hessian without negative eigenvalue as well.",
    )  # fmt: skip


@claim(
    "sleep-matters-more",
    "The input with the larger partial derivative is the one that matters more.",
    source="a lesson on calculus in AI applications",
    branch="differentiate",
)
def sleep_matters_more() -> Measured:
    """How often sleep has the larger partial derivative over the whole range, and at the usual start."""
    hill = LANDSCAPES["sleep-and-nutrition"]
    lower, upper = np.asarray(hill.lower), np.asarray(hill.upper)
    trials = 4096
    points = lower + (upper - lower) * np.random.default_rng(0).random((trials, 2))
    slopes = np.abs(np.asarray(jax.vmap(jax.grad(hill.function))(jnp.asarray(points))))
    hits = int((slopes[:, 0] > slopes[:, 1]).sum())
    low, high = share_interval(hits, trials)
    here = np.asarray(jax.grad(hill.function)(jnp.asarray(hill.start)))
    minutes = np.abs(here * np.array([1 / 60, 1.0]))
    return Measured(
        100 * hits / trials, 100 * low, 100 * high, DEPENDS if 0.02 < hits / trials < 0.98 else TRUE,
        f"Share of {trials} random days on which one more hour of sleep moves performance more than one more point of "
        f"nutrition. After {hill.start[0]:g} hours and {hill.start[1]:g} points they move it by {here[0]:.1f} and "
        f"{here[1]:.1f} percent; a minute of sleep by only {minutes[0]:.2f}. The answer depends on the day and on the "
        f"units: compare partial derivatives times the change that is possible.",
        "%",
    )  # fmt: skip


@claim(
    "descent-finds-the-best",
    "Gradient descent finds the minimum of the loss.",
    source="a guide to calculus for AI",
    branch="optimize",
)
def descent_finds_the_best() -> Measured:
    """Gradient descent from random starts on Rastrigin's egg box: how many end in the deepest dimple."""
    from cycloid.optimize import GradientDescent
    from cycloid.optimize.methods import Objective, apply_update

    box = LANDSCAPES["rastrigin"]
    method = GradientDescent(0.002)  # below 2 / largest curvature, 2 / (2 + 40π²)
    trials = 1000
    starts = jax.random.uniform(jax.random.key(0), (trials, 2), minval=box.lower[0], maxval=box.upper[0])
    objective = Objective(box.function)

    def walk(x: jax.Array) -> jax.Array:
        def step(carry: tuple, _: None) -> tuple:
            x, memory = carry
            update, memory, _info = method.step(objective, x, memory)
            return (apply_update(x, update), memory), None

        return jax.lax.scan(step, (x, method.init(x)), None, length=400)[0][0]

    ends = jax.jit(jax.vmap(walk))(starts)
    hits = int((jax.vmap(box.function)(ends) < 1e-3).sum())
    steep = float(jnp.abs(jax.vmap(jax.grad(box.function))(ends)).max())
    low, high = share_interval(hits, trials)
    return Measured(
        100 * hits / trials, 100 * low, 100 * high, FALSE if high < 0.5 else DEPENDS,
        f"Share of {trials} random starts on Rastrigin's egg box from which the lowest point is reached. All ended "
        f"where the gradient is zero (largest entry {steep:.0e}): in a minimum, but only a local one. On a convex loss "
        f"the claim is true.",
        "%",
    )  # fmt: skip
