"""The look of every picture: paper and ink, a few colours with fixed meanings, light and dark."""

from __future__ import annotations

import re
import zlib
from typing import Any

SERIF = 'Charter, "Iowan Old Style", "Palatino Linotype", Palatino, Georgia, "Liberation Serif", serif'
SANS = '-apple-system, "Segoe UI", "Helvetica Neue", Arial, "Liberation Sans", sans-serif'
MONO = 'ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace'

LIGHT = {
    "paper": "#fbfaf7", "sheet": "#ffffff", "sunken": "#f3f1ea", "ink": "#1b1f2a", "muted": "#5a6070",
    "rule": "#e2ded4", "accent": "#2457d6", "warm": "#d9542b", "green": "#1f8a5b", "purple": "#7a4fd0",
    "gold": "#c8921a", "teal": "#0e8a96", "rose": "#c23b8e", "earth": "#7a5c3e",
    "olive": "#7f8c1c", "sky": "#3a93d6", "indigo": "#43359c", "brick": "#a12b3a", "slate": "#64748b",
    "plum": "#96608a",
}  # fmt: skip
DARK = {
    "paper": "#12151c", "sheet": "#191d27", "sunken": "#0d1016", "ink": "#eceae4", "muted": "#a2a8b8",
    "rule": "#2c323f", "accent": "#86a8ff", "warm": "#ff8d69", "green": "#58c797", "purple": "#b79dff",
    "gold": "#e6b94e", "teal": "#55c4cf", "rose": "#f084c4", "earth": "#c8a580",
    "olive": "#bdc956", "sky": "#6fbdf2", "indigo": "#9d92ee", "brick": "#f0788a", "slate": "#9fb0c6",
    "plum": "#cda0c2",
}  # fmt: skip

# One colour for a method wherever it appears: in a race, on the terrain, in the lab.
METHODS = {
    "GradientDescent": "accent", "SGD": "gold", "Momentum": "warm", "Nesterov": "purple", "Adagrad": "teal",
    "RMSprop": "rose", "Adam": "green", "AdamW": "earth", "BarzilaiBorwein": "ink",
    "ConjugateGradient": "olive", "LBFGS": "sky", "BFGS": "indigo", "Newton": "brick", "TrustRegion": "slate",
    "HessianFree": "plum",
}  # fmt: skip
_CYCLE = ("accent", "warm", "green", "purple", "gold", "teal", "rose", "earth")


def palette(dark: bool = False) -> dict[str, str]:
    """The named colours."""
    return DARK if dark else LIGHT


def colour_of(name: str, dark: bool = False) -> str:
    """The colour of a method or a series, the same one for the same name in every figure.

    Example:
        >>> colour_of("Adam"), colour_of("adam"), colour_of("Adam(learning_rate=0.1)")
        ('#1f8a5b', '#1f8a5b', '#1f8a5b')
    """
    stem = re.sub("[-_ ]", "", name.partition("(")[0]).lower()
    known = {method.lower(): colour for method, colour in METHODS.items()}
    role = known.get(stem) or _CYCLE[zlib.crc32(stem.encode()) % len(_CYCLE)]
    return palette(dark)[role]


def faded(colour: str, alpha: float) -> str:
    """A colour with some transparency, for bands.

    Example:
        >>> faded("#2457d6", 0.25)
        'rgba(36, 87, 214, 0.25)'
    """
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {alpha:g})"


def mixed(first: str, second: str, share: float) -> str:
    """The colour between two, `share` of the way to the second."""
    pairs = [(int(first[i : i + 2], 16), int(second[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(a + share * (b - a)):02x}" for a, b in pairs)


def shades(dark: bool = False, low: str = "sheet", middle: str = "accent") -> list[list[Any]]:
    """A scale from the paper through one colour to near ink: low is quiet, high is strong, also in grey print."""
    c = palette(dark)
    return [[0.0, c[low]], [0.6, mixed(c[low], c[middle], 0.75)], [1.0, mixed(c[middle], c["ink"], 0.55)]]


def diverging(dark: bool = False) -> list[list[Any]]:
    """A scale from blue through the paper to warm, for what is good or bad on either side of a middle."""
    c = palette(dark)
    return [[0.0, c["accent"]], [0.5, c["sheet"]], [1.0, c["warm"]]]


def template(dark: bool = False) -> dict[str, Any]:
    """The plotly template: typographic, light rules, no boxes, one legend line on top."""
    c = palette(dark)
    axis = {
        "gridcolor": c["rule"], "gridwidth": 1, "zeroline": False, "linecolor": c["muted"], "ticks": "outside",
        "ticklen": 4, "tickcolor": c["rule"], "tickfont": {"color": c["muted"], "size": 12}, "automargin": True,
        "title": {"font": {"color": c["ink"], "size": 13}, "standoff": 8}, "exponentformat": "power",
        "minorloglabels": "none",
    }  # fmt: skip
    space = {
        "backgroundcolor": c["paper"], "gridcolor": c["rule"], "linecolor": c["muted"], "zeroline": False,
        "showbackground": False, "tickfont": {"color": c["muted"], "size": 11}, "exponentformat": "power",
    }  # fmt: skip
    layout = {
        "paper_bgcolor": c["paper"],
        "plot_bgcolor": c["paper"],
        "font": {"family": SANS, "size": 13, "color": c["ink"]},
        "title": {
            "font": {"family": SERIF, "size": 20, "color": c["ink"]}, "x": 0.0, "xref": "paper", "xanchor": "left",
            "y": 0.97, "yref": "container", "yanchor": "top", "subtitle": {"font": {"color": c["muted"], "size": 13}},
        },
        "colorway": [c[name] for name in _CYCLE],
        "xaxis": {**axis, "showgrid": False, "showline": True},
        "yaxis": {**axis, "showgrid": True, "showline": False},
        "scene": {"xaxis": space, "yaxis": space, "zaxis": space},
        "legend": {
            "orientation": "h", "x": 0.0, "xanchor": "left", "y": 1.02, "yanchor": "bottom", "bgcolor": "rgba(0,0,0,0)",
            "font": {"size": 12, "color": c["ink"]}, "itemsizing": "constant", "tracegroupgap": 0,
        },
        "margin": {"l": 64, "r": 24, "t": 96, "b": 56},
        "hoverlabel": {"bgcolor": c["sheet"], "bordercolor": c["rule"], "font": {"color": c["ink"], "size": 12}},
        "hovermode": "closest",
        "annotationdefaults": {"font": {"size": 12, "color": c["muted"]}, "showarrow": False},
        "colorscale": {"sequential": shades(dark), "diverging": diverging(dark)},
        "coloraxis": {"colorbar": {"outlinewidth": 0, "thickness": 10, "tickfont": {"color": c["muted"]}}},
        "separators": ". ",
    }  # fmt: skip
    return {"layout": layout}
