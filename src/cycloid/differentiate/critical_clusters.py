"""From the ends of many walks to a table: equal ends are one point, flat ones are alone or part of a curve.

A degenerate point is alone when walks that begin a little way along its flat directions come back to it; where they
arrive at another such point instead, both belong to a curve or a surface of critical points.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp
import numpy as np

from cycloid.differentiate.critical_results import Continuum, Kind
from cycloid.differentiate.stationary import LENGTHS, Frame, Local, Reached, look, walks

MINIMUM, MAXIMUM, SADDLE, DEGENERATE = range(4)
# How far along a flat direction the trial walks begin, how near two points of one curve lie at most, in the unit box;
# how many flat points are tried.
ASIDE, LINK, TRIED = 0.02, 0.15, 512


@dataclass
class Arrivals:
    """The ends of walks that count, gathered round by round, in the coordinates of the unit box.

    Args:
        search: what is asked: functions, box, tolerance.
        frame: the unit box and its units.
        curvature: the typical size of the Hessian there.
    """

    search: Any
    frame: Frame
    curvature: float
    regular: np.ndarray = field(init=False)
    flat: np.ndarray = field(init=False)
    evaluations: int = 0
    arrived: bool = False
    finite: bool = False

    def __post_init__(self) -> None:
        self.regular = self.flat = np.zeros((0, self.search.dims + (self.search.functions[1] is not None)))

    @property
    def eps(self) -> float:
        return float(np.finfo(self.search.dtype).eps)

    def walk(self, starts: np.ndarray, free: np.ndarray | None = None) -> Reached:
        """Newton's method from these places of the unit box."""
        masks = np.ones(starts.shape, bool) if free is None else free
        begun = np.asarray(starts, self.search.dtype)
        return walks(self.search.functions, self.frame, begun, masks, self.search.max_steps)

    def ends(self, reached: Reached) -> np.ndarray:
        """The places inside the box where the gradient vanishes and Newton's next step is short."""
        each = (len(LENGTHS) + 1) * (self.search.dims + 1)  # a Hessian counts as d gradients
        self.evaluations += int(np.sum(np.asarray(reached.taken))) * each
        places, sizes = np.asarray(reached.places, float), np.asarray(reached.gradients, float)
        good = (sizes <= self.search.tol) & (np.asarray(reached.steps) <= self.eps**0.25)
        slack = max(1e-9, 8 * self.eps)
        u = places[:, : self.search.dims]
        return places[good & np.all((u >= -slack) & (u <= 1 + slack), axis=1)]

    def add(self, reached: Reached) -> int:
        """Take in a round: how many points are new."""
        places = self.ends(reached)
        self.finite |= bool(np.isfinite(np.asarray(reached.gradients)).any())
        self.arrived |= bool(np.any(np.asarray(reached.gradients) <= self.search.tol))
        before = len(self.regular)
        if len(places):
            eigenvalues, _, local = self.shape(places)
            defined = np.isfinite(local.values)  # the derivative of log(x) is finite where log(x) is not
            places, flat = places[defined], np.any(np.abs(eigenvalues) <= self.threshold, axis=1)[defined]
            self.regular = distinct(
                np.concatenate([self.regular, places[~flat]]), self.search.dims, self.eps ** (1 / 3)
            )
            self.flat = distinct(np.concatenate([self.flat, places[flat]]), self.search.dims, 4 * self.eps**0.5)
        return len(self.regular) - before

    @property
    def threshold(self) -> float:
        """Below this a curvature in the unit box counts as zero."""
        return self.eps ** (1 / 3) * (self.curvature if self.curvature > 0 else 1.0)

    def shape(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray, Local]:
        """Eigenvalues and eigenvectors of the curvature in the unit box, along the constraint, and the local view."""
        local = self.local(places)
        width = self.search.width
        bends = local.curvatures * width[:, None] * width / float(self.frame.f_unit)
        borders = local.borders * width
        eigenvalues, vectors = along(bends, borders if self.search.functions[1] is not None else None)
        return eigenvalues, vectors, local

    def local(self, places: np.ndarray) -> Local:
        points = self.search.low + self.search.width * places[:, : self.search.dims]
        return look(self.search.functions, points, self.multipliers(places), self.search.dtype)

    def multipliers(self, places: np.ndarray) -> np.ndarray:
        """λ in the user's units."""
        if self.search.functions[1] is None:
            return np.zeros(len(places))
        return places[:, -1] * float(self.frame.f_unit) / float(self.frame.g_unit)

    # --- flat points ------------------------------------------------------------------------------------------------

    def settled(self) -> tuple[np.ndarray, list[Continuum]]:
        """All isolated points, and the curves that the others lie on."""
        flat = self.flat[:TRIED]
        if not len(flat):
            return self.regular, []
        eigenvalues, vectors, local = self.shape(flat)
        directions = np.abs(eigenvalues) <= self.threshold
        moves = self._moves(flat, directions, vectors, local.values)
        lonely = distinct(flat[moves == 0], self.search.dims, 8 * self.eps**0.25)
        rest = moves > 0
        continua = self._continua(flat[rest], moves[rest], eigenvalues[rest], local.values[rest])
        return np.concatenate([self.regular, lonely]), continua

    def _moves(self, flat: np.ndarray, directions: np.ndarray, vectors: np.ndarray, heights: np.ndarray) -> np.ndarray:
        """Along how many flat directions a walk that begins aside ends aside too."""
        rows, which = np.nonzero(directions)
        aside = np.concatenate(
            [flat[rows][:, : self.search.dims] + s * ASIDE * vectors[rows, :, which] for s in (-1, 1)]
        )
        inside = np.all((aside >= 0) & (aside <= 1), axis=1)
        reached = self.walk(np.clip(aside, 0, 1))
        ends, home = np.asarray(reached.places, float), np.concatenate([flat[rows]] * 2)
        far = np.linalg.norm((ends - home)[:, : self.search.dims], axis=1)
        rise = np.abs(self.local(ends).values - np.concatenate([heights[rows]] * 2))
        level = rise <= 1e-6 * float(self.frame.f_unit)
        away = (
            inside & level & (np.asarray(reached.gradients) <= self.search.tol) & (far > ASIDE / 2) & (far < 4 * ASIDE)
        )
        either = away[: len(rows)] | away[len(rows) :]
        return np.bincount(rows[either], minlength=len(flat))

    def _continua(self, places: np.ndarray, moves: np.ndarray, curvatures: Any, heights: np.ndarray) -> list[Continuum]:
        if not len(places):
            return []
        u = places[:, : self.search.dims]
        level = np.abs(heights[:, None] - heights[None]) <= 1e-6 * float(self.frame.f_unit)
        from scipy.sparse.csgraph import connected_components

        near = np.linalg.norm(u[:, None] - u[None], axis=2) <= LINK
        _, group = connected_components(near & level, directed=False)
        found = []
        for g in range(group.max() + 1):
            mine = group == g
            across = curvatures[mine][0]
            across = across[np.abs(across) > self.threshold]
            found.append(Continuum(
                points=jnp.asarray(self.search.low + self.search.width * u[mine], self.search.dtype),
                objective=jnp.asarray(np.median(heights[mine]), self.search.dtype),
                dimension=int(np.median(moves[mine])), kind=Kind(np.int32(kind_of(across))),
            ))  # fmt: skip
        return found


