"""Precision: the switch to float64, and what a tolerance means in the dtype at hand."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np


def enable_x64(on: bool = True) -> None:
    """Compute in float64 from here on (or, with `on=False`, in float32 again).

    Call it first in a program, before any array is made: arrays made earlier keep their dtype.

    Example:
        >>> import cycloid as cy
        >>> cy.enable_x64()
    """
    jax.config.update("jax_enable_x64", on)


class Tolerance(eqx.Module):
    """How close is close enough: |error| <= atol + rtol * |value|.

    Args:
        rtol: the relative part, without unit.
        atol: the absolute part, in the unit of the value.

    Example:
        >>> Tolerance(rtol=1e-8, atol=0.0).allowed(200.0)
        Array(2.e-06, dtype=float64, weak_type=True)
    """

    rtol: float
    atol: float

    def allowed(self, scale: Any) -> Any:
        """The largest error allowed for a value of this size."""
        return self.atol + self.rtol * jnp.abs(scale)

    @property
    def is_zero(self) -> bool:
        """True when no tolerance is set: every step asked for is run."""
        return self.rtol == 0.0 and self.atol == 0.0


def as_tolerance(tol: float | Tolerance | None, dtype: Any) -> Tolerance:
    """The tolerance in the dtype of the work; None means the square root of its eps.

    Raises:
        TypeError: when `tol` is neither a number nor a `Tolerance`.
        ValueError: when it is negative, NaN, or positive and below what the dtype can reach.
    """
    eps = float(jnp.finfo(dtype).eps)
    if tol is None:
        return Tolerance(eps**0.5, eps**0.5)
    if isinstance(tol, Tolerance):
        parts = (tol.rtol, tol.atol)
        if tol.rtol < 0 or tol.atol < 0 or np.isnan(parts).any():
            raise ValueError(f"tol= has non-negative parts; they were rtol={tol.rtol}, atol={tol.atol}.")
        largest = max(parts)
        chosen = tol
    elif isinstance(tol, (int, float, np.floating, np.integer)) and not isinstance(tol, bool):
        if not tol >= 0:
            raise ValueError(f"tol= is a non-negative number, such as 1e-6; it was {tol}.")
        largest = float(tol)
        chosen = Tolerance(largest, largest)
    else:
        raise TypeError(f"tol= is a number or a Tolerance(rtol, atol); it was a {type(tol).__name__}.")
    if 0.0 < largest < eps:
        name = np.dtype(dtype).name
        cure = "call cy.enable_x64() first and pass float64 input, or " if name != "float64" else ""
        raise ValueError(
            f"tol={largest:g} lies below what {name} can reach ({eps:.2g}): {cure}use tol={max(eps**0.5, eps):.1g}."
        )
    return chosen


def working_dtype(tree: Any) -> Any:
    """The float dtype in which a call on this input works: that of its inexact leaves, or the default float."""
    leaves = [jnp.result_type(leaf) for leaf in jax.tree.leaves(tree) if _is_inexact(leaf)]
    dtypes = [dtype for dtype in leaves if jnp.issubdtype(dtype, jnp.floating)]
    return jnp.result_type(*dtypes) if dtypes else jnp.result_type(float)


def _is_inexact(leaf: Any) -> bool:
    # equinox's is_inexact_array_like fails on tracers of JAX 0.10, whose __jax_array__ is None.
    return isinstance(leaf, (float, complex)) or eqx.is_inexact_array(leaf)
