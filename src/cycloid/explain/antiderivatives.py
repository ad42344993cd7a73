"""Antiderivatives explained: the rules of integration as a tree, each line differentiated back at points.

Where no elementary antiderivative is known that is said, and whether it is proved that there is none; the integral
between bounds is then computed by quadrature.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cycloid.core.algebra import AlgebraError, ask
from cycloid.core.formulas import Formula
from cycloid.core.interchange import from_data, to_data
from cycloid.core.numerals import numeral
from cycloid.core.results import Question
from cycloid.core.syntax import Apply, Node, Variable, names, number
from cycloid.explain import probing, rules
from cycloid.explain.derivations import AGREES, UNCHECKED, Check, Derivation, Step, concluded
from cycloid.explain.differentiation import slope_check
from cycloid.explain.handwriting import letter, written
from cycloid.explain.quadratures import gauss, is_real, quadrature, singularity
from cycloid.explain.shortening import shortest, simplified
from cycloid.explain.symbolic import as_formula, stated, variable_of

SECONDS = 20.0
UNKNOWN = "I do not know an elementary antiderivative."
PROVED = "There is no elementary antiderivative: Risch's algorithm, which would find one, proves it."


def antiderivative(
    f: str | Formula, variable: str | None = None, *, bounds: Sequence[float] | None = None, seconds: float = SECONDS
) -> Derivation:
    """A function F with F′ = f, explained rule by rule; or, between bounds, the integral.

    ∫ f dx by substitution, parts, partial fractions and tables. Each line is differentiated at five points that never
    change, by a complex step, and must give the integrand back. The last line of a definite integral, F(b) − F(a), is
    compared with adaptive quadrature.

    Args:
        f: a formula or its text.
        variable: x; may be left out where there is only one.
        bounds: (a, b) for the integral from a to b; either may be infinite.
        seconds: time limit for the algebra, which SymPy does in a process of its own.

    Returns:
        A `Derivation`: `value` is F as a formula, or the integral as a number; status `no_formula` where no elementary
        antiderivative is known and no bounds were given.

    Raises:
        FormulaError: when the text is no formula.
        ValueError: when the variable or the bounds do not fit.

    Cost: SymPy's time; at most about 1,000 evaluations of f for a definite integral.

    Example:
        >>> from cycloid.explain import antiderivative
        >>> found = antiderivative("x*exp(-x)", "x")
        >>> found.formula.text, found.steps[0].rule
        ('-(x + 1)*exp(-x)', 'integration by parts')
        >>> round(antiderivative("exp(-x^2)", "x", bounds=(0, 1)).value, 12)
        0.746824132812

    Reference: M. Bronstein, Symbolic Integration I, 2nd ed., 2005.
    """
    f = as_formula(f, "antiderivative")
    variable = variable_of(f, variable, "antiderivative")
    ends = None if bounds is None else _bounds(f, variable, bounds)
    if not 0 < seconds <= 600:
        raise ValueError(f"seconds is a time limit between 0 and 600; it was {seconds}.")
    step, notes = _derived(f, variable, seconds)
    known = step.check is not None
    steps, runs = [step], 0
    value: Any = math.nan
    tree, shorter = _shortened(step, f.tree, variable) if known else (step.result, None)
    steps += [] if shorter is None else [shorter]
    primitive = _formula(tree, f) if known else None
    if ends is not None:
        last, value, runs, more = _definite(f, tree if known else None, variable, ends)
        steps.append(last)
        notes += more
    elif known:
        value = primitive
    checks = [s.check for top in steps for s in top.walk() if s.check is not None]
    what = "Antiderivative" if ends is None else "Integral"
    where = "" if ends is None else " from {} to {}".format(*(written(_end(x)) for x in ends))
    by = f" with respect to {letter(variable)}" if len(f.variables) > 1 else ""
    status = (
        "no_formula"
        if not known and ends is None
        else "no_integral"
        if ends is not None and not math.isfinite(value)
        else None
    )
    return concluded(
        "antiderivative",
        f"{what} of {stated(f)}{by}{where}",
        value,
        tuple(steps),
        checks=checks,
        evaluations=runs + sum(len(check.value) for check in checks),
        formula=primitive,
        notes=notes,
        status=status,
        question=Question(f, {"variable": variable, "bounds": ends}),
    )  # fmt: skip


# -- the tree ------------------------------------------------------------------------------------------------------


def _derived(f: Formula, variable: str, seconds: float) -> tuple[Step, list[str]]:
    """The tree of rules; where there is none, the result of an algorithm; where there is none either, an open line."""
    request = {"tree": to_data(f.tree), "variable": variable}
    notes: list[str] = []
    if variable not in names(f.tree):
        rule = rules.INTEGRALS["constant"]
        result = shortest(Apply("mul", (f.tree, Variable(variable))))
        return _step(rule, f.tree, result, variable), notes
    try:
        found = ask("cycloid.explain.integration:steps", seconds=seconds, **request)
    except AlgebraError as error:
        found, notes = None, [f"No steps: {error}"]
    unknown, special = _kinds(found)
    step = None if found is None or unknown else _from_data(found)
    if step is not None and step.check is not None and not special:
        return step, []
    closed = _closed(request, seconds)
    told = PROVED if closed["proof"] else UNKNOWN
    if step is not None and step.check is not None:  # erf, which formulas have a word for
        return step, [f"{told} The result needs {' and '.join(special)}, which is defined as such an integral."]
    tree = None if closed["result"] is None else shortest(from_data(closed["result"]))
    if tree is not None:
        line = _step(rules.INTEGRALS["algebra"], f.tree, tree, variable)
        if line.check is not None and line.check.verdict == AGREES:
            needs = f"{told} The result needs {closed['words']}." if closed["words"] else ""
            return line, [needs] if needs else []
    words = f" Algebra names it {closed['words']}, for which formulas have no word." if closed["words"] else ""
    named = f" It is {special[0]}, up to elementary functions." if special and not words else ""
    open_line = Step("integral", "no rule leads to a formula", "", "", f.tree, f.tree, variable)
    return open_line, [f"{told}{words}{named}", *notes]


def _closed(request: dict[str, Any], seconds: float) -> dict[str, Any]:
    try:
        return ask("cycloid.explain.integration:closed_form", seconds=seconds, **request)
    except AlgebraError:
        return {"result": None, "words": "", "proof": False}


def _kinds(found: Any) -> tuple[bool, list[str]]:
    """Whether a line of the tree is unknown, and the special functions that it needs."""
    if found is None:
        return True, []
    unknown, special = found["rule"] == "unknown", [found["note"]] if found["rule"] == "special" else []
    for inner in found["steps"]:
        below = _kinds(inner)
        unknown, special = unknown or below[0], [*special, *below[1]]
    return unknown, list(dict.fromkeys(special))


def _from_data(found: Any) -> Step | None:
    """A line and those below it; None where a result has no word among formulas."""
    below = [_from_data(inner) for inner in found["steps"]]
    if found["result"] is None or None in below:
        return None
    rule = rules.INTEGRALS.get(found["rule"], rules.INTEGRALS["known"])
    where = tuple((name, from_data(tree)) for name, tree in found["where"])
    given, result, variable = from_data(found["given"]), from_data(found["result"]), found["variable"]
    steps = tuple(step for step in below if step is not None)
    note = found["note"] if found["rule"] != "special" else f"It is {found['note']}."
    return _step(rule, given, shortest(result), variable, where, steps, note)


def _step(
    rule: rules.Rule, given: Node, result: Node, variable: str, where: tuple[tuple[str, Node], ...] = (),
    steps: tuple[Step, ...] = (), note: str = "",
) -> Step:  # fmt: skip
    """A line, its result differentiated back."""
    check = slope_check(result, variable, given)
    return Step("integral", rule.name, rule.law, rule.latex, given, result, variable, where, steps, check, note)


def _shortened(step: Step, given: Node, variable: str) -> tuple[Node, Step | None]:
    """The result written shorter where algebra can, with the step that says so; a constant may be lost on the way."""
    tree, way = simplified(step.result)
    if not way or tree == step.result:
        return step.result, None
    rule = rules.SIMPLIFY
    check = slope_check(tree, variable, given)
    if check.verdict != AGREES:
        return step.result, None
    return tree, Step("equality", rule.name, rule.law, rule.latex, step.result, tree, variable, check=check)


def _formula(tree: Node, f: Formula) -> Formula:
    variables = (*f.variables, *sorted(names(tree) - set(f.variables)))
    return Formula.from_tree(tree, variables, "F" if f.name == "f" else f"∫{f.name}")


# -- between bounds ------------------------------------------------------------------------------------------------


def _bounds(f: Formula, variable: str, bounds: Any) -> tuple[float, float]:
    if len(f.variables) > 1:
        others = ", ".join(name for name in f.variables if name != variable)
        raise ValueError(f"bounds= needs a formula of {variable} alone; {f} also has {others}: put numbers for them.")
    try:
        low, high = (float(x) for x in bounds)
    except (TypeError, ValueError):
        raise ValueError(f"bounds= is a pair of numbers, such as (0, 1); it was {bounds!r}.") from None
    if math.isnan(low) or math.isnan(high):
        raise ValueError(f"bounds= holds numbers; it was {bounds!r}.")
    return low, high


def _definite(
    f: Formula, primitive: Node | None, variable: str, ends: tuple[float, float]
) -> tuple[Step, float, int, list[str]]:
    """The last line, its value, evaluations and notes: F(b) − F(a) beside quadrature, or quadrature alone."""
    if not is_real(f.tree, variable, ends):
        told = "f has no real value on a part of the way from one bound to the other."
        return _by_number(f, variable, ends, math.nan, None, ""), math.nan, 0, [told]
    pole = singularity(f.tree, variable, ends)
    if pole is not None:
        place = f"{letter(variable)} = {numeral(pole, 4, True)}"
        told = f"f has a pole near {place}, where it grows too fast: the integral does not exist."
        return _by_number(f, variable, ends, math.nan, None, ""), math.nan, 0, [told]
    area, error, runs, warned = quadrature(f.tree, variable, ends)
    notes = [f"The quadrature warns: {warned}."] if warned else []
    if primitive is not None:
        low, high = (float(np.real(probing.evaluate(primitive, {variable: np.float64(x)}))) for x in ends)
        value = high - low
        allowance = max(1e-9 * (1.0 + abs(value)), 10 * error)
        if math.isfinite(value) and abs(value - area) <= allowance:
            check = Check("quadrature (SciPy)", (), (value,), (area,), abs(value - area), allowance, AGREES)
            applied = Apply("add", (_rounded(high), Apply("neg", (_rounded(low),)))) if low else None
            rule, where = rules.DEFINITE, (("a", _end(ends[0])), ("b", _end(ends[1])))
            line = Step(
                "definite",
                rule.name,
                rule.law,
                rule.latex,
                f.tree,
                number(value),
                variable,
                where,
                (),
                check,
                "",
                applied,
            )
            return line, value, runs, notes
        if math.isfinite(value):
            notes.append(f"F(b) − F(a) = {numeral(value, 8, True)} is not the integral: F jumps between the bounds.")
        else:
            notes.append("F has no finite value at a bound.")
    again = gauss(f.tree, variable, ends)
    told = f"The number is by adaptive quadrature (SciPy's quad), with an error of about {numeral(error, 1, True)}."
    apart, allowance = abs(area - again), max(1e-6 * (1.0 + abs(area)), 10 * error)
    if not math.isfinite(area) or (warned and error > 1e-3 * (1.0 + abs(area))):
        notes.append("The quadrature does not settle: the integral may not exist.")
        return _by_number(f, variable, ends, math.nan, None, ""), math.nan, runs, notes
    verdict = AGREES if apart <= allowance else UNCHECKED
    check = Check("Gauss-Legendre quadrature", (), (area,), (again,), apart, allowance, verdict)
    return _by_number(f, variable, ends, area, check, told), area, runs, notes


def _by_number(
    f: Formula, variable: str, ends: tuple[float, float], area: float, check: Check | None, told: str
) -> Step:
    rule, where = rules.QUADRATURE, (("a", _end(ends[0])), ("b", _end(ends[1])))
    result = number(area) if math.isfinite(area) else f.tree
    return Step("definite", rule.name, rule.law, rule.latex, f.tree, result, variable, where, (), check, told)


def _end(x: float) -> Node:
    return number(x) if math.isfinite(x) else Variable("∞") if x > 0 else Apply("neg", (Variable("∞"),))


def _rounded(x: float) -> Node:
    return number(float(f"{x:.10g}"))
