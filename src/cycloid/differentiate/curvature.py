"""Spectra of curvature: extreme eigenvalues, trace and density of a Hessian that is never formed."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
from jaxtyping import ArrayLike, Float, Int

from cycloid.core.functions import as_function
from cycloid.core.parallel import check_key
from cycloid.core.results import ErrorKind, Question, Result, Status, conclude
from cycloid.core.tolerance import Tolerance, as_tolerance, working_dtype
from cycloid.differentiate.arguments import parameters
from cycloid.differentiate.densities import Density, probed
from cycloid.differentiate.derived import Derived
from cycloid.differentiate.krylov import BLOCK, ROWS, extreme_eigenvalues, padded
from cycloid.differentiate.products import fvp, ggnvp, hvp

OPERATORS = ("hessian", "ggn", "fisher")

# Up to so many parameters all eigenvalues are found from the whole matrix.
WHOLE = 96


@final
class Spectrum(Result):
    """Eigenvalues of a symmetric operator, with what is needed to trust and to draw them.

    Attributes:
        value: the k eigenvalues of largest magnitude, the largest first.
        error: the residual norm ‖H v − λ v‖ of each, with v a unit vector: an eigenvalue lies that near.
        error_kind: "bound".
        evaluations: products H v made, for eigenvalues, trace and density together.
        status: "converged", "max_steps" or "nonfinite".
        vectors: the unit eigenvectors, shaped like the parameters with an axis of k in front.
        trace: an estimate of the sum of all eigenvalues.
        trace_error: one standard error of it; NaN with fewer than two probes.
        density: how all the eigenvalues are spread; None without probes.
        parameters: how many there are.
    """

    value: Float[ArrayLike, "*batch k"]
    error: Float[ArrayLike, "*batch k"]
    error_kind: ErrorKind
    evaluations: Int[ArrayLike, "*batch"]
    status: Status
    vectors: Any
    trace: Float[ArrayLike, "*batch"]
    trace_error: Float[ArrayLike, "*batch"]
    density: Density | None
    parameters: int


class _Effort(NamedTuple):
    """How much is asked for."""

    k: int
    probes: int
    depth: int
    max_steps: int


def spectrum(
    loss: Callable[..., Any] | str | None,
    params: Any,
    *args: Any,
    k: int = 20,
    key: Any = None,
    tol: float | Tolerance = 1e-2,
    operator: str = "hessian",
    model: Callable[..., Any] | None = None,
    matvec: Callable[[Any], Any] | None = None,
    probes: int = 4,
    depth: int = 16,
    max_steps: int = 1_000,
    throw: bool = True,
) -> Spectrum:
    r"""The eigenvalues of largest magnitude of a loss's curvature, its trace, and the density of all eigenvalues.

    H v = λ v for H the Hessian ∇²L(θ), or the Gauss-Newton or Fisher matrix, by thick-restart block Lanczos on products
    H v: the matrix is never formed, and the gradient's linearisation is computed once. The largest eigenvalue λ₁ is the
    sharpness: gradient descent with a learning rate above 2/λ₁ is unstable. An eigenvalue counts as found when

        ‖H v − λ v‖ ≤ tol · |λ|    (for a `Tolerance`: atol + rtol · |λ|).

    Trace and density come from random vectors without their part along the eigenvectors found (Hutch++, stochastic
    Lanczos quadrature).

    Args:
        loss: from the parameters (and `args`) to one real number: callable, formula or text. For operator="ggn" from
            the outputs of the model; for "fisher" a family's name, as `fvp` takes it; None with matvec=.
        params: the parameters θ, a pytree whose floating-point arrays count.
        args: handed on to the loss (to the model for "ggn" and "fisher"), such as a batch. They are not built into the
            program, so that another batch costs no compilation.
        k: how many eigenvalues, at most as many as there are parameters.
        key: a typed key, `jax.random.key(0)`: Lanczos starts from a random vector.
        tol: the residual allowed, relative to the eigenvalue. Curvature is read to two digits, hence the default.
        operator: "hessian", "ggn" or "fisher".
        model: from the parameters (and `args`) to the outputs, for "ggn" and "fisher".
        matvec: a symmetric linear function of pytrees shaped like params, in place of a loss.
        probes: random vectors for trace and density; 0 leaves both out.
        depth: products for each probe: moments of the density up to 2 depth − 1 are right, in expectation.
        max_steps: the most products for the eigenvalues.
        throw: raise when the tolerance was missed.

    Returns:
        A `Spectrum`. Up to 96 parameters the whole matrix is made, and everything is exact to rounding.

    Raises:
        TypeError: without a key; when the loss is not one real number; when there is nothing to differentiate.
        ValueError: for a number out of range, an unknown operator, a model that is missing or not wanted.
        ConvergenceError: when `max_steps` did not suffice, or a NaN appeared.

    Transformations: jit and vmap; not grad (dλ = vᵀ dH v). Products are made four vectors at a time: of an eigenvalue
    that is repeated exactly, four copies are found for certain, and more only where the subspace ends.

    Cost: one gradient with its linearisation, then about 1.5 gradients for each of 2 k to 10 k products and of
    probes · depth products; memory for about 4 k vectors.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from cycloid.differentiate import spectrum
        >>> loss = lambda w: 0.5 * jnp.sum(jnp.arange(1.0, 5.0) * w**2)
        >>> result = spectrum(loss, jnp.ones(4), k=2, key=jax.random.key(0))
        >>> result.value.round(9).tolist(), round(float(result.trace), 9)
        ([4.0, 3.0], 10.0)

    Reference: K. Wu and H. Simon, Thick-restart Lanczos method for large symmetric eigenvalue problems, SIAM J. Matrix
    Analysis and Applications 22, 2000; R. A. Meyer et al., Hutch++, 2021; B. Ghorbani et al., An investigation into
    neural net optimization via Hessian eigenvalue density, 2019.
    """
    _check(k, probes, depth, max_steps)
    key = check_key(key, "spectrum")
    point = parameters(params, "spectrum")[0]
    n = sum(math.prod(jnp.shape(leaf)) for leaf in jax.tree.leaves(point))
    tolerance = _tolerance(tol, working_dtype(point))
    effort = _Effort(min(k, n), probes, depth, max_steps)
    function, options = _asked(loss, operator, model, matvec)
    solve = Derived("spectrum", _spectrum, as_function(function), (*options, effort), costly=True)
    result = solve(params, key, tolerance.rtol, tolerance.atol, *args)
    question = Question(
        loss, {"params": params, "args": args, "operator": operator, "model": model, "matvec": matvec, "tol": tol}
    )
    return conclude(result, throw=throw, question=question)


def _check(k: int, probes: int, depth: int, max_steps: int) -> None:
    for name, number, least in (("k", k, 1), ("probes", probes, 0), ("depth", depth, 1), ("max_steps", max_steps, 1)):
        if isinstance(number, bool) or not isinstance(number, int) or number < least:
            raise ValueError(f"spectrum: {name}= is a whole number, at least {least}; it was {number!r}.")


def _tolerance(tol: float | Tolerance, dtype: Any) -> Tolerance:
    """A number is relative to the eigenvalue: an absolute part would pass small eigenvalues unseen."""
    checked = as_tolerance(tol, dtype)
    return checked if isinstance(tol, Tolerance) else Tolerance(checked.rtol, 0.0)


def _asked(loss: Any, operator: str, model: Any, matvec: Any) -> tuple[Any, tuple[Any, ...]]:
    """The function whose parameters count, and what makes a product of it."""
    if operator not in OPERATORS:
        raise ValueError(f"spectrum: operator is one of {', '.join(OPERATORS)}; it was {operator!r}.")
    if matvec is not None:
        if loss is not None or model is not None or operator != "hessian":
            raise ValueError("spectrum: matvec= stands for itself: pass None as the loss, and no model or operator.")
        return matvec, ("matvec", None)
    if loss is None:
        raise ValueError("spectrum: pass a loss, or matvec= with None in its place.")
    if operator == "hessian":
        if model is not None:
            raise ValueError(
                'spectrum: model= belongs to operator="ggn" and "fisher"; the Hessian takes the loss alone.'
            )
        return loss, (operator, None)
    if model is None:
        raise ValueError(f'spectrum: operator="{operator}" needs model=, from the parameters to the outputs.')
    return model, (operator, loss)


# --- the program ----------------------------------------------------------------------------------------------------


def _spectrum(function: Any, operator: str, loss: Any, effort: _Effort, args: tuple, kwargs: dict) -> Spectrum:
    """Everything of one spectrum, in one compiled program."""
    params, key, rtol, atol, *rest = args
    point = jax.tree.map(jnp.asarray, parameters(params, "spectrum")[0])
    product = _product(function, operator, loss, params, tuple(rest))
    leaves = jax.tree.leaves(point)
    dtype, n = jnp.result_type(*leaves), sum(leaf.size for leaf in leaves)
    allowed = lambda values: rtol * jnp.abs(values) + atol + 32 * jnp.finfo(dtype).eps * jnp.abs(values[0])
    whole = n <= max(WHOLE, 3 * effort.k + ROWS)  # no more than the basis would take
    flat = _Flat(point, dtype, n if whole else padded(n))
    on_vectors = lambda v: flat.vector(product(flat.tree(v)))
    if whole:
        return _whole(on_vectors, flat, n, effort, dtype)
    rows = -(-max(3 * effort.k, effort.k + 3 * BLOCK) // ROWS) * ROWS
    first, second = jax.random.split(key)
    found = extreme_eigenvalues(
        on_vectors, flat.normal(first, n, BLOCK), k=effort.k, n=n, rows=rows, allowed=allowed,
        max_products=effort.max_steps,
    )  # fmt: skip
    status = Status.where(found.converged, Status.named("converged"), Status.named("max_steps"))
    status = Status.where(jnp.all(jnp.isfinite(found.values)), status, Status.named("nonfinite"))
    ready = Spectrum(
        value=found.values, error=found.residuals, error_kind=ErrorKind.named("bound"), evaluations=found.products,
        status=status, vectors=jax.vmap(flat.tree)(found.vectors), trace=jnp.asarray(jnp.nan, dtype),
        trace_error=jnp.asarray(jnp.nan, dtype), density=None, parameters=n,
    )  # fmt: skip
    return _with_probes(ready, on_vectors, flat, found.vectors, n, effort, second)


def _product(function: Any, operator: str, loss: Any, params: Any, args: tuple) -> Callable[[Any], Any]:
    if operator == "matvec":
        return function
    if operator == "hessian":
        return hvp(function)(params, None, *args)
    return (ggnvp if operator == "ggn" else fvp)(loss, function)(params, None, *args)


class _Flat(NamedTuple):
    """Pytrees as vectors of one dtype, with zeros behind up to a length that the basis can be cut into."""

    like: Any
    dtype: Any
    length: int

    def vector(self, tree: Any) -> Any:
        parts = [jnp.ravel(leaf).astype(self.dtype) for leaf in jax.tree.leaves(tree)]
        behind = self.length - sum(part.size for part in parts)
        return jnp.concatenate([*parts, jnp.zeros(behind, self.dtype)] if behind else parts)

    def tree(self, vector: Any) -> Any:
        leaves, structure = jax.tree.flatten(self.like)
        parts, at = [], 0
        for leaf in leaves:
            parts.append(vector[at : at + leaf.size].reshape(leaf.shape).astype(leaf.dtype))
            at += leaf.size
        return jax.tree.unflatten(structure, parts)

    def normal(self, key: Any, n: int, count: int) -> Any:
        return self._filled(jax.random.normal(key, (count, n), self.dtype))

    def signs(self, key: Any, n: int, count: int) -> Any:
        return self._filled(jax.random.rademacher(key, (count, n), self.dtype))

    def _filled(self, rows: Any) -> Any:
        return jnp.pad(rows, ((0, 0), (0, self.length - rows.shape[1])))


def _whole(product: Callable, flat: _Flat, n: int, effort: _Effort, dtype: Any) -> Spectrum:
    """All eigenvalues, from the matrix."""
    H = jax.lax.map(product, jnp.eye(n, dtype=dtype))
    values, vectors = jnp.linalg.eigh((H + H.T) / 2)
    order = jnp.argsort(-jnp.abs(values))[: effort.k]
    chosen = vectors[:, order].T
    residuals = jnp.linalg.norm(chosen @ H - values[order, None] * chosen, axis=1)
    fine = Status.where(jnp.all(jnp.isfinite(values)), Status.named("converged"), Status.named("nonfinite"))
    return Spectrum(
        value=values[order], error=residuals + jnp.finfo(dtype).eps * jnp.max(jnp.abs(values)),
        error_kind=ErrorKind.named("bound"), evaluations=jnp.asarray(n, jnp.int32), status=fine,
        vectors=jax.vmap(flat.tree)(chosen), trace=jnp.trace(H), trace_error=jnp.zeros((), dtype),
        density=Density(values, jnp.full(n, 1 / n, dtype)), parameters=n,
    )  # fmt: skip


def _with_probes(
    found: Spectrum, product: Callable, flat: _Flat, known: Any, n: int, effort: _Effort, key: Any
) -> Spectrum:
    """Trace and density added."""
    if effort.probes == 0:
        return found
    told = probed(product, flat.signs(key, n, effort.probes), known, n, effort.depth)
    share = jnp.full(effort.k, 1 / n, told.weights.dtype)
    density = Density(
        jnp.concatenate([found.value, told.nodes.ravel()]),
        jnp.concatenate([share, told.weights.ravel() / effort.probes]),
    )
    spread = jnp.std(told.traces, ddof=1) / math.sqrt(effort.probes) if effort.probes > 1 else found.trace_error
    return Spectrum(
        value=found.value, error=found.error, error_kind=found.error_kind,
        evaluations=found.evaluations + effort.probes * effort.depth, status=found.status, vectors=found.vectors,
        trace=jnp.sum(found.value) + jnp.mean(told.traces), trace_error=spread, density=density,
        parameters=found.parameters,
    )  # fmt: skip
