"""Of which operation a line of a gradient's program is the derivative: both bear one place in the user's code."""

from __future__ import annotations

import os
from typing import Any

from jax.extend.core import ClosedJaxpr

from cycloid.core import formulas
from cycloid.core.sources import library_of
from cycloid.differentiate.writing import Line, inner_programs, write_out

_HERE = os.path.dirname(os.path.abspath(__file__))
# Where the code that belongs to a program ends, seen from its operations: at these files the call of it begins.
_OUTSIDE = (_HERE, os.path.abspath(formulas.__file__))
# Operations that only move or add numbers: an expression is not named for them where it has another.
_PASSIVE = frozenset((
    "broadcast_in_dim", "reshape", "squeeze", "convert_element_type", "transpose", "slice", "pad", "concatenate",
    "copy", "neg", "reduce_sum", "mul", "add", "sub", "add_any", "select_n", "gt", "ge", "lt", "le", "eq", "ne", "jit",
))  # fmt: skip


def origin_of(line: Line, forward: ClosedJaxpr) -> tuple[str, bool]:
    """The operation of the forward program that a line belongs to, and whether the line is of its derivative."""
    own = _place(line.equation)
    others = [(other, _place(other.equation)) for other in all_lines(forward)]
    if any(other.name == line.name and place == own for other, place in others):
        return line.name, False
    shared = [_shared(own, place) for _, place in others]
    most = max(shared, default=0)
    near = [other.name for (other, _), length in zip(others, shared, strict=True) if length == most and most]
    telling = [name for name in near if name not in _PASSIVE]
    return (telling or near or [line.name])[-1], True


def _place(equation: Any) -> list[Any]:
    """The calls between the operation and the user's own line, that line first."""
    traceback = equation.source_info.traceback
    found = list[Any]()
    for code, position in zip(*traceback.raw_frames(), strict=True) if traceback is not None else ():
        if code.co_filename.startswith(_OUTSIDE):
            break
        found.append((code, position))
        if library_of(code.co_filename, "") is None:
            break
    return found[::-1]


def _shared(first: list[Any], second: list[Any]) -> int:
    count = 0
    for a, b in zip(first, second, strict=False):
        if a != b:
            break
        count += 1
    return count


def all_lines(program: ClosedJaxpr) -> list[Line]:
    """Every operation of a program, those in loops and branches too."""
    found = list[Line]()
    for line in write_out(program, opens_rules=True).lines:
        found.append(line)
        for inner in inner_programs(line.equation):
            found += all_lines(inner)
    return found


def chooses(forward: ClosedJaxpr | None) -> bool:
    """Whether a program picks values by a where."""
    return forward is not None and any(line.name == "select_n" for line in all_lines(forward))


def roots_a_sum(forward: ClosedJaxpr | None) -> bool:
    """Whether a root is taken of a sum."""
    lines = [] if forward is None else all_lines(forward)
    sums = {v for line in lines if line.name in ("reduce_sum", "dot_general") for v in line.equation.outvars}
    return any(line.name == "sqrt" and line.equation.invars[0] in sums for line in lines)
