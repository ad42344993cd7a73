"""What `fit` trains on, whichever way the data came: rows or a stream, parts kept apart, task, groups of examples."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from cycloid.learn.feeds import ResidentSource, Rows, StreamSource
from cycloid.learn.losses import AbstractLoss, CrossEntropy, SquaredError
from cycloid.learn.steps import Probes
from cycloid.train.models import MODELS, Blueprint
from cycloid.train.preparation import Data, Preparation

# Bounds on what one chunk of steps holds beside the rows: the row numbers drawn, or the stacked batches of a stream.
CHUNK_ROWS, CHUNK_BYTES = 2**20, 2**27
QUARTILES_FROM = 8  # rows from which a regression's examples are grouped by quartiles of the target


@dataclasses.dataclass(frozen=True)
class Examples:
    """Training examples and all that is known about them.

    Attributes:
        train: the rows trained on; of a stream, its first batch, by which the others are judged.
        stream: the source of batches, or None.
        validation: rows for watching and stopping, or None.
        test: rows for the metrics, or None.
        task: "regression", "binary", "multiclass" or "other".
        classes: labels of the classes, or None.
        groups: names of the groups of examples.
        report: sentences about the data.
        preparation: from raw rows to inputs, or None.
        batch_size: rows a step.
    """

    train: Rows
    stream: StreamSource | None
    validation: Rows | None
    test: Rows | None
    task: str
    classes: tuple[Any, ...] | None
    groups: tuple[str, ...]
    report: tuple[str, ...]
    preparation: Preparation | None
    batch_size: int

    @property
    def inputs(self) -> int | None:
        """Length of an example; None when it is no vector."""
        leaves = jax.tree.leaves(self.train.x)
        return leaves[0].shape[1] if len(leaves) == 1 and leaves[0].ndim == 2 else None

    @property
    def outputs(self) -> int | None:
        """Length of the model's output; None for a scalar."""
        if self.task == "multiclass":
            return len(self.classes or ())
        return self.train.y.shape[1] if self.task == "regression" and self.train.y.ndim == 2 else None

    @property
    def longest_chunk(self) -> int:
        """How many steps may run as one program."""
        if self.stream is None:
            return CHUNK_ROWS // self.batch_size
        size = sum(np.asarray(leaf).nbytes for leaf in jax.tree.leaves(self.stream.first))
        return CHUNK_BYTES // max(size, 1)

    def source(self, key: PRNGKeyArray) -> ResidentSource | StreamSource:
        """Of the batches, in the order of this key."""
        return self.stream or ResidentSource(self.train, self.batch_size, key)

    def probes(self, limit: int | None, key: PRNGKeyArray) -> Probes:
        """A fixed sample of at most `limit` rows of the training and of the validation part."""
        picked = (_sample(rows, limit, key) for rows in (self.train, self.validation))
        train, validation = picked
        assert train is not None
        return Probes(train, validation)

    def held_out(self) -> tuple[str, Rows]:
        """The rows for the metrics: the test part, else the validation part, else the training part."""
        for name, rows in (("test", self.test), ("validation", self.validation)):
            if rows is not None:
                return name, rows
        return "train", self.train

    def unscaled(self, values: Any) -> Any:
        """Outputs or targets in the target's own unit."""
        return values if self.preparation is None else self.preparation.unscaled(values)


