"""Backpropagation in LaTeX: layer by layer, the equations beside their numbers."""

from __future__ import annotations

import numpy as np

from cycloid.explain.networks import Line, Network, Table
from cycloid.explain.rendering.amounts import short
from cycloid.explain.rendering.papers import plain
from cycloid.explain.rendering.papers_graphs import align, typeset
from cycloid.explain.rendering.terminal_networks import in_words, title_of

_SHOWN, _SIDE = 48, 10


def network_block(network: Network) -> str:
    """The whole network: forward from the first layer, backward from the last."""
    parts = []
    for layer in network.layers:
        parts += [rf"\subparagraph{{{plain(title_of(layer))}}}", align([_line(line) for line in layer.forward])]
    parts.append(plain(f"The loss is {network.loss} = {short(network.value, 8)}. Backward:"))
    for layer in reversed(network.layers):
        parts += [rf"\subparagraph{{{plain(title_of(layer))}}}", align([_line(line) for line in layer.backward])]
    return "\n".join(parts)


def _line(line: Line) -> str:
    return f"{line.latex.replace('=', '&=', 1)} = {_matrix(line.table)}"


def _matrix(table: Table) -> str:
    if table.entries is None or np.size(table.entries) > _SHOWN or max(np.shape(table.entries), default=0) > _SIDE:
        return rf"\text{{({plain(in_words(table))})}}"
    rows = np.atleast_2d(np.asarray(table.entries, float))
    body = r" \\ ".join(" & ".join(typeset(short(x)) for x in row) for row in rows)
    return rf"\begin{{pmatrix}} {body} \end{{pmatrix}}"
