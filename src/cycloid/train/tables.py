"""CSV files as tables of text, read within bounds; every fault is a sentence that says where it is and what to do."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

# Bounds on what is read: a header is looked at before anything else is.
HEAD_BYTES = 2**20
FILE_BYTES = 200 * 2**20
COLUMNS = 10_000
SEPARATORS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}
_MAGIC = {
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
    b"PK\x03\x04": "an Excel workbook or a zip archive",
    b"\x89PNG": "a picture",
    b"%PDF": "a PDF document",
}


class Table(NamedTuple):
    """The cells of a file, as text.

    Attributes:
        names: of the columns.
        columns: the cells of each column, stripped of surrounding blanks.
        lines: the line of the file on which each row ends.
        separator: between cells.
        remarks: what was noticed while reading.
    """

    names: list[str]
    columns: list[list[str]]
    lines: list[int]
    separator: str
    remarks: list[str]


def read_table(path: str | os.PathLike[str], *, separator: str | None = None, encoding: str = "utf-8") -> Table:
    """Read a CSV file with a header line.

    Args:
        path: the file, at most 200 MiB and 10,000 columns.
        separator: between cells; found from the header when None.
        encoding: of the file.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it is no table that can be trained on; the message says what to do.
    """
    name = os.fspath(path)
    head = _look(Path(path), name)
    codec = "utf-8-sig" if encoding.lower().replace("-", "") == "utf8" else encoding
    try:
        first = _first_line(head, codec, name)
        separator = _separator(first, name) if separator is None else separator
        names, remarks = _names(next(csv.reader([first], delimiter=separator)), name)
        with open(path, encoding=codec, newline="") as file:
            columns, lines = _cells(csv.reader(file, delimiter=separator, strict=True), names, name)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{name} is not {encoding} text (byte {error.start}): save it as UTF-8, or pass its encoding, such as "
            f'encoding="latin-1".'
        ) from error
    except LookupError as error:
        raise ValueError(f'no encoding is called {encoding!r}; "utf-8" and "latin-1" are common ones.') from error
    except csv.Error as error:
        raise ValueError(f"{name} cannot be read as a table: {error}. A quotation mark may never be closed.") from error
    return Table(names, columns, lines, separator, remarks)


def _look(path: Path, name: str) -> bytes:
    """The beginning of a file that can be a table of a size to be read."""
    if path.is_dir():
        raise ValueError(f"{name} is a directory: give the CSV file inside it.")
    if not path.exists():
        raise FileNotFoundError(f"there is no file {name}.")
    size = path.stat().st_size
    with open(path, "rb") as file:
        head = file.read(HEAD_BYTES)
    if not head.strip():
        raise ValueError(f"{name} is empty: it needs a line of column names and the rows under it.")
    for magic, kind in _MAGIC.items():
        if head.startswith(magic):
            raise ValueError(f"{name} is {kind}, no CSV file in UTF-8: export the table as CSV (UTF-8).")
    if b"\0" in head[:4096]:
        raise ValueError(f"{name} is a binary file, no CSV file: export the table as CSV (UTF-8).")
    if size > FILE_BYTES:
        raise ValueError(
            f"{name} has {size / 2**20:,.0f} MiB, more than the {FILE_BYTES // 2**20} MiB read at once: pass fit an "
            f"iterator of batches (x, y), or a sample of the rows."
        )
    return head


def _first_line(head: bytes, codec: str, name: str) -> str:
    lines = [line for line in head.splitlines()[:1000] if line.strip()]
    line = lines[0]
    whole = len(head) < HEAD_BYTES or len(lines) > 1
    if not whole:
        raise ValueError(
            f"the first line of {name} is longer than {HEAD_BYTES // 2**20} MiB: at most {COLUMNS:,} columns can be "
            f"trained on. Choose the ones you need."
        )
    return line.decode(codec)


def _separator(line: str, name: str) -> str:
    counts = {s: len(next(csv.reader([line], delimiter=s))) for s in SEPARATORS}
    best = max(counts, key=lambda s: counts[s])
    if counts[best] == 1:
        raise ValueError(
            f"{name} has one column only ({line.strip()[:60]!r}): a target and at least one feature are needed. If its "
            f"columns are separated by something unusual, pass separator=."
        )
    return best


def _names(cells: list[str], name: str) -> tuple[list[str], list[str]]:
    if len(cells) > COLUMNS:
        raise ValueError(
            f"{name} has {len(cells):,} columns, more than the {COLUMNS:,} that can be trained on: choose the ones you "
            f"need, or turn the table if its rows are the variables."
        )
    names = [cell.strip() or f"column {i}" for i, cell in enumerate(cells, 1)]
    seen: dict[str, int] = {}
    for position, column in enumerate(names, 1):
        if column in seen:
            raise ValueError(
                f"{name} has two columns called {column!r}, number {seen[column]} and number {position}: rename one."
            )
        seen[column] = position
    remarks = []
    if all(_is_number(column) for column in names):
        remarks.append("Warning: the first line holds numbers only; it was taken as the column names.")
    return names, remarks


def _cells(reader: Iterator[list[str]], names: list[str], name: str) -> tuple[list[list[str]], list[int]]:
    rows: list[list[str]] = []
    lines: list[int] = []
    header = False
    for row in reader:
        if not any(cell.strip() for cell in row) and len(row) <= 1:
            continue
        if not header:
            header = True
            continue
        line = int(getattr(reader, "line_num", 0))
        if len(row) != len(names):
            raise ValueError(
                f"line {line} of {name} has {len(row)} cells, the header has {len(names)}: every row needs the same "
                f"number (an empty cell stands for a missing value)."
            )
        rows.append(row)
        lines.append(line)
    if not rows:
        raise ValueError(f"{name} has column names and no rows: there is nothing to learn from.")
    return [[cell.strip() for cell in column] for column in zip(*rows, strict=True)], lines


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
