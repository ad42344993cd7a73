"""Does Hessian-free optimization pay? CPU seconds to a loss, against Adam and momentum with tuned learning rates.

The deep autoencoder of the digits (64-128-64-16-64-128-64, logistic units and a linear code, cross-entropy summed over
the pixels, 1500 images, float32), and four smaller cases: Rosenbrock's valley, a deep linear network, a recurrent
network that must remember, and small batches, on which it does not pay. CPU time of the process, one thread, without
compilation and without the reading of the loss. It runs in pieces, which collect in one JSON:

    python benchmarks/optimize/hessian_free.py tune adam 0.01 100        # loss after 20000 steps; no times
    python benchmarks/optimize/hessian_free.py autoencoder hessian-free 0   # method, seed [, most CPU seconds]
    python benchmarks/optimize/hessian_free.py rosenbrock | deep-linear | recurrent | small-batches
    python benchmarks/optimize/hessian_free.py report                    # docs/benchmarks/hessian_free.md
    python benchmarks/optimize/hessian_free.py all                       # everything, the whole grid, about two hours
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import jax
import jax.numpy as jnp
import numpy as np
from benchmarks.optimize.digits import cross_entropy, digits, draw
from benchmarks.timing import ROOT, machine

from cycloid.learn import BinaryCrossEntropy, CrossEntropy, SquaredError
from cycloid.learn.curvatures import sampled_slopes
from cycloid.optimize import KFAC, Adam, HessianFree, Momentum, apply_update, minimize, model_objective

FILE = ROOT / "benchmarks" / "results" / "hessian_free.json"
PAGE = ROOT / "docs" / "benchmarks" / "hessian_free.md"
SIZES, CODE, BATCH, TARGET = (64, 128, 64, 16, 64, 128, 64), 2, 128, 14.0
GRID = {"adam": (1e-3, 3e-3, 1e-2, 3e-2), "momentum": (0.03, 0.1, 0.3, 1.0)}
TUNING, SEEDS, STEPS = (100, 101, 102), range(5), 20_000
FIRST = {"adam": Adam, "momentum": Momentum}


def images() -> jax.Array:
    """1500 of the digits."""
    x, _ = digits()
    return x[np.random.default_rng(0).permutation(len(x))[:1500]]


def autoencoder(layers: Any, x: Any) -> Any:
    """Logits of the pixels."""
    for i, (w, b) in enumerate(layers):
        x = x @ w + b
        x = x if i in (CODE, len(layers) - 1) else jax.nn.sigmoid(x)
    return x


def objective_of(outputs: Callable[[Any, Any], Any], loss: Any, x: Any, y: Any) -> Any:
    """A model objective with the slopes of a loss."""
    slopes = lambda z, y, key: sampled_slopes(loss, z, y, key)
    return model_objective(outputs, loss.examples, x, y, slopes=slopes)


class Race:
    """One method on one task, in chunks of steps timed by the CPU clock.

    Args:
        whole: the objective on all rows, by which it is judged.
        method: what runs.
        batch: rows a step; None for all.
    """

    def __init__(self, whole: Any, method: Any, batch: int | None):
        self.whole, self.method, self.batch = whole, method, batch
        self.value = jax.jit(whole.value)
        self.chunk = jax.jit(self._chunk)

    def _chunk(self, params: Any, state: Any, key: Any, steps: Any, x: Any, y: Any) -> Any:
        def one(i: Any, carry: Any) -> Any:
            params, state = carry
            whole = self.whole
            rows, targets = x, y
            if self.batch is not None:
                index = jax.random.randint(jax.random.fold_in(key, i), (self.batch,), 0, len(x))
                rows, targets = x[index], y[index]
            seen = model_objective(whole.outputs, whole.examples, rows, targets, slopes=whole.slopes)
            update, state, _ = self.method.step(seen, params, state)
            return apply_update(params, update), state

        return jax.lax.fori_loop(0, steps, one, (params, state))

    def run(self, params: Any, seed: int, target: float, seconds: float, most: int, chunk: int) -> dict[str, Any]:
        """Steps and CPU seconds until the loss over all rows is at or below the target."""
        state, data = self.method.init(params), (self.whole.x, self.whole.y)
        key = jax.random.key(1000 + seed)
        jax.block_until_ready(self.chunk(params, state, key, 0, *data))
        starts = getattr(self.method, "start_steps", 0)
        spent, steps, marks, loss = 0.0, 0, [], float("inf")
        while spent < seconds and steps < most:
            count = min(500, starts - steps) if steps < starts else chunk
            began = time.process_time()
            params, state = jax.block_until_ready(
                self.chunk(params, state, jax.random.fold_in(key, steps), count, *data)
            )
            spent, steps, loss = spent + time.process_time() - began, steps + count, float(self.value(params))
            marks.append([round(spent, 2), float(f"{loss:.5g}")])
            if loss <= target or not np.isfinite(loss):
                break
        reached, least = loss <= target, min((m[1] for m in marks if np.isfinite(m[1])), default=None)
        return {"reached": reached, "seconds": spent, "steps": steps, "loss": least, "marks": marks}


def digits_race(method: Any, batch: int | None) -> Race:
    """The autoencoder, its target the image itself."""
    x = images()
    return Race(objective_of(autoencoder, BinaryCrossEntropy(), x, x), method, batch)


def keep(*path: str, found: Any) -> None:
    """Put a piece into the JSON."""
    record = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    inner = record
    for name in path[:-1]:
        inner = inner.setdefault(name, {})
    inner[path[-1]] = found
    record["machine"] = machine()
    FILE.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    brief = {k: v for k, v in found.items() if k != "marks"} if isinstance(found, dict) else found
    print(*path, brief, flush=True)


def tune(name: str, rate: float, seed: int) -> None:
    """The least loss within 20000 steps."""
    race = digits_race(FIRST[name](rate), BATCH)
    found = race.run(draw(SIZES, 1.0)(jax.random.key(seed)), seed, TARGET, 1e9, STEPS, 500)
    keep("tuning", name, f"{rate:g}", str(seed), found={"loss": found["loss"], "steps": found["steps"]})


def tuned(name: str) -> float:
    """The learning rate with the least mean loss over the tuning seeds that were run."""
    table = json.loads(FILE.read_text(encoding="utf-8"))["tuning"][name]
    score = lambda rate: statistics.mean(run["loss"] for run in table[rate].values())
    return float(min(table, key=score))


def contestant(name: str) -> tuple[Any, int | None, int]:
    """(method, batch, steps a chunk)."""
    if name in FIRST:
        return FIRST[name](tuned(name)), BATCH, 500
    if name == "kfac":
        return KFAC(damping=0.1, rows=500), None, 5
    start = Adam(tuned("adam"))
    return HessianFree("kfac", damping=1e-3, start=start, start_steps=4000), None, 1


def score(name: str, seed: int, seconds: float) -> None:
    """CPU seconds to a loss of 14 on the autoencoder."""
    method, batch, chunk = contestant(name)
    found = digits_race(method, batch).run(draw(SIZES, 1.0)(jax.random.key(seed)), seed, TARGET, seconds, 10**9, chunk)
    keep("autoencoder", name, str(seed), found=found)


def compare(case: str, whole: Any, params: Any, target: float, contestants: dict[str, Any], seconds: float) -> None:
    """Every method on a smaller case: CPU seconds to the target, on all rows unless said otherwise."""
    for label, (method, batch, chunk) in contestants.items():
        found = Race(whole, method, batch).run(params, 0, target, seconds, 10**9, chunk)
        keep(case, label, found={k: v for k, v in found.items() if k != "marks"} | {"target": target})


def by_rate(rates: dict[str, tuple[float, ...]], chunk: int) -> dict[str, Any]:
    """Methods of first order on all rows, one for each learning rate."""
    return {f"{name}, rate {rate:g}": (FIRST[name](rate), None, chunk) for name in rates for rate in rates[name]}


def rosenbrock() -> None:
    """The valley in 2 and 100 dimensions, by minimize: evaluations (products counted)."""
    valley = lambda x: jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)
    for size in (2, 100):
        start = jnp.tile(jnp.array([-1.2, 1.0]), size // 2)
        for name in ("hessian-free", "trust-region", "lbfgs", "adam"):
            solve = lambda name=name, start=start: minimize(
                valley, start, method=name, tol=1e-3, max_steps=20_000, throw=False, trace=False
            )
            jax.block_until_ready(solve().value)
            began = time.process_time()
            found = jax.block_until_ready(solve())
            spent = time.process_time() - began
            keep("rosenbrock", f"n = {size}, {name}", found={
                "reached": found.status.name == "converged", "status": found.status.name, "seconds": spent,
                "steps": int(found.steps), "evaluations": int(found.evaluations), "loss": float(found.objective),
            })  # fmt: skip


def deep_linear() -> None:
    """Ten linear layers of 16 that must become a badly conditioned map."""
    keys = jax.random.split(jax.random.key(0), 3)
    x = jax.random.normal(keys[0], (500, 16), jnp.float32)
    turned = [jnp.linalg.qr(jax.random.normal(k, (16, 16), jnp.float32))[0] for k in keys[1:]]
    y = x @ (turned[0] * jnp.logspace(0, -2, 16, dtype=jnp.float32)) @ turned[1]

    def outputs(layers: Any, x: Any) -> Any:
        for w, b in layers:
            x = x @ w + b
        return x

    whole = objective_of(outputs, SquaredError(), x, y)
    first = by_rate({"adam": (1e-3, 3e-3, 1e-2), "momentum": (0.03, 0.1, 0.3)}, 200)
    second = {"hessian-free": (HessianFree(damping=0.1), None, 1),
              "hessian-free, kfac": (HessianFree("kfac", damping=0.1), None, 1)}  # fmt: skip
    compare("deep-linear", whole, draw((16,) * 11, 1.0)(jax.random.key(1)), 1e-5, second | first, 5.0)


def recurrent() -> None:
    """The sum of two marked numbers in a sequence of 50, by 32 tanh units; the mean for an answer leaves 0.167."""
    keys = jax.random.split(jax.random.key(0), 5)
    length, units, count = 50, 32, 500
    numbers = jax.random.uniform(keys[0], (count, length), jnp.float32)
    first = jax.random.randint(keys[1], (count,), 0, 10)
    second = jax.random.randint(keys[2], (count,), 10, length // 2)
    steps = jnp.arange(length)
    marks = ((steps == first[:, None]) | (steps == second[:, None])).astype(jnp.float32)
    x, y = jnp.stack([numbers, marks], axis=2), jnp.sum(numbers * marks, axis=1)

    def one(p: Any, sequence: Any) -> Any:
        advance = lambda h, u: (jnp.tanh(u @ p["in"] + h @ p["again"] + p["bias"]), None)
        h, _ = jax.lax.scan(advance, jnp.zeros(units, jnp.float32), sequence)
        return h @ p["out"] + p["level"]

    again = jnp.linalg.qr(jax.random.normal(keys[3], (units, units), jnp.float32))[0]
    params = {"in": 0.5 * jax.random.normal(keys[4], (2, units), jnp.float32), "again": again,
              "bias": jnp.zeros(units, jnp.float32), "out": jnp.zeros(units, jnp.float32),
              "level": jnp.ones((), jnp.float32)}  # fmt: skip
    whole = objective_of(jax.vmap(one, (None, 0)), SquaredError(), x, y)
    others = by_rate({"adam": (1e-3, 3e-3, 1e-2), "momentum": (0.01, 0.03)}, 50)
    ours = {"hessian-free": (HessianFree(damping=0.1), None, 1),
            "hessian-free, diagonal": (HessianFree("diagonal", damping=0.1), None, 1)}  # fmt: skip
    compare("recurrent", whole, params, 0.01, ours | others, 7.0)


def small_batches() -> None:
    """A classifier of the digits, 64-32-10, on batches of 64, where the curvature is mostly noise."""
    x, labels = digits()
    outputs = lambda layers, x: jax.nn.relu(x @ layers[0][0] + layers[0][1]) @ layers[1][0] + layers[1][1]
    whole = objective_of(outputs, CrossEntropy(), x, labels)
    assert abs(float(whole.value(draw((64, 32, 10))(jax.random.key(0))))
               - float(cross_entropy(draw((64, 32, 10))(jax.random.key(0)), x, labels))) < 1e-4  # fmt: skip
    contestants = {
        "adam, rate 0.01": (Adam(1e-2), 64, 20),
        "hessian-free on 64 rows": (HessianFree("kfac", damping=0.1), 64, 1),
        "hessian-free on all rows": (HessianFree("kfac", damping=0.1), None, 1),
        "kfac on 64 rows": (KFAC(damping=0.1), 64, 5),
    }
    compare("small-batches", whole, draw((64, 32, 10))(jax.random.key(0)), 0.02, contestants, 6.0)


def report() -> None:
    """The page."""
    record = json.loads(FILE.read_text(encoding="utf-8"))
    parts = [
        "# Benchmark: Hessian-free optimization",
        " ".join((__doc__ or "").partition("\n\n")[2].partition(" It runs in pieces")[0].split()),
    ]
    parts += ["## The deep autoencoder: CPU seconds to a loss of 14.0", *_autoencoder(record)]
    for case, title in (("deep-linear", "A deep linear network: ten layers of 16, mean squared error 1e-5"),
                        ("recurrent", "A recurrent network that must remember over 50 steps, mean squared error 0.01"),
                        ("small-batches", "A small classifier, cross-entropy 0.02: where it does not pay"),
                        ("rosenbrock", "Rosenbrock's valley, by `minimize`, gradient 1e-3 (float32)")):  # fmt: skip
        if case in record:
            parts += [f"## {title}", _table(record[case])]
    parts.append("Run on: " + ", ".join(f"{k} {v}" for k, v in record["machine"].items()) + ".")
    PAGE.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print(PAGE)


def _table(rows: dict[str, Any]) -> str:
    lines = ["| method | reached | CPU seconds | steps | least loss |", "| --- | --- | --- | --- | --- |"]
    for name, run in rows.items():
        lines.append(f"| {name} | {'yes' if run['reached'] else 'no'} | {run['seconds']:.3g} | {run['steps']} "
                     f"| {'not finite' if run['loss'] is None else format(run['loss'], '.3g')} |")  # fmt: skip
    return "\n".join(lines)


def _autoencoder(record: dict[str, Any]) -> list[str]:
    runs = record["autoencoder"]
    seeds = sorted({seed for table in runs.values() for seed in table})
    lines = ["| method | " + " | ".join(f"seed {s}" for s in seeds) + " | median |", "| --- " * (len(seeds) + 2) + "|"]
    ours = runs["hessian-free"]
    sentences = []
    for name, table in runs.items():
        cells = [_cell(table.get(seed)) for seed in seeds]
        middle = statistics.median(run["seconds"] if run["reached"] else float("inf") for run in table.values())
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {middle:.1f} |".replace("inf", "not reached"))
        both = [s for s in seeds if s in table and s in ours]
        if name != "hessian-free" and both:
            ratios = [table[s]["seconds"] / ours[s]["seconds"] for s in both]
            least = any(not table[s]["reached"] for s in both)
            sentences.append(
                f"{name} took {'at least ' if least else ''}{min(ratios):.2f} to {max(ratios):.2f} times the CPU time "
                f"(median {'at least ' if least else ''}{statistics.median(ratios):.2f}, {len(both)} seeds)."
            )
    tuning = [f"{name}: " + ", ".join(f"{rate} → {statistics.mean(r['loss'] for r in table.values()):.2f}"
                                      for rate, table in sorted(rates.items(), key=lambda pair: float(pair[0])))
              for name, rates in record["tuning"].items()]  # fmt: skip
    seen = sorted({s for rates in record["tuning"].values() for t in rates.values() for s in t})
    return [
        "\n".join(lines),
        "Beside `hessian-free`: " + " ".join(sentences) + " `> t` means that 14.0 was not reached within t seconds.",
        f"Least loss within {STEPS} steps by learning rate, on tuning seed {', '.join(seen)}: " + "; ".join(tuning)
        + f". The best were used: adam {tuned('adam'):g}, momentum {tuned('momentum'):g}, batches of {BATCH}. "
        "`hessian-free` is HessianFree(\"kfac\", damping=1e-3, start=Adam(the best rate), start_steps=4000) on all "
        "rows, `kfac` KFAC(damping=0.1, rows=500) on all rows.",
    ]  # fmt: skip


def _cell(run: dict[str, Any] | None) -> str:
    if run is None:
        return "not run"
    return f"{run['seconds']:.1f}" if run["reached"] else f"> {run['seconds']:.0f} ({run['loss']:.2f})"


def everything() -> None:
    """All pieces, with the whole grid on three tuning seeds."""
    for name, rates in GRID.items():
        for rate in rates:
            for seed in TUNING:
                tune(name, rate, seed)
    for name in ("hessian-free", "kfac", "adam", "momentum"):
        for seed in SEEDS:
            score(name, seed, 240.0)
    for case in CASES.values():
        case()
    report()


CASES = {"rosenbrock": rosenbrock, "deep-linear": deep_linear, "recurrent": recurrent, "small-batches": small_batches}


def main(arguments: list[str]) -> None:
    """One piece."""
    match arguments:
        case ["tune", name, rate, seed]:
            tune(name, float(rate), int(seed))
        case ["autoencoder", name, seed, *rest]:
            score(name, int(seed), float(rest[0]) if rest else 42.0)
        case [("rosenbrock" | "deep-linear" | "recurrent" | "small-batches") as name]:
            CASES[name]()
        case ["report"]:
            report()
        case ["all"]:
            everything()
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
