"""A computation for a terminal: forward, backward, the paths; a network by layer."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from cycloid.explain.graphs import Edge, Graph, Operation
from cycloid.explain.handwriting import bracketed, letter
from cycloid.explain.labels import shape_text
from cycloid.explain.rendering.amounts import (
    formula_of,
    is_network,
    laws_used,
    partial_sign,
    shared_file,
    short,
    slope_of,
    value_of,
)
from cycloid.explain.rendering.terminal import WIDTH, columns, wrapped
from cycloid.explain.rendering.wording import MARKS, said


def evidence_lines(evidence: Any) -> list[str]:
    """The steps of a computation or of a network."""
    if isinstance(evidence, Graph):
        return graph_lines(evidence)
    from cycloid.explain.rendering.terminal_networks import network_lines

    return network_lines(evidence)


def graph_lines(graph: Graph) -> list[str]:
    """The whole computation."""
    if not graph.operations:
        return ["The result is one of the inputs, or does not depend on them."]
    if is_network(graph):
        blocks = [_layers(graph), _parameters(graph), _laws(graph), _loops(graph), _paths(graph), _whole(graph)]
    else:
        blocks = [_forward(graph), _laws(graph), _backward(graph), _loops(graph), _paths(graph), _whole(graph)]
    return [line for block in blocks if block for line in (*block, "")][:-1]


def _forward(graph: Graph) -> list[str]:
    file = shared_file(graph)
    rows = []
    for operation in graph.operations:
        for i, out in enumerate(operation.outputs):
            quantity = graph.quantities[out]
            formula = formula_of(operation, graph) if i == 0 else "″"
            name = operation.name if i == 0 else ""
            rows.append(
                [
                    f"  {letter(quantity.name)}",
                    f"= {formula}",
                    f"= {value_of(quantity)}",
                    name,
                    _source(operation, file),
                ]
            )
    title = "Forward: what each step computes" + (f", in {os.path.basename(file)}" if file else "")
    return [title, *(_cut(line) for line in columns(rows))]


def _laws(graph: Graph) -> list[str]:
    rows = [[f"  {name}:", law] for name, law, _ in laws_used(graph)]
    return (
        [
            "Rules (u goes in, v comes out; a bar over a letter is the slope of the result with respect to it)",
            *columns(rows),
        ]
        if rows
        else []
    )


def _layers(graph: Graph) -> list[str]:
    """The steps of a network with the shape and size of what they give, and of its slope."""
    file = shared_file(graph)
    rows = [["  ", "step", "shape", "norm", "entries", "norm of slope", "", ""]]
    for operation in graph.operations:
        for out in operation.outputs:
            q = graph.quantities[out]
            size, slope = q.size, q.adjoint_size
            rows.append([
                f"  {letter(q.name)}", f"= {formula_of(operation, graph)}", shape_text(q.shape) or "number",
                short(size.norm) if size else "",
                f"{short(size.least)} … {short(size.most)}" if size and q.shape else "",
                short(slope.norm) if slope else "", MARKS[q.check.verdict] if q.check else "",
                _source(operation, file),
            ])  # fmt: skip
    title = "Step by step, from the inputs to the result" + (f", in {os.path.basename(file)}" if file else "")
    return [title, *(_cut(line) for line in columns(rows))]


def _parameters(graph: Graph) -> list[str]:
    """The inputs of a network and the slopes that arrive at them."""
    rows = [["  ", "in the code", "shape", "norm", "norm of slope", ""]]
    for i in graph.inputs:
        q = graph.quantities[i]
        if q.size is None or q.adjoint_size is None:
            continue
        rows.append([
            f"  {letter(q.name)}", q.label, shape_text(q.shape) or "number", short(q.size.norm),
            short(q.adjoint_size.norm), MARKS[q.check.verdict] if q.check else "",
        ])  # fmt: skip
    return ["What arrives at the inputs", *columns(rows)]


def _cut(line: str) -> str:
    return line if len(line) <= WIDTH + 10 else line[: WIDTH + 9] + "…"


def _source(operation: Operation, file: str) -> str:
    if operation.source is None:
        return ""
    place = f"line {operation.source.line}" if file else str(operation.source)
    return f"{place}: {operation.source.expression}" if operation.source.expression else place


def _backward(graph: Graph) -> list[str]:
    lines = ["Backward: the slope of the result with respect to each quantity, from the result back to the inputs"]
    rows = []
    for number, quantity, edges in graph.backward():
        mark = MARKS[quantity.check.verdict] if quantity.check is not None else " "
        terms, numbers = _terms(graph, edges), _sum(graph, number, edges)
        rows.append(
            [f"  {partial_sign(graph, number)}", f"= {terms}", f"= {numbers}" if numbers != terms else "", mark]
        )
        if quantity.check is not None and quantity.check.verdict not in ("agrees",):
            rows.append(["", "", said(quantity.check), ""])
    return [*lines, *_aligned(rows)]


def _aligned(rows: list[list[str]]) -> list[str]:
    """Three columns; a sum too long for its column stands on a line of its own."""
    left = max(len(row[0]) for row in rows) if rows else 0
    middle = min(max((len(row[1]) for row in rows), default=0), 56)
    lines = []
    for name, terms, total, mark in rows:
        if len(terms) > middle:
            lines += [f"{name.ljust(left)}  {terms}", f"{''.ljust(left)}  {''.ljust(middle)}  {total} {mark}".rstrip()]
        else:
            lines.append(f"{name.ljust(left)}  {terms.ljust(middle)}  {total} {mark}".rstrip())
    return lines


def _terms(graph: Graph, edges: list[Edge]) -> str:
    """The sum over the steps that use a quantity: slope of the step's output times its local derivative."""
    if not edges:
        return "0, it is not used"
    return " + ".join(_term(graph, edge) for edge in edges)


