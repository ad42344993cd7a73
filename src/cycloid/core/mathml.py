"""Formulas as MathML, which browsers typeset themselves."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Final

from cycloid.core.syntax import COMPARISONS, Apply, Constant, Node, Number, Variable
from cycloid.core.vocabulary import GREEK

_GREEK: Final = {name: letter for letter, name in GREEK.items()}
_CONSTANTS: Final = {"pi": "π", "e": "e", "tau": "τ"}
_RELATIONS: Final = {**COMPARISONS, "le": "≤", "ge": "≥", "eq": "=", "ne": "≠"}

# How tightly a construction binds: brackets are drawn where a looser one stands inside a tighter one.
_LOOSE, _SUM, _PRODUCT, _PREFIX, _POWER, _ATOM = range(6)


def drawn(tree: Node) -> str:
    """The MathML of a tree, to stand inside a `math` element."""
    return _draw(tree)[0]


def summands(tree: Node) -> list[str]:
    """The terms of a sum, each with its sign; of another tree the whole."""
    return _terms(tree.args) if isinstance(tree, Apply) and tree.head == "add" else [drawn(tree)]


def row(*parts: str) -> str:
    """Parts side by side, as one."""
    return f"<mrow>{''.join(parts)}</mrow>"


def bracket(inner: str, left: str = "(", right: str = ")") -> str:
    """The part in brackets that grow with it."""
    return row(f"<mo>{left}</mo>", inner, f"<mo>{right}</mo>")


def name_of(name: str) -> str:
    """A variable: Greek by its letter, a trailing number as a subscript."""
    stem = name.rstrip("0123456789").rstrip("_")
    index = name[len(stem) :].lstrip("_")
    if not index and "_" in name:
        stem, index = name.split("_", 1)
    letter = f"<mi>{escape(_GREEK.get(stem, stem))}</mi>"
    return f"<msub>{letter}<mtext>{escape(index)}</mtext></msub>" if index else letter


def _number(value: int | float) -> tuple[str, int]:
    text = repr(value)
    if "e" in text:
        mantissa, exponent = text.split("e")
        power = f"<msup><mn>10</mn><mn>{int(exponent)}</mn></msup>".replace("-", "−")
        return row(f"<mn>{mantissa}</mn><mo>×</mo>{power}"), _PRODUCT
    return f"<mn>{text}</mn>", _ATOM


def _draw(node: Node) -> tuple[str, int]:
    """MathML of a tree, and how tightly it binds."""
    match node:
        case Number(value):
            return _number(value)
        case Constant(name):
            return f"<mi>{_CONSTANTS[name]}</mi>", _ATOM
        case Variable(name):
            return name_of(name), _ATOM
        case Apply(head, args):
            return _DRAW.get(head, _call)(head, args)


def _inside(node: Node, least: int) -> str:
    """The node, in brackets when it binds less tightly than its place asks."""
    drawn, binding = _draw(node)
    return drawn if binding >= least else bracket(drawn)


def _terms(args: tuple[Node, ...]) -> list[str]:
    """The terms of a sum, each with its sign."""
    terms: list[str] = []
    for k, term in enumerate(args):
        if isinstance(term, Apply) and term.head == "neg":
            terms.append(row("<mo form='infix'>−</mo>" if k else "<mo>−</mo>", _inside(term.args[0], _PRODUCT)))
        elif k:
            terms.append(row("<mo form='infix'>+</mo>", _inside(term, _PRODUCT)))
        else:
            terms.append(_inside(term, _SUM))
    return terms


def _sum(head: str, args: tuple[Node, ...]) -> tuple[str, int]:
    return row(*_terms(args)), _SUM


def _product(head: str, args: tuple[Node, ...]) -> tuple[str, int]:
    parts: list[str] = []
    for k, factor in enumerate(args):
        if k and (_starts_with_digit(factor) or (head == "mul" and _ends_in_call(args[k - 1]))):
            parts.append("<mo>·</mo>")
        elif k:
            parts.append("<mo>&#8290;</mo>")
        parts.append(_inside(factor, _PRODUCT if k == 0 else _POWER))
    return row(*parts), _PRODUCT


def _starts_with_digit(node: Node) -> bool:
    if isinstance(node, Apply) and node.head in {"pow", "mul"}:
        return _starts_with_digit(node.args[0])
    return isinstance(node, Number)


def _ends_in_call(node: Node) -> bool:
    return isinstance(node, Apply) and node.head not in _DRAW


def _negation(head: str, args: tuple[Node, ...]) -> tuple[str, int]:
    return row("<mo>−</mo>", _inside(args[0], _PRODUCT)), _SUM


def _fraction(head: str, args: tuple[Node, ...]) -> tuple[str, int]:
    return f"<mfrac>{_draw(args[0])[0]}{_draw(args[1])[0]}</mfrac>", _POWER


def _power(head: str, args: tuple[Node, ...]) -> tuple[str, int]:
    base, exponent = args
    return f"<msup>{_inside(base, _ATOM)}{_draw(exponent)[0]}</msup>", _POWER


def _exponential(head: str, args: tuple[Node, ...]) -> tuple[str, int]:
    return f"<msup><mi>e</mi>{_draw(args[0])[0]}</msup>", _POWER


def _root(head: str, args: tuple[Node, ...]) -> tuple[str, int]:
    inner = _draw(args[0])[0]
    return (f"<msqrt>{inner}</msqrt>" if head == "sqrt" else f"<mroot>{row(inner)}<mn>3</mn></mroot>"), _ATOM


def _absolute(head: str, args: tuple[Node, ...]) -> tuple[str, int]:
    return bracket(_draw(args[0])[0], "|", "|"), _ATOM


def _rounding(head: str, args: tuple[Node, ...]) -> tuple[str, int]:
    left, right = ("⌊", "⌋") if head == "floor" else ("⌈", "⌉")
    return bracket(_draw(args[0])[0], left, right), _ATOM


def _relation(head: str, args: tuple[Node, ...]) -> tuple[str, int]:
    sign = escape(_RELATIONS[head])
    return row(_inside(args[0], _SUM), f"<mo>{sign}</mo>", _inside(args[1], _SUM)), _LOOSE


def _logic(head: str, args: tuple[Node, ...]) -> tuple[str, int]:
    drawn = [_inside(arg, _SUM) if head != "not" else bracket(_draw(arg)[0]) for arg in args]
    if head == "not":
        return row("<mtext>not&#160;</mtext>", drawn[0]), _LOOSE
    return row(f"<mtext>&#160;{head}&#160;</mtext>".join(drawn)), _LOOSE


def _cases(head: str, args: tuple[Node, ...]) -> tuple[str, int]:
    condition, then, otherwise = (_draw(arg)[0] for arg in args)
    rows = "".join(
        f"<mtr><mtd>{value}</mtd><mtd>{when}</mtd></mtr>"
        for value, when in ((then, row("<mtext>if&#160;</mtext>", condition)), (otherwise, "<mtext>otherwise</mtext>"))
    )
    return row("<mo>{</mo>", f"<mtable>{rows}</mtable>"), _ATOM


def _call(head: str, args: tuple[Node, ...]) -> tuple[str, int]:
    names = {
        "log": "ln",
        "asin": "arcsin",
        "acos": "arccos",
        "atan": "arctan",
        "gamma": "Γ",
        "lgamma": "ln Γ",
        "digamma": "ψ",
    }
    name = f"<mi>{names.get(head, head)}</mi>"
    inner = "<mo>,</mo>".join(_draw(arg)[0] for arg in args)
    return row(name, "<mo>&#8289;</mo>", bracket(inner)), _POWER


_DRAW: Final[dict[str, Callable[[str, tuple[Node, ...]], tuple[str, int]]]] = {
    "add": _sum,
    "mul": _product,
    "neg": _negation,
    "div": _fraction,
    "pow": _power,
    "exp": _exponential,
    "sqrt": _root,
    "cbrt": _root,
    "abs": _absolute,
    "floor": _rounding,
    "ceil": _rounding,
    "where": _cases,
    **dict.fromkeys(COMPARISONS, _relation),
    **dict.fromkeys(("and", "or", "not"), _logic),
}
