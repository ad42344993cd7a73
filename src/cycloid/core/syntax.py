"""The tree of a formula: four kinds of frozen node, their measures and bounds, and the error that all of them raise.

A tree is made of `Number` (never negative), `Constant`, `Variable` and `Apply(head, args)`. Sums and products hold any
number of terms, a difference is a sum with a negated term, `max` and `min` take two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from cycloid.core.vocabulary import FUNCTIONS, INFINITE, RESERVED

COMPARISONS: Final = {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}
CONDITIONS: Final = frozenset({*COMPARISONS, "and", "or", "not"})

# How many arguments a head takes in a tree: (fewest, most).
ARITY: Final[dict[str, tuple[int, int | None]]] = {
    **FUNCTIONS,
    **dict.fromkeys(COMPARISONS, (2, 2)),
    **dict.fromkeys(("add", "mul", "and", "or"), (2, None)),
    **dict.fromkeys(("neg", "not", "log"), (1, 1)),
    **dict.fromkeys(("div", "pow", "mod", "max", "min"), (2, 2)),
}


@dataclass(frozen=True, slots=True)
class Number:
    """A non-negative finite number; an int where it is one."""

    value: int | float


@dataclass(frozen=True, slots=True)
class Constant:
    """π, e or τ, by name."""

    name: str


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable, by name."""

    name: str


@dataclass(frozen=True, slots=True)
class Apply:
    """An operation or a function, applied to its arguments."""

    head: str
    args: tuple[Node, ...]


Node: TypeAlias = Number | Constant | Variable | Apply


class FormulaError(ValueError):
    """A formula that cannot be read, or must not be: what is wrong, where, and what would be right.

    `column` counts the characters of `text` from 1, or is None where the fault is the formula as a whole.
    """

    def __init__(self, message: str, *, text: str | None = None, column: int | None = None, hint: str | None = None):
        self.message, self.text, self.column, self.hint = message, text, column, hint
        super().__init__(message)

    def __str__(self) -> str:
        place = "" if self.column is None else f" at column {self.column}"
        sentence = self.message + place + (f": {self.hint}" if self.hint else "")
        if self.text is None or self.column is None:
            return sentence
        start = max(0, self.column - 61)  # a window of one line round the fault
        shown = "".join(c if c.isprintable() else "�" for c in self.text[start : start + 80])
        return f"{sentence}\n    {shown}\n    {' ' * (self.column - 1 - start)}^"

    def __reduce__(self) -> tuple[Callable[..., FormulaError], tuple[Any, ...]]:
        return _rebuild_error, (self.message, self.text, self.column, self.hint)


def _rebuild_error(message: str, text: str | None, column: int | None, hint: str | None) -> FormulaError:
    return FormulaError(message, text=text, column=column, hint=hint)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a tree may measure. Typed formulas have the narrow bounds, results of algebra the wide ones."""

    nodes: int
    depth: int
    degree: float = 64  # total degree in the variables, and each constant exponent of a variable part
    digits: float = 5000  # of the exact integers that constants can grow to

    def check(self, tree: Node) -> None:
        """Raises FormulaError when the tree is larger than this."""
        if (nodes := count(tree)) > self.nodes:
            raise FormulaError(f"the formula has {nodes} parts and {self.nodes} are allowed", hint="split it in two")
        if (deep := depth(tree)) > self.depth:
            raise FormulaError(f"the formula is nested {deep} deep and {self.depth} is allowed", hint="split it in two")


TYPED: Final = Bounds(nodes=120, depth=24)
DERIVED: Final = Bounds(nodes=4000, depth=120, degree=10_000, digits=20_000)
MAX_CHARACTERS: Final = 200
MAX_VARIABLES: Final = 24
MAX_INTEGER_DIGITS: Final = 15


def number(value: int | float) -> Node:
    """A number as a node: whole floats become ints, a negative one is a negation."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 10**MAX_INTEGER_DIGITS:
        value = int(value)
    return Apply("neg", (Number(-value),)) if value < 0 else Number(value)


def walk(tree: Node) -> Iterator[Node]:
    """Every node, parents first, without recursion."""
    stack = [tree]
    while stack:
        node = stack.pop()
        yield node
        if isinstance(node, Apply):
            stack.extend(reversed(node.args))


def count(tree: Node) -> int:
    """Number of nodes."""
    return sum(1 for _ in walk(tree))


def depth(tree: Node) -> int:
    """Number of levels; a leaf has one."""
    level, deepest = [tree], 0
    while level:
        deepest += 1
        level = [child for node in level if isinstance(node, Apply) for child in node.args]
    return deepest


def names(tree: Node) -> frozenset[str]:
    """Names of the variables that occur."""
    return frozenset(node.name for node in walk(tree) if isinstance(node, Variable))


def is_constant(tree: Node) -> bool:
    """Whether no variable occurs."""
    return not any(isinstance(node, Variable) for node in walk(tree))


def is_condition(tree: Node) -> bool:
    """Whether the tree is true or false, not a number."""
    return isinstance(tree, Apply) and tree.head in CONDITIONS


def substitute(tree: Node, values: Mapping[str, Node]) -> Node:
    """The tree with variables replaced by trees, all at once."""
    if isinstance(tree, Variable):
        return values.get(tree.name, tree)
    if isinstance(tree, Apply):
        return Apply(tree.head, tuple(substitute(arg, values) for arg in tree.args))
    return tree


def expects_conditions(head: str, size: int) -> list[bool]:
    """Which arguments of a head are conditions."""
    if head == "where":
        return [True, False, False]
    return [head in ("and", "or", "not")] * size


def is_name(name: str) -> bool:
    """Whether a variable may bear this name: letters, digits and single underscores, no reserved word."""
    return (
        0 < len(name) <= 32
        and name.isascii()
        and name[0].isalpha()
        and name.isidentifier()
        and not name.endswith("_")
        and "__" not in name
        and name not in RESERVED
        and name not in INFINITE
    )
