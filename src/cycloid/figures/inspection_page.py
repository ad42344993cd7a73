"""The page of an inspection: the heatmap of layers first, then the findings, then all that was measured."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from cycloid.core.numerals import numeral
from cycloid.figures import inspections
from cycloid.figures.article_parts import card_section, plot
from cycloid.figures.report import page, versions
from cycloid.train.inspections import Report, alignment

KINDS = {"error": "no", "warning": "unclear", "note": "unclear"}
WORST = 8  # examples listed


def write_inspection(
    path: str | os.PathLike[str], report: Report, cards: Any = (), *, title: str | None = None
) -> Path:
    """Write an inspection as one self-contained page: heatmap, findings with their cures, details.

    Args:
        path: where to write it, whole or not at all.
        report: from `cy.train.inspect`.
        cards: verification cards, from `cy.check(report)`.
        title: of the page; the model's name by default.

    Returns:
        The path.
    """
    from cycloid.core.storage import write_atomically

    heading = title or f"What is wrong with {report.model}?"
    write_atomically(path, inspection_page(report, cards, heading))
    return Path(path)


def inspection_page(report: Report, cards: Any = (), heading: str = "Inspection") -> str:
    """The page as text."""
    drawn: dict[str, Any] = {"heat": lambda dark: inspections.inspection(report, title="", dark=dark)}
    e = report.evidence
    if e.step is not None and len(e.step) > 1:
        drawn["steps"] = lambda dark: inspections.steps(report, title="", dark=dark)
    if len(report.reaches) > 1:
        drawn["jacobians"] = lambda dark: inspections.jacobians(report, title="", dark=dark)
    if report.effects is not None:
        drawn["inputs"] = lambda dark: inspections.inputs(report, title="", dark=dark)
    if e.example_losses is not None:
        drawn["examples"] = lambda dark: inspections.examples(report, title="", dark=dark)
    listed = [cards] if hasattr(cards, "to_html") else list(cards or ())
    sections = (
        _heading(report, heading), _findings(report), _alignment(report), _steps(report, "steps" in drawn),
        _jacobians(report, "jacobians" in drawn), _inputs("inputs" in drawn), _examples(report, "examples" in drawn),
        _cost(report), card_section(listed), _notes(report),
    )  # fmt: skip
    return page(heading, "\n".join(section for section in sections if section), drawn, "Inspection of a model")


def _heading(report: Report, heading: str) -> str:
    kind = KINDS[report.value[0].severity] if report.value else "yes"
    return (
        f'<h1>{escape(heading)}</h1><p class="verdict-line {kind}">{escape(report.verdict)}</p>'
        f"<p class=note>{escape(report.model)} of {escape(report.framework)}, {numeral(report.size)} parameters.</p>"
        + plot(
            "heat",
            "Every layer in the order of the forward pass. White is healthy, blue too small, orange too large; an "
            "empty cell has no such number.",
        )
    )


def _findings(report: Report) -> str:
    if not report.value:
        return "<h2>Findings</h2><p class=text>None of the rules found anything.</p>"
    items = []
    for finding in report.value:
        where = f" <span class=note>{escape(finding.layer)}</span>" if finding.layer else ""
        after = f"<p>It follows from: {escape(', '.join(finding.because))}.</p>" if finding.because else ""
        source = f"<p class=note>{escape(finding.reference)}</p>" if finding.reference else ""
        items.append(
            f"<li><strong>{escape(finding.fault[0].upper() + finding.fault[1:])}{where}</strong>"
            f"{escape(finding.evidence)} <em>{escape(finding.cause)}</em>{after}"
            f"<p><b>Cure.</b> {escape(finding.cure)}</p>"
            f"<p class=note>{escape(finding.severity)}, {finding.confidence:.0%} sure: {numeral(finding.value, 3)} "
            f"against {numeral(finding.threshold, 3)}.</p>{source}</li>"
        )
    return f"<h2>Findings, the cause before its consequences</h2><ol class=chain>{''.join(items)}</ol>"


def _alignment(report: Report) -> str:
    rows = [
        (r["place"], r["kind"], r["shape"], r["dtype"], _number(r["scale"]), _number(r["low"]), _number(r["high"]))
        for r in alignment(report.evidence)
    ]
    head = ("", "what", "shape", "dtype", "scale", "lowest", "highest")
    words = "What goes in, what every layer gives, what the loss is given, and what it expects."
    return f"<h2>Alignment</h2><p class=text>{words}</p>{_table(head, rows, (4, 5, 6))}"


def _steps(report: Report, drawn: bool) -> str:
    if not drawn:
        return ""
    e = report.evidence
    noise = ""
    if e.gradient_noise_scale is not None and math.isfinite(e.gradient_noise_scale):
        noise = (
            f"<p class=text>The gradient noise scale is {numeral(e.gradient_noise_scale, 3)} examples: batches much "
            f"smaller than that are mostly noise, much larger ones mostly waste.</p>"
        )
    caption = (
        "Of each rehearsed step: the loss of its batch before it; how many such steps lead to the lowest loss along it "
        "(1 is a step of the right length, the dotted line); and whether the gradient keeps its direction."
    )
    return f"<h2>The steps</h2>{noise}{plot('steps', caption)}"


def _jacobians(report: Report, drawn: bool) -> str:
    if not drawn:
        return ""
    caption = (
        f"A small change of the inputs, in {report.reaches[0].directions} directions, as it arrives at each layer: "
        f"where the line falls the signal vanishes, where it rises it explodes; where largest and smallest part, "
        f"directions are lost."
    )
    return f"<h2>The chain rule, layer by layer</h2>{plot('jacobians', caption)}"


def _inputs(drawn: bool) -> str:
    caption = (
        "The inputs with the largest slope. A slope says what a small change does here, shuffling what the model loses "
        "without the input: where the two disagree the model is not linear in it."
    )
    return f"<h2>What each input does</h2>{plot('inputs', caption)}" if drawn else ""


def _examples(report: Report, drawn: bool) -> str:
    if not drawn:
        return ""
    e = report.evidence
    worst = [] if e.worst_examples is None or e.example_losses is None else list(e.worst_examples[:WORST])
    rows = [(str(int(i)), numeral(float(np.asarray(e.example_losses)[int(i)]), 4)) for i in worst]
    classes = [(name, numeral(loss, 4)) for name, loss in report.class_losses.items()]
    by_class = f"<h3>By class</h3>{_table(('class', 'mean loss'), classes, (1,))}" if classes else ""
    caption = "The loss of every example of the batch; those that carry half of it stand out."
    table = _table(("row of the batch", "loss"), rows, (1,))
    return f"<h2>Where the loss comes from</h2>{plot('examples', caption)}<h3>Worst examples</h3>{table}{by_class}"


def _cost(report: Report) -> str:
    cost = report.cost
    if cost is None:
        return ""
    total = cost.forward + cost.backward + cost.update
    share = lambda part: f"{part / total:.0%}" if total > 0 else "-"
    rows = [
        ("forward", f"{1e3 * cost.forward:.3g} ms", share(cost.forward)),
        ("backward", f"{1e3 * cost.backward:.3g} ms", share(cost.backward)),
        ("update", f"{1e3 * cost.update:.3g} ms", share(cost.update)),
    ]
    words = (
        f"{numeral(cost.examples_per_second, 3)} examples a second on {cost.device}; parameters, gradient and the "
        f"optimizer's memory take {cost.state_bytes / 2**20:.3g} MiB."
    )
    return f"<h2>What a step costs here</h2><p class=text>{words}</p>{_table(('part', 'time', 'share'), rows, (1, 2))}"


def _notes(report: Report) -> str:
    items = "".join(f"<li>{escape(note)}</li>" for note in report.notes)
    facts = "".join(f"<tr><th scope=row>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in versions().items())
    sampled = f"<ul class=choices>{items}</ul>" if items else ""
    return f"<h2>How it was measured</h2>{sampled}<table class=facts><tbody>{facts}</tbody></table>"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]], numbers: tuple[int, ...]) -> str:
    mark = lambda i: " class=number" if i in numbers else ""
    heads = "".join(f"<th{mark(i)}>{escape(h)}</th>" for i, h in enumerate(head))
    body = "".join(
        "<tr>" + "".join(f"<td{mark(i)}>{escape(cell)}</td>" for i, cell in enumerate(row)) + "</tr>" for row in rows
    )
    return f"<div class=scroll><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"


def _number(value: float) -> str:
    return numeral(value, 3) if math.isfinite(value) else ""
