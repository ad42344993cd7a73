"""`cycloid sensitivity`: what each input of a formula does to its value, at a point and over ranges."""

from __future__ import annotations

from typing import Any

import click

from cycloid.cli.output import command, listing, number, read_box, read_point, show_result, table


@click.command()
@click.argument("expression")
@click.option("--at", "at", required=True, metavar="sleep=7,nutrition=0.8", help="The point: a value for each input.")
@click.option("--within", metavar="20%", help="Shares of the variance when each input varies by so much.")
@click.option("--box", metavar="sleep=4..10,nutrition=0..1", help="The same over these ranges.")
@click.option("--normal", is_flag=True, help="Normal inputs, their middle 95 % in the ranges; else uniform.")
@click.option("--samples", default=2**14, show_default=True, type=click.IntRange(64), help="Points of the base sample.")
@click.option("--seed", default=0, show_default=True, help="For the points.")
@click.option("--check", is_flag=True, help="Verify the answer by an independent method and print the card.")
@click.option("--figure", "figure_path", type=click.Path(dir_okay=False), help="Draw it: .html or .png.")
@command
def sensitivity(
    expression: str, at: str, within: str | None, box: str | None, normal: bool, samples: int, seed: int, check: bool,
    figure_path: str | None, as_json: bool,
) -> int:  # fmt: skip
    """How EXPRESSION, such as "sleep*nutrition", depends on each of its variables."""
    import jax

    import cycloid as cy

    f = cy.formula(expression)
    x = read_point(at, "--at")
    ranges: dict[str, Any] = {}
    if within is not None:
        ranges["within"] = _share(within)
    if box is not None:
        sides = read_box(box, f.variables)
        ranges |= {"lower": {n: a for n, (a, _) in sides.items()}, "upper": {n: b for n, (_, b) in sides.items()}}
    result = cy.differentiate.sensitivity(
        f, x, **ranges, samples=samples, distribution="normal" if normal else "uniform", key=jax.random.key(seed),
        throw=False,
    )  # fmt: skip
    return show_result(result, lambda: _print(f, result), check=check, figure_path=figure_path, as_json=as_json)


def _share(text: str) -> float:
    """A share such as "20%" or "0.2".

    Raises:
        ValueError: when it is neither.
    """
    try:
        return float(text.rstrip().removesuffix("%")) / (100 if text.rstrip().endswith("%") else 1)
    except ValueError:
        raise ValueError(f'--within reads a share, such as "20%" or 0.2; it was {text!r}.') from None


def _print(f: Any, result: Any) -> None:
    listing({f.text: float(result.output), "status": result.status.message})
    columns, rows = ["input", "at", "partial derivative", "elasticity"], []
    shared = result.replicates is not None
    columns += ["share alone", "with interactions"] if shared else []
    for name, row in result.to_pandas().iterrows():
        told = [str(name), row["at"], row["partial"], row["elasticity"]]
        for share in ("first", "total") if shared else ():
            told.append(f"{number(row[share], 4)} ± {number(row[f'{share} high'] - row[share], 2)}")
        rows.append(told)
    table("Sensitivity", columns, rows, result.sentence + (" ± is half of a 95 % interval." if shared else ""))
