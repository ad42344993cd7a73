"""Rules of integration found by SymPy, as plain data; this module works in the process of the algebra.

SymPy's `manualintegrate` gives a tree of rules, with alternatives. The shortest is taken, letters are given to its
substitutions, and every node becomes JSON: rule, integrand, result, what the letters stand for, and the nodes below.

Reference: the rules are those of SymPy (A. Meurer and others, SymPy: symbolic computing in Python, 2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sympy
from sympy.functions.elementary.trigonometric import TrigonometricFunction
from sympy.integrals import manualintegrate as manual

from cycloid.core.interchange import from_data, to_data
from cycloid.core.symbolic import from_sympy, to_sympy
from cycloid.core.syntax import FormulaError

_LETTERS = ("u", "w", "z", "p", "q", "s", "t")
_DEEPEST = 24

# Leaves of the tree by the name that a table of integrals gives them.
_TABLE = {
    "ConstantRule": "constant", "PowerRule": "power", "NestedPowRule": "power", "ReciprocalRule": "reciprocal",
    "ExpRule": "exponential", "SinRule": "sine", "CosRule": "cosine", "SecTanRule": "secant", "CscCotRule": "cosecant",
    "Sec2Rule": "secant", "Csc2Rule": "cosecant", "SinhRule": "sinh", "CoshRule": "cosh", "ArctanRule": "arctangent",
    "ArcsinRule": "arcsine", "ArcsinhRule": "arsinh", "HeavisideRule": "step", "ReciprocalSqrtQuadraticRule": "root",
    "SqrtQuadraticRule": "root", "SqrtQuadraticDenomRule": "root",
}  # fmt: skip
# Functions that are defined as integrals: there is no elementary form.
_SPECIAL = {
    "ErfRule": "the error function", "SiRule": "the sine integral", "CiRule": "the cosine integral",
    "EiRule": "the exponential integral", "LiRule": "the logarithmic integral",
    "ShiRule": "the hyperbolic sine integral", "ChiRule": "the hyperbolic cosine integral",
    "FresnelCRule": "a Fresnel integral", "FresnelSRule": "a Fresnel integral",
    "UpperGammaRule": "the incomplete gamma function", "PolylogRule": "a polylogarithm",
    "EllipticFRule": "an elliptic integral", "EllipticERule": "an elliptic integral",
}  # fmt: skip


def steps(request: dict[str, Any]) -> Any:
    """The derivation of an antiderivative as nested data.

    Args:
        request: "tree", the integrand; "variable".
    """
    symbol = sympy.Symbol(request["variable"], real=True)
    integrand = to_sympy(from_data(request["tree"]), real=True, exact=True)
    rule = manual.integral_steps(integrand, symbol)
    return _Writer(integrand, symbol).node(_best(rule), integrand, symbol, {}, 0)


def closed_form(request: dict[str, Any]) -> Any:
    """An antiderivative by SymPy's algorithms where no rules lead to one; and whether none can exist.

    Returns:
        {"result": data or None, "words": what it needs besides elementary functions, "proof": True where Risch's
        algorithm proves that there is no elementary antiderivative}.
    """
    symbol = sympy.Symbol(request["variable"], real=True)
    integrand = to_sympy(from_data(request["tree"]), real=True, exact=True)
    proof = _proved(integrand, symbol)
    if proof:
        return {"result": None, "words": "", "proof": True}
    found = sympy.integrate(integrand, symbol)
    if found.has(sympy.Integral, sympy.I):
        return {"result": None, "words": "", "proof": False}
    try:
        data = to_data(from_sympy(_with_moduli(found, integrand)))
    except FormulaError:
        return {"result": None, "words": str(found)[:200], "proof": False}
    special = sorted({type(f).__name__ for f in found.atoms(sympy.Function) if _is_special(f)})
    return {"result": data, "words": ", ".join(special), "proof": False}


def _is_special(function: Any) -> bool:
    return isinstance(function, sympy.erf | sympy.erfc | sympy.gamma | sympy.loggamma | sympy.polygamma)


def _proved(integrand: Any, symbol: Any) -> bool:
    """Whether Risch's algorithm, which is complete for exponentials and logarithms, finds no elementary form."""
    from sympy.integrals.risch import NonElementaryIntegral, risch_integrate

    if integrand.has(sympy.Abs, sympy.Piecewise, sympy.sign) or not integrand.has(sympy.exp, sympy.log):
        return False
    plain = sympy.Symbol("x_")
    try:
        found: Any = risch_integrate(integrand.xreplace({symbol: plain}), plain)
    except Exception:  # outside of what the algorithm covers
        return False
    return found.has(NonElementaryIntegral)


