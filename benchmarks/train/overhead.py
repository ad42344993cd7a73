"""What `cy.train.watch` costs a PyTorch loop: the same loop bare, and watched at every tenth and every hundredth step.

Three nets of the size where overhead shows most, on synthetic batches of 128, Adam with its default settings, float32:
a perceptron 64-128-128-10, the same with 1024 units, and a small convolutional net on 3 x 32 x 32 images. A watched
loop keeps its record in a file. The beginning is counted: the steps 0, 1, 2, 4, 8 ... are recorded, and a closer look
is taken at some of them. The bare loop is timed twice, which shows what the clock itself cannot tell apart.

Run: python benchmarks/train/overhead.py [--quick]
Writes benchmarks/results/watch.json and docs/benchmarks/watch.md.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from benchmarks.timing import interleaved, write
from torch import nn

import cycloid as cy

BATCH = 128
PROMISES = {10: 0.10, 100: 0.02}  # steps between two records -> most overhead


def perceptron(width: int) -> Callable[[], tuple[nn.Module, torch.Tensor]]:
    """A net on 64 numbers, and a pool of inputs."""
    return lambda: (
        nn.Sequential(
            nn.Linear(64, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10)
        ),
        torch.randn(16 * BATCH, 64),
    )  # fmt: skip


def convolutional() -> tuple[nn.Module, torch.Tensor]:
    """A net on small images, with batch norm, and a pool of inputs."""
    net = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.AdaptiveAvgPool2d(4),
        nn.Flatten(), nn.Linear(512, 10),
    )  # fmt: skip
    return net, torch.randn(4 * BATCH, 3, 32, 32)


NETS: dict[str, tuple[Callable[[], tuple[nn.Module, torch.Tensor]], int]] = {
    "perceptron 64-128-128-10": (perceptron(128), 2_000),
    "perceptron 64-1024-1024-10": (perceptron(1024), 400),
    "convolutional, 3 x 32 x 32": (convolutional, 200),
}


def loop(make: Callable[[], tuple[nn.Module, torch.Tensor]], steps: int, every: int | None) -> Callable[[], Any]:
    """The loop of every tutorial, watched or not."""

    def go() -> None:
        torch.manual_seed(0)
        net, pool = make()
        labels = torch.randint(0, 10, (len(pool),))
        optimizer, criterion = torch.optim.Adam(net.parameters()), nn.CrossEntropyLoss()
        with tempfile.TemporaryDirectory() as folder:
            watch = None if every is None else cy.train.watch(net, optimizer, every=every, record=f"{folder}/run")
            for step in range(steps):
                start = step * BATCH % len(pool)
                optimizer.zero_grad()
                loss = criterion(net(pool[start : start + BATCH]), labels[start : start + BATCH])
                loss.backward()
                optimizer.step()
            if watch is not None:
                watch.close()

    return go


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="shorter runs, nothing written")
    quick = parser.parse_args().quick
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    tables = {}
    for title, (make, steps) in NETS.items():
        steps = max(100, steps // 4) if quick else steps
        ways = {"bare loop": loop(make, steps, None), "bare loop again": loop(make, steps, None)}
        ways |= {f"watched, every {every}": loop(make, steps, every) for every in PROMISES}
        found = interleaved(ways, repeats=5 if quick else 15, baseline="bare loop", seconds=20.0 if quick else 200.0)
        tables[f"{steps} steps, {title}"] = found
        print(f"{steps} steps, {title}\n{found.table()}\n")
        for every, most in PROMISES.items():
            extra = found.ratios[f"watched, every {every}"] - 1
            print(f"  every {every}: {extra:+.1%} (promised: at most {most:.0%})")
    if not quick:
        note = (
            "A PyTorch loop watched by `cy.train.watch`, with its record in a file, against the same loop bare: Adam, "
            "batches of 128, float32. The whole run is timed, its beginning and closer looks included. Promised are at "
            "most 10 % at every tenth step and 2 % at every hundredth."
        )
        write("watch", tables, note=note)


if __name__ == "__main__":
    main()
