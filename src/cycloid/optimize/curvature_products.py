"""Products with the Hessian of a function that may have a reverse rule alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

# What JAX answers where a derivative does not exist, and the mark it leaves for a forward one that is only put off.
NO_RULE = (TypeError, ValueError, NotImplementedError)
PUT_OFF = ("custom_lin",)
# Rules of the user's own, of which one may go in reverse alone.
OWN_RULES = ("custom_vjp", "callback")


def curvature(value: Callable[[Any], Any], x: Any) -> Callable[[Any], Any]:
    """v ↦ H v at x, linearised once: forward over reverse, or reverse over reverse where f has a reverse rule alone.

    Raises:
        TypeError: when f has no second derivative at all.
    """
    gradient = jax.grad(value)
    try:
        product = jax.linearize(gradient, x)[1]
        if not mentions(jax.make_jaxpr(product)(x).jaxpr, PUT_OFF):
            return product
    except NO_RULE:
        pass
    try:
        pull = jax.vjp(gradient, x)[1]
        jax.eval_shape(pull, x)
    except NO_RULE as error:
        raise TypeError(
            'the gradient of f has no derivative, which this method asks for: take one of first order, method="lbfgs".'
        ) from error
    return lambda v: pull(v)[0]  # H is its own transpose


def reverse_alone(value: Callable[[Any], Any], x: Any, jaxpr: Any) -> bool:
    """Whether f and its gradient have no derivative in forward mode, tried only where a rule of the user's own is met.

    Args:
        value: f.
        x: a point.
        jaxpr: of f.
    """
    if not mentions(jaxpr, OWN_RULES):
        return False
    forward = lambda v: jax.jvp(jax.value_and_grad(value), (v,), (v,))
    try:
        return mentions(jax.make_jaxpr(forward)(x).jaxpr, PUT_OFF)
    except NO_RULE:
        return True


def mentions(jaxpr: Any, names: tuple[str, ...]) -> bool:
    """Whether a primitive whose name holds one of `names` stands in a jaxpr or inside one of its parts."""
    for equation in jaxpr.eqns:
        if any(name in equation.primitive.name for name in names):
            return True
        for value in equation.params.values():
            parts = value if isinstance(value, (tuple, list)) else (value,)
            inner = (getattr(part, "jaxpr", part) for part in parts)
            if any(hasattr(part, "eqns") and mentions(part, names) for part in inner):
                return True
    return False
