"""Quantities in words: a number, the few entries of a small array, or the shape and the size of a large one."""

from __future__ import annotations

from typing import Any

import numpy as np

from cycloid.core.numerals import numeral
from cycloid.explain.graphs import Graph, Operation, Quantity, Size
from cycloid.explain.handwriting import letter, written
from cycloid.explain.labels import shape_text

FEW = 4  # entries that are written out
DIGITS = 6


def amount(array: Any, size: Size | None, shape: tuple[int, ...], digits: int = DIGITS) -> str:
    """An array for a reader: 2.25, [1, 2, 3], or "3×4, norm 2.1, −0.4 … 0.9"."""
    if array is not None and np.size(array) <= FEW and np.size(array):
        return entries(np.asarray(array), digits)
    if size is None:
        return f"{shape_text(shape)} empty" if array is not None and not np.size(array) else "?"
    return f"{shape_text(shape)}, norm {short(size.norm)}, {short(size.least)} … {short(size.most)}"


def entries(array: Any, digits: int = DIGITS) -> str:
    """All entries of a small array, in brackets by row."""
    if array.ndim == 0:
        return numeral(array, digits, typeset=True) if array.dtype.kind != "b" else str(bool(array)).lower()
    return f"[{', '.join(entries(part, min(digits, 4)) for part in array)}]"


def short(x: float, digits: int = 4) -> str:
    """A number with a few digits."""
    return numeral(np.float64(x), digits, typeset=True)


def value_of(quantity: Quantity) -> str:
    """The value of a quantity."""
    return amount(quantity.value, quantity.size, quantity.shape)


def slope_of(quantity: Quantity) -> str:
    """The adjoint of a quantity."""
    if quantity.adjoint_size is None:
        return "none"
    return amount(quantity.adjoint, quantity.adjoint_size, quantity.shape)


def formula_of(operation: Operation, graph: Graph) -> str:
    """What a step computes: a formula, or its name and what it is applied to."""
    if operation.formula is not None:
        return written(operation.formula)
    names = [letter(graph.quantities[i].name) for i in dict.fromkeys(operation.inputs)]
    others = [c for c in operation.constants if c.isidentifier()]
    return f"{operation.name}({', '.join([*names, *others])})"


def laws_used(graph: Graph) -> list[tuple[str, str, str]]:
    """The laws of the steps that are no formula, each once: name, text, LaTeX."""
    return list(dict.fromkeys((o.name, o.rule, o.rule_latex) for o in graph.operations if o.rule))


def partial_sign(graph: Graph, number: int) -> str:
    """∂f/∂x."""
    return f"∂{letter(graph.quantities[graph.result].name)}/∂{letter(graph.quantities[number].name)}"


def is_network(graph: Graph) -> bool:
    """Whether a table by layer tells more than a list of numbers: some parameter is a matrix or a long vector."""
    return any(
        len(graph.quantities[i].shape) > 1
        or (graph.quantities[i].size is not None and np.prod(graph.quantities[i].shape) > 16)
        for i in graph.inputs
    )


def shared_file(graph: Graph) -> str:
    """The one file that all steps come from, or ""."""
    files = {operation.source.file for operation in graph.operations if operation.source is not None}
    return next(iter(files)) if len(files) == 1 else ""
