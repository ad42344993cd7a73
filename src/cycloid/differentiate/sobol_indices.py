"""Shares of a variance: Sobol's first-order and total indices from replicated low-discrepancy points.

For independent inputs and y = f(x), V = Var y,

    first order  Sᵢ = Var(E[y | xᵢ]) / V          what xᵢ does alone,
    total        Tᵢ = 1 − Var(E[y | x₋ᵢ]) / V     what it does alone and together with others.

Two independent samples A and B are taken, and for every input one more, ABᵢ, that is A with the i-th column of B. A
replicate is one scrambled Sobol sequence in 2 d dimensions; replicates are independent, so that their scatter tells the
standard error, by a jackknife over them.

Reference: A. Saltelli et al., Variance based sensitivity analysis of model output, Computer Physics Communications 181,
2010 (first order, table 2b); M. J. W. Jansen, Analysis of variance designs for model output, 1999 (total);
A. B. Owen, Scrambled net variance for integrals of smooth functions, 1997.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from cycloid.core.parallel import map_chunks

# The middle 95 % of a normal distribution lie within so many standard deviations.
NORMAL_95 = 1.959963984540054


class Shares(NamedTuple):
    """Indices of d inputs with one standard error each.

    Args:
        first, first_error: what each input does alone.
        total, total_error: with all its interactions.
        mean, variance: of the output.
        finite: whether every output was.
        totals: the total indices by each replicate alone, shape (d, replicates).
        evaluations: how many were made.
    """

    first: np.ndarray
    first_error: np.ndarray
    total: np.ndarray
    total_error: np.ndarray
    mean: float
    variance: float
    finite: bool
    totals: np.ndarray
    evaluations: int


@dataclass(frozen=True)
class Ranges:
    """How inputs are distributed, independently: uniform or normal between two ends, or by a quantile function.

    Args:
        distribution: "uniform", or "normal" with the middle 95 % between the ends, or "quantile".
        quantile: numbers in (0, 1), a pytree like the inputs -> inputs.
        tree: from a vector to that pytree.
    """

    distribution: str
    quantile: Callable[[Any], Any] | None = None
    tree: Callable[[Any], Any] | None = None

    def __call__(self, u: Any, low: Any, high: Any) -> Any:
        if self.quantile is not None and self.tree is not None:
            return jnp.concatenate([jnp.ravel(leaf) for leaf in jax.tree.leaves(self.quantile(self.tree(u)))])
        if self.distribution == "normal":
            return 0.5 * (low + high) + 0.5 * (high - low) / NORMAL_95 * jax.scipy.special.ndtri(u)
        return low + (high - low) * u


def uniform_points(key: Any, replicates: int, points: int, dims: int, dtype: Any) -> np.ndarray:
    """Independent scrambled Sobol sequences in the open unit cube, shape (replicates, points, dims)."""
    from scipy.stats import qmc

    words = np.asarray(jax.random.bits(key, (replicates, 4), jnp.uint32))
    found = np.stack([qmc.Sobol(dims, rng=np.random.default_rng(list(seed))).random(points) for seed in words])
    tiny = float(np.finfo(dtype).eps) / 2
    return np.clip(found, tiny, 1 - tiny).astype(dtype)


def shares(
    f: Callable[[Any], Any],
    ranges: Ranges,
    ends: Any,
    middle: Any,
    uniforms: np.ndarray,
    estimator: str,
    mesh: Any = None,
) -> Shares:
    """Both indices of every input.

    Args:
        f: vector of inputs -> number; hashable, as the ranges are.
        ranges: numbers in (0, 1) -> inputs.
        ends: what the ranges need, lower and upper ends.
        middle: f at a typical place, subtracted from every output, since squares of what is far from zero lose digits.
        uniforms: shape (replicates, points, 2 d).
        estimator: "saltelli" or "jansen", for the first order; the total indices are Jansen's.
        mesh: devices to share the replicates between.
    """
    sums = _replicates(f, ranges, estimator, mesh, jnp.asarray(uniforms), ends, middle)
    mean, square, first, total = (np.asarray(part, float) for part in sums)
    indices = lambda rows: _indices(mean[rows], square[rows], first[rows], total[rows], estimator)
    everyone = np.arange(len(mean))
    whole = indices(everyone)
    apart = np.stack([indices(np.delete(everyone, r)) for r in everyone])
    count = len(everyone)
    errors = np.sqrt((count - 1) / count * np.sum((apart - apart.mean(axis=0)) ** 2, axis=0))
    centre = float(mean.mean())
    return Shares(
        whole[0], errors[0], whole[1], errors[1], centre + float(middle), float(square.mean() - centre**2),
        bool(np.all(np.isfinite(np.concatenate([square[:, None], first, total], axis=1)))),
        np.stack([indices(np.array([r]))[1] for r in everyone], axis=1),
        uniforms.shape[0] * uniforms.shape[1] * (uniforms.shape[2] // 2 + 2),
    )  # fmt: skip


@functools.partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _replicates(f: Any, ranges: Ranges, estimator: str, mesh: Any, uniforms: Any, ends: Any, middle: Any) -> Any:
    count = uniforms.shape[0]
    spread = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (count, *jnp.shape(leaf))), (ends, middle))
    return map_chunks(lambda chunk: _sums(f, ranges, estimator, *chunk), (uniforms, *spread), mesh=mesh)


def _sums(f: Any, ranges: Ranges, estimator: str, u: Any, ends: Any, middle: Any) -> tuple[Any, Any, Any, Any]:
    """Averages over one replicate: of y, y², and of the products that the estimators need for each input."""
    d = u.shape[1] // 2
    a, b = u[:, :d], u[:, d:]
    outputs = lambda points: jax.vmap(lambda point: f(ranges(point, *ends)) - middle)(points)
    at_a, at_b = outputs(a), outputs(b)
    centre = 0.5 * (jnp.mean(at_a) + jnp.mean(at_b))

    def one(i: Any) -> tuple[Any, Any]:
        mixed = outputs(jnp.where(jnp.arange(d) == i, b, a))
        first = (at_b - mixed) ** 2 / 2 if estimator == "jansen" else (at_b - centre) * (mixed - at_a)
        return jnp.mean(first), jnp.mean((at_a - mixed) ** 2) / 2

    first, total = jax.lax.map(one, jnp.arange(d))
    both = jnp.concatenate([at_a, at_b])
    return jnp.mean(both), jnp.mean(both**2), first, total


def _indices(mean: np.ndarray, square: np.ndarray, first: np.ndarray, total: np.ndarray, estimator: str) -> np.ndarray:
    """Ratios of averages over the replicates."""
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = square.mean() - mean.mean() ** 2
        share = first.mean(axis=0) / variance
        return np.stack([1 - share if estimator == "jansen" else share, total.mean(axis=0) / variance])
