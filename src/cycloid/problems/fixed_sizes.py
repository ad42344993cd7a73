"""Residuals of Moré, Garbow and Hillstrom whose number of variables is fixed; each docstring begins with its number."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from cycloid.problems.measurements import BARD, GAUSSIAN, KOWALIK_U, KOWALIK_Y, MEYER, OSBORNE_1, OSBORNE_2


def rosenbrock(x: Float[Array, "2"]) -> Float[Array, "2"]:
    """1. 10 (x₂ − x₁²) and 1 − x₁. Reference: Rosenbrock 1960."""
    return jnp.stack([10 * (x[1] - x[0] ** 2), 1 - x[0]])


def freudenstein_roth(x: Float[Array, "2"]) -> Float[Array, "2"]:
    """2. Two cubics that meet at (5, 4) and nearly so elsewhere. Reference: Freudenstein, Roth 1963."""
    a, b = x
    return jnp.stack([-13 + a + ((5 - b) * b - 2) * b, -29 + a + ((b + 1) * b - 14) * b])


def powell_badly_scaled(x: Float[Array, "2"]) -> Float[Array, "2"]:
    """3. 10⁴ x₁ x₂ − 1 and e^−x₁ + e^−x₂ − 1.0001. Reference: Powell 1970."""
    return jnp.stack([1e4 * x[0] * x[1] - 1, jnp.exp(-x[0]) + jnp.exp(-x[1]) - 1.0001])


def brown_badly_scaled(x: Float[Array, "2"]) -> Float[Array, "3"]:
    """4. The solution is (10⁶, 2·10⁻⁶). Reference: Brown, unpublished."""
    return jnp.stack([x[0] - 1e6, x[1] - 2e-6, x[0] * x[1] - 2])


def beale(x: Float[Array, "2"]) -> Float[Array, "3"]:
    """5. yᵢ − x₁ (1 − x₂ⁱ). Reference: Beale 1958."""
    return jnp.stack([1.5 - x[0] * (1 - x[1]), 2.25 - x[0] * (1 - x[1] ** 2), 2.625 - x[0] * (1 - x[1] ** 3)])


def jennrich_sampson(x: Float[Array, "2"]) -> Float[Array, "10"]:
    """6. 2 + 2i − (e^(i x₁) + e^(i x₂)). Reference: Jennrich, Sampson 1968."""
    i = _count(10, x)
    return 2 + 2 * i - (jnp.exp(i * x[0]) + jnp.exp(i * x[1]))


def helical_valley(x: Float[Array, "3"]) -> Float[Array, "3"]:
    """7. A valley on a helix round the third axis; θ is the angle in turns, in (−¼, ¾). Reference: Fletcher, Powell
    1963."""
    turn = jnp.arctan2(x[1], x[0]) / (2 * jnp.pi)
    turn = jnp.where(turn < -0.25, turn + 1, turn)
    return jnp.stack([10 * (x[2] - 10 * turn), 10 * (jnp.sqrt(x[0] ** 2 + x[1] ** 2) - 1), x[2]])


def bard(x: Float[Array, "3"]) -> Float[Array, "15"]:
    """8. yᵢ − (x₁ + uᵢ/(vᵢ x₂ + wᵢ x₃)), u = i, v = 16 − i, w = min(u, v). Reference: Bard 1970."""
    u = _count(15, x)
    v = 16 - u
    return _data(BARD, x) - (x[0] + u / (v * x[1] + jnp.minimum(u, v) * x[2]))


def gaussian(x: Float[Array, "3"]) -> Float[Array, "15"]:
    """9. x₁ e^(−x₂ (tᵢ − x₃)²/2) − yᵢ, t = (8 − i)/2."""
    t = (8 - _count(15, x)) / 2
    return x[0] * jnp.exp(-x[1] * (t - x[2]) ** 2 / 2) - _data(GAUSSIAN, x)


def meyer(x: Float[Array, "3"]) -> Float[Array, "16"]:
    """10. x₁ e^(x₂/(tᵢ + x₃)) − yᵢ, t = 45 + 5i: the resistance of a thermistor. Reference: Meyer 1970."""
    t = 45 + 5 * _count(16, x)
    return x[0] * jnp.exp(x[1] / (t + x[2])) - _data(MEYER, x)


def gulf(x: Float[Array, "3"]) -> Float[Array, "99"]:
    """11. e^(−|yᵢ − x₂|^x₃ / x₁) − tᵢ, t = i/100, y = 25 + (−50 ln t)^(2/3). Reference: Cox 1969.

    The exponent is the one that has the published solution (50, 25, 1.5); i ends at 99, for at t = 1 the second
    derivative is infinite there.
    """
    t = _count(99, x) / 100
    y = 25 + (-50 * jnp.log(t)) ** (2 / 3)
    return jnp.exp(-(jnp.abs(y - x[1]) ** x[2]) / x[0]) - t


def box(x: Float[Array, "3"]) -> Float[Array, "10"]:
    """12. e^(−t x₁) − e^(−t x₂) − x₃ (e^(−t) − e^(−10 t)), t = i/10. Reference: Box 1966."""
    t = _count(10, x) / 10
    return jnp.exp(-t * x[0]) - jnp.exp(-t * x[1]) - x[2] * (jnp.exp(-t) - jnp.exp(-10 * t))


def powell_singular(x: Float[Array, "4"]) -> Float[Array, "4"]:
    """13. The Jacobian has rank 2 at the solution 0. Reference: Powell 1962."""
    return jnp.stack([
        x[0] + 10 * x[1], 5**0.5 * (x[2] - x[3]), (x[1] - 2 * x[2]) ** 2, 10**0.5 * (x[0] - x[3]) ** 2,
    ])  # fmt: skip


def wood(x: Float[Array, "4"]) -> Float[Array, "6"]:
    """14. Two valleys of Rosenbrock's kind, joined. Reference: Colville 1968."""
    return jnp.stack([
        10 * (x[1] - x[0] ** 2), 1 - x[0], 90**0.5 * (x[3] - x[2] ** 2), 1 - x[2],
        10**0.5 * (x[1] + x[3] - 2), 10**-0.5 * (x[1] - x[3]),
    ])  # fmt: skip


