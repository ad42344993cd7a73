"""What a contest is run on: the function, the starts, the chance in them, the budget."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from cycloid.core.functions import FormulaAt, as_objective
from cycloid.core.parallel import check_key
from cycloid.core.results import is_traced
from cycloid.optimize.catalogue import with_rate
from cycloid.optimize.heats import DRAWS, Course, crew, crew_in_words, is_stochastic, run_all
from cycloid.optimize.methods import AbstractMethod, split
from cycloid.optimize.points import as_point, as_static
from cycloid.optimize.standings import by_evaluation

TUNING_SEEDS = 3
SEEDS = 5
SPREAD = 0.1
READINGS = 100
# Time is turned into evaluations by timing a run of so many, longer until it takes so many seconds, up to a bound
# that memory can hold.
CALIBRATION = 256
LONG_ENOUGH = 0.02
TURNS = 3
MOST_EVALUATIONS = 1_000_000


class Field(NamedTuple):
    """Where all methods start.

    Attributes:
        course: the function and the budget.
        start: key -> where one seed starts.
        key: of the caller, or None when nothing is left to chance.
        seeds: how many runs score each method.
        words: the protocol so far.
        crew: the devices that share the runs, each one run after another; None batches them.
    """

    course: Course
    start: Callable[[Any], Any]
    key: Any
    seeds: int
    words: dict[str, Any]
    crew: Any

    @property
    def tuning_seeds(self) -> int:
        """How many other seeds the learning rate is chosen on."""
        return TUNING_SEEDS if self.key is not None else 1

    @property
    def tuned_on(self) -> str:
        """The same in words."""
        return f"{self.tuning_seeds} other seeds" if self.key is not None else "the start itself"

    def line_up(self, *, tuning: bool) -> tuple[Any, Any, Any]:
        """(starts with a leading axis, one key each, the key of the draws); tuning has seeds of its own."""
        base = jax.random.key(0) if self.key is None else self.key
        count = self.tuning_seeds if tuning else self.seeds
        keys = jax.random.split(jax.random.fold_in(base, 1 if tuning else 2), count)
        starts = [self.start(key) for key in keys]
        stack = lambda first, *rest: jnp.stack([first, *rest]) if eqx.is_array(first) else first
        return jax.tree.map(stack, *starts), keys, jax.random.fold_in(base, 3)


def set_up(
    f: Any,
    x0: Any,
    evaluations: int | None,
    seconds: float | None,
    key: Any,
    seeds: int | None,
    spread: float | None,
    score: Any,
    every: int | None,
) -> Field:
    """Check what was asked and say it in words."""
    if evaluations is not None and seconds is not None:
        raise ValueError("a race has one budget: evaluations= or seconds=, not both.")
    budget = 2000 if evaluations is None else _count("evaluations", evaluations)
    if seconds is not None and not (isinstance(seconds, (int, float)) and 0 < seconds < np.inf):
        raise ValueError(f"seconds= is a positive number; it was {seconds!r}.")
    if is_traced(x0):
        raise TypeError("race and sweep are not to be traced: call them plainly, and minimize under jit, vmap or grad.")
    drawn = callable(x0) and not jax.tree.leaves(split(x0)[0])
    if drawn or (key is not None):
        check_key(key, "a start drawn by x0(key)")
    point = as_point(x0(key) if drawn else x0)
    function = as_objective(f, point)
    stochastic = not isinstance(function, FormulaAt) and is_stochastic(f)
    if stochastic or (seeds is not None and seeds > 1):
        check_key(key, "a race with chance (f(x, key), or several seeds)")
    count = (SEEDS if key is not None else 1) if seeds is None else _count("seeds", seeds)
    width = (0.0 if stochastic or drawn else SPREAD) if spread is None else float(spread)
    pace = max(1, budget // READINGS) if every is None else _count("every", every)
    course = Course(as_static(function), stochastic, score, budget, min(pace, budget))
    if drawn:
        start, origin = (lambda k: as_point(x0(k))), "drawn by x0(key)"
    elif key is None:
        start, origin = (lambda _: point), "x0"
    else:
        start, origin = (lambda k: _perturbed(point, width, k)), f"x0 + {width:g} · standard normal"
    words = {
        "starts": origin,
        "seeds": count,
        "measure": "score" if score is not None else f"f, mean over {DRAWS} fixed draws" if stochastic else "f",
        "batches": "the same for every method and rate" if stochastic else "none",
        "ran": crew_in_words(sharing := crew(point)),
    }
    return Field(course, start, key, count, words, sharing)


def curves_of(method: AbstractMethod, rates: np.ndarray | None, field: Field, *, tuning: bool) -> np.ndarray:
    """Curves (rate, seed, evaluation); without rates the method's own, as a single one.

    Raises:
        TypeError: when f branches on a value.
    """
    if rates is None:
        many: Any = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], method)
    else:
        many = with_rate(method, jnp.asarray(rates))
    starts, keys, draw_key = field.line_up(tuning=tuning)
    try:
        readings = run_all(field.course, many, starts, keys, draw_key, field.crew)
    except jax.errors.ConcretizationTypeError as error:
        raise TypeError(
            "f branches on a value; a race runs many points at once: write jnp.where or jax.lax.cond in place of `if`."
        ) from error
    objective, evaluations = np.asarray(readings.objective), np.asarray(readings.evaluations)
    return np.stack([by_evaluation(o, e, field.course.budget) for o, e in zip(objective, evaluations)])


def paces(methods: Mapping[str, AbstractMethod], field: Field, seconds: float | None = None) -> dict[str, float]:
    """Seconds that an evaluation takes each method, on warm runs of one seed that take turns.

    Args:
        methods: by their labels.
        field: what they run on.
        seconds: a budget that no run needs to outlast.
    """
    trials = {label: _trial(method, field, seconds) for label, method in methods.items()}
    # In turns, so that a slow second of the machine falls on all alike.
    rounds = [{label: _time(run) for label, (run, _) in trials.items()} for _ in range(TURNS)]
    return {label: min(took[label] for took in rounds) / budget for label, (_, budget) in trials.items()}


def _trial(method: AbstractMethod, field: Field, seconds: float | None) -> tuple[Callable[[], Any], int]:
    """(a run that lasts long enough to be timed, its evaluations)."""
    budget = CALIBRATION
    while True:
        short = field._replace(seeds=1, course=field.course._replace(budget=budget, every=budget))
        run = lambda short=short: curves_of(method, None, short, tuning=False)
        run()
        if _time(run) >= min(LONG_ENOUGH, seconds or np.inf) or budget >= MOST_EVALUATIONS:
            return run, budget
        budget *= 8


def affordable(seconds: float, each: float) -> int:
    """How many evaluations fit into so many seconds."""
    return int(np.clip(seconds / each, 1, MOST_EVALUATIONS))


def _time(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _count(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{name}= is an integer of at least 1; it was {value!r}.")
    return int(value)


def _perturbed(point: Any, width: float, key: Any) -> Any:
    parameters, rest = split(point)
    leaves, structure = jax.tree.flatten(parameters)
    keys = jax.random.split(key, len(leaves))
    moved = [leaf + width * jax.random.normal(k, leaf.shape, leaf.dtype) for leaf, k in zip(leaves, keys)]
    return eqx.combine(jax.tree.unflatten(structure, moved), rest)
