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
    plan = graph.layout()
    rows = [row for route in [plan.places, *plan.routes] for _, row in route]
    place = lambda point: (20 + point[0] * _ACROSS, 22 + (point[1] - min(rows)) * _DOWN)
    at = [place(point) for point in plan.places]
    width = max(x for x, _ in at) + _WIDE + 20
    height = (max(rows) - min(rows)) * _DOWN + _HIGH + 44
    edges = "".join(_edge(graph, i, [place(point) for point in route]) for i, route in enumerate(plan.routes))
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


def _edge(graph: Graph, index: int, route: list[tuple[float, float]]) -> str:
    """A curve that runs level past the boxes of the columns between its ends."""
    edge = graph.edges[index]
    same = [i for i, e in enumerate(graph.edges) if (e.source, e.target) == (edge.source, edge.target)]
    shift = _HIGH / 2 + 14 * (same.index(index) - (len(same) - 1) / 2)
    start, curve = route[0], f"M{route[0][0] + _WIDE:g},{route[0][1] + shift:g}"
    for end in route[1:]:
        (x1, y1), (x2, y2) = (start[0] + _WIDE, start[1] + shift), (end[0], end[1] + shift)
        bend = (x2 - x1) / 2
        curve += f" C{x1 + bend:g},{y1:g} {x2 - bend:g},{y2:g} {x2:g},{y2:g}"
        curve += f" H{x2 + _WIDE:g}" if end is not route[-1] else ""
        start = end
    label = ""
    if edge.slope is not None:
        (x1, y1), (x2, y2) = route[-2], route[-1]
        x, y = x1 + _WIDE + 0.58 * (x2 - x1 - _WIDE), y1 + 0.64 * (y2 - y1) + shift  # past where edges cross
        label = (
            f'<text x="{x:g}" y="{y - 5:g}" font-size="11" text-anchor="middle" fill="var(--accent)" '
            f'stroke="var(--paper)" stroke-width="3" paint-order="stroke">{escape("·" + short(edge.slope))}</text>'
        )
    return f'<path d="{curve}" fill="none" stroke="var(--muted)" stroke-width="1.1" opacity="0.75"/>{label}'


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
