"""How truncated Taylor series pass through each elementary operation.

A series is a list of coefficients [c_0, …, c_n] of c_0 + c_1 t + … + c_n t^n; None stands for a coefficient that is
zero whatever the point, so that x² has three coefficients at every order. Most rules are recurrences from a
differential equation: v = exp(u) has v' = v u', hence k v_k = Σ_j j u_j v_(k−j) with j from 1 to k, at a cost of n²/2
products.

A rule takes the inputs of one operation (series, or plain arrays that do not depend on t) and its parameters, and
returns a series, or a plain array. An operation without a rule raises `NoTaylorRule`.

Reference: A. Griewank and A. Walther, Evaluating Derivatives, 2nd ed., SIAM, 2008, chapter 13.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax import lax
from jax.core import Tracer

Series = list[Any]


class NoTaylorRule(NotImplementedError):
    """The function uses an operation (a loop, a rule of its own) that no Taylor rule covers."""


# --- arithmetic of series ---------------------------------------------------------------------------------------


def add(u: Series, v: Series) -> Series:
    return [b if a is None else a if b is None else a + b for a, b in zip(u, v, strict=True)]


def scale(u: Series, factor: Any) -> Series:
    return [None if a is None else factor * a for a in u]


def shifted(u: Series, constant: Any) -> Series:
    return [u[0] + constant, *u[1:]]


def convolve(u: Series, v: Series, k: int, start: int = 0) -> Any:
    """Σ u_j v_(k−j), j from `start` to k."""
    return total(u[j] * v[k - j] for j in range(start, k + 1) if u[j] is not None and v[k - j] is not None)


def total(terms: Any) -> Any:
    """The sum of what is there; None when nothing is."""
    result = None
    for term in terms:
        result = term if result is None else result if term is None else result + term
    return result


def multiply(u: Series, v: Series) -> Series:
    return [convolve(u, v, k) for k in range(len(u))]


def divide(u: Series, v: Series) -> Series:
    """q = u / v from u = q v, coefficient by coefficient."""
    quotient: Series = []
    for k, a in enumerate(u):
        known = total(quotient[j] * v[k - j] for j in range(k) if quotient[j] is not None and v[k - j] is not None)
        rest = a if known is None else -known if a is None else a - known
        quotient.append(None if rest is None else rest / v[0])
    return quotient


def constant(value: Any, like: Series) -> Series:
    return [value, *[None] * (len(like) - 1)]


def reciprocal(u: Series) -> Series:
    return divide(constant(jnp.ones_like(u[0]), u), u)


def slope(u: Series) -> Series:
    """The series of u', one shorter."""
    return [None if a is None else k * a for k, a in enumerate(u)][1:]


def integrated(start: Any, rate: Series) -> Series:
    """The series v with v(0) = start and v' = rate."""
    return [start, *[None if a is None else a / (k + 1) for k, a in enumerate(rate)]]


def along(start: Any, derivative: Series, u: Series) -> Series:
    """v = g(u) from its value and the series of g'(u)."""
    return integrated(start, multiply(derivative[:-1], slope(u)))


# --- elementary functions ---------------------------------------------------------------------------------------


def quadratic_flow(start: Any, u: Series, a: float, b: float, c: float) -> Series:
    """v with v' = (a + b v + c v²) u': the exponential, the logistic function, tanh and tan."""
    du, v, w = slope(u), [start], []
    for k in range(len(u) - 1):
        steady = a * jnp.ones_like(start) if k == 0 and a else None
        square = convolve(v, v, k) if c else None
        w.append(total((steady, b * v[k] if b and v[k] is not None else None, None if square is None else c * square)))
        rate = convolve(w, du, k)
        v.append(None if rate is None else rate / (k + 1))
    return v


def waves(u: Series, sine: Callable, cosine: Callable, sign: int) -> tuple[Series, Series]:
    """(s, c) with s' = c u' and c' = sign s u': sine and cosine for −1, their hyperbolic twins for +1."""
    du, s, c = slope(u), [sine(u[0])], [cosine(u[0])]
    for k in range(len(u) - 1):
        ds, dc = convolve(c, du, k), convolve(s, du, k)
        s.append(None if ds is None else ds / (k + 1))
        c.append(None if dc is None else sign * dc / (k + 1))
    return s, c


def whole_power(u: Series, n: int) -> Series:
    """u^n by repeated squaring: exact where u is zero or negative."""
    if n < 0:
        return whole_power(reciprocal(u), -n)
    result = None
    while n:
        if n & 1:
            result = u if result is None else multiply(result, u)
        n >>= 1
        u = multiply(u, u) if n else u
    return constant(jnp.ones_like(u[0]), u) if result is None else result


def real_power(start: Any, u: Series, r: Any) -> Series:
    """u^r for an exponent that does not move, from u v' = r v u'; the value at t = 0 is `start`."""
    v = [start]
    for k in range(1, len(u)):
        known = [j for j in range(1, k + 1) if u[j] is not None and v[k - j] is not None]
        rate = total((r * j - (k - j)) * u[j] * v[k - j] for j in known)
        v.append(None if rate is None else rate / (k * u[0]))
    return v


