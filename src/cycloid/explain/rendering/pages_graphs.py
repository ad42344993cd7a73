"""A computation as HTML: the graph, the steps forward and backward, the paths; a network by layer."""

from __future__ import annotations

import os
from collections.abc import Sequence
from html import escape
from typing import Any

from cycloid.core.mathml import drawn, name_of
from cycloid.explain.graphs import Edge, Graph, Operation, Quantity
from cycloid.explain.handwriting import letter
from cycloid.explain.labels import shape_text
from cycloid.explain.rendering.amounts import formula_of, is_network, laws_used, shared_file, short, slope_of, value_of
from cycloid.explain.rendering.drawings import sparkline, svg_graph
from cycloid.explain.rendering.pages import mark, math
from cycloid.explain.rendering.terminal_graphs import in_numbers, is_summed, path_lines, signed, turns_said
from cycloid.explain.rendering.wording import MARKS


def evidence_section(evidence: Any) -> str:
    """The steps of a computation or of a network."""
    if isinstance(evidence, Graph):
        return graph_section(evidence)
    from cycloid.explain.rendering.pages_networks import network_section

    return network_section(evidence)


def graph_section(graph: Graph) -> str:
    """The whole computation."""
    if not graph.operations:
        return "<p>The result is one of the inputs, or does not depend on them.</p>"
    drawing = svg_graph(graph)
    parts = [f'<div style="overflow-x:auto">{drawing}</div>' if drawing else ""]
    parts += [_layers(graph), _parameters(graph)] if is_network(graph) else [_forward(graph), _backward(graph)]
    parts += [_laws(graph), _loops(graph), _paths(graph), _whole(graph)]
    return "".join(parts)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    """A table; cells are HTML already. `numbers`: the columns that hold numbers."""
    titles = "".join(f'<th class="n">{c}</th>' if i in numbers else f"<th>{c}</th>" for i, c in enumerate(head))
    body = "".join(
        "<tr>"
        + "".join(f'<td class="n">{c}</td>' if i in numbers else f"<td>{c}</td>" for i, c in enumerate(row))
        + "</tr>"
        for row in rows
    )
    top = f"<thead><tr>{titles}</tr></thead>" if any(head) else ""
    return f'<div style="overflow-x:auto"><table>{top}<tbody>{body}</tbody></table></div>'


def _heading(text: str) -> str:
    return f"<h4>{escape(text)}</h4>"


def _code(operation: Operation, file: str) -> str:
    """The line of the user's code."""
    source = operation.source
    if source is None:
        return ""
    place = f"line {source.line}" if file else str(source)
    shown = f" <code>{escape(source.expression)}</code>" if source.expression else ""
    return f'<span class="note">{escape(place)}</span>{shown}'


def _what(operation: Operation, graph: Graph) -> str:
    """What a step computes, as a formula where it has one, with what was folded into it."""
    if operation.formula is not None:
        return math(drawn(operation.formula))
    shown = escape(formula_of(operation, graph))
    if not operation.inside:
        return shown
    listed = escape(", ".join(operation.inside))
    title = f"{len(operation.inside)} operations inside"
    return f'{shown}<details><summary>{title}</summary><span class="note">{listed}</span></details>'


def _symbol(quantity: Quantity) -> str:
    return math(name_of(quantity.name))


def _forward(graph: Graph) -> str:
    file = shared_file(graph)
    rows = []
    for operation in graph.operations:
        for i, out in enumerate(operation.outputs):
            q = graph.quantities[out]
            what = _what(operation, graph) if i == 0 else "″"
            rows.append([_symbol(q), what, escape(value_of(q)), escape(operation.name), _code(operation, file)])
    where = f"in {escape(os.path.basename(file))}" if file else "in the code"
    return _heading("Forward: what each step computes") + table(["", "computes", "value", "rule", where], rows, (2,))


def partial(graph: Graph, number: int) -> str:
    """∂f/∂v in MathML."""
    over, under = name_of(graph.quantities[graph.result].name), name_of(graph.quantities[number].name)
    return f"<mfrac><mrow><mi>∂</mi>{over}</mrow><mrow><mi>∂</mi>{under}</mrow></mfrac>"


def _local(graph: Graph, edge: Edge) -> str:
    if edge.formula is not None:
        inner = drawn(edge.formula)
        head = getattr(edge.formula, "head", "")
        return f"<mrow><mo>(</mo>{inner}<mo>)</mo></mrow>" if head in ("add", "neg") else inner
    over, under = (name_of(graph.quantities[i].name) for i in (edge.target, edge.source))
    return f"<mfrac><mrow><mi>∂</mi>{over}</mrow><mrow><mi>∂</mi>{under}</mrow></mfrac>"


