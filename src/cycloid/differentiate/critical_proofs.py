"""The equations of critical points over boxes, for formulas: ∇f = 0, or ∇f parallel to ∇g along g = 0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from cycloid.core.formulas import Formula
from cycloid.core.functions import FormulaAt
from cycloid.differentiate.interval_arithmetic import Interval, square
from cycloid.differentiate.interval_jets import Jet, NoRule, check_rules, jet_of
from cycloid.differentiate.newton_boxes import Survey, System, survey

# So many variables intervals are tried for; above, the number of boxes grows beyond use.
MOST = 3


class Equations(NamedTuple):
    """What a proof is about.

    Args:
        f, g: the formulas; g is None without a constraint.
        variables: in the order of the coordinates.
    """

    f: Formula
    g: Formula | None
    variables: tuple[str, ...]

    def system(self) -> System:
        """F and its Jacobian over boxes."""
        return self._along if self.g is not None else self._free

    def _free(self, low: np.ndarray, high: np.ndarray) -> tuple[Interval, Interval]:
        return _derivatives(jet_of(self.f.tree, self.variables, low, high), low)

    def _along(self, low: np.ndarray, high: np.ndarray) -> tuple[Interval, Interval]:
        """In two variables: D = f_x g_y − f_y g_x = 0 and g = 0, of which no multiplier is left."""
        assert self.g is not None
        level = jet_of(self.g.tree, self.variables, low, high)
        df, hf = _derivatives(jet_of(self.f.tree, self.variables, low, high), low)
        dg, hg = _derivatives(level, low)
        fx, fy, gx, gy = (_entry(v, i) for v in (df, dg) for i in (0, 1))
        slopes = [
            _entry(hf, 0, j) * gy + fx * _entry(hg, 1, j) - _entry(hf, 1, j) * gx - fy * _entry(hg, 0, j)
            for j in (0, 1)
        ]
        return _stacked([fx * gy - fy * gx, level.value]), _rows([_stacked(slopes), _stacked([gx, gy])])

    def index_over(self, low: np.ndarray, high: np.ndarray) -> int | None:
        """How many directions lead down everywhere in a narrow box; None where that is not proven."""
        low, high = low[None], high[None]
        with np.errstate(all="ignore"):
            df, hf = _derivatives(jet_of(self.f.tree, self.variables, low, high), low)
            if self.g is None:
                return _signature(hf)
            dg, hg = _derivatives(jet_of(self.g.tree, self.variables, low, high), low)
            along = _along_border(df, hf, dg, hg)
        return 0 if along.low[0] > 0 else 1 if along.high[0] < 0 else None


def equations(f: Any, g: Any, names: Sequence[str]) -> tuple[Equations | None, str]:
    """What a proof would be about, or None and the reason why there can be none."""
    formulas = [h.formula for h in (f, g) if isinstance(h, FormulaAt)]
    if len(formulas) < (1 if g is None else 2):
        return None, "intervals need a formula, and this is a Python function"
    most = MOST if g is None else 2
    if len(names) > most:
        return None, f"boxes are subdivided for at most {most} variables, and there are {len(names)}"
    if g is not None and len(names) != 2:
        return None, "with a constraint, boxes are subdivided for two variables"
    try:
        for each in formulas:
            check_rules(each.tree)
    except NoRule as reason:
        return None, str(reason)
    return Equations(formulas[0], formulas[1] if g is not None else None, tuple(names)), ""


def prove(asked: Equations, low: np.ndarray, high: np.ndarray, guesses: np.ndarray, coarse: bool, boxes: int) -> Survey:
    """Every root in the box; with `coarse`, regions are left undecided sooner, for there are curves of roots."""
    finest = 2.0**-7 if coarse else 2.0**-17
    return survey(asked.system(), low, high, guesses, finest=finest, budget=boxes)


# --- intervals of derivatives ---------------------------------------------------------------------------------------


def _derivatives(jet: Jet, low: np.ndarray) -> tuple[Interval, Interval]:
    """The gradient and the Hessian of a jet as arrays of intervals; where the value is undefined they are empty."""
    count, n = low.shape
    nothing = np.where(np.isnan(jet.value.low), np.nan, 0.0) + np.zeros(count)
    zero = Interval(nothing, nothing)
    wide = lambda part: Interval(part.low + np.zeros(count), part.high + np.zeros(count))
    gradient = _stacked([wide(jet.first.get(i, zero)) for i in range(n)])
    entry = lambda i, j: wide(jet.second.get((min(i, j), max(i, j)), zero))
    return gradient, _rows([_stacked([entry(i, j) for j in range(n)]) for i in range(n)])


def _stacked(parts: Sequence[Interval]) -> Interval:
    return Interval(np.stack([p.low for p in parts], axis=-1), np.stack([p.high for p in parts], axis=-1))


def _rows(parts: Sequence[Interval]) -> Interval:
    return Interval(np.stack([p.low for p in parts], axis=1), np.stack([p.high for p in parts], axis=1))


def _entry(array: Interval, *place: int) -> Interval:
    return Interval(array.low[(slice(None), *place)], array.high[(slice(None), *place)])


def _signature(hessian: Interval) -> int | None:
    """The number of negative eigenvalues of every symmetric matrix in an interval matrix, by Weyl's inequality."""
    middle, radius = hessian.middle[0], 0.5 * hessian.width[0]
    if not np.all(np.isfinite(middle)) or not np.all(np.isfinite(radius)):
        return None
    eigenvalues = np.linalg.eigvalsh(0.5 * (middle + middle.T))
    room = 1.001 * np.linalg.norm(radius) + 1e-13 * len(middle) * np.linalg.norm(middle)
    return int(np.sum(eigenvalues < 0)) if np.all(np.abs(eigenvalues) > room) else None


def _along_border(df: Interval, hf: Interval, dg: Interval, hg: Interval) -> Interval:
    """tᵀ (H_f − λ H_g) t for t = (−g_y, g_x) and λ = ∇f·∇g / |∇g|², in two variables."""
    fx, fy, gx, gy = (_entry(v, i) for v in (df, dg) for i in (0, 1))
    multiplier = (fx * gx + fy * gy) / (square(gx) + square(gy))
    bent = lambda i, j: _entry(hf, i, j) - multiplier * _entry(hg, i, j)
    cross = bent(0, 1) * (gx * gy)
    return bent(0, 0) * square(gy) - (cross + cross) + bent(1, 1) * square(gx)
