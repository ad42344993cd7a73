"""Programs over the arrays of their arguments."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from cycloid.core.dispatch import Dispatched


def test_compiles_once_for_each_structure_and_static_leaf() -> None:
    traced: list[str] = []

    @Dispatched
    def scaled(tree: Any, kind: str, factor: Any) -> Any:
        """Scaled."""
        traced.append(kind)
        return {kind: tree["x"] * factor}

    x = jnp.arange(3.0)
    for factor in (2.0, 3.0):
        found = scaled({"x": x}, "a", np.float64(factor))
        np.testing.assert_array_equal(found["a"], x * factor)
    assert traced == ["a"]
    scaled({"x": x}, "b", factor=np.float64(1.0))
    scaled({"x": jnp.arange(4.0)}, "a", np.float64(1.0))
    assert traced == ["a", "b", "a"]
    assert scaled.__doc__ == "Scaled."


def test_a_leaf_that_cannot_be_hashed_is_refused() -> None:
    first = Dispatched(lambda x, others: x)
    with pytest.raises((TypeError, ValueError), match="hashable"):
        first(jnp.ones(2), {1, 2})
