"""`cycloid critical-points`: the minima, maxima and saddles of a formula in a box, proven complete where possible."""

from __future__ import annotations

from typing import Any

import click

from cycloid.cli.output import command, number, read_box, show_result, table


@click.command(name="critical-points")
@click.argument("expression")
@click.option("--box", required=True, metavar="x=-2..2,y=-2..2", help="Where to look: an interval for each variable.")
@click.option("--constraint", metavar='"x+y=3"', help="Look along this equation, with Lagrange's multiplier.")
@click.option("--no-proof", is_flag=True, help="Leave out the subdivision with intervals.")
@click.option("--seed", default=0, show_default=True, help="For the starts.")
@click.option("--check", is_flag=True, help="Verify the answer by an independent method and print the card.")
@click.option("--figure", "figure_path", type=click.Path(dir_okay=False), help="Draw it: .html or .png.")
@command
def critical_points(
    expression: str, box: str, constraint: str | None, no_proof: bool, seed: int, check: bool,
    figure_path: str | None, as_json: bool,
) -> int:  # fmt: skip
    """The critical points of EXPRESSION, such as "x^4+y^4-4*x*y", in a box."""
    import jax

    import cycloid as cy

    f = cy.formula(expression)
    sides = read_box(box, f.variables)
    lower, upper = ([sides[name][end] for name in f.variables] for end in (0, 1))
    result = cy.differentiate.critical_points(
        f, lower, upper, key=jax.random.key(seed), constraint=constraint, certify=not no_proof, throw=False
    )
    return show_result(result, lambda: _print(f, result), check=check, figure_path=figure_path, as_json=as_json)


def _print(f: Any, result: Any) -> None:
    rows = []
    for row in result.to_pandas().to_dict("records"):
        bends = ", ".join(number(v, 4) for name, v in row.items() if name.startswith("curvature"))
        shown = [row["kind"], *(row[name] for name in result.names), row["objective"], bends]
        rows.append([*shown, *([row["multiplier"]] if "multiplier" in row else []), "yes" if row["proven"] else "no"])
    columns = ["kind", *result.names, f.name, "curvatures", *(["λ"] if result.multiplier is not None else []), "proven"]
    lines = [result.sentence]
    for name, extreme in (("Lowest", result.lowest), ("Highest", result.highest)):
        if extreme is not None:
            import numpy as np

            where = ", ".join(f"{n} = {number(v)}" for n, v in zip(result.names, np.ravel(extreme.point)))
            lines.append(f"{name} of the box: {number(extreme.objective)} at {where} ({extreme.place}).")
    if not rows:
        rows = [["-"] * len(columns)]
    table(f"Critical points of {f.text}", columns, rows, "\n".join(lines))
