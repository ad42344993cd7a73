"""Differential calculus: exact derivatives, functions in, functions out.

derivative  partial  directional        along one variable, one name, one direction
grad  value_and_grad  jacobian          first derivatives of a pytree
hessian  hvp  ggnvp  fvp  spectrum      curvature, and products with it
laplacian  divergence  curl             fields in space
taylor  total_derivative                polynomials with their remainder; the chain rule path by path
jacobian_map  ripple                    how a map stretches and scales, and how a change spreads through it
critical_points                         all minima, maxima and saddles in a box, proven complete for a formula
sensitivity                             partial derivatives, elasticities, shares of the variance by input
plan  pattern_of                        what a sparse Jacobian or Hessian (pattern="auto") does, and its pattern
names  named  blocks  as_matrix         matrices and the pytrees they belong to
check_gradient  find_nan                which rule is wrong; where a NaN or an infinity was made
"""

from __future__ import annotations

from cycloid.differentiate.critical import critical_points
from cycloid.differentiate.critical_results import CriticalPoints
from cycloid.differentiate.curvature import Spectrum, spectrum
from cycloid.differentiate.gradient_checks import GradientCheck, check_gradient
from cycloid.differentiate.gradients import grad, value_and_grad
from cycloid.differentiate.jacobian_maps import JacobianMap, Ripple, jacobian_map, ripple
from cycloid.differentiate.jacobians import hessian, jacobian
from cycloid.differentiate.laplacians import laplacian
from cycloid.differentiate.nan_hunts import NanReport, find_nan
from cycloid.differentiate.operators import derivative, directional, partial
from cycloid.differentiate.products import fvp, ggnvp, hvp
from cycloid.differentiate.sensitivities import Sensitivity, sensitivity
from cycloid.differentiate.sparse import as_matrix, blocks, named, names, pattern_of, plan
from cycloid.differentiate.taylor_expansions import Expansion, Polynomial, taylor
from cycloid.differentiate.total_derivatives import TotalDerivative, total_derivative
from cycloid.differentiate.vector_calculus import curl, divergence

__all__ = [
    "CriticalPoints",
    "Expansion",
    "GradientCheck",
    "JacobianMap",
    "NanReport",
    "Polynomial",
    "Ripple",
    "Sensitivity",
    "Spectrum",
    "TotalDerivative",
    "as_matrix",
    "blocks",
    "check_gradient",
    "critical_points",
    "curl",
    "derivative",
    "directional",
    "divergence",
    "find_nan",
    "fvp",
    "ggnvp",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jacobian_map",
    "laplacian",
    "named",
    "names",
    "partial",
    "pattern_of",
    "plan",
    "ripple",
    "sensitivity",
    "spectrum",
    "taylor",
    "total_derivative",
    "value_and_grad",
]
