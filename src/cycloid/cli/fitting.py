"""`cycloid fit-curve`: a formula fitted to the columns of a CSV file, with standard errors."""

from __future__ import annotations

import difflib
from typing import Any

import click

from cycloid.cli.output import command, emit, listing, number, read_point, show_card, show_figure, table


@click.command("fit-curve")
@click.argument("file", type=click.Path(dir_okay=False))
@click.option("--model", required=True, metavar='"a*exp(-b*x)"', help="A formula of columns and parameters.")
@click.option("--start", metavar="a=1,b=0.1", help="Where the parameters begin; without it many starts are tried.")
@click.option("--x", "x_name", metavar="COLUMN", help="The column that the model calls x.")
@click.option("--y", "y_name", metavar="COLUMN", help="The observations; without it the column that is left, or y.")
@click.option("--weights", "weights_name", metavar="COLUMN", help="Weights of the squares.")
@click.option("--level", default=0.95, show_default=True, type=click.FloatRange(0, 1, True, True), help="Of intervals.")
@click.option("--tol", type=float, help="On the share of the residuals that another step could remove.")
@click.option("--max-steps", default=500, show_default=True, type=click.IntRange(1))
@click.option("--seed", type=int, help="Shifts the starts that are tried.")
@click.option("--check", is_flag=True, help="Verify the answer by an independent method and print the card.")
@click.option("--figure", "figure_path", type=click.Path(dir_okay=False), help="Draw it: .html or .png.")
@command
def fit_curve(file: str, model: str, as_json: bool, **options: Any) -> int:
    """Fit a formula to the columns of FILE.csv by least squares.

    Variables of the model that are columns are data, the others are parameters.
    """
    import jax

    import cycloid as cy

    text, y_name, x, y, weights, remarks = _read(file, model, options)
    start = read_point(options["start"], "--start") if options["start"] else None
    key = None if options["seed"] is None else jax.random.key(options["seed"])
    fit = cy.optimize.fit_curve(
        text, x, y, start=start, weights=weights, tol=options["tol"], max_steps=options["max_steps"], key=key,
        throw=False,
    )  # fmt: skip
    card = cy.check(fit) if options["check"] else None
    if options["figure_path"]:
        show_figure(cy.figure(fit, level=options["level"]), options["figure_path"], as_json)
    if as_json:
        parameters = fit.table(options["level"])
        emit({**fit.to_dict(), "parameters": parameters, "model": text, "not_told_apart": _blurred(fit), "card": card})
    else:
        _print(fit, text, y_name, len(y), options["level"], remarks)
        show_card(card)
    return 0 if fit.status.ok and (card is None or card.verdict != "disagrees") else 1


def _read(file: str, model: str, options: dict[str, Any]) -> tuple[str, str, dict[str, Any], Any, Any, list[str]]:
    """(formula, name of y, columns of data, observations, weights, remarks), from rows without a missing cell."""
    import numpy as np

    from cycloid.core.formulas import formula
    from cycloid.train.tables import read_table

    sheet = read_table(file)
    left, equals, right = model.partition("=")
    named = equals and left.strip() in sheet.names
    text = right.strip() if named else model
    variables = formula(text).variables
    x_name = options["x_name"]
    columns = {name: name for name in variables if name in sheet.names}
    if x_name is not None:
        _known(x_name, sheet.names, "--x")
        if x_name not in variables and "x" not in variables:
            raise ValueError(f"--x {x_name}: the model {text!r} has neither {x_name} nor x among its variables.")
        columns["x" if x_name not in variables else x_name] = x_name
    if not columns:
        raise ValueError(
            f"none of the variables {', '.join(variables)} of the model is a column of {file}: the columns are "
            f"{', '.join(sheet.names)}. Name one of them in the model, or say --x COLUMN for its x."
        )
    y_name = _observed(left.strip() if named else options["y_name"], sheet.names, columns, options["weights_name"])
    wanted = {**columns, "\0y": y_name}
    if options["weights_name"] is not None:
        _known(options["weights_name"], sheet.names, "--weights")
        wanted["\0weights"] = options["weights_name"]
    values = {key: _numbers(sheet, name) for key, name in wanted.items()}
    whole = np.all([np.isfinite(column) for column in values.values()], axis=0)
    if not np.any(whole):
        raise ValueError(f"{file} has no row in which {', '.join(wanted.values())} are all given.")
    remarks = list(sheet.remarks)
    if not np.all(whole):
        first = int(np.argmin(whole))
        gone = int(np.sum(~whole))
        remarks.append(f"{gone} row(s) with an empty cell are left out, the first in line {sheet.lines[first]}.")
    values = {key: column[whole] for key, column in values.items()}
    return text, y_name, {name: values[name] for name in columns}, values["\0y"], values.get("\0weights"), remarks


def _numbers(sheet: Any, name: str) -> Any:
    import pandas as pd

    from cycloid.train.columns import as_numbers

    return as_numbers(pd.Series(sheet.columns[sheet.names.index(name)], dtype=object), name, sheet.lines)


def _known(name: str, names: list[str], option: str) -> None:
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"{option} {name}: there is no such column.{hint} The columns are {', '.join(names)}.")


def _observed(asked: str | None, names: list[str], columns: dict[str, str], weights: str | None) -> str:
    if asked is not None:
        _known(asked, names, "--y")
        return asked
    left = [name for name in names if name not in columns.values() and name != weights]
    if len(left) == 1:
        return left[0]
    if "y" in left:
        return "y"
    raise ValueError(
        f"which column holds the observations? Say --y COLUMN; there are {', '.join(left) or 'none left'}."
    )


def _blurred(fit: Any) -> list[str]:
    return fit.not_told_apart if not fit.status.ok else []


def _print(fit: Any, text: str, y_name: str, rows: int, level: float, remarks: list[str]) -> None:
    lines = [
        [row["name"], row["value"], row["standard_error"], f"{number(row['low'])} to {number(row['high'])}"]
        for row in fit.table(level)
    ]
    note = "\n".join(
        [
            *remarks,
            fit.status.message,
            *([f"Not told apart: {', '.join(_blurred(fit))}."] if _blurred(fit) else []),
        ]
    )
    table(f"{y_name} = {text}", ["parameter", "value", "standard error", f"{level:.0%} interval"], lines, note)
    listing(
        {
            "observations": rows,
            "degrees of freedom": int(fit.degrees_of_freedom),
            "residual deviation": float(fit.residual_sd),
            "sum of squares": float(fit.sum_of_squares),
            "evaluations": int(fit.evaluations),
        }
    )
