"""The Laplacian of a network over a batch: folx, the trace of the Hessian, PyTorch, and a forward Laplacian by hand.

Run: python benchmarks/differentiate/laplacian.py [--quick] [--only 10 ...]
Writes benchmarks/results/laplacian.json and docs/benchmarks/laplacian.md. A tanh network of four layers of 64 from d
inputs to one number, float32, one core. "by hand" is the forward Laplacian of this one network written out, its
gradient rows stacked on value and Laplacian so that a layer is one product, over blocks of points that fit the cache.
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
from benchmarks.timing import Timings, interleaved, kept, write

import cycloid as cy

WIDTH, DEPTH = 64, 4
INPUTS, POINTS = (1, 3, 10, 100), 4096


def layers_of(d: int) -> list[tuple[Any, Any]]:
    rng = np.random.default_rng(0)
    sizes = [d, *[WIDTH] * DEPTH, 1]
    draw = lambda a, b: (rng.normal(size=(a, b)) / np.sqrt(a)).astype(np.float32)
    return [(draw(a, b), np.full(b, 0.1, np.float32)) for a, b in itertools.pairwise(sizes)]


def network(layers: list, x: Any, tanh: Callable = jnp.tanh) -> Any:
    for w, b in layers[:-1]:
        x = tanh(x @ w + b)
    return (x @ layers[-1][0] + layers[-1][1])[0]


def by_hand(layers: list, x: Any) -> Any:
    """Rows, value and Laplacian of a block of points, layer by layer."""
    d = x.shape[1]
    first, shift = layers[0]
    rows = jnp.broadcast_to(jnp.asarray(first), (x.shape[0], *first.shape))
    value, curved = x @ first + shift, jnp.zeros((x.shape[0], first.shape[1]), x.dtype)
    for w, b in layers[1:]:
        t = jnp.tanh(value)
        slope = 1.0 - t * t
        curved = slope * curved - 2.0 * t * slope * jnp.sum(rows * rows, axis=1)
        stack = jnp.concatenate([rows * slope[:, None], t[:, None], curved[:, None]], axis=1) @ w
        rows, value, curved = stack[:, :d], stack[:, d] + b, stack[:, d + 1]
    return curved[:, 0]


def in_blocks(whole: Callable, x: Any, cache: int = 2**19) -> Any:
    block = max(8, min(x.shape[0], 2 ** int(np.log2(cache / (4 * WIDTH * (x.shape[1] + 2))))))
    return jax.lax.map(whole, x.reshape(-1, block, x.shape[1])).reshape(x.shape[0])


def calls(d: int, points: int) -> dict[str, Callable[[], Any]]:
    import folx

    layers = layers_of(d)
    x = np.random.default_rng(1).normal(size=(points, d)).astype(np.float32)
    on_device = jnp.asarray(x)
    f = lambda point: network(layers, point)
    programs = {
        "by hand": jax.jit(lambda x: in_blocks(lambda block: by_hand(layers, block), x)),
        "cycloid": jax.jit(jax.vmap(cy.differentiate.laplacian(f))),
        "folx": jax.jit(jax.vmap(lambda point: folx.forward_laplacian(f)(point).laplacian)),
        "trace of jax.hessian": jax.jit(jax.vmap(lambda point: jnp.trace(jax.hessian(f)(point)))),
    }
    told = {name: lambda program=program: program(on_device) for name, program in programs.items()}
    return told | with_torch(layers, x)


def with_torch(layers: list, x: np.ndarray) -> dict[str, Callable[[], Any]]:
    try:
        import torch
    except ImportError:
        return {}
    torch.set_num_threads(1)
    weights = [(torch.from_numpy(w), torch.from_numpy(b)) for w, b in layers]
    one = lambda point: torch.trace(torch.func.hessian(lambda z: network(weights, z, torch.tanh))(point))
    run = torch.func.vmap(one, chunk_size=64 if x.shape[1] > 20 else None)
    points = torch.from_numpy(x)
    return {"trace of torch.func.hessian": lambda: run(points).detach().numpy()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds, nothing written")
    parser.add_argument("--only", type=int, nargs="+", choices=INPUTS, default=list(INPUTS), help="numbers of inputs")
    chosen = parser.parse_args()
    cy.enable_x64()
    tables: dict[str, Timings] = kept("laplacian")
    for d in chosen.only:
        todo = calls(d, POINTS)
        title = f"{d} input{'s' if d > 1 else ''}, {POINTS} points"
        tables[title] = interleaved(todo, repeats=3 if chosen.quick else 15, seconds=15)
        values = {name: np.asarray(call()) for name, call in todo.items()}
        for name, value in values.items():
            np.testing.assert_allclose(value, values["by hand"], rtol=2e-3, atol=1e-3, err_msg=name)
        print(f"\n{title}\n{tables[title].table()}", flush=True)
    if not chosen.quick:
        ordered = sorted(tables, key=lambda title: int(title.split()[0]))
        note = "A tanh network of four layers of 64 to one number, float32, one core; PyTorch runs eagerly."
        write("laplacian", {title: tables[title] for title in ordered}, note=note)


if __name__ == "__main__":
    main()
