"""`cycloid compare` and `cycloid find-nan`: one formula in several frameworks; where its numbers are lost."""

from __future__ import annotations

from typing import Any

import click

from cycloid.cli.output import command, emit, listing, read_names, read_point, show_card, show_figure, table


@click.command()
@click.argument("expressions", nargs=-1, required=True)
@click.option("--at", "at", required=True, metavar="x=1,y=2", help="The point: a name and a value for each variable.")
@click.option("--frameworks", default="jax,torch,tensorflow", show_default=True, help="Which; jax,torch for two.")
@click.option("--check", is_flag=True, help="Verify the derivatives by differences and print the card.")
@click.option("--figure", "figure_path", type=click.Path(dir_okay=False), help="Draw it: .html or .png.")
@command
def compare(
    expressions: tuple[str, ...], at: str, frameworks: str, check: bool, figure_path: str | None, as_json: bool
) -> int:
    """The derivatives of EXPRESSION, such as "x^2*y + sin(y)", by JAX, PyTorch and TensorFlow, side by side.

    Several expressions are one function of several values, which has a Jacobian.
    """
    import cycloid as cy

    f: Any = expressions[0] if len(expressions) == 1 else list(expressions)
    found = cy.compare(f, read_point(at, "--at"), frameworks=read_names(frameworks))
    card = cy.check(found) if check else None
    if figure_path:
        show_figure(cy.figure(found), figure_path, as_json)
    if as_json:
        emit({**found.to_dict(), "agrees": found.agrees, "card": card})
    else:
        _print(found)
        show_card(card)
    return 0 if found.agrees and (card is None or card.verdict != "disagrees") else 1


def _print(found: Any) -> None:
    import numpy as np

    first = found.value[found.ways[0]]
    for name in found.disagreement:
        click.echo(f"{name:<10}{np.array2string(np.asarray(first[name]), precision=8, prefix=' ' * 10)}")
    click.echo("")
    rows = [
        [way, name, _milliseconds(found.seconds[way][name][0]), _milliseconds(found.seconds[way][name][1])]
        for name in found.disagreement
        for way in found.ways
    ]
    table("", ["by", "derivative", "first call, ms", "warm call, ms"], rows)
    for line in found.text.splitlines():
        click.echo(line)


def _milliseconds(seconds: float) -> str:
    return f"{1e3 * seconds:.3g}"


@click.command("find-nan")
@click.argument("expression")
@click.option("--at", "at", required=True, metavar="x=0", help="The point: a name and a value for each variable.")
@command
def find_nan(expression: str, at: str, as_json: bool) -> int:
    """The first operation of EXPRESSION that makes a NaN or an infinity at a point, in its value or its gradient."""
    import cycloid as cy

    f = cy.formula(expression)
    report = cy.differentiate.find_nan(f, read_point(at, "--at"))
    if as_json:
        emit(report.to_dict())
    elif report.clean:
        click.echo(report.text)
    else:
        for birth in (report.forward, report.backward):
            if birth is not None:
                listing({"pass": birth.pass_, "operation": birth.operation, "made": birth.sentence, "cure": birth.cure})
    return 0 if report.clean else 1
