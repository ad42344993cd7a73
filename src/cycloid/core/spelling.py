"""From what people type to one Python expression, with the column that each of its characters came from.

Here `2x` becomes `2*v_x`, `sin^2 x` becomes `f_sin(v_x)**2`, `|x|` becomes `f_abs(v_x)`: every name bears a prefix that
says whether it is a variable (v_), a constant (c_) or a function (f_), so no Python name or keyword can occur. What can
be read in two ways is refused, and the message shows both.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from cycloid.core.notation import Group, Item, Token, groups, refuse, tokens
from cycloid.core.syntax import MAX_VARIABLES, FormulaError, is_name
from cycloid.core.vocabulary import ALIASES, CONSTANTS, FUNCTIONS, GREEK, INFINITE, MISSPELT, RESERVED
from cycloid.core.vocabulary import canonical_function as function_name


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
    name, header, body = _header(text, words)
    declared = tuple(variables) if variables is not None else header
    if not body:
        column = words[-1].end if words else 0
        refuse(text, column, "the formula is empty", "write an expression such as x^2 + 1")
    if name is not None and declared is None:
        for word in body:
            if word.kind == "name" and word.text == name:
                refuse(text, word.start, f"'{name}' stands on both sides of '='", "solve for it first")
    speller = _Speller(text, declared, frozenset(w.text for w in body if w.kind == "name" and len(w.text) == 1))
    speller.sequence(groups(text, body), "the formula")
    source = "".join(piece for piece, _ in speller.pieces)
    columns = tuple(column for piece, column in speller.pieces for _ in piece)
    return Spelling(source, columns, name, declared)


def declared_names(names: Sequence[str] | str) -> tuple[str, ...]:
    """The variables a caller gave, checked: a sequence of names, or one text with commas or spaces between them."""
    if isinstance(names, str):
        names = names.replace(",", " ").split()
    checked: list[str] = []
    for name in names:
        spelt = GREEK.get(name, name) if isinstance(name, str) else ""  # pyright: ignore[reportUnnecessaryIsInstance]
        if not is_name(spelt) or spelt in RESERVED or spelt in INFINITE:
            raise FormulaError(f"{name!r} cannot be a variable", hint="write names such as x, x_1 or rate")
        if spelt in checked:
            raise FormulaError(f"the variable {name} is given twice")
        checked.append(spelt)
    if len(checked) > MAX_VARIABLES:
        raise FormulaError(f"{len(checked)} variables are given and {MAX_VARIABLES} are allowed")
    return tuple(checked)


def _header(text: str, words: list[Token]) -> tuple[str | None, tuple[str, ...] | None, list[Token]]:
    """Splits `f(x, y) = ...` or `y = ...` into name, variables and body."""
    place = next((i for i, word in enumerate(words) if word.kind == "equals"), None)
    if place is None:
        return None, None, words
    left, body = words[:place], words[place + 1 :]
    kinds = [word.kind for word in left]
    inner = kinds[2:-1]
    is_call = kinds[:2] == ["name", "open"] and kinds[-1] == "close" and kinds[2:-1:2] == ["name"] * len(inner[::2])
    if kinds != ["name"] and not (is_call and inner[1::2] == ["comma"] * len(inner[1::2]) and len(inner) != 2):
        refuse(text, words[place].start, "'=' is not expected", "compare by ==; a header is written f(x, y) = ...")
    name = left[0]
    if not name.letter and (function_name(name.text) or name.text in CONSTANTS or name.text in RESERVED):
        refuse(text, name.start, f"'{name.text}' has a meaning already", "give the formula another name")
    if kinds == ["name"]:
        return name.text, None, body
    listed = [word for word in left[2:-1] if word.kind == "name"]
    for i, word in enumerate(listed):
        if word.text in RESERVED or word.text in INFINITE:
            refuse(text, word.start, f"'{word.text}' cannot be a variable", "choose another name")
        if word.text in [other.text for other in listed[:i]]:
            refuse(text, word.start, f"the variable '{word.text}' is given twice")
    if len(listed) > MAX_VARIABLES:
        refuse(text, listed[MAX_VARIABLES].start, f"more than {MAX_VARIABLES} variables are given")
    return name.text, tuple(word.text for word in listed), body


class _Speller:
    """Writes the pieces of the Python expression, each with its column."""

    def __init__(self, text: str, declared: tuple[str, ...] | None, singles: frozenset[str]):
        self.text, self.declared, self.singles = text, declared, singles
        self.pieces: list[tuple[str, int]] = []

    def refuse(self, column: int, message: str, hint: str | None = None) -> NoReturn:
        refuse(self.text, column, message, hint)

    def write(self, piece: str, column: int) -> None:
        self.pieces.append((piece, column))

    def sequence(self, items: Sequence[Item], whole: str) -> None:
        """Writes operands and operators in turn, with the products that were only implied."""
        at, ended = 0, False  # ended: an operand has just ended
        while at < len(items):
            item = items[at]
            if isinstance(item, Token) and item.kind in ("operator", "power"):
                self._operator(items, at, ended)
                at, ended = at + 1, False
                continue
            if isinstance(item, Token) and item.kind == "comma":
                self.refuse(item.start, "a comma is not expected", "it separates arguments, as in max(x, y); write 0.5")
            if isinstance(item, Token) and item.kind == "equals":
                self.refuse(item.start, "'=' is not expected", "compare by ==")
            if isinstance(item, Token) and item.kind == "superscript":
                self.refuse(item.start, "there is nothing to raise here", "write a number, a name or a bracket before")
            if ended:
                self._implied_product(items, at)
                self.write("*", item.start)
            at, ended = self._operand(items, at), True
        if not ended:
            end = items[-1].end if items else 0
            self.refuse(end, f"{whole} ends too early", "a number, a name or a bracket is missing")

    def _operator(self, items: Sequence[Item], at: int, ended: bool) -> None:
        token = items[at]
        assert isinstance(token, Token)
        typed = self.text[token.start : token.end]
        if token.text == "not" and ended:
            self.refuse(token.start, "'not' is not expected here", "write 'and not' or 'or not'")
        if not ended and token.text not in ("+", "-", "not"):
            self.refuse(token.start, f"nothing stands before '{typed}'", "a number, a name or a bracket is missing")
        before = items[at - 1] if at else None
        if token.kind == "power" and isinstance(before, Token) and before.kind == "superscript" and before.text != "!":
            self.refuse(token.start, "two powers follow each other", "write (x²)^3 or x^(2^3)")
        self.write(f" {token.text} " if token.text.isalpha() else token.text, token.start)

    # -- one operand ---------------------------------------------------------------------------------------------

    def _operand(self, items: Sequence[Item], at: int) -> int:
        """Writes the operand that starts at `at`, with what is raised behind it; returns where the next item is."""
        item, first = items[at], len(self.pieces)
        if isinstance(item, Group):
            self.write("(" if item.kind == "brackets" else "f_abs(", item.start)
            self.sequence(item.items, "the bracket")
            self.write(")", item.end - 1)
            at += 1
        elif item.kind == "number":
            self.write(item.text, item.start)
            at += 1
        elif item.kind == "root":
            at = self._root(items, at)
        elif self._is_function(item):
            at = self._application(items, at)
        else:
            self.write(self._name(items, at), item.start)
            at += 1
        return self._raised(items, at, first)

    def _raised(self, items: Sequence[Item], at: int, first: int) -> int:
        """Writes a raised exponent or a factorial sign behind the operand whose pieces start at `first`."""
        count = 0
        while at < len(items):
            item = items[at]
            if not isinstance(item, Token) or item.kind != "superscript":
                break
            if count:
                self.refuse(item.start, "two signs are raised behind each other", "use brackets between them")
            if item.text == "!":
                self.pieces.insert(first, ("f_factorial(", self.pieces[first][1]))
                self.write(")", item.start)
            else:
                self.write(f"**{item.text}", item.start)
            at, count = at + 1, count + 1
        return at

    def _root(self, items: Sequence[Item], at: int) -> int:
        token = items[at]
        assert isinstance(token, Token)
        sign = self.text[token.start]
        following = items[at + 1] if at + 1 < len(items) else None
        if following is None or (isinstance(following, Token) and following.kind not in ("number", "name", "root")):
            self.refuse(token.end, f"'{sign}' needs something under it", f"write {sign}x or {sign}(x+1)")
        self.write(f"f_{token.text}(", token.start)
        if isinstance(following, Token) and following.kind != "number":
            behind = self._operand(items, at + 1) if self._is_function(following) or following.kind == "root" else 0
            if not behind:
                self.write(self._name(items, at + 1), following.start)
                behind = at + 2
        else:
            behind = at + 2
            self._operand(items[at + 1 : behind], 0)
        self.write(")", self.pieces[-1][1])
        power = items[behind] if behind < len(items) else None
        if isinstance(power, Token) and power.kind in ("power", "superscript") and not isinstance(following, Group):
            self.refuse(power.start, "this can be read in two ways", f"write {sign}(...) around all that is under it")
        return behind

    # -- functions -----------------------------------------------------------------------------------------------

    def _is_function(self, token: Item) -> bool:
        return (
            isinstance(token, Token)
            and token.kind == "name"
            and not token.letter
            and not (self.declared and token.text in self.declared)
            and function_name(token.text) is not None
        )

    def _application(self, items: Sequence[Item], at: int) -> int:
        """Writes sin(x), sin^2(x), sin x, sin^2 x or sin 2x."""
        token = items[at]
        assert isinstance(token, Token)
        name = function_name(token.text) or ""
        exponent, at = self._power_of_function(items, at + 1, token.text)
        following = items[at] if at < len(items) else None
        self.write(f"f_{name}(", token.start)
        if following is None:
            self.refuse(token.end, f"{token.text} needs an argument", f"write {token.text}(x)")
        if isinstance(following, Group) and following.kind == "brackets":
            self._arguments(following, token)
            at += 1
        elif FUNCTIONS[name][0] > 1 or FUNCTIONS[name][1] is None:
            self.refuse(following.start, f"{token.text} needs its arguments in brackets", f"write {token.text}(x, y)")
        else:
            at = self._bare_argument(items, at, token)
        self.write(")", self.pieces[-1][1])
        if exponent:
            self.write("**", exponent[0].start)
            self.sequence(exponent, "the exponent")
        return at

    def _power_of_function(self, items: Sequence[Item], at: int, typed: str) -> tuple[Sequence[Item], int]:
        """The exponent between a function and its argument, as in sin^2 x, and where the argument starts."""
        if at >= len(items):
            return (), at
        sign = items[at]
        if not isinstance(sign, Token) or sign.kind not in ("power", "superscript"):
            return (), at
        inverse = f"write a{typed}(x) for the inverse function, or 1/{typed}(x)"
        if sign.kind == "superscript":
            if sign.text == "!" or sign.text.startswith("-"):
                self.refuse(sign.start, "this can be read in two ways", f"{typed}(x)!" if sign.text == "!" else inverse)
            return (Token("number", sign.text, sign.start, sign.end),), at + 1
        exponent = items[at + 1] if at + 1 < len(items) else None
        if isinstance(exponent, Token) and exponent.text == "-":
            self.refuse(sign.start, "this can be read in two ways", inverse)
        if exponent is None or (isinstance(exponent, Token) and exponent.kind not in ("number", "name")):
            self.refuse(sign.end, "an exponent is missing", f"write {typed}^2 x or {typed}(x)^2")
        if self._is_function(exponent):
            self.refuse(exponent.start, "this can be read in two ways", f"write {typed}(x)^(...)")
        return (exponent,), at + 2

    def _arguments(self, group: Group, token: Token) -> None:
        """Writes the arguments of a function, and checks how many there are."""
        parts: list[list[Item]] = [[]]
        for item in group.items:
            if isinstance(item, Token) and item.kind == "comma":
                if not parts[-1]:
                    self.refuse(item.start, "nothing stands before the comma", "an argument is missing")
                parts.append([])
                self.last_comma = item
            else:
                parts[-1].append(item)
        if not parts[-1]:
            self.refuse(group.end - 1, "nothing stands behind the comma", "an argument is missing")
        name = function_name(token.text) or ""
        fewest, most = FUNCTIONS[name]
        if len(parts) < fewest or (most is not None and len(parts) > most):
            wanted = f"{fewest}" if fewest == most else f"{fewest} or more" if most is None else f"{fewest} or {most}"
            usage = {"where": "write where(x > 0, x, 0)", "atan2": "write atan2(y, x)", "mod": "write mod(x, 2)"}
            self.refuse(
                token.start, f"{token.text} takes {wanted} argument(s) and has {len(parts)}", usage.get(token.text)
            )
        for i, part in enumerate(parts):
            if i:
                self.write(",", part[0].start)
            self.sequence(part, "the argument")

    def _bare_argument(self, items: Sequence[Item], at: int, token: Token) -> int:
        """Writes the argument of a function without brackets: one factor, or numbers and names side by side."""
        following = items[at]
        if self._is_function(following) or isinstance(following, Group):
            end = self._operand(items, at)
        elif isinstance(following, Token) and following.kind == "root":
            end = self._operand(items, at)
        else:
            end = self._run(items, at, token)
            self.sequence(items[at:end], "the argument")
        behind = items[end] if end < len(items) else None
        if isinstance(behind, Token) and behind.text in ("*", "/", "%") and self.text[behind.start - 1] not in " \t":
            name = token.text
            self.refuse(behind.start, "this can be read in two ways", f"write {name}(...) around its argument")
        return end

    def _run(self, items: Sequence[Item], at: int, token: Token) -> int:
        """Where the numbers and names side by side end that stand behind a function."""
        start = at
        sign = items[at]
        if isinstance(sign, Token) and sign.text in ("+", "-"):
            at += 1
        while at < len(items):
            item = items[at]
            if isinstance(item, Token) and item.kind == "power":
                at = self._behind_exponent(items, at + 1)
            elif isinstance(item, Token) and (item.kind in ("number", "superscript") or item.kind == "name"):
                if self._is_function(item):
                    break
                at += 1
            elif isinstance(item, Group) or item.kind == "root":
                self.refuse(item.start, "this can be read in two ways", f"write {token.text}(...) around its argument")
            else:
                break
        if at == start or items[at - 1] is sign and at == start + 1 and sign.text in ("+", "-"):  # type: ignore[union-attr]
            self.refuse(token.end, f"{token.text} needs an argument", f"write {token.text}(x)")
        return at

    def _behind_exponent(self, items: Sequence[Item], at: int) -> int:
        while at < len(items):
            item = items[at]
            if not (isinstance(item, Token) and item.text in ("+", "-")):
                return at + 1
            at += 1
        return at

    # -- products and names --------------------------------------------------------------------------------------

    def _implied_product(self, items: Sequence[Item], at: int) -> None:
        """Refuses a product without a sign where it could be something else."""
        item, before = items[at], items[at - 1]
        if isinstance(item, Token) and item.kind == "number":
            self.refuse(item.start, "an operator is missing before this number", "use * between factors, ^ for a power")
        if isinstance(item, Group) and item.kind == "bars":
            inner = item.items[0]
            if isinstance(inner, Token) and inner.text in ("+", "-"):
                self.refuse(item.start, "the bars can be read in two ways", "write abs(...)")
        if isinstance(before, Token) and before.kind == "name" and not self._is_function(before):
            self._not_a_call(before, item)
        if isinstance(before, Token) and before.kind == "number" and before.end == item.start:
            sign = at - 3 if at >= 3 and _is(items[at - 2], "+", "-") else at - 2
            base = items[sign - 1] if sign >= 1 and _is(items[sign], "**") else None
            if isinstance(base, Token) and (base.kind == "number" or base.text in CONSTANTS):
                self.refuse(item.start, "this can be read in two ways", "write e^(2*x) or e^2*x")
        for back in range(at - 1, -1, -1):
            if _is(items[back], "+", "-", "*", "%", "<", "<=", ">", ">=", "==", "!=", "and", "or", "not"):
                return
            if _is(items[back], "/"):
                around = [items[back - 1], items[back + 1]]
                if back + 2 == at and all(isinstance(a, Token) and a.kind == "number" for a in around):
                    return
                self.refuse(item.start, "this can be read in two ways", "write a/(b*c) or (a/b)*c")

    def _not_a_call(self, name: Token, item: Item) -> None:
        """Refuses an unknown function: a name that nobody declared, with what looks like its argument."""
        if self.declared is not None or name.letter or name.text in CONSTANTS:
            return
        typed = self.text[name.start : name.end]
        bracket = isinstance(item, Group) and item.kind == "brackets"
        suggestion = _close_function(name.text)
        if bracket and (len(name.text) > 1 or name.text in "fgh"):
            hint = f"did you mean {suggestion}?" if suggestion else f"write {typed}*(...) for a product"
            self.refuse(name.start, f"unknown function '{typed}'", hint)
        if suggestion and len(name.text) > 1:
            self.refuse(name.start, f"unknown name '{typed}'", f"did you mean {suggestion}?")

    def _name(self, items: Sequence[Item], at: int) -> str:
        """The prefixed name of a variable or a constant."""
        token = items[at]
        assert isinstance(token, Token)
        name, typed = token.text, self.text[token.start : token.end]
        if self.declared is not None and name in self.declared:
            return f"v_{name}"
        if name in CONSTANTS:
            return f"c_{name}"
        if name in INFINITE:
            self.refuse(token.start, f"'{typed}' is not a finite number", "it may be the end of an interval instead")
        if name in RESERVED:
            instead = "write λ or lam" if name == "lambda" else "choose another name"
            self.refuse(token.start, f"'{typed}' is a word of the Python language, not of formulas", instead)
        if self.declared is not None:
            self._undeclared(token, items[at + 1 :])
        elif not token.letter:
            self._run_together(token)
        return f"v_{name}"

    def _undeclared(self, token: Token, behind: Sequence[Item]) -> NoReturn:
        assert self.declared is not None
        typed = self.text[token.start : token.end]
        called = bool(behind) and isinstance(behind[0], Group)
        close = difflib.get_close_matches(token.text, self.declared, 1, 0.75)
        suggestion = _close_function(token.text) or (close[0] if close else None)
        if len(token.text) > 1 and all(letter in self.declared or letter in CONSTANTS for letter in token.text):
            hint = f"write {'*'.join(typed)}"
        elif suggestion:
            hint = f"did you mean {suggestion}?"
        else:
            listed = ", ".join(self.declared)
            hint = f"the variables are {listed}" if listed else "the formula is declared without variables"
        self.refuse(token.start, f"unknown {'function' if called else 'name'} '{typed}'", hint)

    def _run_together(self, token: Token) -> None:
        """Refuses xy and sinx, where a product or a function was probably meant."""
        name = token.text
        if len(name) < 2 or name in GREEK.values():
            return
        if name.isalpha() and (set(name) <= set("xyz") or set(name) <= self.singles | {"e"}):
            self.refuse(
                token.start, f"is '{name}' one variable?", f"write {'*'.join(name)}, or declare f({name}) = ..."
            )
        match = re.fullmatch(r"([A-Za-z]{2,}?[0-9]{0,2}?)([0-9]*)([a-z])", name)
        for split in range(2, len(name)) if match else ():
            head, tail = name[:split], name[split:]
            if function_name(head) and re.fullmatch(r"[0-9]*[a-z]", tail) and tail[-1] in self.singles | set("xyz"):
                self.refuse(token.start, f"unknown name '{name}'", f"write {head}({tail})")


def _is(item: Item, *texts: str) -> bool:
    return isinstance(item, Token) and item.kind in ("operator", "power") and item.text in texts


def _close_function(name: str) -> str | None:
    """The function that somebody may have meant by an unknown name."""
    if name in MISSPELT:
        return MISSPELT[name]
    known = [*FUNCTIONS, *ALIASES]
    close = difflib.get_close_matches(name, known, 1, 0.8) or difflib.get_close_matches(name.lower(), known, 1, 0.8)
    return close[0] if close and len(name) > 2 else None
