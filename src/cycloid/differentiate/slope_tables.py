"""One function's slopes four ways: forward mode, reverse mode, differences, and a complex step where it is analytic."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cycloid.differentiate.complex_steps import complex_slopes, is_analytic
from cycloid.differentiate.ladders import Slopes, evaluations, slopes

# Up to so many numbers every one is tried alone; above, so many of them are.
EVERY, SAMPLED = 48, 24
# Directions through all arguments at once, and weightings of several outputs.
MIXED, WEIGHTINGS = 3, 2
# Differences are trusted up to so many times their uncertainty, automatic differentiation up to so many last bits.
TRUST, LAST_BITS = 4.0, 64.0
# Where differences are less certain than this part of the slope, nothing is decided.
BLIND = 0.1

_NOT_TRACED = (jax.errors.JAXTypeError, jax.errors.UnexpectedTracerError)


@dataclass(frozen=True)
class Flat:
    """A function of several arrays as one of a vector.

    Attributes:
        function: leaves -> list of real arrays.
        leaves: the arguments, real arrays of one dtype.
    """

    function: Callable[..., Sequence[Any]]
    leaves: list[Any]

    @property
    def point(self) -> np.ndarray:
        return np.concatenate([np.ravel(np.asarray(leaf)) for leaf in self.leaves])

    @property
    def ends(self) -> list[int]:
        return np.cumsum([0, *(math.prod(jnp.shape(leaf)) for leaf in self.leaves)]).tolist()

    def __call__(self, vector: Any) -> Any:
        """All the outputs, as one vector."""
        ends = self.ends
        parts = [
            jnp.reshape(vector[a:b], jnp.shape(leaf)) for a, b, leaf in zip(ends, ends[1:], self.leaves, strict=False)
        ]
        made = [jnp.ravel(value) for value in self.function(*parts)]
        return jnp.concatenate([value.astype(jnp.result_type(value, vector.dtype)) for value in made])

    def owner(self, place: int) -> tuple[int, tuple[int, ...]]:
        """Which leaf a number of the vector belongs to, and its index in it."""
        leaf = int(np.searchsorted(self.ends, place, side="right")) - 1
        return leaf, tuple(map(int, np.unravel_index(place - self.ends[leaf], np.shape(self.leaves[leaf]) or (1,))))


@dataclass(frozen=True)
class Table:
    """Slopes along directions (rows) of weighted sums of the outputs (columns).

    Attributes:
        directions: shape (rows, n).
        leaf: of each row the argument it moves alone, -1 where it moves all.
        place: of each row the number it moves alone, -1 where it moves several.
        forward, reverse: by automatic differentiation; None where it has no such rule.
        found: by differences or a complex step.
        uncertainty: of what was found.
        kink, jump, left, right: as differences saw them.
        allowed: how far they may differ.
        blind: where differences decide nothing.
        sampled: whether only some of the numbers were tried alone.
        analytic: whether a complex step gave `found`.
        evaluations: of the function.
        refused: why a mode is missing.
    """

    directions: np.ndarray
    leaf: np.ndarray
    place: np.ndarray
    forward: np.ndarray | None
    reverse: np.ndarray | None
    found: np.ndarray
    uncertainty: np.ndarray
    differences: Slopes
    allowed: np.ndarray
    blind: np.ndarray
    sampled: bool
    analytic: bool
    evaluations: int
    refused: str

    @property
    def modes(self) -> dict[str, np.ndarray]:
        return {n: v for n, v in (("forward", self.forward), ("reverse", self.reverse)) if v is not None}

    def apart(self, claimed: np.ndarray) -> np.ndarray:
        """How far claimed slopes lie from those found; at a kink from the interval of slopes between its sides."""
        low, high = (f(self.differences.left, self.differences.right) for f in (np.minimum, np.maximum))
        outside = np.maximum(np.maximum(low - claimed, claimed - high), 0.0)
        apart = np.where(self.differences.kink, outside, np.abs(claimed - self.found))
        return np.where(self.differences.jump, 0.0, np.nan_to_num(apart, nan=np.inf, posinf=np.inf))


def table_of(flat: Flat, tol: float, eps: float, weights: np.ndarray | None = None) -> Table:
    """The slopes of a function, all ways.

    Args:
        flat: the function.
        tol: the relative disagreement that is allowed.
        eps: the spacing of the coarsest numbers that it computes with.
        weights: how outputs are summed, a row each sum; by default in a few fixed ways.
    """
    x = flat.point
    directions, leaf, place, sampled = directions_of(flat)
    weights = weights_of(flat, x) if weights is None else weights
    weighted = lambda vector: jnp.stack([jnp.vdot(w, flat(vector)) for w in weights])
    forward, reverse, refused = _automatic(flat, weighted, x, directions, weights)
    by_differences = slopes(weighted, x, directions, eps)
    found, uncertainty, count = by_differences.value, by_differences.uncertainty, evaluations(len(directions))
    known = [claimed for claimed in (forward, reverse) if claimed is not None]
    finite = [np.where(np.isfinite(c), np.abs(c), 0.0) for c in [found, *known]]
    size = np.max(finite, axis=0)
    sides = np.where(by_differences.kink, np.maximum(np.abs(by_differences.left), np.abs(by_differences.right)), 0.0)
    sized = np.maximum(np.abs(found), sides)
    typical = np.max(sized, axis=0, initial=0.0, where=np.isfinite(sized))
    rounding = LAST_BITS * eps * typical
    analytic = is_analytic(weighted, x)
    if analytic:
        again = complex_slopes(weighted, x, directions)
        count += len(directions)
        # where a branch cut passes, both tell different things: differences see the real function
        agree = np.abs(again - found) <= TRUST * uncertainty + 1e-3 * (np.abs(again) + typical)
        agree &= np.isfinite(found) & (uncertainty <= BLIND * (np.abs(found) + typical) + rounding)
        analytic = bool(agree.all())
        if analytic:
            found, uncertainty = again, np.broadcast_to(rounding, again.shape)
    allowed = tol * size + TRUST * uncertainty + rounding
    blind = uncertainty > BLIND * np.maximum(size, BLIND * typical) + rounding + 1e-300
    return Table(
        directions, leaf, place, forward, reverse, found, uncertainty, by_differences, allowed,
        blind | ~np.isfinite(found), sampled, analytic, count, refused,
    )  # fmt: skip


def spread(count: int, start: int) -> np.ndarray:
    """Fixed numbers of either sign, evenly spread over 0.5 ≤ |v| < 1: none is near zero, no two rows are alike."""
    k = np.arange(1.0, count + 1)
    u, s = np.mod(k * (start + 1) * math.sqrt(2), 1.0), np.mod(k * (start + 1) * math.sqrt(7), 1.0)
    return (0.5 + 0.5 * u) * np.where(s < 0.5, -1.0, 1.0)


def directions_of(flat: Flat) -> tuple[np.ndarray, np.ndarray, np.ndarray, bool]:
    """Through all arguments, through each alone, and along single numbers."""
    n, ends = flat.point.size, flat.ends
    rows, leaf, place = [], [], []
    for start in range(MIXED if n > 1 else 0):
        rows.append(spread(n, start))
        leaf.append(-1)
        place.append(-1)
    for i, (a, b) in enumerate(itertools.pairwise(ends)):
        if b - a > 1 and len(flat.leaves) > 1:
            row = np.zeros(n)
            row[a:b] = spread(b - a, MIXED + i)
            rows.append(row)
            leaf.append(i)
            place.append(-1)
    few = n <= EVERY
    for at in range(n) if few else np.unique(np.linspace(0, n - 1, SAMPLED).round().astype(int)):
        rows.append(np.eye(1, n, int(at))[0])
        leaf.append(flat.owner(int(at))[0])
        place.append(int(at))
    return np.stack(rows), np.array(leaf), np.array(place), not few


def weights_of(flat: Flat, x: np.ndarray) -> np.ndarray:
    """How outputs are summed: one output as it is, several in two fixed ways."""
    try:
        count = jax.eval_shape(flat, x).size
    except _NOT_TRACED:
        count = flat(jnp.asarray(x)).size
    return np.ones((1, 1)) if count == 1 else np.stack([spread(count, 7 + k) for k in range(WEIGHTINGS)])


def _automatic(
    flat: Flat, weighted: Callable[[Any], Any], x: np.ndarray, directions: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray | None, np.ndarray | None, str]:
    """Slopes by forward and by reverse mode, and why one is missing."""
    forward = reverse = None
    refused = list[str]()
    vectors, sums = jnp.asarray(directions, x.dtype), jnp.asarray(weights, jax.eval_shape(lambda: x).dtype)
    push = lambda v: jax.jvp(weighted, (jnp.asarray(x),), (v,))[1]
    pull = lambda w: jax.vjp(lambda vector: jnp.vdot(w, flat(vector)), jnp.asarray(x))[1](jnp.ones((), x.dtype))[0]
    try:
        forward = _mapped(push, vectors)
    except (TypeError, NotImplementedError, ValueError) as error:
        refused.append(_why("forward", error))
    try:
        reverse = directions @ _mapped(pull, sums.astype(x.dtype)).T
    except (TypeError, NotImplementedError, ValueError) as error:
        refused.append(_why("reverse", error))
    return forward, reverse, " ".join(refused)


def _mapped(function: Callable[[Any], Any], rows: Any) -> np.ndarray:
    try:
        return np.asarray(jax.jit(lambda rows: jax.lax.map(function, rows))(rows), float)
    except _NOT_TRACED:
        return np.stack([np.asarray(function(row), float) for row in rows])


def _why(mode: str, error: Exception) -> str:
    if "custom_vjp" in str(error):
        return f"There is no {mode} mode: a jax.custom_vjp has a reverse rule alone."
    return f"There is no {mode} mode here: {str(error).partition(chr(10))[0].rstrip('.')}."
