"""A computation drawn as SVG: quantities as boxes from left to right, edges with their local derivatives."""

from __future__ import annotations

from html import escape

import numpy as np

from cycloid.explain.graphs import Graph, Quantity
from cycloid.explain.handwriting import letter
from cycloid.explain.labels import shape_text
from cycloid.explain.rendering.amounts import short

_WIDE, _HIGH = 104, 46  # of a box
_ACROSS, _DOWN = 176, 78  # from box to box
MOST = 60  # boxes beyond which a drawing is no help


def svg_graph(graph: Graph) -> str:
    """The drawing, or "" where there are too many boxes."""
    if not graph.operations or len(graph.quantities) > MOST:
        return ""
    places = graph.places()
    top = min(y for _, y in places)
    at = [(20 + x * _ACROSS, 22 + (y - top) * _DOWN) for x, y in places]
    width = max(x for x, _ in at) + _WIDE + 20
    height = max(y for _, y in at) + _HIGH + 22
    edges = "".join(_edge(graph, i, at) for i in range(len(graph.edges)))
    boxes = "".join(_box(q, *at[i], i == graph.result) for i, q in enumerate(graph.quantities))
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" role="img" aria-label="{escape(_told(graph))}" '
        f'style="min-width:{min(width, 2400) * 0.8:g}px">{edges}{boxes}</svg>'
    )


def _told(graph: Graph) -> str:
    return f"Graph of {graph.name}: {len(graph.quantities)} quantities, {len(graph.edges)} edges"


def _box(quantity: Quantity, x: float, y: float, result: bool) -> str:
    inputs = quantity.role == "input"
    stroke = "var(--accent)" if inputs else "var(--ink)" if result else "var(--rule)"
    weight = 2 if inputs or result else 1.25
    slope = "" if quantity.adjoint_size is None or result else _slope(quantity)
    text = lambda dx, dy, anchor, fill, size, words: (
        f'<text x="{x + dx:g}" y="{y + dy:g}" font-size="{size}" text-anchor="{anchor}" fill="var(--{fill})"'
        f"{words}</text>"
    )
    name = f' font-style="italic" font-family="Georgia,serif">{escape(letter(quantity.name))}'
    return (
        f'<g><title>{escape(quantity.label)}</title><rect x="{x:g}" y="{y:g}" width="{_WIDE}" height="{_HIGH}" rx="5" '
        f'fill="var(--sheet)" stroke="{stroke}" stroke-width="{weight}"/>'
        f"{text(9, 19, 'start', 'ink', 14, name)}"
        f"{text(_WIDE - 9, 19, 'end', 'ink', 11.5, '>' + escape(_value(quantity)))}"
        f"{text(_WIDE - 9, 37, 'end', 'bad', 11.5, '>' + escape(slope))}</g>"
    )


def _value(quantity: Quantity) -> str:
    if quantity.shape == () and quantity.value is not None and np.asarray(quantity.value).dtype.kind != "b":
        return short(float(quantity.value))
    return shape_text(quantity.shape)


def _slope(quantity: Quantity) -> str:
    assert quantity.adjoint_size is not None
    if quantity.shape == () and quantity.adjoint is not None:
        return f"slope {short(float(quantity.adjoint))}"
    return f"‖slope‖ {short(quantity.adjoint_size.norm, 3)}"


def _edge(graph: Graph, index: int, at: list[tuple[float, float]]) -> str:
    edge = graph.edges[index]
    same = [i for i, e in enumerate(graph.edges) if (e.source, e.target) == (edge.source, edge.target)]
    shift = 14 * (same.index(index) - (len(same) - 1) / 2)
    (x1, y1), (x2, y2) = at[edge.source], at[edge.target]
    x1, y1, y2 = x1 + _WIDE, y1 + _HIGH / 2 + shift, y2 + _HIGH / 2 + shift
    bow = _bow(graph, edge.source, edge.target, at)
    third = (x2 - x1) / 3
    curve = f"M{x1:g},{y1:g} C{x1 + third:g},{y1 + bow:g} {x2 - third:g},{y2 + bow:g} {x2:g},{y2:g}"
    label = ""
    if edge.slope is not None:
        x, y = x1 + 0.72 * (x2 - x1), _on_curve(y1, y1 + bow, y2 + bow, y2, 0.72)
        if x2 - x1 < _ACROSS:
            x, y = (x1 + x2) / 2, _on_curve(y1, y1 + bow, y2 + bow, y2, 0.5)
        label = (
            f'<text x="{x:g}" y="{y - 5:g}" font-size="11" text-anchor="middle" fill="var(--accent)" '
            f'stroke="var(--paper)" stroke-width="3" paint-order="stroke">{escape("·" + short(edge.slope))}</text>'
        )
    return f'<path d="{curve}" fill="none" stroke="var(--muted)" stroke-width="1.1" opacity="0.75"/>{label}'


def _on_curve(a: float, b: float, c: float, d: float, t: float) -> float:
    s = 1 - t
    return s**3 * a + 3 * s**2 * t * b + 3 * s * t**2 * c + t**3 * d


def _bow(graph: Graph, source: int, target: int, at: list[tuple[float, float]]) -> float:
    """How far an edge bends away so that it passes no box that stands between its ends."""
    (x1, y1), (x2, y2) = at[source], at[target]
    for i, (x, y) in enumerate(at):
        if i in (source, target) or not x1 + 1 < x < x2 - 1:
            continue
        share = (x + _WIDE / 2 - x1) / (x2 - x1)
        line = y1 + (y2 - y1) * share
        if abs(line - y) < 0.8 * _HIGH:
            return -1.05 * _DOWN if y >= line else 1.05 * _DOWN
    return 0.0


def sparkline(values: tuple[float, ...], width: int = 220, height: int = 40) -> str:
    """Sizes over the turns of a loop on a logarithmic scale, as a line without axes."""
    y = np.log10(np.maximum(np.asarray(values, float), 1e-300))
    if len(y) < 2 or not np.all(np.isfinite(y)):
        return ""
    low, high = float(y.min()), float(y.max())
    span = max(high - low, 1e-9)
    points = " ".join(
        f"{4 + (width - 8) * i / (len(y) - 1):.1f},{height - 5 - (height - 10) * (v - low) / span:.1f}"
        for i, v in enumerate(y)
    )
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-label="size by turn">'
        f'<polyline points="{points}" fill="none" stroke="var(--bad)" stroke-width="1.6"/></svg>'
    )
