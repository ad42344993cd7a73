"""A number found by chance, with its standard error."""

from __future__ import annotations

from typing import Any, final

import jax
import jax.numpy as jnp
from jaxtyping import ArrayLike, Float, Int

from cycloid.core.results import ErrorKind, Result, Status


@final
class Estimate(Result):
    """The mean of independent unbiased values.

    Attributes:
        value: the mean.
        error: its standard error, the standard deviation of the replicates over √samples.
        error_kind: "standard error".
        evaluations: of the function; a second derivative along one direction counts as 3.
        status: "all_steps".
        replicates: the values, samples on the last axis.
    """

    value: Any
    error: Float[ArrayLike, "..."]
    error_kind: ErrorKind
    evaluations: Int[ArrayLike, "..."]
    status: Status
    replicates: Float[ArrayLike, "..."]


def mean_of(values: Any, evaluations: int) -> Estimate:
    """The estimate from replicates that lie on the first axis."""
    count = values.shape[0]
    spread = jnp.std(values, axis=0, ddof=1) / jnp.sqrt(jnp.asarray(count, values.dtype))
    return Estimate(
        value=jnp.mean(values, axis=0),
        error=spread,
        error_kind=ErrorKind.named("standard error"),
        evaluations=jnp.asarray(evaluations, jnp.int32),
        status=Status.named("all_steps"),
        replicates=jnp.moveaxis(values, 0, -1),
    )


def signs(key: Any, samples: int, like: Any) -> Any:
    """Directions with independent entries ±1, shape (samples, d): E v vᵀ is the identity."""
    return jax.random.rademacher(key, (samples, like.size), like.dtype)
