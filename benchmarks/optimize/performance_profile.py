"""Performance profiles after Dolan and Moré: methods and peers on the 35 problems of Moré, Garbow and Hillstrom.

What a solved problem cost is measured in evaluations and in warm seconds (the least of several calls); a problem whose
published minimum is missed counts as not solved. Results are kept after every method, so that a run may be interrupted
and goes on where it stopped.

Run: python benchmarks/optimize/performance_profile.py [--quick] [--afresh]
Writes benchmarks/results/performance_profile.json, docs/benchmarks/performance_profile.md and
docs/images/performance-profile-evaluations.png and -seconds.png.
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
import jax.numpy as jnp
from benchmarks.timing import ROOT, machine

import cycloid as cy
from cycloid.figures.performance_profiles import ratios
from cycloid.problems import MORE_GARBOW_HILLSTROM, SumOfSquares

cy.enable_x64()

METHODS = (
    "trust-region", "bfgs", "lbfgs", "newton", "conjugate-gradient", "barzilai-borwein",
    "scipy-l-bfgs-b", "optimistix-bfgs", "optax-lbfgs",
)  # fmt: skip
TOL = cy.Tolerance(rtol=0.0, atol=1e-9)
STEPS, CALLS, SECONDS = 2000, 5, 0.5
QUICK = ("rosenbrock", "beale", "helical-valley")
RESULTS = ROOT / "benchmarks" / "results" / "performance_profile.json"
PAGE = ROOT / "docs" / "benchmarks" / "performance_profile.md"
PICTURES = {cost: ROOT / "docs" / "images" / f"performance-profile-{cost}.png" for cost in ("evaluations", "seconds")}


def is_solved(problem: SumOfSquares, value: float) -> bool:
    """A published minimum to 1e-6 of itself, 1e-5 where it lies far away, 1e-8 where it is zero."""
    room = lambda minimum: (1e-5 if minimum in problem.far else 1e-6) * minimum if minimum else 1e-8
    return any(abs(value - minimum) <= room(minimum) for minimum in problem.minima)


def measured(problem: SumOfSquares, name: str) -> dict[str, Any]:
    """What a method paid on a problem."""
    method = cy.optimize.method(name)
    ask = {"method": method, "tol": TOL, "max_steps": STEPS, "trace": False, "throw": False}

    def solve(x: Any) -> tuple[Any, ...]:
        found = cy.optimize.minimize(problem.function, x, **ask)
        return found.objective, found.gradient_norm, found.evaluations, found.steps, found.status.code

    go = jax.jit(solve) if method.transforms else solve
    start = jnp.array(problem.start)
    began = time.perf_counter()
    objective, norm, evaluations, steps, code = jax.block_until_ready(go(start))
    first, least = time.perf_counter() - began, float("inf")
    until = time.perf_counter() + SECONDS
    for _ in range(CALLS):
        began = time.perf_counter()
        jax.block_until_ready(go(start))
        least = min(least, time.perf_counter() - began)
        if time.perf_counter() > until:
            break
    return {
        "solved": is_solved(problem, float(objective)),
        "objective": float(objective),
        "gradient_norm": float(norm),
        "evaluations": int(evaluations),
        "steps": int(steps),
        "status": cy.Status(code).name,
        "seconds": least,
        "first_call_seconds": first,
    }


def costs(table: dict[str, dict[str, Any]], names: list[str], cost: str) -> dict[str, list[float]]:
    """Method -> what each problem cost; NaN where it was not solved."""
    return {
        method: [float(rows[name][cost]) if rows[name]["solved"] else float("nan") for name in names]
        for method, rows in table.items()
    }


def page(table: dict[str, dict[str, Any]], names: list[str], setting: dict[str, str]) -> str:
    """The table of the docs."""
    told = ", ".join(f"{key} {value}" for key, value in setting.items())
    lines = [
        "# Benchmark: performance profiles",
        f"{len(names)} problems of Moré, Garbow and Hillstrom from their standard starts, float64, max|∇f| ≤ "
        f"{TOL.atol:g} asked of each, at most {STEPS} steps. Solved: a published minimum within 1e-6 of itself. Least "
        f"of {CALLS} warm calls. Run on: {told}.",
        "| method | solved | least evaluations of all on | least time of all on | first call, median |",
    ]
    rows = []
    best = {cost: ratios(costs(table, names, cost)) for cost in PICTURES}
    for method, row in table.items():
        wins = [int((best[cost][method] <= 1.0).sum()) for cost in PICTURES]
        first = sorted(row[name]["first_call_seconds"] for name in names)[len(names) // 2]
        solved = sum(row[name]["solved"] for name in names)
        rows.append(f"| {method} | {solved} of {len(names)} | {wins[0]} | {wins[1]} | {first:.2f} s |")
    lines[-1] = "\n".join([lines[-1], "| --- | --- | --- | --- | --- |", *rows])
    for cost in PICTURES:
        lines.append(f"![Performance profile by {cost}](../images/performance-profile-{cost}.png)")
    return "\n\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="three problems; nothing but the picture in the folder at hand"
    )
    parser.add_argument("--afresh", action="store_true", help="measure again what was measured before")
    options = parser.parse_args()
    names = list(QUICK if options.quick else MORE_GARBOW_HILLSTROM)
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() and not (options.afresh or options.quick) else {}
    table: dict[str, dict[str, Any]] = {name: known.get("table", {}).get(name, {}) for name in METHODS}
    for method in METHODS:
        for name in names:
            if name not in table[method]:
                table[method][name] = measured(MORE_GARBOW_HILLSTROM[name], method)
        solved = sum(table[method][name]["solved"] for name in names)
        print(
            f"{method}: {solved} of {len(names)}, {[table[method][name]['evaluations'] for name in names]}", flush=True
        )
        if not options.quick:
            RESULTS.parent.mkdir(parents=True, exist_ok=True)
            RESULTS.write_text(json.dumps({"machine": machine(), "table": table}, indent=1) + "\n", encoding="utf-8")
        jax.clear_caches()  # hundreds of programs would not all be kept
    draw(table, names, quick=options.quick)
    if not options.quick:
        PAGE.write_text(page(table, names, machine()), encoding="utf-8")


def draw(table: dict[str, dict[str, Any]], names: list[str], *, quick: bool) -> None:
    """Both pictures."""
    for cost, path in PICTURES.items():
        fig = cy.figures.performance_profile(costs(table, names, cost), cost=cost, title=f"Performance profile: {cost}")
        cy.figures.save(fig, Path(path.name) if quick else path, width=900, height=520, scale=1.6)


if __name__ == "__main__":
    main()
