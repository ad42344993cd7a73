"""The words a formula may use: functions, constants, Greek letters, and what each of them is also called."""

from __future__ import annotations

import keyword
import math

# Functions as they are typed: canonical name -> (fewest, most) arguments. None: any number.
FUNCTIONS: dict[str, tuple[int, int | None]] = {
    **dict.fromkeys(("exp", "log2", "log10", "sqrt", "cbrt"), (1, 1)),
    **dict.fromkeys(("sin", "cos", "tan", "cot", "sec", "csc", "asin", "acos", "atan"), (1, 1)),
    **dict.fromkeys(("sinh", "cosh", "tanh", "asinh", "acosh", "atanh"), (1, 1)),
    **dict.fromkeys(("abs", "sign", "floor", "ceil", "heaviside", "sigmoid", "relu", "softplus"), (1, 1)),
    **dict.fromkeys(("erf", "erfc", "gamma", "lgamma", "digamma", "factorial"), (1, 1)),
    "log": (1, 2),
    "atan2": (2, 2),
    "mod": (2, 2),
    "pow": (2, 2),
    "polygamma": (2, 2),
    "max": (1, None),
    "min": (1, None),
    "where": (3, 3),
}

ALIASES: dict[str, str] = {
    "ln": "log",
    "lg": "log10",
    "log_2": "log2",
    "log_10": "log10",
    "arcsin": "asin",
    "arccos": "acos",
    "arctan": "atan",
    "arctan2": "atan2",
    "arcsinh": "asinh",
    "arccosh": "acosh",
    "arctanh": "atanh",
    "arsinh": "asinh",
    "arcosh": "acosh",
    "artanh": "atanh",
    "cosec": "csc",
    "tg": "tan",
    "ctg": "cot",
    "sgn": "sign",
    "ceiling": "ceil",
    "maximum": "max",
    "minimum": "min",
    "Max": "max",
    "Min": "min",
    "Abs": "abs",
    "power": "pow",
    "logistic": "sigmoid",
    "expit": "sigmoid",
    "ReLU": "relu",
    "gammaln": "lgamma",
    "loggamma": "lgamma",
    "Gamma": "gamma",
}

CONSTANTS: dict[str, float] = {"pi": math.pi, "e": math.e, "tau": math.tau}

# What a letter of the Greek alphabet is called. Lambda is a Python keyword, so its letter is called lam.
_SMALL = """α alpha β beta γ gamma δ delta ε epsilon ζ zeta η eta θ theta ι iota κ kappa λ lam μ mu ν nu ξ xi ο omicron
π pi ρ rho σ sigma τ tau υ upsilon φ phi χ chi ψ psi ω omega ς sigma ϑ theta ϕ phi ϵ epsilon ϱ rho µ mu ℯ e"""
_CAPITAL = "Γ Gamma Δ Delta Θ Theta Λ Lam Ξ Xi Π Pi Σ Sigma Υ Upsilon Φ Phi Ψ Psi Ω Omega"
_LETTERS = f"{_SMALL} {_CAPITAL}".split()
GREEK: dict[str, str] = dict(zip(_LETTERS[::2], _LETTERS[1::2], strict=True))

# Names that are none of ours but that people try, and what they should write.
MISSPELT: dict[str, str] = {
    "sine": "sin",
    "cosine": "cos",
    "tangent": "tan",
    "cotan": "cot",
    "logarithm": "log",
    "exponential": "exp",
    "squareroot": "sqrt",
    "square_root": "sqrt",
    "root": "sqrt",
    "absolute": "abs",
    "fact": "factorial",
    "signum": "sign",
    "fabs": "abs",
    "iif": "where",
    "ifelse": "where",
    "piecewise": "where",
    "Piecewise": "where",
    "asen": "asin",
    "sen": "sin",
    "modulo": "mod",
    "fmod": "mod",
    "psi": "digamma",
    "step": "heaviside",
}

INFINITE = frozenset({"inf", "infinity", "Infinity", "oo", "nan", "NaN", "NAN", "INF"})
LOGIC = frozenset({"and", "or", "not"})
RESERVED = frozenset(keyword.kwlist) | frozenset({"print", "match", "None", "self"}) - LOGIC


def canonical_function(name: str) -> str | None:
    """The canonical name of a function by any of its names, or None."""
    name = ALIASES.get(name, name)
    return name if name in FUNCTIONS else None
