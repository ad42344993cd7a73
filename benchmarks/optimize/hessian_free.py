"""Does Hessian-free optimization pay? CPU seconds to a loss, against Adam and momentum with tuned learning rates.

Five cases in float32: the deep autoencoder of the digits, Rosenbrock's valley, a deep linear network with plateaus, a
recurrent network that must remember, and small batches, on which it does not pay. The time is that of the process, one
thread each, without compilation and without reading the loss.

Learning rates are chosen from 11 on two tuning seeds by successive halving: all run to the first number of steps, the
best 5 by mean loss go on to twice as many, then 3, then 2. The winner is scored on five fresh seeds. Hessian-free
has no learning rate; where it starts with Adam, it has Adam's. Its other options were set on a tuning seed.

    python benchmarks/optimize/hessian_free.py                 # everything, about 20 minutes alone on 2 cores
    python benchmarks/optimize/hessian_free.py --only adding   # one case
    python benchmarks/optimize/hessian_free.py --small         # a trial in a minute or two, in a folder of its own

Every run is written to benchmarks/results/hessian_free.json as it ends; a run that was cut is taken up where it
stopped (--fresh begins again). docs/benchmarks/hessian_free.md is written from that file, at the end or by --report.
"""

from __future__ import annotations

import argparse
import functools
import math
import multiprocessing
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.optimize.equal_time import Runner, Spot, halve, result
from benchmarks.optimize.hessian_free_cases import CASES, Case
from benchmarks.optimize.hessian_free_records import Records, page

TUNING, FRESH = (100, 101), (0, 1, 2, 3, 4)


@functools.cache
def case_of(name: str, small: bool) -> Case:
    """The case, in this process."""
    return CASES[name].reduced() if small else CASES[name]


@functools.cache
def runner_of(name: str, contestant: str, small: bool) -> Runner:
    """The compiled programs of a contestant, in this process."""
    case = case_of(name, small)
    return Runner(case.problem(), *case.pace(contestant))


def tune(name: str, first: str, small: bool, file: str) -> str:
    """The learning rate of a method of first order, by successive halving; what was run before is not run again."""
    case, records, runner = case_of(name, small), Records(Path(file)), runner_of(name, first, small)
    going: dict[tuple[float, int], Spot] = {}

    def one(rate: float, seed: int, steps: int) -> dict[str, Any]:
        place = ("cases", name, "tuning", first, f"{rate:.4g}", str(seed))
        known = records.get(*place)
        if known is not None and (known["steps"] >= steps or known["reached"] or known["broken"]):
            return known
        method = case.first_order(first, rate, steps)
        continued = not case.scheduled(first)  # another horizon is another run
        spot = going.get((rate, seed)) if continued else None
        spot = runner.begin(method, seed) if spot is None else spot
        spot = runner.walk(method, seed, spot, lambda spot: spot.steps >= steps)
        going[rate, seed] = spot
        told = {k: v for k, v in result(spot).items() if k not in ("marks", "seconds")}
        told["broken"] = not math.isfinite(spot.marks[-1][1])
        records.keep(*place, found=told)
        return told

    def measure(rate: float, steps: int) -> tuple[float, float]:
        runs = [one(rate, seed, steps) for seed in TUNING]
        # A run that left the numbers is worst, whatever it saw before.
        losses = [float("inf") if run["broken"] else max(run["loss"], runner.problem.target) for run in runs]
        return sum(losses) / len(runs), sum(run["steps"] for run in runs) / len(runs)

    best = halve(case.rates(first), case.rungs(first), measure)
    records.keep("cases", name, "tuned", first, found=best)
    return f"{name}: {first} tuned to {best:.3g}"


def score(name: str, contestant: str, seed: int, small: bool, file: str) -> str:
    """CPU seconds to the target on a fresh seed."""
    case, records = case_of(name, small), Records(Path(file))
    method = case.method(contestant, records.get("cases", name, "tuned") or {})
    runner = runner_of(name, contestant, small)
    enough = lambda spot: spot.seconds >= case.seconds or spot.steps >= case.most(contestant)
    found = result(runner.walk(method, seed, runner.begin(method, seed), enough))
    records.keep("cases", name, "runs", contestant, str(seed), found=found)
    ending = "reached" if found["reached"] else f"not reached, {found['loss']}"
    return f"{name}: {contestant}, seed {seed}: {found['seconds']:.2f} s, {ending}"


def work(job: tuple[Any, ...]) -> str:
    """One job of a worker."""
    kind, *rest = job
    return (tune if kind == "tune" else score)(*rest)


def jobs(names: list[str], records: Records, small: bool) -> tuple[list[Any], list[Any]]:
    """(tuning, scoring) still to be done, the long ones first."""
    file, tuning, scoring = str(records.file), [], []
    for name in names:
        case = case_of(name, small)
        for first in case.learning_rates:
            if records.get("cases", name, "tuned", first) is None:
                tuning.append(("tune", name, first, small, file))
        for seed in FRESH[:2] if small else FRESH:
            scoring += [
                ("score", name, contestant, seed, small, file)
                for contestant in case.contestants
                if records.get("cases", name, "runs", contestant, str(seed)) is None and seed < case.seeds(contestant)
            ]
    return tuning, scoring


def run(names: list[str], records: Records, small: bool, workers: int) -> None:
    """Everything that is missing: the tuning, then the scoring."""
    for name in names:
        records.require(name, case_of(name, small).protocol(TUNING, FRESH))
    for stage in (0, 1):
        todo = jobs(names, records, small)[stage]
        if workers == 1:
            for job in todo:
                print(work(job), flush=True)
            continue
        with multiprocessing.get_context("spawn").Pool(min(workers, max(1, len(todo)))) as pool:
            for told in pool.imap_unordered(work, todo, chunksize=1):
                print(told, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=list(CASES), help="a case; may be repeated")
    parser.add_argument("--small", action="store_true", help="a trial at small size, written elsewhere")
    parser.add_argument("--fresh", action="store_true", help="forget what was measured before")
    parser.add_argument("--report", action="store_true", help="write the page from what was measured")
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1), help="processes at once")
    asked = parser.parse_args()
    records = Records(Path(tempfile.gettempdir()) / "hessian_free_small.json") if asked.small else Records()
    names = asked.only or list(CASES)
    if asked.fresh:
        records.forget(names)
    if not asked.report:
        run(names, records, asked.small, asked.workers)
    print(page(records, list(CASES), (__doc__ or "").split("\n\n")))


if __name__ == "__main__":
    main()
