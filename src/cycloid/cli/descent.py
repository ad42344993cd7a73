"""`cycloid minimize`: one method and its trace, or a race of many on an equal budget."""

from __future__ import annotations

from typing import Any

import click

from cycloid.cli.output import command, emit, listing, number, read_names, read_point, show_card, show_figure, table


@click.command()
@click.argument("expression")
@click.option("--from", "start", required=True, metavar="x=-1.2,y=1", help="Where to start.")
@click.option("--methods", "--method", "names", default="trust-region", show_default=True, help="Names, or all.")
@click.option("--learning-rate", "rate", type=float, help="For every method; a race without it tunes each on one grid.")
@click.option("--tol", type=float, default=1e-6, show_default=True, help="On the gradient; 0 runs all the steps.")
@click.option("--max-steps", default=20_000, show_default=True, type=click.IntRange(1), help="For one method.")
@click.option(
    "--evaluations", default=2_000, show_default=True, type=click.IntRange(1), help="For each method of a race."
)
@click.option("--seed", default=0, show_default=True, help="For all that is left to chance.")
@click.option("--check", is_flag=True, help="Verify the answer by an independent method and print the card.")
@click.option("--figure", "figure_path", type=click.Path(dir_okay=False), help="Draw it: .html or .png.")
@command
def minimize(expression: str, start: str, names: str, as_json: bool, **options: Any) -> int:
    """Minimise EXPRESSION, such as "(1-x)^2+100*(y-x^2)^2", from a start.

    One method prints the minimiser and what it cost; several run a race with equal evaluations.
    """
    import cycloid as cy

    f = cy.formula(expression)
    x0 = read_point(start, "--from")
    chosen = list(cy.optimize.METHODS) if names.strip() == "all" else read_names(names)
    methods = {name: cy.optimize.method(name) for name in chosen}
    if not methods:
        raise ValueError(f"--methods names at least one of {', '.join(cy.optimize.METHODS)}.")
    if len(methods) == 1:
        return _one(f, x0, chosen[0], as_json=as_json, **options)
    return race_formula(f, x0, chosen, as_json=as_json, **options)


def _one(f: Any, x0: dict[str, float], name: str, *, as_json: bool, **options: Any) -> int:
    import cycloid as cy

    method = cy.optimize.method(name, learning_rate=options["rate"])
    result = cy.optimize.minimize(f, x0, method=method, tol=options["tol"], max_steps=options["max_steps"], throw=False)
    card = cy.check(result) if options["check"] else None
    if options["figure_path"]:
        show_figure(cy.figure(result), options["figure_path"], as_json)
    if as_json:
        emit({**result.to_dict(), "method": name, "card": card})
    else:
        listing(
            {
                "f": f.text,
                "method": f"{name}, learning rate {number(getattr(method, 'learning_rate', None))}",
                **{f"  {key}": float(value) for key, value in result.value.items()},
                "objective": _plain(result.objective),
                "gradient norm": _plain(result.gradient_norm),
                "steps": _plain(result.steps),
                "evaluations": _plain(result.evaluations),
                "status": result.status.message,
            }
        )
        show_card(card)
    return 0 if result.status.ok and (card is None or card.verdict != "disagrees") else 1


def race_formula(f: Any, x0: dict[str, float], names: list[str], *, as_json: bool, **options: Any) -> int:
    """Race methods on a formula, print the table, or draw and check it: what `minimize` and `race` share."""
    import jax

    import cycloid as cy

    result = cy.race(
        f,
        x0,
        methods=names,
        evaluations=options["evaluations"],
        seconds=options.get("seconds"),
        learning_rates=options["rate"],
        key=jax.random.key(options["seed"]),
        timed=options.get("view") == "time",
    )
    card = cy.check(result) if options["check"] else None
    if options["figure_path"]:
        view = options.get("view", "steps")
        picture = cy.figure(result, view="curves" if view == "steps" else view)
        show_figure(picture, options["figure_path"], as_json)
    if as_json:
        emit({**result.to_dict(), "card": card})
    else:
        _print_race(f, result)
        show_card(card)
    return 0 if card is None or card.verdict != "disagrees" else 1


def _plain(scalar: Any) -> float:
    return float(scalar)


def _print_race(f: Any, result: Any) -> None:
    rows = [
        [
            row.method,
            row.learning_rate,
            row.objective,
            f"{number(row.low, 3)} to {number(row.high, 3)}",
            row.evaluations_to_target,
            f"{row.reached:.0%}",
            f"{row.failed:.0%}",
        ]
        for row in result.to_pandas().itertuples(index=False)
    ]
    columns = ["method", "learning rate", "objective", "interval", "evaluations to target", "reached it", "failed"]
    protocol = result.protocol
    lines = [
        f"Medians over {protocol['seeds']} starts ({protocol['starts']}); interval: {protocol['interval']}.",
        f"The target is an objective of {number(protocol['target'], 4)}, within 1 % of the best fall of all.",
        f"Learning rates: {protocol['tuning']}; {_plain(result.evaluations)} evaluations in all.",
    ]
    wins = dict(zip(result.value["method"], result.value["best_for"], strict=True))
    lines += [f"Best: {name}, {won}." for name, won in wins.items() if won]
    if protocol["at_the_edge_of_the_grid"]:
        lines.append(f"Best at the edge of its grid: {', '.join(protocol['at_the_edge_of_the_grid'])}.")
    table(f"Race on {f.text}, {protocol['budget']}", columns, rows, "\n".join(lines))
