"""Derivatives and gradients found again: by a complex step or a circle, by differences, by algebra for a formula."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from cycloid.checks.cards import DISAGREES, UNCHECKED, Card, compare, resting_on, unchecked
from cycloid.checks.differences import central, circle, complex_step, evaluate, flatten, is_analytic
from cycloid.core.functions import as_function, as_objective
from cycloid.core.numerals import numeral

# Up to so many variables every partial derivative is found again; above, the slopes along random directions.
EVERY, DIRECTIONS = 64, 16
# How many last bits automatic differentiation and a second exact method may differ by: both round at each
# operation, and a program of a hundred operations loses a few digits.
LAST_BITS = 1e4


class Room(NamedTuple):
    """How far two methods may differ by rounding alone.

    Args:
        eps: of the dtype.
        size: of the numbers that are added up on the way.
    """

    eps: float
    size: float

    @property
    def rounding(self) -> float:
        """For two exact methods."""
        return LAST_BITS * self.eps * self.size

    @property
    def half_the_digits(self) -> float:
        """For differences: of many error estimates the least flatters, so they are not trusted further than this."""
        return max(self.eps**0.5 * self.size, self.rounding)


def derivative(f: Any, x: Any, order: int = 1, value: Any = None) -> Card:
    """Check a derivative of a function of one number.

    Automatic differentiation against a circle in the complex plane, differences and, for a formula, algebra.

    Args:
        f: number -> number: a callable that JAX traces, a formula or its text.
        x: where.
        order: 1 for the derivative, 2 for the second, ...
        value: the value to check; by default what `cycloid.differentiate.derivative` gives.

    Returns:
        The card, resting on one card for each method beyond the first.

    Cost:
        About 850 evaluations of f on complex numbers and 24 of its derivative of order - 1.

    Example:
        >>> card = derivative("x^3 + 2x + 1", 2.0)
        >>> card.verdict, round(card.value, 9), round(card.second_value, 9)
        ('agrees', 14.0, 14.0)
    """
    from cycloid import differentiate

    function = as_function(f)
    x = jnp.asarray(x, float) if not hasattr(x, "dtype") else jnp.asarray(x)
    if x.shape != ():
        raise TypeError(f"derivative checks a function of one number; x had the shape {x.shape}. Use gradient(f, x).")
    if order < 1:
        raise ValueError(f"order is 1, 2, …; it was {order}.")
    method = "automatic differentiation"
    claim = f"the derivative of order {order} of {_name(f)} at {numeral(x, 10)}"
    answer = differentiate.derivative(function, order=order)(x) if value is None else value
    answer = float(np.asarray(answer))
    below = differentiate.derivative(function, order=order - 1) if order > 1 else function
    room = Room(float(jnp.finfo(x.dtype).eps), 1.0 + abs(answer) + abs(float(np.real(np.asarray(function(x))))))

    slope, slope_error = central(lambda v: below(v[0]), x[None], np.ones((1, 1)))
    what = "differences" if order == 1 else f"differences of the derivative of order {order - 1}"
    cards = [_against(claim, method, what, answer, slope[0], room.half_the_digits, slope_error[0])]
    if is_analytic(function, x):
        again, error = circle(function, float(x), order)
        cards.insert(0, _against(claim, method, "Cauchy's integral on a circle", answer, again, room.rounding, error))
    exact = _algebra(f, float(x), order)
    if exact is not None:
        cards.append(compare(claim, method, "algebra (SymPy)", answer, exact, allowance=room.rounding))
    return resting_on(_conclusion(cards[0]), *cards[1:])


def gradient(f: Any, x: Any, value: Any = None) -> Card:
    """Check a gradient: automatic differentiation against complex steps, differences and, for a formula, algebra.

    Args:
        f: pytree -> number: a callable that JAX traces, a formula or its text.
        x: the point, a pytree; its inexact leaves are the variables.
        value: the gradient to check, shaped like x; by default what `cycloid.differentiate.grad` gives.

    Returns:
        The card. Up to 64 variables it compares every partial derivative; above, slopes in 16 directions.

    Cost:
        One evaluation of f on complex numbers and 24 on real ones for each variable or direction.

    Example:
        >>> import jax.numpy as jnp
        >>> gradient(lambda v: jnp.sin(v[0]) * v[1], jnp.array([0.5, 2.0])).verdict
        'agrees'
    """
    from cycloid import differentiate

    objective = as_objective(f, x)
    answer = jax.jit(differentiate.grad(objective))(x) if value is None else value
    of_vector, point = flatten(objective, x)
    _, slopes = flatten(objective, answer)
    if slopes.shape != point.shape:
        raise ValueError(f"the gradient has {slopes.size} entries and the point {point.size}.")
    cards = slope_cards(of_vector, point, slopes, f"the gradient of {_name(f)} at {_where(point)}")
    names = _variables(f)
    if names and point.size == len(names):
        at = dict(zip(names, np.asarray(point, float).tolist()))
        exact = [_algebra(f, at, 1, name) for name in names]
        if None not in exact:
            room = Room(float(jnp.finfo(point.dtype).eps), 1.0 + float(np.abs(np.asarray(slopes)).max()))
            names = (cards[0].claim, cards[0].method, "algebra (SymPy)")
            cards.append(compare(*names, np.asarray(slopes), exact, allowance=room.rounding))
    return resting_on(_conclusion(cards[0]), *cards[1:])


def slope_cards(f: Callable[[Any], Any], point: Any, slopes: Any, claim: str) -> list[Card]:
    """Cards on the gradient `slopes` of f at a vector, the strongest method that applies first.

    Args:
        f: vector -> number.
        point: the vector, shape (n,).
        slopes: the gradient claimed, shape (n,).
        claim: what the cards say is claimed.
    """
    directions, axes = probes(point)
    claimed = np.asarray(slopes, float) if axes else np.asarray(directions, float) @ np.asarray(slopes, float)
    method = "automatic differentiation" + ("" if axes else f", along {len(directions)} random directions")
    height = abs(float(evaluate(f, point[None])[0]))
    room = Room(float(jnp.finfo(point.dtype).eps), 1.0 + height + float(np.max(np.abs(claimed), initial=0.0)))
    values, errors = central(f, point, directions)
    cards = [_against(claim, method, "differences", claimed, values, room.half_the_digits, float(errors.max()))]
    if is_analytic(f, point):
        steps = complex_step(f, point, directions)
        cards.insert(0, compare(claim, method, "complex step", claimed, steps, allowance=room.rounding))
    return cards


def probes(point: Any) -> tuple[Any, bool]:
    """The directions to look along, shape (k, n), and whether they are the axes.

    Random directions have independent entries ±1/√n, the same ones at every call.
    """
    n = point.size
    if n <= EVERY:
        return np.eye(n, dtype=point.dtype), True
    signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(DIRECTIONS, n))
    return (signs / np.sqrt(n)).astype(point.dtype), False


def _against(claim: str, method: str, second: str, value: Any, again: Any, slack: float, error: float) -> Card:
    """One comparison allowed the rounding of the first method and the error estimate of the second.

    A second value whose own error is as large as what it should confirm decides nothing.
    """
    size = float(np.max(np.abs(value), initial=0.0))
    if not np.isfinite(error) or error > 0.1 * max(size, slack):
        why = f"{second[0].upper()}{second[1:]} gives no usable value here (error estimate {numeral(error, 2)})."
        return unchecked(claim, method, np.asarray(value).tolist(), why)
    return compare(claim, method, second, value, again, allowance=slack + 4.0 * error)


def _conclusion(card: Card) -> Card:
    if card.sentence or card.verdict == UNCHECKED:
        return card
    words = {
        DISAGREES: "The two methods differ by more than rounding: one of them is wrong here.",
    }.get(card.verdict, "Two methods that share no step give the same number, to rounding.")
    return Card(**{**{k: getattr(card, k) for k in card.__dataclass_fields__}, "sentence": words})


def _algebra(f: Any, at: Any, order: int, variable: str | None = None) -> float | None:
    """The derivative of a formula by SymPy's rules, or None for what is no formula or too hard for it."""
    from cycloid.core.algebra import MAX_ORDER, AlgebraError
    from cycloid.core.algebra import derivative as algebraic
    from cycloid.core.arithmetic import compute
    from cycloid.core.formulas import Formula, formula

    f = formula(f) if isinstance(f, str) else getattr(f, "__self__", f)
    if not isinstance(f, Formula) or order > MAX_ORDER:
        return None
    point: dict[str, float] = at if isinstance(at, dict) else {name: float(at) for name in f.variables}
    try:
        return compute(algebraic(f, variable, order).tree, point)
    except (AlgebraError, ArithmeticError, ValueError):
        return None


def _variables(f: Any) -> tuple[str, ...]:
    """Of a formula, its text, or its method `of_vector`; of anything else none."""
    function = as_function(f) if isinstance(f, str) else getattr(f, "__self__", f)
    return tuple(getattr(function, "variables", ()))


def _name(f: Any) -> str:
    name = f if isinstance(f, str) else getattr(getattr(f, "__self__", f), "text", None) or getattr(f, "__name__", "f")
    return "f" if name == "<lambda>" else name


def _where(point: Any) -> str:
    if point.size > 4:
        return f"a point of {point.size} variables"
    return "(" + ", ".join(numeral(v, 6) for v in np.asarray(point)) + ")"
