"""Where the boxes and edges of a computation stand in a picture, in layers from left to right.

An edge that spans several columns is given a place in each column it passes, so that it runs between the boxes and
not behind them. The order inside the columns follows the mean of the neighbours; the rows are as near to them as the
distances between places allow.

Reference: Sugiyama, Tagawa, Toda, Methods for visual understanding of hierarchical system structures, 1981.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

# Distances between two boxes, a box and a passing edge, two passing edges; the unit is the distance of two boxes.
BOXES, PASSING, EDGES = 1.0, 0.72, 0.34
SWEEPS = 6

Point = tuple[float, float]


class Layout(NamedTuple):
    """A picture's plan.

    Attributes:
        places: column and row of each node, rows around zero.
        routes: of each edge, the places it passes, its ends included.
    """

    places: list[Point]
    routes: list[list[Point]]


def layered(levels: Sequence[int], edges: Sequence[tuple[int, int]]) -> Layout:
    """Place nodes whose columns are known.

    Args:
        levels: the column of each node.
        edges: (source, target) with levels[source] < levels[target].

    Example:
        >>> plan = layered([0, 1, 2], [(0, 1), (1, 2), (0, 2)])
        >>> [len(route) for route in plan.routes], plan.routes[2][1] != plan.places[1]
        ([2, 2, 3], True)
    """
    columns = list(levels)
    routes: dict[tuple[int, int], list[int]] = {}
    for source, target in edges:
        if (source, target) not in routes:
            between = range(levels[source] + 1, levels[target])
            routes[source, target] = [source, *range(len(columns), len(columns) + len(between)), target]
            columns += between
    links = [pair for route in routes.values() for pair in itertools.pairwise(route)]
    layers = [[i for i, column in enumerate(columns) if column == k] for k in range(max(columns, default=-1) + 1)]
    before = _neighbours(links, len(columns), forward=False)
    after = _neighbours(links, len(columns), forward=True)
    rows = np.zeros(len(columns))
    for layer in layers:
        rows[layer] = np.arange(len(layer)) - (len(layer) - 1) / 2
    for sweep in range(SWEEPS):
        forward = sweep % 2 == 0
        for layer in layers if forward else layers[::-1]:
            _settle(layer, rows, before if forward else after, len(levels))
    for layer in layers:  # in the end both sides have a say
        _place(layer, rows, [a + b for a, b in zip(before, after, strict=True)], len(levels))
    rows -= (rows.max() + rows.min()) / 2 if len(columns) else 0.0
    at = [(float(column), float(row)) for column, row in zip(columns, rows, strict=True)]
    return Layout(at[: len(levels)], [[at[i] for i in routes[edge]] for edge in edges])


def _neighbours(links: list[tuple[int, int]], count: int, forward: bool) -> list[list[int]]:
    found: list[list[int]] = [[] for _ in range(count)]
    for source, target in links:
        if forward:
            found[source].append(target)
        else:
            found[target].append(source)
    return found


def _settle(layer: list[int], rows: np.ndarray, neighbours: list[list[int]], boxes: int) -> None:
    """Sort a column by the mean row of its neighbours on one side, and place it there."""
    wish = {i: float(np.mean(rows[neighbours[i]])) if neighbours[i] else float(rows[i]) for i in layer}
    layer.sort(key=lambda i: (wish[i], rows[i], i))
    _place(layer, rows, neighbours, boxes)


def _place(layer: list[int], rows: np.ndarray, neighbours: list[list[int]], boxes: int) -> None:
    """Rows nearest to the neighbours' mean in the least-squares sense, in this order and not too close."""
    wish = [float(np.mean(rows[neighbours[i]])) if neighbours[i] else float(rows[i]) for i in layer]
    gaps = [_gap(a, b, boxes) for a, b in itertools.pairwise(layer)]
    offsets = np.concatenate([[0.0], np.cumsum(gaps)])
    rows[layer] = _increasing(np.asarray(wish) - offsets) + offsets


def _gap(a: int, b: int, boxes: int) -> float:
    passing = (a >= boxes) + (b >= boxes)
    return (BOXES, PASSING, EDGES)[passing]


def _increasing(values: np.ndarray) -> np.ndarray:
    """The nearest sequence that nowhere falls: neighbours that would fall share their mean."""
    blocks: list[list[float]] = []
    for value in values:
        blocks.append([float(value), 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (b, m), (a, n) = blocks.pop(), blocks.pop()
            blocks.append([(a * n + b * m) / (n + m), n + m])
    return np.concatenate([np.full(int(n), mean) for mean, n in blocks]) if blocks else np.zeros(0)
