"""Columns of a table as numbers: what kind each one is, and how it enters a model, learned from training rows alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

# What people write where a value is missing, in lower case.
MISSING = {"", "na", "n/a", "nan", "null", "none", "nil", "?", "-", ".", "#n/a", "<na>", "nat", "missing"}
LARGEST = 1e100  # larger numbers, infinity among them, are no data
LEVELS = 30  # categories kept of one column; the rarest beyond are pooled
NUMERIC_SHARE = 0.8  # from this share of numbers on, a text in the column counts as a mistake and not as a category
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")  # 1,250 may be a thousand, 0,250 and 12,5 may not
_DATE = re.compile(r"\d{4}[-/]\d{1,2}[-/]\d{1,2}([T ]\d{1,2}:\d{2}.*)?")
_IDENTIFIER = re.compile(r"(^|[\s_\-.])(id|uuid|guid|index|key|rownames?)$|^unnamed", re.IGNORECASE)


class Number(NamedTuple):
    """A numeric column; an empty cell gets the training median, and a column that says it was empty.

    Attributes:
        name: of the column.
        median: of its training rows.
        flagged: whether training rows had empty cells.
    """

    name: str
    median: float
    flagged: bool

    @property
    def features(self) -> list[str]:
        """Names of what enters the model."""
        return [self.name, *([f"{self.name} is missing"] if self.flagged else [])]

    def encode(self, column: pd.Series) -> np.ndarray:
        """One row an example, one column a feature."""
        values = as_numbers(column, self.name)
        empty = np.isnan(values)
        filled = np.where(empty, self.median, values)
        return np.stack([filled, empty], axis=1) if self.flagged else filled[:, None]


class Category(NamedTuple):
    """A column of categories, one feature a level; of two levels the second alone.

    Attributes:
        name: of the column.
        levels: that have a feature, by falling frequency in the training rows; "(missing)" is one of them.
        other: whether rare and unseen levels share a feature; without it they are all zeros.
    """

    name: str
    levels: tuple[str, ...]
    other: bool

    @property
    def features(self) -> list[str]:
        """Names of what enters the model."""
        shown = self.levels[1:] if len(self.levels) == 2 and not self.other else self.levels
        return [*(f"{self.name} = {level}" for level in shown), *([f"{self.name} = (other)"] if self.other else [])]

    def encode(self, column: pd.Series) -> np.ndarray:
        """One row an example, one column a feature."""
        text = as_text(column)
        shown = self.levels[1:] if len(self.levels) == 2 and not self.other else self.levels
        columns = [text == level for level in shown]
        if self.other:
            columns.append(~np.isin(text, self.levels))
        return np.stack(columns, axis=1).astype(float)


class Moment(NamedTuple):
    """A column of dates: days since 1970, and the place in the year on a circle.

    Attributes:
        name: of the column.
        median: of the days in its training rows, for empty cells.
    """

    name: str
    median: float

    @property
    def features(self) -> list[str]:
        """Names of what enters the model."""
        return [f"{self.name} (days)", f"{self.name} (season, sine)", f"{self.name} (season, cosine)"]

    def encode(self, column: pd.Series) -> np.ndarray:
        """One row an example, one column a feature."""
        days = as_days(column, self.name)
        days = np.where(np.isnan(days), self.median, days)
        angle = 2 * np.pi * days / 365.2425
        return np.stack([days, np.sin(angle), np.cos(angle)], axis=1)


Column = Number | Category | Moment


def column_of(frame: pd.DataFrame, name: str) -> pd.Series:
    """One column of a table."""
    found: Any = frame[name]
    return found


def kind_of(column: pd.Series, name: str, lines: Sequence[int] | None = None) -> str:
    """ "number", "date" or "text", from all the cells of a column.

    Args:
        column: the cells, text or typed.
        name: of the column, for messages.
        lines: the line of the file of each row, for messages.

    Raises:
        ValueError: when a column of numbers holds something else; the message says where.
    """
    if pd.api.types.is_bool_dtype(column):
        return "text"
    if pd.api.types.is_numeric_dtype(column):
        return "number"
    if pd.api.types.is_datetime64_any_dtype(column):
        return "date"
    text = as_text(column)
    present = text != "(missing)"
    if not present.any():
        return "number"
    values = _parse(text)
    wrong = np.flatnonzero(present & np.isnan(values))
    if len(wrong) == 0:
        return "number"
    commas = all(_DECIMAL_COMMA.fullmatch(cell) for cell in text[wrong])
    if commas or len(wrong) <= (1 - NUMERIC_SHARE) * present.sum():
        _refuse(text, wrong, name, lines)
    if np.mean([_DATE.fullmatch(cell) is not None for cell in text[present]]) >= 0.95:
        return "date"
    return "text"


def as_numbers(column: pd.Series, name: str, lines: Sequence[int] | None = None) -> np.ndarray:
    """The column in float64, NaN where a cell is empty or infinite.

    Raises:
        ValueError: when a cell is no number; the message names the column, the row and the cell.
    """
    if pd.api.types.is_numeric_dtype(column):
        return _floats(column)
    text = as_text(column)
    values = _parse(text)
    wrong = np.flatnonzero((text != "(missing)") & np.isnan(values))
    if len(wrong):
        _refuse(text, wrong, name, lines)
    return values


def as_text(column: pd.Series) -> np.ndarray:
    """The column as an array of text, "(missing)" where a cell is empty."""
    empty = column.isna().to_numpy()
    if pd.api.types.is_float_dtype(column) and not np.mod(column[~empty], 1).any():
        column = column.astype("Int64")  # 1.0 and 1 are the same category
    cells = [str(cell).strip() for cell in column.to_list()]
    empty = empty | np.array([cell.lower() in MISSING for cell in cells], dtype=bool)
    return np.where(empty, "(missing)", np.array(cells, dtype=object))


def as_days(column: pd.Series, name: str) -> np.ndarray:
    """Dates as days since 1970, NaN where a cell is empty.

    Raises:
        ValueError: when a cell is no date.
    """
    if not pd.api.types.is_datetime64_any_dtype(column):
        text = as_text(column)
        present = text != "(missing)"
        cells = pd.Series([cell if known else None for cell, known in zip(text, present, strict=True)], dtype=object)
        parsed = pd.to_datetime(cells, errors="coerce", format="mixed", utc=True)
        wrong = np.flatnonzero(present & parsed.isna().to_numpy())
        if len(wrong):
            raise ValueError(
                f"column {name!r}, row {wrong[0] + 1}: {text[wrong[0]]!r} is not a date: write dates as 2024-12-31."
            )
        column = parsed
    stamps = column.dt.tz_localize(None) if getattr(column.dt, "tz", None) is not None else column
    days = (stamps - pd.Timestamp("1970-01-01")) / pd.Timedelta(days=1)
    return days.to_numpy(dtype=float)


def fit_column(column: pd.Series, name: str, kind: str, *, keep: bool = False) -> tuple[Column | None, str]:
    """(how the column enters the model, a sentence about it); None for a column that is left out.

    Args:
        column: its training rows.
        name: its name.
        kind: from `kind_of`, of all rows.
        keep: whether it stays although it looks like an identifier.
    """
    if kind == "number":
        return _fit_number(column, name, keep)
    if kind == "date":
        days = as_days(column, name)
        if len(np.unique(days[~np.isnan(days)])) < 2:
            return None, f"{name!r} is constant in the training rows and was left out."
        return Moment(name, float(np.nanmedian(days))), f"{name!r} holds dates: days since 1970 and the season."
    return _fit_category(column, name, keep)


def _fit_number(column: pd.Series, name: str, keep: bool) -> tuple[Column | None, str]:
    values = as_numbers(column, name)
    present = values[~np.isnan(values)]
    empty = len(values) - len(present)
    if len(np.unique(present)) < 2 and not (len(present) and empty):
        what = "empty" if len(present) == 0 else "constant"
        return None, f"{name!r} is {what} in the training rows and was left out."
    if not keep and len(values) >= 10 and empty == 0 and _numbers_rows(values, name):
        return None, f"{name!r} looks like a number given to each row and was left out (keep=[{name!r}] keeps it)."
    told = f"{name!r}: {empty} empty of {len(values)} training cells, filled with the median." if empty else ""
    return Number(name, float(np.median(present)), empty > 0), told


def _numbers_rows(values: np.ndarray, name: str) -> bool:
    """True for integers called an id or the like, nearly each of them once."""
    if np.mod(values, 1).any() or len(np.unique(values)) < 0.9 * len(values):
        return False
    return _IDENTIFIER.search(name) is not None


def _fit_category(column: pd.Series, name: str, keep: bool) -> tuple[Column | None, str]:
    text = as_text(column)
    levels, counts = np.unique(text, return_counts=True)
    if len(levels) < 2:
        return None, f"{name!r} is {'empty' if levels[0] == '(missing)' else 'constant'} and was left out."
    if not keep and len(levels) > 20 and len(levels) > 0.5 * len(text):
        return None, (
            f"{name!r} has {len(levels)} different texts in {len(text)} training rows, like a name or free text, and "
            f"was left out (keep=[{name!r}] keeps it)."
        )
    order = np.lexsort((levels, -counts))
    rare = max(2, round(0.005 * len(text)))
    kept = [str(levels[i]) for i in order if counts[i] >= rare][:LEVELS]
    pooled = len(levels) - len(kept)
    if len(kept) < 2:
        kept, pooled = [str(levels[i]) for i in order][:LEVELS], max(0, len(levels) - LEVELS)
    tail = f", {pooled} rare ones pooled" if pooled else ""
    empty = ', "(missing)" being one' if "(missing)" in kept else ""
    return Category(name, tuple(kept), pooled > 0), f"{name!r} has {len(kept)} categories{empty}{tail}."


def _parse(text: np.ndarray) -> np.ndarray:
    """Numbers from text, NaN where there is none; decimal commas only where every fraction in the column has one."""
    values = _floats(pd.Series(text, dtype=object))
    odd = [cell for cell, value in zip(text, values, strict=True) if np.isnan(value) and cell != "(missing)"]
    unambiguous = any(not _THOUSANDS.fullmatch(cell) for cell in odd)
    fractions = any("." in str(cell) for cell in text)
    if odd and unambiguous and not fractions and all(_DECIMAL_COMMA.fullmatch(cell) for cell in odd):
        values = _floats(pd.Series([cell.replace(",", ".") for cell in text], dtype=object))
    return values


def _floats(cells: pd.Series) -> np.ndarray:
    """In float64, NaN for what is no number or beyond what can be squared and summed."""
    converted: Any = pd.to_numeric(cells, errors="coerce")
    values: Any = converted.to_numpy(dtype=float, na_value=np.nan)
    return np.where(np.abs(values) <= LARGEST, values, np.nan)


def _refuse(text: np.ndarray, wrong: np.ndarray, name: str, lines: Sequence[int] | None) -> None:
    row = int(wrong[0])
    where = f"row {row + 1}" + (f" (line {lines[row]} of the file)" if lines is not None else "")
    more = f" ({len(wrong)} such cells in the column)" if len(wrong) > 1 else ""
    comma = " Write 1234.5 for 1.234,5 and for 1,234.5." if _DECIMAL_COMMA.fullmatch(text[row]) else ""
    size = "" if np.isnan(_number(text[row])) else f" up to {LARGEST:g}"
    raise ValueError(
        f"column {name!r}, {where}: {text[row]!r} is not a number{size}{more}.{comma} Correct the cell, leave it empty "
        f"where the value is missing, or leave the column out with drop=[{name!r}]."
    )


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return np.nan
