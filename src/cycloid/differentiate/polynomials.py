"""Polynomials about a centre, of one and of several variables."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, final

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cycloid.core.numerals import numeral


@final
class Polynomial(eqx.Module):
    """p(x) = Σ c_α (x − a)^α, a polynomial about a centre: callable, traced by JAX like any function.

    Attributes:
        centre: a, a number or a vector.
        coefficients: c; for one variable by rising power, for several in the order of `powers`.
        powers: the exponents α, a row for each coefficient; None for one variable.
        variables: the names of the variables.
    """

    centre: Float[Array, "..."]
    coefficients: Float[Array, " m"]
    powers: tuple[tuple[int, ...], ...] | None = eqx.field(static=True, default=None)
    variables: tuple[str, ...] = eqx.field(static=True, default=("x",))

    @property
    def order(self) -> int:
        """The highest power that the polynomial may hold."""
        return np.shape(self.coefficients)[-1] - 1 if self.powers is None else max(map(sum, self.powers))

    def __call__(self, x: Any) -> Any:
        """The value at x: an array of any shape for one variable, else a dict by name or an array (..., d)."""
        return self.up_to(self.order, x)

    def up_to(self, order: int, x: Any) -> Any:
        """The value at x of the part up to that order."""
        if isinstance(x, Mapping):
            named = [jnp.asarray(x[name]) for name in self.variables]
            x = named[0] if self.powers is None else jnp.stack(named, axis=-1)
        step = jnp.asarray(x) - self.centre
        if self.powers is None:
            total = jnp.zeros_like(step)
            for c in jnp.asarray(self.coefficients)[: order + 1][::-1]:
                total = total * step + c
            return total
        if step.shape[-1:] != (len(self.variables),):
            raise ValueError(
                f"this polynomial has the variables {', '.join(self.variables)}: pass a dict by name, or an array "
                f"whose last axis has {len(self.variables)} entries; the shape was {step.shape}."
            )
        kept = [k for k, power in enumerate(self.powers) if sum(power) <= order]
        table = jnp.stack([step**k for k in range(order + 1)])  # (order + 1, ..., d)
        exponents = np.asarray(self.powers)[kept]
        factors = [table[exponents[:, i], ..., i] for i in range(len(self.variables))]
        return jnp.tensordot(
            jnp.asarray(self.coefficients)[np.asarray(kept)], functools.reduce(jnp.multiply, factors), 1
        )

    def coefficient(self, *power: int) -> Any:
        """The coefficient of one monomial: coefficient(3), or coefficient(2, 1) for x²y."""
        if self.powers is None:
            return jnp.asarray(self.coefficients)[power[0]]
        return jnp.asarray(self.coefficients)[self.powers.index(tuple(power))]

    def __str__(self) -> str:
        powers = self.powers or tuple((k,) for k in range(self.order + 1))
        centres = np.atleast_1d(np.asarray(self.centre))
        factors = [v if a == 0 else f"({v} {'-' if a > 0 else '+'} {numeral(abs(a), 10)})"
                   for v, a in zip(self.variables, centres, strict=True)]  # fmt: skip
        digits = 10 if np.asarray(self.coefficients).dtype == np.float64 else 6
        text = ""
        for c, power in zip(np.asarray(self.coefficients), powers, strict=True):
            if c == 0:
                continue
            marks = [f"{v}^{k}" if k > 1 else v for v, k in zip(factors, power, strict=True) if k]
            size = numeral(abs(c), digits)
            term = "*".join(marks if size == "1" and marks else [size, *marks])
            text += f"{' - ' if c < 0 else ' + '}{term}" if text else f"{'-' if c < 0 else ''}{term}"
        return text or "0"


@functools.lru_cache(maxsize=64)
def monomials(d: int, order: int) -> tuple[tuple[int, ...], ...]:
    """The exponents of all monomials of d variables up to an order: by rising degree, the first variable last."""
    return tuple(power for k in range(order + 1) for power in of_degree(d, k))


def of_degree(d: int, degree: int) -> list[tuple[int, ...]]:
    if d == 1:
        return [(degree,)]
    return [(first, *rest) for first in range(degree + 1) for rest in of_degree(d - 1, degree - first)]
