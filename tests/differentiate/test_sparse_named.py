"""Names and blocks: matrices of derivatives and the pytrees they belong to."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.sparse import BCOO

import cycloid as cy

d = cy.differentiate


class Layer(eqx.Module):
    weight: jax.Array
    bias: jax.Array


def loss(p: Any) -> Any:
    return jnp.sum(p["b"] ** 2) * p["a"] + p["a"] ** 3


POINT = {"a": jnp.asarray(2.0), "b": jnp.array([1.0, 3.0])}


def test_names() -> None:
    assert d.names(POINT) == ["a", "b[0]", "b[1]"]
    assert d.names(jnp.zeros((2, 1)), root="u") == ["u[0, 0]", "u[1, 0]"]
    assert d.names((1.0, {"k": 2.0}), root="x") == ["x[0]", "x[1].k"]
    assert d.names({"layer": Layer(jnp.zeros((1, 2)), jnp.zeros(1)), "steps": jnp.arange(3), "name": "net"}) == [
        "layer.weight[0, 0]",
        "layer.weight[0, 1]",
        "layer.bias[0]",
    ]


def test_a_hessian_one_can_read() -> None:
    table = d.named(d.hessian(loss, pattern="auto")(POINT), POINT)
    assert list(table.index) == list(table.columns) == ["a", "b[0]", "b[1]"]
    assert table.loc["a", "a"] == 12.0
    assert table.loc["b[1]", "a"] == table.loc["a", "b[1]"] == 6.0
    assert table.loc["b[0]", "b[1]"] == 0.0


def test_the_entries_alone_largest_first() -> None:
    table = d.named(d.hessian(loss, pattern="auto")(POINT), POINT, long=True)
    assert list(table.iloc[0]) == ["a", "a", 12.0]
    assert list(table["value"].abs()) == sorted(table["value"].abs(), reverse=True)
    whole = d.named(np.array([[0.0, 5.0]]), 1.0, {"x": 1.0, "y": 2.0}, long=True)
    assert whole.to_numpy().tolist() == [["f", "y", 5.0]]


def test_blocks_and_back() -> None:
    for matrix in (d.hessian(loss, pattern="auto")(POINT), d.hessian(loss, pattern="auto")(POINT).todense()):
        parts = d.blocks(matrix, POINT)
        wanted = jax.hessian(loss)(POINT)
        for row, column in ((r, c) for r in "ab" for c in "ab"):
            part = parts[row][column]
            if isinstance(part, BCOO):
                part = part.todense().reshape(wanted[row][column].shape)
            np.testing.assert_allclose(part, wanted[row][column])
    np.testing.assert_allclose(d.as_matrix(jax.hessian(loss)(POINT), POINT), matrix)


def test_dense_operators_take_argnums_memory_and_mesh() -> None:
    f = lambda p, x: jnp.tanh(p["b"] * x) * p["a"]
    x = jnp.array([0.5, -1.0])
    for argnums in (0, 1, (0, 1)):
        wanted = jax.jacfwd(f, argnums=argnums)(POINT, x)
        for found in (d.jacobian(f, argnums=argnums)(POINT, x), d.jacobian(f, argnums=argnums, memory=1e9)(POINT, x)):
            jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-14), found, wanted)
    g = lambda p, x: jnp.sum(f(p, x)) ** 2
    for found in (d.hessian(g, argnums=(0, 1))(POINT, x), d.hessian(g, argnums=(0, 1), memory=1e9)(POINT, x)):
        wanted = jax.hessian(g, argnums=(0, 1))(POINT, x)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-12), found, wanted)


def test_wrong_sizes_are_told() -> None:
    with pytest.raises(ValueError, match=r"shape \(2, 2\); rows and columns name 3 and 3 numbers"):
        d.named(np.eye(2), POINT)
    with pytest.raises(ValueError, match=r"shape \(2, 2\); rows and columns hold 3 and 3 numbers"):
        d.blocks(np.eye(2), POINT)
    with pytest.raises(ValueError, match="not readable: long=True"):
        d.named(np.zeros((1, 2000)), 1.0, np.zeros(2000))
    with pytest.raises(ValueError, match="2 leaves by 2 make other than the 1 blocks"):
        d.as_matrix(np.eye(2), POINT)
