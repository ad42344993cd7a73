"""`cycloid derivative` and `cycloid gradient`: exact values by automatic differentiation, formulas by algebra."""

from __future__ import annotations

from typing import Any

import click

from cycloid.cli.output import command, emit, listing, number, read_point, show_card, show_figure


@click.command()
@click.argument("expression")
@click.option("--at", "at", required=True, metavar="x=2", help="The point: a name and a value for each variable.")
@click.option("--order", default=1, show_default=True, type=click.IntRange(1, 20), help="Of the derivative.")
@click.option("--wrt", metavar="x", help="The variable to differentiate by; needed when there are several.")
@click.option("--check", is_flag=True, help="Verify the value by independent methods and print the card.")
@click.option(
    "--figure", "figure_path", type=click.Path(dir_okay=False), help="Draw f and its derivatives: .html or .png."
)
@command
def derivative(
    expression: str, at: str, order: int, wrt: str | None, check: bool, figure_path: str | None, as_json: bool
) -> int:
    """The derivative of EXPRESSION, such as "x^3+2x+1", at a point.

    The value comes from automatic differentiation (exact up to rounding), the formula from computer algebra.
    """
    import cycloid as cy

    f = cy.formula(expression)
    point = _point_of(f, at)
    variable = _variable(f, wrt)
    value = float(cy.differentiate.partial(f, *[variable] * order)(**point))
    shown = _derivative_text(f, variable, order)
    card = _derivative_card(f, variable, point, order) if check else None
    if figure_path:
        show_figure(_derivative_figure(f, variable, point, order), figure_path, as_json)
    if as_json:
        emit(
            {
                "formula": f.text,
                "variable": variable,
                "order": order,
                "at": point,
                "value": value,
                "derivative": shown,
                "card": card,
            }
        )
    else:
        where = ", ".join(f"{k} = {number(v)}" for k, v in point.items())
        mark = f"d{'' if order == 1 else f'^{order}'}f/d{variable}{'' if order == 1 else f'^{order}'}"
        lines: dict[str, Any] = {"f": f.text}
        if shown is not None:
            lines[mark] = shown
        lines[f"{mark} at {where}"] = value
        listing(lines)
        show_card(card)
    return 1 if card is not None and card.verdict == "disagrees" else 0


@click.command()
@click.argument("expression")
@click.option("--at", "at", required=True, metavar="x=1,y=2", help="The point: a name and a value for each variable.")
@click.option("--hessian", is_flag=True, help="Print the matrix of second derivatives too.")
@click.option("--check", is_flag=True, help="Verify the gradient by independent methods and print the card.")
@click.option("--figure", "figure_path", type=click.Path(dir_okay=False), help="Draw the gradient: .html or .png.")
@command
def gradient(expression: str, at: str, hessian: bool, check: bool, figure_path: str | None, as_json: bool) -> int:
    """The gradient of EXPRESSION, such as "(1-x)^2+100*(y-x^2)^2", at a point."""
    import jax
    import numpy as np

    import cycloid as cy

    f = cy.formula(expression)
    point = _point_of(f, at)
    slopes = {name: float(cy.differentiate.partial(f, name)(**point)) for name in f.variables}
    x = np.array([point[name] for name in f.variables])
    matrix = np.asarray(jax.hessian(f.of_vector)(x)) if hessian else None
    from cycloid import checks

    card = checks.gradient(f, x) if check else None
    if figure_path:
        from cycloid import figures

        show_figure(figures.gradient(f, point), figure_path, as_json)
    if as_json:
        emit({"formula": f.text, "at": point, "gradient": slopes, "hessian": matrix, "card": card})
    else:
        lines: dict[str, Any] = {"f": f.text, "value": float(f(**point))}
        lines.update({f"df/d{name}": slope for name, slope in slopes.items()})
        lines["steepest ascent rises by"] = float(np.linalg.norm(list(slopes.values())))
        listing(lines)
        if matrix is not None:
            from cycloid.cli.output import table

            table("Hessian", ["", *f.variables], [[name, *row] for name, row in zip(f.variables, matrix, strict=True)])
        show_card(card)
    return 1 if card is not None and card.verdict == "disagrees" else 0


def _point_of(f: Any, at: str) -> dict[str, float]:
    point = read_point(at, "--at") if at.strip() else {}
    missing = [name for name in f.variables if name not in point]
    extra = [name for name in point if name not in f.variables]
    if missing or extra:
        needs = ",".join(f"{name}=1" for name in f.variables)
        raise ValueError(f'{f.text} has the variables {", ".join(f.variables) or "none"}: write --at "{needs}".')
    return {name: point[name] for name in f.variables}


def _variable(f: Any, wrt: str | None) -> str:
    if wrt is None:
        if len(f.variables) != 1:
            raise ValueError(
                f"{f.text} has the variables {', '.join(f.variables)}: choose one by --wrt {f.variables[0]}."
            )
        return f.variables[0]
    if wrt not in f.variables:
        raise ValueError(f"--wrt {wrt}: {f.text} has the variables {', '.join(f.variables)}.")
    return wrt


def _along(f: Any, variable: str, point: dict[str, float]) -> Any:
    """f as a function of one variable, the others held at the point."""
    held = {name: value for name, value in point.items() if name != variable}
    return f if not held else lambda value: f(**{**held, variable: value})


def _derivative_text(f: Any, variable: str, order: int) -> str | None:
    from cycloid.core.algebra import AlgebraError, derivative

    try:
        return derivative(f, variable, order=order).text
    except (AlgebraError, ValueError):
        return None


def _derivative_card(f: Any, variable: str, point: dict[str, float], order: int) -> Any:
    from cycloid import checks

    return checks.derivative(_along(f, variable, point), point[variable], order)


def _derivative_figure(f: Any, variable: str, point: dict[str, float], order: int) -> Any:
    from cycloid import figures

    middle = point[variable]
    span = max(2.0, abs(middle))
    return figures.function(_along(f, variable, point), middle - span, middle + span, order=order, at=middle)
