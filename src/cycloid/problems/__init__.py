"""Problems with known answers: what tests, benchmarks, lessons and pictures share, and no method may import."""

from cycloid.problems.landscapes import LANDSCAPES, Landscape
from cycloid.problems.slow_descents import SLOW_DESCENTS, SlowDescent
from cycloid.problems.sums_of_squares import MORE_GARBOW_HILLSTROM, SumOfSquares

__all__ = ["LANDSCAPES", "MORE_GARBOW_HILLSTROM", "SLOW_DESCENTS", "Landscape", "SlowDescent", "SumOfSquares"]
