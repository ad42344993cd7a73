"""Newton's method, made safe: the Hessian with its eigenvalues turned positive, and a search along the step."""

from __future__ import annotations

from typing import Any, ClassVar, final

import jax
import jax.numpy as jnp

from cycloid.optimize.curvature_products import curvature
from cycloid.optimize.descents import AbstractDescent, Local, Move, Stand
from cycloid.optimize.quasi_newton import CURVATURE, arrive, search


@final
class Newton(AbstractDescent):
    """Newton's method with the whole Hessian: θ ← θ − a |H|⁻¹ g.

    |H| has the eigenvectors of H and the absolute values of its eigenvalues, so that the step goes down, away from
    saddles too; near a minimum it is H itself, a = 1 and the convergence is quadratic. Eigenvalues below
    √eps of the largest count as that much. a comes from a search that meets the strong Wolfe conditions.

    f is differentiated twice; a step costs n³ operations and n² numbers of memory. For more than some hundred
    parameters take `TrustRegion`, which forms no matrix.

    Reference: Nocedal, Wright, Numerical optimization, 2006, section 3.4; Dauphin et al., Identifying and attacking
    the saddle point problem in high-dimensional non-convex optimization, 2014.
    """

    name: ClassVar[str] = "newton"
    order: ClassVar[int] = 2
    reference: ClassVar[str] = "Nocedal, Wright, Numerical optimization, 2006, section 3.4"
    best_for: ClassVar[str] = "smooth functions of few parameters, to the last digit"
    formula: ClassVar[str] = "θ ← θ − a abs(H)⁻¹ g"

    def remember(self, x: Any) -> Any:
        """Nothing."""
        return ()

    def move(self, local: Local, stand: Stand) -> Move:
        """One Hessian, counted as n evaluations, and one search."""
        g = stand.gradient
        product = curvature(local.value, local.here)
        hessian = jax.vmap(product)(jnp.eye(g.size, dtype=g.dtype))
        hessian = jnp.where(jnp.all(jnp.isfinite(hessian)), (hessian + hessian.T) / 2, jnp.eye(g.size, dtype=g.dtype))
        values, vectors = jnp.linalg.eigh(hessian)
        sizes = jnp.abs(values)
        sizes = jnp.maximum(sizes, jnp.finfo(g.dtype).eps ** 0.5 * jnp.max(sizes))
        direction = -(vectors @ ((vectors.T @ g) / jnp.where(sizes > 0, sizes, 1.0)))
        found, direction = search(local, stand, direction, jnp.zeros((), bool), CURVATURE)
        move = arrive(stand, found, found.spot.at * direction, (), jnp.ones((), bool))
        return move._replace(evaluations=move.evaluations + g.size)
