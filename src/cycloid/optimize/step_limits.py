"""How long may a step be? The limit 2/λmax of gradient descent at a minimum, and the edge on which training walks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, Float, Int

from cycloid.core.functions import as_objective
from cycloid.core.parallel import check_key
from cycloid.core.results import ErrorKind, Question, Result, Status, conclude, is_traced
from cycloid.core.tolerance import working_dtype
from cycloid.differentiate import spectrum
from cycloid.optimize.methods import split
from cycloid.optimize.points import as_point, scalar_function

# Rates tried at once, and how often the bracket is divided by so many.
TRIED, ROUNDS = 32, 3
# The first bracket reaches this far to both sides of the power of two below the prediction: a bracket round the
# prediction itself would have it in the middle, and the measurement would agree by its construction.
BRACKET = 4.0
# Share of an edge-of-stability run, at its end, whose mean is the answer.
LATE = 0.25


@final
class Stability(Result):
    """The longest stable step of gradient descent at a minimum.

    Attributes:
        value: the predicted limit 2/λmax.
        error: |predicted − measured|.
        error_kind: "estimate".
        evaluations: gradients, those of the measurement.
        status: "converged"; "stalled" when no rate that was tried leaves the minimum, or all do.
        measured: the rate above which descent from close by goes away, found without the curvature.
        sharpness: λmax, the largest eigenvalue of the Hessian.
        rates: every rate tried.
        growth: by what factor a step at that rate multiplied the distance from the minimum, late in the walk.
    """

    value: Float[ArrayLike, ""]
    error: Float[ArrayLike, ""]
    error_kind: ErrorKind
    evaluations: Int[ArrayLike, ""]
    status: Status
    measured: Float[ArrayLike, ""]
    sharpness: Float[ArrayLike, ""]
    rates: Float[np.ndarray, " tried"]
    growth: Float[np.ndarray, " tried"]


@final
class Edge(Result):
    """A run of gradient descent with its sharpness.

    Attributes:
        value: the mean of sharpness × η/2 over the last quarter of the readings: 1 is the edge of stability.
        error: the standard deviation of those readings.
        error_kind: "estimate".
        evaluations: gradients of the walk, the products for the sharpness not counted.
        status: "all_steps", or "nonfinite".
        learning_rate: η.
        steps: at which the readings were taken.
        loss: there.
        ratio: sharpness × η/2 there.
        weights: where the walk ended.
    """

    value: Float[ArrayLike, ""]
    error: Float[ArrayLike, ""]
    error_kind: ErrorKind
    evaluations: Int[ArrayLike, ""]
    status: Status
    learning_rate: float
    steps: Int[np.ndarray, " readings"]
    loss: Float[np.ndarray, " readings"]
    ratio: Float[np.ndarray, " readings"]
    weights: Any


def stability(loss: Callable[..., Any] | str, minimum: Any, *, key: Any = None, steps: int = 1000) -> Stability:
    r"""The limit of the learning rate at a minimum, predicted by the curvature and measured by walking.

    Near a minimum θ* a step of gradient descent with the rate η multiplies the error along an eigenvector of the
    Hessian by 1 − η λ. The largest eigenvalue λmax decides: above

        η = 2 / λmax

    the error along its eigenvector grows. The limit is also measured without the curvature: descent starts at a small
    random distance from θ*, at many rates at once, and the rate is looked for at which that distance begins to grow.

    Args:
        loss: a scalar function of a pytree, or a formula.
        minimum: θ*, where the gradient is zero to rounding; as from `minimize` with a small tolerance.
        key: a typed key: the random direction, and the start of Lanczos' method.
        steps: of each walk; the measured limit is too high by up to a part in `steps`, times a few.

    Returns:
        A `Stability`. In float64 the two agree to within 1 %.

    Raises:
        TypeError: without a key, or when traced.
        ValueError: when the gradient at `minimum` is so large that it is none, or `steps` is below 10.

    Transformations: none. Cost: 100 walks of `steps` gradients, in three programs.

    Example:
        >>> import jax
        >>> found = stability("x^2 + 10y^2", {"x": 0.0, "y": 0.0}, key=jax.random.key(0))
        >>> round(float(found.value), 6), abs(float(found.measured) / 0.1 - 1) < 0.01
        (0.1, True)

    Reference: Y. Nesterov, Introductory lectures on convex optimization, 2004, §1.2.3.
    """
    function, point, key = _prepared(loss, minimum, key, "stability")
    if steps < 10:
        raise ValueError(f"steps= is at least 10, long enough to see growth; it was {steps}.")
    parameters, rest = split(point)
    value = lambda p: function(eqx.combine(p, rest))
    sharpness = _sharpness(value, parameters, jax.random.fold_in(key, 0))
    predicted = 2.0 / sharpness
    leaves, structure = jax.tree.flatten(parameters)
    keys = jax.random.split(jax.random.fold_in(key, 1), len(leaves))
    noise = jax.tree.unflatten(structure, [jax.random.normal(k, v.shape, v.dtype) for k, v in zip(keys, leaves)])
    size = float(_norm(parameters)) or 1.0
    # Far enough above rounding that 1000 steps may shrink it, near enough that the Hessian is the whole story.
    away = float(jnp.finfo(working_dtype(parameters)).eps) ** 0.4 * size
    noise = jax.tree.map(lambda leaf: leaf * (away / _norm(noise)), noise)
    if float(_norm(jax.grad(value)(parameters))) > 1e-2 * sharpness * away:
        raise ValueError(
            "the gradient at minimum= is not zero: find the minimum first, by minimize with a smaller tol=."
        )
    growths = jax.jit(lambda rates: jax.lax.map(lambda rate: _growth(value, parameters, noise, rate, steps), rates))
    centre = 2.0 ** np.floor(np.log2(predicted))
    low, high, tried = centre / BRACKET, centre * BRACKET, []
    for _ in range(ROUNDS):
        rates = np.geomspace(low, high, TRIED)
        growth = np.asarray(growths(jnp.asarray(rates, leaves[0].dtype)))
        tried.append((rates, growth))
        first = int(np.argmax(growth > 1)) if np.any(growth > 1) else TRIED
        low, high = rates[max(first - 1, 0)], rates[min(first, TRIED - 1)]
        if first in (0, TRIED):
            break
    rates, growth = (np.concatenate(column) for column in zip(*tried))
    order = np.argsort(rates)
    found = len(tried) == ROUNDS
    measured = float(np.sqrt(low * high)) if found else float("nan")
    result = Stability(
        value=np.float64(predicted),
        error=np.float64(abs(measured - predicted)),
        error_kind=ErrorKind.named("estimate"),
        evaluations=np.int64(len(rates) * steps),
        status=Status.named("converged" if found else "stalled"),
        measured=np.float64(measured),
        sharpness=np.float64(sharpness),
        rates=rates[order],
        growth=growth[order],
    )
    return conclude(
        result, throw=False, question=Question(loss, {"minimum": minimum, "key": key, "steps": steps}, None)
    )


def edge_of_stability(
    loss: Callable[..., Any] | str,
    x0: Any,
    *,
    learning_rate: float,
    key: Any = None,
    steps: int = 4000,
    every: int = 40,
) -> Edge:
    """Gradient descent on all the data, and how its sharpness settles at the edge of stability.

    The theory of small steps says that a rate η is stable while sharpness × η/2 < 1. In a network the sharpness does
    not wait: it grows during training until that product is about 1, and then stays there, while the loss goes on
    falling, no longer at every step.

    Args:
        loss: a scalar function of a pytree, or a formula.
        x0: where to start.
        learning_rate: η.
        key: a typed key, for Lanczos' method.
        steps: of descent.
        every: steps between two readings.

    Returns:
        An `Edge`: `ratio` are the readings of sharpness × η/2, `value` the mean of the last quarter.

    Raises:
        TypeError: without a key, or when traced.
        ValueError: when the rate is not positive, or `every` is not between 1 and `steps`.

    Transformations: none. Cost: `steps` gradients, and some ten products with the Hessian for each reading.

    Example:
        >>> import jax
        >>> run = edge_of_stability("x^2 + 10y^2", {"x": 1.0, "y": 1.0}, learning_rate=0.05, key=jax.random.key(0),
        ...                         steps=40, every=10)
        >>> [round(float(v), 6) for v in run.ratio]
        [0.5, 0.5, 0.5, 0.5, 0.5]

    Reference: J. Cohen, S. Kaur, Y. Li, J. Z. Kolter, A. Talwalkar, Gradient descent on neural networks typically
    occurs at the edge of stability, 2021.
    """
    function, point, key = _prepared(loss, x0, key, "edge_of_stability")
    if not (np.isfinite(learning_rate) and learning_rate > 0):
        raise ValueError(f"learning_rate= is a positive number; it was {learning_rate!r}.")
    if not 1 <= every <= steps:
        raise ValueError(f"every= lies between 1 and steps={steps}; it was {every}.")
    parameters, rest = split(point)
    value = lambda p: function(eqx.combine(p, rest))

    def one(p: Any, _: None) -> tuple[Any, None]:
        return jax.tree.map(lambda leaf, g: leaf - jnp.asarray(learning_rate, g.dtype) * g, p, jax.grad(value)(p)), None

    advance = jax.jit(lambda p: jax.lax.scan(one, p, None, length=every)[0])
    read = jax.jit(lambda p: (value(p), _largest(value, p, key)))
    readings = [tuple(map(float, read(parameters)))]
    at = [0]
    while at[-1] + every <= steps and np.isfinite(readings[-1][0]):
        parameters = advance(parameters)
        at.append(at[-1] + every)
        readings.append(tuple(map(float, read(parameters))))
    losses, sharpness = np.array(readings).T
    ratio = sharpness * learning_rate / 2
    late = ratio[-max(1, round(LATE * len(ratio))) :]
    result = Edge(
        value=np.float64(late.mean()),
        error=np.float64(late.std()),
        error_kind=ErrorKind.named("estimate"),
        evaluations=np.int64(at[-1]),
        status=Status.named("all_steps" if np.isfinite(losses[-1]) else "nonfinite"),
        learning_rate=float(learning_rate),
        steps=np.array(at),
        loss=losses,
        ratio=ratio,
        weights=eqx.combine(parameters, rest),
    )
    asked = {"x0": x0, "key": key, "steps": steps, "every": every, "learning_rate": learning_rate}
    return conclude(result, throw=False, question=Question(loss, asked, None))


def _prepared(loss: Any, x: Any, key: Any, name: str) -> tuple[Callable[[Any], Any], Any, Any]:
    if is_traced(x):
        raise TypeError(f"{name} is not to be traced: call it plainly.")
    key, point = check_key(key, name), as_point(x)
    return scalar_function(as_objective(loss, point)), point, key


def _largest(value: Callable[[Any], Any], parameters: Any, key: Any) -> Any:
    """λmax; of two eigenvalues, as the one of largest magnitude may be negative far from a minimum."""
    count = min(2, sum(leaf.size for leaf in jax.tree.leaves(parameters)))
    return jnp.max(spectrum(value, parameters, k=count, key=key, tol=1e-3, probes=0, throw=False).value)


def _sharpness(value: Callable[[Any], Any], parameters: Any, key: Any) -> float:
    found = float(_largest(value, parameters, key))
    if not found > 0:
        raise ValueError(
            f"the largest curvature at minimum= is {found:g}: there is no minimum with a limit of the rate."
        )
    return found


def _growth(value: Callable[[Any], Any], minimum: Any, noise: Any, rate: Any, steps: int) -> Any:
    """The factor by which a step multiplies the distance from the minimum, over the last tenth of a walk.

    The distance is scaled back to its first length after each step, so that neither rounding nor the bends of the loss
    come into it, as in the power method.
    """
    first = _norm(noise)

    def step(away: Any, _: None) -> tuple[Any, Any]:
        slope = jax.grad(value)(jax.tree.map(jnp.add, minimum, away))
        new = jax.tree.map(lambda a, g: a - rate * g, away, slope)
        length = _norm(new)
        return jax.tree.map(lambda leaf: leaf * (first / length), new), length / first

    factors = jax.lax.scan(step, noise, None, length=steps)[1]
    return jnp.exp(jnp.mean(jnp.log(factors[-max(1, steps // 10) :])))


def _norm(tree: Any) -> Any:
    return jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(tree)))
