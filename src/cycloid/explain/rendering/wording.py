"""Words that every rendering shares: what a line of algebra says, and what a check found."""

from __future__ import annotations

from collections.abc import Sequence

from cycloid.core.numerals import numeral
from cycloid.core.syntax import Apply, Node, Number, substitute
from cycloid.explain.derivations import AGREES, DISAGREES, KINK, UNCHECKED, Check, Derivation, Step, summary
from cycloid.explain.handwriting import letter, written

GLUE = "\u00a0"  # a space at which no line is broken
MARKS = {AGREES: "✓", DISAGREES: "✗", KINK: "∨", UNCHECKED: "?"}


def statement(step: Step, applied: bool = True, top: bool = False) -> str:
    """What a line says: d/dx [x²] = 2x, ∫ 2x dx = x², or two forms of one expression."""
    x = letter(step.variable)
    result = written(step.result)
    if step.kind == "value":
        at = ", ".join(f"{letter(name)} = {written(tree)}" for name, tree in step.where)
        inserted = written(substitute(step.given, dict(step.where)))
        if not has_value(step):
            return f"at {at}: {inserted} has no finite value"
        middle = f"{inserted} = " if inserted != result else ""
        return f"at {at}: {middle}{shown_number(step)}"
    between = f"{written(step.applied)} = " if applied and step.applied is not None else ""
    if step.kind == "derivative":
        return f"d/d{x} [{written(step.given)}] = {between}{result}"
    if step.kind == "definite":
        (_, low), (_, high) = step.where
        start = f"∫ from {written(low)} to {written(high)} of {integrand(step.given)} d{x}"
        if step.result == step.given:
            return f"{start} has no value"
        difference = "" if step.applied is None else f"{written(step.applied)} = "
        return f"{start} = {difference}{shown_number(step)}"
    if is_open(step):
        return f"∫ {integrand(step.given)} d{x} = ?"
    if step.kind == "coefficient":
        return coefficient(step)
    if step.kind == "series":
        return f"f({x}) = {result} + {rest_term(step)}"
    if step.kind == "integral":
        return f"∫ {integrand(step.given)} d{x} = {between}{result}{' + C' if top else ''}"
    return f"{written(step.given)} = {between}{result}"


def coefficient(step: Step) -> str:
    """A line of a Taylor series: the derivative, its value at the centre, the coefficient."""
    (_, k), (_, a) = step.where
    order = int(written(k))
    prime = ("", "′", "″", "‴")[order] if order < 4 else f"⁽{superscript(order)}⁾"
    x, at = letter(step.variable), written(a)
    if step.check is None:
        return f"f{prime}({at}) has no value"
    start = f"f{prime}({x}) = {written(step.given)}" if step.applied is not None else f"c{subscript(order)}"
    if step.applied is None:
        return f"{start} = {written(step.result)}"
    factorial = f", c{subscript(order)} = {written(step.result)}" if order > 1 or step.result != step.applied else ""
    return f"{start}, f{prime}({at}) = {written(step.applied)}{factorial}"


def superscript(n: int) -> str:
    """A raised whole number."""
    return str(n).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))


def subscript(n: int) -> str:
    """A lowered whole number."""
    return str(n).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


def rest_term(step: Step) -> str:
    """O(x⁶), or O((x − 1)⁶)."""
    (_, n), (_, a) = step.where
    x = letter(step.variable)
    base = (
        x
        if written(a) == "0"
        else f"({x} − {written(a)})"
        if not written(a).startswith("−")
        else f"({x} + {written(a)[1:]})"
    )
    return f"O({base}{superscript(int(written(n)) + 1)})"


def is_open(step: Step) -> bool:
    """Whether an integral was left without a formula."""
    return step.kind == "integral" and step.result == step.given and step.check is None


def integrand(tree: Node) -> str:
    """A tree as it stands between ∫ and dx."""
    text = written(tree)
    return f"({text})" if isinstance(tree, Apply) and tree.head in ("add", "neg") else text


def has_value(step: Step) -> bool:
    """Whether a last line came to a number."""
    return step.result != step.given or step.check is not None


def shown_number(step: Step) -> str:
    """The value of the last line, ten digits of it."""
    match step.result:
        case Number(value):
            return numeral(value, 10, typeset=True)
        case Apply("neg", (Number(value),)):
            return numeral(-value, 10, typeset=True)
        case other:
            return written(other)


def law(step: Step) -> str:
    """The rule in general, and what its letters stand for here."""
    if step.kind in ("coefficient", "series"):
        first = step.kind == "series" or step.where[0][1] == Number(0)
        return step.law if first else ""
    if step.kind in ("value", "definite"):
        return step.law if step.kind == "definite" and step.result != step.given else ""
    where = [f"{letter(name)} = {written(tree)}" for name, tree in step.where]
    return ", ".join(
        [*([step.law] if step.law else []), *(part.replace(" ", GLUE) if len(part) < 30 else part for part in where)]
    )


def said(check: Check) -> str:
    """A check in a few words."""
    if check.verdict == UNCHECKED:
        return check.note or "could not be checked"
    if check.verdict == KINK:
        return check.note
    count = len(check.value)
    where = "here" if count == 1 else f"at {count} points"
    apart = (
        "the same to rounding" if is_rounding(check) else f"differs by {numeral(check.disagreement, 2, typeset=True)}"
    )
    return f"{check.method} {where}: {apart}"


def is_rounding(check: Check) -> bool:
    """Whether a difference is so far below what is allowed that its digits say nothing, and vary between machines."""
    return check.disagreement <= 1e-4 * check.allowance


def conclusion(derivation: Derivation) -> str:
    """The last sentence: how many checks there were and what they found."""
    found = summary(derivation.checks)
    if not found:
        return "Nothing was checked numerically."
    words = {AGREES: "agree", DISAGREES: "disagree", KINK: "on a kink", UNCHECKED: "could not be made"}
    total = sum(found.values())
    parts = [f"{count} {words[verdict]}" for verdict, count in found.items()]
    if list(found) == [AGREES]:
        parts = ["all agree"] if total > 1 else ["it agrees"]
    sentence = f"{total} numerical check{'s' if total > 1 else ''}: {', '.join(parts)}"
    if list(found) == [AGREES] and all(map(is_rounding, derivation.checks)):
        return f"{sentence} to rounding."
    if derivation.error_kind.name == "estimate" and list(found) in ([AGREES], [AGREES, UNCHECKED]):
        sentence += f"; the largest difference is {numeral(derivation.error, 2, typeset=True)}"
    return f"{sentence}."


def plural(count: int, noun: str) -> str:
    """ "3 paths", "1 path"."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def joined(parts: Sequence[str]) -> str:
    """ "a, b and c"."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)