def _terms(graph: Graph, edges: Sequence[Edge]) -> str:
    parts = []
    for edge in edges:
        local = _local(graph, edge)
        if edge.target == graph.result:
            parts.append(local)
        elif local == "<mn>1</mn>":
            parts.append(partial(graph, edge.target))
        else:
            sum_ = "<mo>∑</mo>" if is_summed(graph, edge) else ""
            parts.append(f"{sum_}{partial(graph, edge.target)}<mo>·</mo>{local}")
    return "<mo>+</mo>".join(parts) or "<mn>0</mn>"


def _backward(graph: Graph) -> str:
    rows = []
    for number, q, edges in graph.backward():
        total = escape(slope_of(q))
        sums = escape(in_numbers(graph, edges))
        rows.append(
            [
                math(partial(graph, number)),
                f"{math('<mo>=</mo>', _terms(graph, edges))}",
                sums,
                f"<strong>{total}</strong>",
                mark(q.check),
            ]
        )
    title = "Backward: the slope of the result with respect to each quantity"
    return _heading(title) + table(["", "by the chain rule", "in numbers", "slope", ""], rows, (2, 3))


def _layers(graph: Graph) -> str:
    file = shared_file(graph)
    rows = []
    for operation in graph.operations:
        for out in operation.outputs:
            q = graph.quantities[out]
            entries = f"{short(q.size.least)} … {short(q.size.most)}" if q.size and q.shape else ""
            rows.append([
                _symbol(q), _what(operation, graph), shape_text(q.shape) or "number",
                short(q.size.norm) if q.size else "", entries, short(q.adjoint_size.norm) if q.adjoint_size else "",
                mark(q.check), _code(operation, file),
            ])  # fmt: skip
    head = ["", "step", "shape", "norm", "entries", "norm of slope", "", "in the code"]
    return _heading("Step by step, from the inputs to the result") + table(head, rows, (2, 3, 4, 5))


def _parameters(graph: Graph) -> str:
    rows = []
    for i in graph.inputs:
        q = graph.quantities[i]
        if q.size is not None and q.adjoint_size is not None:
            rows.append([
                _symbol(q), f"<code>{escape(q.label)}</code>", shape_text(q.shape) or "number", short(q.size.norm),
                short(q.adjoint_size.norm), mark(q.check),
            ])  # fmt: skip
    return _heading("What arrives at the inputs") + table(
        ["", "in the code", "shape", "norm", "norm of slope", ""], rows, (2, 3, 4)
    )


def _laws(graph: Graph) -> str:
    rows = [[f"<strong>{escape(name)}</strong>", escape(law)] for name, law, _ in laws_used(graph)]
    if not rows:
        return ""
    note = "u goes in, v comes out; a bar over a letter is the slope of the result with respect to it."
    return _heading("Rules") + f'<p class="note">{note}</p>' + table(["", ""], rows)


def _loops(graph: Graph) -> str:
    parts = []
    for operation in graph.operations:
        if operation.loop is None:
            continue
        first, second = turns_said(graph, operation)
        line = sparkline(operation.loop.adjoints)
        caption = (
            '<span class="note">size of the slope from the first turn to the last, logarithmic</span>' if line else ""
        )
        parts.append(f"<p>{escape(first)} {escape(second)}</p>{line}<br>{caption}")
    return _heading("Loops") + "".join(parts) if parts else ""


def _paths(graph: Graph) -> str:
    if graph.paths and not (is_network(graph) and len(graph.paths) > 6):
        rows = []
        for path in graph.paths:
            way = " → ".join(letter(graph.quantities[i].name) for i in path.quantities)
            product = "through arrays" if path.factors is None else " · ".join(signed(x) for x in path.factors) or "1"
            number = graph.quantities[path.quantities[0]].shape == ()
            rows.append(
                [
                    escape(way),
                    escape(product),
                    escape(short(path.share, 6) if number else f"norm {short(path.share, 6)}"),
                ]
            )
        return _heading("Paths: the product of the local derivatives along each") + table(
            ["path", "product", "adds"], rows, (2,)
        )
    said = " ".join(path_lines(graph))
    return f"<p>{escape(said)}</p>" if said else ""


def _whole(graph: Graph) -> str:
    rows = [
        [math(partial(graph, i)), f"<strong>{escape(slope_of(graph.quantities[i]))}</strong>"] for i in graph.inputs
    ]
    marks = ", ".join(f"{MARKS[c.verdict]} {c.method}" for c in graph.totals)
    told = f'<p class="note">{escape(marks)}</p>' if marks else ""
    return _heading("The gradient") + ("" if is_network(graph) else table(["", ""], rows, (1,))) + told
