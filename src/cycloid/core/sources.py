"""Where an operation stands in the user's code: its file, line and expression, and the name it is assigned to."""

from __future__ import annotations

import ast
import functools
import linecache
import os
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import equinox
import jax

import cycloid

_PACKAGE = os.path.dirname(os.path.abspath(cycloid.__file__))
_RECORDER = os.path.join(_PACKAGE, "explain")
_INSTALLED = tuple(
    os.path.abspath(path)
    for path in {
        *(sysconfig.get_paths()[key] for key in ("purelib", "platlib", "stdlib", "platstdlib")),
        os.path.dirname(os.path.dirname(jax.__file__)),
        os.path.dirname(os.path.dirname(equinox.__file__)),
    }
)


@dataclass(frozen=True)
class Frame:
    """One level of the call stack at which an operation was made.

    Attributes:
        file: of the code.
        function: its qualified name.
        place: first line, column, last line, column of the expression that was being computed; columns in bytes.
    """

    file: str
    function: str
    place: tuple[int, int, int, int]


@dataclass(frozen=True)
class Source:
    """A place in the user's code.

    Attributes:
        file: the path of the file, or its name in an interactive session.
        line: the number of the line, from 1.
        function: the name of the function that the line stands in.
        text: the line itself, without its indentation; "" where no source is at hand.
        expression: the part of it that the step computes.
    """

    file: str
    line: int
    function: str
    text: str
    expression: str

    def __str__(self) -> str:
        return f"{os.path.basename(self.file)}, line {self.line}"


def frames_of(traceback: Any, recorder: str = _RECORDER) -> tuple[Frame, ...]:
    """The call stack kept with an equation, innermost first, up to the recorder: a folder or a file."""
    if traceback is None:
        return ()
    codes, positions = traceback.raw_frames()
    found: list[Frame] = []
    for code, position in zip(codes, positions, strict=True):
        if code.co_filename.startswith(recorder):
            break
        found.append(frame_of(code, position))
    return tuple(found)


def is_recorder(file: str) -> bool:
    """Whether a file is part of the explanations themselves."""
    return file.startswith(_RECORDER)


@functools.lru_cache(maxsize=20_000)
def frame_of(code: Any, position: int) -> Frame:
    """The frame of a piece of compiled Python at an instruction."""
    places = list(code.co_positions())
    first, last, start, end = places[min(position // 2, len(places) - 1)]
    line = first or code.co_firstlineno
    return Frame(code.co_filename, code.co_qualname, (line, start or 0, last or line, end or 0))


def library_of(file: str, own: str) -> str | None:
    """The package that a file belongs to: "jax", "equinox" ...; None for the user's own code.

    Args:
        file: the file.
        own: the directory of the explained function, which counts as the user's wherever it is installed.
    """
    path = os.path.abspath(file) if not file.startswith("<") else file
    if own and path.startswith(own):
        return None
    if path.startswith(_PACKAGE + os.sep):
        return "cycloid"
    for root in _INSTALLED:
        if path.startswith(root + os.sep):
            return path[len(root) + 1 :].removeprefix("site-packages" + os.sep).split(os.sep)[0]
    if file.startswith("<frozen"):
        return "python"
    return None


def own_folder(function: Any) -> str:
    """The package that an installed function comes from, to be read as the user's; "" elsewhere."""
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    code = getattr(function, "__code__", None)
    if code is None or code.co_filename.startswith("<"):
        return ""
    path = os.path.abspath(code.co_filename)
    if path.startswith(_PACKAGE + os.sep):
        return ""
    for root in _INSTALLED:
        if path.startswith(root + os.sep):
            top = path[len(root) + 1 :].split(os.sep)[0]
            return os.path.join(root, top) if top not in ("jax", "jaxlib", "equinox", "optax") else ""
    return ""


def source_at(frame: Frame) -> Source:
    """The line and the expression of a frame."""
    line, start, last, end = frame.place
    text = linecache.getline(frame.file, line)
    parts = [linecache.getline(frame.file, n).rstrip("\n") for n in range(line, last + 1)]
    expression = ""
    if all(parts) and end > 0:
        encoded = [part.encode() for part in parts]
        encoded[-1] = encoded[-1][:end]
        encoded[0] = encoded[0][start:]
        expression = " ".join(part.decode(errors="replace").strip() for part in encoded)
    name = frame.function.rpartition(".")[2]
    return Source(frame.file, line, "a lambda" if name == "<lambda>" else name, text.strip(), expression)


def assigned_names(frame: Frame) -> tuple[str, ...]:
    """The names that the expression of a frame is assigned to: y for `y = jnp.sin(x)`; () where it has none."""
    return _assignments(frame.file).get(frame.place, ())


@functools.lru_cache(maxsize=256)
def _assignments(file: str) -> dict[tuple[int, int, int, int], tuple[str, ...]]:
    """Every assignment of a file, by the place of the expression that is assigned."""
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError):
        return {}
    found: dict[tuple[int, int, int, int], tuple[str, ...]] = {}
    for node in ast.walk(tree):
        names: tuple[str, ...] = ()
        value: ast.AST | None = None
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            names, value = _target_names(node.targets[0]), node.value
        elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value is not None:
            names, value = _target_names(node.target), node.value
        elif isinstance(node, ast.AugAssign):
            names, value = _target_names(node.target), node
        if names and value is not None:
            found[_place(value)] = names
    return found


def _target_names(target: ast.AST) -> tuple[str, ...]:
    if isinstance(target, ast.Name):
        return (target.id,)
    if isinstance(target, ast.Tuple) and all(isinstance(part, ast.Name) for part in target.elts):
        return tuple(part.id for part in target.elts if isinstance(part, ast.Name))
    return ()


def _place(node: Any) -> tuple[int, int, int, int]:
    return node.lineno, node.col_offset, node.end_lineno, node.end_col_offset


def captured_names(function: Any, arrays: Iterable[Any]) -> dict[int, str]:
    """The names by which a function knows arrays from outside, by the identity of the array."""
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    code = getattr(function, "__code__", None)
    if code is None:
        return {}
    known: dict[int, str] = {}
    wanted = {id(array) for array in arrays}
    globals_ = getattr(function, "__globals__", {})
    cells = dict(zip(code.co_freevars, getattr(function, "__closure__", None) or (), strict=False))
    for name in (*code.co_names, *code.co_freevars):
        try:
            value = cells[name].cell_contents if name in cells else globals_.get(name)
        except ValueError:
            continue
        for path, leaf in jax.tree_util.tree_leaves_with_path(value) if _is_data(value) else []:
            if id(leaf) in wanted:
                known.setdefault(id(leaf), name + jax.tree_util.keystr(path))
    return known


def _is_data(value: Any) -> bool:
    return isinstance(value, jax.Array | dict | list | tuple | equinox.Module)