@dataclass(frozen=True)
class Table:
    """The points in the user's own units, a row each, and what else was met.

    Args:
        points: shape (k, d).
        multipliers: λ, or None without a constraint.
        eigenvalues, index, kinds: of the Hessian, along the constraint.
        radius: how far the true point may be.
        proven: whether it is certain.
        candidates: places in the unit box where an extreme may be.
        continua: curves of critical points.
        evaluations: made so far.
    """

    points: np.ndarray
    multipliers: np.ndarray | None
    eigenvalues: np.ndarray
    index: np.ndarray
    kinds: np.ndarray
    radius: np.ndarray
    proven: np.ndarray
    candidates: np.ndarray
    continua: list[Continuum]
    evaluations: int

    def rows(self, order: np.ndarray) -> Table:
        """These rows only, in this order."""
        per_row = ("points", "multipliers", "eigenvalues", "index", "kinds", "radius", "proven")
        chosen = {name: getattr(self, name)[order] for name in per_row if getattr(self, name) is not None}
        return dataclasses.replace(self, **chosen)

    def joined(self, other: Table) -> Table:
        """The rows of both."""
        per_row = ("points", "multipliers", "eigenvalues", "index", "kinds", "radius", "proven")
        both = {
            n: np.concatenate([getattr(self, n), getattr(other, n)]) for n in per_row if getattr(self, n) is not None
        }
        return dataclasses.replace(self, **both)


