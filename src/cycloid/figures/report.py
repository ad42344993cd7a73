"""The report of a training run: one HTML file with the verdict, the data, the chain, the pictures and the checks."""

from __future__ import annotations

import base64
import datetime
import hashlib
import os
import platform
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import equinox as eqx
import numpy as np

from cycloid.core.numerals import numeral
from cycloid.figures.article_parts import (
    Contest,
    card_section,
    chain_section,
    comparison_section,
    data_section,
    heading_section,
    layer_section,
    metric_section,
    reproduction_section,
)
from cycloid.figures.chains import run_figure
from cycloid.figures.comparisons import methods
from cycloid.figures.embedding import embed
from cycloid.figures.heatmaps import layers
from cycloid.learn.runs import Run
from cycloid.train.comparisons import Comparison

# Recorded steps drawn on a page, and cells of its heat maps: more would make it heavy and not finer.
RECORDS, CELLS = 600, 30_000
ARTICLE = Path(__file__).parent / "article"


def write_report(
    path: str | os.PathLike[str],
    runs: Any,
    data: Any = None,
    cards: Any = (),
    *,
    best: str | None = None,
    learning_rates: Mapping[str, float] | None = None,
    command: str = "",
    seed: int | None = None,
    title: str | None = None,
) -> Path:
    """Write what was trained, and how far it may be believed, as one self-contained page.

    The page asks nothing of any network: plotly.js is inside it once, its policy forbids every connection, and only
    the scripts whose hashes it names may run. It reads in light and dark and prints.

    Args:
        path: where to write it, whole or not at all.
        runs: a `Run`, several by the name of their method, the best first, or a `Comparison`.
        data: what they were trained on, from `cy.train.load`; None where it was arrays.
        cards: verification cards, one or several.
        best: the name of the run that the report is about; the first by default.
        learning_rates: of the methods, by name, for the table.
        command: that trained, to be repeated.
        seed: that was given.
        title: of the page; made from the data by default.

    Returns:
        The path.

    Raises:
        ValueError: when there is no run, or `best` names none.
    """
    from cycloid.core.storage import write_atomically

    contest = _contest(runs, best, learning_rates)
    run = contest.runs[contest.best]
    heading = title or _title(run, data)
    drawn = _figures(contest)
    sections = (
        heading_section(run, heading, contest.best, data, len(contest.runs)),
        data_section(run, data),
        chain_section(run, len(_thinned(run).history.get("step", ()))),
        comparison_section(contest) if "methods" in drawn else "",
        layer_section(run) if "layers" in drawn else "",
        metric_section(run, data),
        card_section(_listed(cards)),
        reproduction_section(command, seed, versions()),
    )
    write_atomically(path, page(heading, "\n".join(section for section in sections if section), drawn))
    return Path(path)


def _contest(runs: Any, best: str | None, rates: Mapping[str, float] | None) -> Contest:
    """The runs by name, whichever way they came."""
    if isinstance(runs, Run):
        named, notes = {runs.method: runs}, ()
    elif isinstance(runs, Comparison):
        named, notes = dict(runs.runs), (runs.protocol, runs.sentence)
        rates = rates or {row.method: row.learning_rate for row in runs.rows}
    elif isinstance(runs, Mapping):
        named, notes = dict(runs), ()
    else:
        raise TypeError(f"runs is a Run, a dict of them or a Comparison; it was a {type(runs).__name__}.")
    if not named:
        raise ValueError("a report needs at least one run.")
    chosen = next(iter(named)) if best is None else best
    if chosen not in named:
        raise ValueError(f"best= names {best!r}; the runs are {', '.join(named)}.")
    return Contest(named, chosen, dict(rates or {}), notes)


def _figures(contest: Contest) -> dict[str, Any]:
    """What is drawn, by the id of its place: dark -> figure."""
    thin = {name: _thinned(each) for name, each in contest.runs.items()}
    run = thin[contest.best]
    drawn: dict[str, Any] = {}
    if run.history:
        drawn["chain"] = lambda dark: run_figure(run, title="", dark=dark)
    if len(contest.runs) > 1 and all(each.history for each in contest.runs.values()):
        drawn["methods"] = lambda dark: methods(thin, title="", dark=dark)
    if run.history and len(run.layers) > 1:
        drawn["layers"] = lambda dark: layers(run, title="", dark=dark)
    return drawn


def _thinned(run: Run) -> Run:
    """The run with at most so many recorded steps that a page stays small, first, last and best among them."""
    count = len(run.history.get("step", ()))
    most = max(50, min(RECORDS, CELLS // max(1, len(run.layers))))
    if count <= most:
        return run
    kept = set(np.linspace(0, count - 1, most).round().astype(int).tolist())
    kept |= set(np.flatnonzero(np.asarray(run.history["step"]) == run.best_step).tolist())
    history = {name: np.asarray(column)[sorted(kept)] for name, column in run.history.items()}
    return eqx.tree_at(lambda r: r.history, run, history, is_leaf=lambda leaf: leaf is run.history)


def page(heading: str, body: str, drawn: Mapping[str, Any], what: str = "Report of a training run") -> str:
    """A page as text: the body, the figures that have places in it, and what it is in words."""
    from plotly.offline import get_plotlyjs

    import cycloid

    script = (ARTICLE / "report.js").read_text(encoding="utf-8")
    plotly = get_plotlyjs()
    now = datetime.datetime.now(datetime.UTC)
    return Template((ARTICLE / "report.html").read_text(encoding="utf-8")).substitute(
        policy=policy(plotly, script),
        version=cycloid.__version__,
        title=escape(heading),
        style=(ARTICLE / "report.css").read_text(encoding="utf-8"),
        stamp=f"{what}, {now:%d %B %Y, %H:%M} UTC",
        body=body,
        figures=embed(drawn),
        plotly=plotly,
        script=script,
    )


def policy(*scripts: str) -> str:
    """The page's own rules: nothing is fetched, and only these scripts run."""
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; "
        f"base-uri 'none'; form-action 'none'"
    )


def versions() -> dict[str, str]:
    """What the run was made with."""
    import jax

    import cycloid

    x64 = "float64" if jax.config.read("jax_enable_x64") else "float32"
    return {
        "Cycloid": cycloid.__version__,
        "Python": platform.python_version(),
        "JAX": f"{jax.__version__}, {jax.default_backend()}, {numeral(jax.device_count())} device(s), {x64}",
        "NumPy": np.__version__,
        "System": f"{platform.system()} {platform.machine()}",
    }


def _title(run: Run, data: Any) -> str:
    if data is None:
        return f"Training by {run.method}"
    return f"Can “{data.target}” be predicted from {len(data.features)} inputs?"


def _listed(cards: Any) -> list[Any]:
    if cards is None:
        return []
    if hasattr(cards, "to_html"):
        return [cards]
    if isinstance(cards, Mapping):
        return list(cards.values())
    if isinstance(cards, Iterable):
        return [card for card in cards if card is not None]
    raise TypeError(f"cards= is a verification card or several; it was a {type(cards).__name__}.")
