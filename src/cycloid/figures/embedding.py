"""Figures inside a page: their numbers once, their colours for both themes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from cycloid.figures.images import script_json
from cycloid.figures.theme import template

# What a trace holds of numbers; the rest is style.
NUMBERS = frozenset({"x", "y", "z", "customdata", "text", "type"})


def embed(figures: Mapping[str, Callable[[bool], Any]]) -> str:
    """JSON for a script element: every figure in the light theme, and what differs in the dark one.

    Args:
        figures: by the id of the element they are drawn in: dark -> plotly figure.
    """
    found = {name: _both(draw) for name, draw in figures.items()}
    themes = {"light": template(False), "dark": template(True)}
    return script_json(json.dumps({"figures": found, "templates": themes}, allow_nan=False))


def _both(draw: Callable[[bool], Any]) -> dict[str, Any]:
    light, dark = (json.loads(draw(side).to_json()) for side in (False, True))
    for side in (light, dark):
        side["layout"].pop("template", None)
    styles = [
        {key: value for key, value in after.items() if key not in NUMBERS and value != before.get(key)}
        for before, after in zip(light["data"], dark["data"], strict=True)
    ]
    layout = {key: value for key, value in dark["layout"].items() if value != light["layout"].get(key)}
    return {**light, "dark": {"data": styles, "layout": layout}}