def table_of(arrivals: Arrivals, places: np.ndarray, continua: list[Continuum]) -> Table:
    """The rows for places in the unit box; the radius is Newton's next step."""
    search = arrivals.search
    eigenvalues, _, _ = arrivals.shape(places)
    points = search.low + search.width * places[:, : search.dims]
    own = own_curvatures(search, points, arrivals.multipliers(places))
    flat = np.any(np.abs(eigenvalues) <= arrivals.threshold, axis=1)
    kinds = np.array([DEGENERATE if f else kind_of(e) for f, e in zip(flat, eigenvalues)], np.int32)
    steps = _next_steps(arrivals, places)
    index = np.sum(eigenvalues < -arrivals.threshold, axis=1)
    return Table(
        points, arrivals.multipliers(places) if search.functions[1] is not None else None, own, index,
        kinds, steps + 4 * arrivals.eps * search.width.max(), np.zeros(len(places), bool),
        np.zeros((0, search.dims)), continua, arrivals.evaluations,
    )  # fmt: skip


def _next_steps(arrivals: Arrivals, places: np.ndarray) -> np.ndarray:
    """The largest coordinate of the Newton step that would come next, in the user's units."""
    search, local, rises = arrivals.search, arrivals.local(places), arrivals.multipliers(places)
    slopes, borders = local.slopes, local.borders
    found = np.zeros(len(places))
    for k in range(len(places)):
        bordered, right = local.curvatures[k], slopes[k] - rises[k] * borders[k]
        if search.functions[1] is not None:
            edge = borders[k][:, None]
            bordered = np.block([[bordered, -edge], [-edge.T, np.zeros((1, 1))]])
            right = np.append(right, -local.levels[k])
        found[k] = np.max(np.abs(np.linalg.lstsq(bordered, right, rcond=1e-13)[0][: search.dims]))
    return found


def row_of_root(search: Any, low: np.ndarray, high: np.ndarray, index: int | None, like: Table) -> Table:
    """The row of a root that intervals proved."""
    point = np.asarray(0.5 * (low + high), search.dtype).astype(float)[None]
    local = look(search.functions, point, np.zeros(1), search.dtype)
    slope, border = local.slopes[0], local.borders[0]
    rise = np.array([slope @ border / (border @ border) if like.multipliers is not None else 0.0])
    own = own_curvatures(search, point, rise)
    down = int(np.sum(own[0] < 0)) if index is None else index
    kind = MINIMUM if down == 0 else MAXIMUM if down == own.shape[1] else SADDLE
    radius = np.max(np.maximum(high - point[0], point[0] - low))
    return dataclasses.replace(
        like, points=point, multipliers=None if like.multipliers is None else rise, eigenvalues=own,
        index=np.array([down]), kinds=np.array([kind], np.int32), radius=np.array([radius]),
        proven=np.array([index is not None]),
    )  # fmt: skip


def own_curvatures(search: Any, points: np.ndarray, multipliers: np.ndarray) -> np.ndarray:
    """Eigenvalues of the Hessian, along the constraint where there is one, in the user's units."""
    local = look(search.functions, points, multipliers, search.dtype)
    borders = local.borders if search.functions[1] is not None else None
    return along(local.curvatures, borders)[0]


def along(matrices: np.ndarray, borders: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues and eigenvectors of symmetric matrices, restricted to the space across the borders.

    The bordered matrix [[0, bᵀ], [b, H]] has one negative and one positive eigenvalue more than H so restricted.
    """
    matrices = np.where(np.isfinite(matrices), matrices, 0.0)
    if borders is None:
        return np.linalg.eigh(matrices)
    basis = np.linalg.svd(np.where(np.isfinite(borders), borders, 0.0)[:, None, :])[2][:, 1:, :]
    eigenvalues, vectors = np.linalg.eigh(np.einsum("kai,kij,kbj->kab", basis, matrices, basis))
    return eigenvalues, np.einsum("kai,kab->kib", basis, vectors)


def kind_of(eigenvalues: np.ndarray) -> int:
    """The kind that the signs tell."""
    if not len(eigenvalues):
        return DEGENERATE
    return MINIMUM if np.all(eigenvalues > 0) else MAXIMUM if np.all(eigenvalues < 0) else SADDLE


def distinct(places: np.ndarray, dims: int, room: float) -> np.ndarray:
    """Places of which no two lie nearer than `room` in the unit box; the first of each group stays."""
    kept = np.ones(len(places), bool)
    for i in range(len(places)):
        if kept[i]:
            near = np.max(np.abs(places[i + 1 :, :dims] - places[i, :dims]), axis=1) <= room
            kept[i + 1 :] &= ~near
    return places[kept]
