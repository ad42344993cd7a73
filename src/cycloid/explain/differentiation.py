"""The derivative of a tree, step by step: which rule applies, what it needs, what comes of it, and whether it is so."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from cycloid.core.arithmetic import constant
from cycloid.core.grammar import negated
from cycloid.core.syntax import Apply, Constant, FormulaError, Node, Number, Variable, names, substitute
from cycloid.explain import probing, rules
from cycloid.explain.derivations import AGREES, DISAGREES, KINK, UNCHECKED, Check, Step
from cycloid.explain.rules import Rule
from cycloid.explain.shortening import shortest
from cycloid.explain.terms import ONE, ZERO
from cycloid.explain.tidying import tidy

RELATIVE = 1e-9  # of the largest value: both sides are right to rounding, a wrong rule is wrong by far more
_LETTERS = ("u", "w", "z", "p", "q", "s")


def differentiated(tree: Node, variable: str) -> Step:
    """The derivative of a tree as a step, with the steps below it."""
    if variable not in names(tree):
        return _made(tree, variable, rules.CONSTANT, ZERO)
    match tree:
        case Variable():
            return _made(tree, variable, rules.IDENTITY, ONE)
        case Apply("add", args):
            steps = [differentiated(arg, variable) for arg in args]
            return _made(tree, variable, rules.SUM, Apply("add", tuple(s.result for s in steps)), steps)
        case Apply("neg", (arg,)):
            inner = differentiated(arg, variable)
            return _made(tree, variable, rules.SIGN, negated(inner.result), [inner])
        case Apply("mul", args):
            return _product(tree, args, variable)
        case Apply("div", (over, under)):
            return _quotient(tree, over, under, variable)
        case Apply("pow", (base, exponent)):
            return _power(tree, base, exponent, variable)
        case Apply("where", (condition, yes, no)):
            steps = [differentiated(part, variable) for part in (yes, no)]
            result = Apply("where", (condition, steps[0].result, steps[1].result))
            note = "Where the pieces meet there may be a jump or a kink, and then no derivative."
            return _made(tree, variable, rules.PIECES, result, steps, note=note)
        case Apply("max" | "min" as head, args):
            return _larger(tree, head, args, variable)
        case Apply("polygamma", (order, arg)):
            return _polygamma(tree, order, arg, variable)
        case Apply(head, (arg,)):
            return _function(tree, head, arg, variable)
        case Apply(head, (first, second)) if head in rules.OF_TWO:
            return _of_two(tree, head, first, second, variable)
        case _:
            raise FormulaError(f"no rule of differentiation is known for {getattr(tree, 'head', tree)}")


# -- products and quotients ----------------------------------------------------------------------------------------


def _product(tree: Apply, args: tuple[Node, ...], variable: str) -> Step:
    fixed = [arg for arg in args if variable not in names(arg)]
    moving = [arg for arg in args if variable in names(arg)]
    if fixed:
        rest = moving[0] if len(moving) == 1 else Apply("mul", tuple(moving))
        inner = differentiated(rest, variable)
        factor = fixed[0] if len(fixed) == 1 else Apply("mul", tuple(fixed))
        where = (("c", factor), ("u", rest))
        return _made(tree, variable, rules.MULTIPLE, Apply("mul", (factor, inner.result)), [inner], where)
    steps = [differentiated(arg, variable) for arg in moving]
    terms = tuple(
        Apply("mul", (*moving[:i], step.result, *moving[i + 1 :])) for i, step in enumerate(steps)
    )  # fmt: skip
    where = tuple(zip("uvwpqrst", moving, strict=False))
    rule = rules.PRODUCT if len(moving) == 2 else rules.PRODUCTS
    return _made(tree, variable, rule, Apply("add", terms), steps, where)


def _quotient(tree: Apply, over: Node, under: Node, variable: str) -> Step:
    if variable not in names(under):
        inner = differentiated(over, variable)
        where = (("c", Apply("div", (ONE, under))), ("u", over))
        return _made(tree, variable, rules.MULTIPLE, Apply("div", (inner.result, under)), [inner], where)
    if variable not in names(over):
        return _reciprocal(tree, over, under, variable)
    upper, lower = differentiated(over, variable), differentiated(under, variable)
    top = Apply("add", (Apply("mul", (upper.result, under)), negated(Apply("mul", (over, lower.result)))))
    result = Apply("div", (top, Apply("pow", (under, Number(2)))))
    return _made(tree, variable, rules.QUOTIENT, result, [upper, lower], (("u", over), ("v", under)))


def _reciprocal(tree: Apply, over: Node, under: Node, variable: str) -> Step:
    """c/v; c/xⁿ by the power rule, as it is taught."""
    exponent = ONE if under == Variable(variable) else _exponent_of(under, variable)
    if exponent is not None:
        lowered = Apply("pow", (Variable(variable), Apply("add", (exponent, ONE))))
        result = Apply("div", (negated(Apply("mul", (over, exponent))), lowered))
        return _made(tree, variable, rules.POWER, result, where=(("n", negated(exponent)),), note="1/xⁿ is x⁻ⁿ.")
    inner = differentiated(under, variable)
    top = negated(Apply("mul", (over, inner.result)))
    result = Apply("div", (top, Apply("pow", (under, Number(2)))))
    return _made(tree, variable, rules.RECIPROCAL, result, [inner], (("c", over), ("v", under)))


def _exponent_of(tree: Node, variable: str) -> Node | None:
    """n where the tree is xⁿ with a constant n."""
    match tree:
        case Apply("pow", (Variable(name), exponent)) if name == variable and variable not in names(exponent):
            return exponent
        case _:
            return None


# -- powers --------------------------------------------------------------------------------------------------------


def _power(tree: Apply, base: Node, exponent: Node, variable: str) -> Step:
    if variable not in names(exponent):
        if base == Variable(variable):
            lowered = Apply("pow", (base, Apply("add", (exponent, negated(ONE)))))
            result = Apply("mul", (exponent, lowered))
            return _made(tree, variable, rules.POWER, result, where=(("n", exponent),))
        return _chained(tree, base, lambda u: Apply("pow", (u, exponent)), variable)
    if variable not in names(base):
        if exponent != Variable(variable):
            return _chained(tree, exponent, lambda u: Apply("pow", (base, u)), variable)
        if base == Constant("e"):
            return _made(tree, variable, rules.elementary("exp")[0], tree)
        result = Apply("mul", (tree, Apply("log", (base,))))
        return _made(tree, variable, rules.EXPONENTIAL, result, where=(("a", base),))
    below, above = differentiated(base, variable), differentiated(exponent, variable)
    logarithm = Apply("mul", (above.result, Apply("log", (base,))))
    share = Apply("div", (Apply("mul", (exponent, below.result)), base))
    result = Apply("mul", (tree, Apply("add", (logarithm, share))))
    return _made(tree, variable, rules.GENERAL_POWER, result, [below, above], (("u", base), ("v", exponent)))


# -- functions -----------------------------------------------------------------------------------------------------


def _function(tree: Apply, head: str, arg: Node, variable: str) -> Step:
    if arg != Variable(variable):
        return _chained(tree, arg, lambda u: Apply(head, (u,)), variable)
    rule, derivative = rules.elementary(head)
    convention = {"abs": "sign(0) = 0", "relu": "0"}.get(head)
    note = f"At 0 there is a kink; by convention {convention} stands for the slope there." if convention else ""
    return _made(tree, variable, rule, substitute(derivative, {"a": arg}), note=note, taught=True)


def _polygamma(tree: Apply, order: Node, arg: Node, variable: str) -> Step:
    if arg != Variable(variable):
        return _chained(tree, arg, lambda u: Apply("polygamma", (order, u)), variable)
    rule = Rule("polygamma function", "ψₙ(x)′ = ψₙ₊₁(x)", r"\psi^{(n)}(x)'=\psi^{(n+1)}(x)")
    raised = Apply("polygamma", (Number(int(constant(order)) + 1), arg))
    return _made(tree, variable, rule, raised, where=(("n", order),))


def _chained(tree: Apply, inner: Node, outer_of: Callable[[Node], Node], variable: str) -> Step:
    """f(u): the derivative of f at u times that of u."""
    letter = _unused(tree)
    outer = differentiated(outer_of(Variable(letter)), letter)
    below = differentiated(inner, variable)
    result = Apply("mul", (substitute(outer.result, {letter: inner}), below.result))
    return _made(tree, variable, rules.CHAIN, result, [outer, below], ((letter, inner),))


def _of_two(tree: Apply, head: str, first: Node, second: Node, variable: str) -> Step:
    rule, partials = rules.of_two(head)
    values = {"a": first, "b": second}
    steps = [differentiated(arg, variable) for arg in (first, second)]
    terms = tuple(
        Apply("mul", (substitute(partial, values), step.result)) for partial, step in zip(partials, steps, strict=True)
    )
    return _made(tree, variable, rule, Apply("add", terms), steps, tuple(values.items()))


def _larger(tree: Apply, head: str, args: tuple[Node, ...], variable: str) -> Step:
    steps = [differentiated(arg, variable) for arg in args]
    larger = head == "max"
    result = Apply("where", (Apply("ge" if larger else "le", args), steps[0].result, steps[1].result))
    note = "Where the two are equal there may be a kink."
    rule = rules.LARGER if larger else rules.SMALLER
    return _made(tree, variable, rule, result, steps, (("u", args[0]), ("v", args[1])), note)


def _unused(tree: Node) -> str:
    taken = names(tree)
    return next(
        letter for letter in (*_LETTERS, *(f"u_{i}" for i in range(2, 99))) if letter not in taken
    )  # fmt: skip


# -- lines and their checks ----------------------------------------------------------------------------------------


def _made(
    tree: Node,
    variable: str,
    rule: Rule,
    result: Node,
    steps: Sequence[Step] = (),
    where: tuple[tuple[str, Node], ...] = (),
    note: str = "",
    taught: bool = False,
) -> Step:
    """One line; a result that is `taught` keeps its form."""
    short = tidy(result) if taught else shortest(result)
    return Step(
        "derivative", rule.name, rule.law, rule.latex, tree, short, variable, where, tuple(steps),
        slope_check(tree, variable, short), note, result if result != short else None,
    )  # fmt: skip


def slope_check(tree: Node, variable: str, result: Node) -> Check:
    """Whether `result` is the derivative of `tree`, tried by a complex step at points."""
    variables = tuple(sorted({*probing.variables_of(tree, result), variable}))
    usable = lambda v: probing.tame(probing.evaluate(tree, v)) & probing.tame(probing.evaluate(result, v))
    points = probing.points_for(variables, usable)
    claimed = np.broadcast_to(probing.evaluate(result, points), points[variable].shape)
    found = probing.slope(tree, points, variable)
    way = "complex step" if probing.has_complex_step(tree) else "differences"
    return compared(way, points, claimed, found, RELATIVE if way == "complex step" else 1e-6)


def equality_check(first: Node, second: Node) -> Check:
    """Whether two trees have the same values at points."""
    variables = probing.variables_of(first, second)
    usable = lambda v: probing.tame(probing.evaluate(first, v)) & probing.tame(probing.evaluate(second, v))
    points = probing.points_for(variables, usable)
    shape = next(iter(points.values())).shape if points else (1,)
    a, b = (np.broadcast_to(probing.evaluate(tree, points), shape) for tree in (first, second))
    return compared("values", points, a, b, RELATIVE)


def compared(method: str, points: probing.Values, claimed: object, found: object, relative: float) -> Check:
    """The check on two rows of values at points."""
    first, second = np.asarray(claimed, float), np.asarray(found, float)
    listed = tuple((name, tuple(map(float, values))) for name, values in points.items())
    values = tuple(map(float, first)), tuple(map(float, second))
    if not first.size or not np.all(np.isfinite(second)):
        note = "No points were found at which both sides are real and finite."
        return Check(method, listed, *values, float("nan"), float("nan"), UNCHECKED, note)
    apart = float(np.max(np.abs(first - second)))
    allowance = relative * float(max(1.0, np.max(np.abs(first)), np.max(np.abs(second))))
    verdict = AGREES if apart <= allowance else DISAGREES
    return Check(method, listed, *values, apart, allowance, verdict)


def point_check(tree: Node, variable: str, at: Mapping[str, float], value: float) -> Check:
    """Whether `value` is the slope of a tree at one point, where the two sides may differ."""
    point = {name: np.array([x]) for name, x in at.items()}
    along = lambda t: np.real(probing.evaluate(tree, {**point, variable: t}))
    x, h = point[variable], 0.02 * max(1.0, abs(at[variable]))
    steps = [h * 3.0**-k for k in range(10)]
    here = along(x)
    with np.errstate(all="ignore"):
        left, from_left = probing.settled([(here - along(x - h)) / h for h in steps], 3.0)
        right, from_right = probing.settled([(along(x + h) - here) / h for h in steps], 3.0)
    sides = [float(s[0]) for s in (left, right)]
    doubt = 10 * float(np.max(np.maximum(from_left, from_right))) + 1e-6 * max(1.0, *map(abs, sides))
    if np.all(np.isfinite(sides)) and abs(sides[0] - sides[1]) > doubt:
        note = f"From the left the slope is {sides[0]:.6g}, from the right {sides[1]:.6g}."
        listed = tuple((name, (float(number),)) for name, number in at.items())
        return Check("one-sided differences", listed, (value, value), (sides[0], sides[1]), max(
            abs(side - value) for side in sides
        ), doubt, KINK, note)  # fmt: skip
    way = "complex step" if probing.has_complex_step(tree) else "differences"
    found = probing.slope(tree, point, variable)
    return compared(way, point, np.array([value]), found, RELATIVE if way == "complex step" else 1e-6)
