"""From the Python syntax of a formula to its tree: a whitelist of syntax nodes, each with its bounds checked."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

from cycloid.core.growth import check_growth
from cycloid.core.notation import refuse
from cycloid.core.spelling import Spelling, spell
from cycloid.core.syntax import (
    TYPED,
    Apply,
    Constant,
    FormulaError,
    Node,
    Number,
    Variable,
    expects_conditions,
    is_condition,
    number,
)
from cycloid.core.vocabulary import CONSTANTS

_COMPARE: Final[dict[type[ast.cmpop], str]] = {
    ast.Lt: "lt",
    ast.LtE: "le",
    ast.Gt: "gt",
    ast.GtE: "ge",
    ast.Eq: "eq",
    ast.NotEq: "ne",
}


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text says: its tree, and the name and variables of its header where it has one."""

    tree: Node
    name: str | None
    variables: tuple[str, ...] | None


def read(text: str, variables: Sequence[str] | None = None) -> Reading:
    """The tree of a formula.

    Raises:
        FormulaError: with the column of the fault and what would be right.
    """
    spelling = spell(text, variables)
    try:
        parsed = ast.parse(spelling.source.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        offset = (getattr(error, "offset", None) or 1) - 1
        column = spelling.columns[min(offset, len(spelling.columns) - 1)]
        refuse(text, column, "the formula cannot be read", "write operators and brackets out, as in 2*(x+1)")
    tree = _Reader(text, spelling).node(parsed, 1)
    if is_condition(tree):
        raise FormulaError(
            "the formula is a condition, not a number", text=text, column=1, hint="write where(x > 0, 1, 0)"
        )
    TYPED.check(tree)
    return Reading(tree, spelling.name, spelling.variables)


class _Reader:
    """Turns whitelisted syntax into tree nodes; every other kind of syntax is refused."""

    def __init__(self, text: str, spelling: Spelling):
        self.text, self.columns = text, spelling.columns
        self.shift = len(spelling.source) - len(spelling.source.lstrip())

    def refuse(self, place: ast.expr, message: str, hint: str | None = None) -> NoReturn:
        column = self.columns[min(place.col_offset + self.shift, len(self.columns) - 1)]
        refuse(self.text, column, message, hint)

    def node(self, syntax: ast.expr, level: int) -> Node:
        """The tree node of an expression, its bounds checked."""
        if level > 2 * TYPED.depth:
            self.refuse(syntax, f"the formula is nested more than {TYPED.depth} deep", "split it in two")
        match syntax:
            case ast.Constant(value=value) if type(value) is int or type(value) is float:
                return number(value)
            case ast.Name(id=name) if name.startswith("v_"):
                return Variable(name[2:])
            case ast.Name(id=name) if name.startswith("c_") and name[2:] in CONSTANTS:
                return Constant(name[2:])
            case ast.UnaryOp():
                return self._unary(syntax, level)
            case ast.BinOp(op=ast.Add() | ast.Sub()):
                return self._sum(syntax, level)
            case ast.BinOp(op=ast.Mult() | ast.Div()):
                return self._product(syntax, level)
            case ast.BinOp(op=ast.Pow() | ast.Mod()):
                head = "pow" if isinstance(syntax.op, ast.Pow) else "mod"
                return self._apply(syntax, head, [syntax.left, syntax.right], level)
            case ast.Compare():
                return self._comparison(syntax, level)
            case ast.BoolOp():
                return self._apply(syntax, "and" if isinstance(syntax.op, ast.And) else "or", syntax.values, level)
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name.startswith("f_"):
                return self._function(syntax, name[2:], args, level)
            case _:
                return self.refuse(syntax, "this does not belong in a formula", "write numbers, names, operators")

    def _apply(self, place: ast.expr, head: str, args: Sequence[ast.expr], level: int) -> Node:
        return self._built(place, head, [self.node(arg, level + 1) for arg in args], args)

    def _built(self, place: ast.expr, head: str, args: Sequence[Node], places: Sequence[ast.expr] = ()) -> Node:
        """Apply(head, args), when its arguments are of the right sort and its bounds hold."""
        for i, (arg, wanted) in enumerate(zip(args, expects_conditions(head, len(args)), strict=True)):
            if is_condition(arg) != wanted:
                where = places[i] if places else place
                if wanted:
                    self.refuse(where, "a number stands where a condition is needed", "compare it, as in x > 0")
                self.refuse(where, "a condition stands where a number is needed", "write where(x > 0, 1, 0)")
        tree = Apply(head, tuple(args))
        try:
            check_growth(tree, TYPED)
        except FormulaError as error:
            self.refuse(place, error.message, error.hint)
        return tree

    def _unary(self, syntax: ast.UnaryOp, level: int) -> Node:
        operand: ast.expr = syntax
        signs = 0
        while isinstance(operand, ast.UnaryOp) and isinstance(operand.op, ast.UAdd | ast.USub):
            signs += isinstance(operand.op, ast.USub)
            operand = operand.operand
        if operand is syntax:
            return self._apply(syntax, "not", [syntax.operand], level)
        node = self.node(operand, level + 1)
        if is_condition(node):
            self.refuse(syntax, "a condition stands where a number is needed", "write where(x > 0, 1, 0)")
        return negated(node) if signs % 2 else node

    def _sum(self, syntax: ast.BinOp, level: int) -> Node:
        left: ast.expr = syntax
        terms: list[Node] = []
        while isinstance(left, ast.BinOp) and isinstance(left.op, ast.Add | ast.Sub):
            term = self.node(left.right, level + 1)
            terms.append(negated(term) if isinstance(left.op, ast.Sub) else term)
            left = left.left
        terms.extend(reversed(_parts(self.node(left, level + 1), "add")))
        return self._built(syntax, "add", terms[::-1])

    def _product(self, syntax: ast.BinOp, level: int) -> Node:
        left: ast.expr = syntax
        parts: list[tuple[ast.operator, Node]] = []
        while isinstance(left, ast.BinOp) and isinstance(left.op, ast.Mult | ast.Div):
            parts.append((left.op, self.node(left.right, level + 1)))
            left = left.left
        first = self.node(left, level + 1)
        minus = isinstance(first, Apply) and first.head == "neg"
        factors = _parts(first.args[0] if isinstance(first, Apply) and minus else first, "mul")
        for op, part in reversed(parts):
            if isinstance(op, ast.Mult):
                factors.append(part)
            else:
                whole = factors[0] if len(factors) == 1 else self._built(syntax, "mul", factors)
                factors = [self._built(syntax, "div", [whole, part])]
        node = factors[0] if len(factors) == 1 else self._built(syntax, "mul", factors)
        return negated(node) if minus else node

    def _comparison(self, syntax: ast.Compare, level: int) -> Node:
        sides = [self.node(side, level + 1) for side in (syntax.left, *syntax.comparators)]
        heads = [_COMPARE.get(type(op), "") for op in syntax.ops]
        if "" in heads:
            self.refuse(syntax, "this does not belong in a formula", "compare by < <= > >= == !=")
        pairs = [self._built(syntax, head, pair) for head, pair in zip(heads, itertools.pairwise(sides), strict=True)]
        return pairs[0] if len(pairs) == 1 else self._built(syntax, "and", pairs)

    def _function(self, syntax: ast.Call, name: str, args: Sequence[ast.expr], level: int) -> Node:
        nodes = [self.node(arg, level + 1) for arg in args]
        if name in ("max", "min"):
            node = nodes[0]
            for other in nodes[1:]:
                node = self._built(syntax, name, [node, other])
            return node
        if name == "log" and len(nodes) == 2:  # to a base
            logs = [self._built(syntax, "log", [node]) for node in nodes]
            return self._built(syntax, "div", logs)
        if name == "polygamma" and not (isinstance(nodes[0], Number) and nodes[0].value in range(21)):
            self.refuse(syntax, "the order of polygamma must be a whole number", "write polygamma(1, x)")
        return self._built(syntax, name, nodes, args)


def _parts(node: Node, head: str) -> list[Node]:
    """The terms of a sum or the factors of a product, else the node alone."""
    return [*node.args] if isinstance(node, Apply) and node.head == head else [node]


def negated(node: Node) -> Node:
    """Minus the node; minus minus is nothing."""
    if isinstance(node, Apply) and node.head == "neg":
        return node.args[0]
    return Apply("neg", (node,))
