"""Pictures of patterns: each cell that is drawn is an entry, with its names and its colour."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.sparse import BCOO

import cycloid as cy

d = cy.differentiate


def chain(x: Any) -> Any:
    return jnp.sum((x[1:] - x[:-1] ** 2) ** 2)


def scanned(x: Any) -> Any:
    return jax.lax.scan(lambda carry, item: (0.5 * carry, item**2 + x[0]), 0.0, x)[1]


def cells(trace: Any) -> set[tuple[int, int]]:
    rows, columns = np.nonzero(~np.isnan(np.asarray(trace.z, float)))
    return {(int(trace.y[i]), int(trace.x[j])) for i, j in zip(rows, columns, strict=True)}


@pytest.mark.parametrize("dark", [False, True])
def test_a_small_plan_shows_each_entry_in_the_colour_of_its_map(dark: bool) -> None:
    fig = cy.figure(d.plan(chain, jnp.ones(6), order=2), dark=dark)
    drawn = {trace.name: cells(trace) for trace in fig.data}
    assert {frozenset(part) for part in drawn.values()} == {
        frozenset({(k, k) for k in range(6)}),
        frozenset({(k + 1, k) for k in range(5)}),
        frozenset({(k, k + 1) for k in range(5)}),
    }
    assert set(drawn) == {"map 1", "map 2", "map 3"}
    assert len({trace.colorscale for trace in fig.data}) == 3
    assert list(fig.layout.xaxis.ticktext) == list(fig.layout.yaxis.ticktext) == [f"x[{k}]" for k in range(6)]
    assert fig.layout.title.text == "Hessian, 6 × 6"
    assert "16 entries (44 %) by maps" in fig.layout.title.subtitle.text


def test_rows_and_columns_have_their_names() -> None:
    point = {"a": jnp.ones(2), "b": 2.0}
    fig = cy.figure(d.plan(lambda p: {"<i>out</i>": p["a"] * p["b"]}, point))
    assert list(fig.layout.xaxis.ticktext) == ["a[0]", "a[1]", "b"]
    assert list(fig.layout.yaxis.ticktext) == ["&lt;i&gt;out&lt;/i&gt;[0]", "&lt;i&gt;out&lt;/i&gt;[1]"]
    assert fig.data[0].customdata[1][2] == "&lt;i&gt;out&lt;/i&gt;[1], b"


def test_columns_of_one_product_have_one_colour() -> None:
    found = d.plan(scanned, jnp.ones(20))
    fig = cy.figure(found)
    assert found.path == "colouring"
    drawn = {trace.name: cells(trace) for trace in fig.data}
    assert drawn == {
        "colour 1": {(k, 0) for k in range(20)},
        "colour 2": {(k, k) for k in range(1, 20)},
    }


def test_a_large_plan_shows_how_full_it_is_and_a_corner() -> None:
    found = d.plan(chain, jax.ShapeDtypeStruct((1600,), float), order=2)
    whole, *corner = cy.figure(found).data
    share = 10 ** np.asarray(whole.z, float)
    assert share.shape == (160, 160)
    assert np.nansum(share) * 100 == pytest.approx(found.nonzeros)  # parts of 10 by 10 entries
    assert set().union(*(cells(trace) for trace in corner)) == {
        (i, j) for i in range(24) for j in range(24) if abs(i - j) <= 1
    }


def test_the_corner_of_a_wide_matrix_stands_where_its_entries_are() -> None:
    fig = cy.figure(d.plan(lambda x: x[100:150] ** 2, jnp.ones(400)))
    assert cells(fig.data[1]) == {(k, 100 + k) for k in range(24)}
    assert fig.layout.xaxis2.ticktext[0] == "x[100]"


def test_a_pattern_and_a_matrix_are_drawn_too() -> None:
    x = jnp.linspace(-1.0, 1.0, 5)
    matrix = d.hessian(chain, pattern="auto")(x)
    fig = cy.figure(matrix, rows=d.names(x))
    np.testing.assert_allclose(np.nan_to_num(np.asarray(fig.data[0].z, float)), matrix.todense())
    assert list(fig.layout.xaxis.ticktext) == d.names(x)
    (trace,) = cy.figure(d.pattern_of(chain, x, order=2)).data
    assert cells(trace) == {tuple(map(int, pair)) for pair in np.asarray(matrix.indices)}
    large = d.jacobian(lambda x: x**3, pattern="auto")(jnp.linspace(1.0, 2.0, 320))
    whole, corner = cy.figure(large).data
    assert np.nanmax(10 ** np.asarray(whole.z, float)) == pytest.approx(12.0)
    assert cells(corner) == {(k, k) for k in range(24)}


def test_what_is_no_picture_is_refused() -> None:
    matrix = BCOO.fromdense(jnp.eye(3))
    with pytest.raises(ValueError, match="2 names for 3 rows"):
        cy.figure(matrix, rows=["a", "b"])
    with pytest.raises(TypeError, match=r"two axes; this one has the shape \(2, 3, 3\)"):
        cy.figure(BCOO.fromdense(jnp.ones((2, 3, 3))))


def test_nothing_at_all_is_drawn_as_an_empty_frame() -> None:
    fig = cy.figure(d.plan(lambda x: jnp.ones(3), jnp.ones(4)))
    assert not fig.data
    assert "0 entries" in fig.layout.title.subtitle.text
