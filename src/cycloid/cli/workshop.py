"""`cycloid lab` and `cycloid claims`."""

from __future__ import annotations

from typing import Any

import click

from cycloid.cli.output import command, emit, table


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8642, show_default=True, help="The port; 0 takes a free one.")
@click.option("--browser/--no-browser", default=True, help="Open the page in a browser.")
def lab(host: str, port: int, browser: bool) -> None:
    """Open the browser lab: terrain, Jacobian, race of optimizers, and the chain of a training run, live."""
    from cycloid.lab import serve

    try:
        serve(host=host, port=port, open_browser=browser)
    except (OSError, ValueError) as error:
        raise click.ClickException(str(error)) from error


@click.command()
@click.argument("select", nargs=-1)
@click.option("--list", "only_list", is_flag=True, help="List the claims without measuring them.")
@command
def claims(select: tuple[str, ...], only_list: bool, as_json: bool) -> int:
    """What tutorials say, and what is measured here: claim, value, interval, verdict.

    SELECT keeps the claims whose name or branch contains one of the words; without it all are measured.
    """
    from cycloid.checks import claims as registry

    if only_list:
        rows = [[c.name, c.branch, c.text] for c in registry.known(select or None)]
        columns = ["name", "branch", "claim"]
        if as_json:
            emit([dict(zip(columns, row, strict=True)) for row in rows])
        else:
            table("Claims", columns, rows)
        return 0
    findings = _measure(registry, select or None)
    if as_json:
        emit(findings)
    else:
        rows = [[f"{f.text}\n  {f.sentence}\n", f.measured, f.range, f.verdict] for f in findings]
        table("", ["tutorials say", "measured here", "interval", "verdict"], rows)
    return 0


def _measure(registry: Any, select: tuple[str, ...] | None) -> list[Any]:
    """The findings, with what is being measured shown on a terminal meanwhile."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        return registry.run(select)
    with console.status("Measuring ...") as status:
        return registry.run(select, progress=lambda claim: status.update(f"Measuring: {claim.text}"))
