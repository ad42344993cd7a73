"""All the zeros of a system of equations in a box, proven: subdivision with interval Newton steps (Krawczyk's).

A box whose image cannot hold zero holds no root. Where Krawczyk's operator

    K(X) = m − Y F(m) + (I − Y J(X)) (X − m),    m in X, Y ≈ J(m)⁻¹,

maps X into its own interior, X holds exactly one root, and it lies in K(X); where K(X) and X have nothing in common X
holds none. Everything is computed with intervals, so that a statement made here holds for the function in exact
arithmetic, as long as NumPy's elementary functions are right to sixteen units in the last place.

Reference: R. Krawczyk, Newton-Algorithmen zur Bestimmung von Nullstellen mit Fehlerschranken, Computing 4, 1969;
A. Neumaier, Interval methods for systems of equations, 1990.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from cycloid.differentiate.interval_arithmetic import Interval, outwards, whole

# F and its Jacobian over boxes: arrays of shape (boxes, n) -> intervals of shapes (boxes, n) and (boxes, n, n).
System: TypeAlias = "Callable[[np.ndarray, np.ndarray], tuple[Interval, Interval]]"
# A box is not cut in the middle, where symmetric functions like to have their roots.
CUT = 0.4941
# Boxes taken at once; cells along a side in which a long chain of undecided boxes is gathered; half-widths (relative to
# the region) tried round a known root.
BATCH, CELLS, RADII = 2048, 32, 0.25 * 0.5 ** np.arange(28)


class Survey(NamedTuple):
    """What the subdivision found.

    Args:
        roots: middles of the boxes that hold exactly one root each, shape (k, n).
        low, high: those boxes, as narrow as could be reached.
        undecided_low, undecided_high: boxes, merged where they touch, of which nothing could be proven.
        examined: how many boxes were looked at.
    """

    roots: np.ndarray
    low: np.ndarray
    high: np.ndarray
    undecided_low: np.ndarray
    undecided_high: np.ndarray
    examined: int


class _Region:
    """Boxes known to hold exactly one root each, and the narrow enclosures of those roots."""

    def __init__(self, system: System, low: np.ndarray, high: np.ndarray):
        self.system, self.low, self.high = system, low, high
        self.around_low, self.around_high = np.zeros((0, low.size)), np.zeros((0, low.size))
        self.narrow_low, self.narrow_high = np.zeros((0, low.size)), np.zeros((0, low.size))
        self.examined = 0

    def krawczyk(self, low: np.ndarray, high: np.ndarray) -> tuple[Interval, Interval]:
        """F over the boxes, tightened by the mean value form, and K(X)."""
        self.examined += len(low)
        middle = low + 0.5 * (high - low)
        over, slopes = self.system(low, high)
        at, _ = self.system(middle, middle)
        offset = Interval(low, high) - whole(middle)
        line = at + _times(slopes, offset)  # the mean value form; of no use where the middle is not in the domain
        over = over.where(np.isnan(line.low), over.cut(line))
        inverse = _inverse(slopes.middle)
        newton = whole(middle) - _times(whole(inverse), at)
        rest = whole(np.eye(low.shape[1])) - _matrix(whole(inverse), slopes)
        return over, newton + _times(rest, offset)

    def learn(self, low: np.ndarray, high: np.ndarray) -> None:
        """Add boxes that hold one root each, unless that root is known."""
        if not len(low):
            return
        narrow = self._narrowed(low, high)
        for box_low, box_high, narrow_low, narrow_high in zip(low, high, *narrow):
            known = np.all((self.around_low <= narrow_low) & (narrow_high <= self.around_high), axis=1).any()
            if not known:
                self.around_low = np.vstack([self.around_low, box_low])
                self.around_high = np.vstack([self.around_high, box_high])
                self.narrow_low = np.vstack([self.narrow_low, narrow_low])
                self.narrow_high = np.vstack([self.narrow_high, narrow_high])

    def _narrowed(self, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """X ∩ K(X) again and again, until nothing is gained."""
        for _ in range(60):
            _, image = self.krawczyk(low, high)
            inner = Interval(low, high).cut(image)
            better = np.all(inner.low <= inner.high, axis=1, keepdims=True)
            new_low, new_high = np.where(better, inner.low, low), np.where(better, inner.high, high)
            gained = np.any(new_high - new_low < 0.9 * (high - low))
            low, high = new_low, new_high
            if not gained:
                break
        return low, high

    def covered(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Which boxes lie inside one that is known to hold its one root."""
        if not len(self.around_low):
            return np.zeros(len(low), bool)
        inside = (low[:, None] >= self.around_low) & (high[:, None] <= self.around_high)
        return np.any(np.all(inside, axis=2), axis=1)


