"""Where a table comes from: a bundled set by name, a CSV file, a DataFrame, or arrays."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from cycloid.train.tables import SEPARATORS, read_table

# The tables with one target that ship inside scikit-learn: name -> what it is; and what its target is called.
BUNDLED = {
    "diabetes": "442 patients, progression of the disease after a year (regression)",
    "breast_cancer": "569 tumours, malignant or benign (two classes)",
    "wine": "178 wines of three growers (three classes)",
    "iris": "150 flowers of three species (three classes)",
    "digits": "1797 handwritten digits of 8 × 8 pixels (ten classes)",
}


TARGETS = {
    "diabetes": "progression",
    "breast_cancer": "diagnosis",
    "wine": "grower",
    "iris": "species",
    "digits": "digit",
}


class Source(NamedTuple):
    """A table and what is known about it.

    Attributes:
        name: for the report.
        frame: all columns, text or typed.
        target: name of the target, None when unknown.
        lines: the line of the file of each row, None without a file.
        remarks: sentences for the report.
    """

    name: str
    frame: pd.DataFrame
    target: str | None
    lines: list[int] | None
    remarks: list[str]


def open_source(source: Any, target: str | None, *, separator: str | None, encoding: str) -> Source:
    """The table that a name, a path, a DataFrame or a pair of arrays stands for.

    Raises:
        TypeError: when it is none of them.
        ValueError: when the table is faulty.
        FileNotFoundError: when there is neither a file nor a bundled set of this name.
    """
    if isinstance(source, (str, os.PathLike)):
        name = os.fspath(source)
        if not Path(name).exists() and (known := name.strip().lower().replace("-", "_")) in BUNDLED:
            return _bundled(known, target)
        if not Path(name).exists():
            raise FileNotFoundError(_not_found(name))
        return _file(name, target, separator, encoding)
    if isinstance(source, pd.DataFrame):
        return _frame(source, target)
    if isinstance(source, tuple) and len(source) == 2:
        return _arrays(*source, target=target)
    raise TypeError(
        f"the source is the name of a bundled set ({', '.join(BUNDLED)}), the path of a CSV file, a DataFrame, or "
        f"arrays (x, y); it was a {type(source).__name__}."
    )


def _bundled(name: str, target: str | None) -> Source:
    from sklearn import datasets

    loaded = getattr(datasets, f"load_{name}")(as_frame=True)
    frame = loaded.data.copy()
    labels = getattr(loaded, "target_names", None)
    values = loaded.target
    if name in ("breast_cancer", "wine", "iris"):
        values = pd.Series(np.asarray(labels)[np.asarray(values)].astype(str), dtype=object)
    frame[TARGETS[name]] = values.to_numpy()
    chosen = TARGETS[name] if target in (None, "target") else target  # scikit-learn calls every target so
    return Source(name, frame, chosen, None, [f"Bundled with scikit-learn: {BUNDLED[name]}."])


def _file(name: str, target: str | None, separator: str | None, encoding: str) -> Source:
    table = read_table(name, separator=separator, encoding=encoding)
    frame = pd.DataFrame(dict(zip(table.names, table.columns, strict=True)), dtype=object)
    remarks = list(table.remarks)
    if table.separator != ",":
        shown = SEPARATORS.get(table.separator, repr(table.separator))
        remarks.append(f"The cells are separated by {shown}.")
    return Source(Path(name).name, frame, target, table.lines, remarks)


def _frame(frame: pd.DataFrame, target: str | None) -> Source:
    names = [str(column) for column in frame.columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"the DataFrame has several columns called {twice[0]!r}: rename all but one.")
    if len(frame) == 0:
        raise ValueError("the DataFrame has no rows: there is nothing to learn from.")
    return Source("the DataFrame", frame.set_axis(names, axis=1).reset_index(drop=True), target, None, [])


def _arrays(x: Any, y: Any, *, target: str | None) -> Source:
    x, y = np.asarray(x), np.asarray(y)
    if x.ndim == 1:
        x = x[:, None]
    if x.ndim != 2 or y.ndim != 1 or len(x) != len(y):
        raise ValueError(f"arrays are x of shape (n, d) and y of shape (n,); they were {x.shape} and {y.shape}.")
    if len(x) == 0:
        raise ValueError("the arrays have no rows: there is nothing to learn from.")
    name = target or "y"
    frame = pd.DataFrame(x, columns=[f"x{i}" for i in range(1, x.shape[1] + 1)])
    frame[name] = y
    return Source("the arrays", frame, name, None, [])


def _not_found(name: str) -> str:
    near = difflib.get_close_matches(name.lower(), BUNDLED, n=1)
    folder = Path(name).parent
    files = sorted(p.name for p in folder.glob("*.csv"))[:50] if folder.is_dir() else []
    near += difflib.get_close_matches(Path(name).name, files, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"there is no file {name!r} and no bundled set of that name.{hint} Bundled are {', '.join(BUNDLED)}."
