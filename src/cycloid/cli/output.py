"""What every command shares: how a point is read, how answers, tables and errors are written."""

from __future__ import annotations

import functools
import importlib
import json
import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import click


def command(function: Callable[..., Any]) -> Callable[..., Any]:
    """A command body with `--json`, float64 switched on, and errors as sentences instead of tracebacks."""

    @click.option("--json", "as_json", is_flag=True, help="Print JSON, and nothing else, on standard output.")
    @functools.wraps(function)
    def run(*args: Any, as_json: bool, **kwargs: Any) -> None:
        import cycloid as cy

        cy.enable_x64()
        try:
            code = function(*args, as_json=as_json, **kwargs)
        except cy.ConvergenceError as error:
            _fail(error, as_json, 1)
        except (ValueError, TypeError, OSError) as error:
            _fail(error, as_json, 2)
        else:
            sys.exit(code or 0)

    return run


class NameOption(click.Option):
    """An option that takes a name in a registry: its help lists the names there are when the help is asked for.

    Args:
        registry: the module and the dict in it, a colon between.
        help: what is said after the names.
    """

    def __init__(self, *args: Any, registry: str, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.registry = registry

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The option and its help, the names of the registry first."""
        record = super().get_help_record(ctx)
        module, _, name = self.registry.partition(":")
        names = ", ".join(getattr(importlib.import_module(module), name))
        return None if record is None else (record[0], f"{names}. {record[1]}")


def _fail(error: Exception, as_json: bool, code: int) -> None:
    message = _words(error)
    if as_json:
        print(json.dumps({"error": message, "kind": type(error).__name__}))
    click.echo(message, err=True)
    sys.exit(code)


def _words(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}."
    return str(error)


def read_point(text: str, option: str) -> dict[str, float]:
    """A point such as "x=-1.2, y=pi/2": names and constant formulas.

    Raises:
        ValueError: when a part has no "=", a value is not a constant, or a name comes twice.
    """
    from cycloid.core.formulas import formula

    point: dict[str, float] = {}
    for part in text.split(","):
        name, equals, value = part.partition("=")
        name = name.strip()
        if not equals or not name or not value.strip():
            raise ValueError(f'{option} reads names and values, such as "x=-1.2,y=1"; it was {text!r}.')
        if name in point:
            raise ValueError(f"{option} gives {name} twice: {text!r}.")
        constant = formula(value)
        if constant.variables:
            raise ValueError(f"{option}: the value of {name} is a number, not {value.strip()!r}.")
        point[name] = float(constant())
        if not math.isfinite(point[name]):
            raise ValueError(f"{option}: the value of {name} is not finite: {value.strip()!r}.")
    return point


def read_box(text: str, variables: Sequence[str], option: str = "--box") -> dict[str, tuple[float, float]]:
    """Intervals such as "x=-2..2, y=0..pi", one for each variable.

    Raises:
        ValueError: when a part is no interval, or the names are not those of the variables.
    """
    ends: list[dict[str, float]] = []
    parts = [part.partition("..") for part in text.split(",")]
    if any(not dots or "=" not in left or not right.strip() for left, dots, right in parts):
        raise ValueError(f'{option} reads intervals, such as "x=-2..2,y=0..pi"; it was {text!r}.')
    ends.append(read_point(",".join(left for left, _, _ in parts), option))
    ends.append(read_point(",".join(f"{left.partition('=')[0]}={right}" for left, _, right in parts), option))
    if set(ends[0]) != set(variables):
        needs = ",".join(f"{name}=-1..1" for name in variables)
        raise ValueError(f'{option}: the variables are {", ".join(variables) or "none"}: write "{needs}".')
    return {name: (ends[0][name], ends[1][name]) for name in variables}


def read_names(text: str) -> list[str]:
    """A list such as "sgd,momentum"."""
    return [name.strip() for name in text.split(",") if name.strip()]


def emit(data: Any) -> None:
    """Print data as JSON: arrays as lists, what is not finite as null."""
    from cycloid.core.storage import to_json

    print(to_json(data))


def number(value: Any, digits: int = 6) -> str:
    """A number for a reader: six significant digits, a dash for what is missing."""
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    value = float(value)
    if math.isnan(value):
        return "-"
    if math.isinf(value):
        return "never" if value > 0 else "-inf"
    if value == int(value) and abs(value) < 1e7:
        return str(int(value))
    return f"{value:.{digits}g}"


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], note: str | None = None) -> None:
    """Print a table: text left, numbers right."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    rows = [list(row) for row in rows]
    sheet = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for i, column in enumerate(columns):
        text = all(isinstance(row[i], str) for row in rows)
        sheet.add_column(column, justify="left" if text else "right", overflow="fold")
    for row in rows:
        sheet.add_row(*(cell.replace("[", "\\[") if isinstance(cell, str) else number(cell) for cell in row))
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    console.print(sheet)
    if note:
        console.print(note, style="dim", markup=False)


def listing(pairs: Mapping[str, Any]) -> None:
    """Print names and values, a line each."""
    width = max(len(name) for name in pairs)
    for name, value in pairs.items():
        click.echo(f"{name:<{width}}  {value if isinstance(value, str) else number(value, 12)}")


def show_result(result: Any, show: Callable[[], None], *, check: bool, figure_path: str | None, as_json: bool) -> int:
    """Print a result that has a sentence, as JSON or by `show`, with its card and picture where asked for.

    Returns:
        The exit code: 0 when the answer may be used, 1 when not.
    """
    import cycloid as cy

    card = cy.check(result) if check else None
    if figure_path:
        show_figure(cy.figure(result), figure_path, as_json)
    if as_json:
        emit({**result.to_dict(), "sentence": result.sentence, "card": card})
    else:
        show()
        show_card(card)
    return 0 if result.status.ok and (card is None or card.verdict != "disagrees") else 1


def show_card(card: Any) -> None:
    """Print a verification card, when there is one."""
    if card is None:
        return
    from rich.console import Console

    Console(width=None if sys.stdout.isatty() else 110, highlight=False).print(card.to_rich())


def show_figure(figure: Any, path: str, as_json: bool) -> None:
    """Write a figure and say where."""
    from cycloid import figures

    figures.save(figure, path)
    click.echo(f"Figure written to {path}", err=as_json)
