"""Loss landscapes: the loss over a plane through the parameters, with the trails of optimizers on it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int

from cycloid.adapters.models import Adapted
from cycloid.adapters.recognition import adapt, as_arrays, framework_of
from cycloid.core.functions import as_function
from cycloid.core.parallel import check_key
from cycloid.core.results import ErrorKind, Question, Result, Status, conclude
from cycloid.differentiate.arguments import merge, parameters
from cycloid.train.planes import (
    KINDS,
    Plane,
    between,
    coordinates,
    given_plane,
    hessian_plane,
    interpolated,
    random_plane,
    trajectory_plane,
)

# Frameworks whose weights count their outputs along the first axis; the others along the last.
_OUTPUTS_FIRST = ("torch", "equinox")
# A trail reaches to the edge of the picture less this share; at most so many points of the plane at once.
MARGIN, MOST = 0.15, 64


@final
class Landscape(Result):
    """The loss over a plane through the parameters.

    Attributes:
        value: the loss, row i at the i-th coordinate along the second direction, column j along the first.
        error: how far the surface drawn between the points may be off: half the largest distance between the points and
            what cubic interpolation makes of them from every second one. At the points it is exact to rounding.
        error_kind: "estimate".
        evaluations: of the loss.
        status: "all_steps", or "nonfinite" when the loss at the parameters themselves is not finite.
        sides: the coordinates along both directions, shape (2, points); the parameters lie at (0, 0).
        directions: the two directions, shaped like the parameters with an axis of 2 in front.
        trails: name -> where its points lie in the plane, shape (steps, 2), seen from above.
        trail_losses: name -> the loss at the points themselves, off the plane.
        seen: name -> the share of the trail's movement that lies in the plane.
        facts: the two eigenvalues, or the shares of the movement along each direction; NaN where there are none.
        kind: "random", "hessian", "trajectory" or "given".
        names: of the axes.
    """

    value: Float[ArrayLike, "points points"]
    error: Float[ArrayLike, ""]
    error_kind: ErrorKind
    evaluations: Int[ArrayLike, ""]
    status: Status
    sides: Float[ArrayLike, "2 points"]
    directions: Any
    trails: dict[str, Any]
    trail_losses: dict[str, Any]
    seen: dict[str, float]
    facts: Float[ArrayLike, "2"]
    kind: str = eqx.field(static=True)
    names: tuple[str, str] = eqx.field(static=True)

    def at(self, point: Float[ArrayLike, "2"]) -> Float[Array, ""]:
        """The loss between the points, by cubic convolution; outside it is that of the edge.

        Reference: R. Keys, Cubic convolution interpolation for digital image processing, 1981.
        """
        return interpolated(jnp.asarray(self.value), jnp.asarray(self.sides), jnp.asarray(point))


class _Asked(NamedTuple):
    """The loss as a function of the parameters that count, and where to look from."""

    loss: Callable[..., Any]
    point: Any
    args: tuple
    filters: str


def landscape(
    loss: Any,
    params: Any = None,
    *data: Any,
    criterion: Callable[..., Any] | None = None,
    directions: str | Sequence[Any] = "random",
    trails: Mapping[str, Any] | None = None,
    span: float | tuple[float, float] | None = None,
    points: int = 41,
    filters: str | None = None,
    key: Any = None,
    memory: int = 2**28,
    throw: bool = True,
) -> Landscape:
    r"""The loss over a plane through the parameters: L(θ + a d₁ + b d₂) for a and b on a grid.

    Args:
        loss: (params, *data) -> one number; or a model of any framework, or what `cycloid.adapters.adapt` made of it,
            with criterion=.
        params: θ, the parameters at the middle; for a model its own by default.
        data: handed on to the loss, such as a batch (inputs, targets).
        criterion: with a model: (outputs, targets) -> one number, of the model's framework or of JAX.
        directions: "random": normal directions whose filters have the length of the weights' filters. "hessian": the
            two eigenvectors of largest magnitude, a coordinate of 1 being as far as doubles the loss by their curvature
            alone. "trajectory": the principal plane of the trails. Or two trees shaped like the parameters.
        trails: name -> parameters walked through: a tree with an axis of steps in front, a list of trees, or a
            `Minimum` with its path kept.
        span: how far to look, in directions, to each side; one number, or one for each direction. By default 1, and as
            far as the trails reach.
        points: along each side.
        filters: "first" or "last": the axis of a weight that counts the outputs; by default that of the framework,
            for plain trees the last.
        key: a typed key, for "random" and "hessian".
        memory: bytes that the points evaluated at once may take.
        throw: raise when the loss at the parameters is not finite.

    Returns:
        A `Landscape`; `cy.figure` draws surface, contours and trails, `cy.check` computes points of it anew.

    Raises:
        TypeError: without a key where chance is needed; for a model without criterion= or data.
        ValueError: for unknown directions, a span or a number of points out of range, trails that span no plane.
        ConvergenceError: when the loss at the parameters is not finite.

    Transformations: none; the loss is compiled once for the whole grid. Cost: points² evaluations of the loss, and one
    for each point of the trails; for "hessian" a spectrum with two eigenvalues.

    Example:
        >>> import jax.numpy as jnp
        >>> from cycloid.train import landscape
        >>> found = landscape(lambda w: jnp.sum(jnp.array([1.0, 9.0]) * w**2), jnp.zeros(2),
        ...                   directions=(jnp.array([1.0, 0.0]), jnp.array([0.0, 1.0])), points=5)
        >>> found.value[:, 0].tolist()
        [10.0, 3.25, 1.0, 3.25, 10.0]

    Reference: H. Li et al., Visualizing the loss landscape of neural nets, 2018.
    """
    if isinstance(points, bool) or not isinstance(points, int) or points < 5:
        raise ValueError(f"landscape: points= is a whole number, at least 5; it was {points!r}.")
    asked = _asked(loss, params, data, criterion, filters)
    walked = {name: _stacked(trail, asked.point) for name, trail in (trails or {}).items()}
    middle = float(jax.jit(asked.loss)(asked.point, *asked.args))
    plane = _plane(directions, asked, walked, middle, key)
    seen = {name: coordinates(asked.point, trail, plane) for name, trail in walked.items()}
    sides = np.stack(
        [np.linspace(low, high, points) for low, high in _reach(span, [where for where, _ in seen.values()])]
    )
    values = _over_plane(asked, plane, sides, memory)
    losses = {name: np.asarray(_along(asked, trail, memory)) for name, trail in walked.items()}
    result = Landscape(
        value=values, error=between(values, sides), error_kind=ErrorKind.named("estimate"),
        evaluations=values.size + 1 + sum(each.size for each in losses.values()),
        status=Status.named("all_steps" if math.isfinite(middle) else "nonfinite"), sides=sides,
        directions=jax.tree.map(lambda a, b: jnp.stack([a, b]), plane.first, plane.second),
        trails={name: where for name, (where, _) in seen.items()}, trail_losses=losses,
        seen={name: share for name, (_, share) in seen.items()},
        facts=np.asarray(plane.facts or (np.nan, np.nan), float),
        kind=directions if isinstance(directions, str) else "given", names=plane.names,
    )  # fmt: skip
    question = Question(asked.loss, {"params": asked.point, "args": asked.args, "trails": walked})
    return conclude(result, throw=throw, question=question)


# --- what was asked -------------------------------------------------------------------------------------------------


def _asked(loss: Any, params: Any, data: tuple, criterion: Any, filters: str | None) -> _Asked:
    if filters not in (None, "first", "last"):
        raise ValueError(f'landscape: filters= is "first" or "last"; it was {filters!r}.')
    if isinstance(loss, Adapted) or (criterion is not None and framework_of(loss)):
        adapted = adapt(loss)
        if criterion is None or len(data) != 1:
            raise TypeError(
                "landscape: a model needs a criterion and a batch: "
                "landscape(model, None, (inputs, targets), criterion=loss)."
            )
        function: Callable[..., Any] = adapted.objective(criterion)
        params = adapted.parameters if params is None else params
        filters = filters or ("first" if adapted.framework in _OUTPUTS_FIRST else "last")
    else:
        if criterion is not None or params is None:
            raise TypeError(
                "landscape takes a loss and parameters, landscape(loss, params, batch), or a model, a batch and "
                "criterion=."
            )
        function = as_function(loss)
    point, rest = parameters(params, "landscape")
    point = jax.tree.map(jnp.asarray, point)
    whole = lambda point, *args: jnp.asarray(function(merge(point, rest), *args)).reshape(())
    return _Asked(whole, point, as_arrays(data), filters or "last")


def _stacked(trail: Any, point: Any) -> Any:
    """A trail as one tree with an axis of steps in front, without the steps never made."""
    if hasattr(trail, "trace"):
        if trail.trace is None or trail.trace.path is None:
            raise ValueError("landscape: this Minimum did not keep its path: minimize(..., keep_path=True).")
        trail = trail.trace.path
    elif isinstance(trail, list):
        trail = jax.tree.map(lambda *steps: jnp.stack([jnp.asarray(step) for step in steps]), *trail)
    trail = parameters(trail, "landscape")[0]
    if jax.tree.structure(trail) != jax.tree.structure(point):
        raise ValueError("landscape: a trail is a list of trees shaped like the parameters, or such a tree of stacks.")
    finite = np.all([np.isfinite(np.asarray(leaf, float).reshape(len(leaf), -1)).all(axis=1)
                     for leaf in jax.tree.leaves(trail)], axis=0)  # fmt: skip
    return jax.tree.map(lambda leaf: jnp.asarray(leaf)[finite], trail)


def _plane(directions: Any, asked: _Asked, walked: Mapping[str, Any], middle: float, key: Any) -> Plane:
    if not isinstance(directions, str):
        return given_plane(asked.point, directions)
    if directions == "trajectory":
        if not walked:
            raise ValueError('landscape: directions="trajectory" needs trails=.')
        return trajectory_plane(asked.point, walked)
    if directions not in KINDS:
        raise ValueError(f"landscape: directions is one of {', '.join(KINDS)}, or two trees; it was {directions!r}.")
    key = check_key(key, "landscape")
    if directions == "random":
        return random_plane(asked.point, key, asked.filters)
    return hessian_plane(asked.loss, asked.point, asked.args, middle, key)


def _reach(span: Any, walked: list[np.ndarray]) -> list[tuple[float, float]]:
    """For each direction from where to where: to both sides alike, or to where trails lead."""
    if span is not None:
        spans = [float(each) for each in (span if isinstance(span, tuple) else (span, span))]
        if len(spans) != 2 or not all(0 < each < math.inf for each in spans):
            raise ValueError(f"landscape: span= is a positive number, or one for each direction; it was {span!r}.")
        return [(-each, each) for each in spans]
    if not walked:
        return [(-1.0, 1.0), (-1.0, 1.0)]
    every = np.concatenate([*walked, np.zeros((1, 2))])
    low, high = every.min(axis=0), every.max(axis=0)
    # Beside a long and narrow walk there is to be some ground to see.
    margin = MARGIN / (1 - 2 * MARGIN) * np.maximum(high - low, 0.2 * (high - low).max())
    return list(zip((low - margin).tolist(), (high + margin).tolist(), strict=True))


# --- the numbers ----------------------------------------------------------------------------------------------------


def _over_plane(asked: _Asked, plane: Plane, sides: np.ndarray, memory: int) -> np.ndarray:
    """The loss over the grid, many points at once as far as memory allows."""
    grid = np.stack(np.meshgrid(*sides), axis=-1).reshape(-1, 2)

    def over(point: Any, first: Any, second: Any, grid: Any, *args: Any) -> Any:
        def at(place: Any) -> Any:
            moved = lambda p, a, b: p + place[0].astype(p.dtype) * a + place[1].astype(p.dtype) * b
            return asked.loss(jax.tree.map(moved, point, first, second), *args)

        return jax.lax.map(at, grid, batch_size=_at_once(asked, memory))

    found = jax.jit(over)(asked.point, plane.first, plane.second, jnp.asarray(grid), *asked.args)
    return np.asarray(found, float).reshape(len(sides[1]), len(sides[0]))


def _along(asked: _Asked, trail: Any, memory: int) -> Any:
    each = lambda trail, *args: jax.lax.map(
        lambda point: asked.loss(point, *args), trail, batch_size=_at_once(asked, memory)
    )
    return jax.jit(each)(trail, *asked.args)


def _at_once(asked: _Asked, memory: int) -> int:
    """How many points fit: each has its own weights, and all that the loss computes from them."""
    program = jax.make_jaxpr(asked.loss)(asked.point, *asked.args)
    made = sum(each.aval.size * each.aval.dtype.itemsize for equation in program.jaxpr.eqns
               for each in equation.outvars if hasattr(each.aval, "size"))  # fmt: skip
    own = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(asked.point))
    return int(np.clip(memory // max(made + 2 * own, 1), 1, MOST))
