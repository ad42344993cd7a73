"""The sections of a training report as HTML; every word that came from outside is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any, NamedTuple

import numpy as np

from cycloid.core.numerals import interval, numeral
from cycloid.figures.sentences import chain_sentences, metric_name
from cycloid.learn.runs import Metric, Run


class Contest(NamedTuple):
    """The runs of a report.

    Args:
        runs: by the name of the method.
        best: the one that the report is about.
        rates: learning rates, by name.
        notes: how they were compared and what it shows, sentences.
    """

    runs: dict[str, Run]
    best: str
    rates: dict[str, float]
    notes: tuple[str, ...] = ()


def heading_section(run: Run, title: str, best: str, data: Any, count: int) -> str:
    """The question, the verdict, and who answered."""
    verdict = run.verdict
    kind = verdict.improved if verdict is not None else "unclear"
    sentence = verdict.sentence if verdict is not None else run.status.message
    remarks = "".join(f"<p class=text>{escape(remark)}</p>" for remark in (verdict.remarks if verdict else ()))
    where = f" on {escape(data.name)}" if data is not None else ""
    of_how_many = f", chosen from {count} methods" if count > 1 else ""
    trouble = f"<p class=text>{escape(run.explanation)}</p>" if run.explanation else ""
    return (
        f"<h1>{escape(title)}</h1>"
        f'<p class="verdict-line {kind}">{escape(sentence)}</p>{remarks}{trouble}'
        f"<p class=note>{escape(best)}{of_how_many}, {numeral(run.steps)} steps{where}. "
        f"{escape(run.status.message)}</p>"
    )


def data_section(run: Run, data: Any) -> str:
    """The rows and every choice that was made about them."""
    report = tuple(data.report) if data is not None else run.report
    told = report + tuple(sentence for sentence in run.report if sentence not in report)
    items = "".join(
        f"<li{' class=warning' if sentence.startswith('Warning') else ''}>{escape(sentence)}</li>" for sentence in told
    )
    if not items:
        items = "<li>Plain arrays were given; nothing was changed in them.</li>"
    table = "" if data is None else _parts_table(data)
    return f"<h2>The data, and every choice made about it</h2><ul class=choices>{items}</ul>{table}"


def _parts_table(data: Any) -> str:
    rows = [
        (name, part.count if part is not None else 0, use)
        for name, part, use in (
            ("training", data.train, "the weights are fitted on these; so are medians, categories and scales"),
            ("validation", data.validation, "watched while training, for stopping and for comparing methods"),
            ("test", data.test, "looked at once, at the end, for the metrics and the verdict"),
        )
    ]
    body = "".join(f"<tr><td>{n}</td><td class=number>{count}</td><td>{use}</td></tr>" for n, count, use in rows)
    return (
        "<div class=scroll><table><thead><tr><th>part</th><th class=number>rows</th><th>what for</th></tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )


def chain_section(run: Run, drawn_steps: int) -> str:
    """Four questions, four sentences, four panels."""
    if not run.history:
        return "<h2>The chain</h2><p class=text>No step was recorded.</p>"
    items = "".join(f"<li><strong>{escape(q)}</strong> {escape(a)}</li>" for q, a in chain_sentences(run))
    count = len(run.history["step"])
    drawn = f" Of the {count} recorded steps {drawn_steps} are drawn." if drawn_steps < count else ""
    return (
        f"<h2>From the loss to the metric</h2><ol class=chain>{items}</ol>"
        + plot("chain", "The four questions over the steps. Top right: thin lines are the single parameter arrays. "
               "Bottom left: a dot on the line is an update that did just what the gradient promised; a ring marks a "
               "step after which the loss of the same batch was higher. Bottom right: the band is the interval of the "
               f"final metric, the dotted line the trivial rival.{drawn}")
    )  # fmt: skip


def comparison_section(contest: Contest) -> str:
    """The methods side by side: curves and a table."""
    metric = contest.runs[contest.best].metric
    name = metric_name(metric.name) if metric is not None else "metric"
    head = ("method", "learning rate", "steps", "lowest validation loss", name, "95% interval", "improved?")
    body = "".join(_method_row(label, run, contest) for label, run in contest.runs.items())
    notes = "".join(f"<p class=text>{escape(note)}</p>" for note in contest.notes)
    return (
        f"<h2>The methods side by side</h2>{notes}"
        + plot("methods", "Left: the loss on rows that no weight was fitted on. Right: each final metric with its "
               "interval; where intervals overlap widely, the order may be chance.")
        + _table(head, body, (1, 2, 3, 4, 5))
    )  # fmt: skip


def _method_row(label: str, run: Run, contest: Contest) -> str:
    rate = contest.rates.get(label, float("nan"))
    losses = np.asarray(run.history.get("validation_loss", run.history.get("train_loss", [np.nan])), float)
    lowest = float(np.nanmin(losses)) if np.isfinite(losses).any() else float("nan")
    metric = run.metric
    cells = (
        escape(label),
        numeral(rate, 3, typeset=True) if np.isfinite(rate) else "—",
        numeral(run.steps),
        numeral(lowest, 4, typeset=True),
        "—" if metric is None else numeral(metric.value, 4, typeset=True),
        "—" if metric is None else interval(metric.low, metric.high, digits=3, typeset=True),
        escape(run.verdict.improved if run.verdict is not None else "—"),
    )
    body = "".join(f"<td{'' if i in (0, 6) else ' class=number'}>{cell}</td>" for i, cell in enumerate(cells))
    return f"<tr{' class=best' if label == contest.best else ''}>{body}</tr>"


def layer_section(run: Run) -> str:
    """Gradient and update of every parameter array."""
    ratios = np.asarray(run.history["update_ratios"], float)
    middle = np.nanmedian(ratios[np.isfinite(ratios)]) if np.isfinite(ratios).any() else float("nan")
    words = (
        f"An update moves a parameter array by {numeral(middle, 2, typeset=True)} of its own length (median). About "
        f"10⁻³ is usual; a layer that stays near zero learns nothing, one near 1 forgets what it knew."
    )
    return f"<h2>Layer by layer</h2><p class=text>{words}</p>" + plot(
        "layers", "Strong colour is a large value, on a logarithmic scale; point at a cell for its number."
    )


def metric_section(run: Run, data: Any) -> str:
    """Every metric with its unit and interval, and what it is worth beside the start and the trivial rival."""
    if not run.metrics:
        return ""
    rows = "".join(_metric_row(metric, data) for metric in run.metrics.values())
    table = _table(("metric", "value", "95% interval", "unit", "better", "rows", "interval by"), rows, (1, 2, 5))
    gain = "" if run.verdict is None else _gain_table(run)
    return f"<h2>How well it does on rows it has not seen</h2>{table}{gain}"


def _metric_row(metric: Metric, data: Any) -> str:
    return (
        f"<tr><td>{escape(metric_name(metric.name))}</td><td class=number>{numeral(metric.value, 4, typeset=True)}</td>"
        f"<td class=number>{interval(metric.low, metric.high, digits=4, typeset=True)}</td>"
        f"<td>{escape(_unit(metric.name, data))}</td><td>{escape(metric.better)}</td>"
        f"<td class=number>{metric.rows} {escape(metric.part)}</td><td>{escape(metric.method)}</td></tr>"
    )


def _unit(name: str, data: Any) -> str:
    """In what a metric is measured."""
    own = f"that of “{data.target}”" if data is not None else "that of the target"
    if name in ("rmse", "mae"):
        return own
    units = {"r2": "share of the variance", "accuracy": "share of the rows", "log_loss": "nats a row"}
    return units.get(name, "from 0 to 1")


def _gain_table(run: Run) -> str:
    """The judged metric against its start and against a rival that looks at no input."""
    v, metric = run.verdict, run.metric
    assert v is not None
    assert metric is not None
    sign = 1.0 if metric.better == "higher" else -1.0
    rows = [
        ("the model before training", metric.value - sign * v.gain, v.gain, v.gain_low, v.gain_high),
        (v.baseline, v.baseline_value, v.lead, v.lead_low, v.lead_high),
    ]
    body = "".join(
        f"<tr><td>{escape(name)}</td><td class=number>{numeral(value, 4, typeset=True)}</td>"
        f"<td class=number>{numeral(gain, 4, typeset=True)}</td>"
        f"<td class=number>{interval(low, high, digits=3, typeset=True)}</td></tr>"
        for name, value, gain, low, high in rows
    )
    head = ("compared with", f"its {metric_name(metric.name)}", "improvement", f"{v.level:.0%} interval")
    return f"<h3>Is that better than without training?</h3>{_table(head, body, (1, 2, 3))}"


def card_section(cards: Iterable[Any]) -> str:
    """Verification: what an independent method says."""
    found = "".join(card.to_html() for card in cards)
    if not found:
        return ""
    words = "Each answer was found a second time by a method that shares no step with the first."
    return f"<h2>Verified by a second method</h2><p class=text>{words}</p>{found}"


def reproduction_section(command: str, seed: int | None, versions: Mapping[str, str]) -> str:
    """How to get the same run again."""
    shown = f"<pre><code>{escape(command)}</code></pre>" if command else ""
    facts = dict(versions) if seed is None else {"Seed": str(seed), **versions}
    rows = "".join(f"<tr><th scope=row>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in facts.items())
    words = "The seed fixes the split, the starting weights, the order of the rows and the draws of the intervals."
    note = f"<p class=text>{words}</p>" if seed is not None else ""
    return f"<h2>To run it again</h2>{shown}{note}<table class=facts><tbody>{rows}</tbody></table>"


def plot(name: str, caption: str) -> str:
    """The place of a figure, with its caption."""
    return (
        f'<figure><div class="plot-frame"><div class="plot" id="{name}"></div></div>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _table(head: Iterable[str], body: str, numbers: tuple[int, ...]) -> str:
    heads = "".join(f"<th{' class=number' if i in numbers else ''}>{escape(h)}</th>" for i, h in enumerate(head))
    return f"<div class=scroll><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
