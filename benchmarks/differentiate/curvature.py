"""Products with the Hessian of a network of a million weights, and its twenty largest eigenvalues.

Run: python benchmarks/differentiate/curvature.py [--quick] [--only products spectrum]
Writes benchmarks/results/curvature.json and docs/benchmarks/curvature.md. A tanh network 784-768-512-10, 1,001,738
weights, float32, trained by Adam to fit 512 points in ten classes; one core. The spectrum stands beside as many single
products as it made: what is above 1 is its own work, on top of the products.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import jax
import jax.numpy as jnp
import numpy as np
import optax
from benchmarks.timing import Timings, interleaved, kept, write

import cycloid as cy

ops = cy.differentiate
SIZES, POINTS, CLASSES = (784, 768, 512, 10), 512, 10


def outputs(weights: Any, x: Any) -> Any:
    for w, b in weights[:-1]:
        x = jnp.tanh(x @ w + b)
    return x @ weights[-1][0] + weights[-1][1]


def loss(weights: Any, x: Any, y: Any) -> Any:
    return optax.softmax_cross_entropy_with_integer_labels(outputs(weights, x), y).mean()


def trained(steps: int) -> tuple[Any, Any, Any]:
    """Weights that fit noisy points round ten centres, and the points."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, CLASSES, size=POINTS)
    x = 0.25 * rng.normal(size=(CLASSES, SIZES[0]))[y] + rng.normal(size=(POINTS, SIZES[0]))
    x, y = jnp.asarray(x, jnp.float32), jnp.asarray(y)
    pairs = itertools.pairwise(SIZES)
    weights = [(jnp.asarray(rng.normal(size=(a, b)) / np.sqrt(a), jnp.float32), jnp.zeros(b, jnp.float32))
               for a, b in pairs]  # fmt: skip
    method = optax.adam(1e-3)
    state = method.init(weights)

    @jax.jit
    def step(weights: Any, state: Any) -> tuple[Any, Any]:
        updates, state = method.update(jax.grad(loss)(weights, x, y), state)
        return optax.apply_updates(weights, updates), state

    for _ in range(steps):
        weights, state = step(weights, state)
    return weights, x, y


def products(weights: Any, x: Any, y: Any) -> dict[str, Callable[[], Any]]:
    rng = np.random.default_rng(1)
    v = jax.tree.map(lambda leaf: jnp.asarray(rng.normal(size=leaf.shape), leaf.dtype), weights)
    gradient = jax.jit(jax.grad(loss))
    bare = jax.jit(lambda w, v: jax.jvp(lambda w: jax.grad(loss)(w, x, y), (w,), (v,))[1])
    repeated = ops.hvp(loss)(weights, None, x, y)
    gauss = ops.ggnvp(lambda z: optax.softmax_cross_entropy_with_integer_labels(z, y).mean(), outputs)
    gauss = gauss(weights, None, x)
    fisher = ops.fvp("categorical", outputs)(weights, None, x)
    return {
        "jit(jax.grad)": lambda: gradient(weights, x, y),
        "jit(jvp of jax.grad)": lambda: bare(weights, v),
        "hvp, point kept": lambda: repeated(v),
        "ggnvp, point kept": lambda: gauss(v),
        "fvp, point kept": lambda: fisher(v),
    }


def spectrum(weights: Any, x: Any, y: Any) -> dict[str, Callable[[], Any]]:
    """The eigenvalues, beside as many products as they took."""
    product = ops.hvp(loss)(weights, None, x, y)
    ask = lambda: ops.spectrum(loss, weights, x, y, key=jax.random.key(0), probes=0)
    made = int(ask().evaluations)

    def alone() -> Any:
        for _ in range(made):
            jax.block_until_ready(product(weights))

    return {f"{made} products": alone, "spectrum": lambda: ask().value}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds, nothing written")
    parser.add_argument("--only", nargs="+", choices=("products", "spectrum"), default=["products", "spectrum"])
    chosen = parser.parse_args()
    cy.enable_x64()
    setting = trained(30)
    tables: dict[str, Timings] = kept("curvature")
    todo: dict[str, dict[str, Callable[[], Any]]] = {}
    if "products" in chosen.only:
        todo["Products with a matrix of a million rows"] = products(*setting)
    if "spectrum" in chosen.only:
        todo["Twenty eigenvalues, residual 1e-2"] = spectrum(*setting)
    for title, calls in todo.items():
        tables[title] = interleaved(calls, repeats=3 if chosen.quick or "Twenty" in title else 15, seconds=15)
        print(f"\n{title}\n{tables[title].table()}", flush=True)
    if not chosen.quick:
        note = "A tanh network of 1,001,738 weights trained on 512 points, float32, one core."
        write("curvature", tables, note=note)


if __name__ == "__main__":
    main()
