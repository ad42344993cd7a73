"""Formulas: text that people type, read once into a frozen tree, and computed by JAX like any function.

>>> from cycloid.core.formulas import formula
>>> f = formula("x^3 + 2x + 1")
>>> float(f(2.0)), f.variables
(13.0, ('x',))
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from cycloid.core.grammar import read
from cycloid.core.interchange import Data, from_data, to_data
from cycloid.core.naming import declared_names
from cycloid.core.syntax import FormulaError, Node, names
from cycloid.core.typesetting import as_latex, as_text

__all__ = ["Formula", "FormulaError", "formula"]


@dataclass(frozen=True, eq=False, repr=False)
class Formula:
    """A function given by a formula: call it, differentiate it with JAX, print it. `formula(text)` makes one.

    Two formulas are equal when their trees and the order of their variables are, however they were typed, so that a
    formula may be a static argument of `jax.jit` and equal ones are compiled once.

    Attributes:
        tree: the syntax tree, of frozen nodes.
        variables: names of the arguments, in their order.
        name: what the header calls the function, else f.
        text: the formula as it was typed.
    """

    tree: Node
    variables: tuple[str, ...]
    name: str = "f"
    text: str = ""

    def __post_init__(self) -> None:
        missing = names(self.tree) - set(self.variables)
        if missing:
            raise FormulaError(f"the tree holds {', '.join(sorted(missing))}, which is not among the variables")

    def __call__(self, *args: Any, **named: Any) -> Any:
        """The value at arrays of the variables, elementwise.

        Args:
            args: numbers or arrays in the order of `variables`, that broadcast against each other.
            named: the same by name.

        Returns:
            An array of the broadcast shape; in float of the default precision for integer input.

        Raises:
            TypeError: when the arguments are not those of the formula's variables.

        Transformations:
            jit, vmap, grad and every higher derivative. The branch of a `where` that is not taken adds nothing to a
            derivative, even where its own is infinite.
        """
        from cycloid.core.evaluation import evaluate

        return evaluate(self.tree, self.variables, self._bound(args, named))

    @property
    def __signature__(self) -> inspect.Signature:
        """The variables as the parameters that tools see."""
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        return inspect.Signature([inspect.Parameter(name, kind) for name in self.variables])

    def _bound(self, args: tuple[Any, ...], named: Mapping[str, Any]) -> list[Any]:
        free = self.variables[len(args) :]
        if len(args) <= len(self.variables) and set(free) == set(named):
            return [*args, *(named[name] for name in free)]
        expected = f"the variables {', '.join(self.variables)}" if self.variables else "no variables"
        given = [f"{len(args)} positional"] if args else []
        given += [", ".join(named)] if named else []
        raise TypeError(
            f"{self} has {expected}; the call gave {' and '.join(given) or 'nothing'}. "
            f"Call it as {self.name}({', '.join(self.variables)})."
        )

    def of_vector(self, x: Any) -> Any:
        """The value at points given as arrays whose last axis holds the variables in their order."""
        import jax.numpy as jnp

        if jnp.ndim(x) == 0 or jnp.shape(x)[-1] != len(self.variables):
            raise ValueError(
                f"{self} takes points of {len(self.variables)} coordinates ({', '.join(self.variables)}) on the last "
                f"axis; the shape was {jnp.shape(x)}."
            )
        x = jnp.asarray(x)
        return self(*(x[..., i] for i in range(len(self.variables))))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Formula) and (self.tree, self.variables) == (other.tree, other.variables)

    def __hash__(self) -> int:
        return hash((self.tree, self.variables))

    def __str__(self) -> str:
        return f"{self.name}({', '.join(self.variables)}) = {self.canonical}"

    def __repr__(self) -> str:
        return f"formula({str(self)!r})"

    @property
    def canonical(self) -> str:
        """The expression in one uniform notation, which reads back to the same tree."""
        return as_text(self.tree, self.variables)

    @property
    def latex(self) -> str:
        """The expression in LaTeX's mathematical mode."""
        return as_latex(self.tree)

    @property
    def javascript(self) -> str:
        """The expression in JavaScript, of numbers; names with a dollar sign are those `javascript_module` declares."""
        from cycloid.core.javascript import as_javascript

        return as_javascript(self.tree)

    @property
    def expr(self) -> Any:
        """The SymPy expression of plain symbols, built by constructors."""
        from cycloid.core.symbolic import to_sympy

        return to_sympy(self.tree)

    @staticmethod
    def from_tree(tree: Node, variables: Sequence[str], name: str = "f") -> Formula:
        """The formula of a tree."""
        return Formula(tree, tuple(variables), name, as_text(tree, variables))

    def to_data(self) -> Data:
        """The formula as JSON data."""
        return {
            "name": self.name,
            "variables": list(self.variables),
            "tree": to_data(self.tree),
            "text": self.text,
        }

    @staticmethod
    def from_data(data: Data) -> Formula:
        """The formula that `to_data` wrote."""
        if not isinstance(data, dict) or {"name", "variables", "tree", "text"} - data.keys():
            raise FormulaError("not the data of a formula: name, variables, tree and text are needed")
        fields = cast("dict[str, Any]", data)
        tree = from_data(fields["tree"])
        variables = declared_names(fields["variables"])
        return Formula(tree, variables, str(fields["name"]), str(fields["text"]))


