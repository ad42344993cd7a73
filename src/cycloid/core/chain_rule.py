"""The derivative of every function a formula may use, in one table, and the chain rule over it."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import Final

from cycloid.core.arithmetic import constant
from cycloid.core.grammar import negated, read
from cycloid.core.syntax import Apply, Constant, Node, Number, is_constant, names, number, substitute

# Partial derivatives with respect to the arguments a and b, in the notation of formulas.
RULES: Final[dict[str, tuple[str, ...]]] = {
    "neg": ("-1",),
    "div": ("1/b", "-a/b^2"),
    "mod": ("1", "-floor(a/b)"),
    "exp": ("exp(a)",),
    "log": ("1/a",),
    "log2": ("1/(a*log(2))",),
    "log10": ("1/(a*log(10))",),
    "sqrt": ("1/(2*sqrt(a))",),
    "cbrt": ("1/(3*cbrt(a)^2)",),
    "sin": ("cos(a)",),
    "cos": ("-sin(a)",),
    "tan": ("1 + tan(a)^2",),
    "cot": ("-(1 + cot(a)^2)",),
    "sec": ("sec(a)*tan(a)",),
    "csc": ("-csc(a)*cot(a)",),
    "asin": ("1/sqrt((1 - a)*(1 + a))",),  # 1 - a^2 would cancel near the ends
    "acos": ("-1/sqrt((1 - a)*(1 + a))",),
    "atan": ("1/(1 + a^2)",),
    "atan2": ("b/(a^2 + b^2)", "-a/(a^2 + b^2)"),
    "sinh": ("cosh(a)",),
    "cosh": ("sinh(a)",),
    "tanh": ("1/cosh(a)^2",),  # 1 - tanh^2 would cancel where tanh is flat
    "asinh": ("1/sqrt(1 + a^2)",),
    "acosh": ("1/(sqrt(a - 1)*sqrt(a + 1))",),
    "atanh": ("1/((1 - a)*(1 + a))",),
    "abs": ("sign(a)",),
    **dict.fromkeys(("sign", "floor", "ceil", "heaviside"), ("0",)),
    "sigmoid": ("sigmoid(a)*sigmoid(-a)",),
    "relu": ("where(a > 0, 1, 0)",),
    "softplus": ("sigmoid(a)",),
    "erf": ("2/sqrt(pi)*exp(-a^2)",),
    "erfc": ("-2/sqrt(pi)*exp(-a^2)",),
    "gamma": ("gamma(a)*digamma(a)",),
    "lgamma": ("digamma(a)",),
    "digamma": ("polygamma(1, a)",),
    "factorial": ("gamma(a + 1)*digamma(a + 1)",),
    "max": ("where(a > b, 1, where(a < b, 0, 0.5))", "where(a < b, 1, where(a > b, 0, 0.5))"),
    "min": ("where(a < b, 1, where(a > b, 0, 0.5))", "where(a > b, 1, where(a < b, 0, 0.5))"),
    "pow": ("b*a^(b - 1)", "where(a == 0, 0, a^b*log(a))"),  # a^b log(a) tends to 0 with a
}

ZERO: Final = Number(0)
ONE: Final = Number(1)


@cache
def _rule(head: str) -> tuple[Node, ...]:
    return tuple(read(text, ("a", "b")).tree for text in RULES[head])


def partials(tree: Apply) -> tuple[Node, ...]:
    """The partial derivatives of a node with respect to its arguments.

    A condition's is 0; a `where` is not in this table, since its derivative chooses between derivatives.
    """
    head, args = tree.head, tree.args
    if head == "add":
        return (ONE,) * len(args)
    if head == "mul":
        return tuple(product(*args[:i], *args[i + 1 :]) for i in range(len(args)))
    if head == "pow":
        return _power_partials(*args)
    if head == "polygamma":
        order = int(constant(args[0]))
        return ZERO, Apply("polygamma", (Number(order + 1), args[1]))
    values = dict(zip("ab", args, strict=False))
    return tuple(substitute(rule, values) for rule in _rule(head))


def _power_partials(base: Node, exponent: Node) -> tuple[Node, Node]:
    if is_constant(exponent):
        match exponent:  # one less, exactly
            case Apply("div", (Number(int(p)), Number(int(q)))):
                less = Apply("div", (number(p - q), number(q))) if p >= q else None
                lowered = Apply("pow", (base, less or negated(Apply("div", (number(q - p), number(q))))))
            case _:
                lowered = raised(base, constant(exponent) - 1)
        return product(exponent, lowered), ZERO
    values = {"a": base, "b": exponent}
    if is_constant(base):  # e^b is its own derivative
        power = Apply("pow", (base, exponent))
        return ZERO, power if base == Constant("e") else product(power, Apply("log", (base,)))
    first, second = (substitute(rule, values) for rule in _rule("pow"))
    return first, second


def derivative(tree: Node, variable: str) -> Node:
    """The derivative with respect to a variable, by the chain rule; only products with 0 and 1 are simplified."""
    if variable not in names(tree):
        return ZERO
    if not isinstance(tree, Apply):
        return ONE
    if tree.head == "where":
        condition, yes, no = tree.args
        return Apply("where", (condition, derivative(yes, variable), derivative(no, variable)))
    inner = [derivative(arg, variable) for arg in tree.args]
    return total(*(product(outer, d) for outer, d in zip(partials(tree), inner, strict=True)))


def total(*terms: Node) -> Node:
    """A sum without zeros, flat."""
    flat = [t for term in terms for t in (term.args if isinstance(term, Apply) and term.head == "add" else (term,))]
    kept = tuple(term for term in flat if term != ZERO)
    return Apply("add", kept) if len(kept) > 1 else kept[0] if kept else ZERO


def product(*factors: Node) -> Node:
    """A product as one fraction: whole numbers and signs in front, no ones; 0 where a factor is 0."""
    coefficient, over, under = Fraction(1), list[Node](), list[Node]()
    stack = [(factor, True) for factor in reversed(factors)]
    while stack:
        node, above = stack.pop()
        match node:
            case Apply("neg", (inner,)):
                coefficient = -coefficient
                stack.append((inner, above))
            case Apply("mul", parts):
                stack.extend((part, above) for part in reversed(parts))
            case Apply("div", (numerator, denominator)):
                stack.extend(((denominator, not above), (numerator, above)))
            case Number(int(value)) if (value > 0 or above) and max(coefficient.as_integer_ratio()) * value < 2**53:
                coefficient *= Fraction(value) if above else Fraction(1, value)
            case _:
                (over if above else under).append(node)
    if coefficient == 0:
        return ZERO
    node = _times(abs(coefficient.numerator), over)
    if coefficient.denominator != 1 or under:
        node = Apply("div", (node, _times(coefficient.denominator, under)))
    return negated(node) if coefficient < 0 else node


def _times(coefficient: int, factors: list[Node]) -> Node:
    kept = [number(coefficient), *factors] if coefficient != 1 or not factors else factors
    return kept[0] if len(kept) == 1 else Apply("mul", tuple(kept))


def raised(base: Node, power: float) -> Node:
    """base^power for a plain number."""
    if power == 0:
        return ONE
    return base if power == 1 else Apply("pow", (base, number(power)))