# -- choosing among alternatives -----------------------------------------------------------------------------------


def _best(rule: Any) -> Any:
    """The rule with the best of its alternatives at every level."""
    name = type(rule).__name__
    if name == "AlternativeRule":
        return min((_best(alternative) for alternative in rule.alternatives), key=_cost)
    for field in ("substep", "v_step", "second_step"):
        inner = getattr(rule, field, None)
        if isinstance(inner, manual.Rule):
            best = _best(inner)
            object.__setattr__(rule, field, _kept_value(inner, best) if field == "v_step" else best)
    for field in ("substeps", "parts_rules"):
        if isinstance(getattr(rule, field, None), list) and name != "PiecewiseRule":
            object.__setattr__(rule, field, [_best(inner) for inner in getattr(rule, field)])
    if name == "PiecewiseRule":
        object.__setattr__(rule, "subfunctions", [(_best(inner), c) for inner, c in rule.subfunctions])
    return rule


def _kept_value(rule: Any, chosen: Any) -> Any:
    """The best alternative whose value is that of the rule itself: a step behind it was made for that value, and an
    antiderivative that differs by a constant would break it."""
    value = rule.eval()
    if sympy.simplify(chosen.eval() - value) == 0:
        return chosen
    while type(rule).__name__ == "AlternativeRule":
        rule = rule.alternatives[0]
    return rule


def _below(rule: Any) -> list[Any]:
    found = [getattr(rule, field, None) for field in ("substep", "v_step", "second_step")]
    found += getattr(rule, "substeps", None) or []
    found += getattr(rule, "parts_rules", None) or []
    found += [inner for inner, _ in getattr(rule, "subfunctions", None) or []]
    return [inner for inner in found if isinstance(inner, manual.Rule)]


def _cost(rule: Any) -> float:
    """How much there is to read: rules, with a substitution counted twice, and the length of their integrands."""
    name = type(rule).__name__
    if _is_linear(rule):
        return 1.2
    own = 1.0 + (200.0 if name in _SPECIAL else 0.0) + (1e4 if name == "DontKnowRule" else 0.0)
    if name == "URule":  # to substitute before integrating by parts is a detour
        own += 3.0 if type(rule.substep).__name__ == "PartsRule" else 1.0
    if rule.integrand is not None:
        own += 0.1 * rule.integrand.count_ops()
    return own + sum(map(_cost, _below(rule)))


def _is_linear(rule: Any) -> bool:
    """Whether a rule is a table entry at a·x + b."""
    if type(rule).__name__ != "URule" or not rule.u_func.is_polynomial(rule.variable):
        return False
    if sympy.degree(rule.u_func, rule.variable) != 1:
        return False
    return type(_behind_factor(rule.substep)).__name__ in _TABLE


def _behind_factor(rule: Any) -> Any:
    return rule.substep if type(rule).__name__ == "ConstantTimesRule" else rule


