"""Chance enters by a key: the same key gives the same bits, another key others, and none a TypeError."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from contracts.registry import registered

_, DRAWS = registered()
every_draw = pytest.mark.parametrize("draw", DRAWS, ids=lambda draw: draw.name)


def same(a, b):
    return jax.tree.all(jax.tree.map(lambda x, y: np.array_equal(x, y), a, b))


@every_draw
def test_a_key_decides_everything(draw):
    once = draw.ask(jax.random.key(3))
    assert same(once, draw.ask(jax.random.key(3)))
    assert not same(once, draw.ask(jax.random.key(4)))


@every_draw
@pytest.mark.parametrize("key", [None, 3, np.array([0, 3], np.uint32)], ids=["none", "integer", "raw bits"])
def test_without_a_typed_key_a_type_error_says_what_to_pass(draw, key):
    with pytest.raises(TypeError, match=r"jax\.random\.key\(0\)"):
        draw.ask(key)