def fractional_power(start: Any, u: Series, r: Any) -> Series:
    """u^r; along a line by the binomial series, which holds at u = 0 too: x^3.5 has three derivatives there."""
    if any(a is not None for a in u[2:]):
        return real_power(start, u, r)
    v, binomial = [start], 1.0
    for k in range(1, len(u)):
        binomial = binomial * (r - k + 1) / k
        term = binomial * _pow(u[0], r - k) * u[1] ** k
        v.append(jnp.where(binomial == 0, jnp.zeros_like(term), term))
    return v


def _pow(base: Any, exponent: Any) -> Any:
    return lax.pow(base, jnp.broadcast_to(jnp.asarray(exponent, base.dtype), base.shape))


def exponential(u: Series) -> Series:
    return quadratic_flow(lax.exp(u[0]), u, 0.0, 1.0, 0.0)


def logarithm(u: Series) -> Series:
    return along(lax.log(u[0]), reciprocal(u), u)


def power(u: Series | Any, r: Series | Any) -> Series:
    if isinstance(r, list):
        base = logarithm(u) if isinstance(u, list) else constant(lax.log(u), r)
        moved = exponential(multiply(r, base))
        return [lax.pow(u[0] if isinstance(u, list) else u, r[0]), *moved[1:]]
    if jnp.ndim(r) == 0 and not isinstance(r, Tracer):
        r = float(r)
        if r.is_integer() and abs(r) <= 64:
            return whole_power(u, int(r))
    return fractional_power(_pow(u[0], r), u, r)


def angle(y: Series, x: Series) -> Series:
    """atan2(y, x), whose rate is (x y' − y x') / (x² + y²)."""
    turning = add(multiply(x[:-1], slope(y)), scale(multiply(y[:-1], slope(x)), -1))
    radius = add(multiply(x, x), multiply(y, y))
    return integrated(lax.atan2(y[0], x[0]), divide(turning, radius[:-1]))


def one_minus_square(u: Series) -> Series:
    """1 − u² as (1 − u)(1 + u), which keeps its digits near |u| = 1."""
    return multiply(shifted(scale(u, -1), 1), shifted(u, 1))


def _inverse_root(u: Series) -> Series:
    return real_power(lax.rsqrt(u[0]), u, -0.5)


def _gauss(u: Series) -> Series:
    return scale(exponential(scale(multiply(u, u), -1)), 2 / math.sqrt(math.pi))


UNARY: dict[str, Callable[[Series], Series]] = {
    "neg": lambda u: scale(u, -1),
    "square": lambda u: multiply(u, u),
    "exp": exponential,
    "exp2": lambda u: quadratic_flow(lax.exp2(u[0]), u, 0.0, math.log(2), 0.0),
    "expm1": lambda u: [lax.expm1(u[0]), *exponential(u)[1:]],
    "log": logarithm,
    "log1p": lambda u: along(lax.log1p(u[0]), reciprocal(shifted(u, 1)), u),
    "sqrt": lambda u: fractional_power(lax.sqrt(u[0]), u, 0.5),
    "rsqrt": lambda u: fractional_power(lax.rsqrt(u[0]), u, -0.5),
    "cbrt": lambda u: real_power(lax.cbrt(u[0]), u, 1 / 3),
    "sin": lambda u: waves(u, lax.sin, lax.cos, -1)[0],
    "cos": lambda u: waves(u, lax.sin, lax.cos, -1)[1],
    "sinh": lambda u: waves(u, lax.sinh, lax.cosh, 1)[0],
    "cosh": lambda u: waves(u, lax.sinh, lax.cosh, 1)[1],
    "tan": lambda u: quadratic_flow(lax.tan(u[0]), u, 1.0, 0.0, 1.0),
    "tanh": lambda u: quadratic_flow(lax.tanh(u[0]), u, 1.0, 0.0, -1.0),
    "logistic": lambda u: quadratic_flow(lax.logistic(u[0]), u, 0.0, 1.0, -1.0),
    "asin": lambda u: along(lax.asin(u[0]), _inverse_root(one_minus_square(u)), u),
    "acos": lambda u: along(lax.acos(u[0]), scale(_inverse_root(one_minus_square(u)), -1), u),
    "atan": lambda u: along(lax.atan(u[0]), reciprocal(shifted(multiply(u, u), 1)), u),
    "asinh": lambda u: along(lax.asinh(u[0]), _inverse_root(shifted(multiply(u, u), 1)), u),
    "acosh": lambda u: along(lax.acosh(u[0]), _inverse_root(scale(one_minus_square(u), -1)), u),
    "atanh": lambda u: along(lax.atanh(u[0]), reciprocal(one_minus_square(u)), u),
    "erf": lambda u: along(lax.erf(u[0]), _gauss(u), u),
    "erfc": lambda u: along(lax.erfc(u[0]), scale(_gauss(u), -1), u),
    "abs": lambda u: [lax.abs(u[0]), *(None if a is None else jnp.where(u[0] >= 0, a, -a) for a in u[1:])],
}
