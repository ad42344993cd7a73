"""The verdict on a gradient: which arguments are wrong, what stands at a kink, what is held fixed."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from cycloid.core.numerals import numeral
from cycloid.differentiate.slope_tables import Flat, Table, table_of
from cycloid.differentiate.suspects import Finding, bad_rows, constants_between_jumps, held, kinks, stops, wrong_rules


class Asked(NamedTuple):
    """The function of its floating-point leaves alone, in the precision in which it is checked."""

    flat: Flat
    names: list[str]
    own: list[Any]
    closed: Any
    eps: float
    note: str


def judged(asked: Asked, table: Table, tol: float) -> tuple[str, list[Finding], Table]:
    findings = list[Finding]()
    wrong = any(bad.any() for bad in bad_rows(table).values())
    if wrong and asked.closed is not None:
        apart = _frozen(asked, table, tol)
        if apart is not None:
            table, found = apart
            return "frozen", [*found, *_remarks(asked, table)], table
    if asked.closed is not None:
        findings += wrong_rules(asked.closed, asked.flat.leaves, tol, asked.eps, all_of_them=wrong)
    if wrong:
        findings += _wrong_arguments(asked, table, has_culprit=bool(findings))
    findings += _remarks(asked, table)
    if wrong or any(finding.kind == "wrong" for finding in findings):
        return "disagrees", findings, table
    if np.any(table.differences.kink):
        return "kink", findings, table
    if np.any(table.blind) or np.any(table.differences.jump):
        return "cannot be checked", findings, table
    return "agrees", findings, table


def _frozen(asked: Asked, table: Table, tol: float) -> tuple[Table, list[Finding]] | None:
    """Whether the gradient is that of the function with all that passes a stop_gradient held, and what that hides."""
    places = stops(asked.closed)
    function = held(asked.closed, asked.flat.leaves) if places else None
    if function is None:
        return None
    again = table_of(Flat(function, asked.flat.leaves), tol, asked.eps)
    if any(bad.any() for bad in bad_rows(again).values()):
        return None
    bad = np.any([bad.any(axis=1) for bad in bad_rows(table).values()], axis=0)
    moved = sorted({spoken_direction(asked, table, int(row)) for row in np.flatnonzero(bad) if table.leaf[row] >= 0})
    said = [
        Finding(
            "frozen",
            f"The gradient leaves out what passes through the stop_gradient{place}: the slope of the value itself "
            f"along {', '.join(moved[:4])} is another one. That is right where it is meant.",
            operation=name, line=line,
        )
        for name, place, line in places
    ]  # fmt: skip
    return again, said


def _wrong_arguments(asked: Asked, table: Table, has_culprit: bool) -> list[Finding]:
    """The arguments whose slopes are wrong in the whole, each by its worst number."""
    found = list[Finding]()
    bad = bad_rows(table)
    for leaf in range(len(asked.names)):
        rows = np.flatnonzero(table.leaf == leaf)
        modes = [name for name in bad if bad[name][rows].any()]
        if not modes:
            continue
        claimed = table.modes[modes[0]]
        excess = np.where(
            bad[modes[0]][rows], np.nan_to_num(table.apart(claimed)[rows], nan=np.inf, posinf=np.inf), -1.0
        )
        at, column = np.unravel_index(int(np.argmax(excess)), excess.shape)
        row = int(rows[at])
        name, mode = spoken_direction(asked, table, row), " and ".join(modes)
        a, b = float(claimed[row, column]), float(table.found[row, column])
        why = "" if has_culprit or asked.closed is not None else " Which operation it was cannot be told: the function "
        why += "decides in Python on a value." if why else ""
        again = f"{numeral(b, 8)} by {_way(table)}"
        if table.differences.kink[row, column]:
            sides = sorted((float(table.differences.left[row, column]), float(table.differences.right[row, column])))
            again = f"between {numeral(sides[0], 4)} and {numeral(sides[1], 4)} by differences"
        lost = "" if np.isfinite(a) else " cycloid.differentiate.find_nan says where it was lost."
        sentence = f"The slope along {name} is {numeral(a, 8)} in {mode} mode and {again}.{lost}{why}"
        found.append(Finding("wrong", sentence, asked.names[leaf], mode=mode, claimed=a, found=b))
    return found


def _way(table: Table) -> str:
    return "a complex step" if table.analytic else "differences"


def spoken_direction(asked: Asked, table: Table, row: int) -> str:
    """What a direction moves."""
    leaf, place = int(table.leaf[row]), int(table.place[row])
    if leaf < 0:
        return "all arguments" if len(asked.names) > 1 else f"all of {asked.names[0]}"
    if place < 0 or not jnp.ndim(asked.flat.leaves[leaf]):
        return asked.names[leaf]
    index = asked.flat.owner(place)[1]
    return f"{asked.names[leaf]}[{', '.join(map(str, index))}]"


def _remarks(asked: Asked, table: Table) -> list[Finding]:
    """Kinks and jumps at the point, what is constant between jumps, what the dtype of x cannot hold."""
    found = list[Finding]()
    sharp, broken = np.any(table.differences.kink, axis=1), np.any(table.differences.jump, axis=1)
    places = (
        kinks(asked.closed, asked.flat.leaves) if asked.closed is not None and (sharp.any() or broken.any()) else []
    )
    for rows, kind, words in (
        (
            sharp,
            "kink",
            "There is a kink: the slopes on both sides differ, and any number between them is a subgradient",
        ),
        (broken, "jump", "The value jumps here, and has no derivative"),
    ):
        if rows.any():
            moved = list(dict.fromkeys(spoken_direction(asked, table, int(r)) for r in np.flatnonzero(rows)))
            alone = [name for name in moved if not name.startswith("all ")] or moved
            for name, place, line in places or [("", "", "")]:
                by = f", from {name}{place}" if name else ""
                told = f"{words} (along {', '.join(alone[:4])}{by})."
                found.append(Finding(kind, told, operation=name, line=line))
    if asked.closed is not None:
        for name, place, line in constants_between_jumps(asked.closed):
            what = "the conversion to an integer" if name == "convert_element_type" else name
            told = f"The slope through {what}{place} is zero: it is constant between its jumps."
            found.append(Finding("flat", told, operation=name, line=line))
    found += _own_precision(asked)
    if table.refused:
        found.append(Finding("unsure", table.refused))
    if np.any(table.blind & ~table.differences.jump):
        names = [spoken_direction(asked, table, int(r)) for r in np.flatnonzero(table.blind.any(axis=1))]
        told = f"Differences decide nothing along {', '.join(names[:4])}: the function is too noisy or too steep there."
        found.append(Finding("unsure", told))
    if asked.note:
        found.append(Finding("unsure", f"The function was checked in the dtype of x: {asked.note}."))
    return found


def _own_precision(asked: Asked) -> list[Finding]:
    """Whether the gradient is finite in the dtype of x too."""
    if all(a.dtype == b.dtype for a, b in zip(asked.own, asked.flat.leaves, strict=True)):
        return []
    try:
        made, pull = jax.vjp(lambda *parts: asked.flat.function(*parts), *asked.own)
        slopes = pull([jnp.ones_like(value) for value in made])
    except (TypeError, ValueError, NotImplementedError):
        return []
    names = [
        name for name, slope in zip(asked.names, slopes, strict=True) if not np.isfinite(np.asarray(slope, float)).all()
    ]
    if not names:
        return []
    dtype = jnp.result_type(*asked.own).name
    which = ", ".join(names)
    told = f"In {dtype} itself the gradient for {which} is not finite: cycloid.differentiate.find_nan says where."
    return [Finding("not finite", told, names[0])]
