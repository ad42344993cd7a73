"""The Jacobian as a map: how it stretches, turns and scales, and how a change of the inputs ripples to the outputs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int

from cycloid.core.results import ErrorKind, Question, Result, Status, conclude
from cycloid.differentiate.arguments import real_value
from cycloid.differentiate.derived import Derived
from cycloid.differentiate.vector_maps import Map, flat_map, step_of, subject_of


@final
class JacobianMap(Result):
    """The linear map J that F is near x, taken apart: J = U diag(σ) Vᵀ.

    Attributes:
        value: J, shape (m, n): row i is the gradient of output i.
        error: rounding of the singular values, an estimate.
        error_kind: "estimate".
        evaluations: of F; a column of J counts as one.
        status: "all_steps", or "nonfinite".
        singular_values: σ, the largest first: how much the map stretches along each of its axes.
        inputs: V, shape (n, k): the directions that are stretched, one a column.
        outputs: U, shape (m, k): where they go.
        scale: √det JᵀJ, which is |det J| for a square J: by how much areas (volumes) grow.
        determinant: det J; NaN where J is not square.
        point: x as a vector.
        image: F(x) as a vector.
        input_names: of the columns.
        output_names: of the rows.
    """

    value: Float[ArrayLike, "m n"]
    error: Float[ArrayLike, "..."]
    error_kind: ErrorKind
    evaluations: Int[ArrayLike, "..."]
    status: Status
    singular_values: Float[ArrayLike, " k"]
    inputs: Float[ArrayLike, "n k"]
    outputs: Float[ArrayLike, "m k"]
    scale: Float[Array, "..."]
    determinant: Float[ArrayLike, "..."]
    point: Float[ArrayLike, " n"]
    image: Float[ArrayLike, " m"]
    input_names: tuple[str, ...] = eqx.field(static=True)
    output_names: tuple[str, ...] = eqx.field(static=True)

    @property
    def condition(self) -> Any:
        """The largest singular value over the smallest: how unevenly it stretches; infinite where it flattens."""
        sigma = jnp.asarray(self.singular_values)
        return jnp.where(sigma[-1] > 0, sigma[0] / jnp.where(sigma[-1] > 0, sigma[-1], 1.0), jnp.inf)

    @property
    def orientation(self) -> Any:
        """1 where it keeps left and right, −1 where it swaps them, 0 where it flattens; NaN if not square."""
        return jnp.sign(jnp.asarray(self.determinant))


@final
class Ripple(Result):
    """How a change dx of the inputs reaches each output: what the Jacobian promises, and what happens.

    Attributes:
        value: J dx, the linear change of each output, shape (m,).
        error: |J dx − ΔF| of each output.
        error_kind: "estimate": measured, to rounding.
        evaluations: of F.
        status: "all_steps", or "nonfinite".
        change: ΔF = F(x + dx) − F(x), the true change.
        relative: |J dx − ΔF| / |ΔF| of each output; 0 where they agree to rounding.
        parts: J_ij dx_j, shape (m, n): what each input contributes to each output.
        before: F(x).
        after: F(x + dx).
        point: x as a vector.
        step: dx as a vector.
        input_names: of the columns of `parts`.
        output_names: of the outputs.
    """

    value: Float[ArrayLike, " m"]
    error: Float[ArrayLike, " m"]
    error_kind: ErrorKind
    evaluations: Int[ArrayLike, "..."]
    status: Status
    change: Float[ArrayLike, " m"]
    relative: Float[ArrayLike, " m"]
    parts: Float[ArrayLike, "m n"]
    before: Float[ArrayLike, " m"]
    after: Float[ArrayLike, " m"]
    point: Float[ArrayLike, " n"]
    step: Float[ArrayLike, " n"]
    input_names: tuple[str, ...] = eqx.field(static=True)
    output_names: tuple[str, ...] = eqx.field(static=True)

    @property
    def hit(self) -> list[str]:
        """The names of the outputs, the one that changes most first."""
        order = np.argsort(-np.abs(np.asarray(self.change)), kind="stable")
        return [self.output_names[i] for i in order]


def jacobian_map(F: Map, x: Any, *, throw: bool = True) -> JacobianMap:
    """The Jacobian of F at x as a map of small steps: how it stretches them, and by how much areas grow.

    F(x + dx) ≈ F(x) + J dx. The singular value decomposition J = U diag(σ) Vᵀ says that a small ball round x becomes
    an ellipsoid: the direction v_k, column k of V, goes to σ_k u_k. Areas (volumes) grow by √det JᵀJ = σ_1 ⋯ σ_n.

    Args:
        F: the function of several inputs and outputs: a callable of one vector or pytree; a list of formulas, one an
            output; or their text with commas between, "x^2 - y^2, 2x*y".
        x: the point: a vector, a pytree, a dict by name for formulas.
        throw: whether values that are not finite raise `ConvergenceError`.

    Returns:
        A `JacobianMap`: J, its singular values and vectors, `scale`, `determinant`, `condition`, `orientation`.

    Raises:
        TypeError: when x or F(x) holds no real numbers.
        ValueError: when x has not the variables of the formulas.
        ConvergenceError: when F or J is not finite at x and `throw` is set.

    Transformations: jit, vmap; grad where the singular values are distinct.

    Cost: one evaluation of F and min(n, m) passes, and the decomposition of an m × n matrix.

    Example:
        >>> from cycloid.differentiate import jacobian_map
        >>> square = jacobian_map("x^2 - y^2, 2x*y", {"x": 1.0, "y": 2.0})
        >>> square.value.tolist(), round(float(square.scale), 12), float(square.orientation)
        ([[2.0, -4.0], [4.0, 2.0]], 20.0, 1.0)

    Reference: G. Strang, Introduction to Linear Algebra, 2016, chapter 7 (the decomposition as a picture).
    """
    subject = subject_of(F, x)
    image, J = Derived("jacobian_map", _linear, subject.function, ())(subject.point)
    m, n = J.shape
    U, sigma, Vt = jnp.linalg.svd(jnp.where(jnp.all(jnp.isfinite(J)), J, 0.0), full_matrices=False)
    finite = jnp.all(jnp.isfinite(J)) & jnp.all(jnp.isfinite(image))
    determinant = jnp.linalg.det(J) if m == n else jnp.full((), math.nan, J.dtype)
    result = JacobianMap(
        value=J,
        error=max(m, n) * jnp.finfo(J.dtype).eps * sigma[0],
        error_kind=ErrorKind.named("estimate"),
        evaluations=jnp.asarray(1 + min(m, n), jnp.int32),
        status=Status.where(finite, Status.named("all_steps"), Status.named("nonfinite")),
        singular_values=jnp.where(finite, sigma, math.nan),
        inputs=Vt.T,
        outputs=U,
        scale=jnp.where(finite, _scale(determinant, sigma, m, n), math.nan),
        determinant=determinant,
        point=subject.point,
        image=image,
        input_names=subject.input_names,
        output_names=subject.output_names or tuple(f"F{i + 1}" for i in range(m)),
    )
    return conclude(result, throw=throw, question=Question(F, {"x": x}))


def ripple(F: Map, x: Any, dx: Any, *, throw: bool = True) -> Ripple:
    """How a change dx of the inputs of F ripples to every output: the linear change J dx against the true one.

    ΔF = F(x + dx) − F(x) = J dx + O(|dx|²): halve dx, and the disagreement falls to about a quarter.

    Args:
        F: the function, as for `jacobian_map`.
        x: the point, as for `jacobian_map`.
        dx: the change, shaped like x; a dict may name the inputs that change, and the others stay.
        throw: whether values that are not finite raise `ConvergenceError`.

    Returns:
        A `Ripple`: for each output the linear change `value`, the true one `change`, their disagreement `error` and
        `relative`, what each input contributes (`parts`), and `hit`, the outputs by the size of their change.

    Raises:
        TypeError: when x or F(x) holds no real numbers.
        ValueError: when dx is not shaped like x, or names an input that x has not.
        ConvergenceError: when F is not finite at x or x + dx and `throw` is set.

    Transformations: jit, vmap, grad.

    Cost: two evaluations of F and min(n, m) passes.

    Example:
        >>> from cycloid.differentiate import ripple
        >>> wave = ripple("x^2 - y^2, 2x*y", {"x": 1.0, "y": 2.0}, {"x": 0.1})
        >>> wave.value.round(12).tolist(), wave.change.round(12).tolist(), wave.hit
        ([0.2, 0.4], [0.21, 0.4], ['2x*y', 'x^2 - y^2'])

    Reference: A. Griewank and A. Walther, Evaluating Derivatives, 2nd ed., 2008, chapter 3 (tangents).
    """
    subject = subject_of(F, x)
    step = step_of(subject, dx)
    before, J = Derived("jacobian_map", _linear, subject.function, ())(subject.point)
    after = flat_map(subject.function)(subject.point + step)
    linear, change = J @ step, after - before
    gap = jnp.abs(linear - change)
    rounding = 8 * jnp.finfo(J.dtype).eps * (jnp.abs(before) + jnp.abs(after))  # of the difference of two large values
    finite = jnp.all(jnp.isfinite(J)) & jnp.all(jnp.isfinite(after)) & jnp.all(jnp.isfinite(before))
    result = Ripple(
        value=linear,
        error=gap,
        error_kind=ErrorKind.named("estimate"),
        evaluations=jnp.asarray(2 + min(J.shape), jnp.int32),
        status=Status.where(finite, Status.named("all_steps"), Status.named("nonfinite")),
        change=change,
        relative=jnp.where(gap <= rounding, 0.0, gap / jnp.abs(change)),
        parts=J * step,
        before=before,
        after=after,
        point=subject.point,
        step=step,
        input_names=subject.input_names,
        output_names=subject.output_names or tuple(f"F{i + 1}" for i in range(before.size)),
    )
    return conclude(result, throw=throw, question=Question(F, {"x": x, "dx": dx}))


def _scale(determinant: Any, sigma: Any, m: int, n: int) -> Any:
    """√det JᵀJ; fewer outputs than inputs flatten every volume."""
    return jnp.abs(determinant) if m == n else jnp.prod(sigma) if m > n else jnp.zeros_like(determinant)


def _linear(function: Callable[..., Any], args: tuple, kwargs: dict) -> tuple[Any, Any]:
    """(F(x), J) with both flattened to vectors."""
    (x,) = args
    flat = flat_map(lambda v: real_value(function(v), "jacobian_map"))
    image = flat(x)
    return image, (jax.jacfwd if x.size <= image.size else jax.jacrev)(flat)(x)
