"""Sparse Jacobians and Hessians whose pattern nobody supplies: closed forms, asdex, sparsejac and CasADi beside them.

Run: python benchmarks/differentiate/sparse.py [--quick] [--only rosenbrock ...]
Writes benchmarks/results/sparse.json and docs/benchmarks/sparse.md; with --only the other problems there stay as they
were measured before. Every tool returns the whole matrix (a BCOO where
it is JAX's); a closed form is written out by hand and assembles the same BCOO. sparsejac is given the pattern; CasADi
runs its own interpreter on one core. Set-up is the time from the function to the first matrix: tracing, finding the
pattern, colouring, compiling, one evaluation; each tool has solved a small problem before, so that nothing is imported
for the first time in it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import jax
import jax.numpy as jnp
import numpy as np
from benchmarks.timing import ROOT, Timings, interleaved, readable, write
from jax.experimental.sparse import BCOO

import cycloid as cy

Function = Callable[..., Any]
rng = np.random.default_rng(0)


@dataclass
class Problem:
    """A matrix to compute.

    Args:
        title: heading of its table.
        function: F, or f where `hessian`.
        hessian: whether the Hessian is asked for.
        point: where.
        closed: the values in the order of the library's answer, written by hand; None where there is none.
        casadi: from CasADi to its function of the matrix; None where it is not tried.
    """

    title: str
    function: Function
    hessian: bool
    point: Any
    closed: Function | None = None
    casadi: Function | None = None


# --- problems ---------------------------------------------------------------------------------------------------


def rosenbrock(n: int) -> Problem:
    def f(x: Any) -> Any:
        return jnp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)

    def closed(x: Any) -> Any:
        head, tail = x[:-1], x[1:]
        zero, rest = jnp.zeros(1, x.dtype), jnp.full(n - 1, 200.0, x.dtype)
        main = jnp.concatenate([1200.0 * head**2 - 400.0 * tail + 2.0, zero]) + jnp.concatenate([zero, rest])
        off = -400.0 * head
        return jnp.concatenate([main, off, off])

    def casadi(ca: Any) -> Any:
        s = ca.SX.sym("x", n)
        value = ca.sum1(100 * (s[1:] - s[:-1] ** 2) ** 2 + (1 - s[:-1]) ** 2)
        return ca.Function("h", [s], [ca.hessian(value, s)[0]])

    return Problem(f"Hessian of Rosenbrock, n = {n}", f, True, jnp.asarray(rng.normal(size=n)), closed, casadi)


def bratu(m: int) -> Problem:
    scale = 6.0 / (m + 1) ** 2

    def residual(flat: Any) -> Any:
        u = jnp.pad(flat.reshape(m, m), 1)
        out = 4.0 * u[1:-1, 1:-1] - u[:-2, 1:-1] - u[2:, 1:-1] - u[1:-1, :-2] - u[1:-1, 2:]
        return (out - scale * jnp.exp(u[1:-1, 1:-1])).reshape(-1)

    def closed(flat: Any) -> Any:
        return jnp.concatenate([4.0 - scale * jnp.exp(flat), jnp.full(4 * m * (m - 1), -1.0)])

    def casadi(ca: Any) -> Any:
        flat = ca.SX.sym("u", m * m)
        grid, row, column = ca.reshape(flat, m, m), ca.DM.zeros(1, m), ca.DM.zeros(m, 1)
        up, down = ca.vertcat(grid[1:, :], row), ca.vertcat(row, grid[:-1, :])
        left, right = ca.horzcat(grid[:, 1:], column), ca.horzcat(column, grid[:, :-1])
        out = 4 * grid - up - down - left - right - scale * ca.exp(grid)
        return ca.Function("j", [flat], [ca.jacobian(ca.vec(out), flat)])

    point = jnp.asarray(0.1 * rng.normal(size=m * m))
    return Problem(f"Jacobian of the Bratu residual, grid {m} x {m}", residual, False, point, closed, casadi)


def diffusion(m: int) -> Problem:
    """Steady heat with a conductivity that depends on temperature, seven-point stencil in a box."""

    def residual(flat: Any) -> Any:
        u = flat.reshape(m, m, m)
        k = 1.0 + u**2
        out = jnp.zeros_like(u)
        for axis in range(3):
            low, high = (jax.lax.slice_in_dim(u, a, a + m - 1, axis=axis) for a in (0, 1))
            below, above = (jax.lax.slice_in_dim(k, a, a + m - 1, axis=axis) for a in (0, 1))
            flow = 0.5 * (below + above) * (high - low)
            pads = [(0, 0)] * 3
            pads[axis] = (0, 1)
            out = out + jnp.pad(flow, pads)
            pads[axis] = (1, 0)
            out = out - jnp.pad(flow, pads)
        return (out - u**3).ravel()

    return Problem(f"Jacobian of heat in a box, grid {m}³", residual, False, jnp.asarray(rng.uniform(size=m**3)))


def banded(n: int) -> Problem:
    weights = jnp.asarray(rng.normal(size=(n - 4, 5)))
    target = jnp.asarray(rng.normal(size=n - 4))

    def f(x: Any) -> Any:
        inner = sum(weights[:, k] * x[k : n - 4 + k] for k in range(5))
        return jnp.sum((jnp.sin(inner) - target) ** 2)

    return Problem(f"Hessian of a banded least-squares problem, n = {n}", f, True, jnp.asarray(rng.normal(size=n)))


def networks(links: int, width: int = 6, hidden: int = 12) -> Problem:
    first = jnp.asarray(rng.normal(size=(links - 1, hidden, width)) / np.sqrt(width))
    second = jnp.asarray(rng.normal(size=(links - 1, width, hidden)) / np.sqrt(hidden))

    def residual(flat: Any) -> Any:
        x = flat.reshape(links, width)
        moved = jnp.einsum("lij,lj->li", second, jnp.tanh(jnp.einsum("lij,lj->li", first, x[:-1])))
        return (x[1:] - x[:-1] - 0.1 * moved).ravel()

    point = jnp.asarray(rng.normal(size=links * width))
    return Problem(f"Jacobian of a chain of {links} small networks", residual, False, point)


def graph(nodes: int, degree: int = 6) -> Problem:
    places = rng.uniform(size=(nodes, 2))
    order = np.argsort(np.floor(places[:, 0] * np.sqrt(nodes)) + places[:, 1] / 2)
    near = order[(np.arange(nodes)[:, None] + np.arange(1, degree // 2 + 1)) % nodes]
    edges = np.stack([np.repeat(order, degree // 2), near.ravel()], axis=1)

    def f(flat: Any) -> Any:
        x = flat.reshape(nodes, 2)
        apart = x[edges[:, 0]] - x[edges[:, 1]]
        length = jnp.sqrt(jnp.sum(apart**2, axis=1) + 1e-3)
        return jnp.sum((length - 0.05) ** 2) + 0.5 * jnp.sum(x**2)

    return Problem(
        f"Hessian of a graph of springs, {nodes} nodes, {len(edges)} edges", f, True, jnp.asarray(places.ravel())
    )


PROBLEMS: dict[str, tuple[Function, int, int]] = {  # size, size with --quick
    "rosenbrock": (rosenbrock, 100_000, 2_000),
    "bratu": (bratu, 300, 30),
    "diffusion": (diffusion, 40, 8),
    "banded": (banded, 100_000, 2_000),
    "networks": (networks, 2_000, 50),
    "graph": (graph, 20_000, 300),
}


# --- tools ------------------------------------------------------------------------------------------------------


def cycloid_tool(problem: Problem) -> Function:
    make = cy.differentiate.hessian if problem.hessian else cy.differentiate.jacobian
    operator = make(problem.function, pattern="auto")
    return lambda: operator(problem.point)


def asdex_tool(problem: Problem) -> Function:
    import asdex

    if problem.hessian:
        colouring = asdex.hessian_coloring(problem.function, problem.point)
        run = jax.jit(asdex.hessian_from_coloring(problem.function, colouring))
    else:
        colouring = asdex.jacobian_coloring(problem.function, problem.point)
        run = jax.jit(asdex.jacobian_from_coloring(problem.function, colouring))
    return lambda: run(problem.point)


def sparsejac_tool(problem: Problem) -> Function:
    import sparsejac

    function = jax.grad(problem.function) if problem.hessian else problem.function
    found = cy.differentiate.pattern_of(problem.function, problem.point, order=2 if problem.hessian else 1)
    ones = BCOO((jnp.ones(found.nonzeros), jnp.asarray(found.indices)), shape=found.shape)
    run = jax.jit(sparsejac.jacfwd(function, ones))
    return lambda: run(problem.point)


def casadi_tool(problem: Problem) -> Function:
    import casadi

    function = problem.casadi(casadi)
    given, answer = np.array(problem.point), np.zeros(function.nnz_out(0))
    buffer, call = function.buffer()
    buffer.set_arg(0, memoryview(given))
    buffer.set_res(0, memoryview(answer))

    def run(keep: Any = buffer) -> Any:
        call()
        return answer

    run.matrix = lambda: function(given)
    return run


def closed_tool(problem: Problem) -> Function:
    found = cycloid_tool(problem)()
    run = jax.jit(problem.closed)
    return lambda: BCOO((run(problem.point), found.indices), shape=found.shape, unique_indices=True)


def tools(problem: Problem) -> dict[str, Function]:
    """The closed form last: it takes its indices from the library, whose set-up must not be done by then."""
    chosen = {"cycloid": cycloid_tool, "asdex": asdex_tool, "sparsejac": sparsejac_tool}
    chosen |= {"CasADi": casadi_tool} if problem.casadi else {}
    return chosen | ({"closed form": closed_tool} if problem.closed else {})


# --- the run ----------------------------------------------------------------------------------------------------


def set_up(make: Function, problem: Problem) -> tuple[Function, float]:
    """The tool ready to run, and how long it took to its first matrix."""
    began = time.perf_counter()
    run = make(problem)
    jax.block_until_ready(run())
    return run, time.perf_counter() - began


def same(runs: dict[str, Function], problem: Problem) -> None:
    """All tools compute one matrix: their products with two vectors agree."""
    first = next(iter(runs.values()))()
    vectors = np.random.default_rng(1).normal(size=(2, first.shape[1]))
    wanted = [np.asarray(first @ jnp.asarray(v)) for v in vectors]
    scale = max(np.abs(w).max() for w in wanted)
    for name, run in runs.items():
        matrix = run.matrix().sparse().tocsr() if name == "CasADi" else run()
        for v, w in zip(vectors, wanted, strict=True):
            np.testing.assert_allclose(np.asarray(matrix @ v) / scale, w / scale, atol=1e-9, err_msg=name)


def measured(name: str, quick: bool) -> tuple[str, Timings, str]:
    """Title, timings and a sentence on the set-up of one problem."""
    make, size, small = PROBLEMS[name]
    for tool in tools(make(small)).values():
        set_up(tool, make(small))
    problem = make(small if quick else size)
    ready = {tool: set_up(build, problem) for tool, build in tools(problem).items()}
    runs = {tool: run for tool, (run, _) in ready.items()}
    same(runs, problem)
    baseline = "closed form" if problem.closed else "asdex"
    timings = interleaved(runs, repeats=5 if quick else 41, baseline=baseline, seconds=15)
    times = ", ".join(f"{tool} {readable(seconds)}" for tool, (_, seconds) in ready.items() if tool != "closed form")
    ratio = ready["asdex"][1] / ready["cycloid"][1]
    print(f"\n{problem.title}\n{timings.table()}")
    print(cy.differentiate.plan(problem.function, problem.point, order=2 if problem.hessian else 1), flush=True)
    return problem.title, timings, f"{times}; asdex takes {ratio:.0f} times as long as cycloid."


def earlier() -> tuple[dict[str, Timings], dict[str, str]]:
    """What the last runs wrote: timings and set-up by title."""
    file = ROOT / "benchmarks" / "results" / "sparse.json"
    if not file.exists():
        return {}, {}
    record = json.loads(file.read_text(encoding="utf-8"))
    tables = {
        title: Timings(
            baseline=table["baseline"],
            medians={name: call["median_seconds"] for name, call in table["calls"].items()},
            quartiles={name: tuple(call["quartiles_seconds"]) for name, call in table["calls"].items()},
            ratios={name: call["ratio"] for name, call in table["calls"].items()},
            first_calls={name: call["first_call_seconds"] for name, call in table["calls"].items()},
            rounds=table["rounds"],
        )
        for title, table in record["tables"].items()
    }
    told = [line.removeprefix("* ").partition(": ") for line in record["note"].splitlines() if line.startswith("* ")]
    return tables, {title: times for title, _, times in told}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small problems, few rounds, nothing written")
    parser.add_argument("--only", nargs="+", choices=list(PROBLEMS), default=list(PROBLEMS))
    options = parser.parse_args()
    cy.enable_x64()
    tables, times = earlier()
    for name in options.only:
        title, timings, told = measured(name, options.quick)
        tables[title], times[title] = timings, told
        print(f"Set-up: {told}", flush=True)
        if not options.quick:
            order = {make(size).title: None for make, size, _ in PROBLEMS.values()}
            lines = [f"* {title}: {times[title]}" for title in order if title in times]
            note = "float64, one thread.\n\nSet-up, from the function to the first matrix:\n\n" + "\n".join(lines)
            write("sparse", {title: tables[title] for title in order if title in tables}, note=note)


if __name__ == "__main__":
    main()
