"""The 35 problems of Moré, Garbow and Hillstrom (1981): residuals, standard starts, and the minima they published."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial

import numpy as np
from jaxtyping import Array, Float

from cycloid.problems import any_size, fixed_sizes


@dataclasses.dataclass(frozen=True)
class SumOfSquares:
    """A sum of squares and what is known about it.

    Attributes:
        number: in the paper.
        name: the key in `MORE_GARBOW_HILLSTROM`.
        residual: x -> r, x of shape (n,), r of shape (m,).
        start: the standard start.
        minima: the published minimal values of Σ rᵢ², the global one first. The paper prints six digits; those that are
            attained stand here with ten, on which two solvers agree.
        far: those of them that lie at infinity, where the function only tends to its value.
        solution: a point of the global minimum where the paper states one exactly.
    """

    number: int
    name: str
    residual: Callable[[Float[Array, " n"]], Float[Array, " m"]]
    start: tuple[float, ...]
    minima: tuple[float, ...]
    far: tuple[float, ...] = ()
    solution: tuple[float, ...] | None = None

    def function(self, x: Float[Array, " n"]) -> Float[Array, ""]:
        """Σ rᵢ(x)²."""
        r = self.residual(x)
        return r @ r


def _problems() -> list[SumOfSquares]:
    f, v = fixed_sizes, any_size
    return [
        SumOfSquares(1, "rosenbrock", f.rosenbrock, (-1.2, 1.0), (0.0,), solution=(1.0, 1.0)),
        SumOfSquares(
            2, "freudenstein-roth", f.freudenstein_roth, (0.5, -2.0), (0.0, 48.98425367924), solution=(5.0, 4.0)
        ),
        SumOfSquares(3, "powell-badly-scaled", f.powell_badly_scaled, (0.0, 1.0), (0.0,)),
        SumOfSquares(4, "brown-badly-scaled", f.brown_badly_scaled, (1.0, 1.0), (0.0,), solution=(1e6, 2e-6)),
        SumOfSquares(5, "beale", f.beale, (1.0, 1.0), (0.0,), solution=(3.0, 0.5)),
        SumOfSquares(6, "jennrich-sampson", f.jennrich_sampson, (0.3, 0.4), (124.3621823556148,)),
        SumOfSquares(7, "helical-valley", f.helical_valley, (-1.0, 0.0, 0.0), (0.0,), solution=(1.0, 0.0, 0.0)),
        SumOfSquares(8, "bard", f.bard, (1.0, 1.0, 1.0), (8.214877306579e-3, 17.4286), far=(17.4286,)),
        SumOfSquares(9, "gaussian", f.gaussian, (0.4, 1.0, 0.0), (1.12793276962e-8,)),
        SumOfSquares(10, "meyer", f.meyer, (0.02, 4000.0, 250.0), (87.945855171,)),
        SumOfSquares(11, "gulf", f.gulf, (5.0, 2.5, 0.15), (0.0,), solution=(50.0, 25.0, 1.5)),
        SumOfSquares(12, "box", f.box, (0.0, 10.0, 20.0), (0.0,), solution=(1.0, 10.0, 1.0)),
        SumOfSquares(13, "powell-singular", f.powell_singular, (3.0, -1.0, 0.0, 1.0), (0.0,), solution=(0.0,) * 4),
        SumOfSquares(14, "wood", f.wood, (-3.0, -1.0, -3.0, -1.0), (0.0,), solution=(1.0,) * 4),
        SumOfSquares(
            15, "kowalik-osborne", f.kowalik_osborne, (0.25, 0.39, 0.415, 0.39), (3.075056038492e-4, 1.02734e-3),
            far=(1.02734e-3,),
        ),
        SumOfSquares(16, "brown-dennis", f.brown_dennis, (25.0, 5.0, -5.0, -1.0), (85822.20162635,)),
        SumOfSquares(17, "osborne-1", f.osborne_1, (0.5, 1.5, -1.0, 0.01, 0.02), (5.464894697483e-5,)),
        SumOfSquares(
            18, "biggs", f.biggs, (1.0, 2.0, 1.0, 1.0, 1.0, 1.0), (0.0, 5.6556499255e-3),
            solution=(1.0, 10.0, 1.0, 5.0, 4.0, 3.0),
        ),
        SumOfSquares(
            19, "osborne-2", f.osborne_2, (1.3, 0.65, 0.65, 0.7, 0.6, 3.0, 5.0, 7.0, 2.0, 4.5, 5.5),
            (4.013773629355e-2,),
        ),
        SumOfSquares(20, "watson", v.watson, (0.0,) * 6, (2.2876700535526e-3,)),
        SumOfSquares(21, "extended-rosenbrock", v.extended_rosenbrock, (-1.2, 1.0) * 5, (0.0,), solution=(1.0,) * 10),
        SumOfSquares(
            22, "extended-powell-singular", v.extended_powell_singular, (3.0, -1.0, 0.0, 1.0) * 3, (0.0,),
            solution=(0.0,) * 12,
        ),
        SumOfSquares(23, "penalty-1", v.penalty_1, _row(1.0, 10), (7.087651467091e-5,)),
        SumOfSquares(24, "penalty-2", v.penalty_2, (0.5,) * 10, (2.9366053745677e-4,)),
        SumOfSquares(
            25, "variably-dimensioned", v.variably_dimensioned, tuple(1 - j / 10 for j in range(1, 11)), (0.0,),
            solution=(1.0,) * 10,
        ),
        SumOfSquares(26, "trigonometric", v.trigonometric, (0.1,) * 10, (0.0, 2.79505612188e-5)),
        SumOfSquares(27, "brown-almost-linear", v.brown_almost_linear, (0.5,) * 10, (0.0, 1.0), solution=(1.0,) * 10),
        SumOfSquares(28, "discrete-boundary-value", v.discrete_boundary_value, _hanging(10), (0.0,)),
        SumOfSquares(29, "discrete-integral-equation", v.discrete_integral_equation, _hanging(10), (0.0,)),
        SumOfSquares(30, "broyden-tridiagonal", v.broyden_tridiagonal, (-1.0,) * 10, (0.0,)),
        SumOfSquares(31, "broyden-banded", v.broyden_banded, (-1.0,) * 10, (0.0,)),
        SumOfSquares(
            32, "linear-full-rank", partial(v.linear_full_rank, m=20), (1.0,) * 10, (10.0,), solution=(-1.0,) * 10
        ),
        SumOfSquares(33, "linear-rank-1", partial(v.linear_rank_1, m=20), (1.0,) * 10, (20 * 19 / (2 * 41),)),
        SumOfSquares(
            34, "linear-rank-1-with-zeros", partial(v.linear_rank_1_with_zeros, m=20), (1.0,) * 10,
            ((400 + 60 - 6) / (2 * 37),),
        ),
        SumOfSquares(35, "chebyquad", v.chebyquad, _row(1 / 9, 8), (3.516873725678e-3,)),
    ]  # fmt: skip


def _row(step: float, n: int) -> tuple[float, ...]:
    return tuple(step * j for j in range(1, n + 1))


def _hanging(n: int) -> tuple[float, ...]:
    """t (t − 1) on n inner points of [0, 1]."""
    t = np.arange(1, n + 1) / (n + 1)
    return tuple(float(v) for v in t * (t - 1))


MORE_GARBOW_HILLSTROM: dict[str, SumOfSquares] = {problem.name: problem for problem in _problems()}
