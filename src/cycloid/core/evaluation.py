"""Trees computed by JAX: elementwise, in the precision of the input, differentiable on the branch that is taken."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy.special as special

from cycloid.core.arithmetic import constant
from cycloid.core.syntax import Apply, Constant, Node, Number, Variable, is_condition, is_constant, names
from cycloid.core.vocabulary import CONSTANTS

Array = jax.Array

ARRAYS: dict[str, Callable[..., Any]] = {
    "neg": jnp.negative,
    "div": jnp.true_divide,
    "mod": jnp.mod,
    "exp": jnp.exp,
    "log": jnp.log,
    "log2": jnp.log2,
    "log10": jnp.log10,
    "sqrt": jnp.sqrt,
    "cbrt": jnp.cbrt,
    "sin": jnp.sin,
    "cos": jnp.cos,
    "tan": jnp.tan,
    "cot": lambda x: 1.0 / jnp.tan(x),
    "sec": lambda x: 1.0 / jnp.cos(x),
    "csc": lambda x: 1.0 / jnp.sin(x),
    "asin": jnp.arcsin,
    "acos": jnp.arccos,
    "atan": jnp.arctan,
    "atan2": jnp.arctan2,
    "sinh": jnp.sinh,
    "cosh": jnp.cosh,
    "tanh": jnp.tanh,
    "asinh": jnp.arcsinh,
    "acosh": jnp.arccosh,
    "atanh": jnp.arctanh,
    "abs": jnp.abs,
    "sign": jnp.sign,
    "floor": jnp.floor,
    "ceil": jnp.ceil,
    "heaviside": lambda x: 0.5 * (1.0 + jnp.sign(x)),
    "sigmoid": jax.nn.sigmoid,
    "relu": jax.nn.relu,
    "softplus": jax.nn.softplus,
    "erf": special.erf,
    "erfc": special.erfc,
    "gamma": special.gamma,
    "lgamma": special.gammaln,
    "digamma": lambda x: _polygamma(0, x),
    "factorial": lambda x: special.gamma(x + 1.0),
    "max": jnp.maximum,
    "min": jnp.minimum,
    "lt": jnp.less,
    "le": jnp.less_equal,
    "gt": jnp.greater,
    "ge": jnp.greater_equal,
    "eq": jnp.equal,
    "ne": jnp.not_equal,
    "not": jnp.logical_not,
}


def evaluate(tree: Node, variables: Sequence[str], values: Sequence[Any]) -> Array:
    """The tree at arrays of its variables, broadcast against each other.

    Integers are computed as floats; the precision is that of the inexact inputs, else JAX's default.
    """
    dtype = jnp.result_type(*values, 1.0)
    arrays = [jnp.asarray(value) for value in values]
    arrays = [a if jnp.issubdtype(a.dtype, jnp.inexact) else a.astype(dtype) for a in arrays]
    result = _evaluate(tree, dict(zip(variables, arrays, strict=True)))
    result = jnp.asarray(result, dtype) if is_constant(tree) else result
    shape = jnp.broadcast_shapes(*(a.shape for a in arrays))
    return result if result.shape == shape else jnp.broadcast_to(result, shape)


def _evaluate(tree: Node, values: Mapping[str, Array]) -> Any:
    """An array, or a Python float where the tree has no variables."""
    if is_constant(tree):
        return jnp.asarray(bool(constant(tree))) if is_condition(tree) else constant(tree)
    match tree:
        case Variable(name):
            return values[name]
        case Apply("where", args):
            return _where(args, values)
        case Apply("pow", (base, exponent)):
            return _power(base, exponent, values)
        case Apply("add", (first, *others)):
            total = _evaluate(first, values)
            for term in others:  # a negated term is subtracted, which saves an operation
                if isinstance(term, Apply) and term.head == "neg":
                    total = total - _evaluate(term.args[0], values)
                else:
                    total = total + _evaluate(term, values)
            return total
        case Apply("mul" | "and" | "or" as head, args):
            return functools.reduce(_JOINED[head], [_evaluate(arg, values) for arg in args])
        case Apply("polygamma", (order, arg)):
            return _polygamma(int(constant(order)), _evaluate(arg, values))
        case Apply(head, args):
            return ARRAYS[head](*(_evaluate(arg, values) for arg in args))
        case Number(value):
            return float(value)
        case Constant(name):
            return CONSTANTS[name]


_JOINED: dict[str, Callable[[Any, Any], Any]] = {
    "mul": operator.mul,
    "and": jnp.logical_and,
    "or": jnp.logical_or,
}


def _power(base: Node, exponent: Node, values: Mapping[str, Array]) -> Any:
    """base^exponent by the primitive whose derivative stays finite: a product, a root, exp, or a general power."""
    if not is_constant(exponent):
        if isinstance(base, Constant) and base.name == "e":
            return jnp.exp(_evaluate(exponent, values))
        return jnp.power(_evaluate(base, values), _evaluate(exponent, values))
    power, value = constant(exponent), _evaluate(base, values)
    if power.is_integer():
        return value ** int(power)
    return jnp.sqrt(value) if power == 0.5 else jnp.power(value, power)


def _polygamma(order: int, x: Array) -> Array:
    """The polygamma function of any real x; of negative ones by reflection, which JAX has for the digamma alone.

    ψₙ(x) = (-1)ⁿ ψₙ(1 - x) - π dⁿ/dxⁿ cot(πx), and every derivative of c = cot(πx) is a polynomial in c.

    Reference: M. Abramowitz and I. Stegun, Handbook of Mathematical Functions, 1964, 6.4.7.
    """
    negative = x < 0
    positive = jnp.where(negative, 1.0 - x, x)
    plain = special.polygamma(order, positive) if order else special.digamma(positive)
    cotangent = [0.0, 1.0]  # coefficients in c, the lowest first
    for _ in range(order):
        slope = [k * a for k, a in enumerate(cotangent)][1:]
        cotangent = [-math.pi * (a + b) for a, b in zip([*slope, 0.0, 0.0], [0.0, 0.0, *slope], strict=True)]
    c = 1.0 / jnp.tan(math.pi * jnp.where(negative, x, 0.25))
    turned = sum(a * c**k for k, a in enumerate(cotangent) if a)
    return jnp.where(negative, (-1.0) ** order * plain - math.pi * turned, plain)


def _where(args: tuple[Node, ...], values: Mapping[str, Array]) -> Array:
    """Chooses elementwise; the branch not taken adds nothing to the derivative, even where it is infinite."""
    condition, yes, no = args
    used = sorted(names(yes) | names(no) | names(condition))

    def choose(*arrays: Array) -> Array:
        inner = dict(zip(used, arrays, strict=True))
        return jnp.where(_evaluate(condition, inner), _evaluate(yes, inner), _evaluate(no, inner))

    return forward_differentiated(choose)(*(values[name] for name in used))


def forward_differentiated(function: Callable[..., Array]) -> Callable[..., Array]:
    """An elementwise function whose derivative, of every order, is made of forward partial derivatives.

    Reverse mode through a `where` multiplies the zero cotangent of the branch not taken by its derivative, which is
    NaN where that is infinite (0 * inf). Forward mode chooses between finished derivatives, so nothing is multiplied.
    """

    @jax.custom_jvp
    def differentiated(*arrays: Array) -> Array:
        return function(*arrays)

    @differentiated.defjvp
    def _rule(primals: Sequence[Array], tangents: Sequence[Array]) -> tuple[Array, Array]:  # pyright: ignore
        value = differentiated(*primals)
        total = jnp.zeros_like(value)
        for i, tangent in enumerate(tangents):
            total = total + forward_differentiated(_partial(function, i))(*primals) * tangent
        return value, total

    return differentiated


def _partial(function: Callable[..., Array], place: int) -> Callable[..., Array]:
    def partial(*arrays: Array) -> Array:
        seeds = tuple(jnp.ones_like(a) if i == place else jnp.zeros_like(a) for i, a in enumerate(arrays))
        return jax.jvp(function, arrays, seeds)[1]

    return partial


HEADS = frozenset({*ARRAYS, *_JOINED, "add", "pow", "where", "polygamma"})  # what can be computed here
