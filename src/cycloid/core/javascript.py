"""Trees printed as JavaScript: one expression, or a whole module with the value and its exact gradient.

Names that start with a dollar sign are this file's own; a formula's names never hold one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Final

from cycloid.core.arithmetic import constant
from cycloid.core.chain_rule import ONE, ZERO, partials
from cycloid.core.syntax import COMPARISONS, Apply, Constant, Node, Number, Variable, is_condition, is_constant, names

_MATH: Final = (
    *("exp", "log2", "log10", "sqrt", "cbrt", "sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh"),
    *("tanh", "asinh", "acosh", "atanh", "abs", "sign", "floor", "ceil", "max", "min", "log"),
)
TEMPLATES: Final[dict[str, str]] = {
    **{name: f"Math.{name}({{}})" for name in _MATH},
    **{head: f"({{}} {sign} {{}})" for head, sign in COMPARISONS.items()},
    **{name: f"${name}({{}})" for name in ("erf", "erfc", "gamma", "lgamma", "polygamma", "mod")},
    "eq": "({} === {})",
    "ne": "({} !== {})",
    "not": "(!{})",
    "neg": "(-{})",
    "div": "({} / {})",
    "pow": "Math.pow({})",
    "cot": "(1 / Math.tan({}))",
    "sec": "(1 / Math.cos({}))",
    "csc": "(1 / Math.sin({}))",
    "heaviside": "(0.5 + 0.5 * Math.sign({}))",
    "sigmoid": "(1 / (1 + Math.exp(-{})))",
    "relu": "Math.max({}, 0)",
    "softplus": "$softplus({})",
    "digamma": "$polygamma(0, {})",
    "factorial": "$gamma({} + 1)",
    "where": "({} ? {} : {})",
}
_JOINED: Final = {"add": " + ", "mul": " * ", "and": " && ", "or": " || "}
_CONSTANTS: Final = {"pi": "Math.PI", "e": "Math.E", "tau": "(2 * Math.PI)"}

# Words that are no variable's name in a strict module, or that would hide what the templates use.
_TAKEN: Final = frozenset(
    re.findall(
        r"\w+",
        """await break case catch class const continue debugger default delete do else enum export extends false finally
        for function if import in instanceof new null return super switch this throw true try typeof var void while with
        yield let static implements interface package private protected public arguments eval Math NaN Infinity
        undefined""",
    )
)

# What JavaScript's Math lacks. erf: Kummer's series (all terms positive) and Lentz's continued fraction;
# gamma and polygamma: the recurrence up to 15, then the asymptotic series.
# Reference: M. Abramowitz and I. Stegun, Handbook of Mathematical Functions, 1964, 6.1.40, 6.4.11 and 7.1.6.
LIBRARY: Final[dict[str, str]] = {
    "$mod": "const $mod = (a, b) => { const r = a % b; return r !== 0 && r < 0 !== b < 0 ? r + b : r; };",
    "$softplus": "const $softplus = (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));",
    "$erfc": """const $erfc = (x) => {
  if (x < 2) return 1 - $erf(x);
  let f = x, c = x, d = 0;
  for (let k = 1; k < 400; k++) {
    d = 1 / (x + (k / 2) * d);
    c = x + k / 2 / c;
    f *= c * d;
    if (Math.abs(c * d - 1) < 1e-16) break;
  }
  return Math.exp(-x * x) / (f * Math.sqrt(Math.PI));
};""",
    "$erf": """const $erf = (x) => {
  if (Math.abs(x) > 2.5) return x > 0 ? 1 - $erfc(x) : $erfc(-x) - 1;
  let term = x, sum = x;
  for (let k = 1; Math.abs(term) > 1e-18 * Math.abs(sum); k++) sum += term *= (2 * x * x) / (2 * k + 1);
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
};""",
    "$lgamma": """const $lgamma = (x) => {
  if (x <= 0) return x === Math.floor(x) ? Infinity
    : Math.log(Math.PI / Math.abs(Math.sin(Math.PI * (x % 2)))) - $lgamma(1 - x);
  if (x > 1e305) return Infinity;
  let shift = 1, tail = 0;
  while (x < 15) shift *= x++;
  $bernoulli.forEach((b, i) => { const k = 2 * i + 2; tail += b / (k * (k - 1) * Math.pow(x, k - 1)); });
  return (x - 0.5) * Math.log(x) - x + 0.5 * Math.log(2 * Math.PI) + tail - Math.log(shift);
};""",
    "$gamma": """const $gamma = (x) => {
  if (x <= 0 && x === Math.floor(x)) return x === 0 ? 1 / x : NaN;
  if (x < 0.5) return Math.PI / (Math.sin(Math.PI * (x % 2)) * $gamma(1 - x));
  if (x === Math.floor(x) && x < 172) { let p = 1; for (let k = 2; k < x; k++) p *= k; return p; }
  let shift = 1, tail = 0;
  while (x < 15) shift *= x++;
  $bernoulli.forEach((b, i) => { const k = 2 * i + 2; tail += b / (k * (k - 1) * Math.pow(x, k - 1)); });
  if (x > 180) return Infinity;
  const half = Math.pow(x, x / 2 - 0.25);
  return Math.sqrt(2 * Math.PI) * half * Math.exp(tail - x) * half / shift;
};""",
    "$polygamma": """const $polygamma = (n, x) => {
  if ((x <= 0 && x === Math.floor(x)) || x < -1e4) return NaN;
  const sign = n % 2 ? 1 : -1, factorial = (m) => { let p = 1; for (let k = 2; k <= m; k++) p *= k; return p; };
  let sum = 0;
  for (; x < 15 + n; x++) sum += (sign * factorial(n)) / Math.pow(x, n + 1);
  let tail = n ? factorial(n - 1) / Math.pow(x, n) : -Math.log(x);
  tail += factorial(n) / (2 * Math.pow(x, n + 1));
  $bernoulli.forEach((b, i) => {
    const k = 2 * i + 2;
    tail += (b * factorial(k + n - 1)) / (factorial(k) * Math.pow(x, k + n));
  });
  return sum + sign * tail;
};""",
    "$bernoulli": "const $bernoulli = [1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510];",
}


def as_javascript(tree: Node) -> str:
    """The tree as an expression of numbers; names with a dollar sign are those of `library`."""
    match tree:
        case Number(value):
            return repr(value)
        case Constant(name):
            return _CONSTANTS[name]
        case Variable(name):
            return parameter(name)
        case Apply(head, args):
            return _operation(tree, head, [as_javascript(arg) for arg in args])


def parameter(name: str) -> str:
    """A variable's name in JavaScript."""
    return f"{name}$" if name in _TAKEN else name


