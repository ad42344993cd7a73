"""A computation as data: quantities, the operations that make them, the edges along which slopes flow, the paths."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cycloid.core.sources import Source
from cycloid.core.syntax import Node
from cycloid.explain.derivations import Check
from cycloid.explain.layouts import Layout, layered

KEPT = 4096  # arrays of more entries are described by their size alone
LISTED = 16  # arrays of more entries are not written out in JSON


@dataclass(frozen=True)
class Size:
    """How large the entries of an array are.

    Attributes:
        norm: the root of the sum of squares.
        least, most: the smallest and the largest entry.
    """

    norm: float
    least: float
    most: float


@dataclass(frozen=True)
class Quantity:
    """A value on the way from the inputs to the result.

    Attributes:
        name: short, unique, and a name that a formula may use: "x", "y", "v_3".
        label: how the code calls it: "model.layers[0].weight".
        role: "input", "step" or "result".
        shape, dtype: of the array.
        value: the array; None when it has more than 4096 entries.
        size: of the value.
        adjoint: the slope of the result with respect to it, shaped like it; None where there is none.
        adjoint_size: of the adjoint.
        maker: the number of the operation that made it; None for an input.
        check: whether the adjoint is the slope that the rest of the program has.
    """

    name: str
    label: str
    role: str
    shape: tuple[int, ...]
    dtype: str
    value: Any
    size: Size | None
    adjoint: Any
    adjoint_size: Size | None
    maker: int | None
    check: Check | None = None


@dataclass(frozen=True)
class Edge:
    """How one quantity enters another.

    Attributes:
        source, target: numbers of quantities.
        operation: the number of the operation.
        slope: the local derivative where both are single numbers, else None.
        range: the least and the largest local derivative of an operation that works entry by entry.
        formula: the local derivative as a formula of the inputs' names, or None.
        share: what this edge adds to the adjoint of its source: the number, or the norm of an array.
    """

    source: int
    target: int
    operation: int
    slope: float | None
    range: tuple[float, float] | None
    formula: Node | None
    share: float


@dataclass(frozen=True)
class Turns:
    """A loop in short.

    Attributes:
        kind: "scan", "fori" or "while".
        count: how often the body ran.
        inside: the operations in the body.
        carried: the norm of what is carried before each turn (of at most 200 of them, evenly chosen).
        adjoints: the norm of its adjoint there: how the slope grows or fades on its way back.
    """

    kind: str
    count: int
    inside: tuple[str, ...]
    carried: tuple[float, ...]
    adjoints: tuple[float, ...]


@dataclass(frozen=True)
class Operation:
    """A step of the computation.

    Attributes:
        name: the name of the rule: "sine", "softmax", "dense layer".
        rule: the law in general, as text, where it is not a formula; `rule_latex` in LaTeX.
        formula: the result as a formula of the inputs' names, or None.
        inputs, outputs: numbers of quantities.
        constants: how the inputs that do not depend on the arguments are written.
        source: where in the user's code.
        inside: the operations that were folded into this step.
        loop: where it is one.
        note: a sentence.
    """

    name: str
    rule: str
    rule_latex: str
    formula: Node | None
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    constants: tuple[str, ...]
    source: Source | None
    inside: tuple[str, ...]
    loop: Turns | None
    note: str


@dataclass(frozen=True)
class Path:
    """One way from an input to the result.

    Attributes:
        quantities: the numbers of the quantities passed, input first.
        factors: the local derivatives along it, result last; None where one is no single number.
        share: their product, which is what the path adds to the gradient: the number, or the norm of an array.
    """

    quantities: tuple[int, ...]
    factors: tuple[float, ...] | None
    share: float


@dataclass(frozen=True)
class Graph:
    """A computation at a point, with all its slopes.

    Attributes:
        name: of the function.
        quantities: inputs first, then in the order in which they are made.
        operations: in the order in which they run.
        edges: along which slopes flow.
        inputs: numbers of the quantities that are arguments.
        result: the number of the result.
        paths: from the inputs to the result, one by one, where there are few.
        path_counts: how many paths lead from each input to the result.
        totals: the checks of the gradient as a whole.
    """

    name: str
    quantities: tuple[Quantity, ...]
    operations: tuple[Operation, ...]
    edges: tuple[Edge, ...]
    inputs: tuple[int, ...]
    result: int
    paths: tuple[Path, ...]
    path_counts: tuple[int, ...]
    totals: tuple[Check, ...]

    @property
    def steps(self) -> tuple[Operation, ...]:
        """The operations."""
        return self.operations

    @property
    def checks(self) -> list[Check]:
        """The checks of every quantity and of the whole."""
        return [q.check for q in self.quantities if q.check is not None] + list(self.totals)

    def called(self, name: str) -> Quantity:
        """The quantity with this name or label.

        Raises:
            ValueError: when there is none; the message lists those there are.
        """
        for quantity in self.quantities:
            if name in (quantity.name, quantity.label):
                return quantity
        raise ValueError(f"no quantity is called {name!r}; there are {', '.join(q.name for q in self.quantities)}.")

    def backward(self) -> list[tuple[int, Quantity, list[Edge]]]:
        """Number, quantity and the edges that leave it, in the order in which slopes are summed: from the last to the
        inputs, without the result itself and what no slope reaches."""
        leaving: dict[int, list[Edge]] = {}
        for edge in self.edges:
            leaving.setdefault(edge.source, []).append(edge)
        order = [*range(len(self.quantities) - 1, len(self.inputs) - 1, -1), *self.inputs]
        reached = [n for n in order if n != self.result and self.quantities[n].adjoint_size is not None]
        return [(n, self.quantities[n], leaving.get(n, [])) for n in reached]

    def layout(self) -> Layout:
        """Where quantities and edges stand in a picture: columns count from the inputs, rows run around zero.

        Inputs stand just before what uses them first.
        """
        return layered(_levels(self), [(edge.source, edge.target) for edge in self.edges])

    def to_dict(self) -> dict[str, Any]:
        """The plain data that `to_json` writes; arrays of more than 16 entries by their size."""
        return {
            "function": self.name,
            "quantities": [_quantity(q) for q in self.quantities],
            "operations": [_operation(o) for o in self.operations],
            "edges": [_edge(e) for e in self.edges],
            "inputs": list(self.inputs),
            "result": self.result,
            "paths": [dataclasses.asdict(path) for path in self.paths],
            "path_counts": list(self.path_counts),
            "totals": [check.to_dict() for check in self.totals],
        }


def _levels(graph: Graph) -> list[int]:
    level = [0] * len(graph.quantities)
    for operation in graph.operations:
        for out in operation.outputs:
            level[out] = 1 + max((level[i] for i in operation.inputs), default=0)
    used: dict[int, int] = {}
    for operation in graph.operations:
        for i in operation.inputs:
            first = min(level[o] for o in operation.outputs)
            used[i] = min(used.get(i, first), first)
    for i, quantity in enumerate(graph.quantities):
        if quantity.maker is None and i in used:
            level[i] = used[i] - 1
    return level


def size_of(array: Any) -> Size | None:
    """The size of a real array; None for truth values and empty arrays."""
    plain = np.asarray(array)
    if plain.dtype.kind not in "fiuV" or plain.size == 0:
        return None
    wide = plain.astype(float)
    return Size(float(np.linalg.norm(wide.ravel())), float(wide.min()), float(wide.max()))


def kept(array: Any) -> Any:
    """The array where it is small enough to be kept."""
    plain = np.asarray(array)
    plain = plain.astype(np.float32) if plain.dtype.kind == "V" else plain
    return plain if plain.size <= KEPT else None


def _quantity(q: Quantity) -> dict[str, Any]:
    data = {f.name: getattr(q, f.name) for f in dataclasses.fields(q)}
    listed = q.value is not None and np.size(q.value) <= LISTED
    return {
        **data,
        "value": q.value if listed else None,
        "adjoint": q.adjoint if listed else None,
        "size": None if q.size is None else dataclasses.asdict(q.size),
        "adjoint_size": None if q.adjoint_size is None else dataclasses.asdict(q.adjoint_size),
        "check": None if q.check is None else q.check.to_dict(),
    }


def _operation(o: Operation) -> dict[str, Any]:
    from cycloid.core.typesetting import as_text

    data = {f.name: getattr(o, f.name) for f in dataclasses.fields(o)}
    return {
        **data,
        "formula": None if o.formula is None else as_text(o.formula),
        "source": None if o.source is None else dataclasses.asdict(o.source),
        "loop": None if o.loop is None else dataclasses.asdict(o.loop),
    }


def _edge(e: Edge) -> dict[str, Any]:
    from cycloid.core.typesetting import as_text

    return {
        **{f.name: getattr(e, f.name) for f in dataclasses.fields(e)},
        "formula": None if e.formula is None else as_text(e.formula),
    }


def count_paths(sources: Sequence[int], target: int, edges: Sequence[Edge]) -> list[int]:
    """How many paths lead from each source to the target, two edges between the same pair counted as two."""
    ways: dict[int, int] = {target: 1}
    for edge in sorted(edges, key=lambda e: -e.target):
        ways[edge.source] = ways.get(edge.source, 0) + ways.get(edge.target, 0)
    return [ways.get(source, 0) for source in sources]
