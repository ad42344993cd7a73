"""`cycloid race`: how many times faster is one method than another, on networks or on a formula."""

from __future__ import annotations

import contextlib
from typing import Any

import click

from cycloid.cli.output import command, emit, number, read_names, read_point, show_card, show_figure, table

METHODS = "sgd,momentum,adam"


@click.command()
@click.argument("what")
@click.option("--from", "start", metavar="x=-1.2,y=1", help="Where to start, for a formula.")
@click.option("--task", "tasks", multiple=True, help="Of the digits: classifier, tanh-autoencoder ... (all of them).")
@click.option(
    "--methods", "names", help="Names; of the digits the first is the baseline.  [default: sgd,momentum,adam]"
)
@click.option("--learning-rate", "rate", type=float, help="For every method; without it each is tuned on one grid.")
@click.option("--evaluations", type=click.IntRange(1), help="For each run.")
@click.option("--seconds", type=float, help="For a formula: a budget of time for each method, instead.")
@click.option("--seed", default=0, show_default=True, help="For all that is left to chance.")
@click.option("--check", is_flag=True, help="Verify the answer by an independent method and print the card.")
@click.option("--figure", "figure_path", type=click.Path(dir_okay=False), help="Draw it: .html or .png.")
@command
def race(what: str, start: str | None, names: str | None, as_json: bool, **options: Any) -> int:
    """Race methods on WHAT: "digits", or a formula such as "x^2 + 400y^2".

    On the digits three networks are trained to several losses, and the table says how many times fewer steps each
    method needs than the first; it takes minutes. A formula is raced with an equal budget.
    """
    import cycloid as cy

    if what.strip().lower() != "digits":
        from cycloid.cli.descent import race_formula

        if start is None:
            raise ValueError(f'a race on a formula needs a start, such as --from "x=3,y=1"; on networks: cycloid race '
                             f'digits. WHAT was {what!r}.')  # fmt: skip
        f, chosen = cy.formula(what), read_names(names or METHODS)
        return race_formula(f, read_point(start, "--from"), chosen, as_json=as_json, **options)
    if start is not None or options["seconds"] is not None:
        raise ValueError("cycloid race digits takes no --from and no --seconds: its networks draw their own starts.")
    return _digits(read_names(names or METHODS), as_json=as_json, **options)


def _digits(names: list[str], *, tasks: tuple[str, ...], as_json: bool, **options: Any) -> int:
    import cycloid as cy
    from cycloid.problems.digit_networks import TASKS

    unknown = [task for task in tasks if task not in TASKS]
    if unknown:
        raise ValueError(f"--task is one of {', '.join(TASKS)}; it was {unknown[0]!r}.")
    chosen = tasks or tuple(TASKS)
    if options["figure_path"] and len(chosen) > 1:
        raise ValueError(f"a figure shows one task: add --task {chosen[0]}, or another of {', '.join(chosen)}.")
    with contextlib.suppress(RuntimeError):  # where JAX has started, on the devices there are
        cy.enable_all_cores()
    answers, ok = [], True
    for name in chosen:
        found = _contest(TASKS[name], names, **options)
        card = cy.check(found) if options["check"] else None
        ok = ok and (card is None or card.verdict != "disagrees")
        if options["figure_path"]:
            show_figure(cy.figure(found, title=TASKS[name].name), options["figure_path"], as_json)
        if as_json:
            answers.append({"task": name, **found.to_dict(), "card": card})
        else:
            _print(TASKS[name].name, found)
            show_card(card)
    if as_json:
        emit(answers)
    return 0 if ok else 1


def _contest(task: Any, names: list[str], *, rate: float | None, evaluations: int | None, seed: int, **_: Any) -> Any:
    import jax

    import cycloid as cy

    f, score = task.on_batches()
    return cy.optimize.milestones(
        f, task.start, targets=task.targets, methods=names, evaluations=evaluations or task.steps, score=score,
        key=jax.random.key(seed), learning_rates=rate, every=min(10, evaluations or 10), timed=True,
    )  # fmt: skip


def _print(title: str, found: Any) -> None:
    protocol = found.protocol
    first = protocol["baseline"]
    rows = []
    for line in found.to_pandas().itertuples(index=False):
        times = (
            "-"
            if line.method == first
            else f"{number(line.times, 3)} ({number(line.low, 3)} to {number(line.high, 3)})"
        )
        rate = None if line.learning_rate is None else float(line.learning_rate)
        rows.append([number(line.target), line.method, number(rate, 3), line.evaluations, f"{line.reached:.0%}", times])
    columns = ["loss to reach", "method", "learning rate", "steps", "reached it", f"times fewer than {first}"]
    paces = protocol["seconds_per_evaluation"]
    lines = [
        f"Medians over {protocol['seeds']} seeds, their interval in brackets; each learning rate tuned on "
        f"{protocol['tuned_on']}.",
        f"{int(found.evaluations)} steps in all, {protocol['ran']}. Seconds a step, beside {first}: "
        + ", ".join(f"{name} {pace / paces[first]:.2f}" for name, pace in paces.items()) + ".",
    ]  # fmt: skip
    if protocol["at_the_edge_of_the_grid"]:
        lines.append(f"Best at the edge of its grid: {', '.join(protocol['at_the_edge_of_the_grid'])}.")
    table(title, columns, rows, "\n".join(lines))
