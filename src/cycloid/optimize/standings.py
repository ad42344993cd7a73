"""From the curves of a contest to its table: medians, their intervals, evaluations to a target, failures."""

from __future__ import annotations

from typing import Any

import numpy as np

LEVEL = 0.95
# A method has reached the target when it has made all but this share of the best fall from the start,
# the test of Moré and Wild, Benchmarking derivative-free optimization algorithms, 2009, equation 2.2.
SHARE = 0.01


def by_evaluation(objective: np.ndarray, evaluations: np.ndarray, budget: int) -> np.ndarray:
    """Curves over 0 ... budget evaluations: the objective at the point reached with so many, held until the next.

    Args:
        objective: readings, axes (seed, record).
        evaluations: how many each took, the same axes, never decreasing.
        budget: the last entry.
    """
    grid = np.arange(budget + 1)
    rows = [values[np.searchsorted(at, grid, side="right") - 1] for values, at in zip(objective, evaluations)]
    return np.stack(rows)


def first_at_or_below(curves: np.ndarray, target: float) -> np.ndarray:
    """For each curve the first index at or below the target, infinity when there is none."""
    with np.errstate(invalid="ignore"):
        hit = curves <= target
    return np.where(hit.any(-1), hit.argmax(-1).astype(float), np.inf)


def default_target(finals: list[float], starts: list[float]) -> float:
    """The best median's value and a hundredth of its fall: best + SHARE (start − best)."""
    best = min((v for v in finals if np.isfinite(v)), default=float("nan"))
    start = max((v for v in starts if np.isfinite(v)), default=float("nan"))
    return best + SHARE * max(start - best, 0.0)


def median(values: np.ndarray) -> float:
    """The median, with NaN as infinity, and infinity where half of the values or more are infinite."""
    ordered = np.sort(np.where(np.isnan(values), np.inf, values))
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    return float(high if np.isinf(high) else (low + high) / 2)


def median_interval(values: np.ndarray) -> tuple[float, float, float, float]:
    """(median, low, high, coverage): the order statistics that cover the true median with at least 95 %.

    The number of values below the median is binomial(n, 1/2) whatever their distribution. Too few values for 95 %
    give their whole range, at the coverage stated. NaN counts as infinity.
    """
    from scipy import stats

    ordered = np.sort(np.where(np.isnan(values), np.inf, values))
    n = len(ordered)
    cut = int(stats.binom.ppf((1 - LEVEL) / 2, n, 0.5))  # fewest below, with at most (1 - LEVEL)/2 under it
    while cut > 0 and 1 - 2 * stats.binom.cdf(cut - 1, n, 0.5) < LEVEL:
        cut -= 1
    cut = max(cut, 1)
    coverage = 0.0 if n == 1 else float(1 - 2 * stats.binom.cdf(cut - 1, n, 0.5))
    return median(ordered), float(ordered[cut - 1]), float(ordered[n - cut]), coverage


def interval_in_words(seeds: int) -> str:
    """What the interval of a median over so many seeds is, for the protocol."""
    coverage = median_interval(np.arange(float(seeds)))[3]
    return f"order statistics of {seeds} seeds, coverage {coverage:.3f}" if seeds > 1 else "none: one seed"


def distinctions(
    curves: dict[str, np.ndarray], target: float, seconds: dict[str, float] | None
) -> dict[str, list[str]]:
    """In what each method is the best, as measured: shared by those whose median lies in the interval of the best.

    Args:
        curves: label -> curves (seed, evaluation).
        target: the objective to reach.
        seconds: label -> what an evaluation takes, where it was timed.
    """
    counts = {label: first_at_or_below(runs, target) for label, runs in curves.items()}
    measures = {
        "lowest objective": {label: runs[:, -1] for label, runs in curves.items()},
        "fewest evaluations to the target": counts,
    }
    if seconds:
        measures["least time to the target"] = {label: count * seconds[label] for label, count in counts.items()}
    wins: dict[str, list[str]] = {label: [] for label in curves}
    for words, values in measures.items():
        found = {label: median_interval(column) for label, column in values.items()}
        best, _, reach, _ = min(found.values())
        winners = [label for label, (middle, *_) in found.items() if middle <= reach and np.isfinite(middle)]
        if np.isfinite(best) and (len(winners) < len(curves) or len(curves) == 1):
            for label in winners:
                wins[label].append(words)
    return wins


def row(curves: np.ndarray, target: float) -> dict[str, Any]:
    """One line of the table, from curves (seed, evaluation)."""
    finals, starts = curves[:, -1], curves[:, 0]
    middle, low, high, _ = median_interval(finals)
    reached = first_at_or_below(curves, target)
    with np.errstate(invalid="ignore"):
        failed = ~(finals <= starts)
    return {
        "objective": middle,
        "low": low,
        "high": high,
        "evaluations_to_target": median(reached),
        "reached": float(np.isfinite(reached).mean()),
        "failed": float(failed.mean()),
    }


def best_rate(curves: np.ndarray, target: float | None) -> int:
    """The index of the best learning rate: fewest evaluations to the target where there is one, then the lowest end.

    Args:
        curves: axes (rate, seed, evaluation).
        target: the objective to reach, or None.
    """
    finals = np.array([median(rate[:, -1]) for rate in curves])
    if target is None:
        return int(np.argmin(finals))
    counts = np.array([median(first_at_or_below(rate, target)) for rate in curves])
    return int(np.lexsort((finals, counts))[0])
