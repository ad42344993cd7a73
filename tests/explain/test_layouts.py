"""Graphs placed in layers."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cycloid.explain.layouts import BOXES, PASSING, layered


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[int], list[tuple[int, int]]]:
    levels = sorted(draw(st.lists(st.integers(0, 4), min_size=1, max_size=9)))
    pairs = [(a, b) for a, b in itertools.product(range(len(levels)), repeat=2) if levels[a] < levels[b]]
    edges = draw(st.lists(st.sampled_from(pairs), max_size=12)) if pairs else []
    return levels, edges


@given(graphs())
def test_nothing_overlaps_and_no_edge_passes_a_box(graph: tuple[list[int], list[tuple[int, int]]]) -> None:
    levels, edges = graph
    places, routes = layered(levels, edges)
    assert [column for column, _ in places] == levels
    for (a, row_a), (b, row_b) in itertools.combinations(places, 2):
        assert a != b or abs(row_a - row_b) >= BOXES - 1e-9
    for (source, target), route in zip(edges, routes, strict=True):
        assert [column for column, _ in route] == list(range(levels[source], levels[target] + 1))
        for column, row in route[1:-1]:
            assert all(abs(row - other) >= PASSING - 1e-9 for at, other in places if at == column)


def test_rows_follow_the_neighbours_around_zero() -> None:
    places, _ = layered([0, 0, 1, 1, 2], [(0, 3), (1, 2), (2, 4), (3, 4)])
    rows = np.array([row for _, row in places])
    assert (rows[0] < rows[1]) == (rows[3] < rows[2])  # the edges do not cross
    assert rows[4] == 0
    assert rows.max() == -rows.min()


def test_twins_share_their_way() -> None:
    _, routes = layered([0, 1, 2], [(0, 2), (0, 2), (0, 1), (1, 2)])
    assert routes[0] == routes[1]
