"""When training runs away: the step, the quantity that broke first, and what to change, in numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

# A loss this many times the first one has left the region in which training began.
EXPLOSION = 1e4
WATCHED = ("loss", "gradient_norm", "update_norm", "loss_after", "train_loss", "validation_loss")


class Failure(NamedTuple):
    """Why and where training broke off.

    Attributes:
        name: of the status: "nonfinite" or "diverged".
        step: the first step, counted from 1, at which something was wrong.
        explanation: sentences with the numbers and a cure.
        finite_steps: steps of the chunk after which the weights still gave a finite loss.
    """

    name: str
    step: int
    explanation: str
    finite_steps: int


def is_sound(record: dict[str, Any], losses: np.ndarray, first_loss: float) -> bool:
    """True while every watched number of a chunk is finite and the loss is of the size it began with."""
    numbers = [*losses.tolist(), *(float(record[name]) for name in WATCHED if name in record)]
    return all(map(math.isfinite, numbers)) and max(losses.max(), record["loss_after"]) <= limit(first_loss, losses)


def limit(first_loss: float, losses: np.ndarray) -> float:
    """The loss above which training counts as diverged."""
    floor = float(np.finfo(losses.dtype).eps) ** 0.5
    return EXPLOSION * max(first_loss, floor)


def explain(
    record: dict[str, Any],
    losses: np.ndarray,
    *,
    first_loss: float,
    steps_before: int,
    layers: Sequence[str],
    learning_rate: float | None,
    record_at: Callable[[int], dict[str, Any]],
) -> Failure:
    """What went wrong in a chunk that is not sound.

    Args:
        record: of its last step.
        losses: before each of its steps.
        first_loss: of the whole run.
        steps_before: how many steps came before the chunk.
        layers: names of the parameter arrays.
        learning_rate: as a number, None when it is a schedule.
        record_at: number of plain steps -> the record of the step after them, from the start of the chunk again.
    """
    bad = np.flatnonzero(~np.isfinite(losses))
    sound = all(math.isfinite(float(record[name])) for name in WATCHED if name in record)
    if bad.size == 0 and sound:
        rising = np.append(losses, record["loss_after"])
        index = int(np.flatnonzero(rising > limit(first_loss, losses))[0])
        step = steps_before + max(index, 1)
        cause = f"By step {step} the loss had grown from {first_loss:.3g} to {rising[index]:.3g}."
        return Failure("diverged", step, f"{cause} {_cure(rising, learning_rate)}", len(losses) - 1)
    first = int(bad[0]) if bad.size else len(losses)
    before = record if first == len(losses) else record_at(first - 1) if first else None
    broken = None if before is None else _broken(before, layers)
    if broken is None:  # the weights were sound, and the loss on the next batch was not
        step = steps_before + first + 1
        though = ", although the weights were finite" if step > 1 else ""
        cause = f"At step {step} the loss was {_word(losses[first])} before the update{though}."
        grown = first > 1 and losses[first - 1] > 100 * losses[0]
        what = "the data" if step > 1 else "the data and the starting weights"
        cure = f"Check {what} for values that are not finite or very large."
        return Failure("nonfinite", step, f"{cause} {_cure(losses[:first], learning_rate) if grown else cure}", first)
    step = steps_before + first
    cause = f"At step {step} {broken}; the loss before it was {losses[first - 1]:.3g}."
    return Failure("nonfinite", step, f"{cause} {_cure(losses[:first], learning_rate)}", first - 1)


def _broken(record: dict[str, Any], layers: Sequence[str]) -> str | None:
    """The first link of a step's chain that is not finite, in words; None when all are finite."""
    gradients = np.asarray(record["layer_gradient_norms"])
    for name, norm in zip(layers, gradients, strict=True):
        if not math.isfinite(norm):
            return f"the gradient of {name} became {_word(norm)}"
    if not math.isfinite(float(record["update_norm"])):
        return f"the update became {_word(record['update_norm'])} (gradient norm {float(record['gradient_norm']):.3g})"
    broken = [name for name in WATCHED[3:] if name in record and not math.isfinite(float(record[name]))]
    if not broken:
        return None
    words = {"loss_after": "loss", "train_loss": "training loss", "validation_loss": "validation loss"}
    return (
        f"the update of length {float(record['update_norm']):.3g} made the {words[broken[0]]} "
        f"{_word(record[broken[0]])} (gradient norm {float(record['gradient_norm']):.3g})"
    )


def _cure(losses: np.ndarray, learning_rate: float | None) -> str:
    """A learning rate from the growth of the loss alone.

    Near a quadratic minimum with curvature λ, gradient descent multiplies the error by ρ = |1 − ηλ| a step and the
    loss by ρ². So λ = (1 + ρ)/η, and η/(1 + ρ) = 1/λ is the step that goes straight to the minimum.
    """
    tail = losses[-10:]
    growth = (tail[-1] / tail[0]) ** (1.0 / (len(tail) - 1)) if len(tail) > 1 and tail[0] > 0 else math.nan
    if not (math.isfinite(growth) and growth > 1.0):
        return "Lower the learning rate (try a tenth), scale the inputs, or clip the gradient (clip=1.0)."
    factor = 1.0 / (1.0 + math.sqrt(growth))
    change = "" if learning_rate is None else f", from {learning_rate:.3g} to about {factor * learning_rate:.2g}"
    return (
        f"The loss grew by a factor of {growth:.3g} a step: take the learning rate × {factor:.2g}{change}, "
        f"or clip the gradient (clip=1.0)."
    )


def _word(value: Any) -> str:
    return "NaN" if math.isnan(float(value)) else "infinite" if math.isinf(float(value)) else f"{float(value):.3g}"
