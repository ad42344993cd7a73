"""Jacobians as maps found again: by complex steps or differences, by the area of a small square's image."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from cycloid.checks.cards import Card, compare, resting_on
from cycloid.checks.differences import central, complex_step, evaluate, is_analytic
from cycloid.checks.operators import Room
from cycloid.checks.registry import register
from cycloid.core.numerals import numerals
from cycloid.core.results import Question
from cycloid.differentiate import JacobianMap, Ripple
from cycloid.differentiate.vector_maps import flat_map, subject_of

METHOD = "automatic differentiation"
SIDE = 1e-3  # of the square whose image is measured, times the size of the point
CORNERS = 64  # along each side of it
FALL = 5  # times the step is halved to see how fast the disagreement falls


@register(JacobianMap)
def check_map(result: JacobianMap, question: Question) -> Card:
    """J entry by entry, then what was read off it: the factors multiply to J, areas grow by the scale.

    Cost: one evaluation of F on complex numbers and 24 on real ones for each input; for a map of the plane the 256
    corners of the image of a small square.
    """
    subject = subject_of(question.function, question.arguments["x"])
    F, x = flat_map(subject.function), subject.point
    J = np.asarray(result.value, float)
    room = Room(float(jnp.finfo(x.dtype).eps), 1.0 + float(np.abs(J).max()) + float(np.abs(result.image).max()))
    claim = f"the Jacobian of the map at {numerals(x)}"
    cards = _entries(F, x, J, claim, room)
    parts = np.asarray(result.outputs) * np.asarray(result.singular_values) @ np.asarray(result.inputs).T
    cards.append(
        compare("stretches and directions make up J", "U diag(σ) Vᵀ", "J itself", parts, J, allowance=room.rounding)
    )
    if J.shape == (2, 2):
        cards.append(_area(F, x, float(result.scale)))
    return resting_on(cards[0], *cards[1:])


def _entries(F: Any, x: Any, J: np.ndarray, claim: str, room: Room) -> list[Card]:
    """J against a complex step where F is analytic, and against differences."""
    axes = np.eye(x.size, dtype=x.dtype)
    values, errors = central(F, x, axes)
    allowance = room.half_the_digits + 10 * float(np.max(errors, initial=0.0))
    cards = [compare(claim, METHOD, "differences", J, values.T, allowance=allowance)]
    if is_analytic(F, x):
        steps = complex_step(F, x, axes).T
        cards.insert(0, compare(claim, METHOD, "complex step", J, steps, allowance=room.rounding))
    return cards


def _area(F: Any, x: Any, scale: float) -> Card:
    """The area of the image of a small square round x, over that of the square."""
    side = SIDE * max(1.0, float(np.abs(x).max()))
    s = np.linspace(-0.5, 0.5, CORNERS, endpoint=False)
    edge = np.concatenate([np.stack(pair, 1) for pair in (
        (s, np.full_like(s, -0.5)), (np.full_like(s, 0.5), s), (-s, np.full_like(s, 0.5)), (np.full_like(s, -0.5), -s),
    )])  # fmt: skip
    u, v = np.asarray(evaluate(F, jnp.asarray(np.asarray(x) + side * edge, x.dtype)), float).T
    u, v = u - u.mean(), v - v.mean()  # without the offset, whose square would swamp the area
    area = abs(0.5 * float(np.sum(u * np.roll(v, -1) - v * np.roll(u, -1)))) / side**2
    eps = float(jnp.finfo(x.dtype).eps)
    reach = max(np.ptp(u), np.ptp(v)) / side + 1.0
    allowance = 1e-4 * (scale + reach**2) + 100 * eps * float(np.abs(F(x)).max() + 1.0) / side * reach
    words = "The image of the square is curved, so the two differ by a little that shrinks with the square."
    claim = "areas near the point grow by √det JᵀJ"
    return compare(claim, "singular values", "area of a small square's image", scale, area, allowance=allowance,
                   sentence=words)  # fmt: skip


@register(Ripple)
def check_ripple(result: Ripple, question: Question) -> Card:
    """J dx by a complex step along dx, and the disagreement with the true change, which must fall like |dx|².

    Cost: one evaluation of F on complex numbers, 24 on real ones, and 5 of the true change.
    """
    subject = subject_of(question.function, question.arguments["x"])
    F, x, dx = flat_map(subject.function), subject.point, np.asarray(result.step)
    size = 1.0 + float(np.abs(result.before).max()) + float(np.abs(result.parts).max())
    room = Room(float(jnp.finfo(x.dtype).eps), size)
    claim, own = "the linear change J dx of every output", np.asarray(result.value, float)
    values, errors = central(F, x, dx[None])
    allowance = room.half_the_digits + 10 * float(np.max(errors, initial=0.0))
    cards = [compare(claim, METHOD, "differences along dx", own, values[0], allowance=allowance)]
    if is_analytic(F, x):
        step = complex_step(F, x, dx[None])[0]
        cards.insert(0, compare(claim, METHOD, "complex step along dx", own, step, allowance=room.rounding))
    return resting_on(cards[0], *cards[1:], _falling(F, x, dx, own, room))


def _falling(F: Any, x: Any, dx: np.ndarray, linear: np.ndarray, room: Room) -> Card:
    """The power with which |J s dx − (F(x + s dx) − F(x))| falls as s is halved: 2, or more, or nothing is left."""
    shares = 0.5 ** np.arange(FALL)
    points = jnp.asarray(np.asarray(x) + shares[:, None] * dx, x.dtype)
    change = evaluate(F, points) - np.asarray(F(x))
    gaps = np.abs(change - shares[:, None] * linear).max(axis=1)
    clear = gaps > 1e3 * room.eps * room.size
    both = clear[1:] & clear[:-1]
    claim = "the disagreement with the true change falls with the square of dx"
    if not both.any():  # F is linear along dx, to rounding
        return compare(claim, "power of dx", "measured on halved steps", 2.0, 2.0, allowance=0.5,
                       sentence="There is none to measure: along dx the map is linear, to rounding.")  # fmt: skip
    power = float(np.log2(gaps[:-1][both] / gaps[1:][both])[-1])
    note = "" if power < 2.5 else "It falls even faster: the second derivative along dx vanishes."
    return compare(claim, "power of dx", "measured on halved steps", 2.0, min(power, 2.0), allowance=0.5, sentence=note)
