"""The rules of differentiation and integration by name, as textbooks state them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

from cycloid.core.formulas import formula
from cycloid.core.syntax import Apply, Node, Variable, substitute
from cycloid.core.typesetting import as_latex
from cycloid.explain.handwriting import written


@dataclass(frozen=True)
class Rule:
    """A rule: its name and what it says, as text and in LaTeX."""

    name: str
    law: str
    latex: str


CONSTANT: Final = Rule("constant rule", "c′ = 0", r"c'=0")
IDENTITY: Final = Rule("the variable itself", "x′ = 1", r"x'=1")
MULTIPLE: Final = Rule("constant multiple", "(c·u)′ = c·u′", r"(c\,u)'=c\,u'")
SIGN: Final = Rule("sign", "(−u)′ = −u′", r"(-u)'=-u'")
SUM: Final = Rule("sum rule", "(u + v)′ = u′ + v′", r"(u+v)'=u'+v'")
PRODUCT: Final = Rule("product rule", "(u·v)′ = u′·v + u·v′", r"(uv)'=u'v+uv'")
PRODUCTS: Final = Rule("product rule", "(u·v·w)′ = u′·v·w + u·v′·w + u·v·w′", r"(uvw)'=u'vw+uv'w+uvw'")
QUOTIENT: Final = Rule("quotient rule", "(u/v)′ = (u′·v − u·v′)/v²", r"\left(\frac uv\right)'=\frac{u'v-uv'}{v^2}")
RECIPROCAL: Final = Rule("reciprocal rule", "(c/v)′ = −c·v′/v²", r"\left(\frac cv\right)'=-\frac{c\,v'}{v^2}")
POWER: Final = Rule("power rule", "(xⁿ)′ = n·xⁿ⁻¹", r"(x^n)'=n\,x^{n-1}")
EXPONENTIAL: Final = Rule("exponential function", "(aˣ)′ = aˣ·ln(a)", r"(a^x)'=a^x\ln a")
CHAIN: Final = Rule("chain rule", "f(u)′ = f′(u)·u′", r"f(u)'=f'(u)\,u'")
TWO: Final = Rule("chain rule", "f(u, v)′ = f_u·u′ + f_v·v′", r"f(u,v)'=f_u\,u'+f_v\,v'")
GENERAL_POWER: Final = Rule(
    "logarithmic differentiation",
    "(uᵛ)′ = uᵛ·(v′·ln(u) + v·u′/u)",
    r"(u^v)'=u^v\left(v'\ln u+\frac{v\,u'}{u}\right)",
)
PIECES: Final = Rule(
    "piece by piece", "each piece is differentiated by itself", r"\text{each piece is differentiated by itself}"
)
SIMPLIFY: Final = Rule("simplify", "the same function, written shorter", r"\text{the same function, written shorter}")
INSERT: Final = Rule("insert the point", "the value at the point", r"\text{the value at the point}")

# The derivative of each elementary function of a, in the form in which it is taught: name, then f'(a).
ELEMENTARY: Final[dict[str, tuple[str, str]]] = {
    "exp": ("exponential function", "exp(a)"),
    "log": ("natural logarithm", "1/a"),
    "log2": ("logarithm to base 2", "1/(a*log(2))"),
    "log10": ("logarithm to base 10", "1/(a*log(10))"),
    "sqrt": ("square root", "1/(2*sqrt(a))"),
    "cbrt": ("cube root", "1/(3*cbrt(a)^2)"),
    "sin": ("sine", "cos(a)"),
    "cos": ("cosine", "-sin(a)"),
    "tan": ("tangent", "1/cos(a)^2"),
    "cot": ("cotangent", "-1/sin(a)^2"),
    "sec": ("secant", "sec(a)*tan(a)"),
    "csc": ("cosecant", "-csc(a)*cot(a)"),
    "asin": ("inverse sine", "1/sqrt(1 - a^2)"),
    "acos": ("inverse cosine", "-1/sqrt(1 - a^2)"),
    "atan": ("inverse tangent", "1/(a^2 + 1)"),
    "sinh": ("hyperbolic sine", "cosh(a)"),
    "cosh": ("hyperbolic cosine", "sinh(a)"),
    "tanh": ("hyperbolic tangent", "1/cosh(a)^2"),
    "asinh": ("inverse hyperbolic sine", "1/sqrt(a^2 + 1)"),
    "acosh": ("inverse hyperbolic cosine", "1/sqrt(a^2 - 1)"),
    "atanh": ("inverse hyperbolic tangent", "1/(1 - a^2)"),
    "abs": ("absolute value", "sign(a)"),
    "sign": ("sign function, flat beside its jump", "0"),
    "floor": ("rounding down, flat between its jumps", "0"),
    "ceil": ("rounding up, flat between its jumps", "0"),
    "heaviside": ("unit step, flat beside its jump", "0"),
    "sigmoid": ("logistic function", "sigmoid(a)*(1 - sigmoid(a))"),
    "relu": ("rectifier", "where(a > 0, 1, 0)"),
    "softplus": ("softplus", "sigmoid(a)"),
    "erf": ("error function", "2*exp(-a^2)/sqrt(pi)"),
    "erfc": ("complementary error function", "-2*exp(-a^2)/sqrt(pi)"),
    "gamma": ("gamma function", "gamma(a)*digamma(a)"),
    "lgamma": ("logarithm of the gamma function", "digamma(a)"),
    "digamma": ("digamma function", "polygamma(1, a)"),
    "factorial": ("factorial", "gamma(a + 1)*digamma(a + 1)"),
}

# The partial derivatives of a function of two arguments.
OF_TWO: Final[dict[str, tuple[str, str, str]]] = {
    "atan2": ("angle of a point", "b/(a^2 + b^2)", "-a/(a^2 + b^2)"),
    "mod": ("remainder", "1", "-floor(a/b)"),
}

LARGER: Final = Rule(
    "the larger of two", "max(u, v)′ = u′ where u > v, else v′", r"\max(u,v)'=u'\text{ where }u>v,\text{ else }v'"
)
SMALLER: Final = Rule(
    "the smaller of two", "min(u, v)′ = u′ where u < v, else v′", r"\min(u,v)'=u'\text{ where }u<v,\text{ else }v'"
)


def _primed(function: str) -> str:
    return f"{function}′" if function.startswith("|") else f"({function})′"


@cache
def elementary(head: str) -> tuple[Rule, Node]:
    """The rule of an elementary function, and its derivative as a tree in a."""
    name, text = ELEMENTARY[head]
    derivative = formula(text, ("a",)).tree
    shown = {"a": Variable("x")}
    law = [substitute(tree, shown) for tree in (Apply(head, (Variable("a"),)), derivative)]
    rule = Rule(
        name, f"{_primed(written(law[0]))} = {written(law[1])}", rf"\left({as_latex(law[0])}\right)'={as_latex(law[1])}"
    )
    return rule, derivative


@cache
def of_two(head: str) -> tuple[Rule, tuple[Node, Node]]:
    """The rule of a function of two arguments, and its partial derivatives as trees in a and b."""
    name, first, second = OF_TWO[head]
    trees = formula(first, ("a", "b")).tree, formula(second, ("a", "b")).tree
    law = f"{head}(a, b)′ = f_a·a′ + f_b·b′ with f_a = {written(trees[0])}, f_b = {written(trees[1])}"
    latex = rf"f_a={as_latex(trees[0])},\quad f_b={as_latex(trees[1])}"
    return Rule(name, law, latex), trees


# The rules of integration by the names that `integration` gives them.
INTEGRALS: Final[dict[str, Rule]] = {
    "constant": Rule("constant", "∫ c dx = c·x", r"\int c\,dx=c\,x"),
    "power": Rule("power rule", "∫ xⁿ dx = xⁿ⁺¹/(n + 1)", r"\int x^n\,dx=\frac{x^{n+1}}{n+1}"),
    "reciprocal": Rule("reciprocal", "∫ 1/x dx = ln|x|", r"\int\frac{dx}{x}=\ln|x|"),
    "exponential": Rule("exponential function", "∫ aˣ dx = aˣ/ln(a)", r"\int a^x\,dx=\frac{a^x}{\ln a}"),
    "sine": Rule("sine", "∫ sin(x) dx = −cos(x)", r"\int\sin x\,dx=-\cos x"),
    "cosine": Rule("cosine", "∫ cos(x) dx = sin(x)", r"\int\cos x\,dx=\sin x"),
    "secant": Rule("secant", "∫ 1/cos(x)² dx = tan(x), ∫ tan(x)/cos(x) dx = 1/cos(x)", r"\int\sec^2x\,dx=\tan x"),
    "cosecant": Rule("cosecant", "∫ 1/sin(x)² dx = −cot(x)", r"\int\csc^2x\,dx=-\cot x"),
    "sinh": Rule("hyperbolic sine", "∫ sinh(x) dx = cosh(x)", r"\int\sinh x\,dx=\cosh x"),
    "cosh": Rule("hyperbolic cosine", "∫ cosh(x) dx = sinh(x)", r"\int\cosh x\,dx=\sinh x"),
    "arctangent": Rule(
        "inverse tangent", "∫ 1/(x² + a²) dx = arctan(x/a)/a", r"\int\frac{dx}{x^2+a^2}=\frac1a\arctan\frac xa"
    ),
    "arcsine": Rule(
        "inverse sine", "∫ 1/√(a² − x²) dx = arcsin(x/a)", r"\int\frac{dx}{\sqrt{a^2-x^2}}=\arcsin\frac xa"
    ),
    "arsinh": Rule(
        "inverse hyperbolic sine",
        "∫ 1/√(x² + a²) dx = arsinh(x/a)",
        r"\int\frac{dx}{\sqrt{x^2+a^2}}=\operatorname{arsinh}\frac xa",
    ),
    "step": Rule("unit step", "∫ Θ(x) dx = x·Θ(x)", r"\int\Theta(x)\,dx=x\,\Theta(x)"),
    "root": Rule("root of a quadratic", "from a table of integrals", r"\text{from a table of integrals}"),
    "known": Rule("table of integrals", "from a table of integrals", r"\text{from a table of integrals}"),
    "sum": Rule("sum rule", "∫ (f + g) dx = ∫ f dx + ∫ g dx", r"\int(f+g)\,dx=\int f\,dx+\int g\,dx"),
    "multiple": Rule("constant multiple", "∫ c·f dx = c·∫ f dx", r"\int c\,f\,dx=c\int f\,dx"),
    "linear": Rule("linear substitution", "∫ f(a·x + b) dx = F(a·x + b)/a", r"\int f(ax+b)\,dx=\frac1aF(ax+b)"),
    "substitution": Rule("substitution", "∫ f(u)·u′ dx = ∫ f(u) du", r"\int f(u)\,u'\,dx=\int f(u)\,du"),
    "parts": Rule("integration by parts", "∫ f·g′ dx = f·g − ∫ f′·g dx", r"\int f\,g'\,dx=f\,g-\int f'g\,dx"),
    "cycle": Rule("integration by parts", "∫ f·g′ dx = f·g − ∫ f′·g dx", r"\int f\,g'\,dx=f\,g-\int f'g\,dx"),
    "fractions": Rule("partial fractions", "a fraction as a sum of simpler ones", r"\text{partial fractions}"),
    "identity": Rule("trigonometric identity", "the integrand, written in another way", r"\text{an identity}"),
    "rewritten": Rule("rewritten", "the integrand, written in another way", r"\text{the integrand, rewritten}"),
    "square": Rule(
        "completing the square", "x² + b·x + c = (x + b/2)² + c − b²/4", r"x^2+bx+c=(x+\tfrac b2)^2+c-\tfrac{b^2}4"
    ),
    "trigonometric": Rule(
        "trigonometric substitution", "x as a trigonometric function of t", r"x\text{ as a trigonometric function of }t"
    ),
    "special": Rule("special function", "defined as this integral", r"\text{defined as this integral}"),
    "algebra": Rule("by an algorithm", "found by computer algebra, without steps", r"\text{by computer algebra}"),
}
DEFINITE: Final = Rule("fundamental theorem", "∫ₐᵇ f dx = F(b) − F(a)", r"\int_a^b f\,dx=F(b)-F(a)")
QUADRATURE: Final = Rule("numerical integration", "adaptive quadrature by SciPy's quad", r"\text{adaptive quadrature}")
