"""Which method is meant when none is named."""

from __future__ import annotations

from typing import Any

import jax

from cycloid.optimize.methods import AbstractMethod, split
from cycloid.optimize.quasi_newton import LBFGS
from cycloid.optimize.trust_regions import TrustRegion

# Up to this many parameters curvature is worth its products; beyond, a few vectors of memory are.
MANY = 5_000


def usual(point: Any) -> AbstractMethod:
    """`TrustRegion` for up to 5000 parameters, `LBFGS` for more.

    The choice rests on shapes alone, so that it is the same under jit and vmap.
    """
    size = sum(leaf.size for leaf in jax.tree.leaves(split(point)[0]))
    return TrustRegion() if size <= MANY else LBFGS()
