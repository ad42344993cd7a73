"""Enclosures: Taylor series of a formula in interval arithmetic, for remainders that are bounds and not guesses.

An interval (low, high) holds every value that a quantity can take; each operation rounds outwards, so that it holds
the value in exact arithmetic too. A series whose first coefficient is an interval X has as its last one an interval
that holds f⁽ⁿ⁾(ξ)/n! for every ξ in X: Lagrange's remainder, enclosed.

Reference: R. E. Moore, Methods and Applications of Interval Analysis, 1979, chapter 3.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence

from cycloid.core.arithmetic import constant_or_none
from cycloid.core.syntax import Apply, Constant, Node, Number, Variable
from cycloid.core.vocabulary import CONSTANTS
from cycloid.differentiate.outward_rounding import (
    ONE,
    ROUNDING,
    ZERO,
    Interval,
    NoEnclosure,
    cosh,
    cosine,
    exactly,
    inverse,
    magnitude,
    minus,
    outwards,
    plus,
    rising,
    sine,
    times,
)

Series = list[Interval]

# Pieces of the way from the centre outwards, and of a box along each axis: short intervals are enclosed more tightly.
SHELLS, PIECES = 12, {2: 3, 3: 2}


def remainder_bound(tree: Node, variables: Sequence[str], centre: Sequence[float], radius: float, order: int) -> float:
    """A bound of |f(x) − p(x)| for all x with |x_i − a_i| ≤ radius, p the exact Taylor polynomial of that order.

    Along x = a + t h the remainder is ∫₀¹ c(t) (n + 1)(1 − t)ⁿ dt with c(t) = φ⁽ⁿ⁺¹⁾(t)/(n + 1)!, φ(t) = f(a + t h).
    Over pieces of [0, 1] it is at most Σ max |c| ((1 − t_j)ⁿ⁺¹ − (1 − t_(j+1))ⁿ⁺¹); each max |c| is enclosed for all h
    at once. Far from a, where c may be large near a pole, the weight is small: Lagrange's form would not see that.

    Raises:
        NoEnclosure: where there is none.
    """
    shells, n = (SHELLS if len(variables) == 1 else SHELLS // 2), order + 1
    total = 0.0
    for j in range(shells):
        weight = (1 - j / shells) ** n * (1 + 8 * ROUNDING * n) - (1 - (j + 1) / shells) ** n * (1 - 8 * ROUNDING * n)
        total += weight * _largest(tree, variables, centre, radius, j / shells, (j + 1) / shells, n)
    if not math.isfinite(total):
        raise NoEnclosure
    return total * (1 + 4 * shells * ROUNDING)


def _largest(
    tree: Node, variables: Sequence[str], centre: Sequence[float], radius: float, start: float, end: float, n: int
) -> float:
    """max |φ⁽ⁿ⁾(t)/n!| over t from start to end and all h in the box: the larger of a few boxes that cover it."""
    if len(variables) == 1:
        (a,) = centre
        near, far = start * radius, end * radius
        boxes = [(outwards(a + near, a + far),), (outwards(a - far, a - near),)]
        rate = outwards(radius, radius)
    else:
        boxes = itertools.product(*(_cuts(a, end * radius, PIECES.get(len(variables), 1)) for a in centre))
        rate = outwards(-radius, radius)
    lines = ({v: [x, rate, *[ZERO] * (n - 1)] for v, x in zip(variables, box, strict=True)} for box in boxes)
    return max(magnitude(series_of(tree, line, n)[n]) for line in lines)


def coefficients(tree: Node, variable: str, centre: float, order: int) -> Series:
    """Intervals that hold the exact Taylor coefficients of a formula of one variable."""
    return series_of(tree, {variable: [(centre, centre), ONE, *[ZERO] * (order - 1)][: order + 1]}, order)


def _cuts(centre: float, radius: float, count: int) -> list[Interval]:
    low, high = outwards(centre - radius, centre + radius)
    ends = [low + (high - low) * k / count for k in range(count)] + [high]
    return list(itertools.pairwise(ends))


# --- series -------------------------------------------------------------------------------------------------------


def series_of(tree: Node, lines: Mapping[str, Series], order: int) -> Series:
    """Coefficients 0 … order of a tree along the given lines, each an interval that holds the exact one.

    Raises:
        NoEnclosure: at a pole or a kink, outside the domain, or for a function without a rule.
    """
    match tree:
        case Number(value):
            return _steady(exactly(float(value)), order)
        case Constant(name):
            return _steady(outwards(CONSTANTS[name], CONSTANTS[name]), order)
        case Variable(name):
            return list(lines[name])
        case Apply("pow", (base, exponent)):
            return _power(series_of(base, lines, order), exponent, lines, order)
        case Apply(head, args) if head in RULES:
            return RULES[head](*(series_of(arg, lines, order) for arg in args))
        case _:
            raise NoEnclosure


def _steady(value: Interval, order: int) -> Series:
    return [value, *[ZERO] * order]


def _sum(*terms: Series) -> Series:
    total = list(terms[0])
    for term in terms[1:]:
        total = [plus(a, b) for a, b in zip(total, term, strict=True)]
    return total


def _product(*factors: Series) -> Series:
    result = factors[0]
    for v in factors[1:]:
        result = [_convolved(result, v, k) for k in range(len(v))]
    return result


def _convolved(u: Series, v: Series, k: int) -> Interval:
    total = ZERO
    for j in range(k + 1):
        total = plus(total, times(u[j], v[k - j]))
    return total


def _square(u: Series) -> Series:
    """u², whose first coefficient is not negative."""
    return [_squared(u, k) for k in range(len(u))]


def _squared(u: Series, k: int) -> Interval:
    """The coefficient k of u², once u is known up to k."""
    if k:
        return _convolved(u, u, k)
    low = 0.0 if u[0][0] <= 0.0 <= u[0][1] else min(u[0][0] ** 2, u[0][1] ** 2)
    return max(outwards(low, low)[0], 0.0), outwards(0.0, magnitude(u[0]) ** 2)[1]


def _scaled(u: Series, factor: Interval) -> Series:
    return [times(factor, c) for c in u]


def _quotient(u: Series, v: Series) -> Series:
    q: Series = []
    below = inverse(v[0])
    for k in range(len(u)):
        rest = ZERO
        for j in range(1, k + 1):
            rest = plus(rest, times(v[j], q[k - j]))
        q.append(times(plus(u[k], minus(rest)), below))
    return q


def _from_slope(value: Interval, u: Series, slope: Callable[[Series, int], Interval]) -> Series:
    """v with v′ = w u′, where slope(v, k) gives the coefficient k of w once v is known up to k."""
    v, w = [value], []
    for k in range(1, len(u)):
        w.append(slope(v, k - 1))
        total = ZERO
        for j in range(1, k + 1):
            total = plus(total, times(times((float(j), float(j)), u[j]), w[k - j]))
        v.append(times(total, inverse((float(k), float(k)))))
    return v


def _known(value: Interval, u: Series, slope: Series) -> Series:
    """v with v′ = w u′ and w known in full."""
    return _from_slope(value, u, lambda _, k: slope[k])


def _exp(u: Series) -> Series:
    return _from_slope(rising(math.exp)(u[0]), u, lambda v, k: v[k])


def _log(u: Series) -> Series:
    return _known(rising(math.log, 0.0)(u[0]), u, _quotient(_steady(ONE, len(u) - 1), u))


def _waves(u: Series, first: Interval, second: Interval, sign: float) -> tuple[Series, Series]:
    """(s, c) with s′ = c u′ and c′ = sign s u′: sine and cosine, or their hyperbolic sisters."""
    s, c = [first], [second]
    for k in range(1, len(u)):
        sums = [ZERO, ZERO]
        for j in range(1, k + 1):
            step = times((float(j), float(j)), u[j])
            sums = [plus(sums[0], times(step, c[k - j])), plus(sums[1], times(step, s[k - j]))]
        below = inverse((float(k), float(k)))
        s.append(times(sums[0], below))
        c.append(times((sign, sign), times(sums[1], below)))
    return s, c


def _circular(u: Series) -> tuple[Series, Series]:
    return _waves(u, sine(u[0]), cosine(u[0]), -1.0)


def _hyperbolic(u: Series) -> tuple[Series, Series]:
    return _waves(u, rising(math.sinh)(u[0]), cosh(u[0]), 1.0)


def _real_power(u: Series, p: Interval) -> Series:
    """u^p for u > 0: k u_0 w_k = Σ_j (j p − (k − j)) u_j w_(k−j), j from 1 to k."""
    w = [rising(math.exp)(times(rising(math.log, 0.0)(u[0]), p))]
    for k in range(1, len(u)):
        total = ZERO
        for j in range(1, k + 1):
            factor = plus(times((float(j), float(j)), p), (float(j - k), float(j - k)))
            total = plus(total, times(times(factor, u[j]), w[k - j]))
        w.append(times(times(total, inverse(u[0])), inverse((float(k), float(k)))))
    return w


def _whole_power(u: Series, n: int) -> Series:
    if n < 0:
        return _quotient(_steady(ONE, len(u) - 1), _whole_power(u, -n))
    result, base = _steady(ONE, len(u) - 1), u
    while n:
        if n & 1:
            result = _product(result, base)
        n >>= 1
        base = _square(base) if n else base
    return result


def _power(u: Series, exponent: Node, lines: Mapping[str, Series], order: int) -> Series:
    p = constant_or_none(exponent)
    if p is None:
        return _exp(_product(series_of(exponent, lines, order), _log(u)))
    if p == int(p) and abs(p) <= 64 and (p >= 0 or u[0][0] <= 0.0):
        return _whole_power(u, int(p))
    return _real_power(u, outwards(p, p))


def _signed(u: Series) -> Series:
    if u[0][0] <= 0.0 <= u[0][1]:
        raise NoEnclosure
    return u if u[0][0] > 0.0 else _scaled(u, (-1.0, -1.0))


def _one_minus_square(v: Series, k: int) -> Interval:
    return plus(ONE if k == 0 else ZERO, minus(_squared(v, k)))


def _sigmoid(u: Series) -> Series:
    one = rising(lambda x: 1.0 / (1.0 + math.exp(-x)))(u[0])
    return _from_slope(one, u, lambda v, k: plus(v[k], minus(_squared(v, k))))


def _softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def _one(u: Series) -> Series:
    return _steady(ONE, len(u) - 1)


def _under_root(u: Series, sign: float) -> Series:
    """(1 + sign u²)^(−1/2)."""
    return _real_power(_sum(_one(u), _scaled(_square(u), (sign, sign))), (-0.5, -0.5))


def _bell(u: Series) -> Series:
    """2/√π e^(−u²), the slope of erf."""
    return _scaled(
        _exp(_scaled(_square(u), (-1.0, -1.0))), outwards(2 / math.sqrt(math.pi), 2 / math.sqrt(math.pi), 4.0)
    )


RULES: dict[str, Callable[..., Series]] = {
    "add": _sum,
    "mul": _product,
    "neg": lambda u: _scaled(u, (-1.0, -1.0)),
    "div": _quotient,
    "exp": _exp,
    "log": _log,
    "log2": lambda u: _scaled(_log(u), outwards(1 / math.log(2), 1 / math.log(2), 4.0)),
    "log10": lambda u: _scaled(_log(u), outwards(1 / math.log(10), 1 / math.log(10), 4.0)),
    "sqrt": lambda u: _real_power(u, (0.5, 0.5)),
    "cbrt": lambda u: _real_power(u, outwards(1 / 3, 1 / 3)),
    "sin": lambda u: _circular(u)[0],
    "cos": lambda u: _circular(u)[1],
    "tan": lambda u: _quotient(*_circular(u)),
    "cot": lambda u: _quotient(*_circular(u)[::-1]),
    "sec": lambda u: _quotient(_one(u), _circular(u)[1]),
    "csc": lambda u: _quotient(_one(u), _circular(u)[0]),
    "sinh": lambda u: _hyperbolic(u)[0],
    "cosh": lambda u: _hyperbolic(u)[1],
    "tanh": lambda u: _from_slope(rising(math.tanh)(u[0]), u, _one_minus_square),
    "asin": lambda u: _known(rising(math.asin, -1.0, 1.0)(u[0]), u, _under_root(u, -1.0)),
    "acos": lambda u: _sum(
        _scaled(RULES["asin"](u), (-1.0, -1.0)), _scaled(_one(u), outwards(math.pi / 2, math.pi / 2))
    ),
    "atan": lambda u: _known(rising(math.atan)(u[0]), u, _quotient(_one(u), _sum(_one(u), _square(u)))),
    "asinh": lambda u: _known(rising(math.asinh)(u[0]), u, _under_root(u, 1.0)),
    "atanh": lambda u: _known(
        rising(math.atanh, -1.0, 1.0)(u[0]), u, _quotient(_one(u), _sum(_one(u), _scaled(_square(u), (-1.0, -1.0))))
    ),
    "abs": _signed,
    "sigmoid": _sigmoid,
    "softplus": lambda u: _known(rising(_softplus)(u[0]), u, _sigmoid(u)),
    "erf": lambda u: _known(rising(math.erf)(u[0]), u, _bell(u)),
    "erfc": lambda u: _sum(_one(u), _scaled(RULES["erf"](u), (-1.0, -1.0))),
}
