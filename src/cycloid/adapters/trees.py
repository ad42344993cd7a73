"""A formula's tree computed with the operations of any framework: its nodes are looked up, nothing is evaluated."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cycloid.core.arithmetic import constant
from cycloid.core.syntax import Apply, Node, Variable, is_condition, is_constant

Operations = Mapping[str, Callable[..., Any]]


def of_vector(trees: Sequence[Node], variables: Sequence[str], operations: Operations, is_scalar: bool) -> Any:
    """The trees as a function of one vector of the variables: a number, or a vector of them.

    Args:
        trees: of the formulas.
        variables: in the order of the vector.
        operations: by the heads of the trees; "stack" joins numbers to a vector, "like" makes a tensor of a constant.
        is_scalar: whether there is one tree, whose value is a number.
    """

    def function(x: Any) -> Any:
        values = {name: x[i] for i, name in enumerate(variables)}
        made = [operations["like"](evaluate(tree, values, operations), x) for tree in trees]
        return made[0] if is_scalar else operations["stack"](made)

    return function


def evaluate(tree: Node, values: Mapping[str, Any], operations: Operations) -> Any:
    """The value of a tree; a Python number or truth value where it has no variables."""
    if is_constant(tree):
        return bool(constant(tree)) if is_condition(tree) else constant(tree)
    match tree:
        case Variable(name):
            return values[name]
        case Apply("pow", (base, exponent)) if is_constant(exponent):
            return _power(evaluate(base, values, operations), constant(exponent), operations)
        case Apply("polygamma", (order, arg)):
            return operations["polygamma"](int(constant(order)), evaluate(arg, values, operations))
        case Apply(head, args):
            parts = [evaluate(arg, values, operations) for arg in args]
            if head in ("add", "mul", "and", "or"):
                return functools.reduce(operations[head], parts)
            some = next(iter(values.values()))
            parts = [part if _is_tensor(part) else operations["like"](part, some) for part in parts]
            return operations[head](*parts)
    raise AssertionError("a leaf is a number, a constant or a variable")


def _power(base: Any, exponent: float, operations: Operations) -> Any:
    """An integer power as a product, whose derivatives at 0 are finite; a root as a root."""
    if exponent.is_integer() and abs(exponent) <= 64:
        value = functools.reduce(operations["mul"], [base] * int(abs(exponent))) if exponent else base * 0.0 + 1.0
        return value if exponent >= 0 else 1.0 / value
    return operations["sqrt"](base) if exponent == 0.5 else operations["power"](base, exponent)


def _is_tensor(part: Any) -> bool:
    return not isinstance(part, bool | int | float)
