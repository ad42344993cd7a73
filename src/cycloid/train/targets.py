"""The target: which column it is, whether it is a number or a class, and what in the table gives it away."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from cycloid.train.columns import as_numbers, as_text, column_of, kind_of

TASKS = ("regression", "binary", "multiclass")
CLASSES = 10  # integers with at most this many different values are taken as classes
MOST_CLASSES = 100


def find_target(names: Sequence[str], target: str | None, source: str) -> str:
    """The name of the target's column.

    Raises:
        ValueError: when it is missing; the message lists the columns and suggests the nearest.
    """
    listed = ", ".join(map(str, names[:20])) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
    if target is None:
        raise ValueError(f"which column of {source} is to be predicted? Name it as target=; there are {listed}.")
    if target in names:
        return target
    folded = {str(name).strip().lower(): name for name in names}
    if str(target).strip().lower() in folded:
        return folded[str(target).strip().lower()]
    near = difflib.get_close_matches(str(target), [str(n) for n in names], n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"{source} has no column {target!r}.{hint} Its columns are {listed}.")


def infer_task(column: pd.Series, name: str, task: str | None, lines: Sequence[int] | None = None) -> tuple[str, str]:
    """(task, a sentence saying why) for the target's cells, none of them empty.

    Text and truth values are classes; so are integers with at most 10 different values and at least ten rows each on
    average, and any two numbers 0 and 1. Other numbers are a quantity.

    Raises:
        ValueError: when the task asked for does not go with the cells, or there is one class only.
    """
    if task is not None and task not in (*TASKS, "classification"):
        raise ValueError(f"task= is {', '.join(TASKS)} or classification; it was {task!r}.")
    kind = kind_of(column, name, lines)
    if kind == "date":
        raise ValueError(f"the target {name!r} holds dates: turn them into a number, such as days until an event.")
    values = as_numbers(column, name) if kind == "number" else None
    distinct = np.unique(values) if values is not None else np.unique(as_text(column))
    if len(distinct) == 1:
        raise ValueError(
            f"every row has the target {name!r} = {distinct[0]}: with one value there is nothing to tell apart. Choose "
            f"another target or add rows with other values."
        )
    if task == "regression" and values is None:
        raise ValueError(f"task='regression' needs numbers; the target {name!r} holds text such as {distinct[0]!r}.")
    if task is None:
        task, why = _guess(values, len(distinct), len(column))
    else:
        task, why = ("regression" if task == "regression" else "classes"), "as asked for"
    if task == "regression":
        return "regression", f"The target {name!r} is a quantity ({why}): regression."
    if len(distinct) > MOST_CLASSES:
        raise ValueError(
            f"the target {name!r} has {len(distinct)} different values, too many for classes (at most {MOST_CLASSES}): "
            + ("pass task='regression'." if values is not None else "it looks like a name or free text.")
        )
    found = "binary" if len(distinct) == 2 else "multiclass"
    hint = "" if values is None or why == "as asked for" else " (task='regression' takes it as a quantity)"
    return found, f"The target {name!r} has {len(distinct)} classes ({why}){hint}."


def _guess(values: np.ndarray | None, distinct: int, rows: int) -> tuple[str, str]:
    if values is None:
        return "classes", "its cells are text"
    if distinct == 2 and set(np.unique(values)) == {0.0, 1.0}:
        return "classes", "its values are 0 and 1"
    whole = not np.mod(values, 1).any()
    if whole and distinct <= CLASSES and rows >= 10 * distinct:
        return "classes", f"it has {distinct} different integers in {rows} rows"
    return "regression", f"it has {distinct} different numbers in {rows} rows"


def encode_classes(column: pd.Series) -> tuple[np.ndarray, tuple[Any, ...]]:
    """(class number of each row, the labels in order): numbers by size, text by the alphabet."""
    if pd.api.types.is_bool_dtype(column):
        return column.to_numpy().astype(int), (False, True)
    text = as_text(column)
    try:
        values = np.array([float(cell) for cell in text])
    except ValueError:
        labels, codes = np.unique(text.astype(str), return_inverse=True)
        return codes, tuple(str(label) for label in labels)
    labels, codes = np.unique(values, return_inverse=True)
    whole = not np.mod(labels, 1).any()
    return codes, tuple(int(v) if whole else float(v) for v in labels)


def giveaways(frame: pd.DataFrame, kinds: dict[str, str], y: np.ndarray, task: str) -> list[str]:
    """A warning for each column that nearly equals the target: it will not be known when predictions are needed.

    Args:
        frame: the feature columns, training rows.
        kinds: of the columns.
        y: the target as numbers or class numbers.
        task: of the target.
    """
    found = []
    for name, kind in kinds.items():
        if kind == "number":
            values = as_numbers(column_of(frame, name), name)
            known = ~np.isnan(values)
            told = _gives_away(values[known], y[known], task)
        elif kind == "text" and task != "regression":
            text = as_text(column_of(frame, name))
            pairs = {(a, b) for a, b in zip(text, y, strict=True)}
            told = len(pairs) == len(set(text)) == len(set(y)) and len(y) >= 10
        else:
            told = False
        if told:
            found.append(
                f"Warning: {name!r} nearly equals the target. If it is not known before the target is, leave it out "
                f"with drop=[{name!r}], or the result will look too good."
            )
    return found


def _gives_away(values: np.ndarray, y: np.ndarray, task: str) -> bool:
    if len(y) < 10 or np.std(values) == 0 or np.std(y) == 0:
        return False
    if task == "multiclass":  # one value a class, whatever the order
        return len({*zip(values, y, strict=True)}) == len(set(values)) == len(set(y))
    unit = lambda v: (v - v.mean()) / np.abs(v - v.mean()).max()  # of a size whose squares neither vanish nor overflow
    return bool(abs(np.corrcoef(unit(values), unit(y))[0, 1]) > 0.999)
