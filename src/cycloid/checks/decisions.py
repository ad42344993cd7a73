"""Second methods for thresholds: costs from scikit-learn's confusion matrix, the cheapest threshold, calibration."""

from __future__ import annotations

import numpy as np

from cycloid.checks.cards import AGREES, DISAGREES, Card, compare, resting_on
from cycloid.checks.registry import register
from cycloid.core.numerals import numeral
from cycloid.core.results import Question
from cycloid.train.decisions import Decision

RARE = 1e-3  # the probability under which groups so far from their prediction count as not calibrated


@register(Decision)
def check_decision(result: Decision, question: Question) -> Card:
    """The cost by counting again; whether another threshold would have been cheaper beyond noise; calibration.

    Cost: two passes over the rows.
    """
    p, y, costs = np.asarray(question.function), question.arguments["outcomes"], question.arguments["costs"]
    return resting_on(_counted(result, p, y, costs), _cheapest(result, p, y, costs), _calibrated(result))


def _counted(result: Decision, p: np.ndarray, y: np.ndarray, costs: tuple) -> Card:
    from sklearn.metrics import confusion_matrix

    miss, alarm, hit, quiet = costs
    counts = confusion_matrix(y, p >= float(np.asarray(result.value)), labels=[0, 1])
    again = float((counts * np.array([[quiet, alarm], [miss, hit]])).sum() / len(p))
    claim = f"acting from a probability of {numeral(result.value)} on costs {numeral(result.cost)} a row"
    size = max(abs(v) for v in costs)
    stated = float(np.asarray(result.cost))
    return compare(claim, "costs row by row", "scikit-learn's counts", stated, again, allowance=1e-12 * size)


def _cheapest(result: Decision, p: np.ndarray, y: np.ndarray, costs: tuple) -> Card:
    """The threshold by formula against the cheapest on these rows: the regret against three of its standard errors."""
    miss, alarm, hit, quiet = costs
    at = lambda t: np.where(p >= t, np.where(y == 1, hit, alarm), np.where(y == 1, miss, quiet))
    extra = at(float(np.asarray(result.value))) - at(float(np.asarray(result.best)))
    noise = 3 * float(extra.std()) / np.sqrt(len(p))
    stated, least = (float(np.asarray(cost)) for cost in (result.cost, result.best_cost))
    here, best = f"threshold {numeral(result.value)}", f"the cheapest on these rows, {numeral(result.best)}"
    return compare("no other threshold is cheaper beyond noise", here, best, stated, least, allowance=noise)


def _calibrated(result: Decision) -> Card:
    """Hosmer and Lemeshow's sum over the groups of (observed − predicted)² / variance."""
    from scipy import stats

    rows = np.array([b.rows for b in result.calibration])
    predicted = np.clip([b.predicted for b in result.calibration], 1e-9, 1 - 1e-9)
    observed = np.array([b.observed for b in result.calibration])
    total = float(np.sum(rows * (observed - predicted) ** 2 / (predicted * (1 - predicted))))
    most = float(stats.chi2.isf(RARE, len(rows)))
    verdict = AGREES if total <= most else DISAGREES
    sentence = "" if verdict == AGREES else (
        "The event comes more or less often than the probabilities say: calibrate them on rows kept apart first."
    )  # fmt: skip
    return Card(
        f"the probabilities are calibrated, in {len(rows)} groups", "predicted shares", "observed shares",
        predicted.tolist(), observed.tolist(), total, most, verdict, sentence,
    )  # fmt: skip
