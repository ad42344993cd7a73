"""Sparse Jacobians and Hessians: known patterns, uniqueness, order, types, edges, transformations, plans."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.sparse import BCOO

import cycloid as cy

d = cy.differentiate


def rosenbrock(x: Any) -> Any:
    return jnp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def bratu(u: Any) -> Any:
    v = jnp.pad(u, 1)
    out = 4 * u - v[:-2, 1:-1] - v[2:, 1:-1] - v[1:-1, :-2] - v[1:-1, 2:]
    return out - jnp.exp(u)


def long_scan(x: Any) -> Any:
    return jax.lax.scan(lambda carry, item: (0.5 * carry, item**2 + x[0]), 0.0, x)[1]


def points(n: int, dtype: Any = float) -> Any:
    return jnp.asarray(np.random.default_rng(n).normal(size=n), dtype)


def places(matrix: BCOO) -> set[tuple[int, int]]:
    found = [tuple(map(int, pair)) for pair in np.asarray(matrix.indices)]
    assert len(set(found)) == len(found), "an entry stands there twice"
    return set(found)


# --- patterns that are known --------------------------------------------------------------------------------------


def test_hessian_of_a_chain_is_tridiagonal() -> None:
    n = 30
    found = d.hessian(rosenbrock, pattern="auto")(points(n))
    assert isinstance(found, BCOO)
    assert places(found) == {(i, j) for i in range(n) for j in range(n) if abs(i - j) <= 1}
    np.testing.assert_allclose(found.todense(), jax.hessian(rosenbrock)(points(n)), rtol=1e-12)


@pytest.mark.parametrize("shape", [(4, 4), (3, 7), (1, 5), (5, 1)])
def test_jacobian_of_a_five_point_stencil(shape: tuple[int, int]) -> None:
    u = points(int(np.prod(shape))).reshape(shape)
    at = {(i, j): i * shape[1] + j for i in range(shape[0]) for j in range(shape[1])}
    wanted = {
        (k, at[i + a, j + b])
        for (i, j), k in at.items()
        for a, b in ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1))
        if (i + a, j + b) in at
    }
    found = d.jacobian(bratu, pattern="auto")(u)
    assert places(found) == wanted
    np.testing.assert_allclose(found.todense(), jax.jacfwd(bratu)(u).reshape(found.shape), atol=1e-14)


def test_energy_on_a_grid_whose_boxes_join_into_no_box() -> None:
    energy = lambda u: jnp.sum((u[1:, :-1] - u[:-1, :-1]) ** 4 + (u[:-1, 1:] - u[:-1, :-1]) ** 2)
    u = points(20).reshape(4, 5)
    found = d.hessian(energy, pattern="auto")(u)
    dense = jax.hessian(energy)(u).reshape(20, 20)
    assert places(found) == {tuple(map(int, pair)) for pair in np.argwhere(np.asarray(dense) != 0)}
    np.testing.assert_allclose(found.todense(), dense, atol=1e-12)
    assert d.plan(energy, u, order=2).path == "maps"


def test_chain_of_networks_is_block_bidiagonal() -> None:
    first, second = points(4 * 5 * 3).reshape(4, 5, 3), points(4 * 3 * 5 + 1)[1:].reshape(4, 3, 5)
    chain = lambda x: x[1:] - jnp.einsum("lij,lj->li", second, jnp.tanh(jnp.einsum("lij,lj->li", first, x[:-1])))
    x = points(15).reshape(5, 3)
    found = d.jacobian(chain, pattern="auto")(x)
    blocks = {(3 * k + i, 3 * k + j) for k in range(4) for i in range(3) for j in range(3)}
    assert places(found) == blocks | {(k, k + 3) for k in range(12)}
    np.testing.assert_allclose(found.todense(), jax.jacfwd(chain)(x).reshape(12, 15), atol=1e-12)


def test_energy_of_a_graph_with_repeated_edges_and_loops() -> None:
    edges = np.array([[0, 1], [1, 2], [1, 0], [2, 2], [0, 1], [4, 2]])
    energy = lambda x: jnp.sum(jnp.cos(x[edges[:, 0]] - 2 * x[edges[:, 1]])) + jnp.sum(x[3] ** 3)
    x = points(6)
    found = d.hessian(energy, pattern="auto")(x)
    assert places(found) == {(0, 0), (1, 1), (2, 2), (3, 3), (4, 4)} | {
        pair for a, b in ((0, 1), (1, 2), (2, 4)) for pair in ((a, b), (b, a))
    }
    whole = np.asarray(found.todense())
    np.testing.assert_allclose(whole, jax.hessian(energy)(x), atol=1e-12)
    np.testing.assert_array_equal(whole, whole.T)


@pytest.mark.parametrize("n", [7, 8, 37, 1003])
@pytest.mark.parametrize("compiled", [False, True])
def test_hessian_is_symmetric_to_the_last_bit(n: int, compiled: bool) -> None:
    f = lambda x: jnp.sum(jnp.sin(x[3:] * x[:-3] + x[2:-1] * x[1:-2]) * jnp.exp(x[3:] - x[:-3] ** 2))
    operator = d.hessian(f, pattern="auto")
    found = (jax.jit(operator) if compiled else operator)(points(n))
    value = dict(zip(map(tuple, np.asarray(found.indices).tolist()), np.asarray(found.data).tolist()))
    assert all(value[j, i] == v for (i, j), v in value.items())


def test_known_zeros_of_a_matrix_are_no_entries() -> None:
    matrix = np.diag(np.arange(1.0, 9.0)) + np.diag(np.ones(6), 2)
    found = d.jacobian(lambda x: jnp.sin(matrix @ x), pattern="auto")(points(8))
    assert places(found) == {tuple(map(int, pair)) for pair in np.argwhere(matrix)}


def test_functions_whose_branches_depend_on_values() -> None:
    f = lambda x: jnp.where(x > 0, x[::-1], jnp.abs(x)) + jnp.maximum(x, 0.1) * jnp.minimum(x, 1.0)
    operator = d.jacobian(f, pattern="auto")
    for x in (points(9), -points(9), jnp.zeros(9)):
        np.testing.assert_allclose(operator(x).todense(), jax.jacfwd(f)(x), atol=1e-14)
    assert places(operator(points(9))) == places(operator(-points(9)))


# --- zero and infinity --------------------------------------------------------------------------------------------


def test_an_entry_that_is_not_there_meets_no_infinity() -> None:
    f = lambda x: jnp.sqrt(x) * jnp.pad(x[1:], (0, 1))
    x = jnp.array([0.0, 4.0, 9.0])
    found = d.jacobian(f, pattern="auto")(x)
    rows = np.asarray(found.indices)[:, 0]
    assert np.isfinite(np.asarray(found.data)[rows != 0]).all()  # only the first row's own slope is infinite
    assert np.isinf(found.todense()[0, 0])
    assert np.isnan(jax.jacfwd(f)(x)).any()  # which a dense pass spreads over the row


def test_a_choice_that_gives_zero_stays_zero_beside_infinity() -> None:
    f = lambda x: jnp.sqrt(jnp.where(x > 0, x, 0.0))
    found = d.jacobian(f, pattern="auto")(jnp.array([-1.0, 4.0]))
    np.testing.assert_array_equal(found.todense(), [[0.0, 0.0], [0.0, 0.25]])


# --- edges --------------------------------------------------------------------------------------------------------


def test_no_entries_at_all() -> None:
    found = d.jacobian(lambda x: jnp.ones(3) * 2.0, pattern="auto")(points(4))
    assert found.shape == (3, 4)
    assert found.nse == 0
    np.testing.assert_array_equal(found.todense(), np.zeros((3, 4)))
    linear = d.hessian(lambda x: jnp.sum(x), pattern="auto")(points(4))
    assert (linear.shape, linear.nse) == ((4, 4), 0)


def test_scalars_in_and_out() -> None:
    assert d.jacobian(lambda x: x**2, pattern="auto")(3.0).todense().tolist() == [[6.0]]
    assert d.hessian("x^2*y + y^3", pattern="auto")(1.0, 2.0).todense().tolist() == [[4.0, 2.0], [2.0, 12.0]]
    row = d.jacobian(lambda x: jnp.sum(x**2), pattern="auto")(jnp.array([1.0, 2.0]))
    assert row.todense().tolist() == [[2.0, 4.0]]


def test_no_inputs_of_size_zero_stumble() -> None:
    found = d.jacobian(lambda x: jnp.concatenate([x["a"] ** 2, x["b"]]), pattern="auto")(
        {"a": jnp.zeros(0), "b": jnp.ones(2)}
    )
    np.testing.assert_array_equal(found.todense(), np.eye(2))


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
@pytest.mark.parametrize("function", [bratu, lambda u: long_scan(jnp.tile(u.ravel(), 2))[:16]])
def test_works_in_the_dtype_of_the_input(dtype: Any, function: Any) -> None:
    found = d.jacobian(function, pattern="auto")(points(16, dtype).reshape(4, 4))
    assert found.data.dtype == dtype
    assert found.indices.dtype == jnp.int32


def test_pytrees_and_argnums() -> None:
    net = lambda p, x: {"out": jnp.tanh(p["w"] @ x + p["b"]), "size": jnp.sum(p["w"] ** 2)}
    p, x = {"w": points(6).reshape(2, 3), "b": jnp.zeros(2), "steps": jnp.arange(3), "name": "net"}, points(3)
    floats = {"w": p["w"], "b": p["b"]}
    for argnums, point in ((0, floats), (1, x), ((1, 0), (x, floats))):
        dense = jax.jacfwd(lambda q, argnums=argnums: net(*_placed(p, x, argnums, q)))(point)
        found = d.jacobian(net, pattern="auto", argnums=argnums)(p, x)
        wanted = d.as_matrix(dense, net(p, x), point)
        np.testing.assert_allclose(found.todense(), wanted, atol=1e-14)


def _placed(p: Any, x: Any, argnums: Any, q: Any) -> tuple[Any, Any]:
    if argnums == 0:
        return {**p, **q}, x
    return (p, q) if argnums == 1 else ({**p, **q[1]}, q[0])


def test_integers_and_other_arguments_pass_through() -> None:
    f = lambda x, edges, power, scale: scale * (x[edges[:, 0]] - x[edges[:, 1]]) ** power
    operator = d.jacobian(f, pattern="auto")
    x, edges = points(8), np.array([[0, 1], [3, 2], [7, 7]])
    for moved in (edges, (edges + 1) % 8, jnp.asarray(edges)):
        found = operator(x, moved, 3, 2.0)
        np.testing.assert_allclose(found.todense(), jax.jacfwd(f)(x, moved, 3, 2.0), atol=1e-14)
        assert found.nse <= 6
    labels = lambda x, y: x * y
    np.testing.assert_allclose(d.jacobian(labels, pattern="auto")(x, jnp.arange(8)).todense(), np.diag(np.arange(8.0)))


def test_an_unknown_index_falls_back() -> None:
    f = lambda x: x[jnp.argsort(x)][:3] * x[:3]
    x = points(12)
    np.testing.assert_allclose(d.jacobian(f, pattern="auto")(x).todense(), jax.jacfwd(f)(x), atol=1e-14)
    assert d.plan(f, x).path != "maps"


# --- order, transformations ---------------------------------------------------------------------------------------


def test_order_is_the_same_plainly_and_compiled() -> None:
    for operator, x in (
        (d.hessian(rosenbrock, pattern="auto"), points(12)),
        (d.jacobian(bratu, pattern="auto"), points(12).reshape(3, 4)),
        (d.jacobian(long_scan, pattern="auto"), points(20)),
    ):
        plain, again, compiled = operator(x), operator(x + 1), jax.jit(operator)(x)
        np.testing.assert_array_equal(plain.indices, again.indices)
        np.testing.assert_array_equal(plain.indices, compiled.indices)
        np.testing.assert_allclose(plain.data, compiled.data, rtol=1e-13)


def test_a_given_pattern_comes_back_by_rows() -> None:
    found = d.hessian(rosenbrock, pattern=np.eye(5) + np.eye(5, k=1) + np.eye(5, k=-1) > 0)(points(5))
    listed = np.asarray(found.indices).tolist()
    assert listed == sorted(listed)


@pytest.mark.parametrize("function", [lambda x: jnp.sin(x[1:] * x[:-1]), long_scan])
def test_jit_vmap_grad(function: Any) -> None:
    operator = d.jacobian(function, pattern="auto")
    x = points(20)
    dense = jax.jacfwd(function)
    batch = jnp.stack([x, 2 * x, x - 1])
    np.testing.assert_allclose(jax.vmap(lambda x: operator(x).todense())(batch), jax.vmap(dense)(batch), atol=1e-12)
    weights = points(20)
    loss = lambda make: lambda x: jnp.sum(jnp.sin(make(x)) * weights)
    slope = jax.jit(jax.grad(loss(lambda x: operator(x).todense())))(x)
    np.testing.assert_allclose(slope, jax.grad(loss(dense))(x), atol=1e-12)


def test_closing_over_a_tracer() -> None:
    x = points(6)
    scaled = jax.jit(lambda a: d.jacobian(lambda x: a * x**2, pattern="auto")(x).todense())
    np.testing.assert_allclose(scaled(3.0), np.diag(6 * np.asarray(x)))
    np.testing.assert_allclose(scaled(4.0), np.diag(8 * np.asarray(x)))


def test_of_a_derivative() -> None:
    f = lambda x: jnp.sum(x[1:] ** 3 * x[:-1])
    x = points(7)
    found = d.jacobian(d.grad(f), pattern="auto")(x)
    np.testing.assert_allclose(found.todense(), jax.hessian(f)(x), atol=1e-13)


def test_compiled_once_for_each_function_and_shape() -> None:
    traced = []

    def f(x: Any) -> Any:
        traced.append(x.shape)
        return x[1:] * x[:-1]

    for _ in range(3):
        d.jacobian(f, pattern="auto")(points(5))
    before = len(traced)
    d.jacobian(f, pattern="auto")(points(5) + 1)
    assert len(traced) == before
    d.jacobian(f, pattern="auto")(points(6))
    assert len(traced) > before


def test_programs_die_with_their_function() -> None:
    import gc
    import weakref

    def made() -> Any:
        data = np.arange(5.0)
        return lambda x: x * data

    f = made()
    d.jacobian(f, pattern="auto")(points(5))
    gone = weakref.ref(f)
    del f
    gc.collect()
    assert gone() is None


def test_a_module_is_called_with_its_new_weights() -> None:
    import equinox as eqx

    class Line(eqx.Module):
        slope: jax.Array

        def __call__(self, x: Any) -> Any:
            return self.slope * x**2

    x = points(3)
    for slope in (2.0, 5.0):
        found = d.jacobian(Line(jnp.asarray(slope)), pattern="auto")(x)
        np.testing.assert_allclose(found.todense(), np.diag(2 * slope * np.asarray(x)))


# --- rules of the user's own --------------------------------------------------------------------------------------


def test_custom_rules_count() -> None:
    @jax.custom_vjp
    def shifted(x: Any) -> Any:
        return x

    # A rule that sends each slope to the neighbour: reverse mode alone, and a pattern that the function does not show.
    shifted.defvjp(lambda x: (x, None), lambda _, g: (jnp.roll(g, 1),))
    x = points(6)
    found = d.jacobian(lambda x: shifted(x) * 2, pattern="auto")(x)
    np.testing.assert_array_equal(found.todense(), jax.jacrev(lambda x: shifted(x) * 2)(x))
    assert d.plan(lambda x: shifted(x) * 2, x).mode == "reverse"


def test_hessian_through_a_rule_for_reverse_mode() -> None:
    @jax.custom_vjp
    def cube(x: Any) -> Any:
        return x**3

    cube.defvjp(lambda x: (x**3, x), lambda x, g: (3 * x**2 * g,))
    f = lambda x: jnp.sum(cube(x[1:]) * jnp.sin(x[:-1]))
    x = points(6)
    np.testing.assert_allclose(d.hessian(f, pattern="auto")(x).todense(), jax.jacfwd(jax.grad(f))(x), atol=1e-13)


def test_reverse_mode_for_few_outputs() -> None:
    first, second = points(30 * 40).reshape(30, 40), points(30)
    f = lambda x: jnp.stack([jnp.tanh(first @ x) @ second, jnp.sum(x**2)])
    x = points(40)
    found = d.jacobian(f, pattern="auto")(x)
    np.testing.assert_allclose(found.todense(), jax.jacrev(f)(x), atol=1e-12)
    assert d.plan(f, x).mode == "reverse"
    assert d.plan(d.jacobian(f, mode="forward", pattern="auto"), x).mode == "forward"
