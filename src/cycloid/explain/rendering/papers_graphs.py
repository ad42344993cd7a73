"""A computation in LaTeX: forward, backward, paths; a network as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cycloid.core.typesetting import as_latex, latex_name
from cycloid.explain.graphs import Edge, Graph, Quantity
from cycloid.explain.labels import shape_text
from cycloid.explain.rendering.amounts import formula_of, is_network, laws_used, short
from cycloid.explain.rendering.papers import plain
from cycloid.explain.rendering.terminal_graphs import in_numbers, is_summed, path_lines


def evidence_block(evidence: Any) -> str:
    """The steps of a computation or of a network."""
    if isinstance(evidence, Graph):
        return graph_block(evidence)
    from cycloid.explain.rendering.papers_networks import network_block

    return network_block(evidence)


def graph_block(graph: Graph) -> str:
    """The whole computation."""
    if not graph.operations:
        return plain("The result is one of the inputs, or does not depend on them.")
    parts = [_table(graph)] if is_network(graph) else [_forward(graph), _backward(graph), _paths(graph)]
    laws = [rf"\item[{plain(name)}] ${latex}$" for name, _, latex in laws_used(graph) if latex]
    if laws:
        parts.append("\\begin{description}\n" + "\n".join(laws) + "\n\\end{description}")
    parts += [plain(line) for line in path_lines(graph)] if not graph.paths else []
    return "\n".join(part for part in parts if part)


def align(lines: Sequence[str]) -> str:
    """Lines of mathematics under each other."""
    return "\\begin{align*}\n" + " \\\\\n".join(lines) + "\n\\end{align*}" if lines else ""


def typeset(text: str) -> str:
    """Numbers as they are written for a terminal, in mathematical mode."""
    raised = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
    out, i = "", 0
    while i < len(text):
        power = ""
        while i < len(text) and text[i] in "⁰¹²³⁴⁵⁶⁷⁸⁹⁻":
            power, i = power + text[i], i + 1
        if power:
            out += f"^{{{power.translate(raised)}}}"
            continue
        out += {"−": "-", "×": r"\times ", "·": r"\cdot ", "…": r"\ldots "}.get(text[i], text[i])
        i += 1
    return out


def _value(quantity: Quantity) -> str:
    if quantity.shape == () and quantity.value is not None and np.asarray(quantity.value).dtype.kind != "b":
        return typeset(short(float(quantity.value), 6))
    return rf"\text{{({shape_text(quantity.shape)})}}"


def _forward(graph: Graph) -> str:
    lines = []
    for operation in graph.operations:
        for out in operation.outputs:
            q = graph.quantities[out]
            words = rf"\text{{{plain(formula_of(operation, graph))}}}"
            formula = as_latex(operation.formula) if operation.formula is not None else words
            lines.append(rf"{latex_name(q.name)} &= {formula} = {_value(q)} && \text{{{plain(operation.name)}}}")
    return align(lines)


def _partial(over: str, under: str) -> str:
    return rf"\frac{{\partial {latex_name(over)}}}{{\partial {latex_name(under)}}}"


def _term(graph: Graph, edge: Edge) -> str:
    result, source, target = (graph.quantities[i].name for i in (graph.result, edge.source, edge.target))
    local = as_latex(edge.formula) if edge.formula is not None else _partial(target, source)
    if getattr(edge.formula, "head", "") in ("add", "neg"):
        local = rf"\left({local}\right)"
    if edge.target == graph.result:
        return local
    outer = _partial(result, target)
    sum_ = r"\sum " if is_summed(graph, edge) else ""
    return outer if local == "1" else rf"{sum_}{outer} \cdot {local}"


def _backward(graph: Graph) -> str:
    lines = []
    for _, q, edges in graph.backward():
        terms = " + ".join(_term(graph, edge) for edge in edges) or "0"
        numbers = typeset(in_numbers(graph, edges))
        total = "" if q.adjoint is None or q.shape else f" = {typeset(short(float(q.adjoint), 6))}"
        between = f" = {numbers}" if numbers and total and f" = {numbers}" != total else ""
        total = "" if total == f" = {terms}" else total
        lines.append(f"{_partial(graph.quantities[graph.result].name, q.name)} &= {terms}{between}{total}")
    return align(lines)


def _paths(graph: Graph) -> str:
    lines = []
    for path in graph.paths:
        way = r" \to ".join(latex_name(graph.quantities[i].name) for i in path.quantities)
        if path.factors is not None:
            product = (
                r" \cdot ".join(typeset(f"({short(x, 6)})" if x < 0 else short(x, 6)) for x in path.factors) or "1"
            )
            lines.append(rf"{way}: &\quad {product} = {typeset(short(path.share, 6))}")
    return align(lines)


def _table(graph: Graph) -> str:
    rows = []
    for operation in graph.operations:
        for out in operation.outputs:
            q = graph.quantities[out]
            size = short(q.size.norm) if q.size else ""
            slope = short(q.adjoint_size.norm) if q.adjoint_size else ""
            rows.append(
                rf"${latex_name(q.name)}$ & {plain(formula_of(operation, graph))} & "
                rf"${typeset(shape_text(q.shape)) or 1}$ & "
                rf"${typeset(size)}$ & ${typeset(slope)}$ \\"
            )
    head = r"& step & shape & norm & norm of slope \\ \hline"
    return "\\begin{tabular}{llrrr}\n" + "\n".join([head, *rows]) + "\n\\end{tabular}"
