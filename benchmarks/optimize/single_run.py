"""One training run of a small network (digits, 64-128-128-10, batch 128, Adam 1e-3, float32), several ways:

- `cy.optimize.sweep` with a single rate: the whole run in one compiled program, batches drawn inside it,
- optax as its own pages write it: a jitted step in a Python loop, given the rows of each batch,
- the same with donated buffers,
- PyTorch eager with its fused Adam, and compiled where that works.

All draw their batches at random with replacement; one thread each. `cy.train.fit`, which records the run on the way,
is measured by benchmarks/train/steps.py.

Run: python benchmarks/optimize/single_run.py [--quick]
Writes benchmarks/results/single_run.json and docs/benchmarks/single_run.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import jax
import jax.numpy as jnp
import numpy as np
import optax
from benchmarks.optimize.digits import BATCH, cross_entropy, digits, draw, on_batches, torch_network
from benchmarks.timing import interleaved, write

import cycloid as cy

try:
    import torch
except ImportError:
    torch = None

SIZES = (64, 128, 128, 10)
RATE = 1e-3
OURS = "cy.optimize.sweep, one rate"


def ours(steps: int) -> Callable[[], Any]:
    """The loss over all the data is read at both ends, as the others do not."""
    f, score = on_batches(cross_entropy, X, Y)
    once = {"evaluations": steps, "key": KEY, "seeds": 1, "score": score, "every": steps}
    return lambda: cy.optimize.sweep(f, draw(SIZES), method="adam", learning_rates=[RATE], **once).value["objective"]


def optax_loop(steps: int, donate: bool) -> Callable[[], Any]:
    """A step is one dispatch; the rows come from the host."""
    optimizer = optax.adam(RATE)

    def step(params: Any, state: Any, rows: Any) -> Any:
        loss, gradient = jax.value_and_grad(cross_entropy)(params, X[rows], Y[rows])
        updates, state = optimizer.update(gradient, state, params)
        return optax.apply_updates(params, updates), state, loss

    one = jax.jit(step, donate_argnums=(0, 1) if donate else ())
    batches = np.random.default_rng(0).integers(0, len(X), (steps, BATCH)).astype(np.int32)

    def go() -> Any:
        params = draw(SIZES)(KEY)
        state, loss = optimizer.init(params), jnp.nan
        for rows in batches:
            params, state, loss = one(params, state, rows)
        return loss

    return go


def torch_loop(steps: int, compiled: bool) -> Callable[[], Any]:
    """PyTorch's usual loop; compiled, the forward and backward pass are."""
    images, labels = torch.tensor(np.asarray(X)), torch.tensor(np.asarray(Y)).long()
    network = torch_network(SIZES)
    loss_of = lambda x, y: torch.nn.functional.cross_entropy(network(x), y)
    if compiled:
        loss_of = torch.compile(loss_of)
        loss_of(images[:BATCH], labels[:BATCH]).backward()  # fails here where there is no compiler
    first = {name: value.clone() for name, value in network.state_dict().items()}
    batches = torch.tensor(np.random.default_rng(0).integers(0, len(X), (steps, BATCH)))

    def go() -> Any:
        network.load_state_dict(first)
        optimizer = torch.optim.Adam(network.parameters(), RATE, fused=True)
        for rows in batches:
            loss = loss_of(images[rows], labels[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        return loss.item()

    return go


X, Y = digits()
KEY = jax.random.key(0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100 steps, 3 rounds, without a compiled PyTorch")
    quick = parser.parse_args().quick
    steps = 100 if quick else 1000
    calls = {
        OURS: ours(steps),
        "optax, Python loop": optax_loop(steps, donate=False),
        "optax, Python loop, donated buffers": optax_loop(steps, donate=True),
    }
    note = f"{steps} steps of Adam, {'-'.join(map(str, SIZES))}, batch {BATCH}, float32, one thread."
    if torch is not None:
        torch.set_num_threads(1)
        calls["PyTorch eager, fused Adam"] = torch_loop(steps, compiled=False)
        if not quick:
            try:
                calls["PyTorch compiled, fused Adam"] = torch_loop(steps, compiled=True)
            except Exception as error:  # it raises many kinds, as where there is no C++ compiler
                note += f" torch.compile does not work here: {str(error).strip().splitlines()[0][:90]}."
    timings = interleaved(calls, repeats=3 if quick else 11, baseline=OURS, seconds=100.0)
    print(note, timings.table(), sep="\n\n")
    if not quick:
        write("single_run", {"One run of a small network": timings}, note=note)


if __name__ == "__main__":
    main()
