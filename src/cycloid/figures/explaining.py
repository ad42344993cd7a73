"""Explanations as pictures: the graph of a computation, a slope, an area, the partial sums of a series, layers."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from cycloid.core.formulas import Formula
from cycloid.core.numerals import numeral
from cycloid.core.syntax import Number, names
from cycloid.explain.derivations import Derivation
from cycloid.explain.graphs import Graph
from cycloid.explain.networks import Network
from cycloid.explain.probing import evaluate
from cycloid.figures.draw import calm_range, canvas, curve, dots, label, panels
from cycloid.figures.registry import register
from cycloid.figures.theme import SERIF, faded, palette

_POINTS = 601
HALF = 0.28  # of the width of a box, in columns


@register(Derivation)
def draw_derivation(result: Derivation, *, dark: bool = False) -> Any:
    """Draw an explanation.

    Args:
        result: of `cy.explain`.
        dark: the dark theme.

    Returns:
        A plotly figure: the graph of a computation; f with its derivatives and the tangent; f with the area under it
        and its antiderivative; f with the partial sums of its series; the sizes of the slopes by layer.
    """
    if isinstance(result.evidence, Graph):
        return _graph(result, result.evidence, dark)
    if isinstance(result.evidence, Network):
        return _layers(result, result.evidence, dark)
    return {"derivative": _tangent, "antiderivative": _area, "taylor": _sums}[result.kind](result, dark)


# -- formulas ------------------------------------------------------------------------------------------------------


def _one_variable(result: Derivation) -> tuple[Formula, str]:
    first = result.steps[0]
    given = Formula.from_tree(first.given, sorted(names(first.given) | {first.variable}))
    if len(given.variables) > 1:
        raise ValueError(
            f"{given} has the variables {', '.join(given.variables)}: a figure shows a formula of one. "
            "Put numbers for the others."
        )
    return given, first.variable


def _at(step: Any, name: str) -> float | None:
    """The number that a letter stands for in a step."""
    for letter, tree in step.where:
        if letter == name:
            return float(np.real(evaluate(tree, {})))
    return None


def _tangent(result: Derivation, dark: bool) -> Any:
    from cycloid.figures.tangents import function

    f, variable = _one_variable(result)
    last = result.steps[-1]
    at = _at(last, variable) if last.kind == "value" else None
    order = sum(step.kind == "derivative" for step in result.steps)
    middle = 0.0 if at is None else at
    span = max(2.0, abs(middle))
    return function(f, middle - span, middle + span, order=min(order, 5), at=at, dark=dark)


def _area(result: Derivation, dark: bool) -> Any:
    """f with the area between the bounds, and below it its antiderivative."""
    f, variable = _one_variable(result)
    c = palette(dark)
    last = result.steps[-1]
    ends = [float(x) if np.isfinite(x) else None for x in _ends(last)] if last.kind == "definite" else None
    low, high = _window(ends)
    x = np.linspace(low, high, _POINTS)
    y = np.real(evaluate(f.tree, {variable: x})) + 0.0 * x
    known = result.formula is not None
    fig = panels(
        2 if known else 1, 1, dark=dark, title=label(result.heading), shared_xaxes=True, vertical_spacing=0.08,
        height=520 if known else 380, layout={"showlegend": False},
    )  # fmt: skip
    if ends is not None:
        inside = (
            (x >= (low if ends[0] is None else ends[0]))
            & (x <= (high if ends[1] is None else ends[1]))
            & np.isfinite(y)
        )
        _fill(fig, x[inside], y[inside], c)
    curve(fig, x, y, "f", c["accent"], at={"row": 1, "col": 1}, width=2.5)
    fig.add_hline(y=0, line={"color": c["muted"], "width": 1}, row=1, col=1)
    fig.update_yaxes(range=calm_range(y), row=1, col=1)
    if result.formula is not None:
        primitive = np.real(evaluate(result.formula.tree, {variable: x})) + 0.0 * x
        curve(fig, x, primitive, "F", c["green"], at={"row": 2, "col": 1})
        fig.update_yaxes(range=calm_range(primitive), title="F", row=2, col=1)
    fig.update_yaxes(title="f", row=1, col=1)
    fig.update_xaxes(title=label(variable), row=2 if known else 1, col=1)
    return fig


def _ends(step: Any) -> tuple[float, float]:
    found = []
    for _, tree in step.where:
        infinite = not isinstance(tree, Number) and "∞" in str(tree)
        found.append((-np.inf if "neg" in str(tree) else np.inf) if infinite else float(np.real(evaluate(tree, {}))))
    return found[0], found[1]


def _window(ends: list[float | None] | None) -> tuple[float, float]:
    if ends is None:
        return -3.0, 3.0
    low = ends[0] if ends[0] is not None else (ends[1] or 0.0) - 6.0
    high = ends[1] if ends[1] is not None else low + 6.0
    low, high = min(low, high), max(low, high)
    room = 0.25 * max(high - low, 1e-9)
    return low - room, high + room


def _fill(fig: Any, x: np.ndarray, y: np.ndarray, c: dict[str, str]) -> None:
    import plotly.graph_objects as go

    fig.add_trace(
        go.Scatter(
            x=np.concatenate([x, x[::-1]]), y=np.concatenate([y, np.zeros_like(y)]), fill="toself", mode="lines",
            fillcolor=faded(c["accent"], 0.18), line={"width": 0}, hoverinfo="skip", showlegend=False, name="area",
        ), row=1, col=1,
    )  # fmt: skip


def _sums(result: Derivation, dark: bool) -> Any:
    """f and the partial sums of its series, the later the stronger."""
    f, variable = _one_variable(result)
    c = palette(dark)
    steps = [step for step in result.steps if step.kind == "coefficient" and step.check is not None]
    centre = _at(result.steps[0], "a") or 0.0
    span = max(2.0, 0.75 * abs(centre))
    x = np.linspace(centre - span, centre + span, _POINTS)
    y = np.real(evaluate(f.tree, {variable: x})) + 0.0 * x
    fig = canvas(label(result.heading), dark=dark, height=480)
    total = np.zeros_like(x)
    shown = [k for k, step in enumerate(steps) if step.result != Number(0)]
    for k, step in enumerate(steps):
        total = total + float(np.real(evaluate(step.result, {}))) * (x - centre) ** k
        if k in shown:
            strength = 0.25 + 0.75 * (shown.index(k) + 1) / len(shown)
            curve(fig, x, total.copy(), f"order {k}", faded(c["warm"], strength), width=1.5)
    curve(fig, x, y, "f", c["accent"], width=3)
    dots(fig, centre, float(np.real(evaluate(f.tree, {variable: np.float64(centre)}))), "centre", c["accent"])
    fig.update_yaxes(range=calm_range(y))
    fig.update_xaxes(title=label(variable))
    return fig


# -- code ----------------------------------------------------------------------------------------------------------


def _graph(result: Derivation, graph: Graph, dark: bool) -> Any:
    """Quantities from left to right, coloured by the size of their slope, edges with their local derivatives."""
    import plotly.graph_objects as go

    c = palette(dark)
    plan = graph.layout()
    x, y = np.array([p[0] for p in plan.places]), -np.array([p[1] for p in plan.places])
    rows = [-row for route in [plan.places, *plan.routes] for _, row in route]
    columns = np.ptp(x) + 1
    fig = canvas(
        label(result.heading),
        "a box is a quantity: its value, and below it the slope of the result with respect to it", dark=dark,
        height=int(150 + 88 * (np.ptp(rows) + 1)), showlegend=False,
        **({"width": int(126 * columns)} if columns > 7 else {}),
    )  # fmt: skip
    for index, route in enumerate(plan.routes):
        _edge(fig, graph, index, route, c)
    hover = [_hover(graph, i) for i in range(len(graph.quantities))]
    fig.add_trace(go.Scatter(
        x=x, y=y, mode="markers", marker={"size": 34, "color": "rgba(0,0,0,0)"}, hovertext=hover, hoverinfo="text",
        name="quantities",
    ))  # fmt: skip
    for i, quantity in enumerate(graph.quantities):
        role = "accent" if quantity.role == "input" else "ink" if i == graph.result else "rule"
        slope = (
            ""
            if i == graph.result or quantity.adjoint_size is None
            else _short(quantity.adjoint, quantity.adjoint_size)
        )
        value = (
            f" = {_short(quantity.value, quantity.size)}"
            if quantity.shape == ()
            else f", {'×'.join(map(str, quantity.shape))}"
        )
        fig.add_annotation(
            x=x[i], y=y[i],
            text=f"<i>{label(_pretty(quantity.name))}</i>{value}<br>"
            f"<span style='color:{c['warm']}'>{slope or '&nbsp;'}</span>",
            showarrow=False, font={"size": 12, "color": c["ink"], "family": SERIF}, bgcolor=c["sheet"],
            bordercolor=c[role], borderwidth=1.5, borderpad=5, align="center",
        )  # fmt: skip
    fig.update_xaxes(visible=False, range=[x.min() - 0.6, x.max() + 0.6])
    fig.update_yaxes(visible=False, range=[min(rows) - 0.9, max(rows) + 0.9])
    return fig


def _pretty(name: str) -> str:
    from cycloid.explain.handwriting import letter

    return letter(name)


def _short(array: Any, size: Any) -> str:
    if array is not None and np.ndim(array) == 0 and np.asarray(array).dtype.kind != "b":
        return numeral(np.asarray(array), 4, typeset=True)
    return "" if size is None else f"‖·‖ {numeral(np.float64(size.norm), 3, typeset=True)}"


def _hover(graph: Graph, i: int) -> str:
    quantity = graph.quantities[i]
    lines = [label(quantity.label)]
    if quantity.maker is not None:
        operation = graph.operations[quantity.maker]
        lines.append(label(operation.name))
        if operation.source is not None:
            lines.append(label(f"{operation.source}"))
    return "<br>".join(lines)


def _edge(fig: Any, graph: Graph, index: int, route: list[tuple[float, float]], c: dict[str, str]) -> None:
    """A curve through the places that are kept free for it, level where it passes a box."""
    import plotly.graph_objects as go

    edge = graph.edges[index]
    twins = [k for k, e in enumerate(graph.edges) if (e.source, e.target) == (edge.source, edge.target)]
    turn = (twins.index(index) - (len(twins) - 1) / 2) * 0.3
    t = np.linspace(0, 1, 24)
    smooth = t * t * (3 - 2 * t)
    parts = [
        (x1 + HALF + (x2 - x1 - 2 * HALF) * t, -y1 - turn + (y1 - y2) * smooth)
        for (x1, y1), (x2, y2) in itertools.pairwise(route)
    ]
    (first, above), (last, below) = route[0], route[-1]  # under the boxes at both ends
    fig.add_trace(go.Scatter(
        x=[first, *np.concatenate([part[0] for part in parts]), last],
        y=[-above - turn, *np.concatenate([part[1] for part in parts]), -below - turn], mode="lines",
        line={"color": faded(c["muted"], 0.55), "width": 1.4}, hoverinfo="skip", showlegend=False, name="edge",
    ))  # fmt: skip
    if edge.slope is not None:
        (x1, y1), (x2, y2) = route[-2:]
        fig.add_annotation(
            x=x1 + 0.58 * (x2 - x1), y=-y1 + 0.7 * (y1 - y2) - turn, text=f"·{numeral(edge.slope, 3, typeset=True)}",
            showarrow=False, font={"size": 11, "color": c["accent"]}, bgcolor=c["paper"], borderpad=1,
        )  # fmt: skip


def _layers(result: Derivation, network: Network, dark: bool) -> Any:
    """The norm of δ and of the slope of the weights, layer by layer, on a logarithmic scale."""
    import plotly.graph_objects as go

    c = palette(dark)
    fig = canvas(label(result.heading), "how large the slopes are, layer by layer", dark=dark, height=400)
    where = [f"layer {layer.number}" for layer in network.layers]
    for name, k, colour in (("norm of δ", 0, c["warm"]), ("norm of ∂L/∂W", 1, c["accent"])):
        tables = [layer.backward[k].table if len(layer.backward) > k else None for layer in network.layers]
        sizes = [np.nan if t is None or t.size is None else t.size.norm for t in tables]
        fig.add_trace(go.Scatter(
            x=where, y=sizes, name=name, mode="lines+markers+text", line={"color": colour, "width": 2},
            marker={"size": 9}, text=[numeral(np.float64(s), 3, typeset=True) for s in sizes],
            textposition="top center", textfont={"color": colour}, cliponaxis=False,
        ))  # fmt: skip
    fig.update_yaxes(type="log", title="norm", exponentformat="power", dtick=1 if _decades(fig) > 1 else None)
    fig.update_xaxes(range=[-0.4, len(where) - 0.6])
    return fig


def _decades(fig: Any) -> float:
    """How many powers of ten the lines of a figure span."""
    sizes = np.concatenate([np.asarray(trace.y, float) for trace in fig.data])
    sizes = sizes[np.isfinite(sizes) & (sizes > 0)]
    return float(np.log10(sizes.max() / sizes.min())) if sizes.size else 0.0
