"""Sparse derivatives of programs composed at random, against dense ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cycloid as cy

d = cy.differentiate
SIZE = 12
rng = np.random.default_rng(7)
POINT = jnp.asarray(rng.uniform(0.3, 1.7, SIZE) * np.where(rng.random(SIZE) < 0.4, -1, 1))
EDGES = np.array([[0, 1], [1, 5], [5, 2], [11, 0], [3, 3], [1, 5]])
WEIGHTS = rng.normal(size=(5, SIZE))
BANDED = np.diag(np.arange(1.0, SIZE + 1)) + np.diag(np.ones(SIZE - 1), 1)
MASK = np.arange(SIZE) % 3 == 0


@jax.custom_jvp
def smooth_step(x: Any) -> Any:
    return jnp.where(x > 0, x**2, 0.0)


smooth_step.defjvp(lambda primals, tangents: (smooth_step(primals[0]), tangents[0] * 2 * jnp.maximum(primals[0], 0.0)))


def scanned(x: Any) -> Any:
    return jax.lax.scan(lambda carry, item: (carry * 0.5 + item, carry * item), x[0], jnp.tile(x, 2))[1][::2]


def short_scan(x: Any) -> Any:
    return jax.lax.scan(lambda carry, item: (carry * 0.5 + item[0], carry * item), x[0], x.reshape(4, 3), reverse=True)[
        1
    ].ravel()


def heat(x: Any) -> Any:
    return jax.lax.fori_loop(0, 40, lambda _, y: jnp.sin(y.at[1:-1].add(0.1 * (y[2:] - 2 * y[1:-1] + y[:-2]))), x)


def looped(x: Any) -> Any:
    return jax.lax.fori_loop(0, 3, lambda _, y: y.at[1:].add(y[:-1] ** 2), x)


def conditional(x: Any) -> Any:
    return jax.lax.cond(x[0] > 0, lambda y: y[::-1] * 2, lambda y: y**2, x)


# Every step maps SIZE numbers to SIZE numbers, so that they compose in any order.
STEPS: dict[str, Callable[[Any], Any]] = {
    "sin": jnp.sin,
    "exp": lambda x: jnp.exp(-(x**2)),
    "cube": lambda x: x**3 / (1 + x**2),
    "abs": jnp.abs,
    "max": lambda x: jnp.maximum(x, 0.3),
    "where": lambda x: jnp.where(x > 0, jnp.sqrt(jnp.abs(x) + 0.1), x[::-1]),
    "mask": lambda x: jnp.where(MASK, x**2, x),
    "roll": lambda x: x * jnp.roll(x, 1),
    "roll_back": lambda x: x + jnp.roll(x, -3) ** 2,
    "difference": lambda x: jnp.pad(x[1:] - x[:-1], (1, 0)) * x,
    "laplace": lambda x: (lambda u: 4 * u[1:-1, 1:-1] - u[:-2, 1:-1] - u[2:, 1:-1] - u[1:-1, :-2] - u[1:-1, 2:])(
        jnp.pad(x.reshape(3, 4), 1)
    ).ravel(),
    "transpose": lambda x: (x.reshape(3, 4).T ** 2).ravel(),
    "rows": lambda x: (x.reshape(3, 4) * jnp.sum(x.reshape(3, 4), axis=0)).ravel(),
    "columns": lambda x: (x.reshape(4, 3) / (2 + jnp.sum(x.reshape(4, 3) ** 2, axis=1, keepdims=True))).ravel(),
    "every_second": lambda x: jnp.concatenate([x[::2] ** 2, x[1::2]]),
    "interleave": lambda x: jnp.stack([x[:6], x[6:] ** 2], axis=1).ravel(),
    "repeat": lambda x: jnp.repeat(x[:6], 2) * jnp.tile(x[6:], 2),
    "reverse": lambda x: x[::-1] * x,
    "gather": lambda x: x[np.array([3, 3, 0, 7, 11, 2, 1, 1, 5, 9, 10, 4])] ** 2,
    "graph": lambda x: jnp.zeros(SIZE).at[EDGES[:, 0]].add(jnp.sin(x[EDGES[:, 0]] - x[EDGES[:, 1]])) + x,
    "put": lambda x: x.at[2:5].set(x[7:10] ** 2).at[0].set(1.0),
    "scatter": lambda x: x.at[np.array([8, 1, 4])].set(x[:3] * x[3]),
    "dynamic": lambda x: jax.lax.dynamic_update_slice(x, jax.lax.dynamic_slice(x, (6,), (4,)) ** 2, (1,)),
    "windows": lambda x: jnp.pad(jnp.prod(x[np.arange(10)[:, None] + np.arange(3)], axis=1), (1, 1)),
    "convolve": lambda x: jnp.convolve(x, jnp.array([1.0, -2.0, 0.5]), mode="same"),
    "banded": lambda x: BANDED @ x,
    "dense": lambda x: WEIGHTS.T @ jnp.tanh(WEIGHTS @ x),
    "blocks": lambda x: jnp.einsum(
        "bij,bj->bi", jnp.stack([jnp.outer(r, r) for r in x.reshape(3, 4)]), x.reshape(3, 4)
    ).ravel(),
    "small_cumsum": lambda x: jnp.cumsum(x.reshape(4, 3), axis=1).ravel(),
    "softmax": lambda x: jax.nn.softmax(x.reshape(4, 3), axis=1).ravel(),
    "relu": jax.nn.relu,
    "softplus": jax.nn.softplus,
    "norm": lambda x: x / jnp.linalg.norm(x[:3]),
    "custom_rule": smooth_step,
    "checkpoint": jax.checkpoint(lambda x: jnp.sin(x) * jnp.cos(x[::-1])),
    "diagonal": lambda x: jnp.diagonal(jnp.outer(x, x[::-1]) + jnp.diag(x)),
    "triangle": lambda x: jnp.tril(jnp.outer(x[:4], x[4:8])).ravel()[:SIZE] + x,
    "vmap": lambda x: jax.vmap(lambda a, b: a * jnp.dot(b, b))(x[:4], x[4:].reshape(4, 2)).repeat(3),
    "largest": lambda x: x * jnp.max(x.reshape(4, 3), axis=1).repeat(3),
    "split": lambda x: jnp.concatenate([part * x[k] for k, part in enumerate(jnp.split(x, 3))]),
    "flip_grid": lambda x: (x.reshape(2, 2, 3)[:, ::-1] * x.reshape(2, 2, 3)[..., ::-1]).ravel(),
    "strided_pad": lambda x: jax.lax.pad(x[:5] ** 2, 0.0, [(1, 2, 1)]),
    "product": lambda x: x * jnp.prod(x[:3]),
    "sort": jnp.sort,
    "scan": scanned,
    "short_scan": short_scan,
    "heat": heat,
    "loop": looped,
    "cond": conditional,
    "solve": lambda x: jnp.linalg.solve(jnp.eye(3) * 4 + x[:9].reshape(3, 3), x[9:]).repeat(4),
}
FALLBACKS = {"sort", "scan", "heat", "solve"}


def composed(names: list[str]) -> Callable[[Any], Any]:
    def program(x: Any) -> Any:
        for name in names:
            x = STEPS[name](x)
        return x

    return program


def scalar(names: list[str]) -> Callable[[Any], Any]:
    program = composed(names)
    return lambda x: jnp.sum(jnp.sin(program(x))) + jnp.sum(x**2)


def both(sparse: Callable[[Any], Any], dense: Callable[[Any], Any]) -> tuple[Any, Any]:
    """The two matrices, by one program, which is not made faster: it runs once."""
    lowered = jax.jit(lambda x: (sparse(x), dense(x))).lower(POINT)
    return lowered.compile(compiler_options={"xla_backend_optimization_level": "0"})(POINT)


def compare(sparse: Any, dense: Any) -> None:
    scale = 1 + np.abs(np.asarray(dense)).max()
    np.testing.assert_allclose(sparse.todense() / scale, dense / scale, atol=1e-12)
    places = np.asarray(sparse.indices)
    assert len(np.unique(places, axis=0)) == len(places)


@pytest.mark.parametrize("name", STEPS)
def test_each_step(name: str) -> None:
    program = composed([name])
    compare(*both(d.jacobian(program, pattern="auto"), jax.jacfwd(program)))
    found = d.plan(program, POINT)
    assert (found.path == "maps") == (name not in FALLBACKS), str(found)


def check_jacobian(names: list[str]) -> None:
    program = composed(names)
    compare(*both(d.jacobian(program, pattern="auto"), jax.jacfwd(program)))


def check_hessian(names: list[str]) -> None:
    function = scalar(names)
    sparse, dense = both(d.hessian(function, pattern="auto"), jax.hessian(function))
    compare(sparse, dense)
    whole = np.asarray(sparse.todense())
    np.testing.assert_array_equal(whole, whole.T)


def test_what_is_kept_does_not_abort_the_compiler() -> None:
    check_hessian(["sort", "laplace"])  # of a counted loop in its place XLA's analysis once ended the process


def test_one_entry_read_at_every_place() -> None:
    check_hessian(["graph", "loop"])  # two edges of a multigraph alike: one coefficient stands for both


programs = st.lists(st.sampled_from(list(STEPS)), min_size=2, max_size=4)
short_programs = st.lists(st.sampled_from(list(STEPS)), min_size=1, max_size=2)


@given(programs)
@settings(max_examples=5)
def test_jacobian(names: list[str]) -> None:
    check_jacobian(names)


@given(short_programs)
@settings(max_examples=4)
def test_hessian(names: list[str]) -> None:
    check_hessian(names)


@pytest.mark.slow
@given(programs)
@settings(max_examples=300)
def test_many_jacobians(names: list[str]) -> None:
    check_jacobian(names)


@pytest.mark.slow
@given(short_programs)
@settings(max_examples=200)
def test_many_hessians(names: list[str]) -> None:
    check_hessian(names)
