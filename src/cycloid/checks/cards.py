"""The verification card: a claim, two methods, two values, and whether they differ by more than they may."""

from __future__ import annotations

import dataclasses
import json
import os
from html import escape
from typing import Any

import numpy as np

from cycloid.core.numerals import numeral, numerals

AGREES, DISAGREES, UNCHECKED = "agrees", "disagrees", "cannot be checked"
VERDICTS = (AGREES, DISAGREES, UNCHECKED)
_COLOURS = {AGREES: "green", DISAGREES: "red", UNCHECKED: "yellow"}


@dataclasses.dataclass(frozen=True)
class Card:
    """What a second, independent method says of an answer.

    Args:
        claim: what is claimed, a sentence.
        method: how the value was found.
        second_method: how it was found again.
        value: the value claimed: a number, a list of numbers or words.
        second_value: the same by the second method.
        disagreement: how far they differ, in the unit of the value; NaN where no distance makes sense.
        allowance: how far they may differ, and why not further is said in `sentence`.
        verdict: "agrees", "disagrees" or "cannot be checked".
        sentence: the verdict in words, with what to do.
        unit: the unit of the values; "" for a pure number.
        further: cards on other things that the claim rests on.

    Example:
        >>> card = compare("2 + 2 is 4", "adding", "counting", 4.0, 4.0, allowance=0.0)
        >>> card.verdict, card.disagreement
        ('agrees', 0.0)
        >>> print(card)
        agrees: 2 + 2 is 4
          adding            4
          counting          4
          disagreement      0, allowed 0
    """

    claim: str
    method: str
    second_method: str
    value: Any
    second_value: Any
    disagreement: float
    allowance: float
    verdict: str
    sentence: str = ""
    unit: str = ""
    further: tuple[Card, ...] = ()

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise ValueError(f"the verdict of a card is one of {', '.join(VERDICTS)}; it was {self.verdict!r}.")

    @property
    def agrees(self) -> bool:
        """True when this card and all that it rests on agree."""
        return self.verdict == AGREES

    def to_dict(self) -> dict[str, Any]:
        """The plain data that `to_json` writes."""
        from cycloid.core.storage import plain

        return plain(self)

    def to_json(self) -> str:
        """The card as JSON text."""
        return json.dumps(self.to_dict(), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Card:
        """The card that `to_json` wrote.

        Raises:
            ValueError: when the text is not a card.
        """
        try:
            return _from_dict(json.loads(text))
        except (json.JSONDecodeError, TypeError, KeyError) as error:
            raise ValueError("this text is not a card written by to_json().") from error

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the card to a file, whole or not at all: .json, .html (a fragment) or .txt.

        Raises:
            ValueError: when the name ends otherwise.
        """
        from cycloid.core.storage import write_atomically

        writers = {".json": self.to_json, ".html": self.to_html, ".txt": lambda: f"{self}\n"}
        suffix = os.path.splitext(os.fspath(path))[1].lower()
        if suffix not in writers:
            raise ValueError(f"a card is saved as .json, .html or .txt; the path was {os.fspath(path)}.")
        write_atomically(path, writers[suffix]())

    def to_html(self) -> str:
        """The card as an HTML fragment without style or script, every text escaped."""
        rows = "".join(
            f"<tr><th scope=row>{escape(label)}</th><td>{escape(text)}</td></tr>" for label, text in self.rows(True)
        )
        sentence = f"<p>{escape(self.sentence)}</p>" if self.sentence else ""
        further = "".join(card.to_html() for card in self.further)
        kind = self.verdict.split()[0]
        return (
            f'<article class="card {kind}"><header><strong class="verdict">{escape(self.verdict)}</strong> '
            f"<span>{escape(self.claim)}</span></header><table>{rows}</table>{sentence}{further}</article>"
        )

    def to_rich(self) -> Any:
        """The card as a rich renderable for the terminal: a frame, and inside it what the claim rests on."""
        from rich.console import Group
        from rich.panel import Panel
        from rich.text import Text

        title = Text(self.verdict, style=f"bold {_COLOURS[self.verdict]}")
        return Panel(Group(Text(self.claim), *self._lines()), title=title, title_align="left", expand=False)

    def _lines(self) -> list[Any]:
        """Everything under the claim: the values, the sentence, then each further card under its own verdict."""
        from rich.padding import Padding
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        for label, text in self.rows():
            table.add_row(Text(label, style="dim"), Text(text))
        parts: list[Any] = [table, *([Text(self.sentence)] if self.sentence else [])]
        for card in self.further:
            heading = Text.assemble("\n", (card.verdict, f"bold {_COLOURS[card.verdict]}"), "  ", card.claim)
            parts += [heading, *(Padding(line, (0, 0, 0, 2)) for line in card._lines())]
        return parts

    def rows(self, typeset: bool = False) -> list[tuple[str, str]]:
        """Label and text of each line, for whoever lays the card out."""
        unit = f" {self.unit}" if self.unit else ""
        shown = [numerals(v, 10 if np.ndim(v) == 0 else 6, typeset) + unit for v in (self.value, self.second_value)]
        rows = [(self.method, shown[0]), (self.second_method, shown[1])]
        if np.isfinite(self.disagreement):
            apart, allowed = (numeral(x, 2, typeset) for x in (self.disagreement, self.allowance))
            rows.append(("disagreement", f"{apart}, allowed {allowed}{unit}"))
        return rows

    def __str__(self) -> str:
        width = max(18, *(len(label) + 2 for label, _ in self.rows()))
        lines = [f"{self.verdict}: {self.claim}"]
        lines += [f"  {label:<{width}}{text}" for label, text in self.rows()]
        if self.sentence:
            lines.append(f"  {self.sentence}")
        for card in self.further:
            lines += [f"  {line}" for line in str(card).splitlines()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return self.to_html()


def compare(
    claim: str,
    method: str,
    second_method: str,
    value: Any,
    second_value: Any,
    *,
    allowance: float,
    sentence: str = "",
    unit: str = "",
) -> Card:
    """The card on two numbers, or two arrays of them, by their largest absolute difference.

    A value that is not finite disagrees with everything; a second value that is not finite decides nothing.

    Raises:
        ValueError: when the two have different shapes.
    """
    first, second = (np.asarray(v, dtype=float) for v in (value, second_value))
    if first.shape != second.shape:
        raise ValueError(f"the two values of a card have one shape; they were {first.shape} and {second.shape}.")
    with np.errstate(invalid="ignore"):  # infinity minus infinity is an honest NaN here
        apart = float(np.max(np.abs(first - second), initial=0.0))
    if not np.all(np.isfinite(first)):
        verdict, why = DISAGREES, "The value claimed is not finite."
    elif not (np.all(np.isfinite(second)) and np.isfinite(allowance)):
        verdict, why = UNCHECKED, "The second method gave no finite number here."
    else:
        verdict, why = (AGREES if apart <= allowance else DISAGREES), ""
    return Card(
        claim, method, second_method, first.tolist(), second.tolist(), apart, float(allowance), verdict,
        " ".join(part for part in (sentence, why) if part), unit,
    )  # fmt: skip


def unchecked(claim: str, method: str, value: Any, why: str) -> Card:
    """The card that says why a claim cannot be checked."""
    return Card(claim, method, "none", value, None, float("nan"), float("nan"), UNCHECKED, why)


def resting_on(card: Card, *further: Card) -> Card:
    """`card` with the cards it rests on: when one of those disagrees, so does the whole."""
    bad = [c for c in further if c.verdict == DISAGREES]
    if card.verdict != DISAGREES and bad:
        because = " ".join(f"But “{c.claim}” disagrees. {c.sentence}".strip() for c in bad[:1])
        card = dataclasses.replace(card, verdict=DISAGREES, sentence=because)
    return dataclasses.replace(card, further=card.further + further)


def _from_dict(data: dict[str, Any]) -> Card:
    numbers = {k: float("nan") if data[k] is None else data[k] for k in ("disagreement", "allowance")}
    return Card(**{**data, **numbers, "further": tuple(_from_dict(card) for card in data["further"])})
