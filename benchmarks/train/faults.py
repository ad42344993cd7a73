"""Faults planted in real training runs, and what the diagnosis names first: by fault and dose, and false alarms.

    python benchmarks/train/faults.py                    # every fault, 8 runs of each dose, 100 healthy runs
    python benchmarks/train/faults.py --each 2 --healthy 20 --framework torch --fault "label noise"

Writes docs/benchmarks/faults.md and benchmarks/results/faults.json. Seeds are drawn from --seed: another number, and
every data split, starting weight, order of rows and planted row is another.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

from cycloid.core.storage import write_atomically
from cycloid.train import faults
from cycloid.train.fault_plants import PLANTS

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "faults.json"
PAGE = ROOT / "docs" / "benchmarks" / "faults.md"


def main() -> None:
    """Run, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", type=int, default=8, help="runs of each fault and dose")
    parser.add_argument("--healthy", type=int, default=100, help="runs without a fault")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--framework", choices=faults.FRAMEWORKS, help="this one alone")
    parser.add_argument("--fault", action="append", help="this one alone; may be given several times")
    parser.add_argument("--print-only", action="store_true", help="write no files")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    chosen = [*faults.cases(arguments.fault, each=arguments.each, seed=arguments.seed)]
    chosen += [*faults.healthy_cases(arguments.healthy, seed=arguments.seed)]
    if arguments.framework:
        chosen = [case for case in chosen if case.framework == arguments.framework]
    chosen = [chosen[i] for i in np.random.default_rng(arguments.seed).permutation(len(chosen))]
    rows: list[dict] = []
    began = time.time()
    for place, case in enumerate(chosen, start=1):
        told = faults.verdict(case)
        rows.append({**case._asdict(), "first": told.first, "alarms": list(told.alarms)})
        right = told.first == case.fault if case.fault else not told.alarms
        mark = "" if right else f"   <- {told.first or 'nothing'}"
        print(f"{place:4}/{len(chosen)}  {case.fault or 'healthy'}, {case.dose}: {case.data} {case.architecture} "
              f"{case.framework}{mark}", flush=True)  # fmt: skip
        if not arguments.print_only and (
            place % 10 == 0 or place == len(chosen)
        ):  # a run that is stopped leaves a page
            write_atomically(RESULTS, json.dumps({"seed": arguments.seed, "runs": rows}, indent=1))
            write_atomically(PAGE, written(rows, arguments.seed, time.time() - began))
    print("\n" + written(rows, arguments.seed, time.time() - began))


def written(rows: list[dict], seed: int, seconds: float) -> str:
    """The page."""
    shares: dict[tuple[str, str], list[bool]] = defaultdict(list)
    named: dict[str, Counter] = defaultdict(Counter)
    for row in rows:
        if row["fault"]:
            right = row["first"] == row["fault"]
            shares[row["fault"], row["dose"]].append(right)
            if not right:
                named[row["fault"]][row["first"] or "nothing"] += 1
    healthy = [row for row in rows if not row["fault"]]
    alarms = Counter(alarm for row in healthy for alarm in row["alarms"])
    lines = [
        "# Planted faults",
        "",
        "Written by `python benchmarks/train/faults.py`. Each line is a fault planted in real training runs "
        f"(data: {', '.join(faults.DATA)}; architectures: {', '.join(faults.ARCHITECTURES)}; frameworks: "
        f"{', '.join(sorted({row['framework'] for row in rows}))}), in a plain and in a mild dose; a run counts when "
        "the fault is the *first* "
        "that the diagnosis names. What each dose is stands in `src/cycloid/train/fault_plants.py`.",
        "",
        f"Seed {seed}, {len(rows)} runs, {seconds:.0f} s.",
        "",
        "| fault | plain | mild | named instead |",
        "| --- | ---: | ---: | --- |",
    ]
    for fault in PLANTS:
        cells = [_share(shares.get((fault, dose), [])) for dose in faults.DOSES]
        instead = ", ".join(f"{name} ({count})" for name, count in named[fault].most_common(3))
        if any(cells):
            lines.append(f"| {fault} | {cells[0]} | {cells[1]} | {instead} |")
    wrong = sum(bool(row["alarms"]) for row in healthy)
    said = ", ".join(f"{name} ({count})" for name, count in alarms.most_common()) or "none"
    if healthy:
        share = 100 * wrong / len(healthy)
        lines += ["", f"False alarms: {wrong} of {len(healthy)} healthy runs ({share:.1f} %): {said}."]
    return "\n".join(lines) + "\n"


def _share(found: list[bool]) -> str:
    return f"{sum(found)}/{len(found)}" if found else ""


if __name__ == "__main__":
    main()
