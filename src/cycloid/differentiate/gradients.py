"""The gradient of one real value with respect to the parameters of a pytree, by reverse mode."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from cycloid.core.functions import as_function
from cycloid.differentiate.arguments import restrict, scalar_value
from cycloid.differentiate.derived import Derived

Function = Callable[..., Any]


def grad(f: Function | str, argnums: int | Sequence[int] | None = None, has_aux: bool = False) -> Function:
    """The gradient of a function with one real value, by reverse mode.

    grad(f)(x) holds ∂f/∂x_i in the place of every parameter x_i of x.

    Args:
        f: the function: callable, formula or text.
        argnums: the positional argument(s) to differentiate; by default the first, and every variable of a formula.
        has_aux: True when f returns (value, anything); that is handed back beside the gradient.

    Returns:
        A function called like f, whose value has the structure of the differentiated argument (a tuple for a sequence
        of argnums); (gradient, aux) with `has_aux`. The parameters of a pytree are its floating-point arrays and plain
        floats; all else (activations, keys, integer arrays, settings of an equinox module) passes through and holds
        None. A formula takes g(x, y), g(x=…, y=…), g({"x": …, "y": …}) or g(array), and answers in kind.

    Raises:
        TypeError: when the value is not one real number, or there is nothing to differentiate (an integer: write 2.0).

    Transformations: jit, vmap, grad. Cost: 3 to 5 evaluations of f, whatever the number of parameters.

    Example:
        >>> import jax.numpy as jnp
        >>> from cycloid.differentiate import grad
        >>> grad(lambda w: jnp.sum(w**2))(jnp.array([1.0, 2.0])).tolist()
        [2.0, 4.0]
        >>> {name: float(slope) for name, slope in grad("x^2 + x*y")({"x": 1.0, "y": 3.0}).items()}
        {'x': 5.0, 'y': 1.0}
    """
    return Derived("grad", _grad, as_function(f), (_fixed(argnums), has_aux))


def value_and_grad(f: Function | str, argnums: int | Sequence[int] | None = None, has_aux: bool = False) -> Function:
    """The value and the gradient in one pass: (f(x), ∇f(x)), or ((f(x), aux), ∇f(x)) with `has_aux`.

    Parameters, errors, transformations and cost are those of `grad`.

    Args:
        f: the function with one real value: callable, formula or text.
        argnums: the positional argument(s) to differentiate, as for `grad`.
        has_aux: whether f returns (value, aux).

    Returns:
        A function called like f.

    Example:
        >>> from cycloid.differentiate import value_and_grad
        >>> value, slope = value_and_grad("x^3 + 2x + 1")(2.0)
        >>> float(value), float(slope)
        (13.0, 14.0)
    """
    return Derived("value_and_grad", _value_and_grad, as_function(f), (_fixed(argnums), has_aux))


def _fixed(argnums: int | Sequence[int] | None) -> int | tuple[int, ...] | None:
    return argnums if argnums is None or isinstance(argnums, int) else tuple(argnums)


def _grad(function: Function, argnums: Any, has_aux: bool, args: tuple, kwargs: dict) -> Any:
    value, gradient = _pull(function, argnums, has_aux, args, kwargs, "grad")
    return (gradient, value[1]) if has_aux else gradient


def _value_and_grad(function: Function, argnums: Any, has_aux: bool, args: tuple, kwargs: dict) -> Any:
    return _pull(function, argnums, has_aux, args, kwargs, "value_and_grad")


def _pull(function: Function, argnums: Any, has_aux: bool, args: tuple, kwargs: dict, caller: str) -> tuple[Any, Any]:
    restricted, point = restrict(function, args, kwargs, argnums, caller)

    def one_value(chosen: Any) -> Any:
        out = restricted(chosen)
        if not has_aux:
            return scalar_value(out, caller)
        if not isinstance(out, tuple | list) or len(out) != 2:
            came = f"a {type(out).__name__}" if isinstance(out, tuple | list | dict) else "one value"
            raise TypeError(f"{caller} with has_aux=True wants f to return the pair (value, aux); it returned {came}.")
        return scalar_value(out[0], caller), out[1]

    value, pull, *aux = jax.vjp(one_value, point, has_aux=has_aux)
    (gradient,) = pull(jnp.ones_like(value))
    return ((value, aux[0]) if has_aux else value), gradient
