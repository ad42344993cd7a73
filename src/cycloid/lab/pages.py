"""The HTML that every instrument shares."""

from __future__ import annotations

from functools import cache
from html import escape
from pathlib import Path
from string import Template

from cycloid.lab.instruments import INSTRUMENTS, Instrument

ROOT = Path(__file__).parent


@cache
def _template() -> Template:
    return Template((ROOT / "shell" / "page.html").read_text(encoding="utf-8"))


@cache
def page(instrument: Instrument) -> str:
    """The page of one instrument: masthead, navigation, an empty stage for its module."""
    links = "".join(
        f'<li><a href="/{other.slug}"{" aria-current=page" if other is instrument else ""}>{escape(other.title)}</a></li>'
        for other in INSTRUMENTS
    )
    return _template().substitute(
        title=escape(instrument.title),
        summary=escape(instrument.summary),
        module=instrument.module,
        stylesheet=instrument.stylesheet,
        slug=instrument.slug,
        links=links,
    )
