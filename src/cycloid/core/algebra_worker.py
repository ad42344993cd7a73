"""The process in which SymPy works: one JSON request per line in, one JSON answer per line out.

It bounds its own memory, ends itself when an answer takes too long, and ends with its parent, whose pipe then closes.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import sympy

from cycloid.core.chain_rule import derivative as chain_derivative
from cycloid.core.interchange import from_data, to_data
from cycloid.core.symbolic import from_sympy, to_sympy
from cycloid.core.syntax import FormulaError


def _expression(request: dict[str, Any], key: str = "tree") -> Any:
    return to_sympy(from_data(request[key]), real=True, exact=True)


def _symbol(request: dict[str, Any]) -> sympy.Symbol:
    return sympy.Symbol(request["variable"], real=True)


def _shortest(*expressions: Any) -> Any:
    """The expression with the fewest operations; the first of equals."""
    return min(expressions, key=lambda e: e.count_ops())


def _tidy(expression: Any) -> Any:
    return _shortest(expression, sympy.simplify(expression))


def derivative(request: dict[str, Any]) -> Any:
    """The derivative of some order, shortened; by the chain rule alone where SymPy leaves what no formula can say."""
    symbol, order = _symbol(request), request["order"]
    try:
        return to_data(from_sympy(_tidy(sympy.diff(_expression(request), symbol, order))))
    except FormulaError:
        tree = from_data(request["tree"])
        for _ in range(order):
            tree = chain_derivative(tree, request["variable"])
        return to_data(tree)


def simplified(request: dict[str, Any]) -> Any:
    """The shortest of what SymPy knows the expression to be."""
    e = _expression(request)
    return to_data(from_sympy(_shortest(e, sympy.simplify(e), sympy.factor(e), sympy.trigsimp(e))))


def expanded(request: dict[str, Any]) -> Any:
    """The expression multiplied out."""
    return to_data(from_sympy(sympy.expand(_expression(request))))


def antiderivative(request: dict[str, Any]) -> Any:
    """A function with the given derivative, ln|a| for ln a where the logarithm is new."""
    e = _expression(request)
    found = sympy.integrate(e, _symbol(request))
    if found.has(sympy.Integral):
        raise FormulaError("no antiderivative made of known functions was found")
    old = e.atoms(sympy.log)
    new = {log: sympy.log(sympy.Abs(log.args[0])) for log in found.atoms(sympy.log) - old}
    return to_data(from_sympy(_shortest(found.subs(new), sympy.simplify(found.subs(new)))))


def integral(request: dict[str, Any]) -> Any:
    """The exact value of a definite integral."""
    ends = [_end(request, key) for key in ("lower", "upper")]
    found = sympy.integrate(_expression(request), (_symbol(request), *ends))
    if found.has(sympy.Integral):
        raise FormulaError("no exact value was found")
    return to_data(from_sympy(_tidy(found)))


def _end(request: dict[str, Any], key: str) -> Any:
    if request[key] in ("oo", "-oo"):
        return sympy.oo if request[key] == "oo" else -sympy.oo
    return _expression(request, key)


def stationary_points(request: dict[str, Any]) -> Any:
    """The real points where all first derivatives vanish, as one list of trees per point."""
    e = _expression(request)
    symbols = [sympy.Symbol(name, real=True) for name in request["variables"]]
    found = sympy.solve([sympy.diff(e, symbol) for symbol in symbols], symbols, dict=True)
    points: list[list[Any]] = []
    for solution in found:
        if set(solution) != set(symbols) or any(value.free_symbols for value in solution.values()):
            raise FormulaError("the stationary points are not isolated")
        coordinates = [_real(solution[symbol]) for symbol in symbols]
        if None not in coordinates:
            points.append([to_data(from_sympy(value)) for value in coordinates])
    return points


def _real(value: Any) -> Any:
    """A number that is real, without the imaginary dust of Cardano's formula; None where it is not real."""
    if value.is_real and not value.has(sympy.I):
        return _tidy(value)
    decimal = sympy.N(value, 30)
    real, imaginary = decimal.as_real_imag()
    return sympy.Float(real, 17) if abs(imaginary) < sympy.Float(10) ** -20 else None


TASKS: dict[str, Callable[[dict[str, Any]], Any]] = {
    task.__name__: task for task in (derivative, simplified, expanded, antiderivative, integral, stationary_points)
}


def _task(name: str) -> Callable[[dict[str, Any]], Any]:
    """A task from the table, or one of another branch of Cycloid, "cycloid.branch.module:function"."""
    module, colon, function = name.partition(":")
    if colon and module.startswith("cycloid."):
        return getattr(importlib.import_module(module), function)
    return TASKS[name]


def answer(line: str) -> dict[str, Any]:
    """The answer to one request, or a sentence that says why there is none."""
    try:
        request = json.loads(line)
        return {"value": _task(request["task"])(request)}
    except FormulaError as error:
        return {"error": error.message}
    except MemoryError:
        return {"error": "the algebra needs more memory than it may use"}
    except RecursionError:
        return {"error": "the expression is nested too deep for the algebra"}
    except Exception as error:  # SymPy raises anything; the process must live on
        return {"error": f"the algebra failed with {type(error).__name__}"}


def main() -> None:
    """Answers requests until the input ends. Argument: the bound of the address space in bytes."""
    _bound_memory(int(sys.argv[1]))
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as channel:
        os.dup2(2, 1)  # whatever a library prints must not reach the channel
        channel.write("ready\n")
        channel.flush()
        for line in sys.stdin:
            _alarm(float(json.loads(line).get("seconds", 60.0)) + 1.0)
            channel.write(json.dumps(answer(line)) + "\n")
            channel.flush()
            _alarm(0.0)


def _bound_memory(limit: int) -> None:
    try:
        import resource
    except ImportError:  # not on Windows: there the time limit alone bounds the process
        return
    with contextlib.suppress(ValueError, OSError):  # some systems know the limit and refuse to set it
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _alarm(seconds: float) -> None:
    """Ends this process after so many seconds even when its parent is gone; 0 calls that off."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


if __name__ == "__main__":
    main()
