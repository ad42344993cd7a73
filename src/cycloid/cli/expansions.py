"""`cycloid taylor` and `cycloid jacobian`: a polynomial with its remainder; a map, and how a change ripples."""

from __future__ import annotations

import math
from typing import Any

import click

from cycloid.cli.output import command, emit, listing, number, read_point, show_card, show_figure, table

_FIGURE = click.option(
    "--figure", "figure_path", type=click.Path(dir_okay=False), help="Draw the answer: .html, .png or .svg."
)
_CHECK = click.option("--check", is_flag=True, help="Verify the answer by independent methods and print the card.")


@click.command()
@click.argument("expression")
@click.option("--at", "at", required=True, metavar="x=0", help="The centre: a name and a value for each variable.")
@click.option("--order", default=6, show_default=True, type=click.IntRange(0, 30), help="Of the polynomial.")
@click.option("--radius", type=float, metavar="R", help="How far from the centre the remainder is bounded.")
@_CHECK
@_FIGURE
@command
def taylor(
    expression: str, at: str, order: int, radius: float | None, check: bool, figure_path: str | None, as_json: bool
) -> int:
    """The Taylor polynomial of EXPRESSION, such as "sin(x)", and how far it may be from it.

    The remainder is a bound, by interval arithmetic, wherever the formula allows it, and else an estimate.
    """
    import cycloid as cy

    f = cy.formula(expression)
    found = cy.differentiate.taylor(f, _point(f.variables, at, f.text), order=order, radius=radius)
    card = cy.check(found) if check else None
    if figure_path:
        show_figure(cy.figure(found), figure_path, as_json)
    if as_json:
        emit({"formula": f.text, **found.to_dict(), "polynomial": str(found.value), "card": card})
    else:
        kind = {"bound": "at most", "estimate": "about"}.get(found.error_kind.name, "not known:")
        lines: dict[str, Any] = {
            "f": f.text,
            "polynomial": str(found.value),
            "its distance from f": f"{kind} {number(found.error, 3)} within {number(found.radius, 3)} of the centre",
        }
        if found.value.powers is None:
            lines["radius of convergence"] = _reach(float(found.convergence))
        exact = _exact(f, found)
        if exact is not None:
            lines["exactly"] = exact
        listing(lines)
        show_card(card)
    return 1 if card is not None and card.verdict == "disagrees" else 0


def _reach(far: float) -> str:
    if math.isnan(far):
        return "not known: the coefficients do not tell"
    return "infinite" if math.isinf(far) else f"about {far:.2g}, as the coefficients suggest"


def _exact(f: Any, found: Any) -> str | None:
    """The polynomial with exact coefficients, of one variable and an order that the explanations reach."""
    from cycloid import explain
    from cycloid.core.algebra import AlgebraError

    if len(f.variables) != 1 or found.order > 12:
        return None
    try:
        told = explain.taylor(f, at=float(found.value.centre), order=found.order)
    except (AlgebraError, ValueError):
        return None
    return None if told.formula is None else told.formula.text


@click.command()
@click.argument("expressions")
@click.option("--at", "at", required=True, metavar="x=1,y=2", help="The point: a name and a value for each variable.")
@click.option("--dx", metavar="x=0.1", help="A change of some inputs, and how it ripples to every output.")
@_CHECK
@_FIGURE
@command
def jacobian(expressions: str, at: str, dx: str | None, check: bool, figure_path: str | None, as_json: bool) -> int:
    """The Jacobian of EXPRESSIONS, such as "x^2 - y^2, 2x*y", as a map: its stretches and its area scale.

    With --dx the change of every output too, as the Jacobian promises it and as it happens; card and figure show that.
    """
    import cycloid as cy
    from cycloid.differentiate.vector_maps import components

    names = components(expressions).variables
    point = _point(names, at, expressions)
    found = cy.differentiate.jacobian_map(expressions, point)
    wave = None if dx is None else cy.differentiate.ripple(expressions, point, read_point(dx, "--dx"))
    subject = found if wave is None else wave
    card = cy.check(subject) if check else None
    if figure_path:
        show_figure(cy.figure(subject), figure_path, as_json)
    if as_json:
        told = found.to_dict() | {"condition": found.condition, "orientation": found.orientation}
        emit({"map": expressions, "at": point, "jacobian": told, "ripple": wave, "card": card})
    else:
        _show_map(found)
        if wave is not None:
            _show_ripple(wave)
        show_card(card)
    return 1 if card is not None and card.verdict == "disagrees" else 0


def _show_map(found: Any) -> None:
    import numpy as np

    J = np.asarray(found.value)
    rows = [[name, *row] for name, row in zip(found.output_names, J, strict=True)]
    table("Jacobian", ["", *(f"d/d{name}" for name in found.input_names)], rows)
    lines: dict[str, Any] = {"stretches": ", ".join(number(s) for s in np.asarray(found.singular_values))}
    square = J.shape[0] == J.shape[1]
    if square:
        lines["determinant"] = found.determinant
    lines["areas grow by" if J.shape[1] == 2 else "volumes grow by"] = found.scale
    lines["condition"] = "infinite: it flattens" if not np.isfinite(found.condition) else number(found.condition)
    if square:
        sign = float(found.orientation)
        lines["orientation"] = "kept" if sign > 0 else "turned over" if sign < 0 else "lost: it flattens"
    listing(lines)


def _show_ripple(wave: Any) -> None:
    import numpy as np

    columns = [np.asarray(v) for v in (wave.before, wave.after, wave.change, wave.value, wave.relative)]
    rows = [
        [name, *numbers[:4], f"{100 * numbers[4]:.2g} %"]
        for name, *numbers in sorted(zip(wave.output_names, *columns, strict=True), key=lambda row: -abs(row[3]))
    ]
    moved = ", ".join(
        f"{name} {'+' if d > 0 else '-'} {number(abs(d))}"
        for name, d in zip(wave.input_names, np.asarray(wave.step), strict=True)
        if d
    )
    click.echo()
    table(f"Ripple of {moved}", ["output", "before", "after", "true change", "J dx", "apart"], rows)


def _point(names: Any, at: str, text: str) -> dict[str, float]:
    point = read_point(at, "--at") if at.strip() else {}
    if set(point) != set(names):
        needs = ",".join(f"{name}=1" for name in names)
        raise ValueError(f'{text} has the variables {", ".join(names) or "none"}: write --at "{needs}".')
    return {name: point[name] for name in names}
