"""The type checker of the tests: beartype on every annotation that speaks of an array's shape or dtype.

Arguments of other types are checked by the library itself, in words of its own, and tests read those words.
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable
from typing import Any

from beartype import BeartypeConf, beartype

ARRAYS = re.compile(r"\b(Float|Int|Integer|Bool|Num|Inexact|Real|Complex|Shaped|Key|PRNGKeyArray|UInt)\d*\[")
_check = beartype(conf=BeartypeConf(is_pep484_tower=True))


def check_shapes(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, checked by beartype on its array annotations alone."""
    if not isinstance(function, types.FunctionType):
        return function
    shapes = {name: hint for name, hint in function.__annotations__.items() if ARRAYS.search(str(hint))}
    if not shapes:
        return function
    copy = types.FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    copy.__qualname__ = function.__qualname__
    copy.__module__ = function.__module__
    copy.__annotations__ = shapes
    return _check(copy)
