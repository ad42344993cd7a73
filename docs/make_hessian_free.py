"""Write the measured part of docs/hessian_free.md from the benchmark's JSON, and draw the pictures of the page."""

from __future__ import annotations

import json
import re
import statistics
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import plotly.graph_objects as go
from benchmarks.optimize.hessian_free_records import FILE, fastest

from cycloid.figures.draw import band, curve, dots, panels
from cycloid.figures.theme import palette

DOCS = Path(__file__).resolve().parent
PAGE = DOCS / "hessian_free.md"
PART = re.compile(r"(<!-- measured: [^>]*-->\n).*?(<!-- end of measured -->)", re.DOTALL)
# Learning rates in the grids of the protocol.
RATES = 11
# The curvatures along and across the valley of the lesson.
FLAT, STEEP = 1.0, 40.0


def measured(cases: dict[str, Any]) -> str:
    """A line for each case: median CPU seconds over the fresh seeds."""
    lines = ["| task | Hessian-free | Adam | momentum | Adam / Hessian-free |", "| --- | --- | --- | --- | --- |"]
    for told in cases.values():
        if not told.get("runs"):
            continue
        runs, best = told["runs"], fastest(told)
        ours = f"{seconds(runs[best])} ({best.removeprefix('hessian-free, ')})" if best else "not reached"
        title = f"{told['protocol']['title']}, to a loss of {told['protocol']['target']:g}"
        rivals = [seconds(runs[name]) if name in runs else "" for name in ("adam", "momentum")]
        lines.append("| " + " | ".join([title, ours, *rivals, share(runs, best)]) + " |")
    for told in cases.values():  # a case that was measured otherwise says so
        if any(len(grid) != RATES for grid in told["protocol"].get("grids", {}).values()):
            lines += [
                "",
                f"{told['protocol']['title']}: {told['protocol']['note']}",
            ]
    return "\n".join(lines)


def seconds(runs: dict[str, Any]) -> str:
    """The median, or how long it was in vain."""
    times = [run["seconds"] if run["reached"] else float("inf") for run in runs.values()]
    middle = statistics.median(times)
    return f"{middle:.3g} s" if np.isfinite(middle) else f"not within {max(r['seconds'] for r in runs.values()):.3g} s"


def share(runs: dict[str, Any], best: str | None) -> str:
    """The median over the seeds of the ratio of times, a lower bound where Adam never arrived."""
    both = [seed for seed in runs.get("adam", {}) if best is not None and seed in runs[best]]
    if best is None or not both:
        return ""
    ratios = [runs["adam"][seed]["seconds"] / runs[best][seed]["seconds"] for seed in both]
    least = "at least " if not all(runs["adam"][seed]["reached"] for seed in both) else ""
    return f"{least}{statistics.median(ratios):.2f}"


