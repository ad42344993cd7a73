"""`sensitivity`: what each input does to a result, here (derivatives) and over its whole range (Sobol indices)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, Float, Int

from cycloid.core.functions import as_objective
from cycloid.core.numerals import numeral
from cycloid.core.parallel import check_key
from cycloid.core.results import ErrorKind, Question, Result, Status, conclude, is_traced
from cycloid.core.tolerance import working_dtype
from cycloid.differentiate.critical import as_corner
from cycloid.differentiate.sobol_indices import Ranges, Shares, shares, uniform_points
from cycloid.differentiate.sparse.named import names as names_of
from cycloid.differentiate.stationary import OfVector, as_vector_function, vector

ESTIMATORS, DISTRIBUTIONS = ("saltelli", "jansen"), ("uniform", "normal")
FEWEST_REPLICATES = 4


@final
class Sensitivity(Result):
    """How much a result depends on each of its inputs.

    Attributes:
        value: the total Sobol indices, a pytree like x, where ranges were stated; the partial derivatives otherwise.
        error: the largest standard error among the total indices; NaN without ranges.
        error_kind: "standard error", or "none" without ranges: derivatives are exact to rounding.
        evaluations: of f; the gradient counts as one.
        status: "converged", or "nonfinite" where f or its gradient is not finite.
        at: the point x.
        output: f(x).
        partial: ∂f/∂x at x, a pytree like x: how much f changes when an input changes by one of its units.
        elasticity: (x/f) ∂f/∂x: by how many per cent f changes when an input changes by one per cent; NaN where f is 0.
        first, first_error: Sobol's first-order index of each input, the share of the variance of f that it makes alone,
            with one standard error; None without ranges.
        total, total_error: with all its interactions.
        mean, variance: of f over the ranges.
        replicates: the total indices by each independent replicate, shape (d, replicates).
        names: of the inputs.
        lower, upper: the ends of the ranges; None where quantile= was given.
    """

    value: Any
    error: Float[ArrayLike, ""]
    error_kind: ErrorKind
    evaluations: Int[ArrayLike, ""]
    status: Status
    at: Any
    output: Float[ArrayLike, ""]
    partial: Any
    elasticity: Any
    first: Any
    first_error: Any
    total: Any
    total_error: Any
    mean: Float[ArrayLike, ""] | None
    variance: Float[ArrayLike, ""] | None
    replicates: Float[ArrayLike, "d replicates"] | None
    names: tuple[str, ...]
    lower: Any
    upper: Any

    def to_pandas(self, level: float = 0.95) -> Any:
        """A row for each input; the intervals of the indices are Student's at this level."""
        import pandas as pd
        from scipy import stats

        column = lambda tree: np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])
        data = {"at": column(self.at), "partial": column(self.partial), "elasticity": column(self.elasticity)}
        if self.replicates is not None:
            quantile = float(stats.t.ppf(0.5 + level / 2, np.shape(self.replicates)[1] - 1))
            for name, share, error in (
                ("first", self.first, self.first_error),
                ("total", self.total, self.total_error),
            ):
                data[name], spread = column(share), quantile * column(error)
                data[f"{name} low"], data[f"{name} high"] = data[name] - spread, data[name] + spread
        return pd.DataFrame(data, index=pd.Index(self.names, name="input"))

    @property
    def sentence(self) -> str:
        """Which input matters most, here and over the ranges, in words."""
        table, words = self.to_pandas(), []
        elastic = table["elasticity"].abs()
        if elastic.notna().any():
            leading = table.index[elastic >= (1 - 1e-6) * elastic.max()]
            size = numeral(float(table["elasticity"][leading[0]]), 3)
            most = ", the most of all inputs" if len(leading) == 1 else ", and no input does more"
            words.append(f"Here 1 % more of {' or '.join(leading)} changes the result by {size} %{most}.")
        if self.replicates is not None and table["total"].notna().any():
            best = table.loc[table["total"].idxmax()]
            leading = table.index[table["total high"] >= best["total low"]]
            share = (
                f"{_percent(best['first'])} of the variance alone and {_percent(best['total'])} with its interactions"
            )
            if len(leading) == 1:
                words.append(f"Over the ranges {best.name} makes {share}.")
            else:
                words.append(f"Over the ranges {' and '.join(leading)} cannot be told apart: each makes about {share}.")
        return " ".join(words)


def _percent(share: float) -> str:
    return f"{100 * max(float(share), 0.0):.3g} %"


