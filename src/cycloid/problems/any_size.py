"""Residuals of Moré, Garbow and Hillstrom for any number of variables; each docstring begins with its number."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

WEIGHT = 1e-5  # a in the two penalty functions


def watson(x: Float[Array, " n"]) -> Float[Array, "31"]:
    """20. A polynomial that solves u′ = u² + 1 on 29 points, u(0) = 0. Reference: Kowalik, Osborne 1968."""
    t = jnp.arange(1, 30, dtype=x.dtype) / 29
    powers = t[:, None] ** jnp.arange(x.size, dtype=x.dtype)
    slope = powers[:, :-1] @ (x[1:] * jnp.arange(1, x.size, dtype=x.dtype))
    return jnp.concatenate([slope - (powers @ x) ** 2 - 1, jnp.stack([x[0], x[1] - x[0] ** 2 - 1])])


def extended_rosenbrock(x: Float[Array, " n"]) -> Float[Array, " n"]:
    """21. Rosenbrock's function of each pair of neighbours; n is even. Reference: Spedicato 1975."""
    a, b = x[::2], x[1::2]
    return jnp.concatenate([10 * (b - a**2), 1 - a])


def extended_powell_singular(x: Float[Array, " n"]) -> Float[Array, " n"]:
    """22. Powell's singular function of each four; n is a multiple of 4. Reference: Spedicato 1975."""
    a, b, c, d = x[::4], x[1::4], x[2::4], x[3::4]
    return jnp.concatenate([a + 10 * b, 5**0.5 * (c - d), (b - 2 * c) ** 2, 10**0.5 * (a - d) ** 2])


def penalty_1(x: Float[Array, " n"]) -> Float[Array, " n+1"]:
    """23. √a (xᵢ − 1) and Σ xⱼ² − ¼, a = 10⁻⁵. Reference: Gill, Murray, Pitfield 1972."""
    return jnp.append(WEIGHT**0.5 * (x - 1), x @ x - 0.25)


def penalty_2(x: Float[Array, " n"]) -> Float[Array, " 2*n"]:
    """24. Exponentials weighted by √a, beside x₁ − 0.2 and Σ (n − j + 1) xⱼ² − 1. Reference: Gill, Murray, Pitfield
    1972."""
    i = _index(x)
    grown, known = jnp.exp(x / 10), jnp.exp(i / 10)
    pairs = grown[1:] + grown[:-1] - known[1:] - known[:-1]
    weighted = WEIGHT**0.5 * jnp.concatenate([pairs, grown[1:] - jnp.exp(jnp.asarray(-0.1, x.dtype))])
    return jnp.concatenate([x[:1] - 0.2, weighted, jnp.stack([jnp.sum((x.size - i + 1) * x**2) - 1])])


def variably_dimensioned(x: Float[Array, " n"]) -> Float[Array, " n+2"]:
    """25. xᵢ − 1, s = Σ j (xⱼ − 1), s². Reference: Moré, Garbow, Hillstrom 1981."""
    moment = _index(x) @ (x - 1)
    return jnp.concatenate([x - 1, jnp.stack([moment, moment**2])])


def trigonometric(x: Float[Array, " n"]) -> Float[Array, " n"]:
    """26. n − Σ cos xⱼ + i (1 − cos xᵢ) − sin xᵢ. Reference: Spedicato 1975."""
    return x.size - jnp.sum(jnp.cos(x)) + _index(x) * (1 - jnp.cos(x)) - jnp.sin(x)


def brown_almost_linear(x: Float[Array, " n"]) -> Float[Array, " n"]:
    """27. xᵢ + Σ xⱼ − (n + 1), and Π xⱼ − 1 in the last place. Reference: Brown 1969."""
    return jnp.append((x + jnp.sum(x) - (x.size + 1))[:-1], jnp.prod(x) - 1)


def discrete_boundary_value(x: Float[Array, " n"]) -> Float[Array, " n"]:
    """28. u″ = ½ (u + t + 1)³, u(0) = u(1) = 0, by differences. Reference: Moré, Cosnard 1979."""
    h, t = _mesh(x)
    padded = jnp.pad(x, 1)
    return 2 * x - padded[:-2] - padded[2:] + h**2 * (x + t + 1) ** 3 / 2


def discrete_integral_equation(x: Float[Array, " n"]) -> Float[Array, " n"]:
    """29. The same equation through its Green's function. Reference: Moré, Cosnard 1979."""
    h, t = _mesh(x)
    cube = (x + t + 1) ** 3
    below, above = jnp.cumsum(t * cube), (1 - t) * cube
    return x + h * ((1 - t) * below + t * (jnp.sum(above) - jnp.cumsum(above))) / 2


def broyden_tridiagonal(x: Float[Array, " n"]) -> Float[Array, " n"]:
    """30. (3 − 2xᵢ) xᵢ − xᵢ₋₁ − 2 xᵢ₊₁ + 1. Reference: Broyden 1965."""
    padded = jnp.pad(x, 1)
    return (3 - 2 * x) * x - padded[:-2] - 2 * padded[2:] + 1


def broyden_banded(x: Float[Array, " n"]) -> Float[Array, " n"]:
    """31. xᵢ (2 + 5xᵢ²) + 1 − Σ xⱼ (1 + xⱼ) over j ≠ i from i − 5 to i + 1. Reference: Broyden 1971."""
    padded = jnp.pad(x * (1 + x), (5, 1))
    near = sum(padded[5 + k : 5 + k + x.size] for k in (-5, -4, -3, -2, -1, 1))
    return x * (2 + 5 * x**2) + 1 - near


def linear_full_rank(x: Float[Array, " n"], m: int) -> Float[Array, " m"]:
    """32. xᵢ − (2/m) Σ xⱼ − 1, with xᵢ = 0 for i > n. Reference: Moré, Garbow, Hillstrom 1981."""
    return jnp.pad(x, (0, m - x.size)) - 2 / m * jnp.sum(x) - 1


def linear_rank_1(x: Float[Array, " n"], m: int) -> Float[Array, " m"]:
    """33. i Σ j xⱼ − 1. Reference: Moré, Garbow, Hillstrom 1981."""
    return jnp.arange(1, m + 1, dtype=x.dtype) * (_index(x) @ x) - 1


def linear_rank_1_with_zeros(x: Float[Array, " n"], m: int) -> Float[Array, " m"]:
    """34. (i − 1) Σ j xⱼ − 1 over 1 < j < n, and −1 in the first and last place. Reference: Moré, Garbow, Hillstrom
    1981."""
    rows = jnp.arange(m, dtype=x.dtype).at[m - 1].set(0)
    return rows * (_index(x)[1:-1] @ x[1:-1]) - 1


def chebyquad(x: Float[Array, " n"]) -> Float[Array, " n"]:
    """35. Means of the Chebyshev polynomials on [0, 1] minus their integrals. Reference: Fletcher 1965."""
    u = 2 * x - 1
    before, now, rows = jnp.ones_like(u), u, []
    for i in range(1, x.size + 1):
        rows.append(jnp.mean(now) + (1 / (i * i - 1) if i % 2 == 0 else 0.0))
        before, now = now, 2 * u * now - before
    return jnp.stack(rows)


def _index(x: Array) -> Array:
    """1 ... n in the dtype of x."""
    return jnp.arange(1, x.size + 1, dtype=x.dtype)


def _mesh(x: Array) -> tuple[float, Array]:
    """The distance of n inner points of [0, 1], and the points."""
    h = 1 / (x.size + 1)
    return h, _index(x) * h
