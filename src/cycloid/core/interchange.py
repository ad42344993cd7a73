"""Trees as JSON data, for storage and for other processes; whatever comes back is checked like typed text."""

from __future__ import annotations

from typing import Any, TypeAlias, cast

from cycloid.core.growth import check_growth
from cycloid.core.syntax import (
    ARITY,
    DERIVED,
    Apply,
    Bounds,
    Constant,
    FormulaError,
    Node,
    Number,
    Variable,
    expects_conditions,
    is_condition,
    is_name,
    walk,
)
from cycloid.core.vocabulary import CONSTANTS

Data: TypeAlias = Any  # JSON: numbers, strings, lists


def to_data(tree: Node) -> Data:
    """The tree as JSON: a number, a name, or [head, argument, ...]; a constant is ["constant", name]."""
    match tree:
        case Number(value):
            return value
        case Variable(name):
            return name
        case Constant(name):
            return ["constant", name]
        case Apply(head, args):
            return [head, *map(to_data, args)]


def from_data(data: Data, bounds: Bounds = DERIVED) -> Node:
    """The tree that `to_data` wrote.

    Raises:
        FormulaError: when the data holds anything else, or a tree out of bounds.
    """
    tree = _from_data(data, bounds.depth)
    bounds.check(tree)
    for node in reversed([*walk(tree)]):
        if isinstance(node, Apply) and (node is tree or node.head in ("pow", "div", "mod")):
            check_growth(node, bounds)
    return tree


def _from_data(data: Data, levels: int) -> Node:
    if levels == 0:
        raise FormulaError("the stored formula is nested too deep")
    if type(data) in (int, float) and 0 <= data < float("inf"):
        return Number(data)
    if isinstance(data, str) and is_name(data):
        return Variable(data)
    if isinstance(data, list) and data and isinstance(data[0], str):
        head, args = data[0], cast("list[Any]", data[1:])
        if head == "constant" and len(args) == 1 and isinstance(args[0], str) and args[0] in CONSTANTS:
            return Constant(args[0])
        fewest, most = ARITY.get(head, (1, 0))
        if fewest <= len(args) and (most is None or len(args) <= most):
            nodes = tuple(_from_data(arg, levels - 1) for arg in args)
            if [is_condition(node) for node in nodes] == expects_conditions(head, len(nodes)):
                return Apply(head, nodes)
    raise FormulaError(f"not the data of a formula: {type(data).__name__} {_beginning(data)}")


def _beginning(data: Data) -> str:
    return repr(data)[:60] if isinstance(data, str | int | float) else "with other parts"
