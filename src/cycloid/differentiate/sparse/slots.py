"""What the walk through a program knows of each intermediate: its value, or its derivative as terms."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from cycloid.differentiate.sparse.terms import Term, is_host


class Unsupported(Exception):
    """The walk cannot go on; another path is taken.

    Args:
        reason: what stood in the way, in words.
        wants_indices: whether it was an index whose value is not known before the program runs.
    """

    def __init__(self, reason: str, wants_indices: bool = False):
        super().__init__(reason)
        self.reason, self.wants_indices = reason, wants_indices


@dataclass(eq=False, slots=True)
class Slot:
    """An intermediate of the program.

    Args:
        shape: its shape.
        dtype: its dtype.
        value: its value, with axes of length 1 (or none at all) in place of those along which it is constant; None
            where it depends on the input, linearly, so that its derivative is all there is to know.
        terms: that derivative; None where it does not depend on the input.
    """

    shape: tuple[int, ...]
    dtype: Any
    value: Any = None
    terms: list[Term] | None = None

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def moves(self) -> bool:
        """Whether it depends on the input."""
        return bool(self.terms)

    @property
    def known(self) -> bool:
        """Whether the value is known now, not when the program runs."""
        return self.value is not None and is_host(self.value)

    def full(self) -> Any:
        """The value in its full shape; zero for a derivative without entries."""
        if self.value is None:
            return jnp.zeros(self.shape, self.dtype)
        return self.value if self.value.shape == self.shape else jnp.broadcast_to(self.value, self.shape)

    def numbers(self) -> np.ndarray:
        """The value, known now, as a NumPy array in its full shape."""
        return np.broadcast_to(np.asarray(self.value), self.shape)


def integers(slot: Slot, what: str) -> np.ndarray:
    """The value of an index.

    Raises:
        Unsupported: when it is not known before the program runs.
    """
    if not slot.known:
        raise Unsupported(f"{what} by an index that is computed from arguments", wants_indices=True)
    return slot.numbers()
