"""Milestones checked: one run counted again by a plain Python loop over optax, gradient by gradient."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from cycloid.checks.cards import Card, compare, unchecked
from cycloid.checks.registry import register
from cycloid.core.functions import as_objective
from cycloid.core.results import Question
from cycloid.optimize.catalogue import method as resolve
from cycloid.optimize.courses import set_up
from cycloid.optimize.goals import Milestones
from cycloid.optimize.methods import AbstractGradientMethod, apply_update


@register(Milestones)
def check_milestones(found: Milestones, question: Question) -> Card:
    """The count of the fastest method to the first target, for the first seed, without the compiled loop.

    Cost: as many steps as that run took, one at a time.
    """
    goal = found.value["target"][0]
    lines = [dict(zip(found.value, row)) for row in zip(*found.value.values())]
    plain = [line for line in lines if line["target"] == goal and np.isfinite(found.counts[line["method"]][0, 0])
             and isinstance(resolve(question.method[line["method"]]), AbstractGradientMethod)]  # fmt: skip
    if not plain:
        return unchecked("the first target was reached", "milestones", goal, "No method of first order reached it.")
    line = min(plain, key=lambda line: line["evaluations"])
    name, count = line["method"], int(found.counts[line["method"]][0, 0])
    method = resolve(question.method[name], learning_rate=line["learning_rate"])
    again = _count(question, found, method, goal, count)
    return compare(
        f"{name} reaches {goal:g} after {count} evaluations, first seed", "all seeds and rates in one compiled program",
        "a Python loop over optax, one gradient a step", count, again, allowance=float(found.protocol["every"]),
        sentence="Rounding may move it by one reading.", unit="evaluations",
    )  # fmt: skip


def _count(question: Question, found: Milestones, method: Any, goal: float, count: int) -> float:
    """Evaluations until the score is at the goal, up to twice what is claimed; infinite when it is not."""
    asked = question.arguments
    field = set_up(question.function, asked["x0"], asked["evaluations"], None, asked["key"], asked["seeds"],
                   asked["spread"], asked["score"], asked["every"])  # fmt: skip
    starts, keys, draw = field.line_up(tuning=False)
    x = jax.tree.map(lambda leaf: leaf[0], starts)
    f: Any = question.function if field.course.stochastic else as_objective(question.function, x)
    batch = lambda turn: (jax.random.fold_in(keys[0], turn),) if field.course.stochastic else ()
    slope, state = jax.jit(jax.grad(f)), method.init(x)
    draws = jax.random.split(draw, 16)
    mean = lambda x: np.mean([float(f(x, k)) for k in draws])
    score = jax.jit(asked["score"] or f) if asked["score"] or not field.course.stochastic else mean
    update = jax.jit(method.update)
    for turn in range(2 * count + 1):
        if turn % found.protocol["every"] == 0 and score(x) <= goal:
            return float(turn)
        step, state = update(slope(x, *batch(turn)), x, state)
        x = apply_update(x, step)
    return float("inf")