def _term(graph: Graph, edge: Edge) -> str:
    """∂f/∂v·∂v/∂u; factors that are 1 by definition are left out."""
    local, outer = local_name(graph, edge), partial_sign(graph, edge.target)
    if edge.target == graph.result:
        return local
    return outer if local == "1" else f"{'Σ ' if is_summed(graph, edge) else ''}{outer}·{local}"


def is_summed(graph: Graph, edge: Edge) -> bool:
    """Whether a number or a small array was used by every entry of a larger one, so that the entries' slopes add up."""
    source, target = graph.quantities[edge.source], graph.quantities[edge.target]
    return edge.formula is not None and source.shape != target.shape


def local_name(graph: Graph, edge: Edge) -> str:
    """The local derivative of an edge: its formula, or ∂v/∂u."""
    if edge.formula is not None:
        return bracketed(edge.formula)
    return f"∂{letter(graph.quantities[edge.target].name)}/∂{letter(graph.quantities[edge.source].name)}"


def _sum(graph: Graph, number: int, edges: list[Edge]) -> str:
    """The numbers of that sum, and what they come to."""
    total, numbers = slope_of(graph.quantities[number]), in_numbers(graph, edges)
    return total if numbers in ("", total) else f"{numbers} = {total}"


def in_numbers(graph: Graph, edges: Sequence[Edge]) -> str:
    """The sum over the steps that use a quantity, in numbers; "" where one of them is an array."""
    parts = []
    for edge in edges:
        outer = graph.quantities[edge.target].adjoint
        if edge.slope is None or outer is None or outer.ndim:
            return ""
        factors = [] if edge.target == graph.result else [float(outer)]
        factors += [] if edge.slope == 1.0 and factors else [edge.slope]
        parts.append("·".join(signed(x) if len(edges) * len(factors) > 1 else short(x, 6) for x in factors))
    return " + ".join(parts)


def signed(x: float) -> str:
    """A number, in brackets where it has a sign."""
    return f"({short(x, 6)})" if x < 0 else short(x, 6)


def _loops(graph: Graph) -> list[str]:
    lines: list[str] = []
    for operation in graph.operations:
        if operation.loop is not None:
            first, second = turns_said(graph, operation)
            lines += wrapped(first) + (wrapped(second, "  ") if second else [])
    return lines


def turns_said(graph: Graph, operation: Operation) -> tuple[str, str]:
    """A loop in two sentences: how often it runs through what, and how the slope changes on its way back."""
    loop = operation.loop
    assert loop is not None
    name = letter(graph.quantities[operation.outputs[-1]].name)
    inside = ", ".join(loop.inside[:8]) + (", …" if len(loop.inside) > 8 else "")
    first = f"The loop that makes {name} ({loop.kind}) runs {loop.count} times through: {inside}."
    if not loop.adjoints:
        return first, ""
    return first, (
        f"The slope that it carries backwards has norm {short(loop.adjoints[-1])} at its last turn and "
        f"{short(loop.adjoints[0])} at its first: {_growth(loop.adjoints, loop.count)}."
    )


def _growth(adjoints: tuple[float, ...], count: int) -> str:
    """How the slope changes on its way back, in words."""
    first, last = adjoints[0], adjoints[-1]
    if count < 2 or not last or not first:
        return "it dies out" if last and not first else "there is nothing to compare"
    factor = (first / last) ** (1.0 / (count - 1))
    kind = "grows" if factor > 1.001 else "fades" if factor < 0.999 else "keeps its size"
    return f"it {kind}" + (f" by a factor of {short(factor)} a turn" if kind != "keeps its size" else "")


def path_lines(graph: Graph) -> list[str]:
    """How many paths there are, where they are not listed."""
    counts = [(graph.quantities[i], n) for i, n in zip(graph.inputs, graph.path_counts, strict=True)]
    if graph.paths:
        return wrapped(f"Paths to the result: {len(graph.paths)}; the slopes above are the sums over them.")
    if not any(n for _, n in counts):
        return []
    listed = ", ".join(f"{n:,} from {letter(q.name)}" for q, n in counts if n)
    return wrapped(f"Paths to the result: {listed}. The slopes above are the sums over all of them.")


def _paths(graph: Graph) -> list[str]:
    if not graph.paths or (is_network(graph) and len(graph.paths) > 6):
        return path_lines(graph)
    rows = []
    for path in graph.paths:
        way = " → ".join(letter(graph.quantities[i].name) for i in path.quantities)
        if path.factors is not None:
            product = " · ".join(signed(x) for x in path.factors) or "1"
            rows.append([f"  {way}", product, f"= {short(path.share, 6)}"])
        else:
            number = graph.quantities[path.quantities[0]].shape == ()
            rows.append(
                [
                    f"  {way}",
                    "through arrays",
                    f"= {short(path.share, 6)}" if number else f"norm {short(path.share, 6)}",
                ]
            )
    return ["Paths: the product of the local derivatives along each", *columns(rows)]


def _whole(graph: Graph) -> list[str]:
    rows = []
    if is_network(graph):
        return (
            [f"The gradient as a whole: {', '.join(f'{MARKS[c.verdict]} {c.method}' for c in graph.totals)}"]
            if graph.totals
            else []
        )
    for number in graph.inputs:
        quantity = graph.quantities[number]
        rows.append([f"  {partial_sign(graph, number)}", f"= {slope_of(quantity)}"])
    marks = [f"{MARKS[c.verdict]} {c.method}" for c in graph.totals]
    return ["The gradient" + (f"   ({', '.join(marks)})" if marks else ""), *columns(rows)]
