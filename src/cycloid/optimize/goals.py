"""milestones: how many evaluations each method needs to reach given objectives, and how many times fewer than another.

A race asks who is lowest when the budget is spent. The claim "this method is three times as fast" asks something
else: the ratio of two counts, for a goal that was named beforehand, with every learning rate tuned for that goal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, final

import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, Float, Int

from cycloid.core.results import ErrorKind, Question, Result, Status, conclude
from cycloid.optimize import standings
from cycloid.optimize.contestants import Entry, entries, single_rate, tuning_in_words
from cycloid.optimize.courses import Field, curves_of, paces, set_up


@final
class Milestones(Result):
    """How many evaluations the methods needed.

    Attributes:
        value: the table, a dict of columns, one line for each target and method: target, method, learning_rate (the
            one tuned for this target), evaluations (median over the fresh seeds, infinite when never), reached
            (share of them), times (median over the seeds of the baseline's count over this one's: 2 means twice as
            fast as the baseline), low and high (the interval of that median).
        error: NaN; the intervals are in the table.
        error_kind: "none".
        evaluations: all of them, those for tuning included.
        status: "all_steps".
        counts: method -> evaluations to each target, axes (target, seed).
        runs: method -> curves (seed, evaluation) at the rate of the last target, for pictures.
        protocol: in words and numbers, all that decides whether the contest was fair.
    """

    value: dict[str, list[Any]]
    error: Float[ArrayLike, ""]
    error_kind: ErrorKind
    evaluations: Int[ArrayLike, ""]
    status: Status
    counts: dict[str, Float[np.ndarray, "targets seeds"]]
    runs: dict[str, Float[np.ndarray, "seeds points"]]
    protocol: dict[str, Any]

    def to_pandas(self) -> Any:
        """The table as a DataFrame."""
        import pandas

        return pandas.DataFrame(self.value)

    def against(self, baseline: str) -> dict[str, list[Any]]:
        """The same table with the ratios to another method, seed by seed as before.

        Args:
            baseline: the label of the method that the others are compared with.

        Raises:
            ValueError: when no method has this label.
        """
        if baseline not in self.counts:
            raise ValueError(f"baseline= is one of {', '.join(self.counts)}; it was {baseline!r}.")
        goals = list(dict.fromkeys(self.value["target"]))
        rates = {label: [rate for name, rate in zip(self.value["method"], self.value["learning_rate"]) if name == label]
                 for label in self.counts}  # fmt: skip
        return _table(goals, self.counts, rates, baseline)


def milestones(
    f: Callable[..., Any] | str,
    x0: Any,
    *,
    targets: Iterable[float],
    methods: Mapping[str, Any] | Iterable[Any] = ("sgd", "momentum", "adam"),
    evaluations: int = 2000,
    key: Any = None,
    learning_rates: float | Iterable[float] | Mapping[str, Any] | None = None,
    seeds: int | None = None,
    spread: float | None = None,
    score: Callable[[Any], Any] | None = None,
    every: int | None = None,
    timed: bool = False,
) -> Milestones:
    """Evaluations to each target, each learning rate tuned for it; the first method is the baseline of the ratios.

    For every method and target the rate with the fewest evaluations on the tuning seeds is run on fresh seeds. Each
    seed has the same start and the same batches for every method, so the ratios are taken seed by seed.

    Args:
        f: as in `race`.
        x0: as in `race`.
        targets: objectives to reach, from easy to hard.
        methods: as in `race`; the first one is what the others are compared with.
        evaluations: the budget of each run.
        key: as in `race`.
        learning_rates: as in `race`.
        seeds: as in `race`.
        spread: as in `race`.
        score: as in `race`.
        every: evaluations between two readings of the score: counts are multiples of it.
        timed: also measure how long an evaluation of each method takes: `protocol["seconds_per_evaluation"]`.

    Returns:
        `Milestones`; the same key gives the same table.

    Raises:
        TypeError: as `race`.
        ValueError: as `race`, and when no target is given or one is not finite.

    Transformations: none. Cost: budget × (rates × 3 tuning seeds + seeds × rates chosen) evaluations a method.

    Example:
        >>> found = milestones("x^2 + 100y^2", [1.0, 1.0], targets=[1e-3], methods=["gradient-descent", "momentum"],
        ...                    evaluations=1000)
        >>> found.value["method"], found.value["times"][1] > 2
        (['gradient-descent', 'momentum'], True)

    Reference: Dahl et al., Benchmarking neural network training algorithms, 2023 (time to a target, tuned).
    """
    goals = [float(target) for target in targets]
    if not goals or not np.all(np.isfinite(goals)):
        raise ValueError(f"targets= are objectives to reach, such as [0.1, 0.01]; they were {goals}.")
    field = set_up(f, x0, evaluations, None, key, seeds, spread, score, every)
    contest = entries(methods, learning_rates)
    counts, runs, rates, edges, total = {}, {}, {}, [], 0
    for entry in contest:
        counts[entry.label], runs[entry.label], rates[entry.label], edge, members = _measure(entry, field, goals)
        total += members * evaluations
        edges += [entry.label] if edge else []
    tuned_on = f"{field.tuned_on}, for each target"
    protocol = {
        **field.words,
        "budget": f"{evaluations} evaluations each",
        "every": 1 if field.course.free else field.course.every,
        "learning_rates": {e.label: "its own" if e.rates is None else e.rates.tolist() for e in contest},
        "tuned_on": tuned_on,
        "tuning": tuning_in_words(contest, tuned_on),
        "at_the_edge_of_the_grid": edges,
        "baseline": contest[0].label,
        "interval": standings.interval_in_words(field.seeds),
        **({"seconds_per_evaluation": paces({e.label: e.method for e in contest}, field)} if timed else {}),
    }
    asked = {"x0": x0, "key": key, "seeds": seeds, "spread": spread, "score": score, "evaluations": evaluations,
             "every": every}  # fmt: skip
    result = Milestones(
        value=_table(goals, counts, rates, contest[0].label),
        error=jnp.asarray(jnp.nan),
        error_kind=ErrorKind.named("none"),
        evaluations=np.int64(total),
        status=Status.named("all_steps"),
        counts=counts,
        runs=runs,
        protocol=protocol,
    )
    return conclude(result, throw=False, question=Question(f, asked, {e.label: e.method for e in contest}))


def _measure(
    entry: Entry, field: Field, goals: list[float]
) -> tuple[np.ndarray, np.ndarray, list[float | None], bool, int]:
    """(counts by target and seed, curves at the last target's rate, the rates, one at the grid's edge?, members)."""
    if entry.rates is None:
        curves = curves_of(entry.method, None, field, tuning=False)[0]
        counts = np.stack([standings.first_at_or_below(curves, goal) for goal in goals])
        return counts, curves, [single_rate(entry.method)] * len(goals), False, len(curves)
    tried = 0
    best = [0] * len(goals)
    if len(entry.rates) > 1:
        tuning = curves_of(entry.method, entry.rates, field, tuning=True)
        tried = tuning.shape[0] * tuning.shape[1]
        best = [standings.best_rate(tuning, goal) for goal in goals]
    chosen = sorted(set(best))
    fresh = curves_of(entry.method, entry.rates[chosen], field, tuning=False)
    own = [fresh[chosen.index(index)] for index in best]
    counts = np.stack([standings.first_at_or_below(curves, goal) for curves, goal in zip(own, goals)])
    ends = {int(np.argmin(entry.rates)), int(np.argmax(entry.rates))}
    edge = len(entry.rates) > 1 and bool(ends & set(best))
    members = tried + fresh.shape[0] * fresh.shape[1]
    return counts, own[-1], [float(entry.rates[index]) for index in best], edge, members


def _table(goals: list[float], counts: dict[str, np.ndarray], rates: dict[str, Any], first: str) -> dict[str, Any]:
    lines = []
    for i, goal in enumerate(goals):
        for label, own in counts.items():
            middle, low, high, _ = standings.median_interval(ratios(counts[first][i], own[i]))
            lines.append({
                "target": goal, "method": label, "learning_rate": rates[label][i],
                "evaluations": standings.median(own[i]), "reached": float(np.isfinite(own[i]).mean()),
                "times": middle, "low": low, "high": high,
            })  # fmt: skip
    return {column: [line[column] for line in lines] for column in lines[0]}


def ratios(baseline: Float[np.ndarray, " seeds"], other: Float[np.ndarray, " seeds"]) -> Float[np.ndarray, " seeds"]:
    """How many times as many evaluations the baseline needed, seed by seed: infinite where it alone never arrived,
    0 where the other never did, NaN where neither did."""
    with np.errstate(invalid="ignore"):
        return np.where(
            np.isfinite(other), baseline / np.maximum(other, 1.0), np.where(np.isfinite(baseline), 0, np.nan)
        )
