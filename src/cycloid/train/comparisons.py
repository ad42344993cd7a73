"""`compare`: several methods on one task, from the same start, on the same batches, for the same number of steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, final

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, Float, Int, PRNGKeyArray

from cycloid.core.results import ErrorKind, Question, Result, Status, conclude
from cycloid.learn.runs import Run
from cycloid.learn.sweeps import sweep
from cycloid.optimize.catalogue import with_rate
from cycloid.train.conclusions import evaluate
from cycloid.train.drivers import Job, fit, prepare, training_method
from cycloid.train.metrics import Measure, percentiles, replicate, sums

if TYPE_CHECKING:
    import pandas

RATES = tuple(float(f"{10.0**e:.3g}") for e in np.arange(-4.0, 0.5, 0.5))  # 1e-4 ... 1, two a decade
LEVEL = 0.95
NOTHING = (float("nan"), float("nan"), float("nan"))


class Standing(NamedTuple):
    """One method's line in a comparison.

    Attributes:
        method: its name.
        learning_rate: the one it was trained with; NaN for a schedule.
        train_loss: at the end.
        validation_loss: at the end (the lowest, with patience).
        metric: on the rows kept apart.
        low: lower end of its interval.
        high: upper end.
        behind: how far its metric is behind the best method's, positive when it is worse.
        behind_low: lower end of the paired interval.
        behind_high: upper end.
    """

    method: str
    learning_rate: float
    train_loss: float
    validation_loss: float
    metric: float
    low: float
    high: float
    behind: float
    behind_low: float
    behind_high: float


@final
class Comparison(Result):
    """Several methods on one task.

    Attributes:
        value: the first metric of each method on the rows kept apart.
        error: half the width of each interval.
        error_kind: "estimate".
        evaluations: gradients taken in all, those of the tuning included.
        status: of each run.
        runs: by method.
        rows: one `Standing` a method, best first, by the validation loss.
        tuning: by method, the validation loss of each learning rate tried; empty where none was.
        rates: the learning rates tried.
        metric: name of the metric.
        protocol: how the comparison was made, in sentences.
        sentence: what it shows.
    """

    value: Float[ArrayLike, " methods"]
    error: Float[ArrayLike, " methods"]
    error_kind: ErrorKind
    evaluations: Int[ArrayLike, ""]
    status: Status
    runs: dict[str, Run]
    rows: tuple[Standing, ...]
    tuning: dict[str, np.ndarray]
    rates: np.ndarray
    metric: str = eqx.field(static=True)
    protocol: str = eqx.field(static=True)
    sentence: str = eqx.field(static=True)

    @property
    def best(self) -> str:
        """The method with the lowest validation loss."""
        return self.rows[0].method

    def steps_to(self, loss: float | None = None) -> dict[str, float]:
        """The first recorded step at which the training loss had fallen to a level; NaN where it never did.

        Args:
            loss: the level; by default the highest of the final losses, which every method reached.
        """
        curves = {name: (run.history["step"], run.history["train_loss"]) for name, run in self.runs.items()}
        level = max(float(np.nanmin(losses)) for _, losses in curves.values()) if loss is None else loss
        return {
            name: float(steps[losses <= level][0]) if (losses <= level).any() else float("nan")
            for name, (steps, losses) in curves.items()
        }

    def to_pandas(self) -> pandas.DataFrame:
        """The rows as a table."""
        import pandas

        return pandas.DataFrame(self.rows).set_index("method")


def compare(
    model: Any,
    data: Any,
    methods: Sequence[Any] | Mapping[str, Any] = ("sgd", "momentum", "rmsprop", "adam"),
    *,
    key: PRNGKeyArray | None = None,
    learning_rates: Sequence[float] | None = RATES,
    max_steps: int = 1_000,
    **options: Any,
) -> Comparison:
    """Train the same model by several methods and say which did best, and whether the difference is beyond noise.

    Fair by construction: every method begins with the same weights, sees the same batches in the same order, and makes
    the same number of steps. Its learning rate is chosen by the validation loss among `learning_rates`, all of them
    trained at once; the metric is then taken on test rows that chose nothing.

    Args:
        model: as in `fit`.
        data: as in `fit`, but no stream; with validation rows, or the rates are chosen by the training loss.
        methods: names, classes or methods; a dict gives them other names.
        key: as in `fit`.
        learning_rates: to choose from; None keeps each method's own. A schedule always stays as it is.
        max_steps: steps a run.
        options: further arguments of `fit`: loss, batch_size, record_every, patience, mesh ...

    Returns:
        `Comparison`.

    Raises:
        TypeError, ValueError: as `fit`.

    Transformations:
        None: it works on the host.

    Cost:
        max_steps gradients a method, and max_steps a learning rate for the tuning.

    Example:
        >>> import jax, cycloid as cy
        >>> data = cy.train.load("iris", key=jax.random.key(0))
        >>> found = compare("softmax", data, ("sgd", "adam"), key=jax.random.key(1), max_steps=200)
        >>> sorted(found.runs)
        ['adam', 'sgd']
    """
    chosen = _by_name(methods)
    if options.get("checkpoint") and len(chosen) > 1:
        raise ValueError("checkpoint= keeps one run: compare several methods without it, or call fit for each.")
    options = {"throw": False, **options}
    job = prepare(model, data, key=key, max_steps=max_steps, **_known(options))
    if job.examples.stream is not None:
        raise TypeError("compare trains on the same rows several times: pass rows, not a stream.")
    rates = np.asarray([] if learning_rates is None else learning_rates, float)
    tuning = {name: _tune(job, method, rates, max_steps) for name, method in chosen.items()}
    tuned = {name: _with_best(method, rates, tuning[name]) for name, method in chosen.items()}
    runs = {name: fit(model, data, key=key, method=m, max_steps=max_steps, **options) for name, m in tuned.items()}
    rows = _standings(runs, tuned, job)
    tried = sum(len(losses) for losses in tuning.values())
    order = [row.method for row in rows]
    result = Comparison(
        value=jnp.asarray([row.metric for row in rows]),
        error=jnp.asarray([(row.high - row.low) / 2 for row in rows]),
        error_kind=ErrorKind.named("estimate"),
        evaluations=jnp.asarray(sum(run.steps for run in runs.values()) + tried * max_steps),
        status=Status(jnp.stack([jnp.asarray(runs[name].status.code) for name in order])),
        runs={name: runs[name] for name in order},
        rows=rows,
        tuning=tuning,
        rates=rates,
        metric=job.measures[0].title if job.measures else "",
        protocol=_protocol(job, max_steps, rates),
        sentence=_sentence(rows, job.measures[0] if job.measures else None),
    )
    return conclude(result, throw=False, question=Question(job.start, {"data": data, "key": key}, tuple(order)))


def _by_name(methods: Sequence[Any] | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(methods, Mapping):
        return {str(name): training_method(method) for name, method in methods.items()}
    found: dict[str, Any] = {}
    for choice in (methods,) if isinstance(methods, str) else methods:
        method = training_method(choice)
        if method.name in found:
            raise ValueError(f"{method.name} is there twice: give the two names, {{'a': ..., 'b': ...}}.")
        found[method.name] = method
    if not found:
        raise ValueError('methods= names at least one method, such as ("sgd", "adam").')
    return found


def _known(options: dict[str, Any]) -> dict[str, Any]:
    """The options that shape the task itself."""
    shaping = ("loss", "batch_size", "validation", "test", "mesh", "record_every", "metrics", "accumulate")
    shaping += ("precision", "remat", "evaluate_rows")
    return {name: value for name, value in options.items() if name in shaping}


def _tune(job: Job, method: Any, rates: np.ndarray, max_steps: int) -> np.ndarray:
    """The validation loss of each learning rate; empty for a method that keeps its own."""
    own = getattr(method, "learning_rate", None)
    if not len(rates) or own is None or callable(own):
        return np.zeros(0)
    watched = job.examples.validation or job.examples.train
    members = with_rate(method, jnp.asarray(rates))
    return sweep(job.recipe, job.start, members, job.source(), watched, max_steps)


def _with_best(method: Any, rates: np.ndarray, losses: np.ndarray) -> Any:
    if not len(losses):
        return method
    if not np.isfinite(losses).any():
        return with_rate(method, float(rates.min()))
    return with_rate(method, float(rates[int(np.argmin(losses))]))


def _standings(runs: dict[str, Run], methods: dict[str, Any], job: Job) -> tuple[Standing, ...]:
    """The lines, by the loss on rows that are not the test's; how far each is behind the first, on the same draws."""
    watched = "validation_loss" if job.examples.validation is not None else "train_loss"
    final = {name: _final(run, watched) for name, run in runs.items()}
    order = sorted(runs, key=lambda name: final[name] if np.isfinite(final[name]) else np.inf)
    behind = _behind([runs[name] for name in order], job)
    rows = []
    for name, gap in zip(order, behind, strict=True):
        run, metric = runs[name], runs[name].metric
        rate = getattr(methods[name], "learning_rate", None)
        number = float(rate) if isinstance(rate, (int, float)) else float("nan")
        value, low, high = NOTHING if metric is None else (metric.value, metric.low, metric.high)
        rows.append(Standing(name, number, _final(run, "train_loss"), final[name], value, low, high, *gap))
    return tuple(rows)


