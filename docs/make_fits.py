"""Write the table of NIST's reference data sets into docs/curve_fitting.md, and the picture of one fit."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import cycloid as cy
from cycloid.optimize import Fit, fit_curve
from cycloid.problems.regressions import SETS, regression

DOCS = Path(__file__).parent
BEGIN, END = "<!-- nist: written by docs/make_fits.py -->", "<!-- end of nist -->"


def digits(found: dict[str, Any], certified: dict[str, float]) -> float:
    """The least log relative error; certified values have eleven digits."""
    worst = max(abs(float(found[name]) - value) / abs(value) for name, value in certified.items())
    return min(11.0, -math.log10(max(worst, 1e-16)))


def row(name: str) -> str:
    """One line of the table: digits and cost from both starts."""
    known = regression(name)
    cells = [f"`{name}`", known.level, str(len(known.parameters))]
    for start in known.starts:
        fit: Fit = fit_curve(known.model, known.x, known.y, start=start, throw=False)
        of_values, of_errors = digits(fit.value, known.parameters), digits(fit.error, known.standard_errors)
        cells += [f"{of_values:.1f}", f"{of_errors:.1f}", str(int(fit.evaluations)), str(fit.status.name)]
    return f"| {' | '.join(cells)} |"


def table() -> str:
    """The whole table."""
    half = "digits | of errors | evaluations | status |"
    head = f"| set | level | parameters | {half} {half}"
    return "\n".join([head, "|" + " --- |" * 11, *(row(name) for name in SETS)])


def picture() -> None:
    """The fit of one set, as the page shows it."""
    known = regression("Rat42")
    fit = fit_curve(known.model, known.x, known.y, start=known.starts[1])
    cy.figures.save(cy.figure(fit), str(DOCS / "images" / "figure-fit.png"))


if __name__ == "__main__":
    cy.enable_x64()
    page = DOCS / "curve_fitting.md"
    before, rest = page.read_text().split(BEGIN)
    page.write_text(f"{before}{BEGIN}\n{table()}\n{END}{rest.split(END)[1]}")
    picture()
