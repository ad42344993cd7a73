"""`cycloid inspect`: a model and data, or a recorded run, opened; what is wrong with it, and an exit code for CI."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import click

from cycloid.cli.output import command, emit, show_card

COLOURS = {"error": "red", "warning": "yellow", "note": "cyan"}


@click.command()
@click.argument("source")
@click.option("--data", "table", help="A CSV file, or a bundled set (digits, diabetes, breast_cancer ...).")
@click.option("--target", help="The column to predict; bundled data sets know theirs.")
@click.option("--raw", is_flag=True, help="Give the inputs as the table has them, not standardised.")
@click.option("--loss", help="A name (mse, cross_entropy, ...) or file.py:function; by the target when left out.")
@click.option("--learning-rate", type=float, default=1e-3, show_default=True, help="Of the Adam that rehearses.")
@click.option("--steps", default=60, show_default=True, type=click.IntRange(0), help="Steps rehearsed; 0 for none.")
@click.option("--report", default="-", show_default=True, help="Write the whole as one page to this file; - for none.")
@click.option("--check", is_flag=True, help="Verify by independent methods and print the card.")
@click.option("--seed", default=0, show_default=True, help="Fixes the split and the order of the rows.")
@command
def inspect(source: str, as_json: bool, **options: Any) -> int:
    """Open SOURCE and say what is wrong with it, the cause first.

    SOURCE is file.py:make_model with --data (a function that returns a model, called with the number of inputs and
    outputs if it takes two arguments), a run saved by `cycloid train --save`, or a record of cy.train.watch.

    Exit codes: 0 nothing above a note, 1 a warning or an error was found, 2 the call was wrong.
    """
    if ".py:" in source:
        return _model(source, as_json, options)
    return _record(source, as_json, options)


def _model(source: str, as_json: bool, options: dict[str, Any]) -> int:
    import jax

    import cycloid as cy

    if not options["table"]:
        raise ValueError("--data names the table that the model is inspected on: a CSV file or a bundled set.")
    split, order = jax.random.split(jax.random.key(options["seed"]))
    data = cy.train.load(options["table"], options["target"], key=split)
    x, y, parts = _arrays(data, options["raw"])
    make = _function(source)
    outputs = len(data.classes or ()) if data.task == "multiclass" else 1
    model = _made(make, x.shape[1], outputs)
    loss = _function(options["loss"]) if options["loss"] and ".py:" in options["loss"] else options["loss"]
    batch = (x[:256], y[:256])
    report = cy.train.inspect(
        model, batch, loss=loss, data=parts, method=options["learning_rate"], max_steps=options["steps"],
        names=data.features, key=order,
    )  # fmt: skip
    return _told(report, cy.check(report) if options["check"] else None, options["report"], as_json)


def _told(report: Any, card: Any, path: str, as_json: bool) -> int:
    """Write and print a report; its exit code."""
    if path != "-":
        from cycloid.figures import write_inspection

        write_inspection(path, report, () if card is None else card)
    if as_json:
        emit({**report.to_dict(), "check": None if card is None else card.to_dict()})
    else:
        _show(report.verdict, report.value, report.notes)
        show_card(card)
        if path != "-":
            click.echo(f"\nEvery number and picture: {path}")
    return 1 if report.exit_code or (card is not None and card.verdict == "disagrees") else 0


def _record(source: str, as_json: bool, options: dict[str, Any]) -> int:
    """A run saved by `fit`, or a record of `watch`."""
    from cycloid.train.diagnosis import gather
    from cycloid.train.inspections import report_of

    if not Path(source).exists():
        raise ValueError(f"there is no file {source}. SOURCE is file.py:make_model, a saved run or a record.")
    if options["check"]:
        raise ValueError("--check tries the model again, and a record holds none: inspect file.py:make_model.")
    subject = _opened(source)
    data = None
    if options["table"]:
        import jax

        import cycloid as cy

        data = cy.train.load(options["table"], options["target"], key=jax.random.key(options["seed"]))
    return _told(report_of(gather(subject, data), Path(source).name), None, options["report"], as_json)


def _opened(source: str) -> Any:
    """What lies in a file: a saved result, else a record."""
    from cycloid.learn.runs import Run
    from cycloid.train import recordings

    try:
        return Run.load(source)
    except ValueError as first:
        try:
            return recordings.open(source)
        except (ValueError, OSError, KeyError) as second:
            raise ValueError(f"{source} is neither a saved run nor a record: {first} {second}") from second


def _arrays(data: Any, raw: bool) -> tuple[Any, Any, Any]:
    """(x, y, all parts) as NumPy arrays, the inputs as they were in the table where asked."""
    import numpy as np

    back = lambda x: np.asarray(x) * data.preparation.scale + data.preparation.center if raw else np.asarray(x)
    held = data.validation if data.validation is not None else data.test
    x, y = back(data.train.x), np.asarray(data.train.y)
    parts = (x, y) if held is None else (x, y, back(held.x), np.asarray(held.y))
    return x, y, parts


def _function(place: str) -> Any:
    """The function that file.py:name names."""
    path, _, name = place.rpartition(":")
    if not Path(path).exists():
        raise ValueError(f"there is no file {path}: write file.py:function.")
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} is no Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(spec.name, module)
    spec.loader.exec_module(module)
    if not hasattr(module, name):
        known = ", ".join(n for n in vars(module) if not n.startswith("_"))
        raise ValueError(f"{path} has no {name!r}; it has {known}.")
    return getattr(module, name)


def _made(make: Any, inputs: int, outputs: int) -> Any:
    """The model: what the function returns, told the sizes where it takes them."""
    import inspect as signatures

    if not callable(make):
        return make
    try:
        needed = len([p for p in signatures.signature(make).parameters.values() if p.default is p.empty])
    except (TypeError, ValueError):
        needed = 0
    return make(inputs, outputs) if needed == 2 else make(inputs) if needed == 1 else make()


def _show(verdict: str, findings: Any, notes: Any) -> None:
    """Findings on a terminal."""
    from rich.console import Console
    from rich.panel import Panel
    from rich.text import Text

    console = Console(highlight=False)
    console.print(Text(verdict, style="bold"))
    for finding in findings:
        body = Text()
        for name, text in (("seen", finding.evidence), ("cause", finding.cause), ("cure", finding.cure)):
            body.append(f"{name:6}", style="dim").append(f"{text}\n")
        if finding.because:
            body.append("after ", style="dim").append(", ".join(finding.because))
        title = f"{finding.fault}" + (f"  {finding.layer}" if finding.layer else "")
        body.rstrip()
        colour = COLOURS[finding.severity]
        foot = f"{finding.severity}, {finding.confidence:.0%} sure"
        console.print(Panel(body, title=Text(title), title_align="left", subtitle=foot, border_style=colour))
    for note in notes:
        console.print(Text(note, style="dim"))
