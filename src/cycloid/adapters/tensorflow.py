"""TensorFlow: formulas as functions of its tensors, and its derivatives by `GradientTape`."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf  # pyright: ignore[reportMissingImports]

Function = Callable[..., Any]


def _gamma(x: Any) -> Any:
    """By its logarithm; between the poles on the left its sign alternates."""
    one = tf.ones_like(x)
    sign = tf.where((x < 0) & (tf.math.floormod(tf.floor(x), 2 * one) == 1), -one, one)
    return sign * tf.exp(tf.math.lgamma(x))


def _constant(value: Any, x: Any) -> Any:
    if isinstance(value, bool | int | float):
        return tf.constant(value, dtype=tf.bool if isinstance(value, bool) else x.dtype)
    return value


OPERATIONS: dict[str, Function] = {
    "like": _constant,
    "stack": tf.stack,
    "add": operator.add,
    "mul": operator.mul,
    "neg": operator.neg,
    "div": operator.truediv,
    "pow": tf.pow,
    "power": tf.pow,
    "mod": tf.math.floormod,
    **{name: getattr(tf.math, name) for name in ("exp", "log", "sqrt", "sin", "cos", "tan", "asin", "acos", "atan")},
    **{name: getattr(tf.math, name) for name in ("atan2", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "abs")},
    **{name: getattr(tf.math, name) for name in ("sign", "floor", "ceil", "sigmoid", "softplus", "erf", "erfc")},
    **{name: getattr(tf.math, name) for name in ("lgamma", "digamma")},
    "log2": lambda x: tf.math.log(x) / math.log(2.0),
    "log10": lambda x: tf.math.log(x) / math.log(10.0),
    "cbrt": lambda x: tf.sign(x) * tf.abs(x) ** (1.0 / 3.0),
    "cot": lambda x: 1.0 / tf.tan(x),
    "sec": lambda x: 1.0 / tf.cos(x),
    "csc": lambda x: 1.0 / tf.sin(x),
    "heaviside": lambda x: 0.5 * (1.0 + tf.sign(x)),
    "relu": tf.nn.relu,
    "gamma": _gamma,
    "factorial": lambda x: _gamma(x + 1.0),
    "polygamma": lambda order, x: tf.math.polygamma(order * tf.ones_like(x), x),
    "max": tf.maximum,
    "min": tf.minimum,
    "lt": tf.less,
    "le": tf.less_equal,
    "gt": tf.greater,
    "ge": tf.greater_equal,
    "eq": tf.equal,
    "ne": tf.not_equal,
    "and": tf.logical_and,
    "or": tf.logical_or,
    "not": tf.logical_not,
    "where": tf.where,
}


def tensor(x: np.ndarray) -> Any:
    """NumPy's array as a tensor of the same numbers."""
    return tf.constant(x)


def array(value: Any) -> np.ndarray:
    """A tensor as NumPy's array."""
    return value.numpy()


def _gradient(f: Function) -> Function:
    def gradient(x: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = f(x)
        return tape.gradient(y, x, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    return gradient


def _jacobian(f: Function) -> Function:
    def jacobian(x: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = f(x)
        return tape.jacobian(y, x, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    return jacobian


# way -> operator -> from a function to its derivative; a Hessian is the Jacobian of a gradient, a tape in a tape
WAYS: dict[str, dict[str, Callable[[Function], Function]]] = {
    "tensorflow": {
        "value": lambda f: tf.function(f, autograph=False),
        "gradient": lambda f: tf.function(_gradient(f), autograph=False),
        "jacobian": lambda f: tf.function(_jacobian(f), autograph=False),
        "hessian": lambda f: tf.function(_jacobian(_gradient(f)), autograph=False),
    }
}
