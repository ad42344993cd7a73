"""Who runs in a contest: methods under their labels, each with the learning rates it may choose from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import equinox as eqx
import numpy as np

from cycloid.optimize.catalogue import method as resolve
from cycloid.optimize.methods import AbstractMethod

# The grid on which every method is tuned when nothing else is said: half decades from 1e-4 to 10.
GRID = tuple(float(f"{10.0**exponent:.3g}") for exponent in np.arange(-4.0, 1.01, 0.5))


class Entry(NamedTuple):
    """One method of a contest.

    Attributes:
        label: its name in the table.
        method: the method.
        rates: candidates for its learning rate, or None where it keeps its own.
    """

    label: str
    method: AbstractMethod
    rates: np.ndarray | None


def entries(methods: Any, learning_rates: Any) -> list[Entry]:
    """The methods with their labels and candidates for the learning rate."""
    if isinstance(methods, (str, AbstractMethod, type)):
        methods = [methods]
    named = methods.items() if isinstance(methods, Mapping) else [(None, m) for m in methods]
    pairs = [(label, choice, resolve(choice)) for label, choice in named]
    labelled = {str(label or chosen.name): (choice, chosen) for label, choice, chosen in pairs}
    if not labelled:
        raise ValueError("a race needs at least one method.")
    if len(labelled) < len(pairs):
        raise ValueError("two methods have the same name: pass a dict with a label for each.")
    given = learning_rates if isinstance(learning_rates, Mapping) else {}
    unknown = [label for label in given if label not in labelled]
    if unknown:
        raise ValueError(f"learning_rates= names {', '.join(unknown)}; the methods are {', '.join(labelled)}.")
    common = None if isinstance(learning_rates, Mapping) else learning_rates
    return [
        Entry(label, chosen, _candidates(choice, chosen, given.get(label, common)))
        for label, (choice, chosen) in labelled.items()
    ]


def _candidates(choice: Any, chosen: AbstractMethod, asked: Any) -> np.ndarray | None:
    if getattr(chosen, "learning_rate", None) is None:
        return None
    if asked is None:
        return None if isinstance(choice, AbstractMethod) else grid(GRID)
    return grid(asked)


def tuning_in_words(contest: list[Entry], tuned_on: str) -> str:
    """Where the learning rates come from, for the protocol."""
    tuned = [entry for entry in contest if entry.rates is not None and len(entry.rates) > 1]
    return f"tuned on one grid for all, on {tuned_on}" if tuned else "as given"


def grid(rates: Any) -> np.ndarray:
    """Learning rates as an array, checked to be positive."""
    candidates = np.atleast_1d(np.asarray(rates if np.ndim(rates) or np.isscalar(rates) else list(rates), dtype=float))
    if candidates.ndim != 1 or not candidates.size or not np.all(np.isfinite(candidates) & (candidates > 0)):
        raise ValueError(f"learning_rates= are positive numbers, such as [0.001, 0.01, 0.1]; they were {rates!r}.")
    return candidates


def single_rate(method: AbstractMethod) -> float | None:
    """The learning rate that fits into a cell of a table: a number, or None for a schedule or none at all."""
    rate: Any = getattr(method, "learning_rate", None)
    return float(rate) if isinstance(rate, (int, float)) or (eqx.is_array(rate) and rate.ndim == 0) else None
