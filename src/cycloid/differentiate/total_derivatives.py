"""The chain rule for several inner functions: what reaches the result along each path, and the sum of all."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Int

from cycloid.core.formulas import Formula
from cycloid.core.functions import as_function
from cycloid.core.results import ErrorKind, Question, Result, Status, conclude
from cycloid.differentiate.arguments import scalar_value
from cycloid.differentiate.derived import name_of, origin
from cycloid.differentiate.vector_maps import at_each, real_array

Function = Callable[..., Any] | Formula | str


class Path(NamedTuple):
    """One path of the chain rule, from t through one inner function to the result.

    Attributes:
        name: of the inner function.
        slope: ∂f/∂x_i.
        rate: dx_i/dt.
        product: what reaches the result along this path.
    """

    name: str
    slope: Any
    rate: Any
    product: Any


@final
class TotalDerivative(Result):
    """dz/dt of z = f(x_1(t), x_2(t), …), path by path.

    Attributes:
        value: dz/dt = Σ ∂f/∂x_i dx_i/dt, of the shape of t.
        error: not known beyond rounding (NaN).
        error_kind: "none".
        evaluations: of f and of each inner function together; a derivative counts as one.
        status: "all_steps", or "nonfinite".
        height: z, the value of f.
        inner: the values x_i(t), one a row.
        slopes: ∂f/∂x_i, one a row.
        rates: dx_i/dt, one a row.
        t: where.
        names: of the inner functions; "t" for a path that leads to f directly.
    """

    value: Float[ArrayLike, "..."]
    error: Float[ArrayLike, "..."]
    error_kind: ErrorKind
    evaluations: Int[ArrayLike, "..."]
    status: Status
    height: Float[ArrayLike, "..."]
    inner: Float[ArrayLike, "k ..."]
    slopes: Float[ArrayLike, "k ..."]
    rates: Float[ArrayLike, "k ..."]
    t: Float[ArrayLike, "..."]
    names: tuple[str, ...] = eqx.field(static=True)

    @property
    def products(self) -> Any:
        """∂f/∂x_i dx_i/dt, one a row: what reaches the result along each path."""
        return jnp.asarray(self.slopes) * jnp.asarray(self.rates)

    @property
    def paths(self) -> list[Path]:
        """Every path with its two factors and their product."""
        slopes, rates = jnp.asarray(self.slopes), jnp.asarray(self.rates)
        return [Path(name, slopes[i], rates[i], slopes[i] * rates[i]) for i, name in enumerate(self.names)]


def total_derivative(
    f: Function,
    inner: Mapping[str, Function] | Sequence[Function],
    t: Any,
    *,
    throw: bool = True,
) -> TotalDerivative:
    """The derivative by t of z = f(x(t), y(t), …), with the term of every path.

    dz/dt = ∂f/∂x dx/dt + ∂f/∂y dy/dt + …; where f also has an argument t, the path ∂f/∂t is one of them.

    Args:
        f: the outer function of as many numbers, with one real value: callable, formula or text.
        inner: the inner functions of t: a dict by the names of f's arguments, or a list in their order.
        t: a number, or an array of numbers, at each of which the derivative is taken.
        throw: whether a value that is not finite raises `ConvergenceError`.

    Returns:
        A `TotalDerivative`: `value` is the sum, `paths` lists name, slope ∂f/∂x_i, rate dx_i/dt and product.

    Raises:
        TypeError: when a value is not one real number.
        ValueError: when the names of the inner functions are not those of f's arguments.
        ConvergenceError: when a value is not finite and `throw` is set.

    Transformations: jit, vmap, grad.

    Cost: one derivative of each inner function and one gradient of f, at each t.

    Example:
        >>> from cycloid.differentiate import total_derivative
        >>> found = total_derivative("x^2*y", {"x": "t^2", "y": "sin(t)"}, 1.0)
        >>> [(path.name, round(float(path.product), 4)) for path in found.paths], round(float(found.value), 4)
        ([('x', 3.3659), ('y', 0.5403)], 3.9062)

    Reference: G. W. Leibniz, in a letter of 1676; R. Courant, Differential and Integral Calculus, 1936 (several
    variables).
    """
    outer = as_function(f)
    named = _inner(outer, inner)
    t = real_array(t)
    pieces = at_each(lambda s: _at(outer, named, s), t.ravel())
    height, values, slopes, rates = (jnp.moveaxis(piece, 0, -1).reshape(*piece.shape[1:], *t.shape) for piece in pieces)
    value = jnp.sum(slopes * rates, axis=0)
    finite = jnp.isfinite(value) & jnp.isfinite(height)
    result = TotalDerivative(
        value=value,
        error=jnp.full(t.shape, jnp.nan, value.dtype),
        error_kind=ErrorKind.named("none"),
        evaluations=jnp.asarray(2 * (len(named) + 1) * max(1, t.size), jnp.int32),
        status=Status.where(finite, Status.named("all_steps"), Status.named("nonfinite")),
        height=height,
        inner=values,
        slopes=slopes,
        rates=rates,
        t=t,
        names=tuple(named),
    )
    return conclude(result, throw=throw, question=Question(f, {"inner": inner, "t": t}))


def composed(f: Function, inner: Mapping[str, Function] | Sequence[Function]) -> Callable[[Any], Any]:
    """t ↦ f(x(t), y(t), …), the composition itself."""
    outer = as_function(f)
    named = _inner(outer, inner)
    return lambda t: _call(outer, named, [g(t) for g in named.values()])


def _at(outer: Callable[..., Any], named: Mapping[str, Callable[[Any], Any]], t: Float[Array, ""]) -> tuple:
    """(z, values, slopes, rates) at one t."""
    pairs = [
        jax.jvp(lambda s, g=g: scalar_value(g(s), "total_derivative"), (t,), (jnp.ones_like(t),))
        for g in named.values()
    ]
    values, rates = (jnp.stack([jnp.asarray(pair[k], t.dtype) for pair in pairs]) for k in (0, 1))
    of_values = lambda v: scalar_value(_call(outer, named, list(v)), "total_derivative")
    height, slopes = jax.value_and_grad(of_values)(values)
    return height, values, slopes, rates


def _call(outer: Callable[..., Any], named: Mapping[str, Any], values: Sequence[Any]) -> Any:
    """f at the values: by name where f has these names, else in their order."""
    return outer(**dict(zip(named, values, strict=True))) if _by_name(outer, named) else outer(*values)


def _by_name(outer: Callable[..., Any], named: Mapping[str, Any]) -> bool:
    arguments = _arguments(outer)
    return arguments is not None and set(named) <= set(arguments)


def _arguments(outer: Callable[..., Any]) -> list[str] | None:
    """The names of f's required arguments, or None where they cannot be known."""
    own = origin(outer)
    if isinstance(own, Formula):
        return list(own.variables)
    try:
        found = inspect.signature(own).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD, p.POSITIONAL_ONLY) for p in found):
        return None
    return [p.name for p in found if p.default is p.empty]


