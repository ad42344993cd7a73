"""Differential calculus: exact derivatives, functions in, functions out.

derivative  partial  directional        along one variable, one name, one direction
grad  value_and_grad  jacobian          first derivatives of a pytree
hessian  hvp  ggnvp  fvp                curvature, and products with it
laplacian  divergence  curl             fields in space
"""

from __future__ import annotations

from cycloid.differentiate.gradients import grad, value_and_grad
from cycloid.differentiate.jacobians import hessian, jacobian
from cycloid.differentiate.operators import derivative, directional, partial
from cycloid.differentiate.products import fvp, ggnvp, hvp
from cycloid.differentiate.vector_calculus import curl, divergence, laplacian

__all__ = [
    "curl",
    "derivative",
    "directional",
    "divergence",
    "fvp",
    "ggnvp",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "laplacian",
    "partial",
    "value_and_grad",
]
