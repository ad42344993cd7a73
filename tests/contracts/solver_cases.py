"""least_squares, fit_curve, root, fixed_point and minimize inside bounds: how they keep the contracts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from contracts.registry import Driver
from cycloid.optimize import fit_curve, fixed_point, least_squares, minimize, root


class Asked(eqx.Module):
    """A function of x with a parameter t, which counts how often it runs."""

    t: jax.Array
    rule: Callable[[Any, Any], Any] = eqx.field(static=True)
    tick: Callable[[], None] = eqx.field(static=True)

    def __call__(self, x: Any) -> Any:
        self.tick()
        return self.rule(self.t, x)


def quiet() -> None:
    """Counts nothing."""


def driver(name: str, solve: Callable[[Any, Any], Any], rule: Callable[[Any, Any], Any], slope: Any) -> Driver:
    answer = lambda tick: lambda t: solve(Asked(jnp.asarray(t), rule, tick), jnp.asarray(t))
    return Driver(f"optimize.{name}", answer(quiet), answer, slope=slope, rounding=1e-7)


def squares(f: Any, t: Any) -> Any:
    return least_squares(f, jnp.zeros((), t.dtype), trace=False, throw=False).value


def inside(f: Any, t: Any) -> Any:
    return minimize(f, jnp.zeros((), t.dtype), bounds=(-5.0, 5.0), throw=False).value


SOLVERS = [
    # (x − sin t)² + (x − t)²/4 is least at x = (sin t + t/4) / (5/4).
    driver(
        "least_squares", squares, lambda t, x: jnp.stack([x - jnp.sin(t), (x - t) / 2]),
        lambda t: (jnp.cos(t) + 0.25) / 1.25,
    ),
    driver(
        "minimize, bounded", inside, lambda t, x: (x - jnp.sin(t)) ** 2 + (x - t) ** 2 / 4,
        lambda t: (jnp.cos(t) + 0.25) / 1.25,
    ),
    driver(
        "root", lambda f, t: root(f, jnp.ones((), t.dtype), throw=False).value, lambda t, x: jnp.sinh(x) - t,
        lambda t: 1 / jnp.sqrt(1 + t**2),
    ),
    driver(
        "fixed_point", lambda f, t: fixed_point(f, jnp.zeros((), t.dtype), throw=False).value,
        lambda t, x: x - (jnp.sinh(x) - t) / 4, lambda t: 1 / jnp.sqrt(1 + t**2),
    ),
]  # fmt: skip


class Line(eqx.Module):
    """p · x, counted."""

    tick: Callable[[], None] = eqx.field(static=True)

    def __call__(self, x: Any, p: Any) -> Any:
        self.tick()
        return p * x


def line(tick: Callable[[], None]) -> Callable[[Any], Any]:
    """The slope of the line through the origin nearest to (1, t), (2, t²): (t + 2 t²) / 5."""

    def answer(t: Any) -> Any:
        t = jnp.asarray(t)
        x = jnp.array([1.0, 2.0], t.dtype)
        return fit_curve(Line(tick), x, jnp.stack([t, t**2]), start=jnp.zeros((), t.dtype), throw=False).value

    return answer


SOLVERS.append(Driver("optimize.fit_curve", line(quiet), line, slope=lambda t: (1 + 4 * t) / 5, rounding=1e-7))
