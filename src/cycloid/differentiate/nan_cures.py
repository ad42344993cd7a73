"""What to write instead of an operation that gave a NaN or an infinity: one sentence for each usual cause."""

from __future__ import annotations

import numpy as np

_WHERE = (
    "Where a jnp.where picks another value there, its gradient still multiplies 0 by infinity: replace the argument "
    "first, jnp.where(ok, f(jnp.where(ok, x, 1.0)), other)."
)
_FORWARD = {
    "exp": "exp overflows above 709 in float64 and 88 in float32: subtract the largest entry first (softmax), or stay "
    "in logarithms (jax.nn.logsumexp, jax.nn.log_softmax, jax.nn.softplus).",
    "exp2": "The power overflows: stay in logarithms.",
    "expm1": "expm1 overflows above 709 in float64 and 88 in float32: stay in logarithms.",
    "cosh": "cosh overflows: log(cosh x) is jnp.logaddexp(x, -x) - log(2).",
    "sinh": "sinh overflows: scale the argument, or stay in logarithms.",
    "log": "The logarithm of 0 is -inf and of a negative number NaN: log1p(x) for log(1 + x), jax.nn.log_softmax for "
    "the logarithm of a softmax, jax.scipy.special.xlogy(p, p) for p log p, else clip it from below.",
    "log1p": "log1p of -1 is -inf and below it NaN: clip the argument from below.",
    "sqrt": "The square root of a negative number is NaN: a variance that rounding made negative wants "
    "jnp.maximum(x, 0).",
    "rsqrt": "1/sqrt(x) is infinite at 0: add a small eps, rsqrt(x + eps).",
    "div": "A division by zero: add a small eps to the denominator, or replace it where it is zero before dividing, "
    "jnp.where(d == 0, 1.0, d).",
    "rem": "The remainder by zero is NaN: replace the divisor where it is zero.",
    "acos": "acos is NaN outside [-1, 1]: clip the argument.",
    "asin": "asin is NaN outside [-1, 1]: clip the argument.",
    "atanh": "atanh is infinite at -1 and 1, and NaN beyond: clip the argument.",
    "acosh": "acosh is NaN below 1: clip the argument.",
    "erf_inv": "The inverse of erf is infinite at -1 and 1: clip the argument.",
    "log_gamma": "The gamma function has poles at 0, -1, -2, …: keep the argument away from them.",
    "lgamma": "The gamma function has poles at 0, -1, -2, …: keep the argument away from them.",
    "digamma": "The digamma function has poles at 0, -1, -2, …: keep the argument away from them.",
    "cholesky": "The matrix is not positive definite: add a small multiple of the identity, A + eps * I.",
    "reduce_max": "The largest of no entries is -inf: give initial=, or make sure that something is chosen.",
    "reduce_min": "The smallest of no entries is inf: give initial=, or make sure that something is chosen.",
}
_BACKWARD = {
    "sqrt": "The slope of the square root is infinite at 0: sqrt(x + eps), or replace x where it is zero before the "
    "root (the double where).",
    "rsqrt": "The slope of 1/sqrt(x) is infinite at 0: rsqrt(x + eps).",
    "cbrt": "The slope of the cube root is infinite at 0: move away from it, or replace x before the root.",
    "log": "The slope 1/x of the logarithm is infinite at 0: clip x from below, or replace it before the logarithm.",
    "log1p": "The slope of log1p is infinite at -1: clip the argument.",
    "div": "The slope of a division is infinite where the denominator is zero: replace the denominator there before "
    "dividing.",
    "pow": "The slope of x**p at 0 is infinite for p < 1, and that by p needs log x: replace x before the power, or "
    "write sqrt and integer powers.",
    "acos": "The slope of acos is infinite at -1 and 1: clip a little inside, or use arctan2.",
    "asin": "The slope of asin is infinite at -1 and 1: clip a little inside, or use arctan2.",
    "atan2": "The slope of arctan2 at (0, 0) is not defined: replace one argument there.",
    "atanh": "The slope of atanh is infinite at -1 and 1: clip a little inside.",
    "acosh": "The slope of acosh is infinite at 1: clip a little above it.",
    "eigh": "The derivative of eigenvectors divides by differences of eigenvalues: of equal ones it is not defined.",
    "svd": "The derivative of singular vectors divides by differences of singular values: of equal ones it is not "
    "defined.",
    "erf_inv": "The slope of the inverse of erf is infinite at -1 and 1: clip a little inside.",
}
_GROWTH = (
    "The numbers outgrew the dtype: scale them, compute in logarithms, or use a wider dtype (float16 ends at 65504, "
    "float32 and bfloat16 at 3.4e38, float64 at 1.8e308)."
)


def cure_of(operation: str, backward: bool, inputs: list[np.ndarray], norm: bool, chosen: bool) -> str:
    """The sentence for an operation.

    Args:
        operation: the primitive in the user's program.
        backward: whether its derivative made it.
        inputs: what the operation was given.
        norm: whether a root is taken of a sum.
        chosen: whether the program picks values by a jnp.where.
    """
    masked = f" {_WHERE}" if chosen else ""
    if backward and operation == "sqrt" and norm:
        return (
            "A norm has a kink at the origin, where its slope is 0/0: add eps under the root, sqrt(sum(x**2) + eps), "
            f"or replace x where the sum is zero before taking the root.{masked}"
        )
    if backward:
        return _BACKWARD.get(operation, _GROWTH) + masked
    if operation in ("pow", "integer_pow"):
        zero = any(np.any(value == 0) for value in inputs[:1])
        negative = any(np.any(value < 0) for value in inputs[:1])
        if zero:
            return "0 to a negative power is infinite: keep the base away from 0."
        return "A negative base to a power that is no integer is NaN: take abs first." if negative else _GROWTH
    return _FORWARD.get(operation, _GROWTH)