def kowalik_osborne(x: Float[Array, "4"]) -> Float[Array, "11"]:
    """15. yᵢ − x₁ (u² + u x₂)/(u² + u x₃ + x₄): an enzyme reaction. Reference: Kowalik, Osborne 1968."""
    u = _data(KOWALIK_U, x)
    return _data(KOWALIK_Y, x) - x[0] * (u**2 + u * x[1]) / (u**2 + u * x[2] + x[3])


def brown_dennis(x: Float[Array, "4"]) -> Float[Array, "20"]:
    """16. (x₁ + t x₂ − eᵗ)² + (x₃ + x₄ sin t − cos t)², t = i/5. Reference: Brown, Dennis 1971."""
    t = _count(20, x) / 5
    return (x[0] + t * x[1] - jnp.exp(t)) ** 2 + (x[2] + x[3] * jnp.sin(t) - jnp.cos(t)) ** 2


def osborne_1(x: Float[Array, "5"]) -> Float[Array, "33"]:
    """17. y − (x₁ + x₂ e^(−t x₄) + x₃ e^(−t x₅)), t = 10 (i − 1). Reference: Osborne 1972."""
    t = 10 * (_count(33, x) - 1)
    return _data(OSBORNE_1, x) - (x[0] + x[1] * jnp.exp(-t * x[3]) + x[2] * jnp.exp(-t * x[4]))


def biggs(x: Float[Array, "6"]) -> Float[Array, "13"]:
    """18. x₃ e^(−t x₁) − x₄ e^(−t x₂) + x₆ e^(−t x₅) − y, t = i/10. Reference: Biggs 1971."""
    t = _count(13, x) / 10
    y = jnp.exp(-t) - 5 * jnp.exp(-10 * t) + 3 * jnp.exp(-4 * t)
    return x[2] * jnp.exp(-t * x[0]) - x[3] * jnp.exp(-t * x[1]) + x[5] * jnp.exp(-t * x[4]) - y


def osborne_2(x: Float[Array, "11"]) -> Float[Array, "65"]:
    """19. An exponential and three peaks, t = (i − 1)/10. Reference: Osborne 1972."""
    t = (_count(65, x) - 1) / 10
    model = x[0] * jnp.exp(-t * x[4])
    for peak in range(3):
        model += x[1 + peak] * jnp.exp(-((t - x[8 + peak]) ** 2) * x[5 + peak])
    return _data(OSBORNE_2, x) - model


def _count(m: int, x: Array) -> Array:
    """1 ... m in the dtype of x."""
    return jnp.arange(1, m + 1, dtype=x.dtype)


def _data(values: tuple[float, ...], x: Array) -> Array:
    return jnp.asarray(values, x.dtype)
