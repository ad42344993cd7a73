"""Taylor coefficients by algebra: what the worker process computes for the card of an expansion."""

from __future__ import annotations

import math
from typing import Any

import sympy

from cycloid.core.interchange import from_data
from cycloid.core.symbolic import to_sympy

DIGITS = 30


def coefficients(request: dict[str, Any]) -> list[float]:
    """∂^α f(a)/α! for each exponent α of a request {tree, variables, centre, powers}, rounded once."""
    expression = to_sympy(from_data(request["tree"]))
    symbols = [sympy.Symbol(name) for name in request["variables"]]
    known = {symbol.name: symbol for symbol in expression.free_symbols}
    symbols = [known.get(symbol.name, symbol) for symbol in symbols]  # with the assumptions they have there
    point = {s: sympy.Rational(a) for s, a in zip(symbols, request["centre"], strict=True)}
    derivatives: dict[tuple[int, ...], Any] = {}
    for power in map(tuple, request["powers"]):
        derivatives[power] = _derivative(expression, symbols, power, derivatives)
    return [
        float(sympy.N(d.subs(point), DIGITS)) / math.prod(map(math.factorial, power))
        for power, d in derivatives.items()
    ]


def _derivative(expression: Any, symbols: list[Any], power: tuple[int, ...], known: dict[tuple[int, ...], Any]) -> Any:
    """∂^α f, from a derivative of one order less where that is known."""
    for i, k in enumerate(power):
        below = (*power[:i], k - 1, *power[i + 1 :])
        if k and below in known:
            return sympy.diff(known[below], symbols[i])
    for symbol, k in zip(symbols, power, strict=True):
        expression = sympy.diff(expression, symbol, k) if k else expression
    return expression