def formula(text: str, variables: Sequence[str] | str | None = None) -> Formula:
    """Reads a formula.

    Args:
        text: what people type, such as `x^2`, `2x`, `sin x`, `|x|`, `√x`, `f(x, y) = exp(-x² - y²)`.
        variables: the variables in the order of the arguments. Otherwise the header's, else those that occur,
            in the order of the alphabet.

    Returns:
        A callable that JAX traces, with its tree and printed forms. Angles are in radians, `log` and `ln` are natural,
        `e` is Euler's number unless it is a declared variable, `1/2 x` is half of x, and text that can be read in two
        ways is refused.

    Raises:
        FormulaError: with the column of the fault and what would be right.

    Example:
        >>> f = formula("f(x, y) = (1-x)^2 + 100(y-x^2)^2")
        >>> float(f(1.0, 2.0)), f.variables
        (100.0, ('x', 'y'))
        >>> print(formula("sin² x − |x|/2"))
        f(x) = sin(x)**2 - abs(x)/2
        >>> formula("2*sine(x)")
        Traceback (most recent call last):
        cycloid.core.syntax.FormulaError: unknown function 'sine' at column 3: did you mean sin?
            2*sine(x)
              ^
    """
    if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"formula takes a text such as 'x^2 + 1'; it was a {type(text).__name__}.")
    try:
        reading = read(text, None if variables is None else declared_names(variables))
    except RecursionError:  # the caller's own stack was nearly full
        raise FormulaError("the formula is nested too deep to be read here", hint="split it in two") from None
    ordered = reading.variables
    if ordered is None:
        ordered = tuple(sorted(names(reading.tree), key=_alphabet))
        declared_names(ordered)
    return Formula(reading.tree, ordered, reading.name or "f", text.strip())


def _alphabet(name: str) -> tuple[Any, ...]:
    """Sorts x_2 before x_10, and a capital letter behind its small one."""
    parts = re.split(r"([0-9]+)", name)
    return tuple((int(part), "") if part.isdecimal() else (-1, part.lower()) for part in parts), name.swapcase()


def javascript_module(f: Formula) -> str:
    """A complete ES module with a formula's value and its exact gradient, for a page that may not evaluate text.

    It exports `name`, `text`, `variables` (an array), `f(...)`, a number, and `gradient(...)`, the array of the partial
    derivatives in the order of the variables, by forward differentiation written out line by line.
    """
    from cycloid.core.javascript import as_module

    return as_module(f.tree, f.variables, f.name, f.text)
