"""Taylor series explained: derivative after derivative, each coefficient found again by Cauchy's integral."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from cycloid.core.arithmetic import compute
from cycloid.core.formulas import Formula
from cycloid.core.numerals import numeral
from cycloid.core.results import Question
from cycloid.core.syntax import Apply, Node, Number, Variable, count, is_constant, number, substitute
from cycloid.explain import probing
from cycloid.explain.derivations import AGREES, DISAGREES, UNCHECKED, Check, Derivation, Step, concluded
from cycloid.explain.differentiation import differentiated, point_check
from cycloid.explain.handwriting import letter
from cycloid.explain.rules import Rule
from cycloid.explain.shortening import shortest
from cycloid.explain.symbolic import MAX_ORDER, as_formula, stated, variable_of
from cycloid.explain.terms import ZERO, fraction, rational

_LONGEST = 220  # parts of a derivative beyond which Taylor arithmetic gives the coefficient alone
_POINTS = 64
COEFFICIENT = Rule("Taylor coefficient", "c_k = f⁽ᵏ⁾(a)/k!", r"c_k=\frac{f^{(k)}(a)}{k!}")
SERIES = Rule("Taylor polynomial", "f(x) ≈ Σ c_k·(x − a)ᵏ", r"f(x)\approx\sum_k c_k(x-a)^k")
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def taylor(f: str | Formula, variable: str | None = None, *, at: float = 0.0, order: int = 5) -> Derivation:
    """The Taylor polynomial of a formula, explained: each derivative, its value at the centre, the coefficient.

    p(x) = Σ f⁽ᵏ⁾(a)/k!·(x − a)ᵏ, k from 0 to n. Each coefficient is found again by Cauchy's integral on a circle round
    a in the complex plane, or by differences, and the error of p must fall like |x − a|ⁿ⁺¹.

    Args:
        f: a formula of one variable, or its text.
        variable: x; may be left out.
        at: a, the centre.
        order: n, from 0 to 12.

    Returns:
        A `Derivation`: `value` is the polynomial as a formula; one step for each coefficient and one for the sum.

    Raises:
        FormulaError: when the text is no formula.
        ValueError: when it has several variables, or the centre or the order do not fit.

    Cost: 1,700 evaluations of f, 14 circles of 64 points and pairs for the error.

    Example:
        >>> from cycloid.explain import taylor
        >>> found = taylor("sin(x)", order=5)
        >>> found.formula.text, found.status
        ('x - x**3/6 + x**5/120', <converged>)

    Reference: B. Taylor, Methodus incrementorum directa et inversa, 1715; B. Fornberg, Numerical differentiation of
    analytic functions, 1981 (the check).
    """
    f = as_formula(f, "taylor")
    variable = variable_of(f, variable, "taylor")
    if len(f.variables) > 1:
        raise ValueError(
            f"taylor expands a formula of one variable; {f} has {', '.join(f.variables)}: put numbers for the others."
        )
    if type(order) is not int or not 0 <= order <= MAX_ORDER:
        raise ValueError(f"order is a whole number from 0 to {MAX_ORDER}; it was {order!r}.")
    try:
        centre = float(at)
    except (TypeError, ValueError):
        raise ValueError(f"at= is the centre, a number; it was {at!r}.") from None
    if not math.isfinite(centre):
        raise ValueError(f"at= is the centre, a finite number; it was {at!r}.")
    steps, notes = _coefficients(f, variable, centre, order)
    broken = any(step.check is None for step in steps)
    polynomial = ZERO if broken else _polynomial([step.result for step in steps], variable, centre)
    formula = None if broken else Formula.from_tree(polynomial, f.variables, "p")
    if not broken:
        last, told = _sum(f.tree, polynomial, variable, centre, order)
        steps.append(last)
        notes += told
    checks = [step.check for step in steps if step.check is not None]
    return concluded(
        "taylor",
        f"Taylor polynomial of order {order} of {stated(f)} at {letter(variable)} = {numeral(centre, 10, True)}",
        math.nan if formula is None else formula,
        tuple(steps),
        checks=checks,
        evaluations=14 * 2 * _POINTS + 24,
        formula=formula,
        notes=notes,
        status="no_value" if broken else None,
        question=Question(f, {"variable": variable, "at": centre, "order": order}),
    )


def _coefficients(f: Formula, variable: str, centre: float, order: int) -> tuple[list[Step], list[str]]:
    """One step for each coefficient, and notes."""
    circle = cauchy(f.tree, variable, centre, order)
    steps: list[Step] = []
    notes: list[str] = []
    tree: Node | None = f.tree
    a = number(centre)
    for k in range(order + 1):
        before = tree
        if k and tree is not None:
            tree = differentiated(tree, variable).result
            tree = None if count(tree) > _LONGEST else tree
        found, error = circle[k]
        value = None if tree is None else _value(tree, variable, a)
        if value is not None and tree is not None:
            coefficient = shortest(Apply("div", (value, Number(math.factorial(k)))))
            check = _check(coefficient, found, error)
            if check.verdict == UNCHECKED:
                check = _slope(before, tree, variable, centre, compute(value, {}))
        elif math.isfinite(found) and error <= 1e-7 * (1.0 + abs(found)):
            coefficient = _recognised(found)
            why = (
                "f or a derivative has no value at the centre itself"
                if tree is not None
                else "the derivative is too long to write"
            )
            if not notes:
                notes.append(
                    f"From order {k} on {why}: the coefficients are those of Cauchy's integral round the centre."
                )
            check = Check(
                "Cauchy's integral",
                (),
                (compute(coefficient, {}),),
                (found,),
                abs(compute(coefficient, {}) - found),
                1e-9 + error,
                AGREES,
            )
        else:
            note = f"f or a derivative of it has no value at {letter(variable)} = {numeral(centre, 6, True)}."
            steps.append(
                Step(
                    "coefficient",
                    COEFFICIENT.name,
                    COEFFICIENT.law,
                    COEFFICIENT.latex,
                    f.tree,
                    f.tree,
                    variable,
                    (("k", Number(k)), ("a", a)),
                    note=note,
                )
            )
            return steps, notes
        steps.append(
            Step(
                "coefficient",
                COEFFICIENT.name,
                COEFFICIENT.law,
                COEFFICIENT.latex,
                f.tree if tree is None else tree,
                coefficient,
                variable,
                (("k", Number(k)), ("a", a)),
                check=check,
                applied=value,
            )
        )
    return steps, notes


def _value(tree: Node, variable: str, a: Node) -> Node | None:
    """The tree at the centre: exact where it can be, else a number; None where it has none."""
    exact = shortest(substitute(tree, {variable: a}))
    try:
        value = compute(exact, {})
    except (ArithmeticError, ValueError):
        return None
    if rational(exact) is not None or (is_constant(exact) and count(exact) <= 12):
        return exact
    return number(value)


def _recognised(found: float) -> Node:
    """A coefficient known as a number alone: the fraction that it is to rounding, where there is a short one."""
    near = Fraction(found).limit_denominator(50_000)
    return fraction(near) if abs(float(near) - found) < 1e-12 * (1.0 + abs(found)) else number(float(f"{found:.12g}"))


def _check(coefficient: Node, found: float, error: float) -> Check:
    claimed = compute(coefficient, {})
    apart, allowance = abs(claimed - found), 10 * error + 1e-9 * (1.0 + abs(claimed))
    if not math.isfinite(error) or error > 0.1 * (1.0 + abs(claimed)):
        return Check(
            "Cauchy's integral",
            (),
            (claimed,),
            (found,),
            math.nan,
            math.nan,
            UNCHECKED,
            "No circle round the centre is free of jumps.",
        )
    return Check(
        "Cauchy's integral", (), (claimed,), (found,), apart, allowance, AGREES if apart <= allowance else DISAGREES
    )


def _slope(before: Node | None, tree: Node, variable: str, centre: float, value: float) -> Check:
    """Where no circle can be drawn: whether the value is the slope of the derivative before it, from both sides."""
    if before is None or before is tree:
        again = float(np.real(probing.evaluate(tree, {variable: np.float64(centre)})))
        return Check("values", (), (value,), (again,), abs(value - again), 1e-9 * (1.0 + abs(value)), AGREES)
    return point_check(before, variable, {variable: centre}, value)


def cauchy(tree: Node, variable: str, centre: float, order: int) -> list[tuple[float, float]]:
    """For k = 0 … order, (c_k, error estimate) by Cauchy's integral: the best of several radii.

    c_k = 1/(2π rᵏ) ∫ f(a + r e^{iθ}) e^{−ikθ} dθ by the trapezoidal rule, whose error is seen from half the points.
    """
    best = [(math.nan, math.inf)] * (order + 1)
    if not probing.has_complex_step(tree):
        return best
    angles = np.exp(2j * np.pi * (np.arange(_POINTS) + 0.5) / _POINTS)
    for radius in max(1.0, abs(centre)) * 2.0 ** -np.arange(-2.0, 12.0):
        values = np.asarray(probing.evaluate(tree, {variable: centre + radius * angles}), complex) + 0j * angles
        if not np.all(np.isfinite(values)):
            continue
        # A pole inside, or a cut across the circle, leaves powers of 1/z: then this is no series of f.
        broken = max(abs((values * angles**m).mean()) for m in range(1, 17))
        for k in range(order + 1):
            turned = values * angles ** (-k)
            full, half = turned.mean().real / radius**k, turned[::2].mean().real / radius**k
            rounding = np.finfo(float).eps * np.abs(values).max()
            error = abs(full - half) + (broken + rounding) / radius**k
            if error < best[k][1]:
                best[k] = (float(full), float(error))
    return best


def _polynomial(coefficients: list[Node], variable: str, centre: float) -> Node:
    """Σ c_k·(x − a)ᵏ by rising powers."""
    x: Node = Variable(variable)
    if centre:
        shift = number(-centre)
        x = Apply("add", (x, shift))
    terms: list[Node] = []
    for k, c in enumerate(coefficients):
        if c == ZERO:
            continue
        power: list[Node] = [] if k == 0 else [x if k == 1 else Apply("pow", (x, Number(k)))]
        terms.append(shortest_term(c, power))
    if not terms:
        return ZERO
    return terms[0] if len(terms) == 1 else Apply("add", tuple(terms))


def shortest_term(coefficient: Node, power: list[Node]) -> Node:
    """c·(x − a)ᵏ as one fraction, its sign in front."""
    from cycloid.core.chain_rule import product

    return product(coefficient, *power)


def _sum(tree: Node, polynomial: Node, variable: str, centre: float, order: int) -> tuple[Step, list[str]]:
    """The last line: the polynomial, the order at which its error falls, and the error at some distances."""
    error = lambda h: np.abs(
        np.real(probing.evaluate(tree, {variable: centre + h}) - probing.evaluate(polynomial, {variable: centre + h}))
    )
    h = max(1.0, abs(centre)) * 0.5 * 2.0 ** -np.arange(10.0)
    sizes = np.maximum(error(h), error(-h))
    floor = 1e-13 * (1.0 + abs(float(np.real(probing.evaluate(polynomial, {variable: np.float64(centre)})))))
    clear = np.isfinite(sizes) & (sizes > 100 * floor)
    both = clear[:-1] & clear[1:]
    slopes = np.log2(sizes[:-1][both] / sizes[1:][both])
    if slopes.size:
        measured = float(slopes[-1])
        verdict = AGREES if measured > order + 0.7 else DISAGREES if slopes.size > 1 else UNCHECKED
        check = Check(
            "order of the error", (), (measured,), (order + 1.0,), max(0.0, order + 1.0 - measured), 0.3, verdict
        )
    else:
        good = bool(np.all(sizes[np.isfinite(sizes)] <= 100 * floor)) and bool(np.isfinite(sizes).any())
        check = Check(
            "values",
            (),
            (0.0,),
            (float(np.nanmax(sizes)) if good else math.nan,),
            float(np.nanmax(sizes)) if good else math.nan,
            100 * floor,
            AGREES if good else UNCHECKED,
        )
    line = Step(
        "series",
        SERIES.name,
        SERIES.law,
        SERIES.latex,
        tree,
        polynomial,
        variable,
        (("n", Number(order)), ("a", number(centre))),
        check=check,
    )
    near = (0.1, 0.5, 1.0, 2.0)
    told = [
        f"{numeral(float(max(error(np.float64(x)), error(np.float64(-x)))), 2, True)} at a distance of {x:g}"
        for x in near
        if np.isfinite(error(np.float64(x))) and np.isfinite(error(np.float64(-x)))
    ]
    exact = bool(np.all(sizes[np.isfinite(sizes)] <= 100 * floor))
    notes = (
        ["The polynomial is the function itself."]
        if exact and not clear.any()
        else [f"The error is {', '.join(told)}."]
        if told
        else []
    )
    return line, notes