def _final(run: Run, name: str) -> float:
    losses = run.history.get(name)
    if losses is None or not len(losses) or not bool(run.status.ok):
        return float("nan")
    kept = run.history["step"] == run.best_step
    return float(losses[kept][0] if run.status.name == "stopped_early" and kept.any() else losses[-1])


def _behind(runs: list[Run], job: Job) -> list[tuple[float, float, float]]:
    """(gap, low, high) of each run's metric to the first run's, positive when it is worse."""
    if not job.measures:
        return [NOTHING for _ in runs]
    measure = job.measures[0]
    _, rows = job.examples.held_out()
    y = job.examples.unscaled(rows.y)
    tables = [sums(measure, job.examples.unscaled(evaluate(run.value, rows.x)), y) for run in runs]
    drawn = [measure.finish(draws) for draws in replicate(job.keys[-1], tables)]
    values = [float(measure.finish(table.sum(0))) for table in tables]
    sign = 1.0 if measure.better == "higher" else -1.0
    ends = [percentiles(sign * (drawn[0] - draws), LEVEL) for draws in drawn]
    return [(sign * (values[0] - v), low, high) for v, (low, high) in zip(values, ends, strict=True)]


def _protocol(job: Job, max_steps: int, rates: np.ndarray) -> str:
    part, rows = job.examples.held_out()
    chosen = "validation" if job.examples.validation is not None else "training"
    tuned = (
        f"each learning rate is the best of {len(rates)} from {rates.min():g} to {rates.max():g} by the {chosen} loss"
        if len(rates)
        else "each method keeps its own learning rate"
    )
    return (
        f"Same starting weights, same batches of {job.recipe.batch_size}, {max_steps} steps each; {tuned}; metrics on "
        f"{rows.count} {part} rows."
    )


def _sentence(rows: tuple[Standing, ...], measure: Measure | None) -> str:
    best = rows[0]
    if measure is None or len(rows) == 1:
        return f"{best.method} has the lowest validation loss, {best.validation_loss:.4g}."
    worse = [row.method for row in rows[1:] if row.behind_low > 0]
    better = [row.method for row in rows[1:] if row.behind_high < 0]
    alike = [row.method for row in rows[1:] if row.method not in (*worse, *better)]
    parts = [f"{best.method} has the lowest validation loss, with {measure.title} {best.metric:.3f} on the test rows."]
    if worse:
        parts.append(f"{', '.join(worse)} did worse beyond noise.")
    if alike:
        parts.append(f"The difference to {', '.join(alike)} may be chance.")
    if better:
        parts.append(f"On the test rows {', '.join(better)} did better.")
    return " ".join(parts)
