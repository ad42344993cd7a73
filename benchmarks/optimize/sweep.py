"""A sweep of 16 learning rates and 5 methods on the digits (64-128-128-10, batch 128), 80 runs in three ways:

- `cy.optimize.sweep` as it chooses itself: on a processor one run after another on each core, after
  `cy.enable_all_cores()`; on a graphics card all at once,
- all rates of a method in one batch (vmap),
- the 80 runs one after another, each by its own call of `sweep`, on one core,

and beside them a sixteenth of it in PyTorch's eager loop where there is one.

Run: python benchmarks/optimize/sweep.py [--quick]
Writes benchmarks/results/sweep.json and docs/benchmarks/sweep.md.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import jax
import numpy as np
from benchmarks.optimize.digits import BATCH, cross_entropy, digits, draw, on_batches, torch_network
from benchmarks.timing import interleaved, write

import cycloid as cy
from cycloid.optimize.courses import curves_of, set_up

try:
    import torch
except ImportError:
    torch = None

SIZES = (64, 128, 128, 10)
METHODS = ("sgd", "momentum", "adagrad", "rmsprop", "adam")
RATES = tuple(float(rate) for rate in np.logspace(-4, 0, 16))
OURS = "cy.optimize.sweep"


def sweeps(rates: tuple[float, ...], steps: int) -> Any:
    """Every method at `rates`, each method's rates in one program; one seed, the score read at both ends."""
    once = {"evaluations": steps, "key": KEY, "seeds": 1, "score": SCORE, "every": steps}
    return [cy.optimize.sweep(LOSS, START, method=m, learning_rates=rates, **once).evaluations for m in METHODS]


def one_after_another(steps: int) -> Any:
    """The same runs, each for itself; the compiled program is shared by all rates of a method."""
    return [sweeps((rate,), steps) for rate in RATES]


def in_one_batch(steps: int) -> Any:
    """The same runs, all rates of a method side by side on one device."""
    field = set_up(LOSS, START, steps, None, KEY, 1, None, SCORE, steps)._replace(crew=None)
    return [curves_of(cy.optimize.method(m), np.array(RATES), field, tuning=False) for m in METHODS]


def torch_loop(method: str, steps: int) -> Any:
    """One run of PyTorch's eager loop, 1 of the 80."""
    makers = {
        "sgd": lambda p: torch.optim.SGD(p, 1e-2),
        "momentum": lambda p: torch.optim.SGD(p, 1e-2, momentum=0.9),
        "adagrad": lambda p: torch.optim.Adagrad(p, 1e-2),
        "rmsprop": lambda p: torch.optim.RMSprop(p, 1e-3),
        "adam": lambda p: torch.optim.Adam(p, 1e-3, fused=True),
    }
    network = torch_network(SIZES)
    optimizer = makers[method](network.parameters())
    images, labels = torch.tensor(np.asarray(X)), torch.tensor(np.asarray(Y)).long()
    for _ in range(steps):
        index = torch.randint(0, len(images), (BATCH,))
        loss = torch.nn.functional.cross_entropy(network(images[index]), labels[index])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    return loss.item()


def torch_share(steps: int) -> Any:
    """One PyTorch run of each method: a sixteenth of the sweep."""
    return [torch_loop(name, steps) for name in METHODS]


CORES = cy.enable_all_cores()  # before the first array
X, Y = digits()
LOSS, SCORE = on_batches(cross_entropy, X, Y)
START = draw(SIZES)
KEY = jax.random.key(0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="20 steps and 3 rounds")
    quick = parser.parse_args().quick
    steps = 20 if quick else 200
    calls = {
        OURS: lambda: sweeps(RATES, steps),
        "one batch a method (vmap)": lambda: in_one_batch(steps),
        "80 runs one after another": lambda: one_after_another(steps),
    }
    if torch is not None:
        torch.set_num_threads(1)
        calls["PyTorch eager, one rate of 16"] = lambda: torch_share(steps)
    timings = interleaved(calls, repeats=3 if quick else 7, baseline=OURS, seconds=120.0)
    note = (
        f"16 learning rates by 5 methods, {steps} steps each, {'-'.join(map(str, SIZES))}, batch {BATCH}, float32, on "
        f"{CORES} cores. `{OURS}` chose: {ran()}."
    )
    if torch is not None:
        note += " The PyTorch line is 5 of the 80 runs on one thread: multiply by 16 for the whole sweep."
    print(note, timings.table(), sep="\n\n")
    if not quick:
        write("sweep", {"16 learning rates by 5 methods": timings}, note=note)


def ran() -> str:
    """How the runs of a sweep share the machine, in its own words."""
    return set_up(LOSS, START, 1, None, KEY, 1, None, SCORE, 1).words["ran"]


if __name__ == "__main__":
    main()
