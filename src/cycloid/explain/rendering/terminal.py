"""An explanation for a terminal: one line a step, the steps that it needs indented below it."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from cycloid.explain.derivations import KINK, UNCHECKED, Derivation, Step
from cycloid.explain.rendering.wording import GLUE, MARKS, conclusion, law, said, statement

WIDTH = 110
_LEFT = 58  # the column at which the rules stand


def as_text(derivation: Derivation) -> str:
    """The whole explanation."""
    if isinstance(derivation.evidence, tuple):
        body = [line for top in derivation.evidence for line in tree_lines(top)]
    else:
        from cycloid.explain.rendering.terminal_graphs import evidence_lines

        body = evidence_lines(derivation.evidence)
    notes = [line for note in derivation.notes for line in wrapped(note)]
    status = [] if derivation.status.ok else wrapped(derivation.status.message)
    last = [*notes, *status, *wrapped(conclusion(derivation))]
    return "\n".join([*wrapped(derivation.heading), "", *body, "", *last])


def wrapped(text: str, indent: str = "") -> list[str]:
    """A sentence in lines of the page's width."""
    return textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent, break_long_words=False) or [""]


def tree_lines(step: Step) -> list[str]:
    """A step and the steps below it."""
    return _lines(step, "", "")


def _lines(step: Step, head: str, below: str) -> list[str]:
    lines = _laid_out(head, below, step)
    for i, inner in enumerate(step.steps):
        last = i == len(step.steps) - 1
        lines += _lines(inner, below + ("└─ " if last else "├─ "), below + ("   " if last else "│  "))
    return lines


def _laid_out(head: str, below: str, step: Step) -> list[str]:
    """The statement on the left, the rule on the right, the mark of the check between; long ones on several lines."""
    mark = MARKS[step.check.verdict] if step.check is not None else " "
    left = statement(step, top=not head)
    if len(head + left) > _LEFT and step.applied is not None and step.kind != "definite":
        left = statement(step, applied=False, top=not head)
    bar = below + ("│  " if step.steps else "   ")
    right = ": ".join(part for part in (step.rule, law(step)) if part)
    if step.kind == "value":
        right = said(step.check) if step.check is not None else ""
    room = WIDTH - _LEFT - 4
    rows = _folded(left, WIDTH - len(head) - 2)
    lines = []
    if len(rows) == 1 and len(head + left) <= _LEFT:
        first, *others = _folded(right, room)
        lines.append(f"{head}{left}".ljust(_LEFT) + f"  {mark} {first}".rstrip())
        lines += [bar.ljust(_LEFT + 4) + other for other in others]
    else:
        lines += [head + rows[0], *(bar + "  " + row for row in rows[1:])]
        first, *others = _folded(right, room)
        lines.append(bar.ljust(_LEFT) + f"  {mark} {first}".rstrip())
        lines += [bar.ljust(_LEFT + 4) + other for other in others]
    notes = [step.note] if step.note and step.kind != "value" else []
    if step.check is not None and step.check.verdict in (KINK, UNCHECKED) and step.kind != "value":
        notes.append(said(step.check))
    for note in notes:
        lines += [bar.ljust(_LEFT + 4) + row for row in _folded(note, room)]
    return lines


def _folded(text: str, width: int) -> list[str]:
    rows = textwrap.wrap(text, max(width, 20), break_long_words=False, break_on_hyphens=False) or [""]
    return [row.replace(GLUE, " ") for row in rows]


def columns(rows: Sequence[Sequence[str]], gap: str = "  ") -> list[str]:
    """Rows of cells, each column as wide as its longest cell."""
    if not rows:
        return []
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [gap.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
