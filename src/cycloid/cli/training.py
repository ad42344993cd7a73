"""`cycloid train`: a table in, an opened training run out, on the screen and as one report.html."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from cycloid.cli.output import NameOption, command, emit, number, read_names, show_card, table

# Steps shown in the table of the chain; the report shows all that were recorded.
SHOWN = 9


@click.command()
@click.argument("source")
@click.option("--target", help="The column to predict; bundled data sets know theirs.")
@click.option(
    "--model", cls=NameOption, registry="cycloid.train:MODELS", default="auto", show_default=True,
    help="auto takes the simplest.",
)  # fmt: skip
@click.option("--hidden", default="64,64", show_default=True, help="Widths of the hidden layers of mlp.")
@click.option("--loss", cls=NameOption, registry="cycloid.learn:LOSSES", help="By the task when left out.")
@click.option("--methods", "--method", "names", default="adam", show_default=True, help="Names, commas between.")
@click.option("--learning-rate", type=float, help="For every method; several methods without it are tuned on one grid.")
@click.option("--steps", default=2_000, show_default=True, type=click.IntRange(1), help="How many updates.")
@click.option("--batch-size", default=128, show_default=True, type=click.IntRange(1), help="Rows in each step.")
@click.option(
    "--record-every", type=click.IntRange(1), help="Steps between two records of the chain; a twentieth of all."
)
@click.option(
    "--patience",
    type=click.IntRange(0),
    help="Stop when validation has not improved for so many steps, and keep the best model; 0 never stops. A quarter "
    "of the steps for mlp, which overfits; 0 for the others.",
)
@click.option("--drop", default="", help="Columns to leave out, commas between.")
@click.option("--task", type=click.Choice(["regression", "classification"]), help="Told from the target when left out.")
@click.option("--seed", default=0, show_default=True, help="Fixes the split, the start, the batches, the intervals.")
@click.option("--report", default="report.html", show_default=True, help="Where to write the report; - writes none.")
@click.option("--save", "save_path", help="Save the run, model included, to this file.")
@click.option("--checkpoint", help="Keep a checkpoint in this file, and go on from it when it is there.")
@click.option("--check", is_flag=True, help="Verify the run by independent methods and print the card.")
@click.option("--require-improvement", is_flag=True, help="Exit with 1 unless the metric improved beyond noise.")
@command
def train(source: str, as_json: bool, **options: Any) -> int:
    """Train on SOURCE, a CSV file or a bundled set (diabetes, breast_cancer, wine, iris, digits), and open the run.

    Prints the chain: where the loss comes from, what the gradient is, what each update did, and whether the metric
    on unseen rows improved beyond noise; writes the whole story to one self-contained report.html.
    """
    import jax

    import cycloid as cy

    split_key, key = jax.random.split(jax.random.key(options["seed"]))
    names = read_names(options["names"])
    _check_options(names, options)
    drop = read_names(options["drop"])
    data = cy.train.load(source, options["target"], key=split_key, task=options["task"], drop=drop)
    if not as_json:
        click.echo("\n".join(data.report))
    found = _train(data, names, key, options, quiet=as_json)
    run = found.runs[found.best]
    card = cy.check(run) if options["check"] else None
    report = _write_report(found, data, card, options)
    if options["save_path"]:
        run.save(options["save_path"])
    if as_json:
        emit(_as_data(found, card, report))
    else:
        _print(found)
        show_card(card)
        if report:
            click.echo(f"\nThe whole run, every figure included: {report}")
    return _code(run, card, options["require_improvement"])


def _check_options(names: list[str], options: dict[str, Any]) -> None:
    """What would waste a long run is refused before it begins."""
    import cycloid as cy

    for name in names:
        cy.optimize.method(name)
    if not names:
        raise ValueError(f"--methods names at least one of {', '.join(cy.optimize.METHODS)}.")
    if options["checkpoint"] and len(names) > 1:
        raise ValueError("--checkpoint keeps one run: name a single method.")
    for option in ("report", "save_path", "checkpoint"):
        path = options[option]
        if path and path != "-" and not Path(path).resolve().parent.is_dir():
            raise ValueError(f"--{option.removesuffix('_path')} {path}: there is no folder {Path(path).parent}.")


def _model(name: str, hidden: str, task: str) -> Any:
    import cycloid as cy
    from cycloid.train.models import SIMPLEST

    if name == "auto":
        return SIMPLEST[task]
    if name != "mlp":
        return name
    widths = hidden.replace(" ", "").split(",")
    if not all(width.isdecimal() and int(width) > 0 for width in widths):
        raise ValueError(f'--hidden lists widths, such as "64,64"; it was {hidden!r}.')
    return cy.train.mlp(hidden=tuple(int(width) for width in widths))


def _patience(options: dict[str, Any]) -> int | None:
    chosen = options["patience"]
    if chosen is None and options["model"] == "mlp":
        return max(1, options["steps"] // 4)
    return chosen or None


def _train(data: Any, names: list[str], key: Any, options: dict[str, Any], quiet: bool) -> Any:
    """The comparison of the methods, each tuned on the validation rows unless a learning rate is given."""
    import cycloid as cy

    rate = options["learning_rate"]
    methods = {name: cy.optimize.method(name, learning_rate=rate) for name in names}
    extra = {"checkpoint": options["checkpoint"]} if options["checkpoint"] else {}
    return cy.train.compare(
        _model(options["model"], options["hidden"], data.task),
        data,
        methods,
        key=key,
        max_steps=options["steps"],
        batch_size=options["batch_size"],
        loss=options["loss"],
        patience=_patience(options),
        record_every=options["record_every"] or max(1, options["steps"] // 20),
        progress=not quiet and sys.stderr.isatty(),
        **({} if rate is None else {"learning_rates": None}),
        **extra,
    )


def _print(found: Any) -> None:
    run = found.runs[found.best]
    if len(found.rows) > 1:
        _print_methods(found)
    rate = next(row.learning_rate for row in found.rows if row.method == found.best)
    _print_chain(run, f"The chain of {found.best}, learning rate {number(rate)}; loss {run.loss_formula}")
    rows = [[m.name, m.value, _range(m.low, m.high), f"{m.rows} {m.part} rows"] for m in run.metrics.values()]
    table("On rows that training has not seen", ["metric", "value", "95% interval", "measured on"], rows)
    if run.explanation:
        click.echo(run.explanation)
    click.echo(f"{run.status.message}\n{run.verdict}" if not run.status.ok else str(run.verdict))


def _print_methods(found: Any) -> None:
    columns = ["method", "learning rate", "training loss", "validation loss", found.metric, "95% interval", "behind"]
    rows = []
    for row in found.rows:
        gap = f"{number(row.behind, 3)} ({_range(row.behind_low, row.behind_high)})"
        losses = [row.learning_rate, row.train_loss, row.validation_loss]
        metric = [row.metric, _range(row.low, row.high)]
        rows.append([row.method, *losses, *metric, "best" if row.method == found.best else gap])
    table("The methods, best validation loss first", columns, rows, f"{found.protocol}\n{found.sentence}")


def _print_chain(run: Any, title: str) -> None:
    history = run.history
    last = len(history["step"]) - 1
    shown = sorted({round(i * last / (SHOWN - 1)) for i in range(SHOWN)}) if last >= SHOWN else range(last + 1)
    names = {
        "step": "step",
        "loss": "batch loss",
        "validation_loss": "validation",
        "gradient_norm": "|gradient|",
        "predicted_change": "predicted",
        "actual_change": "actual",
        "ratio": "ratio",
        "cosine": "cosine",
        "metric": f"validation {run.metric.name}" if run.metric else "metric",
    }
    kept = {name: column for name, column in names.items() if name in history}
    rows = [[_short(history[name][i]) for name in kept] for i in shown]
    note = (
        "predicted = gradient · update, what the gradient promised; actual = change of the loss on the same batch; "
        "cosine = of the update with straight downhill."
    )
    table(title, list(kept.values()), rows, note)


def _short(value: Any) -> float:
    return float(f"{float(value):.4g}")


def _range(low: float, high: float) -> str:
    return f"{number(low, 3)} to {number(high, 3)}"


def _write_report(found: Any, data: Any, card: Any, options: dict[str, Any]) -> str | None:
    path = options["report"]
    if path == "-":
        return None
    from cycloid.figures.report import write_report

    write_report(
        path,
        found,
        data,
        [] if card is None else [card],
        command=shlex.join(["cycloid", *sys.argv[1:]]),
        seed=options["seed"],
    )
    return path


def _as_data(found: Any, card: Any, report: str | None) -> dict[str, Any]:
    run = found.runs[found.best]
    return {
        "best": found.best,
        "methods": [row._asdict() for row in found.rows],
        "metrics": {name: metric._asdict() for name, metric in run.metrics.items()},
        "verdict": run.verdict._asdict() if run.verdict else None,
        "status": run.status.name,
        "explanation": run.explanation,
        "steps": run.steps,
        "history": run.history,
        "layers": run.layers,
        "data": list(run.report),
        "card": card,
        "report": report,
    }


def _code(run: Any, card: Any, require_improvement: bool) -> int:
    if not run.status.ok or (card is not None and card.verdict == "disagrees"):
        return 1
    improved = run.verdict is not None and run.verdict.improved == "yes"
    return 1 if require_improvement and not improved else 0
