"""Trees computed with Python's own floats: constants while reading, and a second opinion without JAX."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from cycloid.core.syntax import Apply, Constant, FormulaError, Node, Number, Variable, is_constant
from cycloid.core.vocabulary import CONSTANTS

# Bernoulli numbers B_2, B_4, ... B_16, for the asymptotic series of the polygamma functions.
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)


def _power(base: float, exponent: float) -> float:
    if base == 0 and exponent < 0:
        raise ZeroDivisionError
    value = math.pow(base, exponent)
    if value == 0 and base != 0:
        raise OverflowError
    return value


def _gamma(x: float) -> float:
    return math.gamma(x)


def polygamma(order: float, x: float) -> float:
    """The derivative of given order of the digamma function, for any x that is no pole.

    By the recurrence up to 15 and beyond that by the asymptotic series.

    Reference: M. Abramowitz and I. Stegun, Handbook of Mathematical Functions, 1964, 6.3.18 and 6.4.11.
    """
    n = int(order)
    if n != order or not 0 <= n <= 20 or (x <= 0 and x == math.floor(x)) or x < -1e4:
        raise ValueError
    total, sign = 0.0, (-1.0) ** (n + 1)
    while x < 15 + n:
        total += -1 / x if n == 0 else sign * math.factorial(n) / x ** (n + 1)
        x += 1
    if n == 0:
        return total + math.log(x) - 0.5 / x - sum(b / (2 * k) / x ** (2 * k) for k, b in enumerate(_BERNOULLI, 1))
    tail = math.factorial(n - 1) / x**n + math.factorial(n) / (2 * x ** (n + 1))
    for k, b in enumerate(_BERNOULLI, 1):
        tail += b * math.factorial(2 * k + n - 1) / (math.factorial(2 * k) * x ** (2 * k + n))
    return total + sign * tail


FLOATS: dict[str, Callable[..., Any]] = {
    "add": lambda *terms: math.fsum(terms) if all(map(math.isfinite, terms)) else sum(terms),
    "mul": lambda *factors: math.prod(factors),
    "neg": operator.neg,
    "div": operator.truediv,
    "pow": _power,
    "mod": lambda a, b: a - b * math.floor(a / b),
    "exp": math.exp,
    "log": math.log,
    "log2": math.log2,
    "log10": math.log10,
    "sqrt": math.sqrt,
    "cbrt": lambda x: math.cbrt(x),
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "cot": lambda x: 1 / math.tan(x),
    "sec": lambda x: 1 / math.cos(x),
    "csc": lambda x: 1 / math.sin(x),
    "asin": math.asin,
    "acos": math.acos,
    "atan": math.atan,
    "atan2": math.atan2,
    "sinh": math.sinh,
    "cosh": math.cosh,
    "tanh": math.tanh,
    "asinh": math.asinh,
    "acosh": math.acosh,
    "atanh": math.atanh,
    "abs": abs,
    "sign": lambda x: float((x > 0) - (x < 0)),
    "floor": lambda x: float(math.floor(x)),
    "ceil": lambda x: float(math.ceil(x)),
    "heaviside": lambda x: 0.5 * (1 + (x > 0) - (x < 0)),
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)) if x > -700 else math.exp(x),
    "relu": lambda x: max(x, 0.0),
    "softplus": lambda x: max(x, 0.0) + math.log1p(math.exp(-abs(x))),
    "erf": math.erf,
    "erfc": math.erfc,
    "gamma": _gamma,
    "lgamma": math.lgamma,
    "digamma": lambda x: polygamma(0, x),
    "polygamma": polygamma,
    "factorial": lambda x: math.gamma(x + 1),
    "max": max,
    "min": min,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "eq": operator.eq,
    "ne": operator.ne,
    "and": lambda *conditions: all(conditions),
    "or": lambda *conditions: any(conditions),
    "not": operator.not_,
}


def compute(tree: Node, values: Mapping[str, float]) -> float:
    """The value of a tree in double precision; only the branch taken of a `where` is computed.

    Raises:
        ArithmeticError, ValueError: where the value is not a finite real number.
    """
    match tree:
        case Number(value):
            return float(value)
        case Constant(name):
            return CONSTANTS[name]
        case Variable(name):
            return values[name]
        case Apply("where", (condition, yes, no)):
            return compute(yes if compute(condition, values) else no, values)
        case Apply(head, args):
            value = FLOATS[head](*[compute(arg, values) for arg in args])
            if not math.isfinite(value):
                raise OverflowError
            return value


@lru_cache(maxsize=4096)
def constant(tree: Node) -> float:
    """The value of a tree without variables.

    Raises:
        FormulaError: when it is not a finite real number.
    """
    try:
        return compute(tree, {})
    except ZeroDivisionError:
        raise FormulaError("a constant part divides by zero", hint="write a finite number") from None
    except OverflowError:
        raise FormulaError(
            "a constant part is too large or too small", hint="keep it within 1e-308 and 1e308"
        ) from None
    except ValueError:
        raise FormulaError(
            "a constant part is not a real number", hint="check the roots and logarithms in it"
        ) from None


def constant_or_none(tree: Node) -> float | None:
    """The value of a tree without variables, or None where it has some."""
    return constant(tree) if is_constant(tree) else None
