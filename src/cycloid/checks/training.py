"""Second methods for training: metrics by scikit-learn on a forward pass in NumPy, the gradient, the verdict."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from cycloid.checks.cards import AGREES, DISAGREES, UNCHECKED, Card, compare, resting_on, unchecked
from cycloid.checks.differences import flatten
from cycloid.checks.gauss_newton import curvature_card
from cycloid.checks.operators import slope_cards
from cycloid.checks.registry import register
from cycloid.core.numerals import interval, numeral
from cycloid.core.results import Question
from cycloid.learn.losses import AbstractLoss, as_loss, squared_weights
from cycloid.learn.networks import MLP, Affine
from cycloid.learn.runs import Metric, Run
from cycloid.train.comparisons import Comparison

# Bootstrap samples of the second interval, and by how much of its width the two may differ: with 200 samples the
# ends of a 95 % interval scatter by about a seventh of its half-width, and two methods of interval differ by more.
SAMPLES, APART = 200, 0.35
# Rows on which the gradient is checked.
ROWS = 256


@register(Run)
def check_run(run: Run, question: Question) -> Card:
    """The metrics found again by scikit-learn from a forward pass in NumPy, the verdict, and the gradient at the end.

    Cost: one forward pass, 200 evaluations of each metric, 24 evaluations of the loss in each of 16 directions.
    """
    parts = _parts(question)
    gradient = _gradient_card(run, question, parts)
    if run.metric is None:
        return resting_on(gradient) if gradient is not None else unchecked(
            "the run", run.method, None, "It has no metric, and its data is not known any more."
        )  # fmt: skip
    if run.metric.part not in parts:
        why = f"The {run.metric.part} rows are not known any more: check the run where it was trained."
        return unchecked(f"{run.metric.name} on unseen rows", "bootstrap", run.metric.value, why)
    x, y, unscale = parts[run.metric.part]
    truth = np.asarray(unscale(y), float)
    outputs = np.asarray(unscale(forward(run.value, x)), float)
    cards = [_metric_card(metric, outputs, truth) for metric in run.metrics.values()]
    verdict = _verdict_card(run, question, parts, outputs, truth)
    curvature = _curvature_card(run, question, parts)
    further = [card for card in (*cards[1:], verdict, gradient, curvature) if card is not None]
    return resting_on(cards[0], *further)


@register(Comparison)
def check_comparison(found: Comparison, question: Question) -> Card:
    """The metric of every method found again by scikit-learn, and the best run checked as a whole."""
    best = found.runs[found.best]
    asked = best.question or Question(question.function, {**question.arguments, "loss": as_loss(best.loss)})
    whole = check_run(best, asked)
    parts = _parts(asked)
    if best.metric is None or best.metric.part not in parts:
        return whole
    x, y, unscale = parts[best.metric.part]
    truth = np.asarray(unscale(y), float)
    models = [found.runs[row.method].value for row in found.rows]
    outputs = [np.asarray(unscale(forward(model, x)), float) for model in models]
    again = [by_scikit_learn(best.metric.name, output, truth) for output in outputs]
    claim = f"{best.metric.name} of {', '.join(row.method for row in found.rows)}"
    card = compare(claim, "our sums over rows", "scikit-learn on a forward pass in NumPy",
                   [row.metric for row in found.rows], again, allowance=1e-4 * max(1.0, *np.abs(again)))  # fmt: skip
    return resting_on(card, whole)


def _parts(question: Question) -> dict[str, tuple[Any, Any, Callable[[Any], Any]]]:
    """The parts of the data by name: inputs, targets, and the way back to the target's own unit."""
    asked = question.arguments
    data: Any = asked.get("data")
    if hasattr(data, "preparation"):
        found = {name: getattr(data, name) for name in ("train", "validation", "test")}
        back = data.preparation.unscaled
        return {name: (rows.x, rows.y, back) for name, rows in found.items() if rows is not None}
    pairs = {"train": data, "validation": asked.get("validation"), "test": asked.get("test")}
    whole = {name: pair for name, pair in pairs.items() if isinstance(pair, (tuple, list)) and len(pair) == 2}
    return {name: (jnp.asarray(x), jnp.asarray(y), lambda v: v) for name, (x, y) in whole.items()}


_NUMPY: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "relu": lambda z: np.maximum(z, 0.0),
    "gelu": lambda z: 0.5 * z * (1.0 + np.tanh(np.sqrt(2.0 / np.pi) * (z + 0.044715 * z**3))),
    "silu": lambda z: z / (1.0 + np.exp(-z)),
    "softplus": lambda z: np.logaddexp(z, 0.0),
    "tanh": np.tanh,
    "sigmoid": lambda z: 1.0 / (1.0 + np.exp(-z)),
    "sin": np.sin,
    "identity": lambda z: z,
}