def sensitivity(
    f: Callable[[Any], Any] | str,
    x: Any,
    *,
    within: float | None = None,
    lower: Any = None,
    upper: Any = None,
    distribution: str = "uniform",
    quantile: Callable[[Any], Any] | None = None,
    samples: int = 2**14,
    replicates: int = 16,
    estimator: str = "saltelli",
    key: Any = None,
    mesh: Any = None,
    throw: bool = True,
) -> Sensitivity:
    r"""What each input does to f: at x by derivatives, over ranges of the inputs by shares of the variance.

    At x, ∂f/∂xᵢ and the elasticity (xᵢ/f) ∂f/∂xᵢ, which does not depend on units. Over ranges, for independent inputs
    and V = Var f, Sobol's first-order and total indices

        Sᵢ = Var(E[f | xᵢ]) / V,    Tᵢ = 1 − Var(E[f | all but xᵢ]) / V,

    by Saltelli's and Jansen's estimators on replicated scrambled Sobol sequences; Tᵢ − Sᵢ is what xᵢ does together with
    others.

    Args:
        f: from x to one real number: a callable that JAX traces, a formula, or its text.
        x: a number, an array, a dict by name, or any pytree of them; each number is an input.
        within: the ranges are x ± within·|x|, 0.2 for 20 %.
        lower, upper: the ends of the ranges instead, like x.
        distribution: "uniform" between the ends, or "normal" with its middle 95 % between them.
        quantile: any independent inputs instead: from a pytree like x of uniform numbers in (0, 1) to the inputs, each
            from its own number alone.
        samples: points of the base sample in all, rounded so that each replicate has a power of two.
        replicates: independent repetitions, whose scatter gives the standard errors.
        estimator: of the first-order index: "saltelli", sharper for small indices, or "jansen", for large ones.
        key: a typed key, `jax.random.key(0)`; needed where ranges are stated.
        mesh: devices to share the replicates between; the same key gives the same bits on every mesh.
        throw: raise when f is not finite somewhere.

    Returns:
        A `Sensitivity`; `to_pandas()` is its table, `sentence` says it in words.

    Raises:
        TypeError: without a key where ranges are stated; when traced.
        ValueError: when the ranges are no ranges, or f does not vary over them.
        ConvergenceError: when f is not finite at x or somewhere in the ranges.

    Transformations: none; the derivatives alone are those of `grad`.

    Cost: one gradient, and samples · (d + 2) evaluations for d inputs over ranges.

    Example:
        >>> import jax
        >>> found = sensitivity("sleep*nutrition", {"sleep": 7.0, "nutrition": 0.8})
        >>> float(found.partial["sleep"]), float(found.elasticity["sleep"])
        (0.8, 1.0)
        >>> linear = sensitivity("3a + 4b", {"a": 0.0, "b": 0.0}, lower={"a": -1.0, "b": -1.0},
        ...                      upper={"a": 1.0, "b": 1.0}, key=jax.random.key(0))
        >>> round(float(linear.total["a"]), 3), round(float(linear.first["b"]), 3)
        (0.36, 0.64)

    Reference: I. M. Sobol, Sensitivity estimates for nonlinear mathematical models, 1993; A. Saltelli et al., Variance
    based sensitivity analysis of model output, Computer Physics Communications 181, 2010.
    """
    if is_traced((x, lower, upper)):
        raise TypeError("sensitivity cannot be traced: inside jit use cycloid.differentiate.grad.")
    point = as_corner(x)
    dtype = working_dtype(point)
    function = as_vector_function(as_objective(f, point), point)
    here = vector(point, dtype)
    names = _names(function, point)
    ends = _ends(within, lower, upper, quantile, here, point, dtype, names)
    _check(distribution, estimator, samples, replicates)
    found = None
    output, slope = jax.jit(jax.value_and_grad(function))(jnp.asarray(here))
    if ends is not None:
        key = check_key(key, "sensitivity over ranges")
        ranges = Ranges(distribution, quantile, function.tree if quantile is not None else None)
        points = 2 ** max(1, round(np.log2(max(samples / replicates, 2))))
        uniforms = uniform_points(key, replicates, points, 2 * here.size, dtype)
        middle = jnp.where(jnp.isfinite(output), output, 0.0)
        found = shares(function, ranges, ends, middle, uniforms, estimator, mesh)
        _check_variance(found, replicates * points)
    result = _result(function, point, names, output, slope, found, ends if quantile is None else None, dtype)
    arguments = {
        "x": x, "within": within, "lower": lower, "upper": upper, "distribution": distribution, "quantile": quantile,
        "samples": samples, "replicates": replicates, "estimator": estimator, "key": key,
    }  # fmt: skip
    return conclude(result, throw=throw, question=Question(f, arguments))