def as_examples(
    data: Any, *, loss: Any, model: Any, validation: Any = None, test: Any = None, batch_size: int | None
) -> Examples:
    """Examples from prepared data, from arrays (x, y), or from an iterable of batches.

    Args:
        data: what the user gave to `fit`.
        loss: the loss, or None; with plain arrays it tells the task.
        model: the model; its name tells the task where the loss does not.
        validation: arrays (x, y) kept apart.
        test: arrays (x, y) kept apart.
        batch_size: rows a step, None for all.

    Raises:
        TypeError: when the data is of another kind.
        ValueError: when shapes do not agree, numbers are not finite, or the task cannot be told.
    """
    if isinstance(data, Data):
        if validation is not None or test is not None:
            raise ValueError("prepared data holds its own validation and test part: leave validation= and test= out.")
        size = _batch_size(batch_size, data.train.count)
        return _finish(data.train, None, data.validation, data.test, data.task, data, size)
    apart = [None if part is None else _rows(part, name) for part, name in ((validation, "validation"), (test, "test"))]
    if isinstance(data, (tuple, list)) and len(data) == 2 and not isinstance(data[0], (tuple, list)):
        train, stream = _rows(data, "data"), None
        size = _batch_size(batch_size, train.count)
    elif callable(data) or isinstance(data, Iterable):
        stream = StreamSource(data)
        train, size = jax.tree.map(jnp.asarray, stream.first), stream.batch_size
    else:
        raise TypeError(
            "data comes from cycloid.train.load, or is a pair of arrays (x, y), or an iterable of such batches; it was "
            f"a {type(data).__name__}."
        )
    task = _task(loss, model, train.y)
    known = [part for part in (train, *apart) if part is not None]
    train, *rest = (_typed(part, task, index) for index, part in enumerate(known))
    others = iter(rest)
    apart = [None if part is None else next(others) for part in apart]
    return _finish(train, stream, apart[0], apart[1], task, None, size)


def default_loss(task: str) -> Any:
    """The squared error for quantities, the cross-entropy for classes.

    Raises:
        ValueError: when the task is unknown.
    """
    if task == "other":
        raise ValueError('pass loss=: "mse", "cross_entropy", or a function loss(model, batch).')
    return SquaredError() if task == "regression" else CrossEntropy()


def check_loss(loss: Any, task: str) -> None:
    """ValueError when a loss of regression meets classes, or the other way round."""
    if isinstance(loss, AbstractLoss) and task != "other" and (loss.task == "regression") != (task == "regression"):
        fitting = default_loss(task).name
        raise ValueError(f'the loss {loss.name} is for {loss.task}, the target calls for {task}: use "{fitting}".')


def _finish(train: Rows, stream: Any, validation: Any, test: Any, task: str, data: Data | None, size: int) -> Examples:
    classes = data.classes if data is not None else _classes(task, [train, validation, test])
    preparation = None if data is None else data.preparation
    names, group = _grouping(task, classes, train.y, preparation)
    label = lambda rows: Rows(rows.x, rows.y, group(rows.x, rows.y))
    if stream is not None:
        stream.interpret(lambda rows: jax.tree.map(np.asarray, label(_typed(jax.tree.map(jnp.asarray, rows), task, 0))))
    watched = None if validation is None else label(validation)
    report = () if data is None else data.report
    return Examples(label(train), stream, watched, test, task, classes, names, report, preparation, size)


def _rows(part: Any, name: str) -> Rows:
    if not (isinstance(part, (tuple, list)) and len(part) == 2):
        raise TypeError(f"{name} is a pair of arrays (x, y); it was a {type(part).__name__}.")
    x, y = jax.tree.map(_floats, part[0]), _floats(part[1])
    counts = {leaf.shape[0] if leaf.ndim else 0 for leaf in (*jax.tree.leaves(x), y)}
    if len(counts) != 1 or 0 in counts:
        shapes = [leaf.shape for leaf in (*jax.tree.leaves(x), y)]
        raise ValueError(f"{name}: x and y need the same number of rows, at least one; their shapes were {shapes}.")
    for label, leaf in (*(("x", leaf) for leaf in jax.tree.leaves(x)), ("y", y)):
        wrong = np.argwhere(~np.isfinite(np.asarray(leaf, float)))
        if len(wrong):
            raise ValueError(
                f"{name}: {label} has {len(wrong)} values that are NaN or infinite, the first at index "
                f"{tuple(int(i) for i in wrong[0])}. Fill them or leave the rows out; cycloid.train.load does."
            )
    return Rows(x, y)


