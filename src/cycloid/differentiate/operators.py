"""Derivatives along one variable, one name, one direction: exact operators, functions in, functions out.

Every operator takes a callable that JAX traces, a `cy.formula` or the text of one, and returns a function that composes
with `jax.jit`, `jax.vmap` and `jax.grad`.

Called plainly it is compiled, once for each function object (for formulas: each text) and each shape: what the function
reads from outside (a global, a closure, an attribute) is read at the first call and never again. Pass what changes as
an argument. A function that branches in Python on a value runs uncompiled, and says so once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from cycloid.core.formulas import Formula
from cycloid.core.functions import as_function
from cycloid.differentiate.arguments import (
    direction,
    one_number,
    real_value,
    restrict,
)
from cycloid.differentiate.derived import Derived, argument_names, name_of, origin
from cycloid.differentiate.series import nth_derivative

Function = Callable[..., Any]


def derivative(f: Function | str, *, order: int = 1, argnum: int = 0) -> Function:
    r"""The derivative of a function of a real number, of any order.

    df(x) = dⁿf/dxⁿ with n = `order` and x the argument `argnum` of f. Orders 1 and 2 by forward mode, from order 3 by
    one pass of Taylor arithmetic, whose cost grows with n²; a function with loops, Python branches or a derivative rule
    of its own falls back to nested forward mode, whose cost grows exponentially.

    Args:
        f: the function of x (and others): callable, formula or text. Its value may be a number, or an array or pytree,
            which is differentiated entry by entry (the velocity of a curve).
        order: how many times; 0 returns f itself.
        argnum: which positional argument; for a formula, which of its variables.

    Returns:
        df, called like f. The argument is a float. On an array of points the derivative is taken at each of them, the
        other arguments held fixed; the variables of a formula may all be arrays and broadcast against one another.

    Raises:
        TypeError: for an integer (write 2.0), a complex number, a text or a pytree in place of x; for a value of f that
            is no real number.
        ValueError: for a negative order (TypeError for one that is not whole).

    Transformations: jit, vmap, grad. Cost: about 2 evaluations of f for order 1, 4 for order 2, n²/2 from order 3.

    Example:
        >>> from cycloid.differentiate import derivative
        >>> float(derivative("x^3 + 2x + 1")(2.0))
        14.0
        >>> float(derivative(lambda x: x**3 + 2 * x + 1, order=2)(2.0))
        12.0
        >>> derivative("sin x", order=10)(jnp.array([0.0, jnp.pi / 2])).round(12).tolist()
        [-0.0, -1.0]

    Reference: A. Griewank and A. Walther, Evaluating Derivatives, 2nd ed., 2008, chapters 3 and 13.
    """
    _check_order(order, "derivative")
    function = as_function(f)
    return Derived("derivative", _derivative, function, (order, argnum)) if order else function


def _check_order(order: Any, caller: str) -> None:
    if isinstance(order, bool) or not isinstance(order, int):
        raise TypeError(f"{caller}: order is a whole number 0, 1, 2, …; it was {order!r}.")
    if order < 0:
        raise ValueError(f"{caller}: order is 0, 1, 2, …; it was {order}.")


def _derivative(function: Function, order: int, argnum: int, args: tuple, kwargs: dict) -> Any:
    args, kwargs = _spread(function, args, kwargs)
    if -len(args) <= argnum < len(args):
        return _along(function, argnum % len(args), order, args, kwargs, "derivative")
    names = argument_names(function)[0]
    if 0 <= argnum < len(names) and names[argnum] in kwargs:
        return _along(function, names[argnum], order, args, kwargs, "derivative")
    raise TypeError(
        f"derivative of {name_of(function)} with argnum={argnum}: {len(args)} positional arguments came; pass the "
        "point at that place."
    )


def partial(f: Function | str, *names: str, order: int = 1) -> Function:
    """The partial derivative by the name of an argument, mixed where there are several names.

    ∂ⁿf/∂aⁿ with a the argument called by `names` and n = `order`; with names a, b it is ∂²f/∂b∂a. A name may be
    repeated.

    Args:
        f: the function: callable, formula or text.
        names: one or more of its arguments.
        order: how many times, where there is one name.

    Returns:
        A function called like f, by position or by name. Arrays are treated as by `derivative`.

    Raises:
        ValueError: for a name that f does not have, no name at all, or an order beside several names.
        TypeError: as for `derivative`; also when no value came for one of the names.

    Transformations: jit, vmap, grad. Cost: as `derivative`, multiplied over the names.

    Example:
        >>> from cycloid.differentiate import partial
        >>> R = lambda reach, depth: reach**2 * depth + depth**3
        >>> float(partial(R, "depth")(reach=2.0, depth=1.0))
        7.0
        >>> float(partial("x^2*y + y^3", "x", "y")(2.0, 1.0))
        4.0
    """
    if not names:
        raise ValueError('partial wants the name of an argument: partial(f, "x").')
    if order != 1 and len(names) > 1:
        raise ValueError('partial: with several names repeat a name for a higher order: partial(f, "x", "x", "y").')
    _check_order(order, "partial")
    function = as_function(f)
    known, _, open_ended = argument_names(function)
    for name in names:
        if name not in known and not open_ended:
            raise ValueError(
                f"partial: {name_of(function)} has the arguments {', '.join(known)}; there is no {name!r}."
            )
    for name, times in _runs(names, order):
        function = Derived("partial", _partial, function, (name, times)) if times else function
    return function


def _runs(names: Sequence[str], order: int) -> list[tuple[str, int]]:
    """Equal neighbours counted: x, x, y is twice x, once y."""
    runs: list[tuple[str, int]] = []
    for name in names:
        if runs and runs[-1][0] == name:
            runs[-1] = (name, runs[-1][1] + 1)
        else:
            runs.append((name, order))
    return runs


def _partial(function: Function, name: str, order: int, args: tuple, kwargs: dict) -> Any:
    args, kwargs = _spread(function, args, kwargs)
    if name not in kwargs:
        names, defaults, _ = argument_names(function)
        if name in names[: len(args)]:
            return _along(function, names.index(name), order, args, kwargs, "partial")
        if name not in defaults:
            raise TypeError(f"partial: no value came for {name!r}; call it with {name}=….")
        kwargs = {**kwargs, name: defaults[name]}
    return _along(function, name, order, args, kwargs, "partial")


def _spread(function: Function, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    """A formula's one dict or array spread over its variables; anything else as it came."""
    own = origin(function)
    if isinstance(own, Formula) and len(args) == 1 and not kwargs:
        if isinstance(args[0], Mapping):
            return (), dict(args[0])
        if len(own.variables) > 1 and jnp.shape(args[0]) == (len(own.variables),):
            return tuple(args[0]), {}
    return args, kwargs


