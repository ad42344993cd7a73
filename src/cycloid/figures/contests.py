"""A race of methods: how the objective fell with each evaluation, and how many it took to reach the target."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from cycloid.core.numerals import numeral
from cycloid.figures.draw import Place, band, curve, label, log_axis, panels
from cycloid.figures.registry import register
from cycloid.figures.theme import colour_of, faded, mixed, palette
from cycloid.optimize.catalogue import method as resolve
from cycloid.optimize.races import Race
from cycloid.optimize.standings import median

# Points drawn of a curve; more would be finer than the screen.
POINTS = 400
# A curve is not followed further down than this share of the height it started from.
DEEPEST = 1e-12
# Where one method takes so many times as long as another, time is drawn on a logarithmic axis.
WIDE = 5
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
        view: "curves"; "time", where it was asked with `timed=True` or `seconds=`: the objective over the evaluations
            and, beside, over the time they took; "terrain" for a function of two variables: every method walks again
            from x0, at the learning rate it raced with, and its trail is drawn on the terrain; "rates" for a sweep:
            the objective over the learning rate.
        title: above the panels; "" for none.
        dark: the dark theme.
        **options: those of `figures.terrain`, for that view; `limit=`, a learning rate or the result of
            `cy.optimize.stability`, for the view of the rates.

    Raises:
        ValueError: when the view is none of these, or cannot be drawn.
    """
    if view == "terrain":
        return race_terrain(race, title=title, dark=dark, **options)
    if view == "rates":
        from cycloid.figures.sweeps import sweep_figure

        return sweep_figure(race, title=title, dark=dark, **options)
    if view not in ("curves", "time") or options:
        raise ValueError(
            f'view= is "curves", "time", "terrain" or "rates"; {", ".join(options) or "options"} go with the last two.'
        )
    if view == "time":
        return _by_the_clock(race, title, dark)
    table = standings(race)
    fig = panels(
        1, 2, dark=dark, titles=("Objective", "Evaluations to the target"), title=title,
        subtitle=_of_race(race) if title else "", column_widths=[0.6, 0.4], horizontal_spacing=0.15,
        height=max(420 if title else 360, 190 + 30 * len(table)),
        layout={"showlegend": False},
    )  # fmt: skip
    _curves(fig, race, table, dark, {"row": 1, "col": 1})
    _bars(fig, race, table, dark)
    return fig


def in_words(race: Race) -> str:
    """The budget and the seeds, for a subtitle."""
    seeds = race.protocol.get("seeds", 1)
    return f"{race.protocol['budget']}, {seeds} seed{'s' if seeds > 1 else ''}"


def _of_race(race: Race) -> str:
    return label(f"{in_words(race)}; the dotted line is the target")


def _by_the_clock(race: Race, title: str, dark: bool) -> Any:
    """The same curves twice: over evaluations, and over the time that each method takes for them."""
    paces = race.protocol.get("seconds_per_evaluation")
    if not paces:
        raise ValueError("no times were measured: run the race with timed=True, or with seconds=.")
    fig = panels(
        1, 2, dark=dark, titles=("Objective over evaluations", "Objective over time"), title=title,
        subtitle=_of_race(race) if title else "", horizontal_spacing=0.1, height=480, shared_yaxes=True,
        layout={"margin": {"l": 64, "r": 24, "t": 128 if title else 72, "b": 52},
                "legend": {"y": 1.085, "traceorder": "reversed"}},
    )  # fmt: skip
    table = standings(race)
    _curves(fig, race, table, dark, {"row": 1, "col": 1})
    _curves(fig, race, table, dark, {"row": 1, "col": 2}, paces)
    fig.for_each_trace(lambda trace: trace.update(showlegend=False), row=1, col=2)
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


def _curves(
    fig: Any, race: Race, table: list[dict[str, Any]], dark: bool, at: Place, paces: dict[str, float] | None = None
) -> None:
    """Medians and bands over the evaluations, or over time where the seconds of an evaluation are given."""
    c = palette(dark)
    target, lowest, top = float(race.protocol["target"]), [], []
    ends = [line["evaluations"] * (paces or {}).get(line["label"], 1.0) for line in table]
    scale, unit = clock(max(ends)) if paces else (1.0, "evaluations")
    wide = paces is not None and max(ends) > WIDE * min(ends)
    for line in reversed(table):  # the best on top
        runs = np.asarray(race.runs[line["label"]], float)
        chosen = thinned(runs.shape[1])[int(wide) :]  # a logarithmic axis has no zero
        runs = np.where(np.isfinite(runs), runs, np.nan)[:, chosen]
        colour = colour_of(line["label"] if line["label"] in race.value["method"] else line["method"], dark)
        if is_sweep(race):
            colour = of_rate(line, table, dark)
        with np.errstate(all="ignore"):
            middle = np.apply_along_axis(median, 0, runs)
        middle = np.where(np.isfinite(middle), middle, np.nan)
        x = chosen * (paces[line["label"]] * scale) if paces else chosen
        if len(runs) > 1:
            band(fig, x, np.nanmin(runs, 0), np.nanmax(runs, 0), line["label"], colour, at=at)
        curve(fig, x, middle, line["label"], colour, at=at, hovertemplate="%{x:.4g}: %{y:.4g}")
        lowest.append(np.nanmin(runs[:, -1]) if np.isfinite(runs[:, -1]).any() else np.inf)
        top.append(np.asarray(race.runs[line["label"]], float)[:, 0].max())
    fig.add_hline(y=target, line={"color": c["muted"], "width": 1, "dash": "dot"}, **at)
    fig.update_yaxes(**_heights(target, float(np.nanmax(top)), float(min(*lowest, target))), **at)
    fig.update_xaxes(title=unit, **at)
    if wide:
        fig.update_xaxes(**log_axis(scale * min((paces or {}).values()), scale * max(ends)), **at)


def _heights(target: float, start: float, floor: float) -> dict[str, Any]:
    """The axis of the objective: logarithmic where it falls far."""
    if floor >= 0 and target > 0 and start > 20 * max(floor, DEEPEST * start):
        low = max(floor, DEEPEST * start, target * 1e-6)
        return log_axis(low * 10**-0.15, start * 10**0.3)
    pad = 0.06 * (start - floor or 1.0)
    return {"range": [floor - pad, start + pad]}


def _bars(fig: Any, race: Race, table: list[dict[str, Any]], dark: bool) -> None:
    at, c = {"row": 1, "col": 2}, palette(dark)
    counts = np.array([float(line["evaluations_to_target"]) for line in table])
    longest = max([*counts[np.isfinite(counts)], 1.0])
    budget = max(line["evaluations"] for line in table)
    many = is_sweep(race)
    for line, count in zip(table, counts):
        colour = of_rate(line, table, dark) if many else colour_of(line["method"], dark)
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


def of_rate(line: dict[str, Any], table: list[dict[str, Any]], dark: bool) -> str:
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