def survey(
    system: System, lower: Any, upper: Any, guesses: np.ndarray, *, finest: float = 2.0**-17, budget: int = 60_000
) -> Survey:
    """Every root in the box lower ≤ x ≤ upper, or the places where one cannot say.

    Args:
        system: F and its Jacobian over boxes.
        lower, upper: opposite corners, shape (n,).
        guesses: where roots are thought to be, shape (k, n): not needed, but they save work.
        finest: boxes narrower than this share of the region are left undecided.
        budget: how many boxes are looked at before the rest is left undecided.
    """
    low, high = np.asarray(lower, float), np.asarray(upper, float)
    region = _Region(system, low, high)
    with np.errstate(all="ignore"):
        _surround(region, np.asarray(guesses, float).reshape(-1, low.size))
        left_low, left_high = _subdivided(region, finest, budget)
        left_low, left_high = _merged(left_low, left_high, high - low)
        if len(left_low) <= len(RADII):  # roots between two boxes, where neither could be proven
            _surround(region, 0.5 * (left_low + left_high))
        kept = ~region.covered(left_low, left_high)
    middle = region.narrow_low + 0.5 * (region.narrow_high - region.narrow_low)
    return Survey(middle, region.narrow_low, region.narrow_high, left_low[kept], left_high[kept], region.examined)


