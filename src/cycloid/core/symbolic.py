"""Trees to SymPy expressions and back, by constructors only: no text is ever given to SymPy."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import sympy

from cycloid.core.chain_rule import product, total
from cycloid.core.grammar import negated
from cycloid.core.syntax import (
    DERIVED,
    MAX_INTEGER_DIGITS,
    Apply,
    Bounds,
    Constant,
    FormulaError,
    Node,
    Number,
    Variable,
    is_name,
    number,
)

_HALF: Any = sympy.Rational(1, 2)

_CONSTANTS: dict[str, sympy.Expr] = {"pi": sympy.pi, "e": sympy.E, "tau": 2 * sympy.pi}

_RELATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "lt": sympy.StrictLessThan,
    "le": sympy.LessThan,
    "gt": sympy.StrictGreaterThan,
    "ge": sympy.GreaterThan,
    "eq": sympy.Eq,
    "ne": sympy.Ne,
}

CONSTRUCTORS: dict[str, Callable[..., Any]] = {
    **_RELATIONS,
    "and": sympy.And,
    "or": sympy.Or,
    "not": sympy.Not,
    "add": sympy.Add,
    "mul": sympy.Mul,
    "neg": lambda a: -a,
    "div": lambda a, b: a / b,
    "pow": sympy.Pow,
    "mod": sympy.Mod,
    "exp": sympy.exp,
    "log": sympy.log,
    "log2": lambda a: sympy.log(a) / sympy.log(2),
    "log10": lambda a: sympy.log(a) / sympy.log(10),
    "sqrt": sympy.sqrt,
    "cbrt": lambda a: sympy.sign(a) * sympy.Abs(a) ** sympy.Rational(1, 3),  # the real root, of negative numbers too
    "atan2": sympy.atan2,
    "abs": sympy.Abs,
    "sign": sympy.sign,
    "floor": sympy.floor,
    "ceil": sympy.ceiling,
    "heaviside": lambda a: sympy.Heaviside(a, _HALF),
    "sigmoid": lambda a: 1 / (1 + sympy.exp(-a)),
    "relu": lambda a: sympy.Max(a, 0),
    "softplus": lambda a: sympy.log(1 + sympy.exp(a)),
    "erf": sympy.erf,
    "erfc": sympy.erfc,
    "gamma": sympy.gamma,
    "lgamma": sympy.loggamma,
    "digamma": sympy.digamma,
    "polygamma": sympy.polygamma,
    "factorial": sympy.factorial,
    "max": sympy.Max,
    "min": sympy.Min,
    "where": lambda condition, yes, no: sympy.Piecewise((yes, condition), (no, True)),
    **{
        name: getattr(sympy, name)
        for name in (
            *("sin", "cos", "tan", "cot", "sec", "csc", "asin", "acos", "atan"),
            *("sinh", "cosh", "tanh", "asinh", "acosh", "atanh"),
        )
    },
}


def to_sympy(tree: Node, *, real: bool = False, exact: bool = False) -> Any:
    """The tree as a SymPy expression.

    Args:
        tree: the tree.
        real: symbols are declared real, for algebra; otherwise they are plain `Symbol(name)`.
        exact: decimals become fractions, for algebra; otherwise they are `Float`.
    """
    match tree:
        case Number(int(value)):
            return sympy.Integer(value)
        case Number(value):
            return sympy.Rational(repr(value)) if exact and 1e-30 < value < 1e30 else sympy.Float(value)
        case Constant(name):
            return _CONSTANTS[name]
        case Variable(name):
            return sympy.Symbol(name, real=True) if real else sympy.Symbol(name)
        case Apply(head, args):
            return CONSTRUCTORS[head](*(to_sympy(arg, real=real, exact=exact) for arg in args))


@cache
def _heads() -> dict[Any, str]:
    """SymPy's classes by the head they have in a tree, where the arguments are the same."""
    same = (
        *("sin", "cos", "tan", "cot", "sec", "csc", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh"),
        *(
            "atanh",
            "atan2",
            "abs",
            "sign",
            "floor",
            "ceil",
            "erf",
            "erfc",
            "gamma",
            "lgamma",
            "factorial",
            "exp",
            "log",
        ),
        *("mod", "lt", "le", "gt", "ge", "eq", "ne", "and", "or", "not"),
    )
    return {CONSTRUCTORS[head]: head for head in same}


def from_sympy(expression: Any, bounds: Bounds = DERIVED) -> Node:
    """The tree of a SymPy expression.

    Raises:
        FormulaError: when it holds what formulas have no word for, or is too large.
    """
    tree = _from_sympy(expression, bounds.depth)
    bounds.check(tree)
    return tree


def _from_sympy(e: Any, levels: int) -> Node:
    if levels == 0:
        raise FormulaError("the result is nested too deep for a formula")
    if e.is_Symbol:
        if not is_name(e.name):
            raise FormulaError("the result has a variable that cannot be typed")
        return Variable(e.name)
    if e.is_Number or e.is_NumberSymbol:
        return _from_number(e)

    def convert(part: Any) -> Node:
        return _from_sympy(part, levels - 1)

    if e.is_Add:
        return total(*(convert(part) for part in e.as_ordered_terms()))
    if e.is_Mul:
        return _from_product(e, convert)
    if e.is_Pow:
        return _from_power(e, convert)
    if isinstance(e, sympy.Piecewise):
        return _from_piecewise(e, convert)
    if isinstance(e, sympy.Max | sympy.Min):
        head, (first, *others) = ("max" if isinstance(e, sympy.Max) else "min"), [convert(part) for part in e.args]
        for other in others:
            first = Apply(head, (first, other))
        return first
    if isinstance(e, sympy.polygamma):
        return _from_polygamma(*e.args, convert=convert)
    if isinstance(e, sympy.Heaviside) and e.args[1] == _HALF:
        return Apply("heaviside", (convert(e.args[0]),))
    head = _heads().get(e.func)
    if head is None or not e.args:
        raise FormulaError(f"the result holds {type(e).__name__}, which formulas have no word for")
    return Apply(head, tuple(convert(part) for part in e.args))


def _from_number(e: Any) -> Node:
    if e in (sympy.pi, sympy.E):
        return Constant("pi" if e == sympy.pi else "e")
    if e.is_Rational and e.is_finite:
        over, under = abs(int(e.p)), int(e.q)
        if max(over, under) >= 10**MAX_INTEGER_DIGITS:
            return _finite(float(e))
        node: Node = number(over) if under == 1 else Apply("div", (number(over), number(under)))
        return negated(node) if e < 0 else node
    if not e.is_real:
        raise FormulaError("the result holds a number that is not real and finite")
    return _finite(float(e))


def _finite(value: float) -> Node:
    if value in (float("inf"), float("-inf")) or value != value:
        raise FormulaError("the result holds a number that is not finite")
    return number(value)


def _from_product(e: Any, convert: Callable[[Any], Node]) -> Node:
    """One fraction: negative powers go below the line, exp(-x) stays above."""
    over, under = list[Node](), list[Node]()
    for factor in e.as_ordered_factors():
        base, exponent = factor.as_base_exp()
        if factor.is_Rational and max(abs(factor.p), factor.q) < 10**MAX_INTEGER_DIGITS:
            over.append(convert(sympy.Integer(factor.p)))
            under.append(convert(sympy.Integer(factor.q)))
        elif exponent.is_Rational and exponent < 0:
            under.append(convert(sympy.Pow(base, -exponent)))
        else:
            over.append(convert(factor))
    return product(*over, Apply("div", (Number(1), product(*under))))


def _from_power(e: Any, convert: Callable[[Any], Node]) -> Node:
    base, exponent = e.as_base_exp()
    if exponent.is_Rational and exponent < 0:
        return Apply("div", (Number(1), convert(sympy.Pow(base, -exponent))))
    if exponent == _HALF:
        return Apply("sqrt", (convert(base),))
    return Apply("pow", (convert(base), convert(exponent)))


def _from_polygamma(order: Any, argument: Any, convert: Callable[[Any], Node]) -> Node:
    if order not in range(21):
        raise FormulaError("the result holds a polygamma function of an order that formulas have no word for")
    converted = convert(argument)
    return Apply("polygamma", (Number(int(order)), converted)) if order else Apply("digamma", (converted,))


def _from_piecewise(e: Any, convert: Callable[[Any], Node]) -> Node:
    """Nested `where`; the last piece must hold everywhere else."""
    *pieces, (last, condition) = e.args
    if condition != True:  # noqa: E712  SymPy's own truth
        raise FormulaError("the result is not defined everywhere")
    node = convert(last)
    for value, condition in reversed(pieces):
        node = Apply("where", (convert(condition), convert(value), node))
    return node
