"""fit_curve: a model fitted to data, with standard errors, covariance, confidence intervals and bands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import ArrayLike, Float, Int

from cycloid.core.results import ErrorKind, Question, Result, Status, conclude, is_traced
from cycloid.core.tolerance import Tolerance, as_tolerance
from cycloid.optimize.curve_models import Data, Model, labels_of, read_data, read_model, read_start
from cycloid.optimize.curve_starts import best_start
from cycloid.optimize.drivers import Minimum
from cycloid.optimize.levenberg_marquardt import AbstractResidualMethod, residual_method
from cycloid.optimize.methods import split
from cycloid.optimize.residuals import squares
from cycloid.optimize.tangents import tangent
from cycloid.optimize.walks import Settings

# The share of ‖r‖ that may be rounding before standard errors count as holding fewer than six digits.
ROUNDED = 1e-6
# A parameter with this share in a direction that changes nothing cannot be told apart.
CONFOUNDED = 0.1


@final
class Fit(Result):
    """A curve fitted to data.

    Attributes:
        value: the parameters, a pytree like the start (a dict by name for a formula).
        error: their standard errors, a pytree like `value`.
        error_kind: "standard error".
        evaluations: of the residuals, with or without their Jacobian.
        status: how the fit ended.
        names: a name for each number among the parameters.
        covariance: of the parameters in the order of `names`.
        residual_sd: s = √(Σ w r² / (n − p)).
        degrees_of_freedom: n − p, observations of positive weight less parameters that can be told apart.
        sum_of_squares: Σ w r².
        fitted: the model at the data.
        residuals: y − fitted.
        offset: the share of the residuals that the tangent plane still holds; 0 at a stationary point.
        rounding: the share of the residuals that may be rounding.
        confounded: for each number among the parameters its share in directions that change no fitted value.
        steps: how many were made.
    """

    value: Any
    error: Any
    error_kind: ErrorKind
    evaluations: Int[ArrayLike, "..."]
    status: Status
    names: tuple[str, ...] = eqx.field(static=True)
    covariance: Float[ArrayLike, "... p p"]
    residual_sd: Float[ArrayLike, "..."]
    degrees_of_freedom: Int[ArrayLike, "..."]
    sum_of_squares: Float[ArrayLike, "..."]
    fitted: Float[ArrayLike, "... n"]
    residuals: Float[ArrayLike, "... n"]
    offset: Float[ArrayLike, "..."]
    rounding: Float[ArrayLike, "..."]
    confounded: Float[ArrayLike, "... p"]
    steps: Int[ArrayLike, "..."]

    @property
    def correlation(self) -> Any:
        """The covariance with ones on its diagonal."""
        spread = jnp.sqrt(jnp.diagonal(jnp.asarray(self.covariance), axis1=-2, axis2=-1))
        return self.covariance / (spread[..., :, None] * spread[..., None, :])

    @property
    def not_told_apart(self) -> list[str]:
        """The parameters that can be changed together without changing any fitted value."""
        return [name for name, share in zip(self.names, np.asarray(self.confounded)) if share > CONFOUNDED]

    def predict(self, x: Any, model: Any = None) -> Any:
        """The curve at other data.

        Args:
            x: as `fit_curve` took it.
            model: the model, for a result that has lost its question.
        """
        curve, x = self._at(x, model)
        return curve(x, self.value)

    def band(self, x: Any, level: float = 0.95, *, kind: str = "mean", model: Any = None) -> tuple[Any, Any]:
        """(low, high) round the curve, by linear propagation of the covariance and Student's quantile.

        s(x)² = ∇m(x)ᵀ C ∇m(x), with the residual variance added for a new observation of weight 1.

        Args:
            x: as `fit_curve` took it.
            level: the coverage at each x.
            kind: "mean" for the curve itself, "prediction" for a new observation.
            model: the model, for a result that has lost its question.

        Raises:
            ValueError: when the level is outside (0, 1), or the kind neither.
        """
        from scipy import stats

        if not 0.0 < level < 1.0:
            raise ValueError(f"level is a probability strictly between 0 and 1, such as 0.95; it was {level}.")
        if kind not in ("mean", "prediction"):
            raise ValueError(f'kind= is "mean" or "prediction"; it was {kind!r}.')
        curve, x = self._at(x, model)
        moving, rest = split(self.value)
        flat, unravel = ravel_pytree(moving)
        at = lambda v: curve(x, eqx.combine(unravel(v), rest))
        middle, slopes = at(flat), jax.jacfwd(at)(flat)
        variance = jnp.einsum("...i,ij,...j->...", slopes, jnp.asarray(self.covariance), slopes)
        variance = variance + (jnp.asarray(self.residual_sd) ** 2 if kind == "prediction" else 0.0)
        spread = stats.t.ppf(0.5 + level / 2, np.asarray(self.degrees_of_freedom)) * jnp.sqrt(variance)
        return middle - spread, middle + spread

    def _at(self, x: Any, model: Any) -> tuple[Model, Any]:
        if model is None and self.question is None:
            raise ValueError("this fit has passed a transformation or a file and lost its model: pass model=.")
        given = self.question.function if model is None and self.question is not None else model
        curve = read_model(given, x, self.value)
        if curve.columns is not None and not isinstance(x, dict):
            x = {curve.columns[0]: x}
        return curve, jax.tree.map(jnp.asarray, x)

    def table(self, level: float = 0.95) -> list[dict[str, Any]]:
        """One row a parameter: name, value, standard error, interval."""
        low, high = self.interval(level)
        columns = [np.asarray(ravel_pytree(split(tree)[0])[0]) for tree in (self.value, self.error, low, high)]
        keys = ("value", "standard_error", "low", "high")
        return [
            {"name": name, **{key: float(column[i]) for key, column in zip(keys, columns)}}
            for i, name in enumerate(self.names)
        ]


def fit_curve(
    model: Callable[..., Any] | str,
    x: Any,
    y: Any,
    *,
    start: Any = None,
    weights: Any = None,
    method: str | type[AbstractResidualMethod] | AbstractResidualMethod | None = None,
    tol: float | Tolerance | None = None,
    max_steps: int = 500,
    key: Any = None,
    throw: bool = True,
) -> Fit:
    """A model fitted to data by least squares, with how sure its parameters are.

    θ makes Σ wᵢ (yᵢ − m(xᵢ, θ))² least; with J the Jacobian of √w m there, s² = Σ w r² / (n − p) and the covariance
    C = s² (JᵀJ)⁻¹, taken from the singular values of J. Standard errors are the roots of its diagonal. They are those
    of the linear model that touches the curve at θ, for independent errors of variance σ²/w; s estimates σ.

    Args:
        model: a formula such as "a*exp(-b*x)", whose variables are the data and the parameters; a callable
            model(x, a, b) or model(x, parameters).
        x: the data: an array, or a dict of columns by name.
        y: the observations, shape (n,).
        start: where the parameters begin: a dict by name, an array in the formula's order, any pytree for
            model(x, parameters). None tries many starts of all magnitudes and goes on from the best.
        weights: of the squares, shape (n,); None is one each.
        method: a name from `RESIDUAL_METHODS`, a class or an instance; `LevenbergMarquardt()` without it.
        tol: as for `least_squares`; None is eps^(3/4), so that parameters keep more digits than their errors.
        max_steps: at most this many.
        key: shifts the starts that are tried; None takes a fixed grid of them.
        throw: raise `ConvergenceError` for a bad status; False returns the fit with its status.

    Returns:
        A `Fit`. Its status is *indistinct* when the Jacobian has no full rank (`fit.not_told_apart` names the
        parameters), *rounded* when the residuals themselves are nearly rounding.

    Raises:
        TypeError: when model is no function.
        ValueError: when names, lengths or numbers do not fit, or there are fewer observations than parameters.
        ConvergenceError: see `throw`.

    Transformations: jit and vmap over data or starts; under grad the parameters are differentiated by the implicit
    function theorem with respect to x, y and weights. Standard errors have no derivative.

    Cost: as `least_squares`; without a start, that of some sixty short walks more.

    Example:
        >>> import jax.numpy as jnp
        >>> from cycloid.optimize import fit_curve
        >>> x = jnp.array([0.0, 1.0, 2.0, 3.0, 4.0])
        >>> fit = fit_curve("a*exp(-b*x)", x, jnp.array([5.1, 3.0, 1.9, 1.05, 0.7]), start={"a": 1.0, "b": 0.1})
        >>> [(row["name"], round(row["value"], 3), round(row["standard_error"], 3)) for row in fit.table()]
        [('a', 5.084, 0.059), ('b', 0.51, 0.011)]

    Reference: Bates, Watts, Nonlinear regression analysis and its applications, 1988, chapter 2.
    """
    curve = read_model(model, x, start)
    data = read_data(curve, x, y, weights)
    chosen = residual_method(method)
    tolerance = as_tolerance(tol, data.y.dtype)
    if tol is None:
        small = float(jnp.finfo(data.y.dtype).eps) ** 0.75
        tolerance = Tolerance(small, small)
    if isinstance(max_steps, bool) or not isinstance(max_steps, int) or max_steps < 0:
        raise ValueError(f"max_steps= is a non-negative integer; it was {max_steps!r}.")
    point = read_start(curve, start) if start is not None else None
    _enough(curve, data, point)
    point = best_start(curve, data, key) if point is None else point
    settings = Settings(tolerance, max_steps, False, False)
    found = _compiled(curve, point, data, chosen, settings, labels_of(curve, point))
    arguments = {"x": x, "y": y, "weights": weights, "start": point, "tol": tol, "max_steps": max_steps}
    return conclude(found, throw=throw and not tolerance.is_zero, question=Question(model, arguments, chosen))


def _enough(curve: Model, data: Data, point: Any) -> None:
    count = len(curve.names or ()) if point is None else sum(leaf.size for leaf in jax.tree.leaves(split(point)[0]))
    rows = data.y.size if is_traced(data.weights) else int(np.sum(np.asarray(data.weights) > 0))
    if rows < count:
        raise ValueError(
            f"{rows} observations cannot fix {count} parameters: measure more, or fit a model with fewer parameters."
        )


@eqx.filter_jit
def _compiled(
    curve: Model, point: Any, data: Data, method: AbstractResidualMethod, settings: Settings, names: tuple[str, ...]
) -> Fit:
    roots = jnp.sqrt(data.weights)
    residual = lambda p: roots * (fitted_values(curve, data, p) - data.y)
    found = squares(residual, point, method, settings)
    return _with_errors(curve, data, residual, found, names)


def fitted_values(curve: Model, data: Data, parameters: Any) -> Any:
    """The model at the data, checked to have the shape of y (a constant model is one number for all)."""
    fitted = jnp.asarray(curve(data.x, parameters), data.y.dtype)
    if fitted.shape not in ((), data.y.shape):
        raise ValueError(f"the model returned the shape {fitted.shape} for {data.y.shape} observations.")
    return jnp.broadcast_to(fitted, data.y.shape)


def _with_errors(curve: Model, data: Data, residual: Any, found: Minimum, names: tuple[str, ...]) -> Fit:
    """The fit: standard errors from the singular values of the Jacobian at the solution."""
    moving, rest = split(found.value)
    flat, unravel = ravel_pytree(jax.lax.stop_gradient(moving))
    at = tangent(lambda v: residual(eqx.combine(unravel(v), rest)), flat, jnp.zeros_like(flat))
    degrees = jnp.sum(data.weights > 0) - at.rank
    total = at.residual @ at.residual
    variance = jnp.where(degrees > 0, total / jnp.maximum(degrees, 1), jnp.nan)
    whole = at.rank == flat.size
    spread = at.right * jnp.where(at.live, 1 / jnp.where(at.live, at.singular, 1.0), 0.0) / at.scale[:, None]
    confounded = jnp.sqrt(jnp.sum(jnp.where(at.live, 0.0, at.right) ** 2, axis=1))
    known = confounded <= jnp.finfo(flat.dtype).eps ** 0.5  # the others have no finite variance
    covariance = jnp.where(known[:, None] & known[None, :], variance * (spread @ spread.T), jnp.nan)
    size = jnp.sqrt(total)
    rounding = jnp.where(size > 0, at.rounding / jnp.where(size > 0, size, 1.0), jnp.inf)
    status = Status.where(
        (rounding > ROUNDED) & (found.status == Status.named("converged")), Status.named("rounded"), found.status
    )
    status = Status.where(whole | ~found.status.ok, status, Status.named("indistinct"))
    fitted = fitted_values(curve, data, found.value)
    return Fit(
        value=found.value,
        error=unravel(jnp.sqrt(jnp.diagonal(covariance))),
        error_kind=ErrorKind.named("standard error"),
        evaluations=found.evaluations + 1,
        status=status,
        names=names,
        covariance=covariance,
        residual_sd=jnp.sqrt(variance),
        degrees_of_freedom=degrees,
        sum_of_squares=total,
        fitted=fitted,
        residuals=data.y - fitted,
        offset=at.offset,
        rounding=rounding,
        confounded=confounded,
        steps=found.steps,
    )
