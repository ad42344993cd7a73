"""The cases of the benchmark of Hessian-free optimization: problems, contestants, grids of learning rates, limits."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
import optax
from benchmarks.optimize.digits import digits, draw

from cycloid.learn import CrossEntropy
from cycloid.optimize import KFAC, Adam, HessianFree, Momentum
from cycloid.problems import SlowDescent
from cycloid.problems.slow_descents import adding, autoencoder, deep_linear, valley

# Of the last of the rungs this many steps are the first; so many rates are kept after each.
HALVINGS, KEPT = (1, 2, 4, 8), (5, 3, 2, 1)
COSINE = "adam, rate let down by a cosine"
FIRST: dict[str, Callable[[Any], Any]] = {"adam": Adam, "momentum": Momentum, COSINE: Adam}


def tuned_name(contestant: str) -> str:
    """The method of first order whose learning rate a contestant uses: itself, or Adam's for a start."""
    return contestant if contestant in FIRST else "adam"


@dataclasses.dataclass(frozen=True)
class Second:
    """A contestant of second order.

    Args:
        make: Adam's tuned learning rate -> the method.
        batch: rows a step; None for all.
        chunk: steps between two looks at the loss.
        seeds: how many fresh seeds it is run on.
    """

    make: Callable[[float], Any]
    batch: int | None = None
    chunk: int = 1
    seeds: int = 5


