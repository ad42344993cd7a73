"""A race checked: equal budgets, the winner walked again by a plain loop, the order of the first two once more."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cycloid.checks.cards import AGREES, DISAGREES, UNCHECKED, Card, compare, resting_on, unchecked
from cycloid.checks.registry import register
from cycloid.core.functions import as_objective
from cycloid.core.numerals import interval, numeral
from cycloid.core.results import Question
from cycloid.optimize import race as run_race
from cycloid.optimize.catalogue import method as resolve
from cycloid.optimize.courses import set_up
from cycloid.optimize.methods import AbstractGradientMethod, split
from cycloid.optimize.races import Race
from cycloid.optimize.standings import median

# Steps of a plain Python loop, at about a tenth of a millisecond each.
WALKED = 20_000


@register(Race)
def check_race(race: Race, question: Question) -> Card:
    """The winner again without the compiled loop, the budgets counted, the first two on other starts.

    Cost: one run of the winner for each seed, step by step; five runs of the first two methods.
    """
    if not isinstance(question.method, dict):
        return resting_on(_budget_card(race), *[c for c in (_walk_card(race, question),) if c is not None])
    further = [_budget_card(race), _again_card(race, question)]
    walked = _walk_card(race, question)
    return resting_on(*([walked] if walked is not None else []), *further)


def winner(race: Race) -> tuple[str, dict[str, Any]]:
    """(label among the curves, line of the table) of the best method."""
    line = {column: values[0] for column, values in race.value.items()}
    return _label(race, line), line


def _label(race: Race, line: dict[str, Any]) -> str:
    finals = {label: median(curves[:, -1]) for label, curves in race.runs.items()}
    fits = [label for label, final in finals.items() if final == line["objective"]]
    rate = line["learning_rate"]
    named = [label for label in fits if label in (line["method"], f"{rate or 0:g}")]
    return (named or fits or list(finals))[0]


def _method(race: Race, question: Question, label: str, rate: float | None) -> Any:
    """The method of a label at the learning rate of the table."""
    chosen = question.method[label] if isinstance(question.method, dict) else question.method
    return resolve(chosen) if rate is None else resolve(chosen, learning_rate=rate)


def _budget_card(race: Race) -> Card:
    """Every curve has one entry for each evaluation of the budget, and every method the same number."""
    spent = [curves.shape[1] - 1 for curves in race.runs.values()]
    equal_time = "seconds" in str(race.protocol.get("budget", ""))
    claim = "every method had the same budget" + (" of time" if equal_time else "")
    said = [min(race.value["evaluations"]), max(race.value["evaluations"])]
    card = compare(
        claim, "the table", "lengths of the curves", said, [min(spent), max(spent)], allowance=0.0, unit="evaluations"
    )
    if card.verdict == AGREES and not equal_time and min(spent) != max(spent):
        words = "The budgets differ from method to method: the race is not fair."
        return dataclasses.replace(card, verdict=DISAGREES, sentence=words)
    return card


def _walk_card(race: Race, question: Question) -> Card | None:
    """The winner's end, median over the seeds, by a Python loop over optax with one gradient a step."""
    label, line = winner(race)
    asked = question.arguments
    method = _method(race, question, label, line["learning_rate"])
    claim = f"{label} reaches {numeral(line['objective'])} in {line['evaluations']} evaluations"
    curves = race.runs[label]
    plain = isinstance(method, AbstractGradientMethod)
    field = set_up(question.function, asked["x0"], line["evaluations"], None, asked.get("key"), curves.shape[0],
                   asked.get("spread"), asked.get("score"), None)  # fmt: skip
    if field.course.stochastic or not plain or line["evaluations"] * curves.shape[0] > WALKED:
        return None
    starts = field.line_up(tuning=False)[0]
    ends = [_walk(question, asked, method, jax.tree.map(lambda s, i=i: s[i], starts), line["evaluations"])
            for i in range(curves.shape[0])]  # fmt: skip
    fall = max(abs(float(np.nanmedian(curves[:, 0])) - line["objective"]), 1e-300)
    # Rounding grows along a walk.
    allowance = 1e-3 * abs(line["objective"]) + 1e-9 * fall
    return compare(claim, "all seeds in one compiled program", "a Python loop over optax, one gradient a step",
                   line["objective"], median(np.array(ends)), allowance=allowance,
                   sentence="The same steps, taken one at a time, end at the same height.")  # fmt: skip


def _walk(question: Question, asked: dict[str, Any], method: Any, start: Any, steps: int) -> float:
    import optax

    objective = as_objective(question.function, start)
    value = jax.jit(lambda x: jnp.asarray(objective(x)).reshape(()))
    rule = optax.with_extra_args_support(method.transformation())
    parameters = split(start)[0]
    slope = jax.jit(jax.grad(value))
    update = jax.jit(lambda g, s, p: rule.update(g, s, p))
    state = rule.init(parameters)
    for _ in range(steps):
        change, state = update(slope(parameters), state, parameters)
        parameters = jax.tree.map(lambda p, c: p + c, parameters, change)
    score = asked.get("score")
    return float((score or value)(parameters))


def _again_card(race: Race, question: Question) -> Card:
    """Do the first two end in the same order from other starts, or with other draws?"""
    asked, table = question.arguments, race.value
    claim = "the order of the first two holds on fresh starts"
    if len(table["method"]) < 2:
        return unchecked(claim, "race", table["method"][0], "There was one method only.")
    lines = [{column: values[i] for column, values in table.items()} for i in range(len(table["method"]))]
    labels = [_label(race, line) for line in lines]
    # Methods that went the very same way (gradient descent and SGD on a function without chance) are one.
    second = next((i for i in range(1, len(lines)) if not np.array_equal(
        race.runs[labels[i]], race.runs[labels[0]], equal_nan=True)), None)  # fmt: skip
    if second is None:
        return unchecked(claim, "race", labels, "All methods went the same way.")
    pair = {labels[i]: _method(race, question, labels[i], lines[i]["learning_rate"]) for i in (0, second)}
    key = jax.random.key(20240229) if asked.get("key") is None else jax.random.fold_in(asked["key"], 20240229)
    again = run_race(
        question.function, asked["x0"], methods=pair, evaluations=max(table["evaluations"]), key=key, seeds=5,
        spread=asked.get("spread"), score=asked.get("score"), target=race.protocol["target"],
    )  # fmt: skip
    ends = {label: again.runs[label][:, -1] for label in pair}
    order = sorted(pair, key=lambda label: median(ends[label]))
    reading = "; ".join(f"{name} {_reading(ends[name])}" for name in order)
    same = order == list(pair)
    if same:
        verdict, words = AGREES, f"Ends over five fresh seeds: {reading}."
    else:
        verdict = UNCHECKED
        words = f"On five fresh seeds the order turned: {reading}. The two are too close, or the starts decide."
    return Card(claim, "race", "race on other seeds", list(pair), order, float(not same), 0.0, verdict, words)


def _reading(ends: np.ndarray) -> str:
    fine = ends[np.isfinite(ends)]
    failed = f", {len(ends) - len(fine)} of {len(ends)} failed" if len(fine) < len(ends) else ""
    return (interval(fine.min(), fine.max(), digits=3) if len(fine) else "nowhere finite") + failed
