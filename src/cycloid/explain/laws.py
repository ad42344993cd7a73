"""The law of every step: what it computes and its local derivatives, as formulas where they are short, else in words.

A formula is kept only when it gives the numbers that were computed, forward and backward, at the values at hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from cycloid.core.chain_rule import derivative
from cycloid.core.formulas import formula
from cycloid.core.syntax import Node, number, substitute
from cycloid.explain.folding import Group
from cycloid.explain.lawbook import ELEMENTWISE, NAMES, SAME, WHOLE
from cycloid.explain.rules import ELEMENTARY, elementary
from cycloid.explain.shortening import shortest


@dataclass(frozen=True)
class Law:
    """What a step computes and how it passes slopes on.

    Attributes:
        name: in the words of a textbook.
        rule: forward law and local derivative in general, as text; "" where only the name is known.
        latex: the same in LaTeX.
        tree: the result as a formula of the inputs a and b, entry by entry, or None. To be tried before it is shown.
    """

    name: str
    rule: str
    latex: str
    tree: Node | None


def law_of(group: Group) -> Law:
    """The law of a step, by its one operation or by the library function that it is."""
    key = _key(group)
    entry = WHOLE.get(SAME.get(key, key))
    rule, latex = ("", "") if entry is None else (f"{entry[0]}; {entry[1]}", entry[2])
    return Law(_name(key, group), rule, latex, _tree(key, group))


def _key(group: Group) -> str:
    main = group.main
    if group.module in SAME:
        return group.module
    if group.single and not main.called and (main.name in NAMES or main.name in ELEMENTWISE or main.name in WHOLE):
        return main.name
    if not group.single and group.name == "max":
        return "reduce_max"
    return group.name or main.called or main.name


def _name(key: str, group: Group) -> str:
    if key in ELEMENTARY and key not in NAMES:
        return elementary(key)[0].name.partition(",")[0]
    name = NAMES.get(key, key).replace("_", " ")
    if group.main.name.startswith("custom_") and key not in NAMES and key not in ELEMENTWISE:
        return f"{name} (a derivative rule of its own)"
    return name


def _tree(key: str, group: Group) -> Node | None:
    """The step as a formula of its inputs, where it works entry by entry."""
    if key == "integer_pow":
        power = int(group.main.params["y"])
        return formula("a^2", ("a",)).tree if power == 2 else substitute(_parsed("a^b"), {"b": number(power)})
    text = ELEMENTWISE.get(key)
    return None if text is None else _parsed(text)


@cache
def _parsed(text: str) -> Node:
    return formula(text, ("a", "b")).tree


@cache
def partial(tree: Node, variable: str) -> Node:
    """The partial derivative of a law with respect to a or b, in the form in which it is taught."""
    from cycloid.explain.differentiation import differentiated

    try:
        return differentiated(tree, variable).result
    except Exception:
        return shortest(derivative(tree, variable))