def _floats(leaf: Any) -> Any:
    """An array; Python numbers and integers of inputs in the default float, other floats in their own dtype."""
    array = np.asarray(leaf)
    if array.dtype.kind not in "fiub" and not jnp.issubdtype(array.dtype, jnp.floating):
        raise ValueError(f"arrays hold numbers, these hold {array.dtype}: cycloid.train.load turns text into numbers.")
    return leaf if isinstance(leaf, jax.Array) else jnp.asarray(array)


def _typed(rows: Rows, task: str, index: int) -> Rows:
    """Inputs as floats, class numbers as integers, targets of a regression in the dtype of the inputs."""
    x = jax.tree.map(lambda a: a if jnp.issubdtype(a.dtype, jnp.floating) else a.astype(jnp.result_type(float)), rows.x)
    if task == "other":
        return Rows(x, rows.y)
    if task == "regression":
        return Rows(x, rows.y.astype(jax.tree.leaves(x)[0].dtype))
    y = np.asarray(rows.y, float)
    if y.ndim != 1 or np.mod(y, 1).any() or y.min() < 0:
        part = ("data", "validation or test", "test")[index]
        raise ValueError(f"{part}: classes are integers 0, 1, ... in an array of shape (n,); y has shape {y.shape}.")
    return Rows(x, rows.y.astype(jnp.int32))


def _task(loss: Any, model: Any, y: Any) -> str:
    several = np.asarray(y).max() > 1 if np.asarray(y).size else False
    classes = "multiclass" if several else "binary"
    if isinstance(loss, AbstractLoss):
        return "regression" if loss.task == "regression" else classes
    name = model.name if isinstance(model, Blueprint) else str(model).lower() if isinstance(model, str) else ""
    if name in MODELS and name != "mlp":
        return "regression" if name == "linear" else classes
    if loss is not None:
        return "other"
    if jnp.issubdtype(y.dtype, jnp.floating):
        return "regression"
    raise ValueError(
        'y holds integers: pass loss="cross_entropy" when they are classes, loss="mse" when they are quantities.'
    )


def _classes(task: str, parts: list[Rows | None]) -> tuple[Any, ...] | None:
    if task not in ("binary", "multiclass"):
        return None
    top = max(int(np.asarray(part.y).max()) for part in parts if part is not None)
    return tuple(range(max(top, 1) + 1))


def _grouping(
    task: str, classes: tuple[Any, ...] | None, y: Any, preparation: Preparation | None
) -> tuple[tuple[str, ...], Callable[[Any, Any], Any]]:
    """Names of the groups and the function that finds them: the class, or the quartile of the target."""
    if classes is not None:
        return tuple(str(label) for label in classes), lambda x, y: jnp.asarray(y, jnp.int32)
    target = np.asarray(y, float)
    if task != "regression" or target.ndim != 1 or len(target) < QUARTILES_FROM:
        return (), lambda x, y: None
    cuts = np.unique(np.quantile(target, [0.25, 0.5, 0.75]))
    shown = cuts if preparation is None else np.asarray(preparation.unscaled(cuts), float)
    name = "y" if preparation is None else preparation.target
    between = [f"{a:.4g} < {name} ≤ {b:.4g}" for a, b in itertools.pairwise(shown)]
    names = (f"{name} ≤ {shown[0]:.4g}", *between, f"{name} > {shown[-1]:.4g}")
    return names, lambda x, y: jnp.asarray(np.searchsorted(cuts, np.asarray(y, float)), jnp.int32)


def _sample(rows: Rows | None, limit: int | None, key: PRNGKeyArray) -> Rows | None:
    if rows is None or limit is None or rows.count <= limit:
        return rows
    random = np.random.default_rng(np.asarray(jax.random.key_data(key)).ravel())
    return rows.take(jnp.asarray(np.sort(random.choice(rows.count, limit, replace=False))))


def _batch_size(batch_size: int | None, rows: int) -> int:
    if batch_size is None:
        return rows
    if isinstance(batch_size, bool) or not isinstance(batch_size, (int, np.integer)) or batch_size < 1:
        raise ValueError(f"batch_size= is a positive integer, or None for all rows; it was {batch_size!r}.")
    return min(int(batch_size), rows)
