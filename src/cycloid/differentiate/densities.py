"""The density of eigenvalues and the trace of a symmetric operator, from a few random vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@final
class Density(eqx.Module):
    """How the eigenvalues are spread: a sum of spikes that has the true moments up to a high order, in expectation.

    Attributes:
        nodes: places on the axis of eigenvalues.
        weights: the share of all eigenvalues that each stands for; they add up to about 1.
    """

    nodes: Float[Array, " nodes"]
    weights: Float[Array, " nodes"]

    def share(self, low: Any, high: Any) -> Any:
        """The share of the eigenvalues between two numbers."""
        inside = (self.nodes >= low) & (self.nodes <= high)
        return jnp.sum(jnp.where(inside, self.weights, 0.0)) / jnp.sum(self.weights)

    def __call__(self, x: Any, width: Any = None) -> Any:
        """The density at points x, every spike widened to a Gaussian.

        Args:
            x: any shape.
            width: the standard deviation of the Gaussian, in the unit of the eigenvalues; by default a hundredth of
                the range of the nodes.
        """
        width = jnp.maximum(jnp.ptp(self.nodes) / 100, jnp.finfo(self.nodes.dtype).tiny) if width is None else width
        bells = jnp.exp(-(((jnp.asarray(x)[..., None] - self.nodes) / width) ** 2) / 2)
        return jnp.sum(self.weights * bells, axis=-1) / (width * jnp.sqrt(2 * jnp.pi))


class Probed(NamedTuple):
    """What random vectors tell of the operator on the complement of some known eigenvectors.

    Args:
        traces: one unbiased value of the trace on the complement for each vector.
        nodes, weights: spikes of the density there, of shape (vectors, depth).
    """

    traces: Any
    nodes: Any
    weights: Any


def probed(product: Callable, vectors: Any, known: Any, n: int, depth: int) -> Probed:
    """Stochastic Lanczos quadrature with the known eigenvectors taken out of the start.

    A start g without its part along the known vectors Q has E gᵀ A g = trace A − trace QᵀA Q. That is Hutch++ with
    eigenvectors in place of its sketch: what the random vectors must tell is small.

    Args:
        product: vector -> vector.
        vectors: of entries ±1, shape (probes, n).
        known: orthonormal rows, shape (k, n).
        n: the number of eigenvalues; the vectors may be longer, with zeros behind.
        depth: products for each vector.

    Reference: R. A. Meyer et al., Hutch++: optimal stochastic trace estimation, 2021; B. Ghorbani, S. Krishnan and
    Y. Xiao, An investigation into neural net optimization via Hessian eigenvalue density, 2019.
    """

    def probe(g: Any) -> tuple[Any, Any, Any]:
        rest = g - (known @ g) @ known
        square = jnp.vdot(rest, rest)
        safe = jnp.where(square > 0, square, 1.0)
        diagonal, beside = _tridiagonal(product, rest / jnp.sqrt(safe), depth)
        nodes, rows = jnp.linalg.eigh(jnp.diag(diagonal) + jnp.diag(beside[:-1], 1) + jnp.diag(beside[:-1], -1))
        return square * diagonal[0], nodes, rows[0] ** 2 * square / n

    return Probed(*jax.lax.map(probe, vectors))


def _tridiagonal(product: Callable, start: Any, depth: int) -> tuple[Any, Any]:
    """The Lanczos recurrence without any reorthogonalisation: its ghosts add up to the right weight."""

    def step(carry: tuple[Any, Any, Any], _: None) -> tuple[tuple[Any, Any, Any], tuple[Any, Any]]:
        v, before, beta = carry
        w = product(v)
        alpha = jnp.vdot(v, w)
        w = w - alpha * v - beta * before
        length = jnp.linalg.norm(w)
        # Where the space is exhausted the length is rounding: the rest of the recurrence stands apart, with weight 0.
        alive = length > 100 * jnp.finfo(w.dtype).eps * (jnp.abs(alpha) + beta)
        following = jnp.where(alive, length, 0.0)
        return (jnp.where(alive, w / jnp.where(alive, length, 1.0), 0.0), v, following), (alpha, following)

    zero = jnp.zeros((), start.dtype)
    return jax.lax.scan(step, (start, jnp.zeros_like(start), zero), None, length=depth)[1]
