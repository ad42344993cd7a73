"""Recordings of training runs: rows of numbers by step, in one small file that a kill cannot spoil.

A recording is an `.npz` that `numpy.load` opens: the fields of an `Evidence` under their own names, and further columns
by step under `column/NAME`. The file is written anew beside itself and then renamed, which a file system does whole or
not at all; so a process may be killed at any moment and what was written last is there. Nothing here loads a framework.
"""

from __future__ import annotations

import atexit
import dataclasses
import os
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from cycloid.train.evidence import Evidence, axes_of

FORMAT = "cycloid recording 1"
COLUMN = "column/"
CAPACITY = 2_048  # rows kept: beyond it every second of the older ones is let go, so that file and memory are bounded
BEGINNING = 64  # the first rows, which are all kept
SHARE_OF_TIME = 1 / 400  # writing may take no more of the time than this
LARGE = 2**20  # bytes: beyond it the file is compressed, which takes several times as long
LEAST_SECONDS = 1.0  # between two writes

FIELDS = {field.name for field in dataclasses.fields(Evidence)}


class Recording:
    """What was seen of a run, while it runs.

    Args:
        path: the file to keep, written about once a second; None keeps it in memory alone.
        facts: fields of `Evidence` that are known from the start.

    Attributes:
        rows: the recorded steps, oldest first: name -> number or array.
        facts: the fields of `Evidence` that do not run along the steps, the newest of each.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None, **facts: Any):
        self.path = None if path is None else _as_file(path)
        self.rows: list[dict[str, Any]] = []
        self.facts: dict[str, Any] = {}
        self.let_go = 0
        self._next_write = 0.0
        self._changed = False
        self.note(**facts)
        if self.path is not None:
            atexit.register(self.flush)

    def note(self, **facts: Any) -> None:
        """Take over fields of `Evidence` without a step axis; None is passed over."""
        unknown = set(facts) - FIELDS
        if unknown:
            raise ValueError(f"Evidence has no field called {', '.join(sorted(unknown))}.")
        self.facts |= {name: value for name, value in facts.items() if value is not None}
        self._changed = True

    def add(self, row: dict[str, Any]) -> None:
        """A recorded step: `step`, and any numbers or arrays by name; what `Evidence` has no field for is kept too."""
        if len(self.rows) >= CAPACITY:
            kept = [r for i, r in enumerate(self.rows) if i < BEGINNING or i % 2 == 0]
            self.let_go += len(self.rows) - len(kept)
            self.rows = kept
        self.rows.append(row)
        self._changed = True
        if self.path is not None and time.monotonic() >= self._next_write:
            self.flush()

    def columns(self) -> dict[str, np.ndarray]:
        """All rows as one array a name, NaN where a row lacks a number."""
        names = dict.fromkeys(name for row in self.rows for name in row)
        return {name: _stack([row.get(name) for row in self.rows]) for name in names}

    def evidence(self) -> Evidence:
        """What the rules read."""
        fields: dict[str, Any] = self.facts | {n: c for n, c in self.columns().items() if n in FIELDS}
        return Evidence(**fields)

    def arrays(self) -> dict[str, np.ndarray]:
        """What the file holds."""
        columns = {name if name in FIELDS else COLUMN + name: array for name, array in self.columns().items()}
        arrays = {name: np.asarray(value) for name, value in (self.facts | columns).items() if name != "notes" or value}
        return {"format": np.asarray(FORMAT), **{name: _compact(array) for name, array in arrays.items()}}

    def flush(self) -> None:
        """Write the file now."""
        if self.path is None or not self._changed:
            return
        began = time.monotonic()
        beside = self.path.with_name(f".{self.path.name}.part")
        arrays: dict[str, Any] = self.arrays()
        large = sum(array.nbytes for array in arrays.values()) > LARGE
        with beside.open("wb") as file:
            (np.savez_compressed if large else np.savez)(file, **arrays)
        os.replace(beside, self.path)
        now = time.monotonic()
        self._next_write = now + max(LEAST_SECONDS, (now - began) / SHARE_OF_TIME)
        self._changed = False

    def close(self) -> None:
        """Write the file for the last time."""
        self.flush()
        atexit.unregister(self.flush)


def open(path: str | os.PathLike[str]) -> Evidence:
    """The evidence in a recording, whether its run has ended, was killed or is still going on.

    Args:
        path: the file, or a folder with one recording in it.

    Raises:
        FileNotFoundError: when there is none.
        ValueError: when the file is no recording.
    """
    recording = read(path)
    return recording.evidence()


def read(path: str | os.PathLike[str]) -> Recording:
    """The recording in a file, its further columns included; arguments and errors as in `open`."""
    file = _find(Path(path))
    try:
        with np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (zipfile.BadZipFile, ValueError, EOFError, OSError) as error:
        raise ValueError(f"{file} is no recording of a training run.") from error
    found = str(arrays.pop("format", ""))
    if found != FORMAT:
        raise ValueError(
            f"{file} has {f'the format {found!r}' if found else 'no format'}; this version reads {FORMAT!r}."
        )
    by_step = {name for name, axes in axes_of().items() if axes[0] == "step"}
    recording = Recording()
    columns = {}
    for name, array in arrays.items():
        if name in by_step or name.startswith(COLUMN):
            columns[name.removeprefix(COLUMN)] = array
        elif name in FIELDS:
            recording.facts[name] = _value(name, array)
    steps = len(columns.get("step", ()))
    recording.rows = [{name: column[i] for name, column in columns.items()} for i in range(steps)]
    return recording


def _as_file(path: str | os.PathLike[str]) -> Path:
    file = Path(path)
    file = file if file.suffix == ".npz" else file.with_name(f"{file.name}.npz")
    file.parent.mkdir(parents=True, exist_ok=True)
    return file


def _find(path: Path) -> Path:
    if path.is_file():
        return path
    with_suffix = path.with_name(f"{path.name}.npz")
    if with_suffix.is_file():
        return with_suffix
    inside = sorted(path.glob("*.npz")) if path.is_dir() else []
    if len(inside) != 1:
        what = f"{len(inside)} recordings" if inside else "no recording"
        raise FileNotFoundError(f"there is {what} at {path}; name the .npz file that watch(..., record=PATH) wrote.")
    return inside[0]


def _stack(values: list[Any]) -> np.ndarray:
    """One array of all rows; what a row lacks is NaN, False for booleans."""
    known = [np.asarray(value) for value in values if value is not None]
    shape = tuple(map(max, zip(*(array.shape for array in known if array.ndim == known[0].ndim))))
    whole = len(known) == len(values) and all(array.shape == shape for array in known)
    kind = known[0].dtype if known[0].dtype == bool or (whole and known[0].dtype.kind in "iu") else float
    stacked = np.full((len(values), *shape), np.nan if kind is float else 0, kind)
    for place, value in enumerate(values):
        if value is not None and np.ndim(value) == len(shape):
            stacked[(place, *map(slice, np.shape(value)))] = value
    return stacked


def _compact(array: np.ndarray) -> np.ndarray:
    """Single precision: seven digits are more than any of these numbers is known to, and half the size."""
    return array.astype(np.float32) if array.dtype == np.float64 and array.ndim else array


def _value(name: str, array: np.ndarray) -> Any:
    """What stood in the evidence before it was written: text, numbers, names, shapes."""
    if array.ndim == 0:
        return array.item()
    return tuple(array.tolist()) if array.dtype.kind == "U" or name.endswith("_shape") else array
