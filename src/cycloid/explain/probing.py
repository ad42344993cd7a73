"""Statements about formulas tried at points: values by NumPy, slopes by a complex step, points that never change.

Nothing here uses a rule of differentiation, so that what the rules gave is tried by something independent of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from cycloid.core.arithmetic import polygamma
from cycloid.core.syntax import Apply, Constant, Node, Number, Variable, names, walk
from cycloid.core.vocabulary import CONSTANTS

# Where points are looked for, one window after another, until enough are found at which all is real and finite.
WINDOWS: Final = ((-2.3, 2.7), (0.1, 1.9), (-0.95, 0.95), (1.1, 4.0), (3.0, 40.0), (-40.0, -3.0), (50.0, 5000.0))
POINTS: Final = 5
_CANDIDATES: Final = 16
# The imaginary part carries the slope and nothing is subtracted: the step may be as short as the dtype can hold.
IMAGINARY: Final = 1e-20
LARGEST: Final = 1e12  # values beyond this are left out: their rounding would say nothing

Values = Mapping[str, Any]


# -- values --------------------------------------------------------------------------------------------------------


def _real(z: Any) -> Any:
    return np.real(z)


def _cbrt(z: Any) -> Any:
    sign = np.where(_real(z) < 0, -1.0, 1.0)
    return np.cbrt(z) if np.isrealobj(z) else sign * np.power(sign * z, 1 / 3)


def _power(base: Any, exponent: Any) -> Any:
    """Integer powers by multiplication, which keeps a tiny imaginary part exact; others by NumPy."""
    if np.ndim(exponent) == 0 and np.imag(exponent) == 0 and float(np.real(exponent)).is_integer():
        return np.power(base, int(np.real(exponent))) if np.isrealobj(base) else _whole(base, int(np.real(exponent)))
    return np.power(base, exponent)


def _whole(base: Any, n: int) -> Any:
    if n < 0:
        return 1.0 / _whole(base, -n)
    result: Any = np.ones_like(base)
    while n:
        if n & 1:
            result = result * base
        n >>= 1
        base = base * base if n else base
    return result


def _angle(y: Any, x: Any) -> Any:
    """atan2, continued to the neighbourhood of the real plane."""
    flat = np.abs(_real(x)) >= np.abs(_real(y))
    side = np.where(_real(y) < 0, -1.0, 1.0)
    with np.errstate(all="ignore"):
        return np.where(
            flat, np.arctan(y / x) + np.where(_real(x) < 0, side * np.pi, 0.0), side * np.pi / 2 - np.arctan(x / y)
        )


def _softplus(z: Any) -> Any:
    up = np.where(_real(z) > 0, z, 0.0)
    return up + np.log1p(np.exp(np.where(_real(z) > 0, -z, z)))


def _gamma(z: Any) -> Any:
    """Γ; for negative numbers beside the real line by reflection, since there SciPy loses a tiny imaginary part."""
    if np.isrealobj(z):
        return _special("gamma")(z)
    left = _real(z) < 0.5
    right = _special("gamma")(np.where(left, 1.0 - z, z))
    return np.where(left, np.pi / (np.sin(np.pi * z) * right), right)


def _log_gamma(z: Any) -> Any:
    """ln|Γ|: for negative numbers by reflection, since loggamma is complex there."""
    left = _real(z) < 0
    sine = np.sin(np.pi * z)
    reflected = np.log(np.pi / np.where(_real(sine) < 0, -sine, sine))
    right = _special("loggamma")(np.where(left, 1.0 - z, z))
    return np.where(left, reflected - right, right)


def _chosen(first: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    return lambda a, b: np.where(first(_real(a), _real(b)), a, b)


def _compared(relation: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    return lambda a, b: relation(_real(a), _real(b))


def _special(name: str) -> Callable[..., Any]:
    def call(z: Any) -> Any:
        import scipy.special

        return getattr(scipy.special, name)(z)

    return call


_NUMPY: Final[dict[str, Callable[..., Any]]] = {
    "neg": lambda a: -a,
    "div": lambda a, b: a / b,
    "pow": _power,
    "mod": lambda a, b: a - b * np.floor(_real(a) / _real(b)),
    **{name: getattr(np, name) for name in ("exp", "log", "log2", "log10", "sqrt", "sin", "cos", "tan")},
    **{name: getattr(np, name) for name in ("sinh", "cosh", "tanh")},
    **{f"a{name}": getattr(np, f"arc{name}") for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
    "cbrt": _cbrt,
    "cot": lambda z: 1.0 / np.tan(z),
    "sec": lambda z: 1.0 / np.cos(z),
    "csc": lambda z: 1.0 / np.sin(z),
    "atan2": _angle,
    "abs": lambda z: np.where(_real(z) < 0, -z, z),
    "sign": lambda z: np.sign(_real(z)),
    "floor": lambda z: np.floor(_real(z)),
    "ceil": lambda z: np.ceil(_real(z)),
    "heaviside": lambda z: 0.5 * (1.0 + np.sign(_real(z))),
    "sigmoid": lambda z: 1.0 / (1.0 + np.exp(-z)),
    "relu": lambda z: np.where(_real(z) > 0, z, 0.0),
    "softplus": _softplus,
    "erf": _special("erf"),
    "erfc": _special("erfc"),
    "gamma": lambda z: _gamma(z),
    "lgamma": lambda z: _log_gamma(z),
    "digamma": _special("digamma"),
    "factorial": lambda z: _gamma(z + 1.0),
    "max": _chosen(np.greater_equal),
    "min": _chosen(np.less_equal),
    "lt": _compared(np.less),
    "le": _compared(np.less_equal),
    "gt": _compared(np.greater),
    "ge": _compared(np.greater_equal),
    "eq": _compared(np.equal),
    "ne": _compared(np.not_equal),
    "and": lambda *c: np.logical_and.reduce(np.broadcast_arrays(*c)),
    "or": lambda *c: np.logical_or.reduce(np.broadcast_arrays(*c)),
    "not": np.logical_not,
}


def evaluate(tree: Node, values: Values) -> Any:
    """The tree at arrays of its variables, real or complex; NaN where it has no real value."""
    with np.errstate(all="ignore"):
        return _evaluate(tree, values)


def _evaluate(tree: Node, values: Values) -> Any:
    match tree:
        case Number(value):
            return float(value)
        case Constant(name):
            return CONSTANTS[name]
        case Variable(name):
            return values[name]
        case Apply("add" | "mul" as head, args):
            result = _evaluate(args[0], values)
            for arg in args[1:]:
                term = _evaluate(arg, values)
                result = result + term if head == "add" else result * term
            return result
        case Apply("where", args):
            return np.where(*(_evaluate(arg, values) for arg in args))
        case Apply("polygamma", (order, arg)):
            n = _real(_evaluate(order, values))
            return np.vectorize(lambda x: _or_nan(polygamma, n, x), otypes=[float])(_evaluate(arg, values))
        case Apply(head, args):
            inner = [np.asarray(_evaluate(arg, values))[()] for arg in args]
            return _NUMPY[head](*(np.float64(v) if isinstance(v, float | int) else v for v in inner))


def _or_nan(function: Callable[..., float], *args: float) -> float:
    try:
        return function(*args)
    except (ArithmeticError, ValueError):
        return float("nan")


def has_complex_step(tree: Node) -> bool:
    """Whether the tree can be computed at complex numbers."""
    return not any(isinstance(node, Apply) and node.head == "polygamma" for node in walk(tree))


def slope(tree: Node, values: Values, variable: str) -> Any:
    """The partial derivative at points, to rounding: by a complex step, else by extrapolated differences.

    Reference: W. Squire and G. Trapp, Using complex variables to estimate derivatives of real functions, 1998.
    """
    x = np.asarray(values[variable], float)
    if has_complex_step(tree):
        moved = evaluate(tree, {**values, variable: x + 1j * IMAGINARY})
        return np.broadcast_to(np.imag(moved) / IMAGINARY, x.shape)
    return central(lambda t: evaluate(tree, {**values, variable: t}), x)[0]


def central(f: Callable[[Any], Any], x: Any, longest: float = 0.1, levels: int = 9) -> tuple[Any, Any]:
    """The derivative of f at x by central differences extrapolated to step zero, with its error estimate.

    Args:
        f: elementwise on arrays of the shape of x.
        x: the points.
        longest: the first step, in units of max(1, |x|); each further one is a third.
        levels: how many steps.

    Reference: C. J. F. Ridders, Accurate computation of F'(x) and F'(x) F''(x), 1982.
    """
    scale = np.maximum(np.abs(x), 1.0)
    steps = [longest * scale * 3.0**-k for k in range(levels)]
    with np.errstate(all="ignore"):
        return settled([(f(x + h) - f(x - h)) / (2 * h) for h in steps], 9.0)


def settled(quotients: Sequence[Any], ratio: float) -> tuple[Any, Any]:
    """The limit of quotients whose error falls by `ratio`, its square … at each step: the entry that changed least.

    Neville's table; returns (limit, how much it changed).
    """
    row = [np.asarray(q, float) for q in quotients]
    best, error = row[-1], np.full(np.shape(row[-1]), np.inf)
    power = 1.0
    while len(row) > 1:
        power *= ratio
        finer = [(power * b - a) / (power - 1) for a, b in itertools.pairwise(row)]
        for a, b, new in zip(row[:-1], row[1:], finer, strict=True):
            change = np.maximum(np.abs(new - a), np.abs(new - b))
            better = np.isfinite(change) & (change < error)
            best, error = np.where(better, new, best), np.where(better, change, error)
        row = finer
    return best, error


# -- points --------------------------------------------------------------------------------------------------------


def spread(count: int, dimensions: int) -> np.ndarray:
    """Points that fill the unit cube evenly, the same ones at every call; shape (count, dimensions).

    Reference: M. Roberts, The unreasonable effectiveness of quasirandom sequences, 2018 (a Kronecker sequence whose
    step is made of powers of the generalised golden ratio).
    """
    ratio = 2.0
    for _ in range(40):
        ratio = (1.0 + ratio) ** (1.0 / (dimensions + 1))
    step = ratio ** -np.arange(1.0, dimensions + 1)
    return np.mod(0.5 + np.outer(np.arange(1, count + 1), step), 1.0)


def points_for(variables: Sequence[str], usable: Callable[[Values], Any]) -> dict[str, np.ndarray]:
    """Up to five points at which `usable` is true, looked for in one window after another."""
    names_ = list(variables) or ["_"]
    unit = spread(_CANDIDATES, len(names_))
    found: list[np.ndarray] = []
    for low, high in WINDOWS:
        block = low + (high - low) * unit
        good = np.broadcast_to(usable({name: block[:, i] for i, name in enumerate(names_)}), (_CANDIDATES,))
        found += [row for row, ok in zip(block, good, strict=True) if ok]
        if len(found) >= POINTS:
            break
    chosen = np.array(found[:POINTS]).reshape(-1, len(names_))
    return {name: chosen[:, i] for i, name in enumerate(variables)}


def tame(values: Any) -> Any:
    """True where values are real, finite and not so large that their rounding would say nothing."""
    return np.isrealobj(values) & np.isfinite(np.real(values)) & (np.abs(values) < LARGEST)


def variables_of(*trees: Node) -> tuple[str, ...]:
    """The names of all variables that occur, in the order of the alphabet."""
    return tuple(sorted(frozenset().union(*(names(tree) for tree in trees))))
