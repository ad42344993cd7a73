"""minimize with every method there is, and races: how optimize keeps the contracts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from contracts.registry import Draw, Driver
from contracts.solver_cases import SOLVERS
from cycloid.optimize import METHODS, minimize, race, sweep
from optimize.walking import SETTLED


class Valley(eqx.Module):
    """½ (x − sin t)² + ½ (y − t x)² + ¼ (x − sin t)⁴ + t²: the minimum t² lies at (sin t, t sin t)."""

    t: jax.Array
    tick: Callable[[], None] = eqx.field(static=True)

    def __call__(self, p: Any) -> Any:
        self.tick()
        gap = p["x"] - jnp.sin(self.t)
        return gap**2 / 2 + (p["y"] - self.t * p["x"]) ** 2 / 2 + gap**4 / 4 + self.t**2


def quiet() -> None:
    """Counts nothing."""


def solve(method: Any, t: Any, tick: Callable[[], None]) -> Any:
    t = jnp.asarray(t)
    start = {"x": jnp.zeros((), t.dtype), "y": jnp.ones((), t.dtype)}
    tol = None if t.dtype == jnp.float32 else 1e-9
    found = minimize(Valley(t, tick), start, method=method, tol=tol, max_steps=3000, throw=False, trace=False)
    return {"value": found.value, "objective": found.objective}


def slope(t: Any) -> Any:
    return {
        "value": {"x": jnp.cos(t), "y": jnp.sin(t) + t * jnp.cos(t)},
        "objective": 2 * t,
    }


def driver(name: str) -> Driver:
    assert name in SETTLED, f"tests/optimize/walking.py needs a setting of {name} that settles on a bowl"
    method = SETTLED[name]
    return Driver(
        name=f"optimize.minimize, {name}",
        answer=lambda t: solve(method, t, quiet),
        ticking=lambda tick: lambda t: solve(method, t, tick),
        slope=slope,
        rounding=1e-7,
    )


DRIVERS = [*(driver(name) for name in METHODS), *SOLVERS]


def noisy(x: Any, key: Any) -> Any:
    return jnp.sum((x - jax.random.normal(key, x.shape)) ** 2)


def raced(key: Any) -> Any:
    return race(noisy, jnp.zeros(2), methods=["adam"], evaluations=9, key=key).runs


def swept(key: Any) -> Any:
    return sweep(noisy, jnp.zeros(2), method="sgd", evaluations=9, key=key).runs


DRAWS = [Draw("optimize.race", raced), Draw("optimize.sweep", swept)]
