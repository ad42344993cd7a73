"""From characters to tokens, and from tokens to groups: brackets with brackets, bars with bars.

Every token keeps its place in what was typed. No character passes that is not in a table here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NoReturn

from cycloid.core.syntax import MAX_CHARACTERS, MAX_INTEGER_DIGITS, FormulaError
from cycloid.core.vocabulary import GREEK, LOGIC

Kind = Literal["number", "name", "operator", "power", "open", "close", "comma", "bar", "equals", "superscript", "root"]
Meaning = Literal["variable", "constant", "function"]  # of a name, once it is known

MAX_BRACKETS = 24

_OPERATORS: dict[str, str] = {
    **{c: c for c in "+-*/<>%"},
    **dict.fromkeys("×·⋅∙∗", "*"),
    **dict.fromkeys("÷∕⁄", "/"),
    **dict.fromkeys("−–﹣－", "-"),
    "＋": "+",
    "≤": "<=",
    "⩽": "<=",
    "≥": ">=",
    "⩾": ">=",
    "≠": "!=",
    "∧": "and",
    "∨": "or",
    "¬": "not",
}
_PAIRS = {"<=": "<=", ">=": ">=", "==": "==", "!=": "!=", "&&": "and", "=<": "<=", "=>": ">="}
_SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-", strict=True))
_SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉", "0123456789", strict=True))
_FRACTIONS = {"½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4", "⅛": "1/8"}
_ROOTS = {"√": "sqrt", "∛": "cbrt"}
_SPACES = " \t\r\n\u00a0\u2002\u2003\u2009\u202f"
_NUMBER = re.compile(r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_LETTERS = "".join(GREEK)
_NAME = re.compile(  # a word, or one Greek letter; behind either, a subscript
    f"(?:[A-Za-z_][A-Za-z0-9_]*|[{_LETTERS}])(?:_[A-Za-z0-9{_LETTERS}]+|[{''.join(_SUBSCRIPTS)}]+)*"
)
_MODULE = re.compile(r"\b(np|numpy|jnp|math|torch|tf|sp|sympy|cmath|Math)\.$")

_ADVICE: dict[str, str] = {
    "[": "use round brackets ( )",
    "]": "use round brackets ( )",
    "{": "use round brackets ( )",
    "}": "use round brackets ( )",
    "∞": "a formula holds finite numbers; infinity may be the end of an integral's interval",
    "°": "angles are in radians, write x*pi/180",
    "&": "write 'and'",
    "∑": "write the terms out",
    "∏": "write the factors out",
    "∫": "give the integrand alone, and integrate it",
    "∂": "give the function alone, and differentiate it",
    "∇": "give the function alone, and differentiate it",
    "'": "a formula holds no text and no primes; give the function alone, and differentiate it",
    '"': "a formula holds no text",
    "`": "a formula holds no text",
    ".": "a dot belongs inside a number, such as 0.5",
    ":": "the header of a formula is written f(x) =",
    "?": "write where(x > 0, a, b) for a choice",
    ";": "separate arguments by a comma",
    "@": "write * for a product",
    "~": "write 'not'",
    "\\": "write names without a backslash: alpha, sqrt(x)",
    "$": "write the formula without dollar signs",
}


@dataclass(frozen=True, slots=True)
class Token:
    """A word of the formula: what it is, what it means, and the columns (from 0) that it was typed in."""

    kind: Kind | Meaning
    text: str
    start: int
    end: int
    letter: bool = False  # a Greek letter typed as such: a variable, even where its name is also a function's


@dataclass(frozen=True, slots=True)
class Group:
    """What stands between a pair of brackets or bars."""

    kind: Literal["brackets", "bars"]
    items: tuple[Item, ...]
    start: int
    end: int


Item = Token | Group


def refuse(text: str, column: int, message: str, hint: str | None = None) -> NoReturn:
    """Raises FormulaError for a column counted from 0."""
    raise FormulaError(message, text=text, column=column + 1, hint=hint)


def tokens(text: str) -> list[Token]:
    """The words of a formula.

    Raises:
        FormulaError: when the text is too long, or holds a character or a number that no formula holds.
    """
    if len(text) > MAX_CHARACTERS:
        raise FormulaError(
            f"the formula has {len(text)} characters and {MAX_CHARACTERS} are allowed", hint="split it in two"
        )
    words: list[Token] = []
    at = 0
    while at < len(text):
        if text[at] in _SPACES:
            at += 1
            continue
        words.append(_next(text, at))
        at = words[-1].end
    return words


def _next(text: str, at: int) -> Token:
    c = text[at]
    if match := _NUMBER.match(text, at):
        return _number(text, at, match.end())
    if match := _NAME.match(text, at):
        return _name(text, at, match.end())
    if (pair := text[at : at + 2]) in _PAIRS:
        return Token("operator", _PAIRS[pair], at, at + 2)
    if pair == "**":
        return Token("power", "**", at, at + 2)
    if pair == "//":
        refuse(text, at, "'//' is not an operator here", "write floor(a/b)")
    if c in _SUPERSCRIPTS:
        return _superscript(text, at)
    if c in _FRACTIONS:
        return Token("number", f"({_FRACTIONS[c]})", at, at + 1)
    single: dict[str, tuple[Kind, str]] = {
        "^": ("power", "**"),
        "(": ("open", "("),
        ")": ("close", ")"),
        ",": ("comma", ","),
        "|": ("bar", "|"),
        "=": ("equals", "="),
        "!": ("superscript", "!"),
    }
    if c in single:
        return Token(*single[c], at, at + 1)
    if c in _ROOTS:
        return Token("root", _ROOTS[c], at, at + 1)
    if c in _OPERATORS:
        return Token("operator", _OPERATORS[c], at, at + 1)
    if match := _MODULE.search(text, 0, at + 1):
        refuse(text, match.start(1), f"'{match[1]}.' does not belong in a formula", "write exp(x) for np.exp(x)")
    refuse(text, at, f"{_called(c)} does not belong in a formula", _ADVICE.get(c) or _plain(c))


def _number(text: str, at: int, end: int) -> Token:
    digits = text[at:end]
    tail = text[end : end + 2]
    if tail.startswith("_"):
        refuse(text, end, "underscores do not belong in a number", "write 1000 for 1_000")
    if digits == "0" and re.fullmatch(r"[xXbBoO][0-9a-fA-F]", tail):
        refuse(text, at, "only decimal numbers are read", "write the number in decimals, or * for a product")
    if digits.isdecimal():
        if len(digits.lstrip("0")) > MAX_INTEGER_DIGITS:
            refuse(text, at, f"the integer has more than {MAX_INTEGER_DIGITS} digits", "write it as 1.5e20")
        return Token("number", str(int(digits)), at, end)
    value = float(digits)
    if value == float("inf"):
        refuse(text, at, "the number is too large", "the largest is about 1.8e308")
    if value == 0.0 and digits.lower().split("e")[0].strip("0.") != "":
        refuse(text, at, "the number is too small to differ from 0", "the smallest is about 5e-324")
    return Token("number", repr(value), at, end)


def _name(text: str, at: int, end: int) -> Token:
    typed = text[at:end]
    if len(typed) == 1 and typed in GREEK:
        return Token("name", GREEK[typed], at, end, letter=True)
    spelt = "".join(_SUBSCRIPTS.get(c, GREEK.get(c, c)) for c in re.sub(r"(?<=[^_₀-₉])(?=[₀-₉])", "_", typed))
    if spelt.startswith("_") or spelt.endswith("_") or "__" in spelt:
        refuse(text, at, f"the name '{typed}' has an underscore at its edge", "write names such as x, x_1 or rate")
    if spelt in LOGIC:
        return Token("operator", spelt, at, end)
    if len(spelt) > 32:
        refuse(text, at, "the name has more than 32 characters", "choose a shorter one")
    return Token("name", spelt, at, end, letter=typed[0] in GREEK)


def _superscript(text: str, at: int) -> Token:
    end = at
    while end < len(text) and text[end] in _SUPERSCRIPTS:
        end += 1
    typed = "".join(_SUPERSCRIPTS[c] for c in text[at:end])
    if not re.fullmatch(r"[+-]?[0-9]{1,6}", typed):
        refuse(text, at, "the raised characters are not a whole number", "write x^(...) for other exponents")
    return Token("superscript", str(int(typed)), at, end)


def _called(c: str) -> str:
    if c.isascii() and c.isprintable():
        return f"'{c}'"
    name = unicodedata.name(c, f"U+{ord(c):04X}")
    return f"the character {name}" if not c.isprintable() else f"'{c}' ({name})"


def _plain(c: str) -> str | None:
    plain = unicodedata.normalize("NFKC", c)
    if plain != c and plain.isascii() and plain.isprintable() and not plain.isspace():
        return f"did you mean {plain}?"
    return None if c.isprintable() else "delete it"


def groups(text: str, words: Sequence[Token]) -> tuple[Item, ...]:
    """The tokens with every bracketed or barred stretch gathered into one Group.

    A bar closes where an operand has just ended and a bar is open, and opens everywhere else.
    """
    outer: list[tuple[list[Item], Token]] = []  # the unfinished groups around the present one, with their opening
    items: list[Item] = []
    for word in words:
        closing = word.kind == "bar" and bool(outer) and outer[-1][1].kind == "bar" and _ends_operand(items)
        if word.kind == "open" or (word.kind == "bar" and not closing):
            if len(outer) == MAX_BRACKETS:
                refuse(
                    text, word.start, f"more than {MAX_BRACKETS} brackets stand inside each other", "split it in two"
                )
            outer.append((items, word))
            items = []
        elif word.kind == "close" or closing:
            if not outer or (outer[-1][1].kind == "bar") != closing:
                refuse(text, word.start, "brackets do not match", "no '(' is open for this ')'")
            before, opening = outer.pop()
            if not items:
                refuse(text, opening.start, "there is nothing between the brackets", "write what belongs there")
            before.append(Group("bars" if closing else "brackets", tuple(items), opening.start, word.end))
            items = before
        else:
            items.append(word)
    if outer:
        opening = outer[-1][1]
        if opening.kind == "bar":
            refuse(text, opening.start, "bars do not match", "no '|' closes this one; for a condition write 'or'")
        refuse(text, opening.start, "brackets do not match", "no ')' closes this '('")
    return tuple(items)


def _ends_operand(items: Sequence[Item]) -> bool:
    if not items:
        return False
    last = items[-1]
    return isinstance(last, Group) or last.kind in ("number", "variable", "constant", "superscript")
