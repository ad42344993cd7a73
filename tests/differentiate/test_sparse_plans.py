"""Plans from shapes alone, memory, and what does not fit."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cycloid as cy

d = cy.differentiate
MILLION = jax.ShapeDtypeStruct((10**6,), jnp.float64)


def chain(x: Any) -> Any:
    return jnp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def mixed(x: Any) -> Any:
    return jnp.sum(jnp.sin(x) ** 2) * jnp.sum(jnp.exp(-(x**2)))


def long_scan(x: Any) -> Any:
    return jax.lax.scan(lambda carry, item: (0.5 * carry, item**2 + x[0]), 0.0, x)[1]


def test_a_sparse_hessian_of_a_million_variables_is_planned_from_its_shape() -> None:
    for found in (d.plan(d.hessian(chain, pattern="auto"), MILLION), d.plan(chain, MILLION, order=2)):
        assert (found.path, found.shape, found.nonzeros) == ("maps", (10**6, 10**6), 3 * 10**6 - 2)
        assert found.memory > 16 * found.nonzeros
    assert d.plan(lambda p: p["a"] * p["b"], {"a": MILLION, "b": 2.0}).nonzeros == 2 * 10**6


@pytest.mark.parametrize("operator", [d.hessian(chain), d.hessian(chain, memory=8e9), d.hessian(mixed, pattern="auto")])
def test_a_hessian_that_would_not_fit_says_so_before_it_starts(operator: Any) -> None:
    with pytest.raises(ValueError, match=r"would take (8|16) TB, with .*B allowed\. Use .*hvp.*spectrum.*memory="):
        d.plan(operator, MILLION)


def test_a_sparse_answer_beyond_the_memory_is_refused() -> None:
    operator = d.jacobian(lambda x: x**2, pattern="auto", memory=1e6)
    for run in (lambda: d.plan(operator, MILLION), lambda: operator(jnp.ones(100_000))):
        with pytest.raises(ValueError, match=r"entries that may differ from zero and would take 1\.?6? MB, with 1 MB"):
            run()


def test_shapes_plan_as_arrays_do_and_arrays_use_the_plan() -> None:
    traced = []

    def f(x: Any) -> Any:
        traced.append(type(x))
        return x[1:] * x[:-1]

    operator, x = d.jacobian(f, pattern="auto"), jnp.arange(5.0)
    found = d.plan(operator, jax.ShapeDtypeStruct((5,), jnp.float64))
    assert found == d.plan(operator, x)
    before = len(traced)
    np.testing.assert_array_equal(operator(x).todense(), jax.jacfwd(lambda x: x[1:] * x[:-1])(x))
    assert len(traced) == before


def test_an_index_whose_values_are_not_known_is_planned_too() -> None:
    look_up = lambda x, at: x[at] ** 2
    found = d.plan(look_up, jnp.ones(9), jax.ShapeDtypeStruct((4,), jnp.int64))
    assert (found.path != "maps", found.shape) == (True, (4, 9))
    assert d.plan(look_up, jnp.ones(9), jnp.arange(4)).nonzeros == 4


def test_shapes_are_no_arguments() -> None:
    with pytest.raises(TypeError, match=r"hessian needs the arrays themselves.*plan takes shapes alone"):
        d.hessian(chain, pattern="auto")(MILLION)


def test_dense_operators_are_planned() -> None:
    x = jnp.ones(20)
    found = d.plan(d.hessian(chain), x)
    assert (found.operator, found.path, found.colours, found.nonzeros) == ("hessian", "dense", 20, 400)
    assert "hessian of 20 x 20 with 400 entries in full, forward over reverse mode: 20 products" in str(found)
    found = d.plan(d.jacobian(lambda x: x[:3] ** 2, mode="reverse"), x)
    assert (found.operator, found.mode, found.colours) == ("jacobian", "reverse", 3)


@pytest.mark.parametrize("memory", [1e9, 5e5, 3e5])
@pytest.mark.parametrize("sparse", [False, True])
def test_products_in_chunks_stay_within_the_memory(memory: float, sparse: bool) -> None:
    n = 100
    if sparse:  # a full row and a full column, beside a loop: many products
        f = lambda x: jnp.sum(long_scan(x) ** 2) * jnp.sum(jnp.cos(x))
        operator = d.hessian(f, pattern="auto", memory=memory)
    else:
        f, operator = mixed, d.hessian(mixed, memory=memory)
    x = jnp.linspace(0.0, 1.0, n)
    found = d.plan(operator, x)
    assert found.memory <= memory
    assert (found.chunks > 1) == (memory < 1e9)
    answer = operator(x)
    answer = answer.todense() if sparse else answer
    np.testing.assert_allclose(answer, jax.hessian(f)(x), atol=1e-10)
    compiled = jax.jit(operator).lower(x).compile().memory_analysis()
    assert compiled.temp_size_in_bytes + compiled.output_size_in_bytes <= 1.1 * memory
    for less, told in ((5e4, "kB, with 50 kB allowed"), (1.8e5, "beside it while it is computed, with 180 kB allowed")):
        with pytest.raises(ValueError, match=told):
            d.plan(d.hessian(f, pattern="auto" if sparse else None, memory=less), x)
