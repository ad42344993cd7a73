"""The procedures of differential calculus, and how they keep the contracts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from contracts.registry import Draw, Driver
from cycloid.differentiate import (
    jacobian_map,
    laplacian,
    ripple,
    sensitivity,
    spectrum,
    taylor,
    total_derivative,
)


def quiet() -> None:
    """Counts nothing."""


def curve(tick: Callable[[], None]) -> Callable[[Any], Any]:
    def f(x: Any) -> Any:
        tick()
        return jnp.sin(x) * jnp.exp(x / 2)

    return f


def plane(tick: Callable[[], None]) -> Callable[[Any], Any]:
    def F(p: Any) -> Any:
        tick()
        return jnp.stack([p[0] ** 2 - p[1], jnp.sin(p[0]) * (2 + p[1])])

    return F


def coefficients(tick: Callable[[], None]) -> Callable[[Any], Any]:
    f = curve(tick)
    return lambda t: taylor(f, t, order=4, throw=False).value.coefficients


def stretched(tick: Callable[[], None]) -> Callable[[Any], Any]:
    F = plane(tick)

    def answer(t: Any) -> Any:
        found = jacobian_map(F, jnp.stack([t, jnp.ones_like(t)]), throw=False)
        return {"value": found.value, "singular": found.singular_values, "determinant": found.determinant}

    return answer


def rippled(tick: Callable[[], None]) -> Callable[[Any], Any]:
    F = plane(tick)

    def answer(t: Any) -> Any:
        found = ripple(F, jnp.stack([t, jnp.ones_like(t)]), jnp.stack([t / 8, t / 4]), throw=False)
        return {"value": found.value, "change": found.change, "error": found.error}

    return answer


def chained(tick: Callable[[], None]) -> Callable[[Any], Any]:
    f, inner = (lambda x, y: x**2 * y), [curve(tick), jnp.cos]
    return lambda t: total_derivative(f, inner, t, throw=False).value


ANSWERS = {"taylor": coefficients, "jacobian_map": stretched, "ripple": rippled, "total_derivative": chained}
# Called plainly, all but taylor run as they are, without a program of their own: traced once means, under jit.
DRIVERS = [
    Driver(
        name=f"differentiate.{name}",
        answer=make(quiet),
        ticking=make if name == "taylor" else lambda tick, make=make: jax.jit(make(tick)),
        rounding=1e-10,
    )
    for name, make in ANSWERS.items()
]


def valley(w: Any) -> Any:
    return jnp.sum(jnp.arange(1.0, 121.0) * w**2) / 50 + jnp.sum(jnp.sin(w))


DRAWS = [
    Draw("differentiate.spectrum", lambda key: spectrum(valley, jnp.ones(120), k=2, key=key, depth=4).trace),
    Draw(
        "differentiate.laplacian, hutchinson",
        lambda key: laplacian(lambda x: jnp.sum(x) ** 2, method="hutchinson", samples=8, key=key)(jnp.ones(9)).value,
    ),
    Draw(
        "differentiate.sensitivity",
        lambda key: sensitivity("x^2*y + y", {"x": 1.0, "y": 2.0}, within=0.2, samples=64, key=key).replicates,
    ),
]
