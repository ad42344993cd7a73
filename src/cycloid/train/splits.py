"""Rows into training, validation and test parts: by a key, class by class where there are classes."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import PRNGKeyArray

PARTS = ("train", "validation", "test")


def check_split(split: Sequence[float]) -> tuple[float, float, float]:
    """The shares of the three parts; of two numbers, the rest is the test part.

    Raises:
        ValueError: when they are no shares of a whole.
    """
    shares = tuple(float(s) for s in split)
    if len(shares) == 2:
        shares = (*shares, round(1.0 - sum(shares), 12))
    if len(shares) != 3 or min(shares) < 0 or abs(sum(shares) - 1) > 1e-6 or shares[0] == 0:
        raise ValueError(
            f"split= holds the shares of training, validation and test rows, such as (0.6, 0.2, 0.2), that add up to "
            f"1 with a training part; it was {tuple(split)}."
        )
    return shares


def split_rows(
    rows: int, shares: tuple[float, float, float], *, key: PRNGKeyArray, classes: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row numbers of the three parts, each sorted; the same for the same key.

    Every class is dealt out by itself, so that each part has about its share; what is left over by rounding is dealt
    so that the parts keep their sizes.

    Args:
        rows: how many there are.
        shares: of the parts, adding up to 1.
        key: fixes the choice.
        classes: the class of each row; None without classes.

    Raises:
        ValueError: when a part that should have rows would have fewer than two.
    """
    random = np.random.default_rng(np.asarray(jax.random.key_data(key)).ravel())
    order = random.permutation(rows)
    if classes is not None:
        # Rows of a class spread evenly over (0, 1): cutting the line at the shares then cuts every class at them.
        place = np.empty(rows)
        for one in np.unique(classes):
            members = order[classes[order] == one]
            place[members] = (np.arange(len(members)) + random.random()) / len(members)
        order = np.argsort(place, kind="stable")
    ends = np.round(np.cumsum(shares) * rows).astype(int)
    parts = np.split(order, ends[:2])
    for name, share, part in zip(PARTS, shares, parts, strict=True):
        if share > 0 and len(part) < 2:
            raise ValueError(
                f"{rows} rows are too few for the split {shares}: the {name} part would have {len(part)}. Collect "
                f"more rows, or train on all of them with fit(model, (x, y), ...)."
            )
    train, validation, test = (np.sort(part) for part in parts)
    return train, validation, test
