"""A number found by chance, with its standard error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import jax
import jax.numpy as jnp
from jaxtyping import ArrayLike, Float, Int

from cycloid.core.results import ErrorKind, Question, Result, Status, conclude
from cycloid.differentiate.derived import Derived


@final
class Estimate(Result):
    """The mean of independent unbiased values.

    Attributes:
        value: the mean.
        error: its standard error, the standard deviation of the replicates over √samples.
        error_kind: "standard error".
        evaluations: of the function; a second derivative along one direction counts as 3.
        status: "all_steps", or "nonfinite".
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
        status=Status.where(jnp.all(jnp.isfinite(values)), Status.named("all_steps"), Status.named("nonfinite")),
        replicates=jnp.moveaxis(values, 0, -1),
    )


@final
@dataclass(frozen=True)
class Estimator:
    """An operator whose answer is an `Estimate`, which learns what was asked.

    Args:
        operator: what computes it.
        function: the user's.
        arguments: of the question, beside those of the call.
        method: of the question.
    """

    operator: Derived
    function: Callable[..., Any] | str
    arguments: tuple[tuple[str, Any], ...]
    method: str

    def __call__(self, *args: Any, **kwargs: Any) -> Estimate:
        found = self.operator(*args, **kwargs)
        asked = {"args": args, "kwargs": kwargs, **dict(self.arguments)}
        return conclude(found, throw=False, question=Question(self.function, asked, self.method))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Estimator) and self.operator == other.operator

    def __hash__(self) -> int:
        return hash(self.operator)


def signs(key: Any, samples: int, like: Any) -> Any:
    """Directions with independent entries ±1, shape (samples, d): E v vᵀ is the identity."""
    return jax.random.rademacher(key, (samples, like.size), like.dtype)


def normals(key: Any, samples: int, like: Any) -> Any:
    """Directions with independent normal entries, shape (samples, d): E v vᵀ is the identity."""
    return jax.random.normal(key, (samples, like.size), like.dtype)
