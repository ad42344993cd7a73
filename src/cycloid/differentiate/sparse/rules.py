"""The rules by which terms move through a linear program: one a primitive of JAX, found here by its name.

The programs that are walked through are derivatives (of F along a direction, or of its transpose), so that every
operation on what depends on the direction is linear in it. The rules of calculus are JAX's own, or the user's, and are
in the program already.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cycloid.differentiate.sparse.slots import Slot
from cycloid.differentiate.sparse.terms import Term

Terms = list[Term]
Rule = Callable[[dict[str, Any], Sequence[Slot], Sequence[Any]], list[Terms]]

# A known factor (a mask, a matrix) with fewer non-zeros than this part of its entries cuts the terms down to them.
SPARSE_FACTOR = 0.7

RULES: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Register a rule for primitives of these names: (parameters, inputs, shapes of the outputs) -> terms of each."""

    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return register
