"""Backpropagation for a terminal: layer by layer, the equations and their numbers."""

from __future__ import annotations

import numpy as np

from cycloid.explain.labels import shape_text
from cycloid.explain.networks import Layer, Line, Network, Table
from cycloid.explain.rendering.amounts import short
from cycloid.explain.rendering.terminal import columns
from cycloid.explain.rendering.wording import MARKS, plural

_SHOWN = 24  # entries of a matrix that are written out
_SIDE = 8


def network_lines(network: Network) -> list[str]:
    """The whole network: forward from the first layer, backward from the last."""
    lines = ["Forward, with the examples as rows"]
    for layer in network.layers:
        lines += ["", title_of(layer), *(row for line in layer.forward for row in _line(line))]
    lines += [
        "",
        f"L = {network.loss} = {short(network.value, 8)}",
        "",
        "Backward, δˡ is the slope of L with respect to Zˡ",
    ]
    for layer in reversed(network.layers):
        lines += ["", title_of(layer)]
        lines += [f"  {layer.law}"] if layer.law and layer.number < len(network.layers) else []
        lines += [row for line in layer.backward for row in _line(line)]
    return [*lines, "", *_summary(network)]


def title_of(layer: Layer) -> str:
    """Layer 2 (layers[1]): 3 → 1 unit, then tanh."""
    behind = "" if layer.activation == "identity" else f", then {layer.activation}"
    place = f" ({layer.label})" if layer.label else ""
    return f"Layer {layer.number}{place}: {layer.inputs} → {plural(layer.outputs, 'unit')}{behind}"


def _line(line: Line) -> list[str]:
    marks = "".join(f" {MARKS[check.verdict]} {check.method}" for check in line.checks)
    head = f"  {line.left} = {line.right}"
    rows = matrix(line.table)
    if rows is None:
        return [f"{head:<44}{in_words(line.table)}{marks}"]
    return [f"{head:<44}{rows[0]}{marks if len(rows) == 1 else ''}", *(" " * 44 + row for row in rows[1:-1]),
            *([" " * 44 + rows[-1] + marks] if len(rows) > 1 else [])]  # fmt: skip


def in_words(table: Table) -> str:
    """A matrix by its shape and the size of its entries."""
    size = table.size
    told = f", norm {short(size.norm)}, {short(size.least)} … {short(size.most)}" if size else ""
    return f"{shape_text(table.shape)}{told}"


def matrix(table: Table) -> list[str] | None:
    """The rows of a small matrix; None where it is too large to be written out."""
    if table.entries is None or np.size(table.entries) > _SHOWN or not np.size(table.entries):
        return None
    array = np.atleast_2d(np.asarray(table.entries))
    if array.shape[1] > _SIDE or array.shape[0] > _SIDE:
        return None
    return [f"[ {row} ]" for row in columns([[short(x) for x in row] for row in array])]


def _summary(network: Network) -> list[str]:
    """One row a layer: norms of δ and of the slopes, to see where they fade or grow."""
    rows = [["  layer", "norm of δ", "norm of ∂L/∂W"]]
    for layer in network.layers:
        norms = [short(line.table.size.norm) if line.table.size else "" for line in layer.backward[:2]]
        rows.append([f"  {layer.number}", *norms])
    return ["How the slope travels", *columns(rows)]
