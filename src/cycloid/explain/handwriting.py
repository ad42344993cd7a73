"""Trees as a teacher writes them on the board: 3x², x·e^(−x), 1/(2√x). `formula` reads them back."""

from __future__ import annotations

from typing import Final

from cycloid.core.syntax import COMPARISONS, Apply, Constant, Node, Number, Variable
from cycloid.core.vocabulary import GREEK

# How tightly a printed piece holds together; a looser piece in a tighter place gets brackets.
_OR, _AND, _NOT, _COMPARE, _SUM, _PRODUCT, _POWER, _ATOM = range(8)

_RAISED: Final = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_LOWERED: Final = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_RELATIONS: Final = {**COMPARISONS, "le": "≤", "ge": "≥", "ne": "≠"}
_CONSTANTS: Final = {"pi": "π", "e": "e", "tau": "τ"}
_FUNCTIONS: Final = {
    "log": "ln",
    "asin": "arcsin",
    "acos": "arccos",
    "atan": "arctan",
    "asinh": "arsinh",
    "acosh": "arcosh",
    "atanh": "artanh",
    "gamma": "Γ",
}
_LETTERS: Final = {name: letter for letter, name in reversed(GREEK.items()) if name != "e"}


def written(tree: Node) -> str:
    """The tree in Unicode, as short as it can be read in one way.

    Example:
        >>> from cycloid.core.formulas import formula
        >>> written(formula("2*x*exp(-x) - x**2/sqrt(x+1)").tree)
        '2x·e^(−x) − x²/√(x + 1)'
    """
    return _write(tree)[0]


def bracketed(tree: Node) -> str:
    """The tree, in brackets where it is a sum or has a sign."""
    text, level = _write(tree)
    return text if level > _SUM else f"({text})"


def letter(name: str) -> str:
    """A variable's name: Greek ones by their letter, numbers behind an underscore lowered."""
    stem, _, index = name.partition("_")
    head = _LETTERS.get(stem, stem)
    if index.isdecimal():
        return head + index.translate(_LOWERED)
    return f"{head}_{index}" if index else head


def _write(node: Node) -> tuple[str, int]:
    match node:
        case Number(value):
            return _number(value)
        case Constant(name):
            return _CONSTANTS[name], _ATOM
        case Variable(name):
            return letter(name), _ATOM
        case Apply("add", args):
            return _sum(args), _SUM
        case Apply("neg", (arg,)):
            return f"−{_inside(arg, _PRODUCT)}", _SUM
        case Apply("mul", args):
            return _product(args), _PRODUCT
        case Apply("div", (over, under)):
            return f"{_inside(over, _PRODUCT)}/{_inside(under, _POWER)}", _PRODUCT
        case Apply("exp", (arg,)):
            return _power("e", arg), _POWER
        case Apply("pow", (base, exponent)):
            return _power(_inside(base, _ATOM), exponent), _POWER
        case Apply(head, args):
            return _application(head, args)


def _inside(node: Node, level: int) -> str:
    text, own = _write(node)
    return text if own >= level else f"({text})"


def _number(value: int | float) -> tuple[str, int]:
    text = repr(value)
    mantissa, _, exponent = text.partition("e")
    return (f"{mantissa}e{int(exponent)}" if exponent else text), _ATOM


def _sum(args: tuple[Node, ...]) -> str:
    text = ""
    for i, arg in enumerate(args):
        minus = isinstance(arg, Apply) and arg.head == "neg"
        term = arg.args[0] if minus and isinstance(arg, Apply) else arg
        sign = ("−" if minus else "") if i == 0 else (" − " if minus else " + ")
        text += sign + _inside(term, _PRODUCT)
    return text


def _product(args: tuple[Node, ...]) -> str:
    """Factors side by side: a number stands directly before what follows, a dot between the others."""
    text = ""
    for i, arg in enumerate(args):
        level = _PRODUCT if i == 0 and not (isinstance(arg, Apply) and arg.head in ("mul", "div")) else _POWER
        piece = _inside(arg, level)
        if i:
            number = i == 1 and isinstance(args[0], Number) and "e" not in repr(args[0].value)
            text += "" if number and (piece[0] in "√(" or isinstance(_base(arg), Variable | Constant)) else "·"
        text += piece
    return text


def _base(node: Node) -> Node:
    """What is raised in a power by a number; e^x is a function, not a power."""
    power = isinstance(node, Apply) and node.head == "pow" and node.args[0] != Constant("e")
    return node.args[0] if power and isinstance(node, Apply) else node


def _power(base: str, exponent: Node) -> str:
    whole = exponent.args[0] if isinstance(exponent, Apply) and exponent.head == "neg" else exponent
    if isinstance(whole, Number) and isinstance(whole.value, int) and base != "e":
        sign = "-" if whole is not exponent else ""
        return base + f"{sign}{whole.value}".translate(_RAISED)
    text, level = _write(exponent)
    return f"{base}^{text}" if level == _ATOM else f"{base}^({text})"


def _application(head: str, args: tuple[Node, ...]) -> tuple[str, int]:
    if head in ("sqrt", "cbrt"):
        sign = "√" if head == "sqrt" else "∛"
        simple = isinstance(args[0], Variable | Constant | Number)
        return sign + (_write(args[0])[0] if simple else f"({_write(args[0])[0]})"), _ATOM if not simple else _POWER
    if head == "abs":
        inner = _write(args[0])[0]
        return (f"abs({inner})" if "|" in inner or inner[0] in "−+" else f"|{inner}|"), _ATOM
    if head == "factorial":
        return f"{_inside(args[0], _ATOM)}!", _POWER
    if head in ("and", "or"):
        level = _AND if head == "and" else _OR
        return f" {head} ".join(_inside(arg, level + 1) for arg in args), level
    if head == "not":
        return f"not {_inside(args[0], _ATOM)}", _NOT
    if head in _RELATIONS:
        return f"{_inside(args[0], _SUM)} {_RELATIONS[head]} {_inside(args[1], _SUM)}", _COMPARE
    if head in ("max", "min"):
        args = _in_a_row(head, args)
    inner = ", ".join(_write(arg)[0] for arg in args)
    return f"{_FUNCTIONS.get(head, head)}({inner})", _ATOM


def _in_a_row(head: str, args: tuple[Node, ...]) -> tuple[Node, ...]:
    """The arguments of max(max(a, b), c)."""
    first = args[0]
    if isinstance(first, Apply) and first.head == head:
        return (*_in_a_row(head, first.args), args[1])
    return args