def _surround(region: _Region, guesses: np.ndarray) -> None:
    """Prove a root near each guess, in the widest box that will do."""
    for some in np.array_split(guesses, max(1, len(guesses) // 64)):
        radii = RADII[:, None] * (region.high - region.low)
        low, high = some[:, None] - radii, some[:, None] + radii
        flat = low.reshape(-1, low.shape[-1]), high.reshape(-1, high.shape[-1])
        if not len(flat[0]):
            return
        _, image = region.krawczyk(*flat)
        proven = np.all(image.within(Interval(*flat)), axis=1).reshape(low.shape[:2])
        first, found = np.argmax(proven, axis=1), proven.any(axis=1)
        rows = np.arange(len(some))
        region.learn(low[rows, first][found], high[rows, first][found])


def _subdivided(region: _Region, finest: float, budget: int) -> tuple[np.ndarray, np.ndarray]:
    """Halve boxes until each is proven, excluded, too small, or the budget is spent: the boxes left undecided."""
    width = region.high - region.low
    low, high = region.low[None], region.high[None]
    left: list[tuple[np.ndarray, np.ndarray]] = []
    while len(low):
        if region.examined >= budget:
            left.append((low, high))
            break
        now_low, now_high, low, high = low[:BATCH], high[:BATCH], low[BATCH:], high[BATCH:]
        open_ = ~region.covered(now_low, now_high)
        now_low, now_high = now_low[open_], now_high[open_]
        if not len(now_low):
            continue
        box = Interval(now_low, now_high)
        over, image = region.krawczyk(now_low, now_high)
        possible = np.all(over.holds(0.0), axis=1)
        one = possible & np.all(image.within(box), axis=1)
        region.learn(now_low[one], now_high[one])
        # An unbounded Jacobian leaves NaN in the image: then it says nothing.
        says = np.all(np.isfinite(image.low) & np.isfinite(image.high), axis=1)
        possible &= ~one & (~says | np.all(box.meets(image), axis=1))
        smaller = box.cut(image).where(says[:, None], box)
        now_low, now_high = smaller.low[possible], smaller.high[possible]
        small = np.all(now_high - now_low <= finest * width, axis=1)
        left.append((now_low[small], now_high[small]))
        halves = _halved(now_low[~small], now_high[~small], width)
        low, high = np.concatenate([low, halves[0]]), np.concatenate([high, halves[1]])
    return np.concatenate([a for a, _ in left]), np.concatenate([b for _, b in left])


def _halved(low: np.ndarray, high: np.ndarray, width: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each box cut across its longest side."""
    rows, side = np.arange(len(low)), np.argmax((high - low) / width, axis=1)
    cut = low[rows, side] + CUT * (high[rows, side] - low[rows, side])
    first_high, second_low = high.copy(), low.copy()
    first_high[rows, side] = second_low[rows, side] = cut
    return np.concatenate([low, second_low]), np.concatenate([first_high, high])


def _merged(low: np.ndarray, high: np.ndarray, width: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Boxes that touch, joined to the smallest box round them all; long chains of them only within cells of a grid."""
    if not len(low):
        return low, high
    cells = np.unique(np.floor((low + high) / (2 * width) * CELLS).astype(int), axis=0, return_inverse=True)[1].ravel()
    if len(low) > 1500:  # too many to compare each with each
        return _hulls(low, high, cells)
    group = _touching(low, high, 1e-9 * width)
    hull_low, hull_high = _hulls(low, high, group)
    long = np.any(hull_high - hull_low > width / CELLS, axis=1)[group]
    return _hulls(low, high, np.unique(np.where(long, group.max() + 1 + cells, group), return_inverse=True)[1])


def _hulls(low: np.ndarray, high: np.ndarray, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The smallest box round each group of boxes."""
    count = group.max() + 1
    lowest, highest = np.full((count, low.shape[1]), np.inf), np.full((count, low.shape[1]), -np.inf)
    np.minimum.at(lowest, group, low)
    np.maximum.at(highest, group, high)
    return lowest, highest


def _touching(low: np.ndarray, high: np.ndarray, room: np.ndarray) -> np.ndarray:
    """The number of the connected group of each box."""
    from scipy.sparse.csgraph import connected_components

    near = np.all((low[:, None] <= high + room) & (high[:, None] + room >= low), axis=2)
    return connected_components(near, directed=False)[1]


# --- small matrices of intervals ------------------------------------------------------------------------------------


def _inverse(matrices: np.ndarray) -> np.ndarray:
    """Approximate inverses; zeros where there is none, so that the step says nothing."""
    n = matrices.shape[-1]
    usable = np.all(np.isfinite(matrices), axis=(1, 2))
    safe = np.where(usable[:, None, None], matrices, np.eye(n))
    usable &= np.abs(np.linalg.det(safe)) > 0
    found = np.linalg.inv(np.where(usable[:, None, None], safe, np.eye(n)))
    usable &= np.all(np.isfinite(found), axis=(1, 2))
    return np.where(usable[:, None, None], found, 0.0)


def _sum(terms: Interval) -> Interval:
    """The sum over the last axis."""
    total = Interval(terms.low[..., 0], terms.high[..., 0])
    for k in range(1, terms.low.shape[-1]):
        total = outwards(total.low + terms.low[..., k], total.high + terms.high[..., k])
    return total


def _times(matrix: Interval, vector: Interval) -> Interval:
    return _sum(matrix * Interval(vector.low[:, None, :], vector.high[:, None, :]))


def _matrix(a: Interval, b: Interval) -> Interval:
    """a b for stacks of matrices."""
    turned = Interval(np.swapaxes(b.low, 1, 2)[:, None], np.swapaxes(b.high, 1, 2)[:, None])
    return _sum(Interval(a.low[:, :, None, :], a.high[:, :, None, :]) * turned)
