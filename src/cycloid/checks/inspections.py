"""Second methods for an inspection: the slope along the gradient by losses alone, the diagnosis on other batches."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cycloid.adapters import adapt
from cycloid.checks.cards import AGREES, DISAGREES, Card, compare, resting_on, unchecked
from cycloid.checks.registry import register
from cycloid.core.results import Question
from cycloid.train.examination import judge
from cycloid.train.inspections import Report
from cycloid.train.inspector import inspect


@register(Report)
def check_report(report: Report, question: Question) -> Card:
    """The slope of the loss found by losses alone, and the first finding found again on other batches.

    Cost: two losses, and one inspection.
    """
    batch, loss = question.arguments.get("batch"), question.arguments.get("loss")
    if batch is None:
        return unchecked("the findings", "rules on a rehearsal", report.verdict, "The batch is not known any more.")
    slope = _slope_card(report, question.function, batch, loss)
    options = {name: question.arguments.get(name) for name in ("loss", "data", "method")}
    again = inspect(question.function, batch, **options, max_steps=_steps(report), key=jax.random.key(20))
    first, second = (found.value[0].fault if found.value else "nothing" for found in (report, again))
    other = {finding.fault for finding in again.value} or {"nothing"}
    verdict = AGREES if first in other else DISAGREES
    card = Card(
        "what is found first does not hang on the order of the rows", "rules on a rehearsal",
        "the same rules on a rehearsal with other batches", first, second, float("nan"), float("nan"), verdict,
        "" if verdict == AGREES else "It was not found again: inspect with more rows or max_steps=.",
    )  # fmt: skip
    return resting_on(card, slope)


def _slope_card(report: Report, model: Any, batch: Any, loss: Any) -> Card:
    """‖∇L‖ by the gradient, and by the losses a little up and down along it."""
    x, y = (jnp.asarray(part) for part in batch)
    adapted = adapt(model).in_mode("eval")
    function = adapted.objective(judge(loss, report.evidence.task or "other").of)
    wrap = jax.jit if adapted.path == "jax" else (lambda plain: plain)
    objective = wrap(lambda parameters: function(parameters, (x, y)))
    gradient = {name: np.asarray(g) for name, g in wrap(jax.grad(objective))(adapted.parameters).items()}
    norm = float(np.sqrt(sum(np.vdot(g, g) for g in gradient.values())))
    if not np.isfinite(norm) or norm == 0:
        return unchecked("the slope of the loss", "gradient", norm, "The gradient is zero or not finite here.")
    values = {name: np.asarray(p) for name, p in adapted.parameters.items()}
    single = next(iter(values.values())).dtype.itemsize < 8
    size = float(np.sqrt(sum(np.vdot(p, p) for p in values.values())))
    step = (1e-3 if single else 1e-5) * max(size, 1e-3)
    moved = lambda sign: {k: (p + sign * step / norm * gradient[k]).astype(p.dtype) for k, p in values.items()}
    slope = (float(objective(moved(1))) - float(objective(moved(-1)))) / (2 * step)
    return compare(
        "the gradient is that of the loss", "automatic differentiation", "losses along it", norm, slope,
        allowance=(2e-2 if single else 1e-4) * norm,
        sentence="A kink (relu) between the two losses may move them apart a little.",
    )  # fmt: skip


def _steps(report: Report) -> int:
    """As many as were rehearsed."""
    return 0 if report.evidence.step is None else len(report.evidence.step)
