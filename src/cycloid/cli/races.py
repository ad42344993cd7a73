"""`cycloid race`: how many times faster is one method than another, on networks or on a formula."""

from __future__ import annotations

import contextlib
from typing import Any

import click
import numpy as np

from cycloid.cli.output import command, emit, number, read_names, read_point, show_card, show_figure, table

METHODS = "sgd,momentum,adam"
# Of --quick: every second rate of the whole grid.
COARSE = (1e-3, 1e-2, 1e-1, 1.0)


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
@click.option("--quick", is_flag=True, help="Of the digits: a fifth of the steps, a grid of four rates, easier losses.")
@click.option("--seed", default=0, show_default=True, help="For all that is left to chance.")
@click.option("--check", is_flag=True, help="Verify the answer by an independent method and print the card.")
@click.option("--figure", "figure_path", type=click.Path(dir_okay=False), help="Draw it: .html or .png.")
@click.option("--view", type=click.Choice(["steps", "time", "terrain"]), default="steps", show_default=True,
              help="Of the figure; terrain for a formula of two variables.")  # fmt: skip
@command
def race(what: str, start: str | None, names: str | None, as_json: bool, **options: Any) -> int:
    """Race methods on WHAT: "digits", or a formula such as "x^2 + 400y^2".

    On the digits three networks are trained to several losses, every learning rate tuned on seeds that do not count,
    and the table says how many times fewer steps each method needs than the first; it takes minutes, a first look
    by --quick less than one. A formula is raced with an equal budget.
    """
    import cycloid as cy

    if what.strip().lower() != "digits":
        from cycloid.cli.descent import race_formula

        if start is None:
            raise ValueError(f'a race on a formula needs a start, such as --from "x=3,y=1"; on networks: cycloid race '
                             f'digits. WHAT was {what!r}.')  # fmt: skip
        f, chosen = cy.formula(what), read_names(names or METHODS)
        options["evaluations"] = options["evaluations"] or (None if options["seconds"] else 2_000)
        return race_formula(f, read_point(start, "--from"), chosen, as_json=as_json, **options)
    if start is not None or options["seconds"] is not None:
        raise ValueError("cycloid race digits takes no --from and no --seconds: its networks draw their own starts.")
    if options["view"] == "terrain":
        raise ValueError("a terrain has two variables: networks are drawn with --view steps or --view time.")
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
    answers, contests, ok = [], [], True
    for name in chosen:
        task = TASKS[name].shortened() if options["quick"] else TASKS[name]
        found = _contest(task, names, **options)
        card = cy.check(found) if options["check"] else None
        ok = ok and (card is None or card.verdict != "disagrees")
        if options["figure_path"]:
            picture = cy.figure(found, title=task.name, view=options["view"])
            show_figure(picture, options["figure_path"], as_json)
        if as_json:
            answers.append({"task": name, **found.to_dict(), "card": card})
        else:
            _print(task.name, found)
            show_card(card)
        contests.append(found)
    if as_json:
        emit(answers)
    else:
        click.echo(summary(contests))
    return 0 if ok else 1


def _contest(
    task: Any, names: list[str], *, rate: float | None, evaluations: int | None, seed: int, quick: bool, **_: Any
) -> Any:
    import jax

    import cycloid as cy

    f, score = task.on_batches()
    return cy.optimize.milestones(
        f, task.start, targets=task.targets, methods=names, evaluations=evaluations or task.steps, score=score,
        key=jax.random.key(seed), learning_rates=COARSE if quick and rate is None else rate,
        every=min(10, evaluations or 10), timed=True,
    )  # fmt: skip


def rows(found: Any) -> tuple[list[str], list[list[Any]]]:
    """Columns and cells of the table of a contest: its counts, and the ratios to the first two methods."""
    baselines = list(found.counts)[: 2 if len(found.counts) > 2 else 1]
    tables = [found.against(name) for name in baselines]
    lines = []
    for i, (target, method) in enumerate(zip(found.value["target"], found.value["method"])):
        rate = found.value["learning_rate"][i]
        lines.append([
            number(target), method, "" if rate is None else number(float(rate), 3),
            number(found.value["evaluations"][i]), f"{found.value['reached'][i]:.0%}",
            *(_ratio(tables[k], i) if list(found.counts).index(method) > k else "" for k in range(len(baselines))),
        ])  # fmt: skip
    columns = ["loss to reach", "method", "learning rate", "steps", "reached it"]
    return columns + [f"times fewer than {name}" for name in baselines], lines


def _ratio(table: dict[str, list[Any]], i: int) -> str:
    """The median and its interval; in words where one of the two never arrived."""
    middle, low, high = (table[name][i] for name in ("times", "low", "high"))
    if np.isnan(middle) or middle == 0:
        return "it never arrived"
    if middle == np.inf:
        return "that never arrived" if low == np.inf else f"more than {number(low, 3)}"
    return f"{number(middle, 3)} ({number(low, 3)} to {number(high, 3) if np.isfinite(high) else 'never'})"


def protocol(found: Any) -> str:
    """How the contest was held, in sentences."""
    told, first = found.protocol, found.protocol["baseline"]
    paces = told["seconds_per_evaluation"]
    lines = [
        f"Medians over {told['seeds']} seeds, in brackets their interval ({told['interval']}); learning rates "
        f"{told['tuning']}.",
        f"{int(found.evaluations)} steps in all, {told['ran']}. Seconds a step, beside {first}: "
        + ", ".join(f"{name} {pace / paces[first]:.2f}" for name, pace in paces.items()) + ".",
    ]  # fmt: skip
    if told["at_the_edge_of_the_grid"]:
        lines.append(f"Best at the edge of its grid: {', '.join(told['at_the_edge_of_the_grid'])}.")
    return "\n".join(lines)


def summary(contests: list[Any]) -> str:
    """The range of the ratios of the last method to each of the two first, counted over all targets."""
    labels = list(contests[0].counts)
    last, lines = labels[-1], []
    for baseline in labels[:-1][:2]:
        columns = [found.against(baseline) for found in contests]
        medians = np.array([t for c in columns for t, m in zip(c["times"], c["method"]) if m == last])
        both = medians[np.isfinite(medians) & (medians > 0)]
        if not both.size:
            lines.append(f"{last} and {baseline} reached no target both.")
            continue
        inside = int(np.sum((both >= 3) & (both <= 5)))
        span = f"{number(both.min(), 3)} to {number(both.max(), 3)}"
        words = (f"{last} needs {span} times fewer steps than tuned {baseline} where both arrive, in {both.size} "
                 f"contests: 3 to 5 times in {inside} of them")  # fmt: skip
        alone = int(np.sum(medians == np.inf))
        lines.append(words + (f"; in {alone} more {baseline} never arrives." if alone else "."))
    return "\n".join(lines)


def _print(title: str, found: Any) -> None:
    columns, lines = rows(found)
    table(title, columns, lines, protocol(found))