@dataclasses.dataclass(frozen=True)
class Case:
    """One task of the benchmark.

    Args:
        make: sizes -> the problem.
        seconds: of CPU at most for a run that is scored.
        batch: rows a step of the methods of first order; None for all.
        chunk: their steps between two looks at the loss.
        steps: of the first rung of the halving.
        learning_rates: low and high end of the grid of each, as powers of ten.
        second: the contestants of second order.
        sizes: for a trial.
        horizon: steps over which a learning rate is let down, where one is.
        note: said under the table.
    """

    make: Callable[..., SlowDescent]
    seconds: float
    batch: int | None
    chunk: int
    steps: int
    learning_rates: Mapping[str, tuple[float, float]]
    second: Mapping[str, Second]
    sizes: Mapping[str, Any]
    horizon: int = 0
    note: str = ""
    is_trial: bool = False

    @property
    def contestants(self) -> list[str]:
        """All of them, those of second order first."""
        return [*self.second, *self.learning_rates]

    def problem(self) -> SlowDescent:
        """The task."""
        return self.make(**(self.sizes if self.is_trial else {}))

    def reduced(self) -> Case:
        """The same as a trial of seconds."""
        steps, chunk, horizon = max(8, self.steps // 250), max(1, self.chunk // 50), self.horizon // 250
        return dataclasses.replace(self, seconds=0.4, steps=steps, chunk=chunk, horizon=horizon, is_trial=True)

    def rates(self, first: str) -> list[float]:
        """The grid of 11."""
        return [float(f"{rate:.4g}") for rate in np.logspace(*self.learning_rates[first], 11)]

    def rungs(self, first: str) -> list[tuple[int, int]]:
        """(steps, how many rates go on after them)."""
        return [(self.steps * turns, kept) for turns, kept in zip(HALVINGS, KEPT, strict=True)]

    def scheduled(self, first: str) -> bool:
        """Whether the learning rate falls, so that more steps are not the same run gone on."""
        return first == COSINE

    def first_order(self, first: str, rate: float, horizon: int) -> Any:
        """The method with a learning rate."""
        return FIRST[first](optax.cosine_decay_schedule(rate, horizon) if self.scheduled(first) else rate)

    def method(self, contestant: str, tuned: Mapping[str, float]) -> Any:
        """The contestant as it is scored."""
        rate = tuned[tuned_name(contestant)]
        if contestant in self.second:
            return self.second[contestant].make(rate)
        return self.first_order(contestant, rate, self.horizon)

    def pace(self, contestant: str) -> tuple[int | None, int]:
        """(rows a step, steps between two looks)."""
        second = self.second.get(contestant)
        return (self.batch, self.chunk) if second is None else (second.batch, second.chunk)

    def most(self, contestant: str) -> float:
        """Steps at most."""
        return self.horizon if contestant == COSINE else float("inf")

    def seeds(self, contestant: str) -> int:
        """How many fresh seeds."""
        return self.second[contestant].seeds if contestant in self.second else 5

    def protocol(self, tuning: tuple[int, ...], fresh: tuple[int, ...]) -> dict[str, Any]:
        """What must be the same for earlier runs to count."""
        grids = {first: [f"{rate:.4g}" for rate in self.rates(first)] for first in self.learning_rates}
        rungs = [list(rung) for rung in self.rungs("adam")]
        told = {"grids": grids, "rungs": rungs, "tuning seeds": list(tuning), "fresh seeds": list(fresh)}
        second = {name: f"{one.make(0.01)!r}, batch {one.batch}" for name, one in self.second.items()}
        limits = {"batch": self.batch, "seconds": self.seconds, "horizon": self.horizon, "chunk": self.chunk}
        return {**told, **limits, "second": second, **self._words()}

    def _words(self) -> dict[str, Any]:
        problem = self.problem()
        return {"target": problem.target, "title": problem.title, "plateaus": list(problem.plateaus), "note": self.note}


def classifier(rows: int = 1797) -> SlowDescent:
    """A small classifier of the digits, which first order learns in a moment."""
    x, labels = digits()

    def outputs(layers: Any, x: Any) -> Any:
        return jax.nn.relu(x @ layers[0][0] + layers[0][1]) @ layers[1][0] + layers[1][1]

    return SlowDescent(
        "small-batches", "A small classifier of the digits, 64-32-10, on batches of 64", draw((64, 32, 10)), 0.02, None,
        "It is not slow.", outputs=outputs, loss=CrossEntropy(), x=x[:rows], y=labels[:rows],
    )  # fmt: skip


def started(steps: int, **options: Any) -> Callable[[float], Any]:
    """Hessian-free after so many steps of Adam, with K-FAC unless said otherwise."""
    chosen = {"preconditioner": "kfac", "damping": 1e-3, **options}
    return lambda rate: HessianFree(start=Adam(rate), start_steps=steps, **chosen)


def plain(preconditioner: Any, **options: Any) -> Callable[[float], Any]:
    """Hessian-free from the first step on."""
    return lambda rate: HessianFree(preconditioner, **{"damping": 0.1, **options})


CASES = {
    "autoencoder": Case(
        autoencoder, 40.0, 128, 500, 5_000,
        {"adam": (-4.0, -1.0), "momentum": (-2.5, 0.5), COSINE: (-4.0, -1.0)},
        {
            "hessian-free, kfac": Second(started(4000)),
            "hessian-free, kfac, curvature on 500 rows": Second(started(4000, rows=500)),
            "hessian-free, none": Second(started(4000, preconditioner="none"), seeds=2),
            "hessian-free, diagonal": Second(started(4000, preconditioner="diagonal"), seeds=2),
            "kfac": Second(lambda rate: KFAC(damping=0.1, rows=500), chunk=5, seeds=2),
        },
        {"sizes": (64, 16, 4, 16, 64), "rows": 200}, horizon=80_000,
        note="All of Hessian-free begin with 4000 steps of Adam, their damping at 1e-3. The cosine lets the rate down "
        "to zero over 80 000 steps: of 20, 40 and 80 thousand the fewest that led below 14.0 on a tuning seed.",
    ),
    "rosenbrock": Case(
        valley, 4.0, None, 1_000, 5_000, {"adam": (-4.0, 0.0), "momentum": (-5.0, -2.0)},
        {"hessian-free, none": Second(plain("none")), "hessian-free, diagonal": Second(plain("diagonal"))},
        {"size": 10},
        note="The matrix is the Hessian, for there is no model. K-FAC is not defined: there are no layers. All five "
        "seeds have the same start.",
    ),
    "deep-linear": Case(
        deep_linear, 6.0, None, 100, 2_500, {"adam": (-4.0, -1.0), "momentum": (-2.5, 0.5)},
        {
            "hessian-free, none": Second(plain("none")),
            "hessian-free, diagonal": Second(plain("diagonal")),
            "hessian-free, kfac": Second(plain("kfac")),
            "hessian-free, kfac, curvature on 64 rows": Second(plain("kfac", rows=64)),
        },
        {"depth": 3, "width": 3, "rows": 20},
    ),
    "adding": Case(
        adding, 15.0, 100, 50, 500, {"adam": (-4.0, -1.0), "momentum": (-3.5, -0.5)},
        {
            "hessian-free, none": Second(plain("none")),
            "hessian-free, none, curvature on 125 rows": Second(plain("none", rows=125)),
            "hessian-free, diagonal": Second(plain("diagonal")),
        },
        {"length": 20, "units": 8, "rows": 120},
        note="K-FAC is not defined: the recurrent matrix is used inside a loop, where its inputs are not seen. Batches "
        "of 100 for first order.",
    ),
    "small-batches": Case(
        classifier, 4.0, 64, 20, 500, {"adam": (-4.0, -1.0), "momentum": (-2.5, 0.5)},
        {
            "hessian-free, kfac, on 64 rows": Second(plain("kfac"), batch=64),
            "hessian-free, kfac, on all rows": Second(plain("kfac")),
            "kfac, on 64 rows": Second(lambda rate: KFAC(damping=0.1), batch=64, chunk=5),
        },
        {"rows": 300},
    ),
}  # fmt: skip
