"""`load`: a table made ready for training, each choice reported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import PRNGKeyArray

from cycloid.core.parallel import check_key
from cycloid.learn.feeds import Rows
from cycloid.train.columns import Column, as_numbers, as_text, column_of, fit_column, kind_of
from cycloid.train.preparation import Data, Preparation
from cycloid.train.sources import Source, open_source
from cycloid.train.splits import PARTS, check_split, split_rows
from cycloid.train.targets import encode_classes, find_target, giveaways, infer_task

FEATURES = 20_000  # after categories have been spread out


def load(
    source: Any,
    target: str | None = None,
    *,
    key: PRNGKeyArray | None = None,
    split: Sequence[float] = (0.6, 0.2, 0.2),
    task: str | None = None,
    drop: Sequence[str] = (),
    keep: Sequence[str] = (),
    scale: bool = True,
    separator: str | None = None,
    encoding: str = "utf-8",
) -> Data:
    """Make a data set ready for training: types, empty cells, categories, scaling, and three parts by a key.

    Everything that is learned from the data (medians, categories, means and standard deviations) is learned from
    the training rows alone and applied to the others.

    Args:
        source: a bundled set ("diabetes", "breast_cancer", "wine", "iris", "digits"), the path of a CSV file, a
            DataFrame, or arrays (x, y).
        target: name of the column to predict; bundled sets know theirs.
        key: fixes which row falls into which part.
        split: shares of training, validation and test rows; class by class where there are classes.
        task: "regression" or "classification"; told from the target when None.
        drop: columns to leave out.
        keep: columns to keep although they look like an identifier.
        scale: subtract the mean and divide by the standard deviation, features and the target of a regression.
        separator: between the cells of a CSV file; found when None.
        encoding: of a CSV file.

    Returns:
        `Data`; `.report` says what was done.

    Raises:
        TypeError: when the key is missing or the source is of another kind.
        ValueError: when the table cannot be trained on; the message says where the fault is and what to do.
        FileNotFoundError: when there is neither a file nor a bundled set of this name.

    Transformations:
        None: it works on the host.

    Example:
        >>> import jax
        >>> data = load("diabetes", key=jax.random.key(0))
        >>> data.task, data.train.x.shape, data.test.x.shape
        ('regression', (265, 10), (88, 10))
    """
    checked = check_key(key, "splitting the rows into parts")
    shares = check_split(split)
    found = open_source(source, target, separator=separator, encoding=encoding)
    name = find_target(list(found.frame.columns), found.target, found.name)
    table = _take_target(found, name, task, drop)
    classes = table.y if table.labels is not None else None
    parts = split_rows(len(table.y), shares, key=checked, classes=classes)
    preparation, told = _fit(table, parts[0], set(keep), scale)
    raw = preparation.encode(table.frame)
    train, validation, test = (_part(preparation, raw, table.y, rows) for rows in parts)
    report = (*table.report, *told, *_count(parts, table), *_scaling(preparation, scale))
    if train is None:
        raise ValueError("the training part is empty.")
    return Data(found.name, table.task, train, validation, test, preparation, report)


class _Table(NamedTuple):
    """The feature columns and the target of all rows that have one."""

    frame: pd.DataFrame
    kinds: dict[str, str]
    y: np.ndarray
    task: str
    labels: tuple[Any, ...] | None
    name: str
    report: tuple[str, ...]


def _take_target(source: Source, name: str, task: str | None, drop: Sequence[str]) -> _Table:
    """Part the target from the features, without the rows that have none."""
    frame, lines = source.frame, source.lines
    unknown = [column for column in drop if column not in frame.columns]
    if unknown:
        raise ValueError(f"drop= names {', '.join(map(repr, unknown))}, which {source.name} does not have.")
    report = [f"{source.name}: {len(frame)} rows, {frame.shape[1]} columns.", *source.remarks]
    cells = column_of(frame, name)
    kind = kind_of(cells, name, lines)
    empty = _empty(cells, name, kind)
    if empty.all():
        raise ValueError(f"the target {name!r} is empty in every row: choose another target.")
    if empty.any():
        report.append(f"{int(empty.sum())} rows without a target were left out.")
        frame = frame.loc[~empty].reset_index(drop=True)
        lines = None if lines is None else [line for line, gone in zip(lines, empty, strict=True) if not gone]
    if len(frame) < 2:
        raise ValueError(
            f"{source.name} has {len(frame)} row with a target: at least ten are needed to hold some back for a test."
        )
    found, told = infer_task(column_of(frame, name), name, task, lines)
    report.append(told)
    y, labels = (
        (as_numbers(column_of(frame, name), name), None)
        if found == "regression"
        else encode_classes(column_of(frame, name))
    )
    features = frame.drop(columns=[name, *drop])
    if features.shape[1] == 0:
        raise ValueError(f"{source.name} has no column beside the target {name!r}: there is nothing to learn from.")
    if drop:
        report.append(f"Left out as asked: {', '.join(drop)}.")
    copies = int(frame.duplicated().sum())
    if copies:
        report.append(f"{copies} rows are copies of another; copies may fall into different parts.")
    kinds = {str(column): kind_of(column_of(features, column), column, lines) for column in features.columns}
    return _Table(features, kinds, y, found, labels, name, tuple(report))


def _empty(cells: pd.Series, name: str, kind: str) -> np.ndarray:
    return np.isnan(as_numbers(cells, name)) if kind == "number" else as_text(cells) == "(missing)"


def _fit(table: _Table, train: np.ndarray, keep: set[str], scale: bool) -> tuple[Preparation, list[str]]:
    """Learn columns and scales from the training rows."""
    rows, y = table.frame.iloc[train], table.y[train]
    columns: list[Column] = []
    told: list[str] = []
    for name, kind in table.kinds.items():
        column, sentence = fit_column(column_of(rows, name), name, kind, keep=name in keep)
        if column is not None:
            columns.append(column)
        if sentence:
            told.append(sentence)
    if not columns:
        raise ValueError(f"no column is left to learn from: {' '.join(told)}")
    features = tuple(feature for column in columns for feature in column.features)
    if len(features) > FEATURES:
        raise ValueError(f"the table spreads out into {len(features):,} features, more than {FEATURES:,}: drop some.")
    used = {column.name: table.kinds[column.name] for column in columns}
    told += giveaways(rows, used, y, table.task)
    raw = np.concatenate([column.encode(column_of(rows, column.name)) for column in columns], axis=1)
    plain = np.array([" = " in f or f.endswith(" is missing") for f in features]) | (not scale)
    spread = np.where(plain, 1.0, _spread(raw))
    center, unit = (0.0, 1.0)
    if scale and table.labels is None:
        center, unit = float(y.mean()), float(_spread(y[:, None])[0])
    preparation = Preparation(
        tuple(columns),
        features,
        np.where(plain, 0.0, raw.mean(0)),
        spread,
        table.name,
        center,
        unit,
        table.labels,
    )
    return preparation, told


def _spread(columns: np.ndarray) -> np.ndarray:
    """The standard deviation of each column, 1 where it is zero."""
    found = columns.std(0)
    return np.where(found > 0, found, 1.0)


def _part(preparation: Preparation, raw: np.ndarray, y: np.ndarray, rows: np.ndarray) -> Rows | None:
    if len(rows) == 0:
        return None
    return Rows(preparation.scaled(raw[rows]), preparation.scale_target(y[rows]))


def _count(parts: Sequence[np.ndarray], table: _Table) -> list[str]:
    sizes = ", ".join(f"{len(rows)} {name}" for name, rows in zip(PARTS, parts, strict=True))
    told = [f"Rows: {sizes}" + (", class by class." if table.labels is not None else ".")]
    if table.labels is not None:
        counts = np.bincount(table.y, minlength=len(table.labels))
        told.append("Classes: " + ", ".join(f"{lab} ({n})" for lab, n in zip(table.labels, counts, strict=True)) + ".")
        absent = [str(lab) for i, lab in enumerate(table.labels) if not (table.y[parts[0]] == i).any()]
        if absent:
            told.append(f"Warning: no training row has the class {', '.join(absent)}.")
    return told


def _scaling(preparation: Preparation, scale: bool) -> list[str]:
    inputs = f"{len(preparation.features)} inputs"
    if not scale:
        return [f"{inputs}, not scaled."]
    target = "" if preparation.classes is not None else " The target is scaled alike; metrics are in its own unit."
    return [f"{inputs}; numbers are scaled to mean 0 and standard deviation 1 of the training rows.{target}"]
