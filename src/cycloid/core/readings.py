"""What can be read in two ways is refused, and the message shows how to write either.

Spaces decide where people see them as deciding: `1/2 x` and `sin x / 2` are read, `1/2x` and `sin x/2` are not.
"""

from __future__ import annotations

from collections.abc import Sequence

from cycloid.core.notation import Group, Item, Token, refuse

TWO_WAYS = "this can be read in two ways"


def is_sign(item: Item, *texts: str) -> bool:
    """Whether the item is one of these operators or raised signs."""
    return isinstance(item, Token) and item.text in texts and item.kind in ("operator", "superscript")


def check_product(text: str, items: Sequence[Item], at: int) -> None:
    """Refuses an implied product before the item at `at` where something else could be meant."""
    item, before = items[at], items[at - 1]
    tight = before.end == item.start
    if item.kind == "number":
        refuse(text, item.start, "an operator is missing before this number", "use * between factors, ^ for a power")
    if isinstance(item, Group) and item.kind == "bars" and is_sign(item.items[0], "+", "-"):
        refuse(text, item.start, "the bars can be read in two ways", "write abs(...)")
    if tight and before.kind == "number" and at >= 2:  # e^2x, 2^-3x, but x^2y is as good as x²y
        sign = at - 2 - is_sign(items[at - 2], "+", "-")
        if sign >= 1 and items[sign].kind == "power" and items[sign - 1].kind in ("number", "constant"):
            refuse(text, item.start, TWO_WAYS, "put the exponent in brackets, or write * behind it")
    if tight and at >= 2 and items[at - 2].kind == "root" and before.kind != "brackets":  # √2x
        refuse(text, item.start, TWO_WAYS, "write √(...) around all that is under the root, or * behind it")
    for back in range(at - 1, 0, -1):
        if is_sign(items[back], "/"):
            if not tight and back + 2 == at and items[back - 1].kind == items[back + 1].kind == "number":
                return  # 1/2 x
            refuse(text, item.start, TWO_WAYS, "write a/(b*c) or (a/b)*c")
        if items[back].kind == "operator" and items[back - 1].kind not in ("operator", "power"):
            return


def check_operator(text: str, items: Sequence[Item], at: int) -> None:
    """Refuses an operator where what stands before it could have been meant to hold more."""
    token, before = items[at], items[at - 1] if at else None
    if before is None:
        return
    if token.kind == "power" and before.kind == "superscript" and not is_sign(before, "!"):
        refuse(text, token.start, "two powers follow each other", "write (x²)^3 or x^(2^3)")
    one = isinstance(before, Token) and before.text == "1" and before.end == token.start
    if one and is_sign(token, "/") and at >= 2 and items[at - 2].kind == "power":  # nobody means x^1
        refuse(text, token.start, TWO_WAYS, "write x^(1/2), or x/2")


def check_behind_root(text: str, items: Sequence[Item], at: int) -> None:
    """Refuses a power behind √x without brackets."""
    if at < len(items) and items[at].kind in ("power", "superscript"):
        refuse(text, items[at].start, TWO_WAYS, "write √(...) around all that is under the root")


def check_behind_argument(text: str, items: Sequence[Item], at: int, typed: str) -> None:
    """Refuses sin x/2 and sin 2*x, where an operator stands tight behind an argument without brackets."""
    if at < len(items) and is_sign(items[at], "*", "/", "%") and not text[items[at].start - 1].isspace():
        refuse(text, items[at].start, TWO_WAYS, f"write {typed}(...) around its argument")


def end_of_argument(text: str, items: Sequence[Item], at: int, typed: str) -> int:
    """Where the argument without brackets ends that starts at `at`: numbers and names side by side.

    Behind a variable the next factor must stand tight: in `sin x y` it could belong to the sine or not.
    """
    sign = items[at]
    minus = is_sign(sign, "-") and text[sign.start - 1].isspace() and not text[sign.end : sign.end + 1].isspace()
    start = at = at + minus
    named = False
    while at < len(items) and (kind := items[at].kind) not in ("operator", "comma", "equals", "function"):
        loose = at > start and items[at].start > items[at - 1].end and kind not in ("power", "superscript")
        if kind in ("brackets", "bars", "root") or (named and loose):
            refuse(text, items[at].start, TWO_WAYS, f"write {typed}(...) around its argument")
        named = named or kind == "variable"
        at += 1
        if kind == "power":
            while at < len(items) and is_sign(items[at], "+", "-"):
                at += 1
            at += 1
    if at == start:
        column = items[start].start if start < len(items) else items[-1].end
        refuse(text, column, f"{typed} needs an argument", f"write {typed}(x)")
    return min(at, len(items))
