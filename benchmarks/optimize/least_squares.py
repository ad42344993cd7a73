"""Curve fitting side by side: `fit_curve` and `least_squares` against SciPy's on NIST's reference data sets, from the
far starts and with exact Jacobians for all; and a batch of fits at once.

Run: python benchmarks/optimize/least_squares.py [--quick]
Writes benchmarks/results/least_squares.json and docs/benchmarks/least_squares.md.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import jax
import jax.numpy as jnp
import numpy as np
from benchmarks.timing import interleaved, write
from scipy import optimize

import cycloid as cy
from cycloid.problems.regressions import regression

SINGLE = ("Misra1a", "Thurber", "Gauss1", "MGH09")
BATCH = 256


def calls(name: str) -> dict[str, Any]:
    """One fit by each library, from the far start, on compiled functions of the same formula."""
    known = regression(name)
    names = list(known.parameters)
    formula = cy.formula(known.model, [*names, *known.x])
    columns = [jnp.asarray(column) for column in known.x.values()]
    y, start = jnp.asarray(known.y), jnp.asarray([known.starts[0][n] for n in names])
    residual = lambda b: formula(*(b[i] for i in range(len(names))), *columns) - y
    compiled, slopes = jax.jit(residual), jax.jit(jax.jacfwd(residual))
    plain, jacobian = (lambda b: np.asarray(compiled(b))), (lambda b: np.asarray(slopes(b)))
    model = lambda x, *b: plain(np.asarray(b)) + known.y
    begin = np.asarray(start)
    solve: Any = optimize.least_squares
    fit: Any = optimize.curve_fit
    slope = lambda x, *b: jacobian(np.asarray(b))
    squares, fit_curve = cy.optimize.least_squares, cy.optimize.fit_curve
    return {
        "scipy curve_fit": lambda: fit(model, known.y, known.y, p0=begin, jac=slope, maxfev=20_000)[0],
        "scipy least_squares (lm)": lambda: solve(plain, begin, jac=jacobian, method="lm", xtol=1e-12, ftol=1e-12).x,
        "cycloid least_squares": lambda: squares(residual, start, tol=1e-10, trace=False, throw=False).value,
        "cycloid fit_curve": lambda: fit_curve(known.model, known.x, known.y, start=known.starts[0], throw=False).value,
    }


def many(count: int) -> dict[str, Any]:
    """The same curve fitted to many noisy data sets: one after another, and all in one program."""
    known = regression("Misra1a")
    x, curve = known.x["x"], known.y
    ys = curve + 0.1 * np.random.default_rng(0).normal(size=(count, curve.size))
    start = known.starts[1]
    model = lambda x, a, b: a * (1 - np.exp(-b * x))
    fit: Any = optimize.curve_fit
    one = lambda y: cy.optimize.fit_curve(known.model, known.x, y, start=start, throw=False).value
    batch = jax.jit(jax.vmap(one))
    begin = list(start.values())
    return {
        "scipy curve_fit, one after another": lambda: [fit(model, x, y, p0=begin) for y in ys],
        "cycloid fit_curve under vmap": lambda: jax.block_until_ready(batch(jnp.asarray(ys))),
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds, nothing written")
    quick = parser.parse_args().quick
    cy.enable_x64()
    warnings.simplefilter("ignore")
    repeats = 3 if quick else 9
    tables = {}
    for name in SINGLE:
        tables[f"{name}, one fit from the far start"] = interleaved(calls(name), repeats=repeats, seconds=6.0)
    tables[f"{BATCH} fits of Misra1a"] = interleaved(many(BATCH), repeats=3, seconds=6.0)
    for title, timings in tables.items():
        print(f"\n{title}\n{timings.table()}")
    if not quick:
        write(
            "least_squares",
            tables,
            note="float64, one process; SciPy calls functions compiled by JAX, exact Jacobians included",
        )


if __name__ == "__main__":
    main()
