"""What the operators of `cycloid.differentiate` cost beside the bare JAX calls they are made of, and beside PyTorch.

Run: python benchmarks/differentiate/overhead.py [--quick]
Writes benchmarks/results/differentiate.json and docs/benchmarks/differentiate.md.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import jax
import jax.numpy as jnp
import numpy as np
from benchmarks.timing import Timings, interleaved, write

import cycloid as cy

try:
    import torch
except ImportError:
    torch = None

ops = cy.differentiate
Calls = dict[str, Callable[[], Any]]


def cubic(x: Any) -> Any:
    return x**3 + 2 * x + 1


def network(sizes: tuple[int, ...], seed: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    """Weights of a tanh network."""
    rng = np.random.default_rng(seed)
    pairs = itertools.pairwise(sizes)
    return [(rng.normal(size=(a, b)) / np.sqrt(a), np.full(b, 0.1)) for a, b in pairs]


def forward(layers: list, x: Any, tanh: Callable = jnp.tanh) -> Any:
    for w, b in layers[:-1]:
        x = tanh(x @ w + b)
    return x @ layers[-1][0] + layers[-1][1]


def nested(f: Callable, order: int) -> Callable:
    for _ in range(order):
        f = functools.partial(lambda g, x: jax.jvp(g, (x,), (1.0,))[1], f)
    return f


def scalar_calls() -> dict[str, Calls]:
    """One derivative of x³ + 2x + 1 at one point: nothing but overhead."""
    bare, ours, by_text = jax.grad(cubic), ops.derivative(cubic), ops.derivative("x^3 + 2x + 1")
    gradient = ops.grad(cubic)
    jitted, ours_jitted = jax.jit(bare), jax.jit(ours)
    eager: Calls = {
        "jax.grad": lambda: bare(2.0),
        "derivative": lambda: ours(2.0),
        "derivative of a text": lambda: by_text(2.0),
        "grad": lambda: gradient(2.0),
    }
    if torch is not None:
        there = torch.func.grad(cubic)
        point = torch.tensor(2.0, dtype=torch.float64)
        eager["torch.func.grad"] = lambda: there(point)
    return {
        "Derivative of x³ + 2x + 1 at one point, eager": eager,
        "The same under jax.jit": {
            "jit(jax.grad)": lambda: jitted(2.0),
            "jit(derivative)": lambda: ours_jitted(2.0),
        },
    }


def high_order_calls() -> dict[str, Calls]:
    """Order 10 in Taylor arithmetic against first derivatives nested."""
    f = lambda x: jnp.sin(x) * jnp.exp(x * x)
    taylor, by_nesting = ops.derivative(f, order=10), nested(f, 10)
    compiled, compiled_nesting = jax.jit(taylor), jax.jit(by_nesting)
    six, by_nesting_six = ops.derivative(f, order=6), nested(f, 6)
    return {
        "Order 6 of sin(x) exp(x²), eager": {
            "jvp nested 6 times": lambda: by_nesting_six(0.7),
            "derivative(order=6)": lambda: six(0.7),
        },
        "Order 10 of sin(x) exp(x²), under jax.jit": {
            "jvp nested 10 times": lambda: compiled_nesting(0.7),
            "derivative(order=10)": lambda: compiled(0.7),
        },
        "Order 10 of sin(x) exp(x²), eager": {"derivative(order=10)": lambda: taylor(0.7)},
    }


def matrix_calls(d: int) -> dict[str, Calls]:
    """Jacobian, Hessian, Hessian-vector product and Laplacian of a tanh network at one point."""
    layers = network((d, 64, 64, 1))
    f = lambda x: forward(layers, x)[0]
    wide = network((4, 64, d))
    F = lambda x: forward(wide, x)
    x, v, z = (jnp.asarray(np.random.default_rng(k).normal(size=n)) for k, n in enumerate((d, d, 4)))
    bare_hvp = lambda x, v: jax.jvp(jax.grad(f), (x,), (v,))[1]
    trace = lambda x: jnp.trace(jax.hessian(f)(x))
    pairs: dict[str, list[tuple[str, Callable, tuple]]] = {
        f"Gradient, {d} inputs": [("jax.grad", jax.grad(f), (x,)), ("grad", ops.grad(f), (x,))],
        f"Jacobian, 4 inputs, {d} outputs": [
            ("jax.jacrev", jax.jacrev(F), (z,)),
            ("jax.jacfwd", jax.jacfwd(F), (z,)),
            ("jacobian", ops.jacobian(F), (z,)),
        ],
        f"Hessian, {d} inputs": [("jax.hessian", jax.hessian(f), (x,)), ("hessian", ops.hessian(f), (x,))],
        f"Hessian-vector product, {d} inputs": [("jvp of jax.grad", bare_hvp, (x, v)), ("hvp", ops.hvp(f), (x, v))],
        f"Laplacian, {d} inputs": [("trace of jax.hessian", trace, (x,)), ("laplacian", ops.laplacian(f), (x,))],
    }
    tables: dict[str, Calls] = {}
    for title, rows in pairs.items():
        tables[f"{title}, eager"] = {name: functools.partial(call, *given) for name, call, given in rows}
        tables[f"{title}, under jax.jit"] = {
            f"jit({name})": functools.partial(jax.jit(call), *given) for name, call, given in rows
        }
    if torch is not None:
        add_torch(tables, layers, d, x, v)
    return tables


def add_torch(tables: dict[str, Calls], layers: list, d: int, x: Any, v: Any) -> None:
    weights = [(torch.from_numpy(w), torch.from_numpy(b)) for w, b in layers]
    f = lambda x: forward(weights, x, torch.tanh)[0]
    x, v = torch.from_numpy(np.array(x)), torch.from_numpy(np.array(v))
    func = torch.func
    eager = {
        f"Gradient, {d} inputs": ("torch.func.grad", lambda: func.grad(f)(x)),
        f"Hessian, {d} inputs": ("torch.func.hessian", lambda: func.hessian(f)(x)),
        f"Hessian-vector product, {d} inputs": (
            "torch.func.jvp of grad",
            lambda: func.jvp(func.grad(f), (x,), (v,))[1],
        ),
        f"Laplacian, {d} inputs": ("trace of torch.func.hessian", lambda: torch.trace(func.hessian(f)(x))),
    }
    for title, (name, call) in eager.items():
        tables[f"{title}, eager"][name] = call


def agree(calls: Calls) -> None:
    """All calls of one table give the same numbers."""
    values = {name: np.asarray(call()) for name, call in calls.items()}
    first = next(iter(values.values()))
    for name, value in values.items():
        np.testing.assert_allclose(value, first, rtol=1e-8, atol=1e-8, err_msg=name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds, nothing written")
    quick = parser.parse_args().quick
    cy.enable_x64()
    tables = {**scalar_calls(), **high_order_calls(), **matrix_calls(32)}
    measured: dict[str, Timings] = {}
    for title, calls in tables.items():
        measured[title] = interleaved(calls, repeats=3 if quick else 25, seconds=3)
        agree(calls)
        print(f"\n{title}\n{measured[title].table()}", flush=True)
    if not quick:
        peers = "PyTorch runs eagerly." if torch is not None else "PyTorch was not installed."
        write("differentiate", measured, note=f"float64, one thread, a tanh network of two layers of 64. {peers}")


if __name__ == "__main__":
    main()
