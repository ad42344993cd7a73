"""What the contracts are tested on: each branch registers its drivers and its draws in a module of its own.

A branch joins by adding `<branch>_cases.py` beside this file, with its lists `DRIVERS` and `DRAWS`, and its name to
`BRANCHES`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

BRANCHES = ("optimize", "differentiate")


@dataclass(frozen=True)
class Driver:
    """A driver on a question with one parameter t.

    Attributes:
        name: branch, driver and method.
        answer: t -> a pytree of floating-point arrays, t a scalar array, whose dtype the answer keeps.
        ticking: tick -> the same call, where the user's function calls tick() whenever it runs or is traced.
        at: values of t to try.
        slope: t -> the derivative of the answer, exact; None compares with differences of the answer itself.
        rounding: how far two correct answers may lie apart.
    """

    name: str
    answer: Callable[[Any], Any]
    ticking: Callable[[Callable[[], None]], Callable[[Any], Any]]
    at: tuple[float, ...] = (0.3, 1.2, -0.8)
    slope: Callable[[Any], Any] | None = None
    rounding: float = 1e-8


@dataclass(frozen=True)
class Draw:
    """A call that needs chance.

    Attributes:
        name: branch and driver.
        ask: key -> anything of numbers; key=None asks without one.
    """

    name: str
    ask: Callable[[Any], Any]


def registered() -> tuple[list[Driver], list[Draw]]:
    """All that the branches registered."""
    cases = [importlib.import_module(f"contracts.{branch}_cases") for branch in BRANCHES]
    return [d for case in cases for d in case.DRIVERS], [d for case in cases for d in case.DRAWS]