def forward(model: Any, x: Any) -> np.ndarray:
    """The outputs of a model on every row: in NumPy for affine maps and perceptrons, else by the model itself."""
    if isinstance(model, Affine):
        return _affine(model, np.asarray(x, float))
    if isinstance(model, MLP) and model.activation in _NUMPY:
        rows = np.asarray(x, float)
        with np.errstate(over="ignore"):
            for layer in model.layers[:-1]:
                rows = _NUMPY[model.activation](_affine(layer, rows))
        return _affine(model.layers[-1], rows)
    return np.asarray(jax.vmap(model)(x), float)


def _affine(layer: Affine, x: np.ndarray) -> np.ndarray:
    product = x @ np.asarray(layer.weight, float)
    return product if layer.bias is None else product + np.asarray(layer.bias, float)


def by_scikit_learn(name: str, outputs: np.ndarray, y: np.ndarray) -> float:
    """A metric by its name, from outputs: values of a regression, or logits of classes."""
    from sklearn import metrics

    if name in ("r2", "rmse", "mae"):
        outputs = outputs.reshape(y.shape)
        if name == "r2":
            return float(metrics.r2_score(y, outputs, multioutput="variance_weighted"))
        error = metrics.root_mean_squared_error if name == "rmse" else metrics.mean_absolute_error
        return float(error(y, outputs))
    several = outputs.ndim == 2 and outputs.shape[1] > 1
    said = outputs.argmax(1) if several else (outputs.reshape(len(y)) > 0).astype(int)
    classes = outputs.shape[1] if several else 2
    if name == "accuracy":
        return float(metrics.accuracy_score(y, said))
    if name == "f1":
        labels, average = (list(range(classes)), "macro") if classes > 2 else ([1], "macro")
        return float(metrics.f1_score(y, said, labels=labels, average=average, zero_division=cast(Any, 0.0)))
    if name == "log_loss":
        from scipy.special import expit, softmax

        shares = softmax(outputs, axis=1) if several else expit(outputs.reshape(len(y)))
        return float(metrics.log_loss(y, shares, labels=list(range(classes))))
    raise ValueError(f"there is no second method for the metric {name!r}.")


def _metric_card(metric: Metric, outputs: np.ndarray, y: np.ndarray) -> Card:
    """The value to rounding, the interval to the scatter of a bootstrap."""
    claim = f"{metric.name} on {metric.rows} {metric.part} rows, {interval(metric.low, metric.high)}"
    again = by_scikit_learn(metric.name, outputs, y)
    # log-loss is computed by scikit-learn from probabilities clipped at their last bit
    allowance = (1e-4 if metric.name == "log_loss" else 1e-6) * max(1.0, abs(metric.value))
    card = compare(claim, "our sums over rows", "scikit-learn on a forward pass in NumPy", metric.value, again,
                   allowance=allowance)  # fmt: skip
    if not np.all(np.isfinite([metric.low, metric.high])):
        return card
    low, high, how = _second_interval(metric, outputs, y)
    width = max(high - low, metric.high - metric.low)
    off = max(abs(low - metric.low), abs(high - metric.high))
    if metric.rows and off > APART * width + 1e-9:
        why = (
            f"The interval by {how} is {interval(low, high)}; the ends differ by {off / width:.0%} of its width, more "
            f"than two ways to find an interval do."
        )
        return dataclasses.replace(card, verdict=DISAGREES, sentence=why)
    return dataclasses.replace(card, sentence=f"The {metric.level:.0%} interval by {how}: {interval(low, high)}.")


def _second_interval(metric: Metric, outputs: np.ndarray, y: np.ndarray) -> tuple[float, float, str]:
    """Wilson's interval by SciPy for a share, a bootstrap with draws of its own for the others."""
    if metric.name == "accuracy":
        from scipy import stats

        hits = round(by_scikit_learn("accuracy", outputs, y) * len(y))
        ends = stats.binomtest(hits, len(y)).proportion_ci(metric.level, method="wilson")
        return float(ends.low), float(ends.high), "SciPy's binomial test"
    values = bootstrap([outputs], y, lambda draws, truth: [by_scikit_learn(metric.name, draws[0], truth)])
    low, high = np.nanquantile(values, [(1 - metric.level) / 2, (1 + metric.level) / 2])
    return float(low), float(high), f"a second bootstrap of {SAMPLES} samples"


