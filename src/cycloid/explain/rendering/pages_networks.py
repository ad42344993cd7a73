"""Backpropagation as HTML: layer by layer, the equations beside the matrices, large ones as pictures."""

from __future__ import annotations

from html import escape

import numpy as np

from cycloid.explain.networks import Layer, Line, Network, Table
from cycloid.explain.rendering.amounts import short
from cycloid.explain.rendering.pages import mark
from cycloid.explain.rendering.pages_graphs import table
from cycloid.explain.rendering.terminal_networks import in_words, title_of

_SHOWN, _SIDE = 48, 10
_PICTURED = 2048


def network_section(network: Network) -> str:
    """The whole network: forward from the first layer, backward from the last."""
    forward = "".join(_block(layer, layer.forward) for layer in network.layers)
    backward = "".join(_block(layer, layer.backward, layer.law) for layer in reversed(network.layers))
    loss = f'<p class="last">L = {escape(network.loss)} = <strong>{escape(short(network.value, 8))}</strong></p>'
    return (
        f"<h4>Forward, with the examples as rows</h4>{forward}{loss}"
        f"<h4>Backward: δ is the slope of L with respect to Z</h4>{backward}"
        f"<h4>How the slope travels</h4>{_summary(network)}"
    )


def _block(layer: Layer, lines: tuple[Line, ...], law: str = "") -> str:
    behind = f'<p class="note">{escape(law)}</p>' if law else ""
    rows = [
        [
            f'<span style="white-space:nowrap">{_equation(line)}</span>',
            numbers(line.table),
            "".join(map(mark, line.checks)),
        ]
        for line in lines
    ]
    return f"<p><strong>{escape(title_of(layer))}</strong></p>{behind}{table(['', '', ''], rows)}"


def _equation(line: Line) -> str:
    return f'<span class="equation">{escape(line.left)} = {escape(line.right)}</span>'


def numbers(kept: Table) -> str:
    """A small matrix entry by entry, tinted by size; a larger one as a picture; a very large one in words."""
    if kept.entries is None or not np.size(kept.entries):
        return f'<span class="note">{escape(in_words(kept))}</span>'
    array = np.atleast_2d(np.asarray(kept.entries, float))
    largest = float(np.nanmax(np.abs(array))) or 1.0
    if array.size <= _SHOWN and max(array.shape) <= _SIDE:
        rows = "".join("<tr>" + "".join(_cell(x, largest) for x in row) + "</tr>" for row in array)
        return (
            '<table style="border-left:1.5px solid var(--ink);border-right:1.5px solid var(--ink);border-radius:5px;'
            f'margin:.2rem 0;font-size:.92em"><tbody>{rows}</tbody></table>'
        )
    words = f'<span class="note">{escape(in_words(kept))}</span>'
    return (_picture(array, largest) + "<br>" if array.size <= _PICTURED else "") + words


def _cell(x: float, largest: float) -> str:
    tint = 0.0 if not np.isfinite(x) else 0.30 * abs(x) / largest
    colour = "217,84,43" if x > 0 else "36,87,214"
    look = f"border:0;padding:.15rem .55rem;background:rgba({colour},{tint:.2f})"
    return f'<td class="n" style="{look}">{escape(short(x))}</td>'


def _picture(array: np.ndarray, largest: float) -> str:
    rows, columns = array.shape
    side = float(np.clip(min(360 / columns, 180 / rows), 3, 12))
    cells = "".join(
        f'<rect x="{j * side:.1f}" y="{i * side:.1f}" width="{side:.1f}" height="{side:.1f}" '
        f'fill="var({"--bad" if array[i, j] > 0 else "--accent"})" opacity="{abs(array[i, j]) / largest:.2f}"/>'
        for i in range(rows)
        for j in range(columns)
    )
    width, height = columns * side, rows * side
    return (
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}" role="img" '
        f'aria-label="entries, warm above zero, blue below" style="outline:1px solid var(--rule)">{cells}</svg>'
    )


def _summary(network: Network) -> str:
    rows = []
    for layer in network.layers:
        norms = [short(line.table.size.norm) if line.table.size else "" for line in layer.backward[:2]]
        rows.append([str(layer.number), *norms])
    return table(["layer", "norm of δ", "norm of ∂L/∂W"], rows, (1, 2))
