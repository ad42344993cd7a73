"""`fit`: a model, data and a method in; a run with its chain, metrics and verdict out."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np
import optax
from jax.sharding import Mesh
from jaxtyping import PRNGKeyArray

from cycloid.core.parallel import as_mesh, check_key
from cycloid.core.results import ConvergenceError, Question, conclude
from cycloid.core.tolerance import Tolerance, as_tolerance, working_dtype
from cycloid.learn import checkpoints
from cycloid.learn.loops import Loop
from cycloid.learn.losses import AbstractLoss, as_loss
from cycloid.learn.plans import Plan, Progress
from cycloid.learn.runs import Run
from cycloid.learn.steps import Probes, Recipe
from cycloid.optimize import AbstractCurvatureMethod, AbstractGradientMethod, Adam, from_optax
from cycloid.optimize import method as as_method
from cycloid.train.bars import with_bar
from cycloid.train.conclusions import conclude_run
from cycloid.train.examples import Examples, as_examples, check_loss, default_loss
from cycloid.train.metrics import Measure, choose, live
from cycloid.train.models import as_model, check_outputs, with_remat

# Keys of one run are folded out of the one given, a number a purpose.
PURPOSES = 4
START, ORDER, PROBE, INTERVALS = range(PURPOSES)
MICRO_BATCHES = 8  # a batch is cut into, on a mesh; fixed, so that the bits do not depend on the devices
# Of the rows seen between two records, one in so many is watched of the training and of the validation part: a
# forward pass costs a third of a step's and three are made, which is 2 %. All rows are watched up to the least number.
WATCHED_SHARE, LEAST_WATCHED = 48, 256


def fit(
    model: Any,
    data: Any,
    *,
    key: PRNGKeyArray | None = None,
    loss: Any = None,
    method: Any = None,
    max_steps: int = 2_000,
    batch_size: int | None = 128,
    validation: tuple[Any, Any] | None = None,
    test: tuple[Any, Any] | None = None,
    mesh: Mesh | None = None,
    record_every: int = 100,
    patience: int | None = None,
    metrics: Sequence[str] | str | None = None,
    callback: Callable[[Progress], Any] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int | None = None,
    resume: bool = True,
    accumulate: int | None = None,
    precision: str | None = None,
    remat: bool = False,
    evaluate_rows: int | str | None = None,
    progress: bool = False,
    tol: float | Tolerance = 0.0,
    throw: bool = True,
) -> Run:
    """Train a model by steps w ← w + Δw, Δw from the method and the gradient ∇L on a batch, and record the chain.

    The loss is L(w) = mean over the batch of loss(model_w(x), y) (+ l2 Σ w²). Batches are epochs shuffled by the key;
    `record_every` steps run as one compiled program, the chain is recorded at the first, every `record_every`-th and
    the last step.

    Args:
        model: a name ("linear", "logistic", "softmax", "mlp"), a blueprint such as `mlp(hidden=(64,))`, an equinox
            module called on one example x of shape (d,), or a pair (apply, params) with apply(params, x).
        data: from `load`; or arrays (x, y), trained on as they are, shapes (n, ...) and (n, ...); or an iterable
            of batches (x, y), or a function that returns one for each pass, for data larger than memory.
        key: starting weights, order of the rows and bootstrap are drawn from it.
        loss: "mse", "mae", "huber", "cross_entropy", a loss with options, or a function loss(model, batch); by the
            task when None.
        method: a name in `cy.optimize.METHODS`, or a method; Adam(1e-3) when None.
        max_steps: how many steps at most.
        batch_size: rows a step; None, or at least the number of rows, for all of them in their order.
        validation: (x, y) kept apart for watching and stopping, where `data` does not hold them.
        test: (x, y) kept apart for the metrics and the verdict, where `data` does not hold them.
        mesh: devices that share each batch; the bits do not depend on their number.
        record_every: steps between two records.
        patience: stop when the validation loss has not improved for this many steps; the best model is returned.
        metrics: names, the first being the one judged by; by the task when None.
        callback: called with a `Progress` after each record; returning False stops the run.
        checkpoint: a file to write the state to, atomically, and to resume from.
        checkpoint_every: steps between two checkpoints; every record when None.
        resume: whether an existing checkpoint is gone on from; False replaces it.
        accumulate: micro-batches a batch is cut into, gradients summed in order; 1, or 8 with a mesh, when None.
        precision: "bfloat16" for the passes, the weights staying as they are; None for the weights' own.
        remat: recompute layers in the backward pass: less memory, more time.
        evaluate_rows: rows of training and validation part watched at a record; a number, "all", or None for a
            number that costs a few percent of the time.
        progress: show a progress bar.
        tol: stop when the gradient norm has fallen to tol (1 + its first value); 0 runs all steps.
        throw: raise `ConvergenceError` for a run that broke off or missed its tolerance.

    Returns:
        `Run`: the model, the chain, metrics with intervals on unseen rows, the verdict.

    Raises:
        TypeError, ValueError: for a wrong call; the message says what was expected.
        ConvergenceError: when the loss became infinite, NaN or exploded, or `tol` was not met; the run is attached.

    Transformations:
        None: it works on the host; sweep over methods with `compare`.

    Cost:
        One gradient a step; records add a few percent.

    Example:
        >>> import jax, cycloid as cy
        >>> data = cy.train.load("diabetes", key=jax.random.key(0))
        >>> run = cy.train.fit("linear", data, key=jax.random.key(1), max_steps=1_000)
        >>> run.verdict.improved
        'yes'

    Reference: Rumelhart, Hinton, Williams, Learning representations by back-propagating errors, 1986.
    """
    _check_integers(patience=patience, checkpoint_every=checkpoint_every, optional=True)
    shaping = {"loss": loss, "validation": validation, "test": test, "batch_size": batch_size, "metrics": metrics}
    numbers = {"accumulate": accumulate, "mesh": mesh, "precision": precision, "remat": remat}
    limits = {"max_steps": max_steps, "record_every": record_every, "evaluate_rows": evaluate_rows}
    job = prepare(model, data, key=key, **shaping, **numbers, **limits)
    rule = training_method(method)
    if isinstance(rule, AbstractCurvatureMethod) and job.recipe.accumulate != 1:
        raise TypeError(
            f"{rule.name} takes its curvature from the whole batch at once: leave mesh= and accumulate= out, or train "
            f"with a method of first order such as Adam."
        )
    often = checkpoint_every or record_every
    stop = as_tolerance(tol, working_dtype(eqx.filter(job.start, eqx.is_inexact_array)))
    identity = {} if checkpoint is None else _identity(job, rule, record_every)
    plan = Plan(max_steps, record_every, patience, stop, callback, checkpoint, often, resume, identity)
    loop = Loop(job.recipe, job.start, rule, job.source(), job.probes, plan)
    outcome = with_bar(loop) if progress else loop.run()
    run = conclude_run(outcome, loop, job.start, job.examples, job.measures, key=job.keys[INTERVALS])
    arguments = {"data": data, "validation": validation, "test": test, "loss": job.recipe.loss}
    arguments |= {"max_steps": max_steps, "key": key}
    try:
        return conclude(run, throw=throw, question=Question(job.start, arguments, rule))
    except ConvergenceError as error:
        error.add_note(run.explanation)
        raise


class Job(NamedTuple):
    """A task ready to be trained by any method.

    Attributes:
        examples: trained on and kept apart.
        start: the model before training.
        recipe: what a step is.
        measures: the metrics, the first being the one judged by.
        probes: the rows watched.
        keys: one a purpose.
    """

    examples: Examples
    start: Any
    recipe: Recipe
    measures: list[Measure]
    probes: Probes
    keys: list[PRNGKeyArray]

    def source(self) -> Any:
        """The batches from the first on."""
        return self.examples.source(self.keys[ORDER])


def prepare(
    model: Any,
    data: Any,
    *,
    key: PRNGKeyArray | None,
    loss: Any = None,
    validation: Any = None,
    test: Any = None,
    batch_size: int | None = 128,
    metrics: Sequence[str] | str | None = None,
    accumulate: int | None = None,
    mesh: Mesh | None = None,
    precision: str | None = None,
    remat: bool = False,
    max_steps: int = 2_000,
    record_every: int = 100,
    evaluate_rows: int | str | None = None,
) -> Job:
    """Everything about a training task that does not depend on the method; arguments as in `fit`.

    Raises:
        TypeError, ValueError: for a wrong call.
    """
    checked = check_key(key, "training (starting weights, order of the rows, intervals)")
    keys = [jax.random.fold_in(checked, purpose) for purpose in range(PURPOSES)]
    _check_integers(max_steps=max_steps, record_every=record_every)
    _check_integers(accumulate=accumulate, optional=True)
    asked = None if loss is None else as_loss(loss)
    examples = as_examples(data, loss=asked, model=model, validation=validation, test=test, batch_size=batch_size)
    chosen = default_loss(examples.task) if asked is None else asked
    check_loss(chosen, examples.task)
    measures = choose(metrics, examples.task)
    start = _start(model, examples, chosen, keys[START], remat)
    parts = accumulate or (1 if mesh is None else MICRO_BATCHES)
    length = max(1, min(record_every, examples.longest_chunk))
    recipe = _recipe(examples, chosen, measures, length, parts, mesh, precision)
    probes = examples.probes(_probe_limit(evaluate_rows, record_every * examples.batch_size), keys[PROBE])
    return Job(examples, start, recipe, measures, probes, keys)


def training_method(method: Any) -> AbstractGradientMethod | AbstractCurvatureMethod:
    """The method that works on batches, by their gradients or their objective: Adam(1e-3) for None.

    Raises:
        TypeError: when it needs the same function at every step.
        ValueError: when no method has this name.
    """
    if isinstance(method, optax.GradientTransformation):
        method = from_optax(method)
    chosen = Adam(1e-3) if method is None else as_method(method)
    if not isinstance(chosen, AbstractGradientMethod | AbstractCurvatureMethod):
        raise TypeError(f"the method {chosen.name} needs more than gradients on batches: use minimize, or Adam here.")
    return chosen


def _start(model: Any, examples: Examples, loss: Any, key: PRNGKeyArray, remat: bool) -> Any:
    """The model before training, tried on the shapes of the data."""
    x, y = examples.train.x, examples.train.y
    start = as_model(
        model, task=examples.task, inputs=examples.inputs, outputs=examples.outputs, key=key, dtype=working_dtype(x)
    )
    if isinstance(loss, AbstractLoss):
        check_outputs(start, x, y, examples.task)
    return with_remat(start) if remat else start


def _recipe(
    examples: Examples,
    loss: Any,
    measures: list[Measure],
    length: int,
    parts: int,
    mesh: Mesh | None,
    precision: str | None,
) -> Recipe:
    if precision not in (None, "bfloat16"):
        raise ValueError(f'precision= is None or "bfloat16"; it was {precision!r}.')
    if not isinstance(loss, AbstractLoss) and examples.batch_size % parts:
        raise ValueError(
            f"a function loss(model, batch) is averaged over {parts} micro-batches of equal size: batch_size="
            f"{examples.batch_size} is no multiple of {parts}; use {max(1, examples.batch_size // parts) * parts}."
        )
    score = live(examples.task) if measures else None
    groups = len(examples.groups) if isinstance(loss, AbstractLoss) else 0
    return Recipe(loss, score, examples.batch_size, length, parts, as_mesh(mesh), precision, groups)


def _probe_limit(asked: int | str | None, rows_a_record: int) -> int | None:
    """Rows watched of each part; by default as many as cost a few percent of the steps between two records."""
    if asked == "all":
        return None
    if asked is None:
        return max(LEAST_WATCHED, rows_a_record // WATCHED_SHARE)
    if isinstance(asked, bool) or not isinstance(asked, int) or asked < 1:
        raise ValueError(f'evaluate_rows= is a positive integer, "all", or None; it was {asked!r}.')
    return asked


def _identity(job: Job, method: Any, record_every: int) -> dict[str, str]:
    """What a checkpoint must agree on; devices, patience and the number of steps may change."""
    return checkpoints.identify(
        starting_model=job.start,
        method=method,
        loss=job.recipe.loss,
        data=(job.examples.train, job.examples.validation),
        batch_size=job.recipe.batch_size,
        record_interval=record_every,
        micro_batches=job.recipe.accumulate,
        precision=job.recipe.precision,
        order=job.keys,
    )


def _check_integers(optional: bool = False, **numbers: Any) -> None:
    for name, number in numbers.items():
        if number is None and optional:
            continue
        if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or number < 1:
            raise ValueError(f"{name}= is a positive integer; it was {number!r}.")