def race(cases: dict[str, Any]) -> Any:
    """Loss against CPU seconds of the methods of each case: the median over the seeds, and all of them as a band."""
    drawn = [told for told in cases.values() if told.get("runs")][:4]
    c = palette()
    rows, columns = -(-len(drawn) // 2), min(2, len(drawn))
    fig = panels(
        rows, columns, titles=[told["protocol"]["title"] for told in drawn], height=120 + 300 * rows,
        title="Loss against CPU time",
        subtitle="median over the seeds, all as a band; dots: seeds at the dotted target; thin lines: plateaus",
        horizontal_spacing=0.1, vertical_spacing=0.17, layout={"margin": {"l": 64, "r": 24, "t": 136, "b": 52},
                                                               "legend": {"y": 1.12 if rows == 1 else 1.06}},
    )  # fmt: skip
    colours = {"hessian-free": c["plum"], "adam": c["green"], "momentum": c["warm"]}
    for i, told in enumerate(drawn):
        at = {"row": 1 + i // 2, "col": 1 + i % 2}
        chosen = {"hessian-free": fastest(told) or next(n for n in told["runs"] if n.startswith("hessian-free"))}
        for name, colour in colours.items():
            runs = told["runs"].get(chosen.get(name, name))
            if runs:
                _course(fig, list(runs.values()), name, colour, at, first=i == 0)
        target = told["protocol"]["target"]
        for height in told["protocol"].get("plateaus", ()):
            if height > target:
                fig.add_hline(y=height, line={"color": c["muted"], "width": 0.5}, **at)
        fig.add_hline(y=target, line={"color": c["muted"], "width": 1, "dash": "dot"}, **at)
        if target > 1:  # a loss that no one brings to zero: the last part of the way
            fig.update_yaxes(range=[0.995 * target, 1.07 * target], **at)
        else:
            fig.update_yaxes(type="log", dtick=1, **at)
        fig.update_xaxes(title="CPU seconds", rangemode="tozero", **at)
    for note in fig.layout.annotations:
        note.font.size = 13
    return fig


def _course(fig: Any, runs: list[Any], name: str, colour: str, at: dict[str, int], *, first: bool) -> None:
    """The losses of several runs on common times."""
    last = max(run["marks"][-1][0] for run in runs)
    times = np.linspace(0.0, last, 200)
    columns = []
    for run in runs:
        marks = np.array([[t, np.nan if loss is None else loss] for t, loss in run["marks"]], float)
        columns.append(np.interp(times, marks[:, 0], marks[:, 1], left=np.nan))
    table = np.array(columns)
    seen = np.isfinite(table).all(axis=0)
    times, table = times[seen], table[:, seen]
    band(fig, times, table.min(axis=0), table.max(axis=0), name, colour, at=at)
    curve(fig, times, np.median(table, axis=0), name, colour, at=at, showlegend=first)
    reached = [run["marks"][-1] for run in runs if run["reached"]]
    if reached:
        dots(fig, *np.array(reached).T, f"{name}, a seed at the target", colour, at=at, size=7, showlegend=False)


def lesson() -> Any:
    """One valley, forty gradient steps and one curvature step; and what a step leaves of the error along each axis."""
    c = palette()
    fig = panels(
        1, 2, titles=("On the map", "What one step leaves of the way, by curvature"), height=510,
        title="A gradient step cannot serve a steep and a flat direction at once",
        subtitle=f"curvature {STEEP:g} across the valley and {FLAT:g} along it; both start at the same point",
        column_widths=[0.56, 0.44], horizontal_spacing=0.11, layout={"margin": {"l": 64, "r": 24, "t": 136, "b": 52},
                                                                     "legend": {"y": 1.09}},
    )  # fmt: skip
    _map(fig, c, {"row": 1, "col": 1})
    _leftovers(fig, c, {"row": 1, "col": 2})
    return fig


def _map(fig: Any, c: dict[str, str], at: dict[str, int]) -> None:
    curvature, start = np.array([FLAT, STEEP]), np.array([-2.2, 0.28])
    x, y = np.linspace(-2.6, 0.7, 200), np.linspace(-0.42, 0.42, 120)
    height = (FLAT * x[None, :] ** 2 + STEEP * y[:, None] ** 2) / 2
    fig.add_trace(go.Contour(
        x=x, y=y, z=height, contours={"coloring": "lines", "start": 0.1, "end": 6, "size": 0.45}, showscale=False,
        colorscale=[[0, c["rule"]], [1, c["rule"]]], hoverinfo="skip", line={"width": 1},
    ), **at)  # fmt: skip
    rate, walk = 1.9 / STEEP, [start]
    for _ in range(40):
        walk.append(walk[-1] - rate * curvature * walk[-1])
    points = np.array(walk)
    curve(fig, points[:, 0], points[:, 1], "40 gradient steps", c["green"], at=at, mode="lines+markers", width=1.2,
          marker={"size": 4})  # fmt: skip
    damping = np.logspace(3, -3, 200)[:, None]
    damped = start - curvature * start / (curvature + damping)
    curve(fig, damped[:, 0], damped[:, 1], "one curvature step, λ from large to small", c["plum"], at=at, width=3)
    for value, shift in ((20.0, 0), (1.0, -16)):
        place = start - curvature * start / (curvature + value)
        dots(fig, *place, f"λ = {value:g}", c["plum"], at=at, size=8, showlegend=False)
        fig.add_annotation(x=place[0], y=place[1], text=f"λ = {value:g}", yshift=shift, xanchor="left", xshift=8,
                           font={"color": c["plum"]}, bgcolor=c["paper"], showarrow=False, **at)  # fmt: skip
    dots(fig, 0.0, 0.0, "minimum", c["ink"], at=at, size=10, marker={"symbol": "x"})
    fig.update_xaxes(title="along the valley", range=[-2.6, 0.7], **at)
    fig.update_yaxes(title="across", range=[-0.42, 0.42], showgrid=False, **at)


def _leftovers(fig: Any, c: dict[str, str], at: dict[str, int]) -> None:
    bend = np.logspace(-3, np.log10(STEEP), 300)
    curve(fig, bend, np.abs(1 - 1.9 / STEEP * bend), "gradient, η = 1.9 / 40", c["green"], at=at, showlegend=False)
    fig.add_annotation(x=-1.0, y=1.03, text="gradient: |1 − ηκ|", font={"color": c["green"]}, yanchor="bottom", **at)
    for value, dash, level, side in ((1.0, "solid", 0.3, "right"), (0.01, "dash", 0.6, "left")):
        curve(fig, bend, value / (bend + value), f"λ = {value:g}", c["plum"], at=at, dash=dash, showlegend=False)
        fig.add_annotation(x=np.log10(value / level - value), y=level, text=f"λ = {value:g}: λ / (κ + λ)", xanchor=side,
                           xshift=8 if side == "left" else -8, font={"color": c["plum"]}, **at)  # fmt: skip
    fig.update_xaxes(title="curvature κ of the direction", type="log", dtick=1, **at)
    fig.update_yaxes(title="share of the error left", range=[0, 1.12], **at)


def record() -> dict[str, Any]:
    """The cases of the benchmark."""
    return json.loads(FILE.read_text(encoding="utf-8"))["cases"]


def filled(page: str) -> str:
    """The page with its measured part up to date."""
    page, count = PART.subn(lambda m: f"{m[1]}{measured(record())}\n{m[2]}", page)
    if count != 1:
        raise ValueError(f"{PAGE.name} has {count} measured parts; it should have one.")
    return page


def main() -> None:
    """The numbers first, then the pictures: two drawn here, the others by the page's own code."""
    from make_figures import BLOCK, save

    page, cases = filled(PAGE.read_text(encoding="utf-8")), record()
    PAGE.write_text(page, encoding="utf-8")
    save(lesson(), DOCS / "images" / "hessian-free-lesson.webp")
    save(race(cases), DOCS / "images" / "hessian-free-race.png")
    namespace: dict[str, Any] = {"__name__": "page"}
    for block in BLOCK.finditer(page):
        exec(compile(block["code"], str(PAGE), "exec"), namespace)
        if block["image"]:
            save(namespace["fig"], DOCS / block["image"])


if __name__ == "__main__":
    main()