def _inner(outer: Callable[..., Any], inner: Any) -> dict[str, Callable[[Any], Any]]:
    """The inner functions by the names of f's arguments, with t itself where f takes it directly."""
    arguments = _arguments(outer)
    if isinstance(inner, Mapping):
        named = {str(name): _of_one(g, str(name)) for name, g in inner.items()}
    elif isinstance(inner, list | tuple):
        free = [name for name in arguments or [] if name != "t" or len(arguments or []) == len(inner)]
        names = free if len(free) == len(inner) else [f"x{i + 1}" for i in range(len(inner))]
        named = {name: _of_one(g, name) for name, g in zip(names, inner, strict=True)}
    else:
        raise TypeError(
            "total_derivative: inner is a dict of functions by name, or a list of them; it was a "
            f"{type(inner).__name__}."
        )
    if not named:
        raise ValueError("total_derivative: there is no inner function; for a function of t alone use derivative(f).")
    return _completed(outer, arguments, named)


def _completed(
    outer: Callable[..., Any], arguments: list[str] | None, named: dict[str, Callable[[Any], Any]]
) -> dict[str, Callable[[Any], Any]]:
    if arguments is None:
        return named
    missing, extra = [a for a in arguments if a not in named], [a for a in named if a not in arguments]
    if missing == ["t"] and not extra:
        return {**named, "t": lambda t: t}
    if missing or extra:
        raise ValueError(
            f"total_derivative: {name_of(outer)} has the arguments {', '.join(arguments)}; the inner functions are "
            f"{', '.join(named)}: give one for each, and none for t where f takes it directly."
        )
    return {name: named[name] for name in arguments}


def _of_one(g: Any, name: str) -> Callable[[Any], Any]:
    """An inner function of one number; a formula may be a constant."""
    function = as_function(g, f"inner[{name!r}]")
    if not isinstance(function, Formula):
        return function
    if len(function.variables) > 1:
        raise ValueError(
            f"total_derivative: the inner function {name} = {function.text} has the variables "
            f"{', '.join(function.variables)}; it depends on one alone."
        )
    return function if function.variables else lambda t: function() + 0 * t
