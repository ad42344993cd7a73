"""Formulas as MathML, which browsers typeset themselves."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from cycloid.core.syntax import COMPARISONS, Apply, Constant, Node, Number, Variable
from cycloid.core.vocabulary import GREEK

_GREEK = {name: letter for letter, name in GREEK.items()}
_CONSTANTS = {"pi": "π", "e": "e", "tau": "τ"}
_RELATIONS = {**COMPARISONS, "le": "≤", "ge": "≥", "eq": "=", "ne": "≠"}

# How tightly a construction binds: brackets are drawn where a looser one stands inside a tighter one.
_LOOSE, _SUM, _PRODUCT, _PREFIX, _POWER, _ATOM = range(6)


def equation(name: str, variables: Sequence[str], tree: Node) -> list[str]:
    """``f(x, y) = …``, one MathML element for each term of the sum, so that a long formula breaks between them."""
    arguments = "<mo>,</mo>".join(_name(variable) for variable in variables)
    return _elements([_name(name), _bracket(arguments), "<mo>=</mo>"], tree)


def partial_equation(name: str, variable: str, tree: Node, *, only: bool) -> list[str]:
    """``∂f/∂x = …``, or ``df/dx = …`` when there is no other variable; one element for each term."""
    sign = "<mi>d</mi>" if only else "<mi>∂</mi>"
    fraction = f"<mfrac>{_row(sign, _name(name))}{_row(sign, _name(variable))}</mfrac>"
    return _elements([fraction, "<mo>=</mo>"], tree)


def _elements(start: list[str], tree: Node) -> list[str]:
    terms = _terms(tree.args) if isinstance(tree, Apply) and tree.head == "add" else [_draw(tree)[0]]
    rows = [_row(*start, terms[0]), *map(_row, terms[1:])]
    return [f'<math xmlns="http://www.w3.org/1998/Math/MathML">{row}</math>' for row in rows]


def _row(*parts: str) -> str:
    return f"<mrow>{''.join(parts)}</mrow>"


def _bracket(inner: str, left: str = "(", right: str = ")") -> str:
    return _row(f"<mo>{left}</mo>", inner, f"<mo>{right}</mo>")


def _name(name: str) -> str:
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
        return _row(f"<mn>{mantissa}</mn><mo>×</mo>{power}"), _PRODUCT
    return f"<mn>{text}</mn>", _ATOM


def _draw(node: Node) -> tuple[str, int]:
    """MathML of a tree, and how tightly it binds."""
    match node:
        case Number(value):
            return _number(value)
        case Constant(name):
            return f"<mi>{_CONSTANTS[name]}</mi>", _ATOM
        case Variable(name):
            return _name(name), _ATOM
        case Apply(head, args):
            return _DRAW.get(head, _call)(head, args)


def _inside(node: Node, least: int) -> str:
    """The node, in brackets when it binds less tightly than its place asks."""
    drawn, binding = _draw(node)
    return drawn if binding >= least else _bracket(drawn)


def _terms(args: tuple[Node, ...]) -> list[str]:
    """The terms of a sum, each with its sign."""
    terms: list[str] = []
    for k, term in enumerate(args):
        if isinstance(term, Apply) and term.head == "neg":
            terms.append(_row("<mo form='infix'>−</mo>" if k else "<mo>−</mo>", _inside(term.args[0], _PRODUCT)))
        elif k:
            terms.append(_row("<mo form='infix'>+</mo>", _inside(term, _PRODUCT)))
        else:
            terms.append(_inside(term, _SUM))
    return terms


def _sum(head: str, args: tuple[Node, ...]) -> tuple[str, int]:
    return _row(*_terms(args)), _SUM


def _product(head: str, args: tuple[Node, ...]) -> tuple[str, int]:
    parts: list[str] = []
    for k, factor in enumerate(args):
        if k and (_starts_with_digit(factor) or (head == "mul" and _ends_in_call(args[k - 1]))):
            parts.append("<mo>·</mo>")
        elif k:
            parts.append("<mo>&#8290;</mo>")
        parts.append(_inside(factor, _PRODUCT if k == 0 else _POWER))
    return _row(*parts), _PRODUCT


def _starts_with_digit(node: Node) -> bool:
    if isinstance(node, Apply) and node.head in {"pow", "mul"}:
        return _starts_with_digit(node.args[0])
    return isinstance(node, Number)


def _ends_in_call(node: Node) -> bool:
    return isinstance(node, Apply) and node.head not in _DRAW


def _negation(head: str, args: tuple[Node, ...]) -> tuple[str, int]:
    return _row("<mo>−</mo>", _inside(args[0], _PRODUCT)), _SUM


def _fraction(head: str, args: tuple[Node, ...]) -> tuple[str, int]:
    return f"<mfrac>{_draw(args[0])[0]}{_draw(args[1])[0]}</mfrac>", _POWER


def _power(head: str, args: tuple[Node, ...]) -> tuple[str, int]:
    base, exponent = args
    return f"<msup>{_inside(base, _ATOM)}{_draw(exponent)[0]}</msup>", _POWER


def _exponential(head: str, args: tuple[Node, ...]) -> tuple[str, int]:
    return f"<msup><mi>e</mi>{_draw(args[0])[0]}</msup>", _POWER


def _root(head: str, args: tuple[Node, ...]) -> tuple[str, int]:
    inner = _draw(args[0])[0]
    return (f"<msqrt>{inner}</msqrt>" if head == "sqrt" else f"<mroot>{_row(inner)}<mn>3</mn></mroot>"), _ATOM


def _absolute(head: str, args: tuple[Node, ...]) -> tuple[str, int]:
    return _bracket(_draw(args[0])[0], "|", "|"), _ATOM


def _rounding(head: str, args: tuple[Node, ...]) -> tuple[str, int]:
    left, right = ("⌊", "⌋") if head == "floor" else ("⌈", "⌉")
    return _bracket(_draw(args[0])[0], left, right), _ATOM


def _relation(head: str, args: tuple[Node, ...]) -> tuple[str, int]:
    sign = escape(_RELATIONS[head])
    return _row(_inside(args[0], _SUM), f"<mo>{sign}</mo>", _inside(args[1], _SUM)), _LOOSE


def _logic(head: str, args: tuple[Node, ...]) -> tuple[str, int]:
    drawn = [_inside(arg, _SUM) if head != "not" else _bracket(_draw(arg)[0]) for arg in args]
    if head == "not":
        return _row("<mtext>not&#160;</mtext>", drawn[0]), _LOOSE
    return _row(f"<mtext>&#160;{head}&#160;</mtext>".join(drawn)), _LOOSE


def _cases(head: str, args: tuple[Node, ...]) -> tuple[str, int]:
    condition, then, otherwise = (_draw(arg)[0] for arg in args)
    rows = "".join(
        f"<mtr><mtd>{value}</mtd><mtd>{when}</mtd></mtr>"
        for value, when in ((then, _row("<mtext>if&#160;</mtext>", condition)), (otherwise, "<mtext>otherwise</mtext>"))
    )
    return _row("<mo>{</mo>", f"<mtable>{rows}</mtable>"), _ATOM


def _call(head: str, args: tuple[Node, ...]) -> tuple[str, int]:
    names = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "gamma": "Γ", "lgamma": "ln Γ", "digamma": "ψ"}
    name = f"<mi>{names.get(head, head)}</mi>"
    inner = "<mo>,</mo>".join(_draw(arg)[0] for arg in args)
    return _row(name, "<mo>&#8289;</mo>", _bracket(inner)), _POWER


_DRAW = {
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
