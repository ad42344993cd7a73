"""Minimisers on eleven problems of Moré, Garbow and Hillstrom and on Rosenbrock's function of 1000 variables: ours,
SciPy's L-BFGS-B, optimistix's BFGS, optax's and jaxopt's L-BFGS, side by side and interleaved.

Run: python benchmarks/optimize/minimizers.py [--quick]
Writes benchmarks/results/minimizers.json and docs/benchmarks/minimizers.md.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import jax
import jax.numpy as jnp
import numpy as np
import optax
import scipy.optimize
from benchmarks.timing import Timings, interleaved, write

import cycloid as cy
from cycloid.problems import MORE_GARBOW_HILLSTROM, SumOfSquares
from cycloid.problems.any_size import extended_rosenbrock

try:
    import optimistix
except ImportError:
    optimistix = None
try:
    import jaxopt
except ImportError:
    jaxopt = None

cy.enable_x64()

NAMES = (
    "rosenbrock", "powell-singular", "beale", "helical-valley", "wood", "brown-badly-scaled", "box",
    "powell-badly-scaled", "trigonometric", "broyden-tridiagonal", "chebyquad",
)  # fmt: skip
LARGE = SumOfSquares(21, "rosenbrock, n = 1000", extended_rosenbrock, (-1.2, 1.0) * 500, (0.0,))
GRADIENT = 1e-9  # what every one is asked for, in its own words
STEPS = 2000
OURS = "cycloid, default"
# What a matrix of n² numbers or a dense solve is for.
DENSE = ("optimistix BFGS", "cycloid BFGS")

Solver = Callable[[], Any]


def cycloid(problem: SumOfSquares, method: Any = None) -> Solver:
    tol = cy.Tolerance(rtol=0.0, atol=GRADIENT)
    go = jax.jit(
        lambda x: (
            cy.optimize.minimize(
                problem.function, x, method=method, tol=tol, max_steps=STEPS, trace=False, throw=False
            ).value
        )
    )
    start = jnp.array(problem.start)
    return lambda: go(start)


def scipy_lbfgsb(problem: SumOfSquares) -> Solver:
    both = jax.jit(jax.value_and_grad(problem.function))
    start = np.array(problem.start)

    def value_and_grad(x: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = both(x)
        return float(value), np.asarray(gradient)

    options = {"gtol": GRADIENT, "ftol": 1e-20, "maxiter": STEPS, "maxfun": 10 * STEPS}
    return lambda: scipy.optimize.minimize(value_and_grad, start, jac=True, method="L-BFGS-B", options=options).x


def optimistix_bfgs(problem: SumOfSquares) -> Solver:
    solver = optimistix.BFGS(rtol=1e-11, atol=1e-11)
    f = lambda x, _: problem.function(x)
    go = jax.jit(lambda x: optimistix.minimise(f, solver, x, max_steps=STEPS, throw=False).value)
    start = jnp.array(problem.start)
    return lambda: go(start)


def optax_lbfgs(problem: SumOfSquares) -> Solver:
    f, method = problem.function, optax.lbfgs()
    value_and_grad = optax.value_and_grad_from_state(f)

    def step(carry: Any) -> Any:
        x, state, _, turn = carry
        value, gradient = value_and_grad(x, state=state)
        update, state = method.update(gradient, state, x, value=value, grad=gradient, value_fn=f)
        return x + update, state, jnp.max(jnp.abs(optax.tree.get(state, "grad"))), turn + 1

    unfinished = lambda carry: (carry[2] > GRADIENT) & (carry[3] < STEPS)
    go = jax.jit(lambda x: jax.lax.while_loop(unfinished, step, (x, method.init(x), jnp.inf, 0))[0])
    start = jnp.array(problem.start)
    return lambda: go(start)


def jaxopt_lbfgs(problem: SumOfSquares) -> Solver:
    solver = jaxopt.LBFGS(problem.function, maxiter=STEPS, tol=GRADIENT)
    go = jax.jit(lambda x: solver.run(x).params)
    start = jnp.array(problem.start)
    return lambda: go(start)


def solvers(problem: SumOfSquares) -> dict[str, Solver]:
    makers: dict[str, Callable[[SumOfSquares], Solver]] = {
        OURS: cycloid,
        "cycloid BFGS": lambda p: cycloid(p, cy.optimize.BFGS()),
        "cycloid L-BFGS": lambda p: cycloid(p, cy.optimize.LBFGS()),
        "SciPy L-BFGS-B": scipy_lbfgsb,
        "optax L-BFGS": optax_lbfgs,
    }
    if optimistix is not None:
        makers["optimistix BFGS"] = optimistix_bfgs
    if jaxopt is not None:
        makers["jaxopt L-BFGS"] = jaxopt_lbfgs
    small = len(problem.start) <= 100
    return {name: make(problem) for name, make in makers.items() if small or name not in DENSE}


def is_solved(problem: SumOfSquares, x: Any) -> bool:
    """A published minimum to 1e-8 of max(1, itself)."""
    value = float(problem.function(jnp.asarray(x)))
    return any(abs(value - minimum) <= 1e-8 * max(1.0, minimum) for minimum in problem.minima)


def mean_of(tables: dict[str, Timings]) -> Timings:
    """Geometric means over the problems."""
    first = next(iter(tables.values()))
    mean = lambda numbers: math.exp(sum(math.log(n) for n in numbers) / len(tables))
    over = lambda field, name: mean([getattr(t, field)[name] for t in tables.values()])
    return dataclasses.replace(
        first,
        medians={name: over("medians", name) for name in first.medians},
        quartiles={
            name: (
                mean([t.quartiles[name][0] for t in tables.values()]),
                mean([t.quartiles[name][1] for t in tables.values()]),
            )
            for name in first.medians
        },
        ratios={name: over("ratios", name) for name in first.ratios},
        first_calls={name: over("first_calls", name) for name in first.first_calls},
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three problems, three rounds, nothing written")
    quick = parser.parse_args().quick
    tables: dict[str, Timings] = {}
    solved: dict[str, int] = {}
    for name in NAMES[:3] if quick else NAMES:
        problem = MORE_GARBOW_HILLSTROM[name]
        calls = solvers(problem)
        tables[name] = interleaved(calls, repeats=3 if quick else 7, baseline=OURS, seconds=2.0)
        for label, call in calls.items():
            solved[label] = solved.get(label, 0) + is_solved(problem, call())
    small, large = mean_of(tables), interleaved(solvers(LARGE), repeats=3 if quick else 7, baseline=OURS, seconds=5.0)
    told = ", ".join(f"{label} {count}" for label, count in solved.items())
    note = (
        f"float64, exact gradients, max|∇f| ≤ {GRADIENT:g} asked of each in its own words. "
        f"Solved, to 1e-8, of {len(tables)}: {told}."
    )
    titles = {f"Geometric mean over {len(tables)} problems": small, "Rosenbrock, n = 1000": large}
    for title, timing in titles.items():
        print(title, timing.table(), sep="\n")
    print(note)
    if not quick:
        write("minimizers", titles, note=note)


if __name__ == "__main__":
    main()