def _operation(tree: Apply, head: str, args: Sequence[str]) -> str:
    if head in _JOINED:
        return f"({_JOINED[head].join(args)})"
    if head == "pow" and is_constant(tree.args[1]):
        power = constant(tree.args[1])
        if power in (0.5, 1, 2) and (power == 0.5 or args[0].isidentifier() or args[0].lstrip("$").isidentifier()):
            return {0.5: f"Math.sqrt({args[0]})", 1: args[0], 2: f"({args[0]} * {args[0]})"}[power]
        return f"Math.pow({args[0]}, {_literal(tree.args[1])})"
    if head == "pow" and tree.args[0] == Constant("e"):
        return f"Math.exp({args[1]})"
    template = TEMPLATES[head]
    return template.format(*args) if template.count("{}") == len(args) else template.format(", ".join(args))


def library(code: str) -> str:
    """The declarations that code needs beside Math."""
    needed: set[str] = set()
    pending = [code]
    while pending:
        text = pending.pop()
        found = {name for name in LIBRARY if f"{name}(" in text or f"{name}." in text} - needed
        needed |= found
        pending += [LIBRARY[name] for name in found]
    return "\n".join(LIBRARY[name] for name in LIBRARY if name in needed)


def _literal(tree: Node) -> str:
    value = constant(tree)
    return repr(int(value) if value.is_integer() and abs(value) < 1e15 else value)


class _Lines:
    """Straight-line code: one constant per node, and one per node and variable for its derivative.

    Derivatives are carried forward beside the values, so a `where` chooses between finished derivatives and the branch
    not taken adds nothing, even where it is infinite.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.symbols: dict[Node, str] = {}
        self.slopes: dict[tuple[Node, str], str] = {}

    def declare(self, prefix: str, code: str) -> str:
        name = f"${prefix}{len(self.lines)}"
        self.lines.append(f"const {name} = {code};")
        return name

    def value(self, tree: Node) -> str:
        """The name that holds a node's value, written when it is first asked for."""
        if isinstance(tree, Variable):
            return parameter(tree.name)
        if is_constant(tree) and not is_condition(tree):
            return f"({_literal(tree)})"
        if tree not in self.symbols:
            assert isinstance(tree, Apply)
            args = [self.value(arg) for arg in tree.args]
            self.symbols[tree] = self.declare("v", _operation(tree, tree.head, args))
        return self.symbols[tree]

    def slope(self, tree: Node, variable: str) -> str:
        """The name that holds a node's derivative with respect to a variable; "0" or "1" where it is that number."""
        if variable not in names(tree):
            return "0"
        if not isinstance(tree, Apply):
            return "1"
        if (tree, variable) not in self.slopes:
            self.slopes[tree, variable] = self._chain(tree, variable)
        return self.slopes[tree, variable]

    def _chain(self, tree: Apply, variable: str) -> str:
        if tree.head == "where":
            condition, yes, no = tree.args
            chosen = f"{self.value(condition)} ? {self.slope(yes, variable)} : {self.slope(no, variable)}"
            return self.declare("d", chosen)
        terms: list[str] = []
        for outer, arg in zip(partials(tree), tree.args, strict=True):
            inner = self.slope(arg, variable)
            if inner == "0" or outer == ZERO:
                continue
            terms.append(
                inner if outer == ONE else self.value(outer) if inner == "1" else f"{self.value(outer)} * {inner}"
            )
        return self.declare("d", " + ".join(terms)) if terms else "0"


def as_module(tree: Node, variables: Sequence[str], name: str, text: str) -> str:
    """A complete ES module: `name`, `text`, `variables`, `f(...)` and `gradient(...)`, which gives an array."""
    values, slopes = _Lines(), _Lines()
    result = values.value(tree)
    partial = [slopes.slope(tree, variable) for variable in variables]
    params = ", ".join(map(parameter, variables))

    def function(head: str, lines: Sequence[str], returned: str) -> str:
        return (
            f"export function {head}({params}) {{\n"
            + "".join(f"  {line}\n" for line in lines)
            + f"  return {returned};\n}}"
        )

    code = "\n\n".join(
        [function("f", values.lines, result), function("gradient", slopes.lines, f"[{', '.join(partial)}]")]
    )
    header = "\n".join(
        f"export const {key} = {json.dumps(value)};"
        for key, value in {"name": name, "text": text, "variables": list(variables)}.items()
    )
    return "\n\n".join(part for part in (header, library(code), code) if part) + "\n"
