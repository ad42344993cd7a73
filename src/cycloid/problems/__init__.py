"""Problems with known answers: what tests, benchmarks, lessons and pictures share, and no method may import."""

from cycloid.problems.landscapes import LANDSCAPES, Landscape

__all__ = ["LANDSCAPES", "Landscape"]