def _along(function: Function, slot: int | str, order: int, args: tuple, kwargs: dict, caller: str) -> Any:
    """The derivative along one argument, given by position or name, at a number or at each of an array of points."""
    x = one_number(kwargs[slot] if isinstance(slot, str) else args[slot], caller)

    def at(x: Any, args: tuple, kwargs: dict) -> Any:
        def line(z: Any) -> Any:
            if isinstance(slot, str):
                return real_value(function(*args, **{**kwargs, slot: z}), caller)
            return real_value(function(*args[:slot], z, *args[slot + 1 :], **kwargs), caller)

        return nth_derivative(line, x, order)

    if isinstance(origin(function), Formula) and any(jnp.ndim(value) for value in (*args, *kwargs.values())):
        x, (args, kwargs), shape = _broadcast(x, args, kwargs)
        points = jax.vmap(at)(x, args, kwargs)
        return points.reshape(shape)
    if jnp.ndim(x):
        points = jax.vmap(lambda z: at(z, args, kwargs))(x.reshape(-1))
        return jax.tree.map(lambda leaf: leaf.reshape(x.shape + leaf.shape[1:]), points)
    return at(x, args, kwargs)


def _broadcast(x: Any, args: tuple, kwargs: dict) -> tuple[Any, Any, tuple[int, ...]]:
    shape = jnp.broadcast_shapes(jnp.shape(x), *(jnp.shape(value) for value in (*args, *kwargs.values())))
    spread = lambda value: jnp.broadcast_to(value, shape).reshape(-1)
    return spread(x), jax.tree.map(spread, (args, kwargs)), shape


def directional(f: Function | str, v: Any) -> Function:
    """The derivative along a direction: f′(x; v) = lim (f(x + t v) − f(x)) / t for t → 0, which is ∇f(x)·v.

    Forward mode: the gradient is never formed. The direction is taken as it is, neither scaled nor normalised; divide
    it by its length for the slope per unit of distance.

    Args:
        f: the function: callable, formula or text; its value may be an array or a pytree (then this is J(x) v).
        v: the direction, with the structure of the parameters of x; for a formula by name or in its variables' order.

    Returns:
        A function called like f; its first argument is differentiated, for a formula all variables.

    Raises:
        ValueError: when v has not the shape of x.
        TypeError: when x holds nothing to differentiate.

    Transformations: jit, vmap, grad. Cost: about 2 evaluations of f.

    Example:
        >>> from cycloid.differentiate import directional
        >>> float(directional("x^2 + y^2", (3.0, 4.0))(1.0, 2.0))
        22.0
    """
    return Derived("directional", _directional, as_function(f), (v,))


def _directional(function: Function, v: Any, args: tuple, kwargs: dict) -> Any:
    restricted, point = restrict(function, args, kwargs, None, "directional")
    arrow = direction(v, point, "directional", function)
    return jax.jvp(lambda x: real_value(restricted(x), "directional"), (point,), (arrow,))[1]
