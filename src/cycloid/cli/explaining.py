"""`cycloid explain`: a derivative, an antiderivative or a Taylor polynomial step by step, each line checked."""

from __future__ import annotations

from typing import Any

import click

from cycloid.cli.output import command, emit, read_point, show_card, show_figure


@click.command()
@click.argument("expression")
@click.option("--at", "at", metavar="x=2", help="Insert the result at a point: a name and a value for each variable.")
@click.option("--order", type=click.IntRange(0, 12), help="Of the derivative (1 by default) or of --taylor (5).")
@click.option("--wrt", metavar="x", help="The variable; needed when there are several.")
@click.option("--antiderivative", is_flag=True, help="Integrate instead of differentiating.")
@click.option("--bounds", metavar="0,1", help="With --antiderivative: the integral between two numbers, or inf.")
@click.option("--taylor", is_flag=True, help="Expand in a Taylor polynomial, round the point of --at or 0.")
@click.option("--latex", is_flag=True, help="Print LaTeX, for a document with amsmath.")
@click.option("--html", "html_path", type=click.Path(dir_okay=False), help="Write a page with the steps, .html.")
@click.option("--check", is_flag=True, help="Verify the result by another method and print the card.")
@click.option("--figure", "figure_path", type=click.Path(dir_okay=False), help="Draw it: .html or .png.")
@command
def explain(
    expression: str,
    at: str | None,
    order: int | None,
    wrt: str | None,
    antiderivative: bool,
    bounds: str | None,
    taylor: bool,
    latex: bool,
    html_path: str | None,
    check: bool,
    figure_path: str | None,
    as_json: bool,
) -> int:
    """The derivative of EXPRESSION, such as "x^3+2x+1", as a tree of named rules, each line tried numerically.

    Ends with the value at --at. With --antiderivative it integrates, with --taylor it expands.
    """
    import cycloid as cy

    derivation = _asked(expression, at, order, wrt, antiderivative, bounds, taylor)
    card = cy.check(derivation) if check else None
    if html_path:
        _write_page(derivation, html_path, as_json)
    if figure_path:
        show_figure(cy.figure(derivation), figure_path, as_json)
    if as_json:
        emit({**derivation.to_dict(), "card": card})
    else:
        click.echo(derivation.latex if latex else derivation.text)
        show_card(card)
    return 0 if derivation.status.ok and (card is None or card.verdict != "disagrees") else 1


def _asked(
    expression: str,
    at: str | None,
    order: int | None,
    wrt: str | None,
    antiderivative: bool,
    bounds: str | None,
    taylor: bool,
) -> Any:
    """The explanation that the options ask for.

    Raises:
        ValueError: when options do not go together.
    """
    import cycloid as cy

    f = cy.formula(expression)
    if wrt is None and len(f.variables) > 1:
        raise ValueError(f"{f.text} has the variables {', '.join(f.variables)}: choose one by --wrt {f.variables[0]}.")
    if antiderivative and taylor:
        raise ValueError("--antiderivative and --taylor ask for two things: choose one.")
    if bounds is not None and not antiderivative:
        raise ValueError('--bounds belongs to --antiderivative: cycloid explain "x^2" --antiderivative --bounds 0,1.')
    if antiderivative:
        if at is not None or order is not None:
            raise ValueError("--antiderivative takes --bounds, not --at or --order.")
        return cy.explain.antiderivative(f, wrt, bounds=None if bounds is None else _bounds(bounds))
    if taylor:
        point = read_point(at, "--at") if at else {}
        if point and list(point) != list(f.variables):
            needs = ",".join(f"{name}=0" for name in f.variables)
            raise ValueError(
                f'{expression} has the variables {", ".join(f.variables) or "none"}: write --at "{needs}".'
            )
        centre = next(iter(point.values()), 0.0)
        return cy.explain.taylor(f, wrt, at=centre, order=5 if order is None else order)
    if order == 0:
        raise ValueError("--order of a derivative is 1, 2, …; --order 0 is for --taylor.")
    point = None if at is None else read_point(at, "--at")
    if point is not None and set(point) != set(f.variables):
        needs = ",".join(f"{name}=1" for name in f.variables)
        raise ValueError(f'{f.text} has the variables {", ".join(f.variables) or "none"}: write --at "{needs}".')
    return cy.explain.derivative(f, wrt, at=point, order=1 if order is None else order)


def _bounds(text: str) -> tuple[float, float]:
    """Two numbers, constant formulas, or inf."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 2:
        raise ValueError(f'--bounds reads two numbers, such as "0,1" or "0,inf"; it was {text!r}.')
    low, high = (_bound(part) for part in parts)
    return low, high


def _bound(text: str) -> float:
    from cycloid.core.formulas import formula

    infinite = {"inf": 1.0, "+inf": 1.0, "oo": 1.0, "∞": 1.0, "-inf": -1.0, "-oo": -1.0, "-∞": -1.0}
    if text.lower() in infinite:
        return infinite[text.lower()] * float("inf")
    constant = formula(text)
    if constant.variables:
        raise ValueError(f"--bounds reads numbers, not {text!r}.")
    return float(constant())


def _write_page(derivation: Any, path: str, as_json: bool) -> None:
    """A page of its own round the fragment."""
    from html import escape

    from cycloid.core.storage import write_atomically

    head = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    )
    policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    csp = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    write_atomically(
        path, f"{head}{csp}<title>{escape(derivation.heading)}</title></head><body>{derivation.html}</body></html>"
    )
    click.echo(f"Page written to {path}", err=as_json)
