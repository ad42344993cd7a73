"""Trees printed for people: text that the reader takes back unchanged, and LaTeX."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from cycloid.core.syntax import COMPARISONS, Apply, Constant, Node, Number, Variable, names
from cycloid.core.vocabulary import ALIASES, GREEK

# How tightly a printed piece holds together; a looser piece in a tighter place gets brackets.
_OR, _AND, _NOT, _COMPARE, _SUM, _PRODUCT, _POWER, _ATOM = range(8)
_LEVELS: Final = {
    **dict.fromkeys(COMPARISONS, _COMPARE),
    "or": _OR,
    "and": _AND,
    "not": _NOT,
    "add": _SUM,
    "neg": _SUM,
    "mul": _PRODUCT,
    "div": _PRODUCT,
    "pow": _POWER,
}


def _level(node: Node) -> int:
    return _LEVELS.get(node.head, _ATOM) if isinstance(node, Apply) else _ATOM


# -- text ------------------------------------------------------------------------------------------------------------


def as_text(tree: Node, variables: Iterable[str] = ()) -> str:
    """The tree in the notation that formulas are typed in; reading it with these variables gives the tree back."""
    return _Text(frozenset(variables) | names(tree)).print(tree)


class _Text:
    """Prints trees; a function or constant that bears a variable's name is called by another of its names."""

    def __init__(self, taken: frozenset[str]):
        self.taken = taken

    def print(self, tree: Node) -> str:
        match tree:
            case Number(value):
                return repr(value)
            case Variable(name):
                return name
            case Constant(name):
                return _INSTEAD[name] if name in self.taken else name
            case Apply("add", args):
                return _signed(args, lambda arg: self.bracketed(arg, _PRODUCT))
            case Apply("neg", (arg,)):
                return "-" + self.bracketed(arg, _PRODUCT)
            case Apply("mul", (first, *others)):
                return "*".join([self.bracketed(first, _PRODUCT), *(self.bracketed(o, _POWER) for o in others)])
            case Apply("div", (over, under)):
                return f"{self.bracketed(over, _PRODUCT)}/{self.bracketed(under, _POWER)}"
            case Apply("pow", (base, exponent)):
                raised = "(1)" if exponent == Number(1) else self.bracketed(exponent, _POWER)  # x**1/2 is not read
                return f"{self.bracketed(base, _ATOM)}**{raised}"
            case Apply("and" | "or" as head, args):
                return f" {head} ".join(self.bracketed(arg, _NOT) for arg in args)
            case Apply("not", (arg,)):
                return f"not {self.bracketed(arg, _COMPARE)}"
            case Apply(head, (left, right)) if head in COMPARISONS:
                return f"{self.print(left)} {COMPARISONS[head]} {self.print(right)}"
            case Apply(head, args):
                called = next((name for name in [head, *_OTHER_NAMES.get(head, ())] if name not in self.taken), head)
                return f"{called}({', '.join(map(self.print, _unfolded(tree, head, args)))})"

    def bracketed(self, node: Node, level: int) -> str:
        return self.print(node) if _level(node) >= level else f"({self.print(node)})"


_INSTEAD: Final = {"e": "exp(1)", "pi": "acos(-1)", "tau": "(2*acos(-1))"}
_OTHER_NAMES: Final = {head: [name for name, of in ALIASES.items() if of == head] for head in ALIASES.values()}


def _signed(terms: Sequence[Node], print_term: Callable[[Node], str]) -> str:
    """Terms joined by their signs."""
    text = ""
    for i, term in enumerate(terms):
        minus = isinstance(term, Apply) and term.head == "neg"
        sign = ("-" if minus else "") if i == 0 else (" - " if minus else " + ")
        text += sign + print_term(term.args[0] if minus and isinstance(term, Apply) else term)
    return text


def _unfolded(tree: Apply, head: str, args: tuple[Node, ...]) -> list[Node]:
    """The arguments of max(max(a, b), c) in a row."""
    first = args[0]
    if head in ("max", "min") and isinstance(first, Apply) and first.head == head:
        return [*_unfolded(first, head, first.args), args[1]]
    return list(args)


# -- LaTeX -----------------------------------------------------------------------------------------------------------

_LATEX_NAMES: Final = {
    **{name: rf"\{name}" for name in ("sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh", "max", "min")},
    **{f"a{name}": rf"\arc{name}" for name in ("sin", "cos", "tan")},
    **{f"a{name}": rf"\operatorname{{ar{name}}}" for name in ("sinh", "cosh", "tanh")},
    **{name: rf"\operatorname{{{name}}}" for name in ("erf", "erfc", "sign", "atan2", "softplus")},
    "log": r"\ln",
    "log2": r"\log_{2}",
    "log10": r"\log_{10}",
    "relu": r"\operatorname{ReLU}",
    "sigmoid": r"\sigma",
    "heaviside": r"\Theta",
    "gamma": r"\Gamma",
    "lgamma": r"\ln\Gamma",
    "digamma": r"\psi",
}
_LATEX_FENCES: Final = {
    "abs": (r"\left|", r"\right|"),
    "floor": (r"\left\lfloor ", r"\right\rfloor "),
    "ceil": (r"\left\lceil ", r"\right\rceil "),
}
_LATEX_COMPARE: Final = {"lt": "<", "le": r"\le", "gt": ">", "ge": r"\ge", "eq": "=", "ne": r"\ne"}
# Letters that LaTeX has no command for look like Latin ones.
_LATIN_LOOKING: Final = {"omicron", "Alpha", "Beta"}


