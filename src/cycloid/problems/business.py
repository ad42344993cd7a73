"""Data from business, honestly simulated: every truth behind it is known, so that what is learned can be judged.

No file can say what the best decision would have been. Here the chance of each customer, the response of each channel
and every rating without its noise are kept beside the data.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import PRNGKeyArray

CHANNELS = {
    "search": (60.0, 12.0),
    "social": (48.0, 25.0),
    "posters": (20.0, 30.0),
}  # most sales, spend for 63 % of them


class Customers(NamedTuple):
    """Customers of a subscription, and who of them left within the quarter.

    Attributes:
        table: columns by name: tenure in months, calls to support, fee, whether bound by a contract.
        left: 1 for those who left.
        chance: the probability by which each was drawn.
    """

    table: dict[str, np.ndarray]
    left: np.ndarray
    chance: np.ndarray


class Channel(NamedTuple):
    """Weekly spend and sales of one advertising channel, in thousands.

    Attributes:
        spend: of each week.
        sales: of each week.
        most: a in sales = a (1 − e^(−spend/b)).
        scale: b.
    """

    spend: np.ndarray
    sales: np.ndarray
    most: float
    scale: float


class Ratings(NamedTuple):
    """Ratings of items by users.

    Attributes:
        pairs: (user, item) of each rating, shape (n, 2).
        stars: the ratings, noise included.
        truth: without the noise.
        noise: its standard deviation: no prediction can have a smaller root mean square error.
    """

    pairs: np.ndarray
    stars: np.ndarray
    truth: np.ndarray
    noise: float


def customers(count: int, *, key: PRNGKeyArray) -> Customers:
    """Draw customers: long tenure and a contract hold them, calls to support and a high fee drive them away.

    Args:
        count: how many.
        key: for the draws.
    """
    random = _random(key)
    tenure = random.gamma(2.0, 14.0, count).round() + 1
    calls = random.poisson(1.2, count)
    fee = random.normal(45.0, 12.0, count).clip(15.0, 95.0).round(2)
    bound = (random.random(count) < 0.45).astype(float)
    pull = -1.3 - 0.028 * tenure + 0.42 * calls + 0.022 * (fee - 45.0) - 1.1 * bound
    chance = 1.0 / (1.0 + np.exp(-pull))
    left = (random.random(count) < chance).astype(float)
    return Customers({"tenure": tenure, "calls": calls.astype(float), "fee": fee, "bound": bound}, left, chance)


def campaigns(weeks: int, *, key: PRNGKeyArray, noise: float = 2.5) -> dict[str, Channel]:
    """Draw the weeks of three channels whose sales rise ever more slowly with what is spent.

    Args:
        weeks: how many.
        key: for the draws.
        noise: standard deviation of a week's sales.
    """
    random = _random(key)
    drawn = {}
    for name, (most, scale) in CHANNELS.items():
        spend = random.uniform(1.0, 45.0, weeks).round(1)
        sales = most * (1.0 - np.exp(-spend / scale)) + random.normal(0.0, noise, weeks)
        drawn[name] = Channel(spend, sales, most, scale)
    return drawn


def ratings(
    users: int, items: int, each: int, *, rank: int = 3, noise: float = 0.7, key: PRNGKeyArray
) -> Ratings:  # fmt: skip
    """Draw ratings around 3.5 stars: a user's kindness, an item's quality, and the meeting of tastes of a known rank.

    Args:
        users: how many.
        items: how many; popular ones are rated more often.
        each: ratings of each user, all of different items.
        rank: numbers that make up a taste.
        noise: standard deviation of a rating.
        key: for the draws.
    """
    random = _random(key)
    kindness, quality = random.normal(0.0, 0.4, users), random.normal(0.0, 0.5, items)
    tastes, traits = (random.normal(0.0, (0.6**2 / rank) ** 0.25, (n, rank)) for n in (users, items))
    popular = random.dirichlet(np.full(items, 2.0))
    chosen = np.stack([random.choice(items, each, replace=False, p=popular) for _ in range(users)])
    pairs = np.stack([np.repeat(np.arange(users), each), chosen.ravel()], axis=1)
    u, i = pairs.T
    truth = 3.5 + kindness[u] + quality[i] + (tastes[u] * traits[i]).sum(axis=1)
    return Ratings(pairs, truth + random.normal(0.0, noise, len(truth)), truth, noise)


def _random(key: PRNGKeyArray) -> np.random.Generator:
    return np.random.default_rng(np.asarray(jax.random.key_data(key)).ravel())
