"""High derivatives of a function of one variable, by carrying a Taylor series through it.

Nesting first derivatives n times repeats the work of the orders below: tanh(sin(exp(−x²)) x) becomes a program of a
quarter of a million operations at order 10. One pass with series of n + 1 coefficients costs n²/2 products for each
operation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Literal

from cycloid.differentiate.second_order import traced_once
from cycloid.differentiate.taylor_rules import (
    UNARY,
    NoTaylorRule,
    Series,
    add,
    angle,
    constant,
    divide,
    multiply,
    power,
    scale,
    total,
    whole_power,
)

TAYLOR_FROM = 3  # below, nesting costs no more and keeps JAX's own treatment of every corner

# Linear operations on one array, applied to each coefficient.
LINEAR = frozenset(
    "broadcast_in_dim copy cumsum reduce_sum reshape rev slice squeeze transpose".split()  # noqa: SIM905
)

# Operations whose value does not move with t, except in jumps.
STEADY = frozenset(
    "and argmax argmin ceil eq floor ge gt is_finite le lt ne not or round sign stop_gradient xor".split()  # noqa: SIM905
)

# Named pieces of a program, entered as if written in place.
INLINE = frozenset(("jit", "pjit", "closed_call"))


def nth_derivative(g: Callable[[Any], Any], x: Any, order: int) -> Any:
    """The derivative of that order of g at the number x; the value of g may be any array or pytree.

    Cost: order 1 about 2 evaluations, order 2 about 4; from order 3 one pass of Taylor arithmetic. Functions with loops
    (`scan`, `while_loop`), with Python branches, or with a derivative rule of their own fall back to nesting, whose
    cost grows exponentially with the order.
    """
    if order >= TAYLOR_FROM:
        try:
            highest = taylor_series(g, x, order)[order]
            return jax.tree.map(lambda coefficient: math.factorial(order) * coefficient, highest)
        except (NoTaylorRule, jax.errors.ConcretizationTypeError):
            pass
    g, names = traced_once(g, x)
    step = _by_reverse if names else _by_forward
    for _ in range(order):
        g = step(g)
    return g(x)


def _by_forward(g: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def first(x: Any) -> Any:
        one = 1.0 if type(x) is float else np.ones((), x.dtype)
        return jax.jvp(g, (x,), (one,))[1]

    return first


def _by_reverse(g: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """For a function with a reverse rule only."""
    return lambda x: jax.jacrev(g)(x)


def taylor_series(g: Callable[[Any], Any], x: Any, order: int) -> list[Any]:
    """Coefficients c_0 … c_n of g(x + t) = Σ c_k t^k, each with the structure of g(x).

    Raises:
        NoTaylorRule: when g uses an operation without a rule.
        ConcretizationTypeError: when g branches in Python on its argument.
    """
    x = jnp.asarray(x)
    program, shape = jax.make_jaxpr(g, return_shape=True)(x)
    line = [x, jnp.ones_like(x), *[None] * (order - 1)]
    results = [r if isinstance(r, list) else [r, *[None] * order] for r in _run(program.jaxpr, program.consts, [line])]
    leaves = [[jnp.zeros_like(r[0]) if c is None else c for c in r] for r in results]
    tree = jax.tree.structure(shape)
    return [jax.tree.unflatten(tree, [leaf[k] for leaf in leaves]) for k in range(order + 1)]


def _run(jaxpr: Any, consts: Any, arguments: list[Any]) -> list[Any]:
    """Evaluate a jaxpr on inputs of which some are series (lists) and some plain arrays."""
    values = dict(zip(jaxpr.constvars, consts, strict=True)) | dict(zip(jaxpr.invars, arguments, strict=True))
    read = lambda atom: atom.val if isinstance(atom, Literal) else values[atom]
    for equation in jaxpr.eqns:
        inputs = [read(atom) for atom in equation.invars]
        if any(isinstance(value, list) for value in inputs):
            outputs = _moved(equation, inputs)
        else:
            outputs = _bind(equation, inputs)
        values.update(zip(equation.outvars, outputs, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _bind(equation: Any, inputs: list[Any]) -> list[Any]:
    outputs = equation.primitive.bind(*inputs, **equation.primitive.get_bind_params(equation.params))
    return list(outputs) if equation.primitive.multiple_results else [outputs]


def _moved(equation: Any, inputs: list[Any]) -> list[Any]:
    """The outputs of one operation of which some input is a series."""
    name, parameters = equation.primitive.name, equation.params
    if name in INLINE:
        inner = parameters["jaxpr"]
        return _run(inner.jaxpr, inner.consts, inputs)
    if name in STEADY:
        return _bind(equation, [value[0] if isinstance(value, list) else value for value in inputs])
    apply = lambda *operands: equation.primitive.bind(*operands, **parameters)
    if name in LINEAR:
        return [[None if c is None else apply(c) for c in inputs[0]]]
    if name in UNARY:
        return [UNARY[name](inputs[0])]
    if name in JOINT:
        return [JOINT[name](apply, inputs, parameters)]
    raise NoTaylorRule(name)


def _both(inputs: list[Any]) -> list[Series]:
    """All inputs as series, the steady ones as constants."""
    like = next(value for value in inputs if isinstance(value, list))
    return [value if isinstance(value, list) else constant(value, like) for value in inputs]


def _bilinear(apply: Callable, inputs: list[Any], _: Any) -> Series:
    u, v = _both(inputs)
    terms = lambda k: (apply(u[j], v[k - j]) for j in range(k + 1) if u[j] is not None and v[k - j] is not None)
    return [total(terms(k)) for k in range(len(u))]


def _division(_: Callable, inputs: list[Any], __: Any) -> Series:
    u, v = inputs
    return divide(*_both(inputs)) if isinstance(v, list) else [None if a is None else a / v for a in u]


def _converted(apply: Callable, inputs: list[Any], parameters: Any) -> Any:
    if not jnp.issubdtype(parameters["new_dtype"], jnp.inexact):
        return apply(inputs[0][0])
    return [None if c is None else apply(c) for c in inputs[0]]


def _joined(apply: Callable, inputs: list[Any], _: Any) -> Series:
    filled = [[jnp.zeros_like(u[0]) if c is None else c for c in u] for u in _both(inputs)]
    return [apply(*column) for column in zip(*filled, strict=True)]


def _selected(apply: Callable, inputs: list[Any], parameters: Any) -> Series:
    which, *cases = inputs
    return _joined(lambda *column: apply(which, *column), cases, parameters) if any(
        isinstance(case, list) for case in cases
    ) else apply(which, *cases)  # fmt: skip


def _larger(sign: int) -> Callable[..., Series]:
    """max and min: the coefficients of the winner, and the mean of both on a tie, as JAX has it."""

    def rule(apply: Callable, inputs: list[Any], _: Any) -> Series:
        u, v = _both(inputs)
        first, tie = sign * (u[0] - v[0]) > 0, u[0] == v[0]
        series: Series = [apply(u[0], v[0])]
        for a, b in zip(u[1:], v[1:], strict=True):
            if a is None and b is None:
                series.append(None)
                continue
            a, b = (jnp.zeros_like(u[0]) if c is None else c for c in (a, b))
            series.append(jnp.where(first, a, jnp.where(tie, (a + b) / 2, b)))
        return series

    return rule


def _clamped(apply: Callable, inputs: list[Any], _: Any) -> Series:
    low, u, high = inputs
    if isinstance(low, list) or isinstance(high, list):
        raise NoTaylorRule("clamp with bounds that move")
    inside = (u[0] > low) & (u[0] < high)
    return [apply(low, u[0], high), *[None if c is None else jnp.where(inside, c, 0.0) for c in u[1:]]]


def _remainder(apply: Callable, inputs: list[Any], _: Any) -> Series:
    u, v = _both(inputs)
    quotient = jnp.trunc(u[0] / v[0])
    return [apply(u[0], v[0]), *add(u, scale(v, -quotient))[1:]]


def _indexed(apply: Callable, inputs: list[Any], _: Any) -> Series:
    u, *places = inputs
    if not isinstance(u, list) or any(isinstance(place, list) for place in places):
        raise NoTaylorRule("an index that moves")
    return [None if c is None else apply(c, *places) for c in u]


# Operations on several arrays, or whose parameters matter.
JOINT: dict[str, Callable[[Callable, list[Any], Any], Any]] = {
    "add": lambda _, inputs, __: add(*_both(inputs)),
    "add_any": lambda _, inputs, __: add(*_both(inputs)),
    "sub": lambda _, inputs, __: add(_both(inputs)[0], scale(_both(inputs)[1], -1)),
    "mul": lambda _, inputs, __: multiply(*_both(inputs)),
    "div": _division,
    "dot_general": _bilinear,
    "conv_general_dilated": _bilinear,
    "integer_pow": lambda _, inputs, parameters: whole_power(inputs[0], parameters["y"]),
    "pow": lambda _, inputs, __: power(*inputs),
    "atan2": lambda _, inputs, __: angle(*_both(inputs)),
    "convert_element_type": _converted,
    "concatenate": _joined,
    "stack": _joined,
    "select_n": _selected,
    "max": _larger(1),
    "min": _larger(-1),
    "clamp": _clamped,
    "rem": _remainder,
    "dynamic_slice": _indexed,
    "gather": _indexed,
}
