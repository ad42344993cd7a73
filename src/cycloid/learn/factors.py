"""Matrix factorization: what a user thinks of an item, from a few numbers for each of them."""

from __future__ import annotations

from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, Real


@final
class Factors(eqx.Module):
    """ŷ = b + b_u + c_i + p_u · q_i for a pair x = (u, i) of a user's and an item's number, counted from 0.

    The gradient of a rating's loss reaches the offsets and factors of its own user and item alone. A penalty (`l2=` of
    a loss) pulls all but b towards zero: users and items with few ratings stay near the average. A pair that is not in
    the table gives NaN.

    Attributes:
        bias: b, where all ratings begin.
        user_offsets: b_u, how kindly each user rates, shape (users,).
        item_offsets: c_i, how well each item is liked, shape (items,).
        users: p_u, shape (users, rank).
        items: q_i, shape (items, rank).

    Reference: Y. Koren, R. Bell and C. Volinsky, Matrix factorization techniques for recommender systems, 2009.
    """

    bias: Float[Array, ""]
    user_offsets: Float[Array, " users"]
    item_offsets: Float[Array, " items"]
    users: Float[Array, "users rank"]
    items: Float[Array, "items rank"]

    def __call__(self, x: Real[Array, " 2"]) -> Float[Array, ""]:
        u, i = x.astype(jnp.int32)
        at = lambda table, row: table.at[row].get(mode="fill", fill_value=jnp.nan)
        meeting = jnp.sum(at(self.users, u) * at(self.items, i))
        return self.bias + at(self.user_offsets, u) + at(self.item_offsets, i) + meeting


def factors(
    users: int, items: int, rank: int, *, key: PRNGKeyArray, mean: float = 0.0, spread: float = 0.1, dtype: Any = None
) -> Factors:
    """Factors to begin with: offsets zero, p and q from N(0, spread²): from zero, where their gradient vanishes, none
    would ever move.

    Args:
        users: how many.
        items: how many.
        rank: numbers for each of them; 0 leaves the offsets alone.
        key: for p and q.
        mean: where b begins.
        spread: standard deviation of p and q.
        dtype: of the parameters; the default float when None.
    """
    dtype = jnp.result_type(float) if dtype is None else dtype
    drawn = spread * jax.random.normal(key, (users + items, rank), dtype)
    zeros = jnp.zeros(users + items, dtype)
    return Factors(jnp.asarray(mean, dtype), zeros[:users], zeros[users:], drawn[:users], drawn[users:])
