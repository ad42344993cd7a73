"""Does Adam converge 3 to 5 times faster than SGD? Evaluations to a target loss, every learning rate tuned.

Three tasks on the digits. Every method has the same grid of learning rates (half decades from 1e-4 to 100) and the
same number of tries; the rate is chosen for each target on 3 tuning seeds and scored on 5 fresh ones, which share
their starts and mini-batches between the methods. The loss over all the data is read every 10 steps.

Run: python benchmarks/optimize/adam_against_sgd.py [--quick]
Writes benchmarks/results/adam_against_sgd.json and docs/benchmarks/adam_against_sgd.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import jax
import numpy as np
from benchmarks.optimize.digits import cross_entropy, digits, draw, on_batches, reconstruction
from benchmarks.timing import ROOT, machine

import cycloid as cy
from cycloid.core.storage import plain
from cycloid.optimize.standings import first_at_or_below

METHODS = ("sgd", "momentum", "rmsprop", "adam")
BATCH = 64
EVERY = 10
GRID = tuple(float(rate) for rate in np.logspace(-4, 2, 13))
# name: loss, sizes, gain of the first weights, steps, targets from easy to hard
TASKS = {
    "softmax regression, 64-10 (convex)": (cross_entropy, (64, 10), 1.0, 800, (0.1, 0.05)),
    "classifier, 64-32-10, relu": (cross_entropy, (64, 32, 10), 2.0, 1200, (0.1, 0.02)),
    "autoencoder, 64-32-8-32-64, tanh": (reconstruction, (64, 32, 8, 32, 64), 1.0, 1600, (3.0, 1.8)),
}


def contest(task: str, target: float, functions: tuple[Any, Any], quick: bool) -> dict[str, Any]:
    """Evaluations to the target by method, and how many times fewer than SGD each needs, seed by seed."""
    _, sizes, gain, steps, _ = TASKS[task]
    result = cy.race(
        functions[0],
        draw(sizes, gain),
        methods=METHODS,
        learning_rates=GRID,
        evaluations=steps // 10 if quick else steps,
        key=jax.random.key(0),
        target=target,
        score=functions[1],
        every=EVERY,
    )
    rows = {row["method"]: row for row in result.to_pandas().to_dict("records")}
    counts = {name: first_at_or_below(result.runs[name], target) for name in METHODS}
    return {
        "task": task,
        "target": target,
        "edges": result.protocol["at_the_edge_of_the_grid"],
        "methods": {
            name: {
                "learning_rate": rows[name]["learning_rate"],
                "evaluations": rows[name]["evaluations_to_target"],
                "reached": rows[name]["reached"],
                "times_fewer_than_sgd": ratios(counts["sgd"], counts[name]),
            }
            for name in METHODS
        },
    }


def ratios(sgd: np.ndarray, other: np.ndarray) -> list[float] | None:
    """(median, least, greatest) of the ratio over the seeds, or None where a run never reached the target."""
    if not np.all(np.isfinite(sgd) & np.isfinite(other)):
        return None
    each = sgd / np.maximum(other, 1)
    return [float(np.median(each)), float(each.min()), float(each.max())]


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown: one line a task and target."""
    lines = [
        "| task | loss to reach | " + " | ".join(METHODS) + " | SGD / momentum | SGD / Adam |",
        "| --- | --- | " + " | ".join("---" for _ in METHODS) + " | --- | --- |",
    ]
    for row in rows:
        cells = [f"{m['evaluations']:g} (η {m['learning_rate']:.3g})" for m in row["methods"].values()]
        quotients = [ratio_text(row["methods"][name]["times_fewer_than_sgd"]) for name in ("momentum", "adam")]
        lines.append(f"| {row['task']} | {row['target']:g} | " + " | ".join(cells + quotients) + " |")
    return "\n".join(lines)


def ratio_text(ratio: list[float] | None) -> str:
    return "not all reached it" if ratio is None else f"{ratio[0]:.2f} ({ratio[1]:.2f} to {ratio[2]:.2f})"


def verdict(rows: list[dict[str, Any]]) -> str:
    """What the numbers say about the claim, counted and not retold."""
    medians = [r["methods"]["adam"]["times_fewer_than_sgd"] for r in rows]
    known = [ratio[0] for ratio in medians if ratio is not None]
    if not known:
        return "No task was reached by all runs of both, so there is no ratio."
    inside = sum(3 <= ratio <= 5 for ratio in known)
    below = sum(ratio < 3 for ratio in known)
    above = sum(ratio > 5 for ratio in known)
    return (
        f"With every learning rate tuned, plain SGD needed {min(known):.2f} to {max(known):.2f} times as many steps as "
        f"Adam (medians of {len(known)} contests): 3 to 5 times in {inside} of them, less in {below}, more in {above}."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the steps, nothing written")
    quick = parser.parse_args().quick
    began = time.perf_counter()
    rows = []
    for task, (loss, *_, targets) in TASKS.items():
        functions = on_batches(loss, *digits(), BATCH)  # one pair a task, compiled once
        for target in targets:
            rows.append(contest(task, target, functions, quick))
            print(f"{task}, {target:g}: {time.perf_counter() - began:.0f} s", flush=True)
    print(table(rows), "\n\n" + verdict(rows))
    if quick:
        return
    record = {"machine": machine(), "protocol": " ".join(__doc__.split("\n\n")[1].split()), "rows": rows}
    results, page = ROOT / "benchmarks/results/adam_against_sgd.json", ROOT / "docs/benchmarks/adam_against_sgd.md"
    for path in (results, page):
        path.parent.mkdir(parents=True, exist_ok=True)
    results.write_text(json.dumps(plain({**record, "verdict": verdict(rows)}), indent=2) + "\n")
    body = ["# Benchmark: Adam against SGD", verdict(rows), table(rows), record["protocol"]]
    page.write_text("\n\n".join(body) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
