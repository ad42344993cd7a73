"""race and sweep: which method, and which learning rate, on this function and an equal budget."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, final

import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, Float, Int

from cycloid.core.results import ErrorKind, Question, Result, Status, conclude
from cycloid.optimize import standings
from cycloid.optimize.catalogue import METHODS, with_rate
from cycloid.optimize.catalogue import method as resolve
from cycloid.optimize.contestants import GRID, Entry, entries, grid, single_rate, tuning_in_words
from cycloid.optimize.courses import Field, affordable, curves_of, paces, set_up


@final
class Race(Result):
    """What a contest of methods showed.

    Attributes:
        value: the table, a dict of columns, best first: method, learning_rate (None where the method has no single
            one), objective (the median over the seeds of the objective reached), low and high (the interval of
            that median), evaluations_to_target (the median, infinite when never), reached and failed (shares of
            the seeds; failed means not finite, or above the start), evaluations (the budget of one run), best_for
            (in what no other method is better beyond noise: objective, evaluations or time to the target).
        error: NaN; the intervals are in the table.
        error_kind: "none".
        evaluations: all of them, those for tuning included.
        status: "all_steps".
        runs: method -> curves (seed, evaluation): the objective at the point reached with 0, 1, 2 ... evaluations.
        protocol: in words and numbers, all that decides whether the contest was fair.
    """

    value: dict[str, list[Any]]
    error: Float[ArrayLike, ""]
    error_kind: ErrorKind
    evaluations: Int[ArrayLike, ""]
    status: Status
    runs: dict[str, Float[np.ndarray, "seeds points"]]
    protocol: dict[str, Any]

    def to_pandas(self) -> Any:
        """The table as a DataFrame."""
        import pandas

        return pandas.DataFrame(self.value)


def race(
    f: Callable[..., Any] | str,
    x0: Any,
    *,
    methods: Mapping[str, Any] | Iterable[Any] = METHODS,
    evaluations: int | None = None,
    seconds: float | None = None,
    key: Any = None,
    learning_rates: float | Iterable[float] | Mapping[str, Any] | None = None,
    seeds: int | None = None,
    spread: float | None = None,
    target: float | None = None,
    score: Callable[[Any], Any] | None = None,
    every: int | None = None,
    timed: bool = False,
) -> Race:
    """Let methods descend on the same function from the same starts with the same budget, and compare.

    Every method is run at all its learning rates and from all starts at once, in one compiled program. A tuned
    rate is chosen on tuning seeds and scored on fresh ones. Each seed has the same start and, where f is
    stochastic, the same batches for every method and rate.

    Args:
        f: f(x), or f(x, key) with chance inside (a mini-batch drawn by the key), or a formula.
        x0: where to start, a pytree; or x0(key), a fresh start for each seed.
        methods: names, classes or instances; a mapping gives them labels of your own.
        evaluations: the budget of each run, 2000 by default; a value with its gradient counts as one.
        seconds: instead, a budget of time: the evaluations that each method alone makes in so many seconds here.
        key: for perturbed starts, mini-batches and draws; without one a deterministic f is run once, from x0 itself.
        learning_rates: None tunes names and classes on one grid, half decades from 1e-4 to 10, and leaves instances
            as they are; a number is given to all; several are the grid for all; a dict sets them by label.
        seeds: how many runs score each method, 5 with a key.
        spread: starts are x0 + spread · standard normal; 0.1 for f(x), 0 for f(x, key).
        target: an objective to reach; by default within 1 % of the best fall of all.
        score: x -> scalar, the measure that decides when it is not f itself (the loss over all the data); its
            evaluations are not charged. A stochastic f without it is averaged over 16 fixed draws.
        every: evaluations between two readings of the score.
        timed: also measure how long an evaluation of each method takes, alone and warm, and keep it in
            `protocol["seconds_per_evaluation"]`; the figure then has a view of the objective over time.

    Returns:
        A `Race`; the same key gives the same table, unless `seconds` is set.

    Raises:
        TypeError: when there is chance and no key, or the call is traced.
        ValueError: when a name is unknown, a budget empty or a learning rate no positive number.

    Transformations: none; it is a driver for people. Cost: budget × (seeds + rates × 3 tuning seeds) evaluations
    a method, and one reading of the score at each end.

    Example:
        >>> from cycloid.optimize import race
        >>> result = race("x^2 + 100y^2", [1.0, 1.0], methods=["gradient-descent", "momentum"], evaluations=100)
        >>> result.value["method"]
        ['momentum', 'gradient-descent']

    Reference: Moré, Wild, Benchmarking derivative-free optimization algorithms, 2009; Sivaprasad, Mai, Vogels,
    Jaggi, Fleuret, Optimizer benchmarking needs to account for hyperparameter tuning, 2020.
    """
    field = set_up(f, x0, evaluations, seconds, key, seeds, spread, score, every)
    contest = entries(methods, learning_rates)
    rows: dict[str, tuple[str, float | None, np.ndarray]] = {}
    total, edges, took = 0, [], {}
    if timed or seconds is not None:
        took = paces({entry.label: entry.method for entry in contest}, field, seconds)
    for entry in contest:
        budget = field.course.budget if seconds is None else affordable(seconds, took[entry.label])
        own = field._replace(course=field.course._replace(budget=budget))
        tuned, spent, edge = _tune(entry, own, target)
        chosen = entry.method if tuned is None else with_rate(entry.method, tuned)
        curves = curves_of(chosen, None, own, tuning=False)[0]
        rows[entry.label] = (entry.label, single_rate(chosen), curves)
        total += spent + budget * len(curves)
        edges += [entry.label] if edge else []
    protocol = {
        **field.words,
        "budget": f"{field.course.budget} evaluations each" if seconds is None else f"{seconds:g} seconds each",
        "learning_rates": {e.label: "its own" if e.rates is None else e.rates.tolist() for e in contest},
        "tuned_on": field.tuned_on,
        "tuning": tuning_in_words(contest, field.tuned_on),
        "at_the_edge_of_the_grid": edges,
        **({"seconds_per_evaluation": took} if took else {}),
    }
    asked = {"x0": x0, "key": key, "seeds": seeds, "spread": spread, "score": score, "evaluations": evaluations}
    return _finish(rows, target, total, protocol, Question(f, asked, {e.label: e.method for e in contest}))


def sweep(
    f: Callable[..., Any] | str,
    x0: Any,
    *,
    method: Any,
    learning_rates: Iterable[float] = GRID,
    evaluations: int = 2000,
    key: Any = None,
    seeds: int | None = None,
    spread: float | None = None,
    target: float | None = None,
    score: Callable[[Any], Any] | None = None,
    every: int | None = None,
) -> Race:
    """One method at many learning rates, from the same starts, trained all at once.

    Args:
        f: as in `race`.
        x0: as in `race`.
        method: a name, a class or an instance.
        learning_rates: the rates, one line of the table each.
        evaluations: the budget of each run.
        key: as in `race`.
        seeds: as in `race`.
        spread: as in `race`.
        target: as in `race`.
        score: as in `race`.
        every: as in `race`.

    Returns:
        A `Race` whose `runs` are labelled by the learning rate.

    Raises:
        TypeError: as `race`, and when the method has no learning rate.
        ValueError: as `race`.

    Example:
        >>> from cycloid.optimize import sweep
        >>> table = sweep("x^2", 1.0, method="gradient-descent", learning_rates=[0.1, 0.5, 1.1], evaluations=20)
        >>> table.value["learning_rate"]
        [0.5, 0.1, 1.1]
    """
    field = set_up(f, x0, evaluations, None, key, seeds, spread, score, every)
    chosen = resolve(method)
    rates = grid(learning_rates)
    curves = curves_of(chosen, rates, field, tuning=False)
    rows: dict[str, Any] = {f"{rate:g}": (str(chosen.name), float(rate), curve) for rate, curve in zip(rates, curves)}
    protocol = {**field.words, "budget": f"{evaluations} evaluations each", "learning_rates": rates.tolist()}
    total = evaluations * curves.shape[0] * curves.shape[1]
    asked = {"x0": x0, "key": key, "seeds": seeds, "spread": spread, "score": score, "evaluations": evaluations}
    return _finish(rows, target, total, protocol, Question(f, asked, chosen))


def _tune(entry: Entry, field: Field, target: float | None) -> tuple[float | None, int, bool]:
    """(the learning rate, evaluations spent on finding it, whether it lies at the edge of the grid)."""
    if entry.rates is None:
        return None, 0, False
    if len(entry.rates) == 1:
        return float(entry.rates[0]), 0, False
    curves = curves_of(entry.method, entry.rates, field, tuning=True)
    best = standings.best_rate(curves, target)
    edges = (int(np.argmin(entry.rates)), int(np.argmax(entry.rates)))
    return float(entry.rates[best]), field.course.budget * curves.shape[0] * curves.shape[1], best in edges


def _finish(
    rows: dict[str, tuple[str, float | None, np.ndarray]],
    target: float | None,
    total: int,
    protocol: dict[str, Any],
    question: Question,
) -> Race:
    """The table, best first, and all that belongs to it."""
    medians = [standings.median(curves[:, -1]) for _, _, curves in rows.values()]
    begun = [standings.median(curves[:, 0]) for _, _, curves in rows.values()]
    goal = standings.default_target(medians, begun) if target is None else float(target)
    wins = standings.distinctions(
        {label: curves for label, (_, _, curves) in rows.items()}, goal, protocol.get("seconds_per_evaluation")
    )
    lines = [
        {"method": name, "learning_rate": rate, **standings.row(curves, goal), "evaluations": curves.shape[1] - 1,
         "best_for": "; ".join(wins[label])}
        for label, (name, rate, curves) in rows.items()
    ]  # fmt: skip
    lines.sort(key=lambda line: (line["objective"], line["evaluations_to_target"]))
    seeds = next(iter(rows.values()))[2].shape[0]
    protocol = {**protocol, "target": goal, "interval": standings.interval_in_words(seeds)}
    result = Race(
        value={column: [line[column] for line in lines] for column in lines[0]},
        error=jnp.asarray(jnp.nan),
        error_kind=ErrorKind.named("none"),
        evaluations=np.int64(total),
        status=Status.named("all_steps"),
        runs={label: curves for label, (_, _, curves) in rows.items()},
        protocol=protocol,
    )
    return conclude(result, throw=False, question=question)
