"""`cycloid lab` and `cycloid claims`."""

from __future__ import annotations

import click

from cycloid.cli.output import command, emit, table


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8642, show_default=True, help="The port; 0 takes a free one.")
@click.option("--browser/--no-browser", default=True, help="Open the page in a browser.")
def lab(host: str, port: int, browser: bool) -> None:
    """Open the browser lab: the terrain of a function, and the chain of a training run, live."""
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
        known = registry.known(select or None)
        emit(known) if as_json else table(
            "Claims", ["name", "branch", "claim"], [[c.name, c.branch, c.text] for c in known]
        )
        return 0
    results = registry.run(select or None)
    if as_json:
        emit(results)
    else:
        rows = [[r.text, r.measured, r.range, r.verdict] for r in results]
        table("Claims", ["tutorials say", "measured here", "interval", "verdict"], rows)
        for result in results:
            click.echo(f"  {result.name}: {result.sentence}")
    return 0
