"""From what people type to one Python expression, with the column that each of its characters came from.

Here `2x` becomes `2*v_x`, `sin^2 x` becomes `f_sin(v_x)**2`, `|x|` becomes `f_abs(v_x)`: every name bears a prefix that
says whether it is a variable (v_), a constant (c_) or a function (f_), so no Python name or keyword can occur. What can
be read in two ways is refused, and the message shows how to write either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from cycloid.core.naming import resolve, split_header
from cycloid.core.notation import Group, Item, Token, groups, refuse, tokens
from cycloid.core.readings import (
    TWO_WAYS,
    check_behind_argument,
    check_behind_root,
    check_operator,
    check_product,
    end_of_argument,
    is_sign,
)
from cycloid.core.syntax import TYPED
from cycloid.core.vocabulary import FUNCTIONS

_USAGE = {"where": "where(x > 0, x, 0)", "atan2": "atan2(y, x)", "mod": "mod(x, 2)", "pow": "pow(x, 2)"}


@dataclass(frozen=True, slots=True)
class Spelling:
    """A formula as Python source, and what its header said."""

    source: str
    columns: tuple[int, ...]  # of each character of source, in the text as typed, from 0
    name: str | None
    variables: tuple[str, ...] | None


def spell(text: str, variables: Sequence[str] | None = None) -> Spelling:
    """The formula as a Python expression.

    Raises:
        FormulaError: at the first column that cannot be read in exactly one way.
    """
    words = tokens(text)
    name, header, body = split_header(text, words)
    declared = tuple(variables) if variables is not None else header
    if not body:
        column = words[-1].end if words else 0
        refuse(text, column, "the formula is empty", "write an expression such as x^2 + 1")
    speller = _Speller(text)
    speller.sequence(groups(text, resolve(text, body, declared)), "the formula")
    source = "".join(piece for piece, _ in speller.pieces)
    columns = tuple(column for piece, column in speller.pieces for _ in piece)
    return Spelling(source, columns, name, declared)


class _Speller:
    """Writes the pieces of the Python expression, each with its column."""

    def __init__(self, text: str):
        self.text = text
        self.pieces: list[tuple[str, int]] = []
        self.level = 0  # how many operands stand inside each other where the writing is

    def refuse(self, column: int, message: str, hint: str | None = None) -> NoReturn:
        refuse(self.text, column, message, hint)

    def write(self, piece: str, column: int) -> None:
        self.pieces.append((piece, column))

    def sequence(self, items: Sequence[Item], whole: str) -> None:
        """Writes operands and operators in turn, with the products that were only implied."""
        at, ended = 0, False  # ended: an operand has just ended
        while at < len(items):
            item = items[at]
            if item.kind in ("operator", "power"):
                self._operator(items, at, ended)
                at, ended = at + 1, False
            elif item.kind == "comma":
                self.refuse(item.start, "a comma is not expected", "it separates arguments, as in max(x, y); write 0.5")
            elif item.kind == "equals":
                self.refuse(item.start, "'=' is not expected", "compare by ==")
            elif item.kind == "superscript":
                self.refuse(item.start, "there is nothing to raise here", "write a number, a name or a bracket before")
            else:
                if ended:
                    check_product(self.text, items, at)
                    self.write("*", item.start)
                at, ended = self._operand(items, at), True
        if not ended:
            end = items[-1].end if items else 0
            self.refuse(end, f"{whole} ends too early", "a number, a name or a bracket is missing")

    def _operator(self, items: Sequence[Item], at: int, ended: bool) -> None:
        token = items[at]
        assert isinstance(token, Token)
        if token.text == "not" and (ended or (at and not is_sign(items[at - 1], "and", "or", "not"))):
            self.refuse(token.start, "'not' is not expected here", "write 'and not', 'or not' or not (...)")
        if not ended and token.text not in ("+", "-", "not"):
            typed = self.text[token.start : token.end]
            self.refuse(token.start, f"nothing stands before '{typed}'", "a number, a name or a bracket is missing")
        check_operator(self.text, items, at)
        self.write(f" {token.text} " if token.text.isalpha() else token.text, token.start)

    # -- one operand ---------------------------------------------------------------------------------------------

    def _operand(self, items: Sequence[Item], at: int) -> int:
        """Writes the operand that starts at `at`, with what is raised behind it; returns where the next item is."""
        first = len(self.pieces)
        behind = self._raised(items, self._primary(items, at), first)
        if items[at].kind == "root":
            check_behind_root(self.text, items, behind)
        return behind

    def _primary(self, items: Sequence[Item], at: int) -> int:
        if self.level > 2 * TYPED.depth:
            self.refuse(items[at].start, f"the formula is nested more than {TYPED.depth} deep", "split it in two")
        self.level += 1
        behind = self._plain(items, at)
        self.level -= 1
        return behind

    def _plain(self, items: Sequence[Item], at: int) -> int:
        item = items[at]
        if isinstance(item, Group):
            self.write("(" if item.kind == "brackets" else "f_abs(", item.start)
            self.sequence(item.items, "the bracket")
            self.write(")", item.end - 1)
        elif item.kind == "number":
            self.write(item.text, item.start)
        elif item.kind == "root":
            return self._root(items, at)
        elif item.kind == "function":
            return self._application(items, at)
        else:
            self.write(("v_" if item.kind == "variable" else "c_") + item.text, item.start)
        return at + 1

    def _raised(self, items: Sequence[Item], at: int, first: int) -> int:
        """Writes a raised exponent or a factorial sign behind the operand whose pieces start at `first`."""
        if at == len(items) or items[at].kind != "superscript":
            return at
        sign = items[at]
        assert isinstance(sign, Token)
        if at + 1 < len(items) and items[at + 1].kind == "superscript":
            self.refuse(items[at + 1].start, "two signs are raised behind each other", "use brackets between them")
        if sign.text == "!":
            self.pieces.insert(first, ("f_factorial(", self.pieces[first][1]))
            self.write(")", sign.start)
        else:
            self.write(f"**{sign.text}", sign.start)
        return at + 1

    def _root(self, items: Sequence[Item], at: int) -> int:
        """Writes √ over the one number, name, bracket or function behind it."""
        root = items[at]
        assert isinstance(root, Token)
        sign = self.text[root.start]
        if at + 1 == len(items) or items[at + 1].kind in ("operator", "power", "comma", "equals", "superscript"):
            self.refuse(root.end, f"'{sign}' needs something under it", f"write {sign}x or {sign}(x+1)")
        self.write(f"f_{root.text}(", root.start)
        behind = self._primary(items, at + 1)
        self.write(")", items[behind - 1].end - 1)
        check_behind_root(self.text, items, behind)
        return behind

    # -- functions -----------------------------------------------------------------------------------------------

    def _application(self, items: Sequence[Item], at: int) -> int:
        """Writes sin(x), sin^2(x), sin x, sin^2 x or sin 2x."""
        token = items[at]
        assert isinstance(token, Token)
        typed, name = self.text[token.start : token.end], token.text
        exponent, at = self._power_of_function(items, at + 1, typed)
        if at == len(items):
            self.refuse(items[-1].end, f"{typed} needs an argument", f"write {_USAGE.get(name, f'{typed}(x)')}")
        self.write(f"f_{name}(", token.start)
        following = items[at]
        if isinstance(following, Group) and following.kind == "brackets":
            self._arguments(following, token)
            at += 1
        elif FUNCTIONS[name][0] > 1 or FUNCTIONS[name][1] is None:
            usage = _USAGE.get(name, f"{typed}(x, y)")
            self.refuse(following.start, f"{typed} needs its arguments in brackets", f"write {usage}")
        else:
            at = self._bare_argument(items, at, typed)
        self.write(")", items[at - 1].end - 1)
        if exponent is not None:
            self.write("**", exponent.start)
            self.sequence((exponent,), "the exponent")
        return at

    def _power_of_function(self, items: Sequence[Item], at: int, typed: str) -> tuple[Item | None, int]:
        """The exponent between a function and its argument, as in sin^2 x, and where the argument starts."""
        sign = items[at] if at < len(items) else None
        if not isinstance(sign, Token) or sign.kind not in ("power", "superscript"):
            return None, at
        inverse = f"write a{typed}(x) for the inverse, or 1/{typed}(x)"
        if sign.kind == "superscript":
            if sign.text == "!" or sign.text.startswith("-"):
                self.refuse(sign.start, TWO_WAYS, f"write {typed}(x)!" if sign.text == "!" else inverse)
            return Token("number", sign.text, sign.start, sign.end), at + 1
        exponent = items[at + 1] if at + 1 < len(items) else None
        if exponent is not None and is_sign(exponent, "-"):
            self.refuse(sign.start, TWO_WAYS, inverse)
        if exponent is None or exponent.kind not in ("number", "variable", "constant", "brackets"):
            self.refuse(sign.end, "the exponent is missing here", f"write {typed}^2 x or {typed}(x)^2")
        return exponent, at + 2

    def _arguments(self, group: Group, token: Token) -> None:
        """Writes the arguments of a function, and checks how many there are."""
        parts: list[list[Item]] = [[]]
        for item in group.items:
            if item.kind != "comma":
                parts[-1].append(item)
                continue
            if not parts[-1]:
                self.refuse(item.start, "nothing stands before the comma", "an argument is missing")
            parts.append([])
        if not parts[-1]:
            self.refuse(group.end - 1, "nothing stands behind the comma", "an argument is missing")
        fewest, most = FUNCTIONS[token.text]
        if len(parts) < fewest or (most is not None and len(parts) > most):
            wanted = str(fewest) if fewest == most else f"{fewest} or {'more' if most is None else most}"
            typed = self.text[token.start : token.end]
            message = f"{typed} takes {wanted} argument{'' if wanted == '1' else 's'} and has {len(parts)}"
            self.refuse(token.start, message, f"write {_USAGE.get(token.text, f'{typed}(x)')}")
        for i, part in enumerate(parts):
            if i:
                self.write(",", part[0].start)
            self.sequence(part, "the argument")

    def _bare_argument(self, items: Sequence[Item], at: int, typed: str) -> int:
        """Writes the argument of a function without brackets: one factor, or numbers and names side by side."""
        if items[at].kind in ("function", "bars", "root"):
            end = self._operand(items, at)
        else:
            end = end_of_argument(self.text, items, at, typed)
            self.sequence(items[at:end], "the argument")
        check_behind_argument(self.text, items, end, typed)
        return end
