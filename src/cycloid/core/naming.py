"""What each name in a formula stands for: the header's variables, a function, a constant, or a new variable."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import NoReturn

from cycloid.core.notation import Token, refuse
from cycloid.core.syntax import MAX_VARIABLES, FormulaError, is_name
from cycloid.core.vocabulary import (
    ALIASES,
    CONSTANTS,
    FUNCTIONS,
    GREEK,
    INFINITE,
    MISSPELT,
    RESERVED,
    canonical_function,
)

_CHOICE = "write where(x > 0, a, b) for a choice"
_INSTEAD = {"lambda": "write λ or lam", "if": _CHOICE, "else": _CHOICE, "is": "compare by =="}


def declared_names(names: Sequence[str] | str) -> tuple[str, ...]:
    """The variables a caller gave, checked: a sequence of names, or one text with commas or spaces between them."""
    if isinstance(names, str):
        names = names.replace(",", " ").split()
    checked: list[str] = []
    for name in names:
        spelt = GREEK.get(name, name) if isinstance(name, str) else ""  # pyright: ignore[reportUnnecessaryIsInstance]
        if not is_name(spelt):
            raise FormulaError(f"{str(name)[:40]!r} cannot be a variable", hint="write names such as x, x_1 or rate")
        if spelt in checked:
            raise FormulaError(f"the variable {name} is given twice")
        checked.append(spelt)
    if len(checked) > MAX_VARIABLES:
        raise FormulaError(f"{len(checked)} variables are given and {MAX_VARIABLES} are allowed")
    return tuple(checked)


def split_header(text: str, words: list[Token]) -> tuple[str | None, tuple[str, ...] | None, list[Token]]:
    """Splits `f(x, y) = ...` or `y = ...` into name, variables and body; without '=' all is body."""
    place = next((i for i, word in enumerate(words) if word.kind == "equals"), None)
    if place is None:
        return None, None, words
    left, body = words[:place], words[place + 1 :]
    shape = " ".join(word.kind for word in left)
    if not re.fullmatch(r"name( open( name( comma name)*)? close)?", shape):
        refuse(text, words[place].start, "'=' is not expected", "compare by ==; a header is written f(x, y) = ...")
    name, listed = left[0], [word for word in left[2:] if word.kind == "name"]
    if not name.letter and (canonical_function(name.text) or name.text in CONSTANTS or name.text in RESERVED):
        refuse(text, name.start, f"'{name.text}' has a meaning already", "give the formula another name")
    if shape == "name":
        for word in body:
            if word.kind == "name" and word.text == name.text:
                refuse(text, word.start, f"'{name.text}' stands on both sides of '='", "solve for it first")
        return name.text, None, body
    for i, word in enumerate(listed):
        if not is_name(word.text):
            refuse(text, word.start, f"'{word.text}' cannot be a variable", "choose another name")
        if word.text in [other.text for other in listed[:i]]:
            refuse(text, word.start, f"the variable '{word.text}' is given twice", "give each variable once")
        if i == MAX_VARIABLES:
            refuse(text, word.start, f"more than {MAX_VARIABLES} variables are given", "use fewer variables")
    return name.text, tuple(word.text for word in listed), body


def resolve(text: str, words: Sequence[Token], declared: Sequence[str] | None) -> list[Token]:
    """The tokens with every name made a variable, a constant or a function.

    Without declared variables every name that has no meaning yet is a variable, unless it looks like a function or
    like a product run together.

    Raises:
        FormulaError: at a name that has no clear meaning, with what would be right.
    """
    singles = {word.text for word in words if word.kind == "name" and len(word.text) == 1}
    found: list[Token] = []
    for i, word in enumerate(words):
        if word.kind != "name":
            found.append(word)
            continue
        following = words[i + 1] if i + 1 < len(words) else None
        applied_gamma = word.text == "Gamma" and following is not None and following.kind == "open"
        function = None if word.letter and not applied_gamma else canonical_function(word.text)
        if declared is not None and word.text in declared:
            found.append(replace(word, kind="variable"))
        elif function:
            found.append(replace(word, kind="function", text=function))
        elif word.text in CONSTANTS:
            found.append(replace(word, kind="constant"))
        else:
            _check_variable(text, word, following, declared, singles)
            found.append(replace(word, kind="variable"))
    return found


def _check_variable(
    text: str, word: Token, following: Token | None, declared: Sequence[str] | None, singles: set[str]
) -> None:
    """Refuses a name that is no function or constant where it cannot be a variable either."""
    typed = text[word.start : word.end]
    if word.text in INFINITE:
        refuse(text, word.start, f"'{typed}' is not a finite number", "it may be the end of an interval instead")
    if word.text in RESERVED:
        instead = _INSTEAD.get(word.text, "choose another name")
        refuse(text, word.start, f"'{typed}' is a word of the Python language, not of formulas", instead)
    if declared is not None:
        _undeclared(text, word, following, declared)
    suggestion = {"σ": "sigmoid", "ψ": "digamma"}.get(typed) or _similar_function(typed)
    called = following is not None and following.kind == "open"
    if called and (len(typed) > 1 or typed in "fghσψφΦζ"):
        hint = f"did you mean {suggestion}?" if suggestion else f"write {typed}*(...) for a product"
        refuse(text, word.start, f"unknown function '{typed}'", hint)
    if following is not None and following.kind in ("name", "number", "root") and suggestion:
        refuse(text, word.start, f"unknown name '{typed}'", f"did you mean {suggestion}?")
    if not word.letter:
        _check_run_together(text, word, singles)


def _undeclared(text: str, word: Token, following: Token | None, declared: Sequence[str]) -> NoReturn:
    typed = text[word.start : word.end]
    close = difflib.get_close_matches(word.text, declared, 1, 0.75)
    suggestion = _similar_function(word.text) or (close[0] if close else None)
    if len(word.text) > 1 and all(letter in declared or letter in CONSTANTS for letter in word.text):
        hint = f"write {'*'.join(word.text)}"
    elif suggestion:
        hint = f"did you mean {suggestion}?"
    else:
        listed = ", ".join(declared)
        hint = f"the variables are {listed}" if listed else "the formula is declared without variables"
    called = following is not None and following.kind == "open"
    refuse(text, word.start, f"unknown {'function' if called else 'name'} '{typed}'", hint)


def _check_run_together(text: str, word: Token, singles: set[str]) -> None:
    """Refuses xy and sinx, where a product or a function was probably meant."""
    name = word.text
    if len(name) < 2 or name in GREEK.values():
        return
    if name.isalpha() and (set(name) <= set("xyz") or set(name) <= singles | {"e"}):
        hint = f"write {'*'.join(name)}, or declare f({name}) = ..."
        refuse(text, word.start, f"'{name}' can be a product or one variable", hint)
    for split in range(2, len(name)):
        head, tail = name[:split], name[split:]
        if canonical_function(head) and re.fullmatch(r"[0-9]*[a-z]", tail) and tail[-1] in singles | set("xyz"):
            refuse(text, word.start, f"unknown name '{name}'", f"write {head}({tail})")


def _similar_function(name: str) -> str | None:
    """The function that somebody may have meant by an unknown name."""
    if match := re.fullmatch(r"log_?([0-9]+)", name):
        return f"log(x, {match[1]})"
    if name in MISSPELT:
        return MISSPELT[name]
    known = [*FUNCTIONS, *ALIASES]
    close = difflib.get_close_matches(name, known, 1, 0.8) or difflib.get_close_matches(name.lower(), known, 1, 0.8)
    return close[0] if close and len(name) > 2 else None