def _integrand(rule: Any) -> Any:
    """What a rule integrates. SymPy writes the integrand of some substitutions in the new variable."""
    name = type(rule).__name__
    if name == "URule":
        inner = _integrand(rule.substep).xreplace({rule.u_var: rule.u_func})
        return sympy.simplify(inner * sympy.diff(rule.u_func, rule.variable))
    if name == "ConstantTimesRule":
        return rule.constant * rule.other
    if name == "PiecewiseRule":
        return _integrand(rule.subfunctions[-1][0])
    return rule.integrand


# -- writing -------------------------------------------------------------------------------------------------------


class _Writer:
    """Turns rules into data, giving each dummy variable a letter that is not taken."""

    def __init__(self, integrand: Any, symbol: Any):
        self.taken = {s.name for s in integrand.free_symbols} | {symbol.name}

    def node(self, rule: Any, given: Any, symbol: Any, letters: dict[Any, Any], depth: int) -> dict[str, Any]:
        """One rule, the integrand it is applied to, and the rules below it."""
        if depth > _DEEPEST:
            raise FormulaError("the derivation is nested too deep")
        name = type(rule).__name__
        write = getattr(self, f"_{name}", None)
        if write is not None:
            return write(rule, given, symbol, letters, depth)
        if name in _SPECIAL:
            return self._made("special", rule, given, symbol, letters, note=_SPECIAL[name])
        if name in _TABLE:
            return self._made(_TABLE[name], rule, given, symbol, letters)
        if name == "DontKnowRule":
            return {
                "rule": "unknown",
                "given": self._data(given, letters),
                "variable": symbol.name,
                "result": None,
                "where": [],
                "steps": [],
                "note": "",
            }
        return self._made("known", rule, given, symbol, letters)

    def _made(
        self, name: str, rule: Any, given: Any, symbol: Any, letters: dict[Any, Any], *, below: Sequence[Any] = (),
        where: Sequence[tuple[str, Any]] = (), note: str = "",
    ) -> dict[str, Any]:  # fmt: skip
        try:
            result: Any = self._data(_with_moduli(rule.eval(), given), letters)
        except FormulaError:
            result = None
        return {
            "rule": name, "given": self._data(given, letters), "variable": symbol.name, "result": result,
            "where": [[letter, self._data(tree, letters)] for letter, tree in where], "steps": list(below),
            "note": note,
        }  # fmt: skip

    def _data(self, expression: Any, letters: dict[Any, Any]) -> Any:
        return to_data(from_sympy(sympy.sympify(expression).xreplace(letters)))

    # one method for each rule that has rules below it; _Name is the name of SymPy's class

    def _ConstantTimesRule(self, rule: Any, given: Any, symbol: Any, letters: Any, depth: int) -> dict[str, Any]:
        inner = self.node(rule.substep, rule.other, symbol, letters, depth + 1)
        return self._made("multiple", rule, given, symbol, letters, below=[inner], where=[("c", rule.constant)])

    def _AddRule(self, rule: Any, given: Any, symbol: Any, letters: Any, depth: int) -> dict[str, Any]:
        below = [self.node(step, _integrand(step), symbol, letters, depth + 1) for step in rule.substeps]
        return self._made("sum", rule, given, symbol, letters, below=below)

    def _URule(self, rule: Any, given: Any, symbol: Any, letters: Any, depth: int) -> dict[str, Any]:
        letter = next(name for name in (*_LETTERS, *(f"u_{k}" for k in range(2, 40))) if name not in self.taken)
        self.taken.add(letter)
        inner_letters = {**letters, rule.u_var: sympy.Symbol(letter, real=True)}
        if _is_linear(rule):
            table = _behind_factor(rule.substep)
            entry = self.node(table, _integrand(table), sympy.Symbol(letter), inner_letters, depth + 1)
            return self._made("linear", rule, given, symbol, letters, below=[entry], where=[(letter, rule.u_func)])
        inner = self.node(rule.substep, _integrand(rule.substep), sympy.Symbol(letter), inner_letters, depth + 1)
        return self._made("substitution", rule, given, symbol, letters, below=[inner], where=[(letter, rule.u_func)])

    def _PartsRule(self, rule: Any, given: Any, symbol: Any, letters: Any, depth: int) -> dict[str, Any]:
        v = rule.v_step.eval()
        below = [self.node(rule.v_step, rule.dv, symbol, letters, depth + 1)]
        if rule.second_step is not None:
            below.append(self.node(rule.second_step, _integrand(rule.second_step), symbol, letters, depth + 1))
        return self._made("parts", rule, given, symbol, letters, below=below, where=[("f", rule.u), ("g", v)])

    def _CyclicPartsRule(self, rule: Any, given: Any, symbol: Any, letters: Any, depth: int) -> dict[str, Any]:
        below = [self.node(part.v_step, part.dv, symbol, letters, depth + 1) for part in rule.parts_rules]
        turns = len(rule.parts_rules)
        note = f"After {turns} integrations by parts the integral stands on the right too, and is solved for."
        first = rule.parts_rules[0]
        return self._made(
            "cycle",
            rule,
            given,
            symbol,
            letters,
            below=below,
            where=[("f", first.u), ("g", first.v_step.eval())],
            note=note,
        )

    def _RewriteRule(self, rule: Any, given: Any, symbol: Any, letters: Any, depth: int) -> dict[str, Any]:
        inner = self.node(rule.substep, rule.rewritten, symbol, letters, depth + 1)
        name = _kind_of_rewriting(given, rule.rewritten, rule.variable)
        return self._made(name, rule, given, symbol, letters, below=[inner])

    def _CompleteSquareRule(self, rule: Any, given: Any, symbol: Any, letters: Any, depth: int) -> dict[str, Any]:
        inner = self.node(rule.substep, rule.rewritten, symbol, letters, depth + 1)
        return self._made("square", rule, given, symbol, letters, below=[inner])

    def _TrigSubstitutionRule(self, rule: Any, given: Any, symbol: Any, letters: Any, depth: int) -> dict[str, Any]:
        letter = next(name for name in ("t", "s", "p", "q") if name not in self.taken)
        self.taken.add(letter)
        inner_letters = {**letters, rule.theta: sympy.Symbol(letter, real=True)}
        inner = self.node(rule.substep, rule.rewritten, sympy.Symbol(letter), inner_letters, depth + 1)
        where = [(symbol.name, rule.func.xreplace(inner_letters))]
        return self._made("trigonometric", rule, given, symbol, letters, below=[inner], where=where)

    def _PiecewiseRule(self, rule: Any, given: Any, symbol: Any, letters: Any, depth: int) -> dict[str, Any]:
        """A formula with letters: the generic case, the last one."""
        inner, _ = rule.subfunctions[-1]
        found = self.node(inner, given, symbol, letters, depth + 1)
        excluded = [str(c.args[0]) for _, c in rule.subfunctions[:-1] if isinstance(c, sympy.Eq)]
        found["note"] = (
            (found["note"] + " For letters in general; single values of them may need another form.").strip()
            if excluded or len(rule.subfunctions) > 1
            else found["note"]
        )
        return found


def _kind_of_rewriting(before: Any, after: Any, symbol: Any) -> str:
    """What was done to an integrand, in the words of a textbook."""
    rational = before.is_rational_function(*before.free_symbols)
    if rational and sympy.expand(after).is_Add and sympy.denom(sympy.together(before)).has(symbol):
        return "fractions"
    if before.has(TrigonometricFunction) and after.has(TrigonometricFunction):
        return "identity"
    return "rewritten"


def _with_moduli(found: Any, integrand: Any) -> Any:
    """ln|g| for ln g where the logarithm is new and its argument may be negative."""
    old = integrand.atoms(sympy.log)
    new = {
        log: sympy.log(sympy.Abs(log.args[0]))
        for log in found.atoms(sympy.log) - old
        if not log.args[0].is_positive and log.args[0].free_symbols
    }
    return found.subs(new)
