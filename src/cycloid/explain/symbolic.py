"""The derivative of a formula explained: a tree of named rules, each tried at points, ending in a teacher's form."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from cycloid.core.arithmetic import compute
from cycloid.core.formulas import Formula, formula
from cycloid.core.numerals import numeral
from cycloid.core.results import Question
from cycloid.core.syntax import Node, count, number
from cycloid.explain import rules
from cycloid.explain.derivations import KINK, Derivation, Step, concluded
from cycloid.explain.differentiation import differentiated, equality_check, point_check
from cycloid.explain.handwriting import letter, written
from cycloid.explain.shortening import simplified

MAX_ORDER = 12
_LONGEST = 300  # parts of a derivative beyond which its steps are no explanation


def derivative(
    f: str | Formula, variable: str | None = None, *, at: Any = None, order: int = 1, algebra: bool = True
) -> Derivation:
    """The derivative of a formula, explained rule by rule, each line checked numerically.

    dⁿf/dxⁿ by the rules of differentiation on the formula's own tree; each line is tried by a complex step at five
    points that never change, the value at `at` from both sides.

    Args:
        f: a formula or its text.
        variable: x; may be left out where there is only one.
        at: where to insert the result: a number for one variable, else a dict by name.
        order: n, from 1 to 12.
        algebra: shorten a long result by SymPy too, in a process of its own with a time limit.

    Returns:
        A `Derivation`: `value` is the number at `at`, or the derivative as a formula; `.text`, `.html`, `.latex`.

    Raises:
        FormulaError: when the text is no formula.
        TypeError: when f is code; `cy.explain.chain` explains that.
        ValueError: when the variable, the point or the order do not fit.

    Cost: no evaluation of JAX; about a millisecond a line.

    Example:
        >>> from cycloid.explain import derivative
        >>> found = derivative("x^3 + 2x + 1", at=2.0)
        >>> found.value, found.formula.text, found.status
        (14.0, '3*x**2 + 2', <converged>)
        >>> [step.rule for step in found.steps[0].steps]
        ['power rule', 'constant multiple', 'constant rule']

    Reference: I. Newton, Methodus fluxionum, 1671; G. W. Leibniz, Nova methodus pro maximis et minimis, 1684.
    """
    f = as_formula(f, "derivative")
    variable = variable_of(f, variable, "derivative")
    if type(order) is not int or not 1 <= order <= MAX_ORDER:
        raise ValueError(f"order is a whole number from 1 to {MAX_ORDER}; it was {order!r}.")
    point = None if at is None else point_of(f, at)
    steps, tree = _orders(f.tree, variable, order, algebra)
    value: Any = derived_formula(tree, f, variable, order)
    status = None
    if point is not None:
        last, value, status = _inserted(steps, tree, variable, point, order)
        steps.append(last)
    checks = [step.check for top in steps for step in top.walk() if step.check is not None]
    n, d = (superscript(order) if order > 1 else ""), ("d" if len(f.variables) == 1 else "∂")
    where = "" if point is None else " at " + ", ".join(f"{letter(k)} = {numeral(v, 10)}" for k, v in point.items())
    return concluded(
        "derivative",
        f"{d}{n}{f.name}/{d}{letter(variable)}{n} of {stated(f)}{where}",
        value,
        tuple(steps),
        checks=checks,
        evaluations=sum(len(check.value) for check in checks),
        formula=derived_formula(tree, f, variable, order),
        status=status,
        question=Question(f, {"variable": variable, "at": point, "order": order}),
    )


def _orders(tree: Node, variable: str, order: int, algebra: bool) -> tuple[list[Step], Node]:
    """One derivation for each order, each shortened before the next."""
    steps: list[Step] = []
    for k in range(1, order + 1):
        step = differentiated(tree, variable)
        steps.append(step)
        tree = step.result
        shorter, way = simplified(tree, algebra and k == order)
        if way:
            check = equality_check(tree, shorter)
            rule = rules.SIMPLIFY
            steps.append(Step("equality", rule.name, rule.law, rule.latex, tree, shorter, variable, check=check))
            tree = shorter
        if count(tree) > _LONGEST and k < order:
            raise ValueError(
                f"the derivative of order {k} has {count(tree)} parts already, too many to explain: ask for a lower "
                "order, or for the value alone by cy.differentiate.derivative(f, order=…)."
            )
    return steps, tree


def _inserted(
    steps: list[Step], tree: Node, variable: str, point: dict[str, float], order: int
) -> tuple[Step, float, str | None]:
    """The last line: the point inserted, its value, and the status where that is not a plain number."""
    before = steps[0].given if order == 1 else [s for s in steps if s.kind == "derivative"][-1].given
    where = tuple((name, number(x)) for name, x in point.items())
    try:
        value = compute(tree, point)
    except (ArithmeticError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        line = Step("value", rules.INSERT.name, rules.INSERT.law, rules.INSERT.latex, tree, tree, variable, where)
        return line, math.nan, "no_value"
    check = point_check(before, variable, point, value)
    line = Step(
        "value", rules.INSERT.name, rules.INSERT.law, rules.INSERT.latex, tree, number(value), variable, where,
        check=check, note=check.note if check.verdict == KINK else "",
    )  # fmt: skip
    return line, value, None


# -- what may be asked ---------------------------------------------------------------------------------------------


def as_formula(f: Any, caller: str) -> Formula:
    """The formula of a text or a formula.

    Raises:
        TypeError: for anything else, with what to call instead.
    """
    if isinstance(f, str):
        return formula(f)
    if isinstance(f, Formula):
        return f
    if callable(f):
        raise TypeError(
            f"explain.{caller} explains a formula, such as 'x^3 + 2x + 1'; {getattr(f, '__name__', 'this')} is code: "
            "explain.chain(f, x) explains code at a point."
        )
    raise TypeError(f"explain.{caller} takes a formula or its text, such as 'x^2'; it was a {type(f).__name__}.")


def variable_of(f: Formula, variable: str | None, caller: str) -> str:
    """The variable asked for, or the only one there is."""
    listed = ", ".join(f.variables) or "none"
    if variable is None:
        if len(f.variables) != 1:
            cure = f"pass one, as in explain.{caller}(f, {f.variables[0]!r})" if f.variables else "give it a variable"
            raise ValueError(f"{f} has the variables {listed}: {cure}.")
        return f.variables[0]
    from cycloid.core.vocabulary import GREEK

    spelt = GREEK.get(variable, variable) if isinstance(variable, str) else ""
    if spelt not in f.variables:
        raise ValueError(f"{f} has no variable {variable!r}; it has {listed}.")
    return spelt


def point_of(f: Formula, at: Any) -> dict[str, float]:
    """The point as a dict by name, in the order of the variables.

    Raises:
        ValueError: when a variable is missing, unknown, or not a finite number.
    """
    if isinstance(at, Mapping):
        given = {str(name): value for name, value in at.items()}
    else:
        values = list(at) if isinstance(at, tuple | list) else [at]
        given = dict(zip(f.variables, values, strict=False)) if len(values) == len(f.variables) else {}
    if set(given) != set(f.variables):
        wanted = ", ".join(f"{name!r}: 1.0" for name in f.variables)
        raise ValueError(f"{f} has the variables {', '.join(f.variables) or 'none'}: pass at={{{wanted}}}.")
    try:
        point = {name: float(given[name]) for name in f.variables}
    except (TypeError, ValueError):
        raise ValueError(f"at= holds one number for each variable; it was {at!r}.") from None
    if not all(map(math.isfinite, point.values())):
        raise ValueError(f"at= holds finite numbers; it was {at!r}.")
    return point


def derived_formula(tree: Node, f: Formula, variable: str, order: int) -> Formula:
    """The derivative as a formula of the same variables."""
    if len(f.variables) == 1:
        name = f.name + "'" * order if order <= 3 else f"{f.name}^({order})"
    else:
        name = f"d{f.name}/d{variable}" if order == 1 else f"d^{order}{f.name}/d{variable}^{order}"
    return Formula.from_tree(tree, f.variables, name)


def stated(f: Formula) -> str:
    """f(x) = x² + 1, as on the board."""
    return f"{f.name}({', '.join(map(letter, f.variables))}) = {written(f.tree)}"


def superscript(n: int) -> str:
    """A raised whole number."""
    return str(n).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