def bootstrap(outputs: list[np.ndarray], y: np.ndarray, statistic: Callable[..., list[float]]) -> np.ndarray:
    """The statistics on samples of the rows, drawn with replacement by NumPy's generator; one row a sample."""
    random = np.random.default_rng(20240229)
    samples = (random.integers(0, len(y), len(y)) for _ in range(SAMPLES))
    found = []
    for rows in samples:
        if np.ptp(y[rows]) == 0:  # neither R² nor F1 is defined where all drawn targets are the same
            continue
        found.append(statistic([o[rows] for o in outputs], y[rows]))
    return np.array(found if found else [[np.nan] * len(outputs)])


def _verdict_card(run: Run, question: Question, parts: Any, outputs: np.ndarray, y: np.ndarray) -> Card | None:
    """Did the metric improve on the untrained model and on the trivial rival, by a bootstrap of its own."""
    verdict, metric = run.verdict, run.metric
    if verdict is None or metric is None or metric.part == "train":
        return None
    x, _, unscale = parts[metric.part]
    start = np.asarray(unscale(forward(question.function, x)), float)
    rival = _rival(run.task, parts, outputs, y)
    sign = 1.0 if metric.better == "higher" else -1.0
    score = lambda o, t: by_scikit_learn(metric.name, o, t)
    gains = sign * (score(outputs, y) - np.array([score(start, y), score(rival, y)]))
    scores = bootstrap([outputs, start, rival], y, lambda drawn, truth: [score(o, truth) for o in drawn])
    ends = [np.nanquantile(sign * (scores[:, 0] - scores[:, k]), [0.025, 0.975]) for k in (1, 2)]
    again = "yes" if min(e[0] for e in ends) > 0 else "no" if min(e[1] for e in ends) <= 0 else "unclear"
    edge = min(min(abs(e)) for e in ends) < 0.1 * max(e[1] - e[0] for e in ends)
    claim = f"did {metric.name} improve beyond noise? {verdict.improved}"
    card = compare(claim, "gain over the start, lead over the rival", "the same by scikit-learn, NumPy's draws",
                   [verdict.gain, verdict.lead], gains, allowance=1e-4 * max(1.0, *np.abs(gains)))  # fmt: skip
    words = f"The second bootstrap puts the lead over {verdict.baseline} at {interval(*ends[1], digits=3)}: {again}."
    if card.verdict == AGREES and again != verdict.improved:
        state = UNCHECKED if edge else DISAGREES
        close = " An end of the interval lies so near zero that the draws decide." if edge else ""
        return dataclasses.replace(card, verdict=state, sentence=words + close)
    return dataclasses.replace(card, sentence=words)


def _rival(task: str, parts: Any, outputs: np.ndarray, y: np.ndarray) -> np.ndarray:
    """What needs no inputs: the mean of the training targets, or the logits of how frequent each class is."""
    _, trained_on, unscale = parts["train"]
    target = np.asarray(unscale(trained_on), float)
    if task == "regression":
        return np.broadcast_to(target.mean(0), y.shape)
    several = outputs.ndim == 2 and outputs.shape[1] > 1
    shares = np.bincount(target.astype(int), minlength=outputs.shape[1] if several else 2) / len(target)
    logs = np.log(np.maximum(shares, 1e-12))
    return np.broadcast_to(logs, outputs.shape) if several else np.full(len(y), logs[1] - logs[0])


def _gradient_card(run: Run, question: Question, parts: Any) -> Card | None:
    """The gradient of the loss at the trained weights, on the first training rows."""
    if "train" not in parts:
        return None
    loss = question.arguments.get("loss")
    x, y, _ = parts["train"]
    batch = jax.tree.map(lambda leaf: leaf[:ROWS], (x, y))
    moving, fixed = eqx.partition(run.value, eqx.is_inexact_array)
    value = lambda weights: _loss(loss, eqx.combine(weights, fixed), batch)
    f, point = flatten(value, moving)
    slopes = np.asarray(jax.jit(jax.grad(lambda v: jnp.asarray(f(v)).reshape(())))(point), float)
    length = numeral(np.linalg.norm(slopes))
    claim = f"backpropagation gives the gradient of {run.loss} at the end, of length {length}"
    cards = slope_cards(f, point, slopes, claim)
    return resting_on(cards[0], *cards[1:])


def _curvature_card(run: Run, question: Question, parts: Any) -> Card | None:
    """Of a run by a method of curvature: a product with its matrix, and the falls of its steps."""
    if "train" not in parts:
        return None
    x, y, _ = parts["train"]
    return curvature_card(run, question.arguments.get("loss"), x, y)


def _loss(loss: Any, model: Any, batch: tuple[Any, Any]) -> Any:
    if not isinstance(loss, AbstractLoss):
        return loss(model, batch)
    mean = jnp.mean(loss.examples(jax.vmap(model)(batch[0]), batch[1]))
    return mean + loss.l2 * squared_weights(model) if loss.l2 else mean
