"""What a user may pass as a function: a callable that JAX traces, a formula, or the text of one."""

from __future__ import annotations

import functools
import inspect
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp


class Traceable:
    """A user's function, equal to another by the function it holds, that explains a call to NumPy.

    NumPy cannot see through a JAX tracer. Its complaint is answered with what to write instead and the line.
    """

    def __init__(self, function: Callable[..., Any]):
        self.function = function
        functools.update_wrapper(self, function, assigned=("__name__", "__qualname__", "__doc__", "__module__"))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return self.function(*args, **kwargs)
        except jax.errors.TracerArrayConversionError as error:
            raise TypeError(_hint(self.function, error, "calls NumPy on", "use jax.numpy instead of numpy")) from error
        except jax.errors.TracerBoolConversionError:
            raise  # a Python branch: drivers run such a function unjitted
        except jax.errors.ConcretizationTypeError as error:
            cure = "use jax.numpy instead of math, float() and int()"
            raise TypeError(_hint(self.function, error, "asks for the number behind", cure)) from error

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Traceable):
            return False
        if self.function is other.function:
            return True
        return _is_hashable(self.function) and bool(self.function == other.function)

    def __hash__(self) -> int:
        return hash(self.function) if _is_hashable(self.function) else id(self.function)

    def __repr__(self) -> str:
        return repr(self.function)


def _is_hashable(function: Callable[..., Any]) -> bool:
    """False for an equinox module that holds arrays: it equals itself alone."""
    try:
        hash(function)
    except TypeError:
        return False
    return True


def _hint(function: Callable[..., Any], error: BaseException, deed: str, cure: str) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    own = inspect.getsourcefile(inspect.unwrap(function)) if inspect.isroutine(function) else None
    mine = [frame for frame in frames if own and frame.filename == own and frame.name != "__call__"]
    outside = [frame for frame in frames if "/jax/" not in frame.filename and frame.filename != __file__]
    where = (mine or outside or frames)[-1]
    name = getattr(function, "__name__", "the function")
    return (
        f"{name} {deed} a value that JAX is tracing: {cure} "
        f"(line {where.lineno} of {where.filename}: {where.line or 'source not found'})."
    )


def as_function(f: Any, name: str = "f") -> Callable[..., Any]:
    """The function itself: a formula from text, a formula as it is, a callable with its errors explained.

    Raises:
        TypeError: when `f` is none of the three; the message says what it was.
        FormulaError: when the text is not a formula.
    """
    from cycloid.core.formulas import Formula, formula

    if isinstance(f, str):
        return formula(f)
    if isinstance(f, Formula | Traceable):
        return f
    if callable(f):
        return Traceable(f)
    raise TypeError(
        f"{name} is a function that JAX can trace, a cy.formula or the text of one; it was a {type(f).__name__}."
    )


class FormulaAt:
    """A formula of several variables as a function of one point: an array in their order, or a dict by name."""

    def __init__(self, formula: Any):
        self.formula = formula

    def __call__(self, x: Any) -> Any:
        if isinstance(x, Mapping):
            return self.formula(**x)
        variables = self.formula.variables
        if len(variables) == 1 and jnp.ndim(x) == 0:
            return self.formula(x)
        if jnp.shape(x) != (len(variables),):
            raise ValueError(
                f"{self.formula.text} has the variables {', '.join(variables)}: pass an array of shape "
                f"({len(variables)},) in that order, or a dict by name; the shape was {jnp.shape(x)}."
            )
        return self.formula(*(x[i] for i in range(len(variables))))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FormulaAt) and self.formula == other.formula

    def __hash__(self) -> int:
        return hash(("at", self.formula))

    def __repr__(self) -> str:
        return repr(self.formula)


def as_objective(f: Any, x0: Any, name: str = "f") -> Callable[[Any], Any]:
    """`f` as a function of one pytree shaped like x0: what a vector driver works on.

    A formula's variables are read from a dict by name, or from an array in their order.

    Raises:
        TypeError: when `f` is no function.
        ValueError: when the names in x0 are not those of the formula's variables.
    """
    from cycloid.core.formulas import Formula

    function = as_function(f, name)
    if not isinstance(function, Formula):
        return function
    if isinstance(x0, Mapping):
        missing = [v for v in function.variables if v not in x0]
        extra = [k for k in x0 if k not in function.variables]
        if missing or extra:
            raise ValueError(
                f"{function.text} has the variables {', '.join(function.variables)}; the point has {', '.join(x0)}."
            )
    return FormulaAt(function)
