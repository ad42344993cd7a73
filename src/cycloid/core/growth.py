"""How large the numbers and powers of a tree can grow: measured before anything is computed."""

from __future__ import annotations

from cycloid.core.arithmetic import constant
from cycloid.core.syntax import Apply, Bounds, FormulaError, Node, Number, Variable, is_condition, is_constant


def check_growth(tree: Apply, bounds: Bounds) -> None:
    """Refuses a node whose degree, constant exponent, constant value or exact integers would grow out of bounds.

    Raises:
        FormulaError: without a column; the reader adds it.
    """
    if is_condition(tree):
        return
    if tree.head == "pow" and is_constant(tree.args[1]):
        exponent = constant(tree.args[1])
        if not is_constant(tree.args[0]) and abs(exponent) > bounds.degree:
            raise FormulaError(
                f"the exponent {exponent:g} is larger than {bounds.degree:g}", hint="use a smaller exponent, or exp"
            )
    if tree.head in ("div", "mod") and is_constant(tree.args[1]) and constant(tree.args[1]) == 0:
        raise FormulaError("the formula divides by zero", hint="write a divisor other than 0")
    if is_constant(tree):
        constant(tree)
    if (total := degree(tree)) > bounds.degree:
        raise FormulaError(f"the total degree {total:g} is larger than {bounds.degree:g}", hint="use smaller exponents")
    if digits(tree) > bounds.digits:
        raise FormulaError("the constants are too long to compute exactly", hint="use smaller exponents")


def degree(tree: Node) -> float:
    """The degree in all variables together; a function counts as its argument."""
    match tree:
        case Variable():
            return 1.0
        case Apply("mul" | "div" | "mod", args):
            return sum(map(degree, args))
        case Apply("pow", (base, exponent)) if is_constant(exponent):
            return degree(base) * max(1.0, abs(constant(exponent)))
        case Apply("pow", (base, exponent)):
            return degree(base) + degree(exponent)
        case Apply(_, args):
            return max(map(degree, args))
        case _:
            return 0.0


def digits(tree: Node) -> float:
    """A bound for the digits of the integers that exact arithmetic would make of the constants."""
    match tree:
        case Number(value):
            return float(len(repr(value)))
        case Apply("pow", (base, exponent)) if is_constant(exponent):
            return (digits(base) if is_constant(base) else 1.0) * max(1.0, abs(constant(exponent)))
        case Apply("factorial" | "gamma", (arg,)) if is_constant(arg):
            return 400.0
        case Apply("add" | "mul" | "div" | "neg" | "mod", args):
            return sum(map(digits, args))
        case Apply(_, args):
            return max(map(digits, args))
        case _:
            return 1.0
