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
    links = "".join(_link(other, here=other is instrument) for other in INSTRUMENTS)
    return _template().substitute(
        title=escape(instrument.title),
        summary=escape(instrument.summary),
        module=instrument.module,
        stylesheet=instrument.stylesheet,
        slug=instrument.slug,
        links=links,
    )


def _link(instrument: Instrument, *, here: bool) -> str:
    mark = " aria-current=page" if here else ""
    return f'<li><a href="/{instrument.slug}"{mark}>{escape(instrument.title)}</a></li>'