def _check(distribution: str, estimator: str, samples: int, replicates: int) -> None:
    for name, word, known in (("distribution", distribution, DISTRIBUTIONS), ("estimator", estimator, ESTIMATORS)):
        if word not in known:
            raise ValueError(f"sensitivity: {name}= is one of {', '.join(known)}; it was {word!r}.")
    for name, number, least in (("samples", samples, 64), ("replicates", replicates, FEWEST_REPLICATES)):
        if isinstance(number, bool) or not isinstance(number, int) or number < least:
            raise ValueError(f"sensitivity: {name}= is a whole number, at least {least}; it was {number!r}.")


def _names(function: OfVector, point: Any) -> tuple[str, ...]:
    formula = getattr(function.function, "formula", None)
    return formula.variables if formula is not None and not isinstance(point, dict) else tuple(names_of(point))


def _ends(
    within: float | None, lower: Any, upper: Any, quantile: Any, here: Any, point: Any, dtype: Any,
    names: tuple[str, ...],
) -> Any:  # fmt: skip
    """The ends of the ranges as vectors, or None without ranges.

    Raises:
        ValueError: when they are stated twice, or are no ranges.
    """
    if (lower is None) != (upper is None):
        raise ValueError("sensitivity: lower= and upper= go together.")
    stated = [
        word for word, given in (("within", within), ("lower", lower), ("quantile", quantile)) if given is not None
    ]
    if len(stated) > 1:
        raise ValueError(f"sensitivity: state the ranges once, by {' or '.join(f'{word}=' for word in stated)}.")
    if not stated:
        return None
    if quantile is not None:
        return np.zeros_like(here), np.ones_like(here)
    if within is not None:
        if not 0 < within < np.inf:
            raise ValueError(f"sensitivity: within= is a positive share, 0.2 for 20 %; it was {within!r}.")
        low, high = here - within * np.abs(here), here + within * np.abs(here)
    else:
        lower, upper = as_corner(lower), as_corner(upper)
        if not jax.tree.structure(lower) == jax.tree.structure(upper) == jax.tree.structure(point):
            raise ValueError(f"sensitivity: lower and upper are given like x, for {', '.join(names)}.")
        low, high = vector(lower, dtype), vector(upper, dtype)
    bad = [name for name, a, b in zip(names, low, high) if not (np.isfinite(a) and np.isfinite(b) and a < b)]
    if low.shape != here.shape or bad:
        cure = " A share of zero is no range: pass lower= and upper=." if within is not None else ""
        raise ValueError(f"sensitivity: the range of {', '.join(bad) or 'x'} needs finite ends, the lower first.{cure}")
    return low, high


def _check_variance(found: Shares, count: int) -> None:
    if found.finite and not found.variance > 1e-24 * found.mean**2:
        raise ValueError(
            f"sensitivity: f is {numeral(found.mean)} at all of {count} points: there is no variance to share. Widen "
            "the ranges, or leave them out and use the derivatives."
        )


def _result(
    function: OfVector, point: Any, names: tuple[str, ...], output: Any, slope: Any, found: Shares | None, ends: Any,
    dtype: Any,
) -> Sensitivity:  # fmt: skip
    tree = lambda numbers: function.tree(jnp.asarray(numbers, dtype))
    here = vector(point, dtype)
    zero = output == 0
    elastic = jnp.where(zero, jnp.nan, here * slope / jnp.where(zero, 1.0, output))
    fine = bool(jnp.isfinite(output) & jnp.all(jnp.isfinite(slope))) and (found is None or found.finite)
    over = lambda part: None if found is None else tree(getattr(found, part))
    return Sensitivity(
        value=tree(slope if found is None else found.total),
        error=jnp.asarray(np.nan if found is None else np.max(found.total_error), dtype),
        error_kind=ErrorKind.named("none" if found is None else "standard error"),
        evaluations=jnp.asarray(1 if found is None else 1 + found.evaluations),
        status=Status.named("converged" if fine else "nonfinite"), at=point, output=output, partial=tree(slope),
        elasticity=tree(elastic), first=over("first"), first_error=over("first_error"), total=over("total"),
        total_error=over("total_error"), mean=None if found is None else jnp.asarray(found.mean, dtype),
        variance=None if found is None else jnp.asarray(found.variance, dtype),
        replicates=None if found is None else jnp.asarray(found.totals, dtype), names=names,
        lower=None if ends is None else tree(ends[0]), upper=None if ends is None else tree(ends[1]),
    )  # fmt: skip
