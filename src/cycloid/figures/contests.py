"""A race of methods: how the objective fell with each evaluation, and how many it took to reach the target."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from cycloid.core.numerals import numeral
from cycloid.figures.draw import band, curve, label, panels
from cycloid.figures.registry import register
from cycloid.figures.theme import colour_of, faded, mixed, palette
from cycloid.optimize.catalogue import method as resolve
from cycloid.optimize.races import Race
from cycloid.optimize.standings import median

# Points drawn of a curve; more would be finer than the screen.
POINTS = 400
# A curve is not followed further down than this share of the height it started from.
DEEPEST = 1e-12
UNITS = ((1.0, "seconds"), (1e3, "milliseconds"), (1e6, "microseconds"))


@register(Race)
def race_figure(
    race: Race, *, view: str = "curves", title: str = "A race on equal terms", dark: bool = False, **options: Any
) -> Any:
    """Draw a race: on the left the objective over the evaluations, on the right the evaluations to the target.

    The curves are medians over the seeds, the bands reach from the best seed to the worst. Of long curves 400 points
    are drawn as they are, the first and the last among them.

    Args:
        race: from `cy.race` or `cy.optimize.sweep`.
        view: "curves", or "terrain" for a function of two variables: every method walks again from x0, at the learning
            rate it raced with, and its trail is drawn on the terrain.
        title: above the panels; "" for none.
        dark: the dark theme.
        **options: those of `figures.terrain`, for that view.

    Raises:
        ValueError: when the view is neither, or the terrain cannot be drawn.
    """
    if view == "terrain":
        return race_terrain(race, title=title, dark=dark, **options)
    if view != "curves" or options:
        raise ValueError(f'view= is "curves" or "terrain" (which alone takes {", ".join(options) or "options"}).')
    table = standings(race)
    seeds = race.protocol.get("seeds", 1)
    words = f"{race.protocol['budget']}, {seeds} seed{'s' if seeds > 1 else ''}; the dotted line is the target"
    fig = panels(
        1, 2, dark=dark, titles=("Objective", "Evaluations to the target"), title=title,
        subtitle=label(words) if title else "", column_widths=[0.6, 0.4], horizontal_spacing=0.15,
        height=max(420 if title else 360, 190 + 30 * len(table)),
        layout={"showlegend": False},
    )  # fmt: skip
    _curves(fig, race, table, dark)
    _bars(fig, race, table, dark)
    return fig


def standings(race: Race) -> list[dict[str, Any]]:
    """The lines of the table, best first, each with its label among the curves."""
    lines = [dict(zip(race.value, row)) for row in zip(*race.value.values())]
    left = dict(race.runs)
    for line in lines:
        fits = [name for name, curves in left.items() if _same(median(curves[:, -1]), line["objective"])]
        named = [name for name in fits if name in (line["method"], f"{line['learning_rate'] or 0:g}")]
        line["label"] = (named or fits or list(left))[0]
        del left[line["label"]]
    return lines


def is_sweep(race: Race) -> bool:
    """True for one method at many rates: the labels are the rates."""
    return len(set(race.value["method"])) == 1 and len(race.runs) > 1


def race_terrain(race: Race, *, title: str, dark: bool, lower: Any = None, upper: Any = None, **options: Any) -> Any:
    """The methods of a race on the terrain of their function, walked again from x0."""
    from cycloid.figures.walks import minimum_figure, path_of, window
    from cycloid.optimize import minimize

    asked = race.question
    if asked is None or callable(asked.arguments["x0"]):
        raise ValueError("this race no longer knows its function and start: use figures.terrain with trails=.")
    walks = {}
    for line in standings(race):
        chosen = asked.method[line["label"]] if isinstance(asked.method, dict) else asked.method
        method = resolve(chosen, learning_rate=line["learning_rate"]) if line["learning_rate"] else resolve(chosen)
        steps = min(int(line["evaluations"]), POINTS)
        walks[line["label"]] = minimize(
            asked.function, asked.arguments["x0"], method=method, tol=0.0, max_steps=steps, throw=False, keep_path=True
        )
    paths = {label: path for label, walk in walks.items() if (path := path_of(walk)) is not None}
    if any(path.shape[1] != 2 for path in paths.values()):
        raise ValueError("a terrain has two variables: this race is drawn by its curves.")
    first = next(iter(walks.values()))
    low, high = window(np.concatenate([_settled(path) for path in paths.values()]), lower, upper)
    return minimum_figure(first, lower=low, upper=high, trails=paths, title=title, dark=dark, **options)


def _settled(path: np.ndarray) -> np.ndarray:
    """The start, and a trail within thrice its upper quartile of distances: a wild step widens no window."""
    away = np.linalg.norm(path - path[-1], axis=1)
    near = away <= 3 * max(float(np.quantile(away, 0.75)), 1e-12)
    near[0] = True
    return path[near]


def _curves(fig: Any, race: Race, table: list[dict[str, Any]], dark: bool) -> None:
    at, c = {"row": 1, "col": 1}, palette(dark)
    target, lowest, top = float(race.protocol["target"]), [], []
    for line in reversed(table):  # the best on top
        runs = np.asarray(race.runs[line["label"]], float)
        chosen = thinned(runs.shape[1])
        runs = np.where(np.isfinite(runs), runs, np.nan)[:, chosen]
        colour = colour_of(line["label"] if line["label"] in race.value["method"] else line["method"], dark)
        if is_sweep(race):
            colour = _of_rate(line, table, dark)
        with np.errstate(all="ignore"):
            middle = np.apply_along_axis(median, 0, runs)
        middle = np.where(np.isfinite(middle), middle, np.nan)
        if len(runs) > 1:
            band(fig, chosen, np.nanmin(runs, 0), np.nanmax(runs, 0), line["label"], colour, at=at)
        curve(fig, chosen, middle, line["label"], colour, at=at, hovertemplate="%{x}: %{y:.4g}")
        lowest.append(np.nanmin(runs[:, -1]) if np.isfinite(runs[:, -1]).any() else np.inf)
        top.append(runs[:, 0].max())
    fig.add_hline(y=target, line={"color": c["muted"], "width": 1, "dash": "dot"}, **at)
    start, floor = float(np.nanmax(top)), float(min(*lowest, target)) if lowest else target
    if floor >= 0 and target > 0 and start > 20 * max(floor, DEEPEST * start):
        low = max(floor, DEEPEST * start, target * 1e-6)
        fig.update_yaxes(type="log", range=[np.log10(low) - 0.15, np.log10(start) + 0.3], exponentformat="power", **at)
    else:
        pad = 0.06 * (start - floor or 1.0)
        fig.update_yaxes(range=[floor - pad, start + pad], **at)
    fig.update_xaxes(title="evaluations", **at)


def _bars(fig: Any, race: Race, table: list[dict[str, Any]], dark: bool) -> None:
    at, c = {"row": 1, "col": 2}, palette(dark)
    counts = np.array([float(line["evaluations_to_target"]) for line in table])
    longest = max([*counts[np.isfinite(counts)], 1.0])
    budget = max(line["evaluations"] for line in table)
    many = is_sweep(race)
    for line, count in zip(table, counts):
        colour = _of_rate(line, table, dark) if many else colour_of(line["method"], dark)
        name = f"η = {line['label']}" if many else label(line["label"])
        reached = np.isfinite(count)
        words = numeral(count, 4) if reached else f"not in {budget}"
        rate = "" if many or line["learning_rate"] is None else f", rate {numeral(line['learning_rate'], 3, True)}"
        outside = not reached or count < 0.55 * longest
        fig.add_trace(
            go.Bar(
                x=[count if reached else 0], y=[name], orientation="h", name=name, width=0.62, text=f" {words}{rate}",
                marker={"color": faded(colour, 0.85), "line": {"width": 0}}, cliponaxis=False,
                textposition="outside" if outside else "inside", insidetextanchor="end",
                textfont={"color": c["ink"] if outside else c["paper"], "size": 12},
                hovertemplate=f"{name}: {words}, reached by {line['reached']:.0%} of the seeds<extra></extra>",
            ),
            **at,
        )  # fmt: skip
    fig.update_xaxes(title="evaluations", range=[0, 1.12 * longest], showgrid=False, **at)
    fig.update_yaxes(autorange="reversed", showgrid=False, ticks="", ticklabelstandoff=6, type="category", **at)


def _of_rate(line: dict[str, Any], table: list[dict[str, Any]], dark: bool) -> str:
    """In a sweep: from teal for the smallest rate to warm for the largest."""
    rates = sorted(float(other["learning_rate"]) for other in table)
    share = rates.index(float(line["learning_rate"])) / max(1, len(rates) - 1)
    c = palette(dark)
    return mixed(c["accent"], c["warm"], share)


def thinned(count: int, every: int = 1) -> np.ndarray:
    """Indices to draw of a curve that changes at every so many: all, or a set that is dense where most happens."""
    readings = -(-count // every)
    if readings > POINTS:
        early = np.geomspace(1, readings - 1, POINTS // 2)
        kept = np.unique(np.concatenate([[0], early, np.linspace(0, readings - 1, POINTS // 2)]).round().astype(int))
    else:
        kept = np.arange(readings)
    return np.union1d(kept * every, [count - 1])


def clock(seconds: float) -> tuple[float, str]:
    """(units in a second, the unit's name) in which such a time is a readable number."""
    return next(((scale, name) for scale, name in UNITS if seconds * scale >= 1), UNITS[-1])


def _same(a: float, b: float) -> bool:
    return a == b or (not np.isfinite(a) and not np.isfinite(b))
