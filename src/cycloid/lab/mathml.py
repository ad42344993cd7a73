"""The equations that the lab shows beside a formula."""

from __future__ import annotations

from collections.abc import Sequence

from cycloid.core.mathml import bracket, name_of, row, summands
from cycloid.core.syntax import Node


def equation(name: str, variables: Sequence[str], tree: Node) -> list[str]:
    """``f(x, y) = …``, one MathML element for each term of the sum, so that a long formula breaks between them."""
    arguments = "<mo>,</mo>".join(name_of(variable) for variable in variables)
    return _elements([name_of(name), bracket(arguments), "<mo>=</mo>"], tree)


def partial_equation(name: str, variable: str, tree: Node, *, only: bool) -> list[str]:
    """``∂f/∂x = …``, or ``df/dx = …`` when there is no other variable; one element for each term."""
    sign = "<mi>d</mi>" if only else "<mi>∂</mi>"
    fraction = f"<mfrac>{row(sign, name_of(name))}{row(sign, name_of(variable))}</mfrac>"
    return _elements([fraction, "<mo>=</mo>"], tree)


def _elements(start: list[str], tree: Node) -> list[str]:
    first, *others = summands(tree)
    rows = [row(*start, first), *map(row, others)]
    return [f'<math xmlns="http://www.w3.org/1998/Math/MathML">{part}</math>' for part in rows]