def as_latex(tree: Node) -> str:
    """The tree in LaTeX's mathematical mode."""
    match tree:
        case Number(value):
            return _latex_number(value)
        case Constant(name):
            return "e" if name == "e" else rf"\{name}"
        case Variable(name):
            return latex_name(name)
        case Apply("add", args):
            return _signed(args, lambda arg: _fenced(arg, _PRODUCT))
        case Apply("neg", (arg,)):
            return "-" + _fenced(arg, _PRODUCT)
        case Apply("mul", args):
            return _latex_product(args)
        case Apply("div", (over, under)):
            return rf"\frac{{{as_latex(over)}}}{{{as_latex(under)}}}"
        case Apply("pow", (base, exponent)):
            return _latex_power(base, exponent)
        case Apply("and" | "or" as head, args):
            return rf" \{'land' if head == 'and' else 'lor'} ".join(_fenced(arg, _NOT) for arg in args)
        case Apply("not", (arg,)):
            return rf"\lnot {_fenced(arg, _ATOM)}"
        case Apply(head, (left, right)) if head in _LATEX_COMPARE:
            return f"{as_latex(left)} {_LATEX_COMPARE[head]} {as_latex(right)}"
        case Apply(head, args):
            return _latex_function(tree, head, args)


def _fenced(node: Node, level: int) -> str:
    return as_latex(node) if _level(node) >= level else rf"\left({as_latex(node)}\right)"


def _latex_number(value: int | float) -> str:
    digits = re.sub(r"\.0(?=e|$)", "", repr(value))
    if "e" not in digits:
        return digits
    mantissa, exponent = digits.split("e")
    power = f"10^{{{int(exponent)}}}"
    return power if mantissa == "1" else rf"{mantissa} \cdot {power}"


def latex_name(name: str) -> str:
    """A variable's name in LaTeX: Greek letters, subscripts, upright words."""
    head, _, below = name.partition("_")
    if not below and (match := re.fullmatch(r"([A-Za-z]|[a-z]+?)([0-9]+)", name)) and match[1] not in ("log", "atan"):
        head, below = match[1], match[2]
    if head == "lam" or head == "Lam":
        letter = r"\lambda" if head == "lam" else r"\Lambda"
    elif head in GREEK.values() and head not in _LATIN_LOOKING and head != "e":
        letter = rf"\{head}"
    else:
        letter = head if len(head) == 1 else rf"\mathrm{{{head}}}"
    if not below:
        return letter
    return rf"{letter}_{{{below if below.isdecimal() else latex_name(below)}}}"


def _latex_product(factors: tuple[Node, ...]) -> str:
    """Factors side by side, with a dot where two numbers would run together."""
    text = ""
    for i, factor in enumerate(factors):
        piece = _fenced(factor, _PRODUCT)
        if isinstance(factor, Apply) and factor.head == "mul":
            piece = rf"\left({piece}\right)"
        if i:
            text += r" \cdot " if piece[0].isdigit() or r"\cdot" in piece else " "
        text += piece
    return text


def _latex_power(base: Node, exponent: Node) -> str:
    raised = f"^{{{as_latex(exponent)}}}"
    if isinstance(base, Apply) and base.head in _LATEX_NAMES and isinstance(exponent, Number):
        argument = ", ".join(map(as_latex, _unfolded(base, base.head, base.args)))
        if base.head not in ("log2", "log10", "lgamma"):
            return rf"{_LATEX_NAMES[base.head]}{raised}\left({argument}\right)"
    simple = isinstance(base, Constant | Variable) or (isinstance(base, Number) and "e" not in repr(base.value))
    fence = isinstance(base, Apply) and base.head in _LATEX_FENCES
    return (as_latex(base) if simple or fence else rf"\left({as_latex(base)}\right)") + raised


def _latex_function(tree: Apply, head: str, args: tuple[Node, ...]) -> str:
    inside = [as_latex(arg) for arg in _unfolded(tree, head, args)]
    if head == "exp":
        return f"e^{{{inside[0]}}}"
    if head in ("sqrt", "cbrt"):
        return rf"\sqrt{'[3]' if head == 'cbrt' else ''}{{{inside[0]}}}"
    if head in _LATEX_FENCES:
        return inside[0].join(_LATEX_FENCES[head])
    if head == "factorial":
        return _fenced(args[0], _ATOM) + "!"
    if head == "mod":
        return rf"\left({_fenced(args[0], _PRODUCT)} \bmod {_fenced(args[1], _POWER)}\right)"
    if head == "polygamma":
        return rf"\psi^{{({inside[0]})}}\left({inside[1]}\right)"
    if head == "where":
        return (
            rf"\begin{{cases}} {inside[1]} & \text{{if }} {inside[0]} \\ {inside[2]} & \text{{otherwise}} \end{{cases}}"
        )
    return rf"{_LATEX_NAMES[head]}\left({', '.join(inside)}\right)"
