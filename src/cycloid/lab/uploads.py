"""Uploaded tables: kept in one temporary folder, a few at a time, and gone when the lab stops."""

from __future__ import annotations

import secrets
import tempfile
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from starlette.concurrency import run_in_threadpool

KEPT = 8
PREVIEW_ROWS = 5


class BadUpload(ValueError):
    """A file that is no table; the message says what to do."""


@dataclass(frozen=True)
class Upload:
    """One uploaded file: its columns, how many rows, and the first of them."""

    id: str
    name: str
    path: Path
    columns: tuple[str, ...]
    rows: int
    preview: tuple[tuple[str, ...], ...]


class Uploads:
    """The uploaded files by id. The folder is made with the first one."""

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._files: OrderedDict[str, Upload] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> Upload | None:
        """The file of this id, if it is still kept."""
        return self._files.get(key)

    async def add(self, name: str, body: AsyncIterator[bytes]) -> Upload:
        """Store a file as it arrives, and read it.

        Raises:
            BadUpload: when it is no table that can be trained on; nothing is left behind then.
        """
        key = secrets.token_urlsafe(12)
        shown = Path(name.replace("\\", "/")).name[:120] or "table.csv"
        path = self._room() / f"{key}.csv"
        try:
            with path.open("wb") as file:
                async for chunk in body:
                    file.write(chunk)
            upload = await run_in_threadpool(_read, key, shown, path)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        with self._lock:
            self._files[key] = upload
            while len(self._files) > KEPT:
                _, oldest = self._files.popitem(last=False)
                oldest.path.unlink(missing_ok=True)
        return upload

    def _room(self) -> Path:
        with self._lock:
            if self._folder is None:
                self._folder = tempfile.TemporaryDirectory(prefix="cycloid-lab-", ignore_cleanup_errors=True)
            return Path(self._folder.name)

    def close(self) -> None:
        """Delete everything."""
        with self._lock:
            self._files.clear()
            if self._folder is not None:
                self._folder.cleanup()
                self._folder = None


def _read(key: str, shown: str, path: Path) -> Upload:
    """The file as training will read it."""
    from cycloid.train.tables import read_table

    try:
        table = read_table(path)
    except ValueError as error:
        raise BadUpload(sentence(str(error)).replace(str(path), shown)) from error
    preview = tuple(zip(*(column[:PREVIEW_ROWS] for column in table.columns), strict=True))
    return Upload(key, shown, path, tuple(table.names), len(table.lines), preview)


def sentence(text: str) -> str:
    """With a capital letter."""
    return text[:1].upper() + text[1:]
